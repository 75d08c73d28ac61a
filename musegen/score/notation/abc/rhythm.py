"""Find the length of a note: unit, tuplets, broken rhythms."""

from __future__ import annotations

import re
from fractions import Fraction

from musegen.score.notation.abc.errors import Fault

__all__ = ["Rhythm", "length_of", "scaled"]

COMPOUND = {(6, 8), (9, 8), (12, 8)}
TUPLETS = {2: 3, 3: 2, 4: 3, 5: 0, 6: 2, 7: 0, 8: 3, 9: 0}
"""Number of notes → in the time of how many; 0: three in compound meter, else two (4.13)."""
MAX_MARKS = 6  # of a broken rhythm


class Rhythm:
    """What changes the lengths of the next notes of a voice."""

    def __init__(self) -> None:
        """Begin without a tuplet or a broken rhythm."""
        self._tuplet: tuple[int, int, int] | None = None  # q, p, and the notes to come
        self._factor: Fraction | None = None  # of the second note of a broken rhythm

    def next_length(self, length: int) -> int:
        """Return how long the next note, chord or rest is that is written with some length."""
        if self._tuplet:
            q, p, left = self._tuplet
            length = length * q // p
            self._tuplet = (q, p, left - 1) if left > 1 else None
        if self._factor:
            length, self._factor = scaled(length, self._factor), None
        return length

    def begin_tuplet(self, match: re.Match[str], meter: tuple[int, int] | None) -> None:
        """Begin a tuplet: put p notes in the time of q, for the next r notes (4.13)."""
        if self._tuplet:
            raise Fault(f"a tuplet must end before another begins. Received: {match[0]!r}")
        p = int(match["p"])
        q = int(match["q"] or TUPLETS.get(p, 0) or (p in TUPLETS) * (2 + (meter in COMPOUND)))
        r = int(match["r"] or p)
        if not (p and q and r):
            raise Fault(
                "a tuplet must be as in (3, or (p:q:r, with q given unless p is 2 to 9. "
                f"Received: {match[0]!r}"
            )
        self._tuplet = (q, p, r)

    def break_after(self, marks: str) -> Fraction:
        """Return the factor for the note before a broken rhythm, and keep that for the next (4.4).

        Args:
            marks: One or more of `<` or of `>`.
        """
        if len(set(marks)) > 1 or len(marks) > MAX_MARKS:
            raise Fault(f"a broken rhythm must be as in A>B, A<<B or A>>>B. Received: {marks!r}")
        shorter = Fraction(1, 2 ** len(marks))
        longer = 2 - shorter
        factor, self._factor = (longer, shorter) if marks[0] == ">" else (shorter, longer)
        return factor

    def check_complete(self) -> None:
        """Make sure that no tuplet or broken rhythm is open at the end of a bar."""
        if self._tuplet:
            raise Fault(
                f"a tuplet must end in its bar. Expected: {self._tuplet[2]} notes more, or their "
                "number as in (3:2:2"
            )
        if self._factor:
            raise Fault("a broken rhythm must stand between two notes of a bar")


def length_of(text: str, unit: int) -> int:
    """Return a length such as `3/2`, or `//` for a quarter, in units of time (4.3).

    Args:
        text: The length as it is written; empty for the unit note length.
        unit: The unit note length.
    """
    if not text:
        return unit
    multiplier, slash, divisor = text.partition("/")
    slashes = len(divisor) - len(divisor.lstrip("/")) + len(slash)
    number = divisor.lstrip("/")
    by = int(number) if number else 2**slashes
    length = unit * int(multiplier or 1) // by if by else 0
    if not length or (number and slashes > 1):
        raise Fault(f"a length must be as in A2, A3/2, A/ or A//, and not 0. Received: {text!r}")
    return length


def scaled(length: int, factor: Fraction) -> int:
    """Return a length times a factor."""
    return length * factor.numerator // factor.denominator
