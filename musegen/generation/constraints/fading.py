"""Fade the end of a piece out."""

from __future__ import annotations

import numpy as np

from musegen.score.columns import Table

__all__ = ["faded"]

SHARE = 4  # the last quarter of the continuation
MOST_BARS = 4
SOFTEST = 0.2


def faded(notes: Table, start: int, end: int, bar: float | None = None) -> Table:
    """Lower velocities evenly to a fifth over the last quarter of the new music.

    Args:
        notes: The new notes, `NOTE[N]`; a changed copy is returned.
        start: Tick where they begin.
        end: Tick where it ends.
        bar: Ticks in a bar: the fade takes four bars at most. None for no such limit.
    """
    length = (end - start) / SHARE
    if bar is not None:
        length = min(length, MOST_BARS * bar)
    out = notes.copy()
    if length > 0:
        share = np.clip((notes["onset"] - (end - length)) / length, 0, 1)
        out["velocity"] = np.maximum(np.round(notes["velocity"] * (1 - (1 - SOFTEST) * share)), 1)
    return out
