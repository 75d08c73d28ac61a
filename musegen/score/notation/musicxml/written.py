"""Name what is read of a part: its measures, notes and signs, at places in measures."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Note", "Sign", "Written"]


class Written(NamedTuple):
    """A measure that has been read.

    Attributes:
        number: As printed.
        implicit: Whether the page does not count it.
        controlling: Whether its left barline goes through all parts.
        length: In quarters, of all that is written in it: notes, rests and forwards.
        notes: In quarters, to the end of its last note.
    """

    number: str
    implicit: bool
    controlling: bool
    length: float
    notes: float


class Note(NamedTuple):
    """A note as written, or one of the notes of a tie.

    Attributes:
        measure: Index of its measure.
        onset: In quarters from the beginning of the measure.
        end: Likewise.
        pitch: MIDI pitch or drum key as it sounds.
        velocity: 0 if the note itself does not state one.
        instrument: The id of its instrument.
        staff: The number of its staff, "1" by default.
        is_drum: Whether it is a drum's.
        stops: Whether it continues a tie.
        starts: Whether it is tied to the next.
    """

    measure: int
    onset: float
    end: float
    pitch: int
    velocity: int
    instrument: str
    staff: str
    is_drum: bool
    stops: bool
    starts: bool


class Sign(NamedTuple):
    """Something that holds from its place on.

    Attributes:
        measure: Index of its measure.
        position: In quarters from the beginning of the measure.
        value: What holds.
    """

    measure: int
    position: float
    value: Any
