"""Ticks to steps, velocities to loudness steps, and one note at a time in each voice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import STEP_BITS, Column, changes
from musegen.encoding.vocabulary import Vocabulary

__all__ = ["DEFAULT_VELOCITY", "LONGEST", "loud", "of_rows", "only", "to_steps", "without_overlaps"]

DEFAULT_VELOCITY = 80  # for encodings that leave loudness out
LONGEST = 2**STEP_BITS - 2**10  # steps; leaves room for the last bar to be completed


def to_steps(ticks: Column, ticks_per_quarter: Column | int, steps_per_quarter: int) -> Column:
    """Return the nearest grid step of each tick, `int64`; halves round up."""
    out: Column = (ticks * (2 * steps_per_quarter) + ticks_per_quarter) // (2 * ticks_per_quarter)
    return out


def only(values: Column) -> Column | int:
    """Return the one number that all values are, if so, or else the values.

    NumPy divides by one number several times as fast as by many.
    """
    first: int = values[0] if len(values) else 1
    return first if len(values) < 2 or (values == first).all() else values


def of_rows(values: Column | int, piece: Column) -> Column | int:
    """Return the value of each row's piece; or the number that they all have."""
    return values[piece] if isinstance(values, np.ndarray) else values


def without_overlaps(
    voice: Column, onset: Column, duration: Column
) -> tuple[NDArray[np.bool_], Column]:
    """Return which notes stay, `bool[N]`, and how long, `int64[N]`, for no voice to sound twice at once.

    Of two notes that begin together the longer stays; an earlier one is cut where a later begins.

    Args:
        voice: `int64[N]`: notes of one number share a voice; not negative.
        onset: `int64[N]`: in ascending order, below 2³¹.
        duration: `int64[N]`: below 2³¹.
    """
    # NumPy sorts 16-bit integers by radix, five times as fast, and voices mostly fit.
    few = len(voice) and voice.max() < 2**16
    order = (voice.astype(np.uint16) if few else voice).argsort(kind="stable")
    # From one voice to the next it is at least 2**31: longer than any note.
    at, lasts = ((voice << 32) + onset)[order], duration[order]
    room = at[1:] - at[:-1]
    stays = np.ones(len(voice), bool)
    if not (room < lasts[:-1]).any():
        return stays, duration
    first = changes(at)
    if not first.all():
        tied = np.flatnonzero(~first | ~np.append(first[1:], True))
        order[tied] = order[tied][np.lexsort((-lasts[tied], at[tied]))]
        stays[order[~first]] = False
        order = order[first]
        room = np.diff(at[first])
    duration = duration.copy()
    duration[order[:-1]] = np.minimum(duration[order[:-1]], room)
    return stays, duration


def loud(velocity: Column, vocabulary: Vocabulary) -> Column:
    """Return the velocities that the encoding has for those of notes."""
    if not vocabulary.config.velocities:
        return np.full(len(velocity), DEFAULT_VELOCITY)
    out: Column = vocabulary.kept_velocities[velocity]
    return out
