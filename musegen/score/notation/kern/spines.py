"""Spines: the columns of a Humdrum file, which split, join, begin, end and change places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from musegen.score.columns import Track
from musegen.score.notation.kern.instruments import DRUMS, INSTRUMENTS, Instrument
from musegen.score.notation.tables import WrittenNote

__all__ = ["PATHS", "Part", "Spine", "follow_paths"]

PATHS = ("*-", "*^", "*v", "*+", "*x")
DEFAULT_DRUM = 38  # acoustic snare


@dataclass
class Part:
    """What is read of a track: its notes, its name, its instrument.

    Attributes:
        notes: In ticks.
        name: Empty if the file does not say.
        code: Humdrum's code of the instrument, such as `violn`; empty if the file does not say.
        is_unpitched: Whether its clef is that of percussion.
    """

    notes: list[WrittenNote] = field(default_factory=list)
    name: str = ""
    code: str = ""
    is_unpitched: bool = False

    @property
    def drum(self) -> int | None:
        """The drum key of its notes; None if it has pitches."""
        if self.code in DRUMS:
            return DRUMS[self.code].number
        return DEFAULT_DRUM if self.is_unpitched else None

    def track(self) -> Track:
        """Return the track."""
        is_drum = self.drum is not None
        instrument = (DRUMS if is_drum else INSTRUMENTS).get(self.code, Instrument("", 0))
        return Track(self.name or instrument.name, 0 if is_drum else instrument.number, is_drum)


@dataclass
class Spine:
    """A column.

    Attributes:
        part: What it belongs to; the spines that a spine is split into share it.
        has_notes: Whether it is a `**kern` spine.
        end: Where its last note ends, in quarters; None while it is silent.
    """

    part: Part = field(default_factory=Part)
    has_notes: bool = False
    end: float | None = None


def follow_paths(spines: Sequence[Spine], tokens: Sequence[str]) -> list[Spine]:
    """Return the spines after a line that changes their number or order.

    Raises:
        ValueError: A spine is to be joined or exchanged without another.
    """
    out: list[Spine] = []
    for path, columns in groupby(zip(tokens, spines, strict=True), key=lambda column: column[0]):
        run = [spine for _, spine in columns]
        if path in ("*v", "*x") and len(run) == 1:
            raise ValueError(f"{path} was expected in two adjacent spines. Received: one.")
        match path:
            case "*-":
                pass
            case "*^":
                out += [each for spine in run for each in (spine, replace(spine))]
            case "*v":
                out += _joined(run)
            case "*+":
                out += [each for spine in run for each in (spine, Spine())]
            case "*x":
                out += [each for pair in zip(run[1::2], run[::2], strict=False) for each in pair]
            case _:
                out += run
    return out


def _joined(run: Sequence[Spine]) -> list[Spine]:
    """Join neighbours that belong to one part; if there are none, all."""
    groups = [list(group) for _, group in groupby(run, key=lambda spine: id(spine.part))]
    if len(groups) == len(run):
        groups = [list(run)]
    out = []
    for group in groups:
        ends = [spine.end for spine in group if spine.end is not None]
        out.append(replace(group[0], end=max(ends, default=None)))
    return out
