"""Convert ticks to 10 ms steps, and apply the sustain pedal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musegen.encoding.bundle import Bundle, in_force
from musegen.encoding.metric import of_rows, only, to_steps
from musegen.encoding.rows import STEP_MASK, moments
from musegen.score.timing import DEFAULT_TEMPO
from musegen.utils.arrays import Ints

__all__ = ["STEPS_PER_SECOND", "StepClock", "step_clock", "sustained"]

STEPS_PER_SECOND = 100


class StepClock(NamedTuple):
    """Converts the ticks of pieces to steps of 10 ms, in integers, so that ties round up exactly.

    `musegen.score.timing.TempoMap` is its counterpart in floating-point seconds. The first four
    columns have one row for each stretch of constant tempo, in all pieces.

    Attributes:
        at: Moment at which the stretch begins.
        clock: Time at which it begins, in microseconds times ticks per quarter. It counts on from
            one piece to the next, so only differences within a piece have a meaning.
        microseconds: Its tempo, per quarter.
        first: `int64[pieces]`: the first stretch of each piece.
        ticks_per_quarter: `int64[pieces]`, or one number if all are equal.
    """

    at: Ints
    clock: Ints
    microseconds: Ints
    first: Ints
    ticks_per_quarter: Ints | int

    def steps(self, piece: Ints, ticks: Ints) -> Ints:
        """Return the nearest step of each tick, exactly; halves round up.

        Args:
            piece: `int64[N]`: the piece of each tick.
            ticks: `int64[N]`.
        """
        if len(self.at) == len(self.first):  # one tempo each
            elapsed = ticks * self.microseconds[piece]
        else:
            when = moments(piece, ticks)
            row = self.at.searchsorted(when, side="right") - 1
            elapsed = self.clock[row] - self.clock[self.first][piece]
            elapsed += (when - self.at[row]) * self.microseconds[row]
        per_quarter = of_rows(self.ticks_per_quarter, piece)
        return to_steps(elapsed, per_quarter * (1_000_000 // STEPS_PER_SECOND), 1)


def step_clock(bundle: Bundle) -> StepClock:
    """Return the clock of a bundle's tempos; a piece may begin without one, at 120 bpm."""
    pieces = np.arange(len(bundle.end))
    piece, tick, microseconds = in_force(bundle.tempos, (DEFAULT_TEMPO,), len(pieces))
    at = moments(piece, tick)
    # Between pieces `at` jumps, and the sum may overflow: differences within a piece stay right.
    clock = np.append(0, np.cumsum(np.diff(at) * microseconds[:-1]))[: len(at)]
    first = piece.searchsorted(pieces)
    return StepClock(at, clock, microseconds, first, only(bundle.ticks_per_quarter))


def sustained(track: Ints, offset: Ints, bundle: Bundle) -> Ints:
    """Return note ends with the sustain pedal applied: moved to where the pedal is released.

    Args:
        track: `int64[N]`: the track of each note.
        offset: `int64[N]`: the tick at which its key is released.
        bundle: Has the pedals.
    """
    pedals = bundle.pedals
    down = moments(pedals.track, pedals.onset)
    order = np.argsort(down, kind="stable")
    row = np.searchsorted(down[order], moments(track, offset), side="right") - 1
    row = order[np.maximum(row, 0)]
    is_down = (pedals.track[row] == track) & (pedals.onset[row] <= offset)
    release = np.minimum(pedals.onset[row] + pedals.duration[row], STEP_MASK)
    return np.where(is_down, np.maximum(offset, release), offset)
