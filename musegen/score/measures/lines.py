"""What all measures are made of: the notes of a stretch of music, steps, and melody lines."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.errors import ConfigError
from musegen.score.columns import Table
from musegen.score.keys import melodic
from musegen.score.score import Score

__all__ = ["STEPS_PER_QUARTER", "Column", "Lines", "lines", "steps", "stretch"]

STEPS_PER_QUARTER = 12  # sixteenths and triplets are exact

Column = NDArray[np.int64]


class Lines(NamedTuple):
    """The highest notes of each track, by track and step: a row per track and step where one begins."""

    track: Column
    step: Column
    pitch: Column


def stretch(score: Score, notes: Table, start: int, end: int | None) -> tuple[Table, int]:
    """Return those of some notes of a score that begin at `start` or later and before `end`, and `end` as a tick.

    Notes end at `end` at the latest.

    Args:
        score: The music.
        notes: All of its notes, or the melodic ones.
        start: A tick.
        end: A tick; None for where the score ends.

    Raises:
        ConfigError: They are not in order, or not inside the score.
    """
    end = score.end if end is None else end
    if not 0 <= start <= end <= score.end:
        raise ConfigError(
            f"start and end must be ticks with 0 <= start <= end <= {score.end}, where the score ends. "
            f"Received: start {start}, end {end}. score.barlines() has the ticks of the bars."
        )
    if start > 0 or end < score.end:
        notes = notes[(notes["onset"] >= start) & (notes["onset"] < end)]
        notes["duration"] = np.minimum(notes["duration"], end - notes["onset"])
    return notes, end


def steps(ticks: NDArray[Any], score: Score) -> Column:
    """Return ticks as steps, `int64`, rounded to the nearest, upwards from the middle."""
    per_quarter = score.ticks_per_quarter
    out: Column = (ticks.astype(np.int64) * (2 * STEPS_PER_QUARTER) + per_quarter) // (
        2 * per_quarter
    )
    return out


def lines(score: Score, start: int = 0, end: int | None = None) -> Lines:
    """Return the melody lines of the notes that begin from `start` to `end`, without drums if there is anything else.

    Raises:
        ConfigError: As for `stretch`.
    """
    notes, _ = stretch(score, melodic(score), start, end)
    if not len(notes):
        notes, _ = stretch(score, score.notes, start, end)
    track, step, pitch = (
        notes["track"].astype(np.int64),
        steps(notes["onset"], score),
        notes["pitch"].astype(np.int64),
    )
    order = np.lexsort((-pitch, step, track))
    track, step, pitch = track[order], step[order], pitch[order]
    highest = np.append(True, (track[1:] != track[:-1]) | (step[1:] != step[:-1]))[: len(track)]
    return Lines(track[highest], step[highest], pitch[highest])
