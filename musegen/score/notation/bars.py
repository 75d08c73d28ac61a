"""Find barlines and time signatures that agree with the measures on the page."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from musegen.score.columns import METER, Table, table

__all__ = ["TICKS_PER_QUARTER", "bars_on_page", "is_cut_short", "lay_out_bars", "to_ticks"]

TICKS_PER_QUARTER = 480


def to_ticks(quarters: Any) -> int:
    """Return a music21 offset or length in ticks."""
    return round(quarters * TICKS_PER_QUARTER)


def bars_on_page(part: Any, start: Any) -> list[tuple[int, int]]:
    """Return each measure's first tick and length in ticks; none if the music has no measures."""
    measures = [part] if part.isMeasure else list(part.getElementsByClass("Measure"))
    if not measures:
        return []
    offsets = [start if m is part else start + part.elementOffset(m) for m in measures]
    ticks = [to_ticks(at) for at in (*offsets, offsets[-1] + measures[-1].highestTime)]
    bars = [(at, end - at) for at, end in pairwise(ticks)]
    if len(bars) == 1 and not getattr(measures[0], "paddingLeft", 0):
        return []  # a single short bar is a short piece, not a pickup
    return [bar for bar in bars if bar[1] > 0]


def is_cut_short(part: Any) -> bool:
    """Return whether the first measure is marked as lacking its end, and so is not a pickup."""
    first = part if part.isMeasure else part.getElementsByClass("Measure").first()
    return bool(getattr(first, "paddingRight", 0))


def lay_out_bars(
    bars: list[tuple[int, int]], meters: dict[int, tuple[int, int]], *, pickup: bool
) -> tuple[int, Table, int]:
    """Fit time signatures to the bars on the page.

    Args:
        bars: First tick and length of each measure, in ticks.
        meters: Tick → numerator and denominator, as printed.
        pickup: Whether a short first bar is a pickup.

    Returns:
        The ticks of rest before the pickup; the time signatures, shifted by them; and the end.
    """
    if not bars or not meters:
        ticks = sorted(meters)
        return 0, table(METER, [(t, *meters[t]) for t in ticks]), sum(bars[-1]) if bars else 0
    meter = meters[min(meters)]
    length = _bar_length(meter)
    pad = max(length - bars[0][1], 0) if pickup else 0
    rows = [(0, *meter)]
    anchor = 0
    end = sum(bars[-1]) + pad
    starts = {start + pad for start, _ in bars[1:]} | {end}
    for start, duration in bars:
        at = start + pad if start > bars[0][0] else 0
        printed = meters.get(start, meter)
        # A bar that begins inside a bar of the meter is a section's pickup if it completes that
        # bar. If it does not, the bar before was cut short.
        phase = (at - anchor) % length
        barline = at - phase + length
        is_cut = phase and barline not in starts and at + duration > barline
        if at and (printed != meter or is_cut):
            rows.append((at, *printed))
            anchor, meter = at, printed
            length = _bar_length(meter)
    return pad, table(METER, rows), end


def _bar_length(meter: tuple[int, int]) -> int:
    numerator, denominator = meter
    return 4 * TICKS_PER_QUARTER * numerator // denominator
