"""An ending on the tonic."""

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
    """All parts begin their last notes together on the last strong beat, and hold them until the end.

    What sounded before ends there. The parts that were highest and lowest end on the tonic, those
    between on a note of the tonic triad; notes above the first of a part, too. All parts that had
    notes, drums aside, take part; if fewer notes may sound at once, those furthest out do.
    """

    def __init__(self, place: ConstraintContext) -> None:
        """Take what is known of the piece. If its key is not, it is found in the notes before the cadence."""
        self._place = place

    def restrict(self, next_note: NextNote, rules: Grammar) -> None:
        """Lead to the cadence; at it, name the part whose turn it is, and its pitches."""
        strong = next_note.strong
        if next_note.now < strong:
            next_note.final = next_note.until = strong
            next_note.latest = min(next_note.latest, strong)
            return
        next_note.closing = True
        next_note.shortest = next_note.longest = next_note.stop - strong
        next_note.until, next_note.latest = next_note.stop, NEVER
        if next_note.now > strong:
            next_note.earliest, next_note.turn = NEVER, -1
            return
        ending = self._ending(rules, next_note)
        struck = {note.part for note in rules.notes if note.onset == strong}
        missing = sorted(part for part in ending if part > max(struck, default=-1))
        if missing or not struck:
            next_note.latest = strong
        if ending:
            next_note.turn, next_note.drums = (missing[0] if missing else -1), False
            more = next_note.part in struck and (not next_note.voices or len(ending) == 1)
            if not more and next_note.part != next_note.turn:
                next_note.pitches = 0
                return
        self._pitches(next_note, rules, ending[:2], struck)

    def _ending(self, rules: Grammar, next_note: NextNote) -> list[int]:
        """Return the parts that end together: the highest, the lowest, and then the others."""
        latest = {
            note.part: note.pitch
            for note in rules.notes
            if not note.drum and note.onset < next_note.strong
        }
        parts = sorted(latest, key=lambda part: (-latest[part], part))
        parts = parts[:1] + parts[:0:-1]
        if not next_note.voices:
            return parts
        begins = self._place.start
        ringing = sum(
            note.end > next_note.strong and note.onset < begins and not note.drum
            for note in rules.notes
        )
        return parts[: max(next_note.voices - ringing, 1)]

    def _pitches(
        self, next_note: NextNote, rules: Grammar, outer: Collection[int], struck: Collection[int]
    ) -> None:
        """Keep the tonic, or its triad."""
        shift = self._place.shift
        key = self._place.key or find_key(_heard(rules, next_note.strong, shift))
        members = key.pitch_classes
        third = MAJOR_THIRD if members[(key.tonic + MAJOR_THIRD) % 12] else MINOR_THIRD
        fifth = FIFTH if members[(key.tonic + FIFTH) % 12] else DIMINISHED_FIFTH
        first_of_outer = next_note.part not in struck and (next_note.part in outer or not outer)
        above = [0] if first_of_outer else [0, third, fifth]
        heard = (np.arange(128) - shift - key.tonic) % 12
        next_note.only(bits(np.isin(heard, above)))


def _heard(rules: Grammar, strong: int, shift: int) -> NDArray[np.float64]:
    """Return how long each pitch class sounds before the cadence, `float64[12]`, in steps."""
    out = np.zeros(12)
    for note in rules.notes:
        if note.onset < strong and not note.drum:
            end = min(note.end, strong) if note.end > note.onset else strong
            out[(note.pitch - shift) % 12] += end - note.onset
    return out
