"""The constraints, each a class with one method, which narrows the next note. `docs/control.md` has their effects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Protocol

import numpy as np

from musegen.encoding.grammar import Grammar, Note
from musegen.generation.constraints.next_note import ALL, ConstraintContext, NextNote, bits
from musegen.score.keys import Key

__all__ = ["Constraint", "Density", "InKey", "InRange", "Lengths", "NoParallels", "Polyphony"]

CHORD = 4  # notes that may begin together, however few a bar may have
RECENT = 64  # notes among which the last of each part is looked for
PERFECT = (0, 7)  # semitones of octave and fifth, without octaves


class Constraint(Protocol):
    """One thing that is asked of a continuation."""

    def restrict(self, next_note: NextNote, rules: Grammar) -> None:
        """Narrow what is wished of the next note, given what came before."""


class InRange:
    """No pitch below the lowest or above the highest. Drums are exempt."""

    def __init__(self, low: int, high: int, place: ConstraintContext) -> None:
        """Take the pitches, both included."""
        heard = np.arange(128) - place.shift
        self._pitches = bits((low <= heard) & (heard <= high))

    def restrict(self, next_note: NextNote, rules: Grammar) -> None:
        """Keep the pitches of the range."""
        next_note.only(self._pitches)


class Polyphony:
    """No more than so many notes sound at once, in all parts together. Drums are exempt."""

    def __init__(self, voices: int) -> None:
        """Take the number."""
        self._voices = voices

    def restrict(self, next_note: NextNote, rules: Grammar) -> None:
        """Say how many."""
        next_note.voices = self._voices


class Lengths:
    """No note is shorter than the shortest or longer than the longest note value, to the nearest step."""

    def __init__(
        self, shortest: Fraction | None, longest: Fraction | None, place: ConstraintContext
    ) -> None:
        """Take the values in quarters; None for no bound."""
        self._shortest = max(1, round(float(shortest or 0) * place.quarter))
        self._longest = max(1, round(float(longest) * place.quarter)) if longest else 0

    def restrict(self, next_note: NextNote, rules: Grammar) -> None:
        """Bound the length."""
        next_note.shortest = self._shortest
        if self._longest:
            next_note.longest = self._longest


class InKey:
    """No pitch outside of a key. Drums are exempt."""

    def __init__(self, key: Key, place: ConstraintContext) -> None:
        """Take the key."""
        self._pitches = bits(key.pitch_classes[(np.arange(128) - place.shift) % 12])

    def restrict(self, next_note: NextNote, rules: Grammar) -> None:
        """Keep the pitches of the key."""
        next_note.only(self._pitches)


class NoParallels:
    """No two voices go from a fifth to a fifth or from an octave to an octave, in either direction.

    A voice is a part that strikes one note at a time, the next where the last one ends. Drums are
    exempt. A part cannot know what the parts after it are going to do; they know what it did.
    """

    def restrict(self, next_note: NextNote, rules: Grammar) -> None:
        """Leave out pitches that would be parallel to a part that has moved at this step."""
        if rules.kind not in ("part", "program"):
            return
        moves = _moves(rules.notes, next_note.now)
        before, _ = moves.get(next_note.part, (None, None))
        if before is None:
            return
        pitches = ALL
        for part, (old, new) in moves.items():
            if part != next_note.part and old is not None and new is not None and old != new:
                pitches &= _not_parallel(new, abs(old - before) % 12, before)
        next_note.only(pitches)


def _moves(notes: Sequence[Note], now: int) -> dict[int, tuple[int | None, int | None]]:
    """Return of each part the pitch that ends at a step, and the one that begins; None where there is not just one."""
    struck: dict[int, list[Note]] = {}
    before: dict[int, list[Note]] = {}
    for note in reversed(notes[-RECENT:]):
        latest = (struck if note.onset == now else before).setdefault(note.part, [])
        if not note.drum and (not latest or latest[0].onset == note.onset):
            latest.append(note)

    def one(some: list[Note]) -> int | None:
        return some[0].pitch if len(some) == 1 else None

    return {
        part: (one(some) if some and some[0].end == now else None, one(struck.get(part, [])))
        for part, some in before.items()
    }


@lru_cache(maxsize=4096)
def _not_parallel(pitch: int, interval: int, before: int) -> int:
    """Return the pitches that are not at an interval to one, if it is a fifth or an octave; and the one before."""
    if interval not in PERFECT:
        return ALL
    every = np.arange(128)
    return bits((np.abs(every - pitch) % 12 != interval) | (every == before))


class Density:
    """As many notes begin in each bar as was asked, at an even pace; those of a cadence do not count.

    With at least MIN notes in a bar of length L, note i (from 0) begins before (i + 1) · L / MIN.
    With at most MAX, it begins no earlier than a quarter ahead of i · L / MAX; or, where there are
    chords, a chord of four.
    """

    def __init__(self, fewest: int, most: int, chords: bool, place: ConstraintContext) -> None:
        """Take the numbers, 0 for no bound, and whether to expect chords."""
        self._fewest, self._most = fewest, most
        self._quarter, self._together = place.quarter, CHORD - 1 if chords else 0
        self._grids = [max(1, round(place.quarter / parts)) for parts in (1, 2, 4)]

    def restrict(self, next_note: NextNote, rules: Grammar) -> None:
        """Say when the next note may begin, and by when it must."""
        if next_note.closing:
            return
        begun, length = 0, next_note.bar_length
        for note in reversed(rules.notes):
            if note.onset < next_note.bar:
                break
            begun += 1
        over = next_note.bar + length
        if self._most:
            ahead = max(self._quarter, self._together * length / self._most)
            pace = (
                over
                if begun >= self._most
                else math.ceil(next_note.bar + begun * length / self._most - ahead)
            )
            next_note.earliest = max(next_note.earliest, pace)
        if begun < self._fewest:
            next_note.latest = min(
                next_note.latest, next_note.bar + math.ceil((begun + 1) * length / self._fewest) - 1
            )
            next_note.pace = min(self._pace(next_note, begun), next_note.latest)
        elif self._fewest and over < next_note.stop:
            next_note.latest = min(next_note.latest, over + math.ceil(length / self._fewest) - 1)
            next_note.pace = over

    def _pace(self, next_note: NextNote, begun: int) -> int:
        """Return where a note of the bar would begin at an even pace, in the rhythm that musicians would make of it."""
        grid = next(
            (step for step in self._grids if step * self._fewest <= next_note.bar_length), 1
        )
        even = begun * next_note.bar_length // self._fewest // grid * grid
        return next_note.bar + max(even, (next_note.now - next_note.bar) // grid * grid + grid)
