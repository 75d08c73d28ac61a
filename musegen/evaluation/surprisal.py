"""Compute how surprising each note of a piece is to a model, in bits.

The surprisal of a token is −log₂ p, where p is its probability under the model, given all tokens
before it (Shannon 1948). A note takes several tokens; its surprisal is the sum of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.encoder import Encoder
from musegen.encoding.report.outcomes import Piece, outcomes
from musegen.errors import CheckpointError, EncodingError, MidiError
from musegen.evaluation.attribution import owners
from musegen.generation import compose, primer
from musegen.generation.composer import Composer
from musegen.generation.primer import Reading, in_best_octave, track_name
from musegen.model.likelihood import row_nats
from musegen.score import Score, Table, columns
from musegen.score.midi import MidiSource
from musegen.score.reading import read_parts
from musegen.utils.arrays import Floats, Ints

__all__ = ["BAR", "NOTE", "TRACK", "Surprisal", "surprisal"]

NATS_PER_BIT = float(np.log(2))
LONGEST = 100_000  # tokens: about 30,000 notes, and 8 s

NOTE = np.dtype(
    [
        ("note", "<i4"),
        ("track", "<u2"),
        ("bar", "<i4"),
        ("beat", "<f8"),
        ("onset", "<i4"),
        ("seconds", "<f8"),
        ("pitch", "u1"),
        ("bits", "<f8"),
    ]
)
BAR = np.dtype(
    [("bar", "<i4"), ("track", "<u2"), ("notes", "<i4"), ("bits", "<f8"), ("bits_per_note", "<f8")]
)
TRACK = np.dtype([("track", "<u2"), ("notes", "<i4"), ("bits", "<f8"), ("bits_per_note", "<f8")])


@dataclass(frozen=True, eq=False, repr=False)
class Surprisal:
    """The surprisal of a piece under a model: `bits` = `notes["bits"].sum()` + `between`.

    Each table converts to pandas: `pd.DataFrame(found.notes)`.

    Attributes:
        checkpoint: Name of the model.
        score: The piece, one track per instrument.
        sources: Indices of the tracks of `score` that the model reads.
        left_out: (name, reason) of the other tracks.
        notes: `NOTE[N]`, in the order of the tokens: `note` and `track` are indices into
            `score.notes` and `score.tracks`; `bar` is counted from 1, a pickup is 0; `beat` from 1,
            in units of the meter's denominator; `onset` in ticks of `score`, and in `seconds`;
            `pitch` as in the file; `bits`.
        between: Bits of tokens that belong to no note: bars, meters, tempos where no note begins,
            the end.
        bits: Bits of all tokens.
        tokens: Number of tokens, without `start`, which is given.
        shift: Semitones of the transposition, in whole octaves, to where the model predicts the
            piece best.
        doubled: Number of notes of `sources` that the encoding merges with another of the same
            pitch and step.
    """

    checkpoint: str
    score: Score
    sources: tuple[int, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: Table
    between: float
    bits: float
    tokens: int
    shift: int
    doubled: int

    def __repr__(self) -> str:
        """Return the model, the number of notes and the bits per note."""
        notes = f"{len(self.notes)} notes, {self.bits_per_note:.2f} bits per note"
        return f"Surprisal({self.checkpoint}: {notes})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tracks that the model reads."""
        return tuple(track_name(self.score, source) for source in self.sources)

    @property
    def nats_per_token(self) -> float:
        """Mean of −log p of all tokens: the quantity that training minimises."""
        return self.bits * NATS_PER_BIT / self.tokens

    @property
    def bits_per_note(self) -> float:
        """Bits of all tokens, those between notes included, divided by the number of notes."""
        return self.bits / len(self.notes)

    @property
    def bits_per_second(self) -> float:
        """Bits of all tokens, divided by the duration of the piece."""
        return self.bits / self.score.duration

    @cached_property
    def bars(self) -> Table:
        """`BAR[...]`: a row for each bar and track with an onset in it, sorted by both."""
        pairs = np.stack([self.notes["bar"], self.notes["track"]], axis=1).astype(np.int64)
        (bar, track), sums = self._sums(pairs)
        return columns(BAR, bar=bar, track=track, **sums)

    @cached_property
    def tracks(self) -> Table:
        """`TRACK[...]`: a row for each track with notes that the model reads."""
        (track,), sums = self._sums(self.notes["track"].astype(np.int64)[:, None])
        return columns(TRACK, track=track, **sums)

    def _sums(self, keys: Ints) -> tuple[Ints, dict[str, NDArray[Any]]]:
        """Return the distinct rows of `keys`, `int64[K, groups]`, and the sums of each."""
        groups, of = np.unique(keys, axis=0, return_inverse=True)
        of = of.reshape(-1)  # NumPy 2.0 returns another shape
        notes, bits = np.bincount(of), np.bincount(of, self.notes["bits"])
        return groups.T, {"notes": notes, "bits": bits, "bits_per_note": bits / notes}


def surprisal(piece: MidiSource, checkpoint: str | Path | Composer = "auto") -> Surprisal:
    """Return how surprising each note of a piece is to a model.

    The piece is prepared as when it is continued: tracks are chosen, gaps of articulation closed, a
    pickup filled up, and all transposed to the octave that the model predicts best. But nothing is
    cut off.

    Args:
        piece: A path to a MIDI file or to written music (MusicXML, ABC, Humdrum), a `Score`,
            `PrettyMIDI`, `mido.MidiFile` or music21 stream.
        checkpoint: A name, a path, a loaded `Composer`, or `auto` for the model that predicts the
            piece best.

    Raises:
        MidiError: The piece cannot be read, or has no notes.
        EncodingError: The model can read none of its tracks, or the piece is longer than `LONGEST`.
        CheckpointError: There is no such model, it is damaged, or it fills gaps.

    >>> from musegen import Track
    >>> notes = [(0, 480, 74, 80, 0), (480, 480, 69, 80, 0)]
    >>> found = surprisal(Score(notes=notes, tracks=[Track()]), "folk")
    >>> found.notes["pitch"].tolist(), found.notes["beat"].tolist()
    ([74, 69], [1.0, 2.0])
    >>> bool(np.isclose(found.bits, found.notes["bits"].sum() + found.between))
    True
    """
    score = read_parts(piece)
    if not len(score):
        raise MidiError(
            "a piece with notes was expected. Received: one without. Give another file."
        )
    if isinstance(checkpoint, Composer):
        composer = checkpoint
    else:
        composer = compose.pick(checkpoint, score)[0]
    if composer.checkpoint.fills:
        raise CheckpointError(
            "a model that continues music was expected, which reads a piece in its order. "
            f"Received: {composer.checkpoint.name}, which fills gaps. "
            "Use another checkpoint, as folk, or auto."
        )
    reading, has_pickup = _read(score, composer.encoder)
    kept, doubled = _encoded_notes(reading.music, composer.encoder)
    vocabulary = composer.encoder.vocabulary
    encoded = in_best_octave(reading, composer.engine, vocabulary)
    tokens = encoded.tokens
    bits = row_nats(composer.engine, tokens[None], vocabulary)[0] / NATS_PER_BIT
    of = owners(tokens, vocabulary)[1:]
    sums = np.asarray(np.bincount(of + 1, bits, minlength=len(kept) + 1), np.float64)
    return Surprisal(
        checkpoint=composer.checkpoint.name,
        score=score,
        sources=reading.sources,
        left_out=reading.left_out,
        notes=_located(reading, has_pickup, kept, sums[1:]),
        between=float(sums[0]),
        bits=float(sums.sum()),
        tokens=len(bits),
        shift=encoded.shift,
        doubled=doubled,
    )


def _read(score: Score, encoder: Encoder) -> tuple[Reading, bool]:
    """Read a whole piece, and return whether it has a pickup.

    `read_primer` would cut notes that ring over the last barline, and the start of a long piece.
    """
    picked, left_out = primer.pick_tracks(score, encoder.config)
    prepared = primer.prepare(score, picked)
    tokens = encoder.encode(prepared.score)
    if len(tokens) > LONGEST:
        raise EncodingError(
            f"a piece of at most {LONGEST:,} tokens was expected, which takes seconds. Received: "
            f"{len(tokens):,}, with {len(prepared.score):,} notes. Cut it into pieces, in Python "
            "with score[:200], which are its first 200 bars."
        )
    steps = encoder.decode(tokens).end
    reading = Reading(score, score.end, prepared.score, tokens, steps, tuple(picked), left_out)
    return reading, prepared.moved > 0


def _encoded_notes(music: Score, encoder: Encoder) -> tuple[Ints, int]:
    """Return the indices of notes in the order of their tokens, and the number of merged notes."""
    kept_notes = outcomes(Piece(music), encoder.config)
    notes = music.notes[kept_notes.kept]
    keys = [notes["pitch"], kept_notes.onset]  # the last one is sorted by first
    if encoder.config.encoding == "metric":
        keys.insert(1, notes["track"])
    return kept_notes.kept[np.lexsort(keys)], kept_notes.merged


def _located(reading: Reading, has_pickup: bool, kept: Ints, bits: Floats) -> Table:
    """Return the notes with their places in the piece, `NOTE[N]`."""
    # Bars and beats by the prepared music, whose pickup is a whole bar
    music, score = reading.music, reading.primer
    onset = music.notes["onset"][kept].astype(np.int64)
    lines, meters = music.barlines(), music.with_default_meter()
    bar = np.searchsorted(lines, onset, side="right") - 1
    denominator = meters["denominator"][np.searchsorted(meters["tick"], onset, side="right") - 1]

    # Everything else by the piece: its notes on the tracks that are read have the same order
    note = np.isin(score.notes["track"], reading.sources).nonzero()[0][kept]
    notes = score.notes[note]
    return columns(
        NOTE,
        note=note,
        track=notes["track"],
        bar=bar + 1 - has_pickup,
        beat=1 + (onset - lines[bar]) * denominator / (4 * music.ticks_per_quarter),
        onset=notes["onset"],
        seconds=score.seconds(notes["onset"]),
        pitch=notes["pitch"],
        bits=bits,
    )
