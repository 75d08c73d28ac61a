"""An ending that grows ever softer."""

from __future__ import annotations

import numpy as np

from musegen.score.columns import Table

__all__ = ["faded"]

SHARE = 4  # the last quarter of the continuation
MOST_BARS = 4
SOFTEST = 0.2


def faded(notes: Table, start: int, end: int, bar: float | None = None) -> Table:
    """Return notes whose velocities fall evenly to a fifth over the last quarter of a continuation.

    Args:
        notes: What was added, `NOTE[N]`; unchanged.
        start: Tick where the continuation begins.
        end: Tick where it ends.
        bar: Ticks in a bar: the fading takes four at most. None for no such limit.
    """
    length = (end - start) / SHARE
    if bar is not None:
        length = min(length, MOST_BARS * bar)
    out: Table = notes.copy()
    if length > 0:
        share = np.clip((notes["onset"] - (end - length)) / length, 0, 1)
        out["velocity"] = np.maximum(np.round(notes["velocity"] * (1 - (1 - SOFTEST) * share)), 1)
    return out
