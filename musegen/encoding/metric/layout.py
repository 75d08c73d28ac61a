"""Lay out the tokens of rows without sorting them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.vocabulary import Tokens
from musegen.utils.arrays import Ints

__all__ = ["Slot", "lay_out"]

Slot: TypeAlias = tuple[NDArray[Any] | None, Ints]
"""Number of repetitions in each row (`bool[N]` or `int64[N]`; None: one), and tokens `int64[N]`."""


def lay_out(slots: list[Slot], before: Ints, between: Ints) -> Tokens:
    """Return the tokens of rows, slot after slot, with other tokens between the rows.

    >>> slots = [(np.array([True, False]), np.array([7, 7])), (None, np.array([8, 9]))]
    >>> lay_out(slots, before=np.array([0, 2]), between=np.array([1, 2])).tolist()
    [1, 7, 8, 9, 2]

    Args:
        slots: The tokens of a row, in order; the last slot is in every row.
        before: `int64[B]`, ascending: the row before which each token of `between` goes (N: after
            all).
        between: `int64[B]`: tokens.

    Returns:
        `int32[T]`.
    """
    # Tokens in each row, and where each row ends if nothing came between.
    n = len(slots[-1][1])
    size = np.full(n, sum(count is None for count, _ in slots))
    for count, _ in slots:
        if count is not None:
            size += count
    ends = np.empty(n + 1, np.int64)
    ends[0] = 0
    size.cumsum(out=ends[1:])

    # The tokens between, then slot by slot the tokens of all rows; `cursor` is where each row is.
    out = np.empty(ends[n] + len(between), np.int32)
    out[ends[before] + np.arange(len(before))] = between
    cursor = ends[:n] + np.bincount(before, minlength=n + 1)[:n].cumsum()
    for count, token in slots:
        if count is None:
            out[cursor] = token.astype(np.int32)
            cursor += 1
            continue
        has = count.nonzero()[0]
        where, what = cursor[has], token[has]
        if count.dtype != bool:
            times = count[has]
            where = (where - times.cumsum() + times).repeat(times) + np.arange(times.sum())
            what = what.repeat(times)
        out[where] = what
        cursor += count
    return out
