"""Tokens of rows, put in place without sorting them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import Column
from musegen.encoding.vocabulary import Tokens

__all__ = ["Slot", "lay_out"]

Slot: TypeAlias = tuple[NDArray[Any] | None, Column]
"""How many of it each row has (`bool` or `int64[N]`; None: one), and the token (`int64[N]`)."""


def lay_out(slots: list[Slot], before: Column, between: Column) -> Tokens:
    """Return the tokens of rows, slot after slot, with other tokens between the rows.

    Args:
        slots: The tokens of a row, in order.
        before: `int64[B]`, ascending: the row before which each token of `between` stands (N: after
            all).
        between: `int64[B]`: tokens.

    Returns:
        `int32[T]`.
    """
    n = len(slots[-1][1])
    size = np.full(n, sum(count is None for count, _ in slots))
    for count, _ in slots:
        if count is not None:
            size += count
    ends = np.empty(n + 1, np.int64)  # of the rows alone, without what stands between
    ends[0] = 0
    size.cumsum(out=ends[1:])
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
