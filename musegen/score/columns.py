"""The columns that a score is made of.

Each table is a one-dimensional NumPy structured array with one of the dtypes below, times in ticks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from musegen.score.score import Score

__all__ = [
    "KEY",
    "METER",
    "NOTE",
    "PEDAL",
    "TEMPO",
    "Table",
    "Track",
    "broken_rules",
    "columns",
    "table",
]

Table: TypeAlias = NDArray[np.void]
"""A one-dimensional NumPy structured array."""

NOTE = np.dtype(
    [("onset", "<i4"), ("duration", "<i4"), ("pitch", "u1"), ("velocity", "u1"), ("track", "<u2")]
)
TEMPO = np.dtype([("tick", "<i4"), ("microseconds", "<i4")])
METER = np.dtype([("tick", "<i4"), ("numerator", "<u2"), ("denominator", "<u2")])
KEY = np.dtype([("tick", "<i4"), ("fifths", "i1"), ("minor", "?")])
PEDAL = np.dtype([("onset", "<i4"), ("duration", "<i4"), ("track", "<u2")])


@dataclass(frozen=True)
class Track:
    """One instrument's line: a name, a General MIDI program, or drums.

    `channel` (0 to 15) and `chunk` (index of the MIDI file's track chunk) say where the notes came
    from in a file; they are -1 where that is not known and do not take part in comparisons.
    """

    name: str = ""
    program: int = 0
    is_drum: bool = False
    channel: int = field(default=-1, compare=False)
    chunk: int = field(default=-1, compare=False)


def table(dtype: np.dtype[np.void], rows: Any = ()) -> Table:
    """Return `rows` (tuples, or columns already in `dtype`) as a structured array of `dtype`."""
    return np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), dtype=dtype)


def columns(dtype: np.dtype[np.void], **fields: Any) -> Table:
    """Return a structured array of `dtype` built from one array or scalar per field."""
    length = max((len(v) for v in fields.values() if np.ndim(v)), default=1)
    out = np.zeros(length, dtype)
    for name, values in fields.items():
        out[name] = values
    return out


def broken_rules(score: Score) -> list[str]:
    """Return what every score's columns must fulfil and these do not."""
    notes, meters, tempos = score.notes, score.meters, score.tempos
    velocities, tempo = notes["velocity"], tempos["microseconds"]
    broken = {
        "ticks_per_quarter must be > 0": score.ticks_per_quarter <= 0,
        "every onset must be >= 0": (notes["onset"] < 0).any(),
        "every duration must be > 0": (notes["duration"] <= 0).any(),
        "every pitch must be 0 to 127": (notes["pitch"] > 127).any(),
        "every velocity must be 1 to 127": ((velocities < 1) | (velocities > 127)).any(),
        "every note's track must be in tracks": (notes["track"] >= len(score.tracks)).any(),
        "every meter must have a numerator >= 1 and a denominator that is a power of two": (
            (meters["numerator"] < 1) | (np.bitwise_count(meters["denominator"]) != 1)
        ).any(),
        "every tempo must be 1 to 16777215 microseconds per quarter": (
            (tempo <= 0) | (tempo >= 2**24)
        ).any(),
        "every key must have -7 to 7 fifths": (np.abs(score.keys["fifths"]) > 7).any(),
        "the music must end before tick 2147483647": score.end >= 2**31 - 1,
    }
    return [rule for rule, is_broken in broken.items() if is_broken]
