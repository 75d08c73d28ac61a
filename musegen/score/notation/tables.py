"""Make the tables of a score from what is written on the page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import Table, table

__all__ = ["LEVELS", "WrittenNote", "changes", "sounding"]

LEVELS = {"pppp": 10, "ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112}
LEVELS |= {"fff": 126, "ffff": 127, "pf": 96}
"""Dynamics → velocity, as MuseScore plays them."""


class WrittenNote(NamedTuple):
    """A note of one track as it is written; of a tie it may be a part.

    Attributes:
        onset: In ticks.
        end: In ticks.
        pitch: MIDI pitch.
        velocity: 1 to 127.
        stops: Whether a tie leads to it.
        starts: Whether it is tied to the next.
    """

    onset: int
    end: int
    pitch: int
    velocity: int
    stops: bool
    starts: bool


def sounding(notes: Iterable[WrittenNote]) -> list[tuple[int, int, int, int]]:
    """Return (onset, duration, pitch, velocity) of the notes of a track as they sound.

    Tied notes are one. Where a pitch is struck while it sounds, the earlier note ends there; of two
    that begin together the longer is kept. A tie that leads to no note of its pitch has no effect.

    >>> first = WrittenNote(0, 480, 60, 80, stops=False, starts=True)
    >>> sounding([first, WrittenNote(480, 960, 60, 80, stops=True, starts=False)])
    [(0, 960, 60, 80)]

    Raises:
        MidiError: A pitch is outside MIDI's range.
    """
    # Of one onset and pitch the longest note comes first, and a tie's end before a new note.
    in_order = sorted(notes, key=lambda note: (note.pitch, note.onset, not note.stops, -note.end))
    merged: list[WrittenNote] = []
    for note in in_order:
        if not 0 <= note.pitch <= 127:
            raise MidiError(
                f"pitch must be 0 to 127. Received: {note.pitch}. Transpose the piece by octaves."
            )
        before = merged[-1] if merged else None
        if before and before.pitch == note.pitch:
            is_tied = before.starts and note.stops and note.onset == before.end
            longer = max(before, note, key=lambda each: (each.end, each.starts))
            if is_tied or note.onset == before.onset:
                merged[-1] = before._replace(end=longer.end, starts=longer.starts)
                continue
            if before.end > note.onset:
                merged[-1] = before._replace(end=note.onset)
        merged.append(note)
    return [(note.onset, note.end - note.onset, note.pitch, note.velocity) for note in merged]


def changes(dtype: np.dtype[np.void], signs: dict[int, Any]) -> Table:
    """Return the table of signs by tick, without those that change nothing.

    >>> from musegen.score.columns import TEMPO
    >>> changes(TEMPO, {480: (500_000,), 0: (500_000,), 960: (600_000,)}).tolist()
    [(0, 500000), (960, 600000)]

    Args:
        dtype: `METER`, `KEY` or `TEMPO`.
        signs: Tick → the other columns.
    """
    rows: list[tuple[Any, ...]] = []
    for tick in sorted(signs):
        if not rows or rows[-1][1:] != signs[tick]:
            rows.append((tick, *signs[tick]))
    return table(dtype, rows)
