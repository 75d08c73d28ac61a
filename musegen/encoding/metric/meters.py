"""Time signatures that the vocabulary has, and the bars they make."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import Bundle, Column, Meters, changes, finals, moments
from musegen.encoding.metric.grid import of_rows, to_steps
from musegen.encoding.vocabulary import MAX_BAR_QUARTERS, METERS, Vocabulary

__all__ = ["METER_COLUMNS", "bars", "quantised_meters", "stops", "supported_meter"]

MAX_BARS = 1_000_000  # a meter of 1/64 under a stray event hours away must not fill memory


def quantised_meters(
    bundle: Bundle, vocabulary: Vocabulary, per_quarter: Column | int, last: Column
) -> tuple[Meters, Column]:
    """Return meters of the vocabulary, each at a barline of the one before, and each piece's final barline.

    A bar that a meter change cuts short becomes a bar of its own meter, in whole sixteenths.

    Args:
        bundle: The pieces, in ticks.
        vocabulary: What meters there are.
        per_quarter: Ticks per quarter of each piece, or of all.
        last: The step up to which each piece has music.
    """
    sixteenth = vocabulary.config.steps_per_quarter // 4
    piece, tick, index = _stated_meters(bundle)
    if len(piece) == len(last):
        return _only_meters(bundle, vocabulary, index, last)
    start = to_steps(tick, of_rows(per_quarter, piece), 4) * sixteenth
    begun = start < last[piece]
    # A meter whose sixteenth comes no sooner than the one after it takes no time, and drops out
    # below.
    piece, start, index = piece[begun], start[begun], index[begun]
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
    if (
        rest.any()
    ):  # each row becomes two: its whole bars, and a bar of the sixteenths that are left
        there = _alternate(bars, rest) > 0
        piece = piece.repeat(2)[there]
        start = _alternate(start, after)[there]
        index = _alternate(index, _METER_INDEX[1, 16] - 1 + rest // sixteenth)[there]
    else:
        lasts = bars > 0
        piece, start, index = piece[lasts], start[lasts], index[lasts]
    new = changes(piece, index)
    return Meters(piece[new], start[new], *METER_COLUMNS[:, index[new]]), end


def _only_meters(
    bundle: Bundle, vocabulary: Vocabulary, index: Column, last: Column
) -> tuple[Meters, Column]:
    """Return what `quantised_meters` does of pieces that have one meter each, as most do."""
    length = vocabulary.meter_steps[index]
    bars = (last + length - 1) // length
    if bars.max(initial=0) > MAX_BARS:
        _refuse_more_bars(bundle, bars)
    piece = bars.nonzero()[0]
    return Meters(piece, 0 * piece, *METER_COLUMNS[:, index[piece]]), bars * length


def stops(start: Column, final: NDArray[np.bool_], end: Column) -> Column:
    """Return where each row's stretch stops: where the next row starts, or if it is final at its `end`."""
    out = end.copy()
    np.copyto(out[:-1], start[1:], where=~final[:-1])
    return out


def _refuse_more_bars(bundle: Bundle, bars: NDArray[Any]) -> None:
    """Raise `Unencodable` if pieces have more bars than music has."""
    bundle.refuse(
        bars > MAX_BARS,
        lambda piece: (
            f"the music must have at most {MAX_BARS} bars. Received: {bars[piece]:.0f}, the last ending at tick "
            f"{bundle.end[piece]}. Remove the stray event far behind the music."
        ),
    )


def _alternate(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Return two columns as one, a row of the first and then one of the second."""
    out = np.empty(2 * len(first), first.dtype)
    out[::2], out[1::2] = first, second
    return out


def _stated_meters(bundle: Bundle) -> tuple[Column, Column, Column]:
    """Return piece, tick and index into `METERS` of the meters, one a tick, the first of each piece at tick 0."""
    piece, tick, numerator, denominator = bundle.meters
    index = _meter_indices(numerator, denominator)
    said = np.zeros(len(bundle.end), bool)
    said[piece[tick == 0]] = True
    if not said.all():
        missing = (~said).nonzero()[0]
        piece = np.concatenate([missing, piece])
        order = piece.argsort(kind="stable")
        piece = piece[order]
        tick = np.concatenate([0 * missing, tick])[order]
        index = np.concatenate([0 * missing + _METER_INDEX[4, 4], index])[order]
    if len(piece) == len(said):
        return piece, tick, index
    counts = finals(piece, tick)
    return piece[counts], tick[counts], index[counts]


def _meter_indices(numerator: Column, denominator: Column) -> Column:
    """Return the index in `METERS` of each meter, or of the nearest there is."""
    return np.array([*map(supported_meter, numerator.tolist(), denominator.tolist())], np.int64)


def bars(bundle: Bundle, vocabulary: Vocabulary) -> tuple[Column, Column, Column]:
    """Return the moments of the bars, and the moments and indices into `METERS` of the time signatures."""
    piece, tick, numerator, denominator = bundle.meters
    meter = _meter_indices(numerator, denominator)
    at, length = moments(piece, tick), vocabulary.meter_steps[meter]
    count = (stops(tick, finals(piece), bundle.end[piece]) - tick) // length
    before = count.cumsum() - count
    nth = np.arange(count.sum()) - before.repeat(count)
    return at.repeat(count) + nth * length.repeat(count), at, meter


@cache
def supported_meter(numerator: int, denominator: int) -> int:
    """Return the index in `METERS` of the meter, or of the nearest that the table has.

    A bar too long becomes several equal bars (6/2 two of 3/2, 35/16 five of 7/16); a bar of
    fractional sixteenths is rounded up to whole ones.
    """
    while denominator > 16:
        numerator, denominator = -(-numerator // 2), denominator // 2
    parts = next(
        k
        for k in range(1, numerator + 1)
        if numerator % k == 0 and numerator // k * 4 <= MAX_BAR_QUARTERS * denominator
    )
    return _METER_INDEX[numerator // parts, denominator]


_METER_INDEX = {meter: index for index, meter in enumerate(METERS)}


METER_COLUMNS = np.array(METERS, np.int64).T  # numerators, denominators
