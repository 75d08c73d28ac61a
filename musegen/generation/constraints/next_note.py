"""What is wished of the next note: constraints narrow it, and each encoding turns it into tokens."""

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
"""All pitches. Sets of pitches are integers, bit n for pitch n: cheaper to meet than arrays."""


@dataclass(frozen=True)
class ConstraintContext:
    """What is known of the piece that goes on.

    Attributes:
        key: Of `--key`, or found in the primer; None if that is not known. The cadence needs it,
            too.
        shift: The model hears pitches so many semitones higher than they are.
        start: Step, from the beginning of the piece, where the continuation begins: a barline.
        stop: Step where it ends. Where the grammar has a `length`, that counts.
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
        """The set of pitches, as the model hears them, that are pitches indeed."""
        return (ALL << self.shift if self.shift >= 0 else ALL >> -self.shift) & ALL


@dataclass(slots=True)
class NextNote:
    """The next note, as it should be; or, while a note is being said, that one and when the next must come.

    Steps are counted from the beginning of the piece. The first six are facts; constraints change
    the others.

    Attributes:
        now: The current step.
        bar: Step where the current bar begins.
        bar_length: Its length in steps.
        stop: Step where the music ends.
        strong: The last strong beat.
        part: That is spoken of.
        pitches: The set of pitches, as the model hears them, that a pitched part may strike.
        earliest: Step before which no note begins.
        latest: Step by which the next note must begin; `NEVER` if there must be none.
        pace: Step where the next note would begin if all kept an even pace; `NEVER` if none is
            asked for.
        shortest: Steps that it must last.
        longest: Steps that it may last.
        until: Step by which it must be over.
        voices: How many pitched notes may sound at once; 0 for any number.
        final: Step of the cadence, while it is ahead: a note may begin there though `until` is
            over.
        closing: Whether the cadence is being played: what sounds from before must end.
        turn: The only part that may be named; −1 for none, None for any.
        drums: Whether drums may be struck.
        crossed: Whether no pitch meets all constraints, so that one was set aside.
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
        """Keep no pitches but these, unless none would be left."""
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
        """The step by which the next note must begin, if it is to find room."""
        return (
            self.final if self.latest >= self.final else self.last if self.latest < NEVER else NEVER
        )


@lru_cache(maxsize=1024)
def pitch_mask(pitches: int) -> Mask:
    """Return a set of pitches as `bool[128]`; not to be changed."""
    octets = np.frombuffer(pitches.to_bytes(16, "little"), np.uint8)
    out: Mask = np.unpackbits(octets, bitorder="little").astype(bool)
    out.flags.writeable = False
    return out


def bits(pitches: NDArray[np.bool_]) -> int:
    """Return the set of pitches that `bool[128]` has."""
    return int.from_bytes(np.packbits(pitches, bitorder="little").tobytes(), "little")
