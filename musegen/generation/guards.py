"""What a piece must not become: guards look back at every barline, and say from where to write anew.

A sampler that has begun to repeat itself makes the repetition likelier with every round, whatever
the temperature. Masks cannot forbid it beforehand, since music does repeat; so it is found once it
has happened.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.grammar import Grammar, Note

__all__ = ["CopyGuard", "Guard", "RepetitionGuard", "Violation"]


class Violation(NamedTuple):
    """What went wrong, and where."""

    reason: str
    onset: int
    """Step from which to write anew."""
    pitch: int
    """What must not be played there, if nothing else helps."""


class Guard(Protocol):
    """Looks for one kind of violation."""

    def violations(self, rules: Grammar, first: int) -> Iterator[Violation]:
        """Yield what is wrong with the notes from index `first` on, at a barline."""


class RepetitionGuard:
    """Nothing goes round in circles.

    A violation is what has sounded for at least four bars and three rounds, of eight bars at most
    each, the same notes after the same times; or one pitch struck sixteen times, with no other
    between. Drums may do as they like.

    """

    LEAST, LONGEST, ROUNDS, STRIKES = 4, 8, 3, 16

    def violations(self, rules: Grammar, first: int) -> Iterator[Violation]:
        """Yield the fifth of the strikes, and the second round from its beginning."""
        recent = bisect_left(
            rules.notes, rules.now - self.ROUNDS * self.LONGEST * rules.bar_length, key=_onset
        )
        notes = rules.notes[max(first, min(recent, len(rules.notes) - self.STRIKES)) :]
        if "drum" in rules.vocabulary.blocks:
            notes = [note for note in notes if not note.drum]
        struck = notes[-self.STRIKES :]
        if len(struck) == self.STRIKES and len({(note.part, note.pitch) for note in struck}) == 1:
            yield Violation("one note", struck[4].onset, struck[4].pitch)
        again = self._again(notes, self.LEAST * rules.bar_length) if notes else None
        if again is not None:
            yield Violation("repetition", again.onset, again.pitch)

    def _again(self, notes: Sequence[Note], least: int) -> Note | None:
        """Return the first note of the second round of a loop that the notes end with, of so many steps at least."""
        last = notes[-1]
        for size in range(1, len(notes) // self.ROUNDS + 1):
            before = notes[-1 - size]
            if before.pitch != last.pitch or before.part != last.part:
                continue
            period, same = last.onset - before.onset, 1  # notes that equal the one a round before
            while same + size < len(notes):
                a, b = notes[-1 - same], notes[-1 - same - size]
                if a.pitch != b.pitch or a.part != b.part or a.onset - b.onset != period:
                    break
                same += 1
            rounds = (same + size) / size
            if rounds >= self.ROUNDS and rounds * period >= least:
                return notes[-same]
        return None


def _onset(note: Note) -> int:
    return note.onset


@dataclass(frozen=True)
class CopyGuard:
    """No voice has more notes in a row in common with a training piece than it may.

    Attributes:
        run_lengths: `musegen.data.novelty.Index.run_lengths`.
        scale: The index's steps in one of the grammar's.
        most: Notes that a run may have.
    """

    run_lengths: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]
    scale: float
    most: int

    def violations(self, rules: Grammar, first: int) -> Iterator[Violation]:
        """Yield the note, in each voice, that makes a run too long, for each such run."""
        notes = [
            note for note in rules.notes[max(first, len(rules.notes) - 1024) :] if not note.drum
        ]
        for part in sorted({note.part for note in notes}):
            highest: dict[int, Note] = {}
            for note in notes:
                step = math.floor(note.onset * self.scale + 0.5)
                if note.part == part and (step not in highest or note.pitch > highest[step].pitch):
                    highest[step] = note
            voice = [highest[step] for step in sorted(highest)]
            lengths = (
                self.run_lengths(np.diff([note.pitch for note in voice]), np.diff(sorted(highest)))
                if len(voice) > self.most
                else np.zeros(0)
            )
            for index in np.flatnonzero(lengths == self.most + 1).tolist():
                yield Violation("copied", voice[index].onset, voice[index].pitch)
