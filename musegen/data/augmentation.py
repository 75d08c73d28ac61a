"""Augment training pieces: vary their key, tempo and loudness, and leave out parts.

Many pieces are varied at once. Transposition changes tokens alone; the other variations decode the
pieces, change columns of notes, and encode them again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musegen.config import TrainingConfig
from musegen.encoding import performance
from musegen.encoding.bundle import Bundle, Tempos, Tracks, take
from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Tokens, transposed
from musegen.score.timing import DEFAULT_TEMPO
from musegen.utils.arrays import Floats

__all__ = ["Variation", "varied"]


@dataclass(frozen=True)
class Variation:
    """The range of each variation; see the field of the same name in `TrainingConfig`."""

    transpose: int = 0
    part_dropout: float = 0.0
    tempo_scaling: float = 0.0
    velocity_scaling: float = 0.0

    @classmethod
    def of(cls, config: TrainingConfig) -> Variation:
        """Return the augmentation settings of a training run."""
        return cls(**{name: getattr(config, name) for name in cls.__dataclass_fields__})

    def of_notes(self, encoder: Encoder) -> bool:
        """Return whether notes must be decoded: a variation but transposition has an effect."""
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
    """Return the pieces, each varied at random.

    >>> from musegen import Score, Track
    >>> encoder = Encoder()
    >>> tune = encoder.encode(Score([(0, 480, 60, 80, 0), (480, 480, 67, 80, 0)], [Track()]))
    >>> (other,) = varied([tune], encoder, Variation(transpose=6), np.random.default_rng(1))
    >>> encoder.decode(other).notes["pitch"].tolist()
    [60, 67]

    Args:
        pieces: Whole pieces, `int32[T]` each, from `start` to `end`.
        encoder: The encoder that made them.
        variation: The range of each variation.
        rng: The only source of randomness.
    """
    if variation.of_notes(encoder):
        lengths = np.array([len(piece) for piece in pieces])
        starts = lengths.cumsum() - lengths
        bundle = encoder.codec.decode(np.concatenate(pieces), starts, encoder.vocabulary)
        bundle = _varied_notes(bundle, encoder, variation, rng)
        tokens, starts = encoder.codec.encode(bundle, encoder.vocabulary)
        pieces = np.split(tokens, starts[1:])
    if variation.transpose:
        semitones = rng.integers(-variation.transpose, variation.transpose + 1, len(pieces))
        pieces = [
            transposed(piece, interval, encoder.vocabulary)
            for piece, interval in zip(pieces, semitones.tolist(), strict=True)
        ]
    return pieces


def _varied_notes(
    bundle: Bundle, encoder: Encoder, variation: Variation, rng: np.random.Generator
) -> Bundle:
    if variation.part_dropout:
        bundle = _with_fewer_parts(bundle, variation.part_dropout, rng)
    pieces = len(bundle.end)
    if variation.velocity_scaling:
        factor = _around_one(variation.velocity_scaling, pieces, rng)[bundle.notes.piece]
        velocity = np.clip(np.round(bundle.notes.velocity * factor), 1, 127).astype(np.int64)
        bundle = bundle._replace(notes=bundle.notes._replace(velocity=velocity))
    if variation.tempo_scaling and encoder.config.encoding == "performance":
        # A decoded performance has one tempo. With a slower one it lasts longer, and is quantised
        # like any other music.
        factor = _around_one(variation.tempo_scaling, pieces, rng)
        tempo = np.round(DEFAULT_TEMPO * factor).astype(np.int64)
        tempos = Tempos(np.arange(pieces), np.zeros(pieces, np.int64), tempo)
        return performance.quantise(bundle._replace(tempos=tempos), encoder.vocabulary)
    if variation.velocity_scaling:
        return encoder.codec.quantise(bundle, encoder.vocabulary)
    return bundle


def _around_one(share: float, count: int, rng: np.random.Generator) -> Floats:
    """Return factors from 1/(1 + share) to 1 + share, as often below as above one."""
    return np.exp(rng.uniform(-1, 1, count) * np.log1p(share))


def _with_fewer_parts(bundle: Bundle, share: float, rng: np.random.Generator) -> Bundle:
    """Reduce a share of the pieces to a random choice of their parts with notes, at least one."""
    tracks, notes = bundle.tracks, bundle.notes
    plays = np.zeros(len(tracks.piece), bool)
    plays[notes.track] = True
    chosen = plays & (rng.random(len(plays)) < 0.5)

    # A piece of which no part was chosen keeps the one that drew the smallest number.
    lot = np.where(plays, rng.random(len(plays)), 2.0)
    first = np.searchsorted(tracks.piece, np.unique(tracks.piece))
    smallest = np.minimum.reduceat(lot, first)
    has_chosen = np.maximum.reduceat(chosen, first)
    piece = np.searchsorted(first, np.arange(len(lot)), side="right") - 1
    chosen |= ~has_chosen[piece] & (lot == smallest[piece])
    unchanged = rng.random(len(bundle.end)) >= share
    kept = chosen | unchanged[tracks.piece]

    # Number the remaining tracks, in the bundle and in their pieces.
    index = kept.cumsum() - 1
    tracks = Tracks(*take(tracks, kept))
    begins = np.searchsorted(tracks.piece, tracks.piece)
    tracks = tracks._replace(number=np.arange(len(tracks.piece)) - begins)
    stays = kept[notes.track]
    notes = take(notes, stays)._replace(track=index[notes.track[stays]])
    return bundle._replace(tracks=tracks, notes=notes)
