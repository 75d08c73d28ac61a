"""Excerpts, steps and melody lines, from which the measures are computed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.errors import ConfigError
from musegen.score.columns import Table
from musegen.score.keys import melodic
from musegen.score.score import Score
from musegen.utils.arrays import Ints

__all__ = ["STEPS_PER_QUARTER", "MelodyLines", "excerpt", "melody_lines", "steps"]

STEPS_PER_QUARTER = 12  # sixteenths and triplets are exact


class MelodyLines(NamedTuple):
    """The highest notes of each track, ordered by track and step.

    Attributes:
        track: `int64[N]`: index of the track.
        step: `int64[N]`: onset in steps; each step occurs once in a track.
        pitch: `int64[N]`: highest pitch that begins there.
    """

    track: Ints
    step: Ints
    pitch: Ints

    def moves(self) -> tuple[Ints, Ints, Ints]:
        """Return track, steps and semitones from each note to the next one, `int64[M]` each."""
        same_track = np.diff(self.track) == 0
        return (
            self.track[1:][same_track],
            np.diff(self.step)[same_track],
            np.diff(self.pitch)[same_track],
        )


def excerpt(score: Score, notes: Table, start: int, end: int | None) -> tuple[Table, int]:
    """Return the notes that begin from `start` to `end`, cut off at `end`, and `end` as a tick.

    Args:
        score: The music.
        notes: All of its notes, or the melodic ones.
        start: A tick.
        end: A tick, exclusive; None for the end of the score.

    Raises:
        ConfigError: They are not in order, or not inside the score.
    """
    end = score.end if end is None else end
    if not 0 <= start <= end <= score.end:
        raise ConfigError(
            f"start and end must be ticks with 0 <= start <= end <= {score.end}, where the score "
            f"ends. Received: start {start}, end {end}. score.barlines() has the ticks of the bars."
        )
    if start > 0 or end < score.end:
        notes = notes[(notes["onset"] >= start) & (notes["onset"] < end)]
        notes["duration"] = np.minimum(notes["duration"], end - notes["onset"])
    return notes, end


def steps(ticks: NDArray[np.integer[Any]], score: Score) -> Ints:
    """Return ticks as steps, `int64[N]`, rounded to the nearest; halves are rounded up."""
    per_quarter = score.ticks_per_quarter
    doubled = ticks.astype(np.int64) * (2 * STEPS_PER_QUARTER)
    return (doubled + per_quarter) // (2 * per_quarter)


def melody_lines(score: Score, start: int = 0, end: int | None = None) -> MelodyLines:
    """Return the melody lines of the notes that begin from `start` to `end`.

    Drums are left out, unless there is nothing else.

    Raises:
        ConfigError: As for `excerpt`.
    """
    notes, _ = excerpt(score, melodic(score), start, end)
    if not len(notes):
        notes, _ = excerpt(score, score.notes, start, end)
    track = notes["track"].astype(np.int64)
    step = steps(notes["onset"], score)
    pitch = notes["pitch"].astype(np.int64)
    order = np.lexsort((-pitch, step, track))
    track, step, pitch = (column[order] for column in (track, step, pitch))
    # The first note at each step of a track is its highest one.
    highest = np.append(True, (np.diff(track) != 0) | (np.diff(step) != 0))[: len(track)]
    return MelodyLines(track[highest], step[highest], pitch[highest])
