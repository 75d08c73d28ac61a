"""Check for repetition and copying at every barline; a failed check says where to resume.

A sampler that has begun to repeat itself makes the repetition likelier with every round, whatever
the temperature. Masks cannot forbid it beforehand, since music does repeat; so it is detected once
it has happened, and the loop rewrites it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from musegen.encoding.grammar import Grammar, Note
from musegen.utils.arrays import Ints

__all__ = ["CopyGuard", "Guard", "RepetitionGuard", "Violation"]

MOST_NOTES = 1024  # the copy guard looks back no further


class Violation(NamedTuple):
    """A failed check.

    Attributes:
        reason: What was found, in a word or two.
        onset: Step from which the music should be rewritten.
        pitch: The pitch to forbid there, if nothing else helps.
    """

    reason: str
    onset: int
    pitch: int


class Guard(Protocol):
    """Looks for one kind of violation."""

    def violations(self, rules: Grammar, first: int) -> Iterator[Violation]:
        """Yield what is wrong with the notes from index `first` on, at a barline."""


class RepetitionGuard:
    """Detects literal repetition.

    A violation is a passage of at most eight bars that has sounded three times in a row, for at
    least four bars in all, with the same notes after the same times; or one pitch struck sixteen
    times with no other between. Drums are exempt.
    """

    LEAST = 4  # bars that all rounds of a passage must last together
    LONGEST = 8  # bars of a passage
    ROUNDS = 3
    STRIKES = 16

    def violations(self, rules: Grammar, first: int) -> Iterator[Violation]:
        """Yield the fifth of the strikes, and the beginning of the second round."""
        # Only notes that can be part of a violation at this barline.
        reach = self.ROUNDS * self.LONGEST * rules.bar_length
        recent = bisect_left(rules.notes, rules.now - reach, key=_onset)
        begin = max(first, min(recent, len(rules.notes) - self.STRIKES))
        notes = rules.notes[begin:]
        if "drum" in rules.vocabulary.blocks:
            notes = [note for note in notes if not note.drum]

        struck = notes[-self.STRIKES :]
        if len(struck) == self.STRIKES and len({(note.part, note.pitch) for note in struck}) == 1:
            yield Violation("one note", struck[4].onset, struck[4].pitch)

        again = _second_round(notes, self.ROUNDS, self.LEAST * rules.bar_length) if notes else None
        if again is not None:
            yield Violation("repetition", again.onset, again.pitch)


def _second_round(notes: Sequence[Note], rounds: int, least: int) -> Note | None:
    """Return the first note of the second round of a loop that the notes end with; None if none.

    Args:
        notes: At least one.
        rounds: How often the passage must have sounded.
        least: Steps that all rounds together must last.
    """
    last = notes[-1]
    for size in range(1, len(notes) // rounds + 1):
        before = notes[-1 - size]
        if before.pitch != last.pitch or before.part != last.part:
            continue
        # Count the notes at the end that equal the one a round earlier.
        period, same = last.onset - before.onset, 1
        while same + size < len(notes):
            note, earlier = notes[-1 - same], notes[-1 - same - size]
            if (note.pitch, note.part) != (earlier.pitch, earlier.part):
                break
            if note.onset - earlier.onset != period:
                break
            same += 1
        played = (same + size) / size
        if played >= rounds and played * period >= least:
            return notes[-same]
    return None


def _onset(note: Note) -> int:
    return note.onset


@dataclass(frozen=True)
class CopyGuard:
    """Limits how many consecutive notes of a voice may match a training piece.

    Attributes:
        run_lengths: `musegen.data.novelty.Index.run_lengths`.
        scale: The index's steps in one of the grammar's.
        most: Notes that a run may have.
    """

    run_lengths: Callable[[Ints, Ints], Ints]
    scale: float
    most: int

    def violations(self, rules: Grammar, first: int) -> Iterator[Violation]:
        """Yield, for each run that is too long, the note that makes it so."""
        begin = max(first, len(rules.notes) - MOST_NOTES)
        notes = [note for note in rules.notes[begin:] if not note.drum]
        for part in sorted({note.part for note in notes}):
            voice = self._voice(note for note in notes if note.part == part)
            if len(voice) <= self.most:
                continue
            steps, pitches = list(voice), [note.pitch for note in voice.values()]
            lengths = self.run_lengths(np.diff(pitches), np.diff(steps))
            highest = list(voice.values())
            for index in np.flatnonzero(lengths == self.most + 1).tolist():
                yield Violation("copied", highest[index].onset, highest[index].pitch)

    def _voice(self, notes: Iterator[Note]) -> dict[int, Note]:
        """Return the index's step → the highest note there, by step."""
        highest: dict[int, Note] = {}
        for note in notes:
            step = math.floor(note.onset * self.scale + 0.5)
            if step not in highest or note.pitch > highest[step].pitch:
                highest[step] = note
        return dict(sorted(highest.items()))
