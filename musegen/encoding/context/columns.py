"""What the columns hold, of one token or of many: numbers and arrays are reckoned alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context.layout import LONGEST, MOST, OF_PART, View
from musegen.encoding.context.lookback import Heard

__all__ = ["Context", "metric_columns", "performance_columns", "row", "since", "until"]

Context = NDArray[np.uint16]

PHRASE = 8  # bars
_COLUMNS = sum(columns for _, columns in OF_PART.values())  # of each part

# 10 ms steps to 12·log₂(1 + steps / 12): exact up to a tenth of a second, and a step of 6 % after
# some seconds.
_SINCE = np.minimum(12 * np.log2(1 + np.arange(3100) / 12), LONGEST - 1).astype(np.int64)


def metric_columns(
    bar: Any, position: Any, meter: Any, length: Any, part: Any, steps_per_quarter: int
) -> Any:
    """Return the columns before the parts', of numbers or arrays; −1 stands for what was not said yet."""
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
    """Return the columns before the parts'; `rest` is the time since a note began as `since` gives it, or 0."""
    return 0, 0, rest, 0, 0, 1


def until(steps: Any, steps_per_quarter: int) -> Any:
    """Return metric steps (1 or more) in twelfths of a quarter, rounded up, 1 to `LONGEST`."""
    return np.minimum(-(-12 * steps // steps_per_quarter), LONGEST)


def since(steps: Any) -> Any:
    """Return steps of 10 ms (0 or more) on a scale from 1 to `LONGEST`."""
    return _SINCE[np.minimum(steps, len(_SINCE) - 1)] + 1


def row(
    of_piece: Sequence[Any],
    sounds: NDArray[np.bool_],
    times: NDArray[np.int64],
    ended: NDArray[np.int64],
    heard: Sequence[Heard],
    view: View,
) -> Context:
    """Return a row of `context` for each of B places in pieces, `uint16[B, F]`, from what a grammar knows.

    Args:
        of_piece: The columns before the parts', `int64[B]` each, or a number for all.
        sounds: `bool[B, P, 128]`: the pitches that sound in each part; P may be less than
            `view.parts`.
        times: `int64[B, P, 128]`: their times, as `until` and `since` give them.
        ended: `int64[B, P]`: 1 + the pitch that ended last, of several that did so together the
            highest; 0 for none.
        heard: The last tokens of each.
        view: As for `context`.
    """
    any_ = sounds.any(axis=-1)
    low, high = sounds.argmax(axis=-1), 127 - sounds[..., ::-1].argmax(axis=-1)

    def time(pitch: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.take_along_axis(times, pitch[..., None], axis=-1)[..., 0]

    columns = np.zeros((len(sounds), _COLUMNS, view.parts), np.uint16)
    for index, values in enumerate(
        (
            np.where(any_, high + 1, ended),
            (low + 1) * any_,
            ended,
            time(high) * any_,
            time(low) * any_,
            np.minimum(sounds.sum(axis=-1), MOST),
        )
    ):
        columns[:, index, : sounds.shape[1]] = values
    out = np.empty((len(sounds), len(view.sizes)), np.uint16)
    for index, values in enumerate(of_piece):
        out[:, index] = values
    back = len(of_piece) + _COLUMNS * view.parts
    out[:, len(of_piece) : back] = columns.reshape(len(sounds), -1)
    if view.lookbacks:
        out[:, back:] = [mine.lookback() for mine in heard]
    return out
