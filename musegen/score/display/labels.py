"""What the picture of a score says in words."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import east_asian_width

import numpy as np

from musegen.score.general_midi import PROGRAMS

if TYPE_CHECKING:
    from musegen.score.columns import Track
    from musegen.score.score import Score

__all__ = ["printable", "summary", "text_width", "track_label"]

LONGEST_NAME = 28


def track_label(track: Track) -> str:
    """Return a track's name and instrument: `Melody (Violin)`."""
    program = (
        "drums"
        if track.is_drum
        else PROGRAMS[track.program]
        if track.program < 128
        else str(track.program)
    )
    name = printable(track.name).strip()
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME - 1] + "…"
    same = name.casefold() in ("", program.casefold())
    return (name or program) if same else f"{name} ({program})"


def summary(score: Score, bars: int, tokens: int) -> str:
    """Return one line about the whole score."""
    meters = [f"{n}/{d}" for _, n, d in score.with_default_meter().tolist()]
    meters = list(dict.fromkeys(meters))
    listed = ", ".join(meters[:4]) + (
        f" and {len(meters) - 4} more meters" if len(meters) > 4 else ""
    )
    bpm = 6e7 / (score.tempos["microseconds"] if len(score.tempos) else np.array([500_000]))
    slow, fast = f"{bpm.min():.4g}", f"{bpm.max():.4g}"
    minutes, seconds = divmod(round(score.duration), 60)
    return " · ".join(
        [
            _counted(len(score.notes), "note"),
            _counted(bars, "bar"),
            f"{minutes}:{seconds:02} min" if minutes else f"{score.duration:.3g} s",
            listed,
            f"{slow} bpm" if slow == fast else f"{slow} to {fast} bpm",
            _counted(len(score.tracks), "track"),
            *([_counted(tokens, "token")] if tokens else []),
        ]
    )


def printable(text: str) -> str:
    """Return text that can stand in XML and on a line: no control characters, surrogates or overrides."""
    return "".join(c if c.isprintable() else " " for c in text)


def text_width(text: str) -> int:
    """Return about how many letters wide a text is."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
