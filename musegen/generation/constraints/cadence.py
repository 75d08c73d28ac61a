"""End the piece on the tonic."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.grammar import Grammar
from musegen.generation.constraints.next_note import NEVER, ConstraintContext, NextNote, bits
from musegen.score.keys import find_key

__all__ = ["Cadence"]

MAJOR_THIRD, MINOR_THIRD = 4, 3
FIFTH, DIMINISHED_FIFTH = 7, 6


class Cadence:
    """Begins the last notes of all parts together on the last strong beat, and holds them.

    Earlier notes end there. The parts that were highest and lowest end on the tonic, those between
    on a note of the tonic triad, and so do further notes of a part. All parts that had notes,
    drums aside, take part; if fewer notes may sound at once, the outermost do.
    """

    def __init__(self, context: ConstraintContext) -> None:
        """Set the context. An unknown key is found in the notes before the cadence."""
        self._context = context

    def restrict(self, wanted: NextNote, rules: Grammar) -> None:
        """Lead to the cadence; at it, name the next part and its pitches."""
        # Before the cadence, notes lead up to it.
        strong = wanted.strong
        if wanted.now < strong:
            wanted.final = wanted.until = strong
            wanted.latest = min(wanted.latest, strong)
            return

        # Its notes last until the end, and none begins later.
        wanted.closing = True
        wanted.shortest = wanted.longest = wanted.stop - strong
        wanted.until, wanted.latest = wanted.stop, NEVER
        if wanted.now > strong:
            wanted.earliest = NEVER
            wanted.turn = -1
            return

        # The parts that have not begun their last notes yet come in turn.
        ending = self._ending(rules, wanted)
        struck = {note.part for note in rules.notes if note.onset == strong}
        missing = sorted(part for part in ending if part > max(struck, default=-1))
        if missing or not struck:
            wanted.latest = strong
        if ending:
            wanted.turn = missing[0] if missing else -1
            wanted.drums = False
            more = wanted.part in struck and (not wanted.voices or len(ending) == 1)
            if not more and wanted.part != wanted.turn:
                wanted.pitches = 0
                return
        self._pitches(wanted, rules, ending[:2], struck)

    def _ending(self, rules: Grammar, wanted: NextNote) -> list[int]:
        """Return the parts that take part: the highest, the lowest, and then the others."""
        latest = {
            note.part: note.pitch
            for note in rules.notes
            if not note.drum and note.onset < wanted.strong
        }
        parts = sorted(latest, key=lambda part: (-latest[part], part))
        parts = parts[:1] + parts[:0:-1]
        if not wanted.voices:
            return parts
        begins = self._context.start
        ringing = sum(
            note.end > wanted.strong and note.onset < begins and not note.drum
            for note in rules.notes
        )
        return parts[: max(wanted.voices - ringing, 1)]

    def _pitches(
        self, wanted: NextNote, rules: Grammar, outer: Collection[int], struck: Collection[int]
    ) -> None:
        """Limit the pitches to the tonic, or its triad."""
        shift = self._context.shift
        key = self._context.key or find_key(_durations(rules, wanted.strong, shift))
        members = key.pitch_classes
        third = MAJOR_THIRD if members[(key.tonic + MAJOR_THIRD) % 12] else MINOR_THIRD
        fifth = FIFTH if members[(key.tonic + FIFTH) % 12] else DIMINISHED_FIFTH
        first_of_outer = wanted.part not in struck and (wanted.part in outer or not outer)
        above = [0] if first_of_outer else [0, third, fifth]
        degrees = (np.arange(128) - shift - key.tonic) % 12
        wanted.only(bits(np.isin(degrees, above)))


def _durations(rules: Grammar, strong: int, shift: int) -> NDArray[np.float64]:
    """Return how long each pitch class sounds before the cadence, `float64[12]`, in steps."""
    out = np.zeros(12)
    for note in rules.notes:
        if note.onset < strong and not note.drum:
            end = min(note.end, strong) if note.end > note.onset else strong
            out[(note.pitch - shift) % 12] += end - note.onset
    return out
