"""How surprising each note of a piece is to a model, in bits.

The surprisal of a token is −log₂ p, p being the probability that the model gave it when it had
heard all tokens
before (Shannon 1948). A note takes several tokens; its bits are the sum over those that help to say
it. The module is not called `surprisal`, because the function is, and a package cannot hold both
under one name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import Column
from musegen.encoding.encoder import Encoder
from musegen.encoding.normalise import close_gaps, pad_pickup
from musegen.encoding.report.outcomes import fates
from musegen.encoding.report.subject import Piece
from musegen.errors import CheckpointError, MidiError
from musegen.evaluation.attribution import owners
from musegen.generation import compose, primer
from musegen.generation.composer import Composer, whole
from musegen.generation.primer import Reading, track_name
from musegen.model.likelihood import row_nats
from musegen.score import Score, Table, columns
from musegen.score.midi import MidiSource

__all__ = ["BAR", "NOTE", "TRACK", "Surprisal", "surprisal"]

NATS_PER_BIT = float(np.log(2))

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
    """How surprising a piece is to a model: `bits` = `notes["bits"].sum()` + `between`.

    A table makes a pandas frame as it is: `pd.DataFrame(found.notes)`.

    Attributes:
        checkpoint: Name of the model.
        score: The piece, one track per instrument.
        sources: The tracks of `score` that the model hears.
        left_out: (name, reason) of the tracks that it does not.
        notes: `NOTE[N]`, in the order in which they are heard: `note` and `track` are indices into
            `score.notes` and `score.tracks`; `bar` is counted from 1, a pickup being 0; `beat` from
            1, in units of the meter's denominator; `onset` in ticks of `score`, and in `seconds`;
            `pitch` as in the file; `bits`.
        between: Bits of what belongs to no note: bars, meters, tempos where no note begins, the
            end.
        bits: Bits of all tokens.
        tokens: How many there are, `start` not counted, which is given.
        shift: Semitones by which the piece was moved, in whole octaves, to be heard where the model
            knows best.
        doubled: Notes of `sources` that are not heard apart: another of their pitch begins on the
            same step.
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
        """Say the figure, and whose it is."""
        return f"Surprisal({self.checkpoint}: {len(self.notes)} notes, {self.bits_per_note:.2f} bits per note)"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tracks that the model hears."""
        return tuple(track_name(self.score, source) for source in self.sources)

    @property
    def nats_per_token(self) -> float:
        """Mean of −log p of all tokens: what training minimises."""
        return self.bits * NATS_PER_BIT / self.tokens

    @property
    def bits_per_note(self) -> float:
        """Bits of all tokens, those between the notes included, divided by the notes heard."""
        return self.bits / len(self.notes)

    @property
    def bits_per_second(self) -> float:
        """Bits of all tokens, divided by the length of the piece in its own tempo."""
        return self.bits / self.score.duration

    @cached_property
    def bars(self) -> Table:
        """`BAR[...]`: a row for each bar and each track that begins a note in it, by bar and track."""
        pairs = np.stack([self.notes["bar"], self.notes["track"]], axis=1).astype(np.int64)
        (bar, track), sums = self._sums(pairs)
        return columns(BAR, bar=bar, track=track, **sums)

    @cached_property
    def tracks(self) -> Table:
        """`TRACK[...]`: a row for each track that has notes heard."""
        (track,), sums = self._sums(self.notes["track"].astype(np.int64)[:, None])
        return columns(TRACK, track=track, **sums)

    def _sums(self, keys: Column) -> tuple[Column, dict[str, NDArray[Any]]]:
        """Return the distinct rows of `keys`, `int64[K, groups]`, and notes and bits of each."""
        groups, of = np.unique(keys, axis=0, return_inverse=True)
        of = of.reshape(-1)  # NumPy 2.0 alone gives it another shape
        notes, bits = np.bincount(of), np.bincount(of, self.notes["bits"])
        return groups.T, {"notes": notes, "bits": bits, "bits_per_note": bits / notes}


def surprisal(piece: MidiSource, checkpoint: str | Path | Composer = "auto") -> Surprisal:
    """Return how surprising each note of a piece is to a model.

    The whole piece is heard, from its first token to its own end, in the octave that the model
    knows best. Tracks are picked, gaps of articulation closed and a pickup filled up as when the
    piece is continued; but nothing is cut.

    Args:
        piece: A path to a MIDI file or to written music (MusicXML, ABC), a `Score`, `PrettyMIDI`,
            `mido.MidiFile` or music21 stream.
        checkpoint: A name, a path, a loaded `Composer`, or `auto` for the one that knows the piece
            best.

    Raises:
        MidiError: The piece cannot be read, or has no notes.
        EncodingError: The model can carry none of its tracks.
        CheckpointError: There is no such model, it is damaged, or it fills gaps.
    """
    score = whole(piece)
    if not len(score):
        raise MidiError(
            "a piece with notes was expected. Received: one without. Give another file."
        )
    composer = (
        checkpoint if isinstance(checkpoint, Composer) else compose.pick(checkpoint, score)[0]
    )
    if composer.checkpoint.fills:
        raise CheckpointError(
            "a model that continues music was expected, which hears a piece in its order. "
            f"Received: {composer.checkpoint.name}, which fills gaps. Use another checkpoint, as folk, or auto."
        )
    reading, moved = _read(score, composer.encoder)
    kept, doubled = _heard_notes(reading.heard, composer.encoder)
    vocabulary = composer.encoder.vocabulary
    tokens, shift = composer.hear(reading)
    bits = row_nats(composer.engine, tokens[None], vocabulary)[0] / NATS_PER_BIT
    of = owners(tokens, vocabulary)[1:]
    sums = np.asarray(np.bincount(of + 1, bits, minlength=len(kept) + 1), np.float64)
    return Surprisal(
        checkpoint=composer.checkpoint.name,
        score=score,
        sources=reading.sources,
        left_out=reading.left_out,
        notes=_located(reading, moved, kept, sums[1:]),
        between=float(sums[0]),
        bits=float(sums.sum()),
        tokens=len(bits),
        shift=shift,
        doubled=doubled,
    )


def _read(score: Score, encoder: Encoder) -> tuple[Reading, bool]:
    """Return the whole piece as a primer that ends where it ends, and whether a pickup was filled up.

    `read_primer` would cut what rings over the last barline, and the beginning of a long piece.
    """
    picked, left_out = primer.pick(score, encoder.config)
    chosen = close_gaps(score.select(picked))
    heard = pad_pickup(chosen)
    tokens = encoder.encode(heard)
    steps = encoder.decode(tokens).end
    return Reading(
        score, score.end, heard, tokens, steps, tuple(picked), left_out
    ), heard is not chosen


def _heard_notes(heard: Score, encoder: Encoder) -> tuple[Column, int]:
    """Return the index of each note in `heard`, in the order of the tokens, and how many are not among them."""
    became = fates(Piece(heard, (), counted=False), encoder.config)
    notes = heard.notes[became.kept]
    metric = encoder.config.encoding == "metric"
    by = (
        (notes["pitch"], notes["track"], became.onset) if metric else (notes["pitch"], became.onset)
    )
    return became.kept[np.lexsort(by)], became.merged


def _located(reading: Reading, has_pickup: bool, kept: Column, bits: NDArray[np.float64]) -> Table:
    """Return the notes with where they are in the piece, `NOTE[N]`."""
    heard, score = reading.heard, reading.primer
    onset = heard.notes["onset"][kept].astype(np.int64)
    lines, meters = heard.barlines(), heard.with_default_meter()
    bar = np.searchsorted(lines, onset, side="right") - 1
    denominator = meters["denominator"][np.searchsorted(meters["tick"], onset, side="right") - 1]
    # The notes of `heard` are those of the piece on the tracks that are read, in the same order.
    note = np.isin(score.notes["track"], reading.sources).nonzero()[0][kept]
    mine = score.notes[note]
    return columns(
        NOTE,
        note=note,
        track=mine["track"],
        bar=bar + 1 - has_pickup,
        beat=1 + (onset - lines[bar]) * denominator / (4 * heard.ticks_per_quarter),
        onset=mine["onset"],
        seconds=score.seconds(mine["onset"]),
        pitch=mine["pitch"],
        bits=bits,
    )
