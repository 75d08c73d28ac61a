"""An ending on the tonic."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.grammar import Grammar
from musegen.generation.constraints.next_note import NEVER, Place, Wish, bits
from musegen.score.keys import find_key

__all__ = ["Cadence"]

MAJOR_THIRD, MINOR_THIRD = 4, 3
FIFTH, DIMINISHED_FIFTH = 7, 6


class Cadence:
    """All parts begin their last notes together on the last strong beat, and hold them until the end.

    What sounded before ends there. The parts that were highest and lowest end on the tonic, those between on
    a note of the tonic triad; notes above the first of a part, too. All parts that had notes, drums aside,
    take part; if fewer notes may sound at once, those furthest out do.
    """

    def __init__(self, place: Place) -> None:
        """Take what is known of the piece. If its key is not, it is found in the notes before the cadence."""
        self._place = place

    def narrow(self, wish: Wish, rules: Grammar) -> None:
        """Lead to the cadence; at it, name the part whose turn it is, and its pitches."""
        strong = wish.strong
        if wish.now < strong:
            wish.final = wish.until = strong
            wish.latest = min(wish.latest, strong)
            return
        wish.closing = True
        wish.shortest = wish.longest = wish.stop - strong
        wish.until, wish.latest = wish.stop, NEVER
        if wish.now > strong:
            wish.earliest, wish.turn = NEVER, -1
            return
        ending = self._ending(rules, wish)
        struck = {note.part for note in rules.notes if note.onset == strong}
        missing = sorted(part for part in ending if part > max(struck, default=-1))
        if missing or not struck:
            wish.latest = strong
        if ending:
            wish.turn, wish.drums = (missing[0] if missing else -1), False
            more = wish.part in struck and (not wish.voices or len(ending) == 1)
            if not more and wish.part != wish.turn:
                wish.pitches = 0
                return
        self._pitches(wish, rules, ending[:2], struck)

    def _ending(self, rules: Grammar, wish: Wish) -> list[int]:
        """Return the parts that end together: the highest, the lowest, and then the others."""
        latest = {note.part: note.pitch for note in rules.notes if not note.drum and note.onset < wish.strong}
        parts = sorted(latest, key=lambda part: (-latest[part], part))
        parts = parts[:1] + parts[:0:-1]
        if not wish.voices:
            return parts
        begins = self._place.start
        ringing = sum(note.end > wish.strong and note.onset < begins and not note.drum for note in rules.notes)
        return parts[: max(wish.voices - ringing, 1)]

    def _pitches(self, wish: Wish, rules: Grammar, outer: Collection[int], struck: Collection[int]) -> None:
        """Keep the tonic, or its triad."""
        shift = self._place.shift
        key = self._place.key or find_key(_heard(rules, wish.strong, shift))
        members = key.pitch_classes
        third = MAJOR_THIRD if members[(key.tonic + MAJOR_THIRD) % 12] else MINOR_THIRD
        fifth = FIFTH if members[(key.tonic + FIFTH) % 12] else DIMINISHED_FIFTH
        first_of_outer = wish.part not in struck and (wish.part in outer or not outer)
        above = [0] if first_of_outer else [0, third, fifth]
        heard = (np.arange(128) - shift - key.tonic) % 12
        wish.only(bits(np.isin(heard, above)))


def _heard(rules: Grammar, strong: int, shift: int) -> NDArray[np.float64]:
    """Return how long each pitch class sounds before the cadence, `float64[12]`, in steps."""
    out = np.zeros(12)
    for note in rules.notes:
        if note.onset < strong and not note.drum:
            end = min(note.end, strong) if note.end > note.onset else strong
            out[(note.pitch - shift) % 12] += end - note.onset
    return out
