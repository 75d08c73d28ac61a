"""Augmentation: training pieces in other keys, tempos, loudness, and with fewer parts.

Many pieces are varied at once. What only renames tokens is done on tokens; the rest decodes the
pieces, changes columns of notes, and encodes them again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musegen.config import TrainingConfig
from musegen.encoding import performance
from musegen.encoding.bundle import Bundle, Column, Tempos, Tracks, take
from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.score.timing import DEFAULT_TEMPO

__all__ = ["Variation", "varied"]


@dataclass(frozen=True)
class Variation:
    """How far pieces may be varied; each field is as in `TrainingConfig`."""

    transpose: int = 0
    part_dropout: float = 0.0
    tempo_scaling: float = 0.0
    velocity_scaling: float = 0.0

    @classmethod
    def of(cls, config: TrainingConfig) -> Variation:
        """Return the settings of a training run that are about augmentation."""
        return cls(**{name: getattr(config, name) for name in cls.__dataclass_fields__})

    def of_notes(self, encoder: Encoder) -> bool:
        """Return whether notes change in a way that the encoder can write, and not only the names of pitches."""
        if not (self.part_dropout or self.tempo_scaling or self.velocity_scaling):
            return False
        config = encoder.config
        played = config.encoding == "performance"
        return bool(
            (self.part_dropout and config.parts > 1 and not played)
            or (self.tempo_scaling and played)
            or (self.velocity_scaling and config.velocities)
        )


def varied(
    pieces: list[Tokens], encoder: Encoder, variation: Variation, rng: np.random.Generator
) -> list[Tokens]:
    """Return the pieces, each varied in its own way.

    Args:
        pieces: Whole pieces, `int32[T]` each, from `start` to `end`.
        encoder: What made them.
        variation: How far they may be varied.
        rng: Decides everything.
    """
    tokens = np.concatenate(pieces)
    lengths = np.array([len(piece) for piece in pieces])
    starts = lengths.cumsum() - lengths
    if variation.of_notes(encoder):
        bundle = _varied_notes(
            encoder.codec.decode(tokens, starts, encoder.vocabulary), encoder, variation, rng
        )
        tokens, starts = encoder.codec.encode(bundle, encoder.vocabulary)
    if variation.transpose:
        semitones = rng.integers(-variation.transpose, variation.transpose + 1, len(starts))
        tokens = _transposed(tokens, starts, semitones, encoder.vocabulary)
    return np.split(tokens, starts[1:])


def _transposed(
    tokens: Tokens, starts: Column, semitones: Column, vocabulary: Vocabulary
) -> Tokens:
    """Move each piece by its semitones, or as near to it as keeps every pitch in 0–127."""
    mine = vocabulary.transposable[tokens]
    pitches = vocabulary.values[tokens].astype(np.int64)
    lowest = np.minimum.reduceat(np.where(mine, pitches, 127), starts)
    highest = np.maximum.reduceat(np.where(mine, pitches, 0), starts)
    semitones = np.clip(semitones, -lowest, 127 - highest)
    moved = np.repeat(semitones, np.diff(np.append(starts, len(tokens))))
    out: Tokens = tokens + (moved * mine).astype(np.int32)
    return out


def _varied_notes(
    bundle: Bundle, encoder: Encoder, variation: Variation, rng: np.random.Generator
) -> Bundle:
    if variation.part_dropout:
        bundle = _thinned(bundle, variation.part_dropout, rng)
    pieces = len(bundle.end)
    if variation.velocity_scaling:
        louder = _around_one(variation.velocity_scaling, pieces, rng)[bundle.notes.piece]
        velocity = np.clip(np.round(bundle.notes.velocity * louder), 1, 127).astype(np.int64)
        bundle = bundle._replace(notes=bundle.notes._replace(velocity=velocity))
    if variation.tempo_scaling and encoder.config.encoding == "performance":
        # A decoded performance has one tempo. With another it lasts longer, and is quantised as any
        # other music.
        slower = _around_one(variation.tempo_scaling, pieces, rng)
        every = np.arange(pieces)
        tempos = Tempos(every, 0 * every, np.round(DEFAULT_TEMPO * slower).astype(np.int64))
        return performance.quantise(bundle._replace(tempos=tempos), encoder.vocabulary)
    return (
        encoder.codec.quantise(bundle, encoder.vocabulary) if variation.velocity_scaling else bundle
    )


def _around_one(share: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return factors from 1/(1 + share) to 1 + share, as often below as above one."""
    out: NDArray[np.float64] = np.exp(rng.uniform(-1, 1, count) * np.log1p(share))
    return out


def _thinned(bundle: Bundle, share: float, rng: np.random.Generator) -> Bundle:
    """Return the pieces, a share of them with a random choice of their parts that play, at least one."""
    tracks, notes = bundle.tracks, bundle.notes
    plays = np.zeros(len(tracks.piece), bool)
    plays[notes.track] = True
    chosen = plays & (rng.random(len(plays)) < 0.5)
    # One part of each piece stays in any case: the one that drew the smallest number.
    lot = np.where(plays, rng.random(len(plays)), 2.0)
    first = np.searchsorted(tracks.piece, np.unique(tracks.piece))
    least = np.minimum.reduceat(lot, first)
    of = np.searchsorted(first, np.arange(len(lot)), side="right") - 1
    has_some = np.maximum.reduceat(chosen, first)
    chosen |= ~has_some[of] & (lot == least[of])
    whole = rng.random(len(bundle.end)) >= share
    kept = chosen | whole[tracks.piece]
    number = kept.cumsum() - 1
    stays = kept[notes.track]
    thin = Tracks(*take(tracks, kept))
    begins = np.searchsorted(thin.piece, thin.piece)
    thin = thin._replace(number=np.arange(len(thin.piece)) - begins)
    return bundle._replace(
        tracks=thin, notes=take(notes, stays)._replace(track=number[notes.track[stays]])
    )
