"""Array operations on rows sorted by piece and time: packed sort keys, runs and last marks.

Several small integers are packed into one `int64`, so that one sort orders the rows by all of them:

=================  ===================================================
key                fields from the most significant bit
=================  ===================================================
`moments`          piece, tick or step (31 bits)
`with_pitch`       any key, pitch (7 bits)
`note_keys`        piece, step (31), track number (6), pitch (7)
=================  ===================================================
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from musegen.utils.arrays import Bools, Ints

__all__ = [
    "NUMBER_BITS",
    "NUMBER_MASK",
    "PITCH_BITS",
    "PITCH_MASK",
    "STEP_BITS",
    "STEP_MASK",
    "changes",
    "finals",
    "last_of_piece",
    "latest",
    "moments",
    "note_keys",
    "with_pitch",
]

STEP_BITS = 31  # width of a tick or step
NUMBER_BITS = 6  # width of a track's number in its piece: an encoding has at most 64 parts
PITCH_BITS = 7
STEP_MASK, NUMBER_MASK, PITCH_MASK = (
    (1 << bits) - 1 for bits in (STEP_BITS, NUMBER_BITS, PITCH_BITS)
)

IntOrInts = TypeVar("IntOrInts", int, Ints)


def moments(piece: Ints, step: Ints) -> Ints:
    """Return keys that sort by piece, then by tick or step (0 to 2³¹ − 1).

    >>> moments(np.array([0, 1]), np.array([7, 0])).tolist()
    [7, 2147483648]
    """
    return (piece << STEP_BITS) + step


def with_pitch(key: IntOrInts, pitch: IntOrInts) -> IntOrInts:
    """Return keys that sort by `key`, then by pitch (0 to 127). A track's key gives its voices."""
    return (key << PITCH_BITS) + pitch


def note_keys(piece: Ints, step: Ints, number: Ints, pitch: Ints) -> Ints:
    """Return keys that sort notes as a score does: by piece, onset, track number and pitch."""
    return with_pitch((moments(piece, step) << NUMBER_BITS) + number, pitch)


def changes(*values: NDArray[Any]) -> Bools:
    """Return `bool[N]`: which rows differ in any column from the row before; the first always does.

    >>> changes(np.array([3, 3, 5])).tolist()
    [True, False, True]
    """
    out = np.empty(len(values[0]), bool)
    out[:1] = True
    np.not_equal(values[0][1:], values[0][:-1], out=out[1:])
    for column in values[1:]:
        out[1:] |= column[1:] != column[:-1]
    return out


def finals(*values: NDArray[Any]) -> Bools:
    """Return `bool[N]`: which rows differ in any column from the row after; the last always does.

    >>> finals(np.array([3, 3, 5])).tolist()
    [False, True, True]
    """
    out = np.empty(len(values[0]), bool)
    out[-1:] = True
    np.not_equal(values[0][1:], values[0][:-1], out=out[:-1])
    for column in values[1:]:
        out[:-1] |= column[1:] != column[:-1]
    return out


def latest(marks: Bools) -> Ints:
    """Return the index of the last mark at or before each place, `int64[N]`; 0 before the first.

    >>> latest(np.array([True, False, True, False])).tolist()
    [0, 0, 2, 2]
    """
    return np.maximum.accumulate(np.where(marks, np.arange(len(marks)), 0))


def last_of_piece(piece: Ints, value: Ints, least: Ints) -> Ints:
    """Return each piece's largest value, or its `least` if that is larger, `int64[pieces]`.

    Args:
        piece: `int64[N]`: the piece of each row, ascending.
        value: `int64[N]`.
        least: `int64[pieces]`.
    """
    out = least.copy()
    if len(piece):
        begins = changes(piece).nonzero()[0]
        used = piece[begins]
        out[used] = np.maximum(out[used], np.maximum.reduceat(value, begins))
    return out
