"""Define the tables that a score is made of.

Each table is a one-dimensional NumPy structured array of one of the dtypes below. Times are in
ticks.

========  ===============================================  ====================================
`NOTE`    `onset`, `duration`, `pitch`, `velocity`,        notes
          `track`
`TEMPO`   `tick`, `microseconds` per quarter note          tempo changes
`METER`   `tick`, `numerator`, `denominator`               time signatures
`KEY`     `tick`, `fifths` (−7 to 7), `minor`              key signatures
`PEDAL`   `onset`, `duration`, `track`                     sustain pedal held down
`CHORD`   `tick`, `root` (0 to 11), `bass` (0 to 11),      chord symbols, each in force until the
          `pitch_classes` (bit k for pitch class k)        next; root and bass −1 for no chord
========  ===============================================  ====================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CHORD",
    "KEY",
    "METER",
    "NOTE",
    "NO_CHORD",
    "PEDAL",
    "TEMPO",
    "Table",
    "Track",
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
CHORD = np.dtype([("tick", "<i4"), ("root", "i1"), ("bass", "i1"), ("pitch_classes", "<u2")])

NO_CHORD = (-1, -1, 0)
"""The row of `CHORD` in force before the first, without its tick."""


@dataclass(frozen=True)
class Track:
    """An instrument of a score.

    >>> Track("Flute", program=73) == Track("Flute", program=73, channel=2)
    True

    Attributes:
        name: Its name, which may be empty.
        program: General MIDI program, 0 to 127.
        is_drum: Whether it is a drum kit.
        channel: MIDI channel in the file it came from, 0 to 15, the lowest if it plays on several;
            −1 if unknown. Not compared.
        chunk: Index of the track chunk in the file it came from; −1 if unknown. Not compared.
        port: MIDI port in the file it came from, from 0. Not compared.
    """

    name: str = ""
    program: int = 0
    is_drum: bool = False
    channel: int = field(default=-1, compare=False)
    chunk: int = field(default=-1, compare=False)
    port: int = field(default=0, compare=False)


def table(dtype: np.dtype[np.void], rows: Any = ()) -> Table:
    """Return rows as a structured array.

    >>> table(METER, [(0, 3, 4)])["numerator"].tolist()
    [3]

    Args:
        dtype: One of the dtypes of this module.
        rows: Tuples, or a structured array of `dtype`, which is returned as it is.
    """
    return np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), dtype=dtype)


def columns(dtype: np.dtype[np.void], **fields: Any) -> Table:
    """Return a structured array built from columns.

    >>> columns(TEMPO, tick=[0, 960], microseconds=500_000).tolist()
    [(0, 500000), (960, 500000)]

    Args:
        dtype: One of the dtypes of this module.
        fields: An array or a scalar for each field; fields that are left out are 0.
    """
    length = max((len(v) for v in fields.values() if np.ndim(v)), default=1)
    out = np.zeros(length, dtype)
    for name, values in fields.items():
        out[name] = values
    return out
