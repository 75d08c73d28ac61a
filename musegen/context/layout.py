"""Which columns there are, and how many values each has."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from musegen.vocabulary import METERS

__all__ = ["LONGEST", "MOST", "OF_PART", "ROWS", "WIDTH", "offsets", "sizes"]

WIDTH = 16
"""How wide the network's embedding of a column is: room for the pitch class (11 dimensions) and the height."""

LONGEST = 96
"""The last of the values of a time."""
MOST = 15
"""The last of the values of a count."""

_OF_PIECE = {"bar": 9, "quarter": 9, "phase": 97, "left": 9, "meter": len(METERS) + 1, "part": 65}
OF_PART = {"pitch": (129, 3), "time": (LONGEST + 1, 2), "count": (MOST + 1, 1)}
"""Kind of a column → how many values it has, and how many columns each part has of it."""
_KINDS = {**_OF_PIECE, **{kind: values for kind, (values, _) in OF_PART.items()}}
_FIRST = dict(zip(_KINDS, np.cumsum([0, *_KINDS.values()]).tolist(), strict=False))

ROWS = sum(_KINDS.values())
"""Rows of the one table in which every column has its values; columns of one kind share theirs."""


@cache
def _kinds(parts: int) -> tuple[str, ...]:
    return (*_OF_PIECE, *(kind for kind, (_, columns) in OF_PART.items() for _ in range(columns * parts)))


@cache
def sizes(parts: int) -> tuple[int, ...]:
    """Return how many values each column has."""
    return tuple(_KINDS[kind] for kind in _kinds(parts))


def offsets(parts: int) -> NDArray[np.int32]:
    """Return where in the table of `ROWS` each column's values begin, `int32[F]`."""
    return np.array([_FIRST[kind] for kind in _kinds(parts)], np.int32)
