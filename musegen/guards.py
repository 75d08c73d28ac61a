"""What a piece must not become: guards look back at every barline, and say from where to write anew.

A sampler that has begun to repeat itself makes the repetition likelier with every round, whatever the temperature.
Masks cannot forbid it beforehand, since music does repeat; so it is found once it has happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from musegen.grammar import Grammar, Note

__all__ = ["Fault", "Guard", "Loops"]


class Fault(NamedTuple):
    """What went wrong, and where."""

    reason: str
    onset: int
    """Step from which to write anew."""
    pitch: int
    """What must not be played there, if nothing else helps."""


class Guard(Protocol):
    """Looks for one kind of fault."""

    def fault(self, rules: Grammar, first: int) -> Fault | None:
        """Return what is wrong with the notes from index `first` on, at a barline; None if nothing is."""


@dataclass(frozen=True)
class Loops:
    """Nothing goes round in circles.

    A fault is what has sounded for at least four bars and three rounds, the same notes after the same times; or one
    pitch struck sixteen times, with no other between. Drums may do as they like.

    Attributes:
        bar: Steps of a bar.
    """

    bar: float

    BARS, ROUNDS, STRIKES = 4, 3, 16
    LONGEST = 64  # notes in a round

    def fault(self, rules: Grammar, first: int) -> Fault | None:
        """Return the second round, from its beginning, or the fifth of the strikes."""
        notes = [note for note in rules.notes[max(first, len(rules.notes) - 1024) :] if not note.drum]
        struck = notes[-self.STRIKES :]
        if len(struck) == self.STRIKES and len({(note.part, note.pitch) for note in struck}) == 1:
            return Fault("one note", struck[4].onset, struck[4].pitch)
        period = [
            (a.part, a.pitch, b.onset - a.onset) for a, b in zip(reversed(notes[:-1]), reversed(notes), strict=False)
        ]  # from the last but one back: each note, and how long until the next
        return self._round(notes, period, rules.now) if notes else None

    def _round(self, notes: Sequence[Note], back: Sequence[tuple[int, int, int]], now: int) -> Fault | None:
        last = notes[-1]
        for size in range(1, min(self.LONGEST, len(notes) // 2) + 1):
            before = notes[-1 - size]
            if (before.part, before.pitch) != (last.part, last.pitch):
                continue
            same = 1  # notes that equal the one a round before: the last, and those before it, with their times
            while same + size <= len(back) and back[same - 1] == back[same - 1 + size]:
                same += 1
            begins = notes[-same - size].onset
            if same >= (self.ROUNDS - 1) * size and now - begins >= max(
                self.BARS * self.bar, self.ROUNDS * (last.onset - before.onset)
            ):
                again = notes[-same]
                return Fault("repetition", again.onset, again.pitch)
        return None
