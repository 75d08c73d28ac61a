"""The voices of a score, as what is compared: from note to note an interval and a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import changes, finals
from musegen.encoding.metric import to_steps
from musegen.score import Score
from musegen.score.timing import DEFAULT_TEMPO

__all__ = ["NOTHING", "Voices", "symbols", "voices"]

NOTHING = 0
"""The symbol of a voice's first note, which no interval leads to."""

# Steps; later onsets count as just as late, and 255 << 8 | 255 stays free for what stands nowhere
LONGEST = 254

Symbols = NDArray[np.uint16]


class Voices(NamedTuple):
    """The notes of some voices, a row each, voice after voice."""

    symbol: Symbols
    """What leads to the note from the one before. See `symbols`."""
    tick: NDArray[np.int64]
    """Its onset, in the score's ticks."""
    track: NDArray[np.int64]
    """Its track's index."""


def symbols(intervals: NDArray[Any], rhythms: NDArray[Any]) -> Symbols:
    """Return one number for each pair of interval and rhythm, `uint16[N]`, never `NOTHING`.

    Args:
        intervals: Semitones up from note to note, `int[N]`, −127 to 127.
        rhythms: Steps from onset to onset, `int[N]`, at least 0.
    """
    out: Symbols = (
        (np.asarray(intervals, np.int64) + 128 << 8) + np.minimum(rhythms, LONGEST)
    ).astype(np.uint16)
    return out


def voices(
    score: Score, steps_per_quarter: int, played: bool, start: int = 0, end: int | None = None
) -> Voices:
    """Return the voices of a score: of each track but drums the highest note at each step that has some.

    Args:
        score: The music.
        steps_per_quarter: The grid that onsets are rounded to, as the metric encoding does it.
        played: As the performance encoding has it: a quarter is half a second, whatever the score's
            tempo, and all tracks are one voice.
        start: Earlier notes (ticks) are left out.
        end: Notes from this tick on, too.
    """
    notes = score.notes
    drums = np.array([track.is_drum for track in score.tracks], bool)
    counts = notes["onset"] >= start
    if end is not None:
        counts &= notes["onset"] < end
    if drums.any():
        counts &= ~drums[notes["track"]]
    notes = notes[counts]
    onset = notes["onset"].astype(np.int64)
    if played:
        step = np.floor(
            score.seconds(onset) * (1e6 / DEFAULT_TEMPO * steps_per_quarter) + 0.5
        ).astype(np.int64)
    else:
        step = to_steps(onset, score.ticks_per_quarter, steps_per_quarter)
    track, pitch = notes["track"].astype(np.int64), notes["pitch"].astype(np.int64)
    voice = 0 * track if played else track
    order = np.lexsort((pitch, step, voice))
    order = order[finals(step[order], voice[order])]  # of each step the highest
    symbol = symbols(np.diff(pitch[order], prepend=0), np.abs(np.diff(step[order], prepend=0)))
    symbol[changes(voice[order])] = NOTHING
    return Voices(symbol, onset[order], track[order])
