"""A piano roll in matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musegen.score.display.colours import PALETTE, VELOCITY_OPACITIES
from musegen.score.display.labels import track_label
from musegen.utils.extras import require

if TYPE_CHECKING:
    import matplotlib.axes

    from musegen.score.columns import Table
    from musegen.score.score import Score

__all__ = ["plot"]

DRUMS = "#777777"
MAX_BAR_NUMBERS = 32
LEGEND_TRACKS = 16


def plot(score: Score, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
    """Draw `score` in `ax`, or in axes of its own, and return the axes. See `Score.plot`.

    x is in quarter notes from the beginning, ticked at barlines; y is the MIDI pitch.
    """
    collections = require("matplotlib.collections", "notebook", "score.plot()")
    if ax is None:
        pyplot = require("matplotlib.pyplot", "notebook", "score.plot()")
        _, ax = pyplot.subplots(figsize=(12, 4), layout="constrained")
    sounding = np.unique(score.notes["track"]).tolist()
    rank = 0
    for index in sounding:
        track, notes = score.tracks[index], score.notes[score.notes["track"] == index]
        opacities = np.array(VELOCITY_OPACITIES)[notes["velocity"] // 32]
        label = _plain(track_label(track))
        if track.is_drum:
            onsets = notes["onset"] / score.ticks_per_quarter
            ax.scatter(
                onsets, notes["pitch"], s=24, c=DRUMS, alpha=opacities, lw=0, zorder=3, label=label
            )
            continue
        colour = PALETTE[rank % len(PALETTE)]
        rank += 1
        boxes = _boxes(notes, score.ticks_per_quarter)
        ax.add_collection(
            collections.PolyCollection(boxes, facecolor=colour, alpha=opacities, label=label)
        )
    lines = score.barlines()
    shown = np.arange(0, len(lines) - 1, max(-(-(len(lines) - 1) // MAX_BAR_NUMBERS), 1))
    ax.set_xticks(lines[shown] / score.ticks_per_quarter, [str(bar + 1) for bar in shown])
    ax.set_xlim(0, max(int(lines[-1]), 1) / score.ticks_per_quarter)
    ax.grid(axis="x", alpha=0.4)
    ax.set_axisbelow(True)
    pitches = score.notes["pitch"]
    low, high = (int(pitches.min()), int(pitches.max())) if len(pitches) else (60, 72)
    ax.set_ylim(low - 2, high + 2)
    octaves = np.arange(-(-(low - 2) // 12), (high + 2) // 12 + 1) * 12
    ax.set_yticks(octaves, [f"C{octave // 12 - 1}" for octave in octaves])
    ax.set_xlabel("bar")
    ax.set_ylabel("pitch")
    if sounding:
        handles, labels = ax.get_legend_handles_labels()
        shown_handles, shown_labels = handles[:LEGEND_TRACKS], labels[:LEGEND_TRACKS]
        ax.legend(
            shown_handles,
            shown_labels,
            loc="upper left",
            bbox_to_anchor=(1, 1),
            fontsize="small",
            frameon=False,
        )
    return ax


def _plain(label: str) -> str:
    """Return a label that matplotlib shows as it is: no formulas between dollars, none hidden by a leading _."""
    plain = label.replace("$", r"\$")
    return f" {plain}" if plain.startswith("_") else plain


def _boxes(notes: Table, ticks_per_quarter: int) -> NDArray[np.float64]:
    """Return the notes as boxes, `float64[n, 4, 2]`: corners in quarters and pitches."""
    left = notes["onset"] / ticks_per_quarter
    right = left + notes["duration"] / ticks_per_quarter
    bottom, top = notes["pitch"] - 0.45, notes["pitch"] + 0.45
    return np.stack(
        [np.stack([left, right, right, left], 1), np.stack([bottom, bottom, top, top], 1)], 2
    )
