"""Quantise ticks and velocities, and remove overlaps within a voice."""

from __future__ import annotations

import numpy as np

from musegen.encoding.rows import STEP_BITS, changes
from musegen.encoding.vocabulary import Vocabulary
from musegen.score.general_midi import DEFAULT_VELOCITY
from musegen.utils.arrays import Bools, Ints

__all__ = ["DEFAULT_VELOCITY", "LONGEST", "loud", "of_rows", "only", "to_steps", "without_overlaps"]

LONGEST = 2**STEP_BITS - 2**10  # steps; leaves room to complete the last bar


def to_steps(ticks: Ints, ticks_per_quarter: Ints | int, steps_per_quarter: int) -> Ints:
    """Return the nearest grid step of each tick, `int64`; halves round up.

    >>> to_steps(np.array([0, 19, 20, 480]), 480, 12).tolist()
    [0, 0, 1, 12]
    """
    return (ticks * (2 * steps_per_quarter) + ticks_per_quarter) // (2 * ticks_per_quarter)


def only(values: Ints) -> Ints | int:
    """Return the common value if all are equal (1 if there are none), else the values.

    NumPy divides by a single number several times faster than by an array.
    """
    first: int = values[0] if len(values) else 1
    return first if len(values) < 2 or (values == first).all() else values


def of_rows(values: Ints | int, piece: Ints) -> Ints | int:
    """Return the value of each row's piece, or the common value that `only` returned."""
    return values[piece] if isinstance(values, np.ndarray) else values


def without_overlaps(voice: Ints, onset: Ints, duration: Ints) -> tuple[Bools, Ints]:
    """Shorten and drop notes so that each voice sounds once at a time.

    Of notes that begin together in a voice the longest stays; an earlier one is cut where a later
    one begins.

    >>> stays, lasts = without_overlaps(np.zeros(2, int), np.array([0, 4]), np.array([9, 2]))
    >>> stays.tolist(), lasts.tolist()
    ([True, True], [4, 2])

    Args:
        voice: `int64[N]`: the voice of each note; not negative.
        onset: `int64[N]`: ascending, below 2³¹.
        duration: `int64[N]`: below 2³¹.

    Returns:
        Which notes stay, `bool[N]`, and the durations, `int64[N]`.
    """
    # NumPy sorts 16-bit integers by radix, five times faster; most voices fit.
    small = len(voice) and voice.max() < 2**16
    order = (voice.astype(np.uint16) if small else voice).argsort(kind="stable")
    # Voices are at least 2**31 apart: farther than any note is long.
    at, lasts = ((voice << 32) + onset)[order], duration[order]
    room = at[1:] - at[:-1]
    stays = np.ones(len(voice), bool)
    if not (room < lasts[:-1]).any():
        return stays, duration

    # Of notes that begin together, keep the first after sorting them by descending duration.
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


def loud(velocity: Ints, vocabulary: Vocabulary) -> Ints:
    """Return note velocities as the encoding keeps them, `int64[N]`."""
    if not vocabulary.config.velocities:
        return np.full(len(velocity), DEFAULT_VELOCITY)
    return vocabulary.kept_velocities[velocity]
