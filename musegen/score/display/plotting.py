"""A piano roll in matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.score.display.style import DRUMS, LEGEND_TRACKS, VELOCITY_OPACITIES, Look, looks
from musegen.utils.arrays import Floats
from musegen.utils.extras import require

if TYPE_CHECKING:
    import matplotlib.axes

    from musegen.score.columns import Table
    from musegen.score.score import Score

__all__ = ["plot"]

DRUM_COLOUR = "#777777"
MAX_BAR_NUMBERS = 32


def plot(score: Score, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
    """Draw `score` in `ax`, or in new axes, and return the axes. See `Score.plot`.

    x is in quarter notes from the beginning, ticked at barlines; y is the MIDI pitch.
    """
    if ax is None:
        pyplot = require("matplotlib.pyplot", "notebook", "score.plot()")
        _, ax = pyplot.subplots(figsize=(12, 4), layout="constrained")
    tracks = looks(score)
    for look in tracks:
        _draw_track(score, look, ax)
    _label_axes(score, ax)
    if tracks:
        entries = [found[:LEGEND_TRACKS] for found in ax.get_legend_handles_labels()]
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
        ax.legend(*entries, **place, fontsize="small", frameon=False)
    return ax


def _draw_track(score: Score, look: Look, ax: matplotlib.axes.Axes) -> None:
    """Draw the notes of one track: boxes, or dots for drums."""
    collections = require("matplotlib.collections", "notebook", "score.plot()")
    notes = score.notes[score.notes["track"] == look.track]
    alpha = np.array(VELOCITY_OPACITIES)[notes["velocity"] // 32]
    options = {"alpha": alpha, "label": _literal(look.label)}
    if look.group == DRUMS:
        onsets = notes["onset"] / score.ticks_per_quarter
        ax.scatter(onsets, notes["pitch"], s=24, c=DRUM_COLOUR, lw=0, zorder=3, **options)
    else:
        boxes = _boxes(notes, score.ticks_per_quarter)
        ax.add_collection(collections.PolyCollection(boxes, facecolor=look.colour, **options))


def _label_axes(score: Score, ax: matplotlib.axes.Axes) -> None:
    """Number the bars and the octaves."""
    lines = score.barlines()
    bars = len(lines) - 1
    numbered = np.arange(0, bars, max(-(-bars // MAX_BAR_NUMBERS), 1))
    ax.set_xticks(lines[numbered] / score.ticks_per_quarter, [str(bar + 1) for bar in numbered])
    ax.set_xlim(0, max(int(lines[-1]), 1) / score.ticks_per_quarter)
    ax.grid(axis="x", alpha=0.4)
    ax.set_axisbelow(True)
    pitches = score.notes["pitch"] if len(score.notes) else np.array([60, 72])
    low, high = int(pitches.min()) - 2, int(pitches.max()) + 2
    octaves = np.arange(-(-low // 12), high // 12 + 1)
    ax.set_ylim(low, high)
    ax.set_yticks(octaves * 12, [f"C{octave - 1}" for octave in octaves])
    ax.set_xlabel("bar")
    ax.set_ylabel("pitch")


def _literal(label: str) -> str:
    """Return a label that matplotlib shows as it is.

    Dollar signs would make a formula, and a leading underscore would hide the label.
    """
    escaped = label.replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped


def _boxes(notes: Table, ticks_per_quarter: int) -> Floats:
    """Return the notes as boxes, `float64[N, 4, 2]`: corners in quarters and pitches."""
    left = notes["onset"] / ticks_per_quarter
    right = left + notes["duration"] / ticks_per_quarter
    bottom, top = notes["pitch"] - 0.45, notes["pitch"] + 0.45
    x = np.stack([left, right, right, left], axis=1)
    y = np.stack([bottom, bottom, top, top], axis=1)
    return np.stack([x, y], axis=2)
