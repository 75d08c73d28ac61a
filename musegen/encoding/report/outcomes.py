"""Compute which notes an encoding keeps, merges, clips or drops."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musegen.config import EncoderConfig
from musegen.encoding.bundle import Bundle
from musegen.encoding.metric import to_steps, without_overlaps
from musegen.encoding.performance import STEPS_PER_SECOND, StepClock, step_clock, sustained
from musegen.encoding.report import events
from musegen.encoding.report.report import NotCarried
from musegen.encoding.rows import changes, moments, with_pitch
from musegen.score import Score
from musegen.score.midi import read_bytes
from musegen.score.notation import is_notation
from musegen.score.reading import read
from musegen.utils.arrays import Bools, Floats, Ints

__all__ = ["Outcomes", "Piece", "outcomes"]


@dataclass(frozen=True)
class Piece:
    """A piece to report on. Columns have one row for each note of the score.

    Attributes:
        score: The piece.
        not_carried: Its events that no encoding carries.
        counted: Whether these are complete, as they are for a MIDI file.
    """

    score: Score
    not_carried: tuple[NotCarried, ...] = ()
    counted: bool = False

    @classmethod
    def of(cls, source: Any) -> Piece:
        """Read a piece from anything that `Encoder.encode` takes.

        Raises:
            MidiError: It cannot be read.
        """
        score = read(source)
        if isinstance(source, bytes):
            return cls(score, events.of_file(source, "the given bytes", score), counted=True)
        if not isinstance(source, str | Path) or is_notation(source):
            return cls(score, events.of_score(score))
        return cls(score, events.of_file(read_bytes(source), str(source), score), counted=True)

    @cached_property
    def bundle(self) -> Bundle:
        """The columns of the score."""
        return Bundle.of([self.score])

    @cached_property
    def clock(self) -> StepClock:
        """Converts its ticks to steps of 10 ms."""
        return step_clock(self.bundle)

    @cached_property
    def drum(self) -> Bools:
        """Whether each note is in a drum track."""
        return self.bundle.tracks.drum[self.bundle.notes.track]

    @cached_property
    def released(self) -> Ints:
        """Tick at which each key is released."""
        return self.bundle.notes.onset + self.bundle.notes.duration

    @cached_property
    def lifted(self) -> Ints:
        """Tick of each note's end with the sustain pedal applied."""
        if not len(self.bundle.pedals.onset):
            return self.released
        return sustained(self.bundle.notes.track, self.released, self.bundle)

    @cached_property
    def silent(self) -> Ints:
        """The same, or the tick at which the key is struck again before that."""
        if self.lifted is self.released:
            return self.released
        notes = self.bundle.notes
        order = np.lexsort((notes.onset, with_pitch(notes.track, notes.pitch)))
        again = self.lifted.copy()
        same = ~changes(notes.track[order], notes.pitch[order])[1:]
        again[order[:-1][same]] = notes.onset[order[1:][same]]
        return np.maximum(self.released, np.minimum(self.lifted, again))

    def steps(self, config: EncoderConfig, ticks: Ints) -> Ints:
        """Return the encoding's nearest step to each tick."""
        if config.encoding == "performance":
            return self.clock.steps(np.zeros(len(ticks), np.int64), ticks)
        return to_steps(ticks, self.score.ticks_per_quarter, config.steps_per_quarter)

    def ticks_of(self, config: EncoderConfig, steps: Ints) -> Floats:
        """Return the tick of each of the encoding's steps."""
        if config.encoding == "performance":
            return self.score.ticks(steps / STEPS_PER_SECOND)
        return steps * self.score.ticks_per_quarter / config.steps_per_quarter

    def seconds_of(self, config: EncoderConfig, steps: Ints) -> Floats:
        """Return the time of each of the encoding's steps, by the tempo map of the score."""
        if config.encoding == "performance":
            return steps / STEPS_PER_SECOND
        return self.score.seconds(self.ticks_of(config, steps))


class Outcomes(NamedTuple):
    """What happens to the notes. Columns from `kept` on have one row for each kept note.

    Attributes:
        dropped: Number of notes dropped for each reason: the encoding has no drums (`drums`), not
            enough parts (`tracks`), or the piece is too long (`length`).
        eligible: `bool[N]`: which notes of the score are not dropped.
        merged: Number of notes merged with another.
        doubled: Of these, the ones that any grid would merge: they begin on the tick of another.
        kept: Index in the score, ascending.
        silent: Tick at which the note becomes silent, with the pedal if the encoding applies it.
        onset: Step of the onset.
        duration: Steps of the duration.
        wanted: Steps of the duration if nothing cut it short and it could be zero.
    """

    dropped: dict[str, int]
    eligible: Bools
    merged: int
    doubled: int
    kept: Ints
    silent: Ints
    onset: Ints
    duration: Ints
    wanted: Ints

    def among(self, notes: Ints) -> Outcomes:
        """Return the outcomes of a subset, in the presence of all notes; `dropped` is unchanged.

        Args:
            notes: Their indices in the score.
        """
        chosen = np.zeros(len(self.eligible), bool)
        chosen[notes] = True
        rows, eligible = chosen[self.kept], self.eligible & chosen
        merged = int(eligible.sum() - rows.sum())
        columns = (column[rows] for column in self[4:])
        return Outcomes(self.dropped, eligible, merged, min(self.doubled, merged), *columns)


def outcomes(piece: Piece, config: EncoderConfig, *, too_long: bool = False) -> Outcomes:
    """Return what happens to the notes of a piece.

    Args:
        piece: The piece.
        config: The encoding.
        too_long: Whether the encoding refuses the piece for its length; then no note is kept.
    """
    notes, metric = piece.bundle.notes, config.encoding == "metric"
    drums = piece.drum & (not metric or not config.drums)
    beyond = ~drums & (notes.track >= config.parts) & metric
    eligible = ~(drums | beyond)
    reasons = {"drums": drums, "tracks": beyond, "length": eligible & too_long}
    dropped = {reason: int(rows.sum()) for reason, rows in reasons.items()}
    eligible &= not too_long

    index = eligible.nonzero()[0]
    pedal = config.sustain and not metric
    lifted, silent = (piece.lifted, piece.silent) if pedal else (piece.released, piece.released)
    onset = piece.steps(config, notes.onset[index])
    lasts = piece.steps(config, lifted[index]) - onset
    wanted = lasts if silent is lifted else piece.steps(config, silent[index]) - onset

    track = notes.track[index] if metric else 0 * index
    voice = with_pitch(track, notes.pitch[index])
    stays, duration = without_overlaps(voice, onset, np.maximum(lasts, 1))
    merged = int((~stays).sum())
    # Sorted, because `np.unique` takes seconds for a million keys of this kind.
    struck = np.sort(moments(voice, notes.onset[index]))
    doubled = len(voice) - int(changes(struck).sum()) if merged else 0
    columns = (index, silent[index], onset, duration, wanted)
    return Outcomes(dropped, eligible, merged, doubled, *(column[stays] for column in columns))
