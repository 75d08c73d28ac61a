"""Compute context columns of one token or of many: most functions take numbers and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context.layout import LONGEST, MOST, OF_PART, View
from musegen.encoding.context.lookback import History
from musegen.utils.arrays import Bools, Ints

__all__ = ["Context", "metric_columns", "performance_columns", "row", "since", "until"]

Context = NDArray[np.uint16]

PHRASE = 8  # bars
_COLUMNS = sum(columns for _, columns in OF_PART.values())  # of each part

# 10 ms steps → 12 · log₂(1 + steps / 12): exact up to a tenth of a second, then coarser, with an
# error of 6 % after a few seconds.
_SINCE = np.minimum(12 * np.log2(1 + np.arange(3100) / 12), LONGEST - 1).astype(np.int64)


def metric_columns(
    bar: Any, position: Any, meter: Any, length: Any, part: Any, steps_per_quarter: int
) -> Any:
    """Return the columns before those of the parts, of numbers or of arrays.

    Args:
        bar: Index of the current bar; -1 before the first.
        position: Step in the bar; -1 before the bar's first position.
        meter: Index in `METERS`; -1 before the first.
        length: Steps of the bar.
        part: The current part; -1 before the first.
        steps_per_quarter: Of the encoding.
    """
    left = -((np.maximum(position, 0) - length) // steps_per_quarter)  # rounded up
    return (
        (bar % PHRASE + 1) * (bar >= 0),
        position // steps_per_quarter + 1,
        (position % steps_per_quarter + 1) * (position >= 0),
        np.maximum(left, 0) * (bar >= 0),
        meter + 1,
        part + 1,
    )


def performance_columns(rest: Any) -> Any:
    """Return the columns before those of the part.

    Args:
        rest: Time since the last note-on, as `since` returns it; 0 before the first.
    """
    return 0, 0, rest, 0, 0, 1


def until(steps: Any, steps_per_quarter: int) -> Any:
    """Return metric steps (at least 1) in twelfths of a quarter, rounded up, 1 to `LONGEST`."""
    return np.minimum(-(-12 * steps // steps_per_quarter), LONGEST)


def since(steps: Any) -> Any:
    """Return steps of 10 ms (at least 0) on a logarithmic scale from 1 to `LONGEST`."""
    return _SINCE[np.minimum(steps, len(_SINCE) - 1)] + 1


def row(
    of_piece: Sequence[Any],
    sounds: Bools,
    times: Ints,
    ended: Ints,
    histories: Sequence[History],
    view: View,
) -> Context:
    """Return the context of B places from the state of their grammars, `uint16[B, F]`.

    Args:
        of_piece: The columns before those of the parts, `int64[B]` each, or a number for all.
        sounds: `bool[B, P, 128]`: the sounding pitches of each part; P may be less than
            `view.parts`.
        times: `int64[B, P, 128]`: their times, as `until` or `since` returns them.
        ended: `int64[B, P]`: 1 + the pitch that ended last, of several at once the highest; 0 for
            none.
        histories: The last tokens of each place.
        view: The columns wanted.
    """
    any_ = sounds.any(axis=-1)
    low, high = sounds.argmax(axis=-1), 127 - sounds[..., ::-1].argmax(axis=-1)

    def time(pitch: Ints) -> Ints:
        return np.take_along_axis(times, pitch[..., None], axis=-1)[..., 0]

    of_parts = (
        np.where(any_, high + 1, ended),
        (low + 1) * any_,
        ended,
        time(high) * any_,
        time(low) * any_,
        np.minimum(sounds.sum(axis=-1), MOST),
    )
    columns = np.zeros((len(sounds), _COLUMNS, view.parts), np.uint16)
    for index, values in enumerate(of_parts):
        columns[:, index, : sounds.shape[1]] = values

    out = np.empty((len(sounds), len(view.sizes)), np.uint16)
    for index, values in enumerate(of_piece):
        out[:, index] = values
    back = len(of_piece) + _COLUMNS * view.parts
    out[:, len(of_piece) : back] = columns.reshape(len(sounds), -1)
    if view.lookbacks:
        out[:, back:] = [history.lookback() for history in histories]
    return out
