"""Convert ticks to bars and seconds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.errors import MidiError
from musegen.score.columns import METER, TEMPO, Table, table
from musegen.utils.arrays import Floats, Ints

__all__ = [
    "DEFAULT_METER",
    "DEFAULT_TEMPO",
    "DEFAULT_TICKS_PER_QUARTER",
    "MAX_BARS",
    "TempoMap",
    "barlines",
    "in_force",
    "tempo_map",
]

DEFAULT_METER = (4, 4)
DEFAULT_TEMPO = 500_000  # microseconds per quarter: the MIDI file standard's default, 120 bpm
DEFAULT_TICKS_PER_QUARTER = 480
MAX_BARS = 1_000_000  # a meter of 1/64 and one stray event hours later must not fill memory


class TempoMap(NamedTuple):
    """A piecewise linear map between ticks and seconds, one segment per tempo.

    Attributes:
        starts: First tick of each segment, `int64[N]`.
        per_tick: Seconds per tick, `float64[N]`.
        at: Seconds at the first tick, `float64[N]`.
    """

    starts: Ints
    per_tick: Floats
    at: Floats

    def seconds(self, ticks: NDArray[Any]) -> Floats:
        """Convert ticks to seconds."""
        index = np.searchsorted(self.starts, ticks, side="right") - 1
        return self.at[index] + (ticks - self.starts[index]) * self.per_tick[index]

    def ticks(self, seconds: NDArray[Any]) -> Floats:
        """Convert seconds to ticks, without rounding."""
        index = np.searchsorted(self.at, seconds, side="right") - 1
        return self.starts[index] + (seconds - self.at[index]) / self.per_tick[index]


def in_force(rows: Table, default: tuple[int, ...]) -> Table:
    """Return one row per tick, the last, with one at tick 0.

    >>> in_force(table(METER, [(960, 3, 4), (960, 6, 8)]), DEFAULT_METER).tolist()
    [(0, 4, 4), (960, 6, 8)]

    Args:
        rows: `TEMPO[...]` or `METER[...]`, sorted by tick.
        default: The row at tick 0 if there is none, without its tick.
    """
    if not len(rows) or rows["tick"][0] > 0:
        rows = np.concatenate([table(rows.dtype, [(0, *default)]), rows])
    return rows[np.append(np.diff(rows["tick"]) > 0, True)]


def tempo_map(tempos: Table, ticks_per_quarter: int) -> TempoMap:
    """Return the tempo map of `TEMPO[...]`, 120 bpm before the first tempo.

    >>> tempo_map(table(TEMPO, [(480, 1_000_000)]), 480).seconds(np.array([0, 480, 960])).tolist()
    [0.0, 0.5, 1.5]
    """
    tempos = in_force(table(TEMPO, tempos), (DEFAULT_TEMPO,))
    starts = tempos["tick"].astype(np.int64)
    per_tick = tempos["microseconds"] / 1e6 / ticks_per_quarter
    at = np.concatenate([[0.0], np.cumsum(np.diff(starts) * per_tick[:-1])])
    return TempoMap(starts, per_tick, at)


def barlines(meters: Table, ticks_per_quarter: int, end: int) -> Ints:
    """Return the ticks of all barlines up to `end`. See `Score.barlines`.

    Args:
        meters: `METER[...]`, sorted by tick; 4/4 before the first. Those at `end` or later do not
            count.
        ticks_per_quarter: Ticks in a quarter note.
        end: The tick that the last bar reaches or passes.

    Raises:
        MidiError: There are more than a million bars.
    """
    meters = in_force(table(METER, meters), DEFAULT_METER)
    meters = meters[: max(int(meters["tick"].searchsorted(end)), 1)]  # none behind the end
    starts = meters["tick"].astype(np.int64)
    stops = np.append(starts[1:], max(end, starts[-1]))

    # A bar has `length / per` ticks, which may be a fraction.
    length = 4 * ticks_per_quarter * meters["numerator"].astype(np.int64)
    per = meters["denominator"].astype(np.int64)
    counts = -(-(stops - starts) * per // length)  # rounded up
    totals = counts.cumsum()
    if totals[-1] > MAX_BARS:
        row = int(np.searchsorted(totals, MAX_BARS, side="right"))
        raise MidiError(
            f"the music spans more than {MAX_BARS} bars (meter {meters['numerator'][row]}/"
            f"{meters['denominator'][row]} up to tick {stops[row]}). "
            "Remove the stray event far behind the music."
        )
    bar = np.arange(totals[-1]) - np.repeat(totals - counts, counts)
    lines = np.repeat(starts, counts) + bar * np.repeat(length, counts) // np.repeat(per, counts)
    final = starts[-1] + counts[-1] * length[-1] // per[-1]
    return np.append(lines, final)
