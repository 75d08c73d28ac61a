"""Keep tempo, meter and key constant in new music, although the score changes them there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from musegen.score.columns import METER, Table, table
from musegen.score.score import Score
from musegen.score.timing import DEFAULT_METER, DEFAULT_TEMPO, barlines
from musegen.utils.arrays import Bools, Ints

__all__ = ["settled", "undoable", "value_at"]

_DEFAULTS: dict[str, tuple[int, ...] | None] = {
    "tempos": (DEFAULT_TEMPO,),
    "meters": DEFAULT_METER,
    "keys": None,
}
"""Table of a score → what is in force before its first row; no key is."""


def settled(score: Score, start: int, end: int) -> Score:
    """Return the score with its tempo, meter and key the same from `start` to `end`.

    A change between the two is undone at its tick, or moved to `end` where it cannot be. A pedal
    that is down at `start` is released there.

    >>> rubato = Score(tempos=[(0, 500_000), (960, 400_000)], end=480)
    >>> settled(rubato, 480, 1920).tempos.tolist()
    [(0, 500000), (960, 400000), (960, 500000)]

    Args:
        score: The music up to `start`.
        start: First tick of the new music: a barline.
        end: Where it ends.
    """
    changes: dict[str, Any] = {}
    for name in _DEFAULTS:
        rows = getattr(score, name).copy()
        inside = (rows["tick"] > start) & (rows["tick"] < end)
        if inside.any():
            moved = inside & ~undoable(score, name, rows["tick"], start, end)
            undone = rows[inside & ~moved]
            fields = (rows.dtype.names or ())[1:]
            for field, value in zip(fields, value_at(score, name, start) or (), strict=False):
                undone[field] = value
            rows["tick"][moved] = end
            changes[name] = np.concatenate([rows, undone])
    return replace(score, pedals=_released(score.pedals, start, end), **changes)


def _released(pedals: Table, start: int, end: int) -> Table:
    """Return pedals without those between two ticks; one that is down at the first ends there."""
    out = pedals[(pedals["onset"] < start) | (pedals["onset"] >= end)]
    held = out["onset"] < start
    out["duration"][held] = np.minimum(out["duration"], start - out["onset"])[held]
    return out


def value_at(score: Score, name: str, tick: int) -> tuple[Any, ...] | None:
    """Return the tempo, meter or key in force at a tick; None for no key.

    Args:
        score: The music.
        name: `tempos`, `meters` or `keys`.
        tick: The tick.
    """
    rows = getattr(score, name)
    before = rows[rows["tick"] <= tick]
    return before[-1].tolist()[1:] if len(before) else _DEFAULTS[name]


def undoable(score: Score, name: str, ticks: Ints, start: int, end: int) -> Bools:
    """Return which changes can be undone where they are, `bool[N]`.

    A meter begins a bar: it can only be undone on a barline. A key cannot be undone if there was
    none before.

    Args:
        score: The music.
        name: `tempos`, `meters` or `keys`.
        ticks: Where the changes are, `int64[N]`.
        start: First tick of the new music: a barline.
        end: Where it ends.
    """
    kept = value_at(score, name, start)
    if name != "meters" or kept is None:
        return np.full(len(ticks), kept is not None)
    meter = table(METER, [(0, *kept)])
    return np.isin(ticks, start + barlines(meter, score.ticks_per_quarter, end - start))
