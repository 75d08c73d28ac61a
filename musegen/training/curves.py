"""Draw learning curves: as a row of blocks for terminals, and as one SVG picture of many runs."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import chain

from musegen.training.runs import Run, in_words
from musegen.utils.svg import INK, PALETTE, Entry, Scale, document, element, legend, text, title

__all__ = ["sparkline", "svg"]

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 72, 936, 52, 440
LEGEND_TOP = BOTTOM + 64
LOGARITHMIC_FROM = 4.0  # ratio of the largest value to the smallest
LONGEST_NAME = 60
SMALLEST = 1e-6  # a value of 0 has no logarithm

# As a file or an image the picture follows the reader's colour scheme, inside a page the page's.
STYLE = element(
    "style",
    ".musegen-runs:root{color-scheme:light dark;color:#24292f}"
    "@media (prefers-color-scheme:dark){.musegen-runs:root{color:#d8dee4}}",
)
CURVES: dict[str, dict[str, object]] = {
    "train": {"stroke_width": 1.5, "stroke_dasharray": "6 5", "opacity": 0.8},
    "validation": {"stroke_width": 2.5},
}
MARKS = (
    "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",  # circle
    "m-5-5h10v10h-10z",  # square
    "m0-6l6 11h-12z",  # triangle
    "m0-7l7 7l-7 7l-7-7z",  # diamond
)
"""Shapes of the best epoch, as moves from its centre: after each round of colours the next one."""


def sparkline(values: Sequence[float], low: float, high: float, width: int = 20) -> str:
    """Return a curve as blocks of eight heights on a logarithmic scale.

    On a linear scale the first epoch of training would flatten the rest.

    >>> sparkline([8, 4, 2, 1], low=1, high=8)
    '█▆▃▁'

    Args:
        values: From left to right; if there are more than `width`, they are thinned out.
        low: Value of the lowest block; lower values are drawn as it.
        high: Value of the highest block; higher values are drawn as it.
        width: The greatest number of blocks.
    """
    if len(values) > width:
        values = [values[round(at * (len(values) - 1) / (width - 1))] for at in range(width)]
    low, high = _drawable(low), max(_drawable(high), _drawable(low))
    height = Scale(low, high, 0, len(BLOCKS) - 1, logarithmic=True)
    clipped = (min(max(_drawable(value), low), high) for value in values)
    return "".join(BLOCKS[round(height(value))] for value in clipped)


def svg(runs: Sequence[Run], names: Sequence[str]) -> str:
    """Return the validation and training curves of runs in one picture.

    Runs that have not finished an epoch are left out.

    Args:
        runs: At least one with a finished epoch.
        names: Their names in the legend.
    """
    drawn = [(run, name) for run, name in zip(runs, names, strict=True) if run.log]
    x, y = _scales([run for run, _ in drawn])
    curves: list[str] = []
    entries: list[str] = []
    bottom = LEGEND_TOP
    for index, (run, name) in enumerate(drawn):
        label = _label(run, name)
        curves.append(_curves(run, label, x, y, index))
        row, bottom = legend([_entry(label, index)], LEFT, bottom, WIDTH, size=14, indent=50)
        entries.append(row)
    return document(
        "".join([STYLE, _axes(x, y), *curves, *entries]),
        (WIDTH, bottom),
        f"Learning curves of {len(drawn)} training runs",
        class_="musegen-runs",
        width=WIDTH,
        font_size=14,
    )


def _scales(runs: Sequence[Run]) -> tuple[Scale, Scale]:
    """Return the scales of the epochs and of the nats per token."""
    epochs = max(row["epoch"] for run in runs for row in run.log)
    nats = chain.from_iterable(run.curve(part) for run in runs for part in CURVES)
    values = [_drawable(value) for value in nats if math.isfinite(value)] or [1.0]
    low, high = min(values), max(values)
    logarithmic = high > LOGARITHMIC_FROM * low
    margin = 1.05 if logarithmic else 1 + 0.05 * (high - low) / high
    return (
        Scale(1, epochs, LEFT + 16, RIGHT),
        Scale(low / margin, high * margin, BOTTOM, TOP, logarithmic),
    )


def _drawable(value: float) -> float:
    """Clamp a value to be positive and finite, so that its logarithm exists."""
    return max(value, SMALLEST) if math.isfinite(value) else sys.float_info.max


def _axes(x: Scale, y: Scale) -> str:
    """Return the axes with their numbers and units, and a line across at each number of y."""
    lines, numbers = [], []
    for value in y.ticks(28):
        lines.append(f"M{LEFT} {y(value):.1f}H{RIGHT}")
        numbers.append(text(f"{value:g}", LEFT - 10, y(value) + 5, text_anchor="end"))
    for value in x.ticks(40):
        if value.is_integer():
            lines.append(f"M{x(value):.1f} {BOTTOM}v5")
            numbers.append(text(f"{value:g}", x(value), BOTTOM + 22, text_anchor="middle"))
    unit = "nats per token, logarithmic" if y.logarithmic else "nats per token"
    key = "solid: validation, marked at its best epoch; dashed: train"
    frame = f"M{LEFT} {TOP - 12}V{BOTTOM}H{RIGHT}"
    centre = {"text_anchor": "middle", "font_weight": "bold"}
    return "".join(
        [
            element("path", d="".join(lines), stroke=INK, opacity=0.22),
            element("path", d=frame, stroke=INK, fill="none", opacity=0.6),
            element("g", *numbers, opacity=0.85),
            text(unit, 8, 24, font_weight="bold"),
            text(key, RIGHT, 24, text_anchor="end", opacity=0.85),
            text("epoch", (LEFT + RIGHT) // 2, BOTTOM + 46, **centre),
        ]
    )


def _curves(run: Run, label: str, x: Scale, y: Scale, index: int) -> str:
    """Return a run's two curves, and the mark of its best epoch."""
    drawn = [title(label)]
    for part, look in CURVES.items():
        points = [
            f"{x(row['epoch']):.1f} {y(_drawable(row[f'{part}_nats'])):.1f}"
            for row in run.log
            if math.isfinite(row[f"{part}_nats"])
        ]
        if points:
            # h0 makes a dot of a single epoch.
            drawn.append(element("path", d=f"M{'L'.join(points)}h0", **look))
    if run.best:
        epoch, nats = run.best["epoch"], run.best["validation_nats"]
        drawn.append(_mark(x(epoch), y(_drawable(nats)), index))
    ends = {"stroke_linejoin": "round", "stroke_linecap": "round"}
    return element("g", *drawn, stroke=_colour(index), fill="none", **ends)


def _entry(label: str, index: int) -> Entry:
    """Return a run's entry of the legend: a line with the mark in its middle."""
    line = element("path", d="M0 0h36", stroke=_colour(index), stroke_width=2.5)
    return Entry(label, line + _mark(18, 0, index))


def _mark(x: float, y: float, index: int) -> str:
    shape = MARKS[index // len(PALETTE) % len(MARKS)]
    return element("path", d=f"M{x:.1f} {y:.1f}{shape}", fill=_colour(index), stroke="none")


def _colour(index: int) -> str:
    return PALETTE[index % len(PALETTE)]


def _label(run: Run, name: str) -> str:
    """Return a run's name, state if unfinished, best epoch and model."""
    if len(name) > LONGEST_NAME:
        name = "…" + name[1 - LONGEST_NAME :]
    if run.state != "finished":
        name += f" ({run.state})"
    facts = []
    if run.best is not None:
        facts.append(f"{run.best['validation_nats']:.3f} in epoch {run.best['epoch']:g}")
    if run.model is not None:
        facts.append(in_words(run.model))
    return f"{name}: {'; '.join(facts)}" if facts else name
