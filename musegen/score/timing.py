"""Bars and seconds: what meters and tempos make of ticks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.errors import MidiError
from musegen.score.columns import METER, TEMPO, Table, table

__all__ = ["DEFAULT_METER", "DEFAULT_TEMPO", "TempoMap", "barlines", "in_force", "tempo_map"]

DEFAULT_METER = (4, 4)
DEFAULT_TEMPO = 500_000  # microseconds per quarter: the MIDI file standard's default, 120 bpm
MAX_BARS = 1_000_000  # a meter of 1/64 under a stray event hours away must not fill memory


class TempoMap(NamedTuple):
    """Stretches of one tempo: `int64` first ticks, `float64` seconds per tick, `float64` first seconds."""

    starts: NDArray[np.int64]
    per_tick: NDArray[np.float64]
    at: NDArray[np.float64]

    def seconds(self, ticks: NDArray[Any]) -> NDArray[np.float64]:
        """Convert ticks to seconds."""
        index = np.searchsorted(self.starts, ticks, side="right") - 1
        out: NDArray[np.float64] = (
            self.at[index] + (ticks - self.starts[index]) * self.per_tick[index]
        )
        return out

    def ticks(self, seconds: NDArray[Any]) -> NDArray[np.float64]:
        """Convert seconds to ticks, not rounded."""
        index = np.searchsorted(self.at, seconds, side="right") - 1
        out: NDArray[np.float64] = (
            self.starts[index] + (seconds - self.at[index]) / self.per_tick[index]
        )
        return out


def in_force(rows: Table, default: tuple[int, ...]) -> Table:
    """Return `rows` with one at tick 0 (`default` where nothing is said), and the last of each tick alone.

    Args:
        rows: `TEMPO[...]` or `METER[...]`, sorted by tick.
        default: What governs before the first row, without its tick.
    """
    if not len(rows) or rows["tick"][0] > 0:
        rows = np.concatenate([table(rows.dtype, [(0, *default)]), rows])
    out: Table = rows[np.append(np.diff(rows["tick"]) > 0, True)]
    return out


def tempo_map(tempos: Table, ticks_per_quarter: int) -> TempoMap:
    """Return the tempo map of `TEMPO[...]`, which says 120 bpm where the table is silent."""
    tempos = in_force(table(TEMPO, tempos), (DEFAULT_TEMPO,))
    starts = tempos["tick"].astype(np.int64)
    per_tick = tempos["microseconds"] / 1e6 / ticks_per_quarter
    return TempoMap(
        starts, per_tick, np.concatenate([[0.0], np.cumsum(np.diff(starts) * per_tick[:-1])])
    )


def barlines(meters: Table, ticks_per_quarter: int, end: int) -> NDArray[np.int64]:
    """Return the ticks of all barlines up to `end`. See `Score.barlines`.

    Args:
        meters: `METER[...]`, sorted by tick; 4/4 where the table is silent.
        ticks_per_quarter: Ticks in a quarter note.
        end: The tick that the last bar reaches or passes.

    Raises:
        MidiError: More than a million bars.
    """
    meters = in_force(table(METER, meters), DEFAULT_METER)
    starts = meters["tick"].astype(np.int64)
    stops = np.append(starts[1:], max(end, int(starts[-1])))
    whole = 4 * ticks_per_quarter
    parts = []
    total = 0
    for start, stop, row in zip(starts, stops, meters, strict=True):
        length, per = whole * int(row["numerator"]), int(row["denominator"])
        count = -(-(int(stop) - int(start)) * per // length)
        total += count
        if total > MAX_BARS:
            raise MidiError(
                f"the music spans more than {MAX_BARS} bars (meter {row['numerator']}/"
                f"{row['denominator']} up to tick {stop}). Remove the stray event far behind the music."
            )
        parts.append(start + np.arange(count, dtype=np.int64) * length // per)
    last = meters[-1]
    length, per = whole * int(last["numerator"]), int(last["denominator"])
    final = starts[-1] + (len(parts[-1]) * length) // per
    return np.append(np.concatenate(parts), final)
