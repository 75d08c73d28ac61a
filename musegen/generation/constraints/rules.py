"""The constraints: each class narrows the next note. `docs/control.md` shows their effects."""

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
    """A musical constraint."""

    def restrict(self, wanted: NextNote, rules: Grammar) -> None:
        """Narrow the next note, given the notes before it."""


class InRange:
    """Keeps pitches between a lowest and a highest. Drums are exempt."""

    def __init__(self, low: int, high: int, context: ConstraintContext) -> None:
        """Set the lowest and the highest pitch, both included."""
        sounding = np.arange(128) - context.shift
        self._pitches = bits((low <= sounding) & (sounding <= high))

    def restrict(self, wanted: NextNote, rules: Grammar) -> None:
        """Keep the pitches of the range."""
        wanted.only(self._pitches)


class Polyphony:
    """Limits how many notes sound at once, in all parts together. Drums are exempt."""

    def __init__(self, voices: int) -> None:
        """Set the limit."""
        self._voices = voices

    def restrict(self, wanted: NextNote, rules: Grammar) -> None:
        """Pass the limit on."""
        wanted.voices = self._voices


class Lengths:
    """Keeps note lengths between a shortest and a longest note value, to the nearest step."""

    def __init__(
        self, shortest: Fraction | None, longest: Fraction | None, context: ConstraintContext
    ) -> None:
        """Set the values, in quarter notes; None for no bound."""
        self._shortest = max(1, round(float(shortest or 0) * context.quarter))
        self._longest = max(1, round(float(longest) * context.quarter)) if longest else 0

    def restrict(self, wanted: NextNote, rules: Grammar) -> None:
        """Limit the length."""
        wanted.shortest = self._shortest
        if self._longest:
            wanted.longest = self._longest


class InKey:
    """Keeps pitches in a key. Drums are exempt."""

    def __init__(self, key: Key, context: ConstraintContext) -> None:
        """Set the key."""
        self._pitches = bits(key.pitch_classes[(np.arange(128) - context.shift) % 12])

    def restrict(self, wanted: NextNote, rules: Grammar) -> None:
        """Keep the pitches of the key."""
        wanted.only(self._pitches)


class NoParallels:
    """Forbids two voices to move from a fifth to a fifth, or from an octave to an octave.

    A voice is a part that plays one note at a time, each where the last one ends. Drums are exempt.
    Each part is checked against the parts that were written before it at the same step.
    """

    def restrict(self, wanted: NextNote, rules: Grammar) -> None:
        """Remove pitches that would move in parallel with a part that has moved at this step."""
        if rules.kind not in ("part", "program"):
            return
        moves = _moves(rules.notes, wanted.now)
        before, _ = moves.get(wanted.part, (None, None))
        if before is None:
            return
        pitches = ALL
        for part, (old, new) in moves.items():
            if part != wanted.part and old is not None and new is not None and old != new:
                pitches &= _not_parallel(new, abs(old - before) % 12, before)
        wanted.only(pitches)


def _moves(notes: Sequence[Note], now: int) -> dict[int, tuple[int | None, int | None]]:
    """Return, for each part, the pitch that ends at a step and the one that begins there.

    None where there is no such pitch, or more than one.
    """
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
    """Return the pitches that do not repeat a perfect interval with another voice.

    Args:
        pitch: Where the other voice moved to.
        interval: Between the voices before, in semitones without octaves.
        before: This voice's last pitch, which may always be repeated.
    """
    if interval not in PERFECT:
        return ALL
    every = np.arange(128)
    return bits((np.abs(every - pitch) % 12 != interval) | (every == before))


class Density:
    """Keeps the number of notes that begin in a bar between two limits, at an even pace.

    Notes of a cadence do not count.

    With at least MIN notes in a bar of length L, note i (from 0) begins before (i + 1) · L / MIN.
    With at most MAX, it begins no earlier than a quarter ahead of i · L / MAX; or, where there are
    chords, a chord of four.
    """

    def __init__(self, fewest: int, most: int, chords: bool, context: ConstraintContext) -> None:
        """Set the limits, 0 for none, and whether to expect chords."""
        self._fewest = fewest
        self._most = most
        self._quarter = context.quarter
        self._together = CHORD - 1 if chords else 0
        self._grids = [max(1, round(context.quarter / parts)) for parts in (1, 2, 4)]

    def restrict(self, wanted: NextNote, rules: Grammar) -> None:
        """Limit when the next note may begin, and say by when it must."""
        if wanted.closing:
            return
        begun, length = _begun(rules.notes, wanted.bar), wanted.bar_length
        bar_end = wanted.bar + length

        # At most: no sooner than the pace allows.
        if begun >= self._most > 0:
            wanted.earliest = max(wanted.earliest, bar_end)
        elif self._most:
            ahead = max(self._quarter, self._together * length / self._most)
            pace = math.ceil(wanted.bar + begun * length / self._most - ahead)
            wanted.earliest = max(wanted.earliest, pace)

        # At least: in this bar, or early enough in the next.
        if begun < self._fewest:
            due = wanted.bar + math.ceil((begun + 1) * length / self._fewest) - 1
            wanted.latest = min(wanted.latest, due)
            wanted.pace = min(self._pace(wanted, begun), wanted.latest)
        elif self._fewest and bar_end < wanted.stop:
            due = bar_end + math.ceil(length / self._fewest) - 1
            wanted.latest = min(wanted.latest, due)
            wanted.pace = bar_end

    def _pace(self, wanted: NextNote, begun: int) -> int:
        """Return where the next note of the bar would begin at an even pace, in a simple rhythm."""
        fitting = (step for step in self._grids if step * self._fewest <= wanted.bar_length)
        grid = next(fitting, 1)
        even = begun * wanted.bar_length // self._fewest // grid * grid
        following = (wanted.now - wanted.bar) // grid * grid + grid
        return wanted.bar + max(even, following)


def _begun(notes: Sequence[Note], bar: int) -> int:
    """Return how many notes have begun since a step."""
    count = 0
    for note in reversed(notes):
        if note.onset < bar:
            break
        count += 1
    return count
