"""Colours and labels of tracks and tokens, shared by the SVG and the matplotlib picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musegen.score.general_midi import PROGRAMS
from musegen.utils.arrays import Ints
from musegen.utils.svg import INK, PALETTE, printable

if TYPE_CHECKING:
    from musegen.score.columns import Track
    from musegen.score.score import Score

__all__ = [
    "DRUMS",
    "LEGEND_TRACKS",
    "VELOCITY_OPACITIES",
    "kind_colour",
    "looks",
    "summary",
    "track_groups",
]

VELOCITY_OPACITIES = (0.4, 0.6, 0.8, 1.0)
"""Of velocities 1–31, 32–63, 64–95 and 96–127."""

KIND_COLOURS = {
    "bar": INK,
    "time_signature": "#e69f00",
    "tempo": "#b39b00",
    "part": "#56b4e9",
    "program": "#0072b2",
    "pitch": "#009e73",
    "drum": "#009e73",
    "velocity": "#cc79a7",
    "hold": "#8c6bb1",
    "duration": "#d55e00",
}
"""Kinds of tokens; the others are grey."""

GROUP_COLOURS = (*PALETTE, *PALETTE, *PALETTE, *PALETTE, INK)
DRUMS = len(GROUP_COLOURS) - 1
"""The group of all drum tracks; the groups below it are those of the other tracks."""

LEGEND_TRACKS = 16
LONGEST_NAME = 28
LISTED_METERS = 4


def track_groups(score: Score) -> Ints:
    """Return the group in which each track is drawn, `int64[tracks]`, 0 to `DRUMS`.

    The tracks with notes take groups in turn, so that there are few paths for any number of tracks.
    """
    sounding = np.zeros(len(score.tracks), bool)
    sounding[score.notes["track"]] = True
    is_drum = np.array([track.is_drum for track in score.tracks], bool)
    rank = np.cumsum(sounding & ~is_drum) - 1
    return np.where(is_drum, DRUMS, rank % DRUMS)


class Look(NamedTuple):
    """How a track is drawn.

    Attributes:
        track: Its index in the score.
        group: Its group.
        colour: The colour of its group.
        label: Its name and instrument.
    """

    track: int
    group: int
    colour: str
    label: str


def looks(score: Score) -> list[Look]:
    """Return the looks of the tracks with notes."""
    groups = track_groups(score).tolist()
    return [
        Look(track, groups[track], GROUP_COLOURS[groups[track]], track_label(score.tracks[track]))
        for track in np.unique(score.notes["track"]).tolist()
    ]


def kind_colour(kind: str) -> str:
    """Return the colour of a kind of tokens."""
    return KIND_COLOURS.get(kind, "#888888")


def track_label(track: Track) -> str:
    """Return a track's name and instrument: `Melody (Violin)`."""
    instrument = PROGRAMS[track.program] if track.program < len(PROGRAMS) else str(track.program)
    if track.is_drum:
        instrument = "drums"
    name = printable(track.name).strip()
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME - 1] + "…"
    if name.casefold() in ("", instrument.casefold()):
        return name or instrument
    return f"{name} ({instrument})"


def summary(score: Score, bars: int, tokens: int) -> str:
    """Return one line about the whole score: its size, duration, meters and tempos."""
    meters = list(dict.fromkeys(f"{n}/{d}" for _, n, d in score.with_default_meter().tolist()))
    more = len(meters) - LISTED_METERS
    bpm = 6e7 / (score.tempos["microseconds"] if len(score.tempos) else np.array([500_000]))
    slowest, fastest = f"{bpm.min():.4g}", f"{bpm.max():.4g}"
    minutes, seconds = divmod(round(score.duration), 60)
    facts = [
        _count(len(score.notes), "note"),
        _count(bars, "bar"),
        f"{minutes}:{seconds:02} min" if minutes else f"{score.duration:.3g} s",
        ", ".join(meters[:LISTED_METERS]) + (f" and {more} more meters" if more > 0 else ""),
        f"{slowest} bpm" if slowest == fastest else f"{slowest} to {fastest} bpm",
        _count(len(score.tracks), "track"),
    ]
    if tokens:
        facts.append(_count(tokens, "token"))
    return " · ".join(facts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
