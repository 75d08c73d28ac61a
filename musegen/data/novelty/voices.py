"""Extract the voices of a score as symbols to compare: pairs of interval and rhythm."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import changes, finals
from musegen.encoding.metric import to_steps
from musegen.score import Score
from musegen.score.timing import DEFAULT_TEMPO
from musegen.utils.arrays import Ints

__all__ = ["NOTHING", "Symbols", "Voices", "symbols", "voices"]

NOTHING = 0
"""The symbol of a voice's first note, which has no interval."""

# Steps; longer times are cut to this. 255 << 8 | 255 stays free as a symbol that occurs nowhere.
LONGEST = 254

Symbols: TypeAlias = NDArray[np.uint16]


class Voices(NamedTuple):
    """The notes of all voices, a row each, voice after voice."""

    symbol: Symbols
    """Interval and time from the previous note. See `symbols`."""
    tick: Ints
    """Onset in the score's ticks."""
    track: Ints
    """Index of the track."""


def symbols(intervals: NDArray[Any], rhythms: NDArray[Any]) -> Symbols:
    """Pack each pair of interval and rhythm into one number, `uint16[N]`, never `NOTHING`.

    Args:
        intervals: Semitones up from note to note, `int[N]`, −127 to 127.
        rhythms: Steps from onset to onset, `int[N]`, at least 0.
    """
    interval = np.asarray(intervals, np.int64) + 128
    return ((interval << 8) + np.minimum(rhythms, LONGEST)).astype(np.uint16)


def voices(
    score: Score, steps_per_quarter: int, played: bool, start: int = 0, end: int | None = None
) -> Voices:
    """Return the voices of a score: the highest note at each step of each track, without drums.

    Args:
        score: The music.
        steps_per_quarter: The grid that onsets are rounded to, as in the metric encoding.
        played: As in the performance encoding: a quarter is half a second, whatever the tempo, and
            all tracks are one voice.
        start: Earlier notes (ticks) are left out.
        end: Notes from this tick on are left out.
    """
    notes = score.notes
    is_drum = np.array([track.is_drum for track in score.tracks], bool)
    counts = notes["onset"] >= start
    if end is not None:
        counts &= notes["onset"] < end
    if is_drum.any():
        counts &= ~is_drum[notes["track"]]
    notes = notes[counts]
    onset = notes["onset"].astype(np.int64)
    if played:
        steps_per_second = 1e6 / DEFAULT_TEMPO * steps_per_quarter
        step = np.floor(score.seconds(onset) * steps_per_second + 0.5).astype(np.int64)
    else:
        step = to_steps(onset, score.ticks_per_quarter, steps_per_quarter)
    track = notes["track"].astype(np.int64)
    pitch = notes["pitch"].astype(np.int64)
    voice = np.zeros_like(track) if played else track
    order = np.lexsort((pitch, step, voice))
    order = order[finals(step[order], voice[order])]  # the highest note of each step
    symbol = symbols(np.diff(pitch[order], prepend=0), np.abs(np.diff(step[order], prepend=0)))
    symbol[changes(voice[order])] = NOTHING
    return Voices(symbol, onset[order], track[order])
