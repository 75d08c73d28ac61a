"""Learning curves: as a line of blocks for terminals, and as one SVG picture of many runs."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from musegen.score.display.colours import PALETTE
from musegen.score.display.elements import escaped
from musegen.training.runs import Run, in_words

__all__ = ["sparkline", "svg"]

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 72, 936, 52, 440
ROW = 24  # of the legend
LOGARITHMIC_FROM = 4.0  # times the least value that the largest is
LONGEST_NAME = 60
STYLE = (
    # On a page of its own, or as an image, it is dark where the reader wants that; inside a page it
    # is as the page is.
    "<style>.musegen-runs:root{color-scheme:light dark;color:#24292f}"
    "@media (prefers-color-scheme:dark){.musegen-runs:root{color:#d8dee4}}</style>"
)
NICE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
MARKS: tuple[Callable[[float, float], str], ...] = (
    lambda x, y: f"M{x - 5:.1f} {y:.1f}a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    lambda x, y: f"M{x - 5:.1f} {y - 5:.1f}h10v10h-10z",
    lambda x, y: f"M{x:.1f} {y - 6:.1f}l6 11h-12z",
    lambda x, y: f"M{x:.1f} {y - 7:.1f}l7 7l-7 7l-7-7z",
)
"""Shapes of the best epoch: colours are taken up again with the next one."""


class _Scale(NamedTuple):
    """From values to places."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (
            math.log(v) if self.logarithmic else v for v in (self.low, self.high, value)
        )
        return self.start + (at - low) / ((high - low) or 1.0) * (self.stop - self.start)


def sparkline(values: Sequence[float], low: float, high: float, width: int = 20) -> str:
    """Return a curve as blocks, on a logarithmic scale: of learning, the first epoch would flatten the rest.

    Args:
        values: From left to right; if there are more than `width`, they are thinned out.
        low: Value of the lowest block.
        high: Value of the highest block; what is beyond either is drawn as that one.
        width: How many blocks there may be.
    """
    if len(values) > width:
        values = [values[round(at * (len(values) - 1) / (width - 1))] for at in range(width)]
    scale = _Scale(
        _positive(low), max(_positive(high), _positive(low)), 0, len(BLOCKS) - 1, logarithmic=True
    )
    places = (round(scale(min(max(_positive(value), scale.low), scale.high))) for value in values)
    return "".join(BLOCKS[place] for place in places)


def svg(runs: Sequence[Run], names: Sequence[str]) -> str:
    """Return the validation and training curves of runs that have finished an epoch, in one picture.

    Args:
        runs: At least one with an epoch.
        names: What to call each.
    """
    drawn = [(run, name) for run, name in zip(runs, names, strict=True) if run.log]
    values = [
        _positive(v)
        for run, _ in drawn
        for part in ("train", "validation")
        for v in run.curve(part)
        if math.isfinite(v)
    ] or [1.0]
    x = _Scale(1, max(max(row["epoch"] for row in run.log) for run, _ in drawn), LEFT + 16, RIGHT)
    logarithmic = max(values) > LOGARITHMIC_FROM * min(values)
    margin = 1.05 if logarithmic else 1 + 0.05 * (max(values) - min(values)) / max(values)
    y = _Scale(min(values) / margin, max(values) * margin, BOTTOM, TOP, logarithmic)
    height = BOTTOM + 64 + ROW * len(drawn)
    curves = "".join(_curves(run, name, x, y, index) for index, (run, name) in enumerate(drawn))
    legend = "".join(
        _legend(run, name, BOTTOM + 74 + ROW * i, i) for i, (run, name) in enumerate(drawn)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="musegen-runs" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'style="max-width:100%;height:auto" role="img" aria-label="Learning curves of {len(drawn)} training runs" '
        f'fill="currentColor" font-family="sans-serif" font-size="14">{STYLE}{_axes(x, y)}{curves}{legend}</svg>\n'
    )


def _positive(value: float) -> float:
    """Return a value that has a logarithm: no likelihood of 1, and of what is no number the most."""
    return max(value, 1e-6) if math.isfinite(value) else sys.float_info.max


def _axes(x: _Scale, y: _Scale) -> str:
    """Return the axes with their numbers and units, and lines across at the numbers of y."""
    lines = numbers = ""
    for value in _ticks(y, 28):
        lines += f"M{LEFT} {y(value):.1f}H{RIGHT}"
        numbers += (
            f'<text x="{LEFT - 10}" y="{y(value) + 5:.1f}" text-anchor="end">{value:g}</text>'
        )
    for value in (v for v in _ticks(x, 40) if v == int(v)):
        numbers += (
            f'<text x="{x(value):.1f}" y="{BOTTOM + 22}" text-anchor="middle">{value:g}</text>'
        )
        lines += f"M{x(value):.1f} {BOTTOM}v5"
    scale = "nats per token" + (", logarithmic" if y.logarithmic else "")
    key = "solid: validation, marked at its best epoch; dashed: train"
    return (
        f'<path d="{lines}" stroke="currentColor" opacity=".22"/>'
        f'<path d="M{LEFT} {TOP - 12}V{BOTTOM}H{RIGHT}" stroke="currentColor" fill="none" opacity=".6"/>'
        f'<g opacity=".85">{numbers}</g><text x="8" y="24" font-weight="bold">{scale}</text>'
        f'<text x="{RIGHT}" y="24" text-anchor="end" opacity=".85">{key}</text>'
        f'<text x="{(LEFT + RIGHT) // 2}" y="{BOTTOM + 46}" text-anchor="middle" font-weight="bold">epoch</text>'
    )


def _ticks(scale: _Scale, apart: float) -> list[float]:
    """Return round values in a scale's range that stand at least so far apart."""
    if scale.logarithmic:
        exponents = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
        choices = [
            [base * 10.0**exponent for exponent in exponents for base in bases]
            for bases in (NICE, (1.0, 1.5, 2.0, 3.0, 5.0), (1.0, 2.0, 5.0), (1.0,))
        ]
    else:
        span = (scale.high - scale.low) or 1.0
        unit = 10.0 ** (math.floor(math.log10(span)) - 1)
        steps = [unit * step for step in (1, 2, 5, 10, 20, 50, 100)]
        choices = [
            [
                step * at
                for at in range(math.ceil(scale.low / step), math.floor(scale.high / step) + 1)
            ]
            for step in steps
        ]
    for choice in choices:
        inside = [float(f"{value:.6g}") for value in choice if scale.low <= value <= scale.high]
        if all(abs(scale(b) - scale(a)) >= apart for a, b in pairwise(inside)):
            return inside
    return []


def _curves(run: Run, name: str, x: _Scale, y: _Scale, index: int) -> str:
    """Return a run's two curves, and the mark of its best epoch."""
    colour = PALETTE[index % len(PALETTE)]
    paths = ""
    for part, look in (
        ("train", 'stroke-width="1.5" stroke-dasharray="6 5" opacity=".8"'),
        ("validation", 'stroke-width="2.5"'),
    ):
        points = [
            f"{x(row['epoch']):.1f} {y(_positive(row[f'{part}_nats'])):.1f}"
            for row in run.log
            if math.isfinite(row[f"{part}_nats"])
        ]
        if points:
            # h0: one epoch alone is a dot.
            paths += f'<path d="M{"L".join(points)}h0" {look}/>'
    best = run.best
    mark = _mark(x(best["epoch"]), y(_positive(best["validation_nats"])), index) if best else ""
    return (
        f'<g stroke="{colour}" fill="none" stroke-linejoin="round" stroke-linecap="round">'
        f"<title>{escaped(_said(run, name))}</title>{paths}{mark}</g>"
    )


def _legend(run: Run, name: str, top: int, index: int) -> str:
    colour = PALETTE[index % len(PALETTE)]
    return (
        f'<g stroke="{colour}" stroke-width="2.5" fill="none"><path d="M{LEFT} {top}h36"/>'
        f"{_mark(LEFT + 18, top, index)}</g>"
        f'<text x="{LEFT + 50}" y="{top + 5}">{escaped(_said(run, name))}</text>'
    )


def _mark(x: float, y: float, index: int) -> str:
    colour, shape = PALETTE[index % len(PALETTE)], MARKS[index // len(PALETTE) % len(MARKS)]
    return f'<path d="{shape(x, y)}" fill="{colour}" stroke="none"/>'


def _said(run: Run, name: str) -> str:
    """Return a run as a line of the legend."""
    name = name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]
    best = run.best
    said = [name if run.state == "finished" else f"{name} ({run.state})"]
    if best is not None:
        said.append(f"{best['validation_nats']:.3f} in epoch {best['epoch']:g}")
    if run.model is not None:
        said.append(in_words(run.model))
    return ": ".join([said[0], "; ".join(said[1:])])
