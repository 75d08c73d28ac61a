"""Map time signatures to those of the vocabulary, and compute bars."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import Bundle, Meters, in_force
from musegen.encoding.metric.grid import of_rows, to_steps
from musegen.encoding.rows import changes, finals, moments
from musegen.encoding.vocabulary import MAX_BAR_QUARTERS, METERS, Vocabulary
from musegen.score.timing import DEFAULT_METER, MAX_BARS
from musegen.utils.arrays import Bools, Ints

__all__ = ["METER_COLUMNS", "bars", "quantised_meters", "stops", "supported_meter"]

METER_COLUMNS = np.array(METERS, np.int64).T
"""`int64[2, len(METERS)]`: numerators, denominators."""

_METER_INDEX = {meter: index for index, meter in enumerate(METERS)}


def quantised_meters(
    bundle: Bundle, vocabulary: Vocabulary, per_quarter: Ints | int, last: Ints
) -> tuple[Meters, Ints]:
    """Return meters of the vocabulary, each at a barline, and each piece's final barline.

    A bar that a meter change cuts short becomes a bar of its own meter, in whole sixteenths.

    Args:
        bundle: The pieces, in ticks.
        vocabulary: Has the meters.
        per_quarter: Ticks per quarter of each piece, or of all.
        last: `int64[pieces]`: the step up to which each piece has music.

    Returns:
        The meters in steps, and `int64[pieces]`.
    """
    sixteenth = vocabulary.config.steps_per_quarter // 4
    meters = in_force(bundle.meters, DEFAULT_METER, len(last))
    index = _meter_indices(meters.numerator, meters.denominator)
    if len(index) == len(last):
        return _constant_meters(bundle, vocabulary, index, last)

    # Where each meter begins, and how many of its bars fit before the next. (Of two meters that
    # begin in the same sixteenth, the first has no bars and is dropped below.)
    start = to_steps(meters.tick, of_rows(per_quarter, meters.piece), 4) * sixteenth
    begun = start < last[meters.piece]
    piece, start, index = (column[begun] for column in (meters.piece, start, index))
    final = finals(piece)
    length = vocabulary.meter_steps[index]
    bars, rest = np.divmod(stops(start, final, last[piece]) - start, length)
    bars += final & (rest > 0)  # the last bar is completed
    rest[final] = 0
    if bars.sum() > MAX_BARS:
        _refuse_more_bars(bundle, np.bincount(piece, bars, len(last)))
    after = start + bars * length
    end = np.zeros(len(last), np.int64)
    end[piece[final]] = after[final]

    if rest.any():
        # Each row becomes two: its whole bars, and one bar of the sixteenths that are left.
        exists = _alternate(bars, rest) > 0
        piece = piece.repeat(2)[exists]
        start = _alternate(start, after)[exists]
        index = _alternate(index, _METER_INDEX[1, 16] - 1 + rest // sixteenth)[exists]
    else:
        exists = bars > 0
        piece, start, index = (column[exists] for column in (piece, start, index))
    new = changes(piece, index)
    return Meters(piece[new], start[new], *METER_COLUMNS[:, index[new]]), end


def _constant_meters(
    bundle: Bundle, vocabulary: Vocabulary, index: Ints, last: Ints
) -> tuple[Meters, Ints]:
    """Do what `quantised_meters` does for pieces with one meter each, as most have."""
    length = vocabulary.meter_steps[index]
    bars = (last + length - 1) // length
    if bars.max(initial=0) > MAX_BARS:
        _refuse_more_bars(bundle, bars)
    piece = bars.nonzero()[0]
    return Meters(piece, 0 * piece, *METER_COLUMNS[:, index[piece]]), bars * length


def stops(start: Ints, final: Bools, end: Ints) -> Ints:
    """Return where each row stops: where the next row starts, or at its `end` if it is final."""
    out = end.copy()
    np.copyto(out[:-1], start[1:], where=~final[:-1])
    return out


def _refuse_more_bars(bundle: Bundle, bars: NDArray[Any]) -> None:
    """Raise `Unencodable` if a piece has more than `MAX_BARS` bars."""
    bundle.refuse(
        bars > MAX_BARS,
        lambda piece: (
            f"the music must have at most {MAX_BARS} bars. Received: {bars[piece]:.0f}, the last "
            f"ending at tick {bundle.end[piece]}. Remove the stray event far behind the music."
        ),
    )


def _alternate(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Return the values of two columns in turn, `[2N]`."""
    out = np.empty(2 * len(first), first.dtype)
    out[::2], out[1::2] = first, second
    return out


def _meter_indices(numerator: Ints, denominator: Ints) -> Ints:
    """Return the index in `METERS` of each meter, or of the nearest supported one."""
    return np.array([*map(supported_meter, numerator.tolist(), denominator.tolist())], np.int64)


def bars(bundle: Bundle, vocabulary: Vocabulary) -> tuple[Ints, Ints, Ints]:
    """Return the bars and time signatures of quantised pieces.

    Returns:
        The moments of the bars, then the moments of the time signatures and their indices in
        `METERS`.
    """
    piece, tick, numerator, denominator = bundle.meters
    meter = _meter_indices(numerator, denominator)
    at, length = moments(piece, tick), vocabulary.meter_steps[meter]
    count = (stops(tick, finals(piece), bundle.end[piece]) - tick) // length
    before = count.cumsum() - count
    nth = np.arange(count.sum()) - before.repeat(count)
    return at.repeat(count) + nth * length.repeat(count), at, meter


@cache
def supported_meter(numerator: int, denominator: int) -> int:
    """Return the index in `METERS` of a meter, or of the nearest one in the table.

    A bar that is too long becomes several equal bars (6/2 two of 3/2, 35/16 five of 7/16); a bar of
    fractional sixteenths is rounded up to whole ones.

    >>> METERS[supported_meter(6, 2)], METERS[supported_meter(7, 32)]
    ((3, 2), (4, 16))
    """
    while denominator > 16:
        numerator, denominator = -(-numerator // 2), denominator // 2
    parts = next(
        k
        for k in range(1, numerator + 1)
        if numerator % k == 0 and numerator // k * 4 <= MAX_BAR_QUARTERS * denominator
    )
    return _METER_INDEX[numerator // parts, denominator]
