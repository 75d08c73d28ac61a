"""The piece under examination, and what is asked of it again and again while settings are tried."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import STEP_BITS, Bundle, Column, changes, moments
from musegen.encoding.report import counting
from musegen.encoding.report.report import NotCarried
from musegen.score import Score, Table
from musegen.score.midi import read_bytes
from musegen.score.notation import NOTATION_SUFFIXES
from musegen.score.reading import read
from musegen.score.timing import DEFAULT_TEMPO, in_force

__all__ = ["Piece", "subject"]


@dataclass(frozen=True)
class Piece:
    """A piece: its score, and its events that no encoding carries. Columns have a row per note of the score."""

    score: Score
    not_carried: tuple[NotCarried, ...]
    counted: bool
    """Whether `not_carried` are all there are: those of a file."""

    @cached_property
    def bundle(self) -> Bundle:
        """The score as encoders take it."""
        return Bundle.of([self.score])

    @cached_property
    def released(self) -> Column:
        """Tick where each key is let go."""
        return self.bundle.notes.onset + self.bundle.notes.duration

    @cached_property
    def lifted(self) -> Column:
        """Tick of each note's release, or where the pedal which is down by then is lifted."""
        pedals, track = self.bundle.pedals, self.bundle.notes.track
        if not len(pedals.onset):
            return self.released
        down = moments(pedals.track, pedals.onset)
        order = np.argsort(down, kind="stable")
        row = order[
            np.maximum(
                np.searchsorted(down[order], moments(track, self.released), side="right") - 1, 0
            )
        ]
        holds = (pedals.track[row] == track) & (pedals.onset[row] <= self.released)
        lifted = np.minimum(pedals.onset[row] + pedals.duration[row], 2**STEP_BITS - 1)
        return np.where(holds, np.maximum(self.released, lifted), self.released)

    @cached_property
    def silent(self) -> Column:
        """Tick where each note stops to sound: when the pedal is lifted, or its key is struck again before that."""
        if self.lifted is self.released:
            return self.released
        notes = self.bundle.notes
        order = np.lexsort((notes.onset, (notes.track << 7) + notes.pitch))
        again = self.lifted.copy()
        same = ~changes(notes.track[order], notes.pitch[order])[1:]
        again[order[:-1][same]] = notes.onset[order[1:][same]]
        return np.maximum(self.released, np.minimum(self.lifted, again))

    @cached_property
    def seconds(self) -> dict[str, NDArray[np.float64]]:
        """When each note begins, is released, and stops to sound."""
        score, begins = self.score, self.bundle.notes.onset
        released = score.seconds(self.released)
        silent = released if self.silent is self.released else score.seconds(self.silent)
        return {"begins": score.seconds(begins), "released": released, "silent": silent}

    @cached_property
    def drum(self) -> NDArray[np.bool_]:
        """Whether a note is a drum's."""
        return self.bundle.tracks.drum[self.bundle.notes.track]

    @cached_property
    def tempos(self) -> Table:
        """`TEMPO[...]`: the tempos in force, one a tick, from tick 0 on."""
        return in_force(self.score.tempos, (DEFAULT_TEMPO,))

    def steps(self, ticks: Column) -> Column:
        """Return the nearest 10 ms step of each tick, exactly; halves round up."""
        at, microseconds = (self.tempos[name].astype(np.int64) for name in ("tick", "microseconds"))
        clock = np.append(0, np.cumsum(np.diff(at) * microseconds[:-1]))
        row = np.searchsorted(at, ticks, side="right") - 1
        step = self.score.ticks_per_quarter * 10_000
        out: Column = (2 * (clock[row] + (ticks - at[row]) * microseconds[row]) + step) // (
            2 * step
        )
        return out


def subject(source: Any) -> Piece:
    """Return the piece of anything that an encoder takes.

    Raises:
        MidiError: It cannot be read.
    """
    score = read(source)
    is_file = isinstance(source, bytes) or (
        isinstance(source, str | Path) and not str(source).lower().endswith(NOTATION_SUFFIXES)
    )
    if not is_file:
        return Piece(score, counting.of_score(score), counted=False)
    data, name = (
        (source, "the given bytes")
        if isinstance(source, bytes)
        else (read_bytes(source), str(source))
    )
    return Piece(score, counting.of_file(data, name, score), counted=True)
