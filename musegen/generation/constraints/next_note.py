"""The next note: constraints narrow what it may be, and each encoding turns that into tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.grammar import Mask
from musegen.score.keys import Key

__all__ = ["ALL", "NEVER", "ConstraintContext", "NextNote", "bits", "pitch_mask"]

NEVER = 1 << 40
"""A step after all music."""

ALL = (1 << 128) - 1
"""All pitches. Sets of pitches are integers, bit n for pitch n: cheap to intersect."""


@dataclass(frozen=True)
class ConstraintContext:
    """What constraints must know of the piece.

    Attributes:
        key: The key to keep to; None if it is not known. The cadence needs it, too.
        shift: Semitones by which the tokens are transposed.
        start: Step, from the beginning of the piece, where new music begins: a barline.
        stop: Step where it ends, unless the grammar has a `length`.
        quarter: Steps in a quarter note.
        bar: Steps in a bar. The metric grammar knows its own.
        parts: How many parts may play; 0 for all of the vocabulary.
    """

    key: Key | None = None
    shift: int = 0
    start: int = 0
    stop: int = NEVER
    quarter: float = 12
    bar: float = 48
    parts: int = 0

    @property
    def pitches(self) -> int:
        """The set of transposed pitches that are in MIDI's range when they are transposed back."""
        if self.shift >= 0:
            return (ALL << self.shift) & ALL
        return ALL >> -self.shift


@dataclass(slots=True)
class NextNote:
    """What the next note may be; while a note is being written, that one and when the next is due.

    Steps are counted from the beginning of the piece. The first six fields are facts; constraints
    narrow the others.

    Attributes:
        now: The current step.
        bar: Step where the current bar begins.
        bar_length: Its length in steps.
        stop: Step where the music ends.
        strong: The last strong beat.
        part: The current part.
        pitches: The set of transposed pitches that a pitched part may begin.
        earliest: Step before which no note begins.
        latest: Step by which the next note must begin; `NEVER` if there must be none.
        pace: Step where the next note would begin at an even pace; `NEVER` if none is required.
        shortest: Steps that it must last.
        longest: Steps that it may last.
        until: Step by which it must end.
        voices: How many pitched notes may sound at once; 0 for any number.
        final: Step of the cadence, while it is ahead: a note may begin there, after `until`.
        closing: Whether the cadence is being written: earlier notes must end.
        turn: The only part that may begin a note; −1 for none, None for any.
        drums: Whether drums may begin.
        crossed: Whether no pitch meets all constraints, so that one was ignored.
    """

    now: int
    bar: int
    bar_length: int
    stop: int
    strong: int
    part: int
    pitches: int = ALL
    earliest: int = 0
    latest: int = NEVER
    pace: int = NEVER
    shortest: int = 1
    longest: int = NEVER
    until: int = NEVER
    voices: int = 0
    final: int = NEVER
    closing: bool = False
    turn: int | None = None
    drums: bool = True
    crossed: bool = False

    def only(self, pitches: int) -> None:
        """Intersect the pitches with these, unless nothing would be left."""
        if self.pitches & pitches:
            self.pitches &= pitches
        else:
            self.crossed = True

    @property
    def last(self) -> int:
        """The last step where an ordinary note, not one of the cadence, may begin."""
        return min(self.latest, self.until - self.shortest)

    @property
    def due(self) -> int:
        """The step by which the next note must begin to have room; `NEVER` if none is due."""
        if self.latest >= self.final:
            return self.final
        return self.last if self.latest < NEVER else NEVER


@lru_cache(maxsize=1024)
def pitch_mask(pitches: int) -> Mask:
    """Return a set of pitches as a read-only `bool[128]`."""
    octets = np.frombuffer(pitches.to_bytes(16, "little"), np.uint8)
    out = np.unpackbits(octets, bitorder="little").astype(bool)
    out.flags.writeable = False
    return out


def bits(pitches: NDArray[np.bool_]) -> int:
    """Return the set of the pitches that are true in `bool[128]`."""
    return int.from_bytes(np.packbits(pitches, bitorder="little").tobytes(), "little")
