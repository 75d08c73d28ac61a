"""Parse the fields that say how long and how fast: meter, unit note length, tempo.

Lengths are in whole notes. The numbers are sections of the ABC standard 2.1.
"""

from __future__ import annotations

import re
from fractions import Fraction

from musegen.score.general_midi import MAX_DENOMINATOR, MAX_TEMPO
from musegen.score.notation.abc.errors import Fault

__all__ = ["default_unit", "parse_meter", "parse_tempo", "parse_unit"]

MAX_NUMERATOR = 255  # one byte in a MIDI file


def parse_meter(text: str) -> tuple[int, int] | None:
    """Return numerator and denominator of an `M:` field (3.1.6); None for free meter.

    >>> parse_meter("C|"), parse_meter("(2+3+3)/8"), parse_meter("none")
    ((2, 2), (8, 8), None)
    """
    text = text.replace(" ", "")
    if text in ("C", "c", "C|", "c|"):
        return (2, 2) if "|" in text else (4, 4)
    if text.lower() in ("none", ""):
        return None
    match = re.fullmatch(r"\(?(\d{1,3}(?:\+\d{1,3})*)\)?/(\d{1,3})", text)
    numerator = sum(map(int, match[1].split("+"))) if match else 0
    denominator = int(match[2]) if match else 0
    is_possible = 1 <= numerator <= MAX_NUMERATOR and 1 <= denominator <= MAX_DENOMINATOR
    if not is_possible or denominator.bit_count() != 1:
        raise Fault(
            "a meter must be as in M:6/8, M:(2+3)/8, M:C, M:C| or M:none, with a denominator that "
            f"is a power of two up to {MAX_DENOMINATOR}. Received: {text!r:.40}"
        )
    return numerator, denominator


def parse_unit(text: str) -> Fraction | None:
    """Return the unit note length of an `L:` field (3.1.7); None if it follows from the meter.

    >>> parse_unit("1/8"), parse_unit("1")
    (Fraction(1, 8), Fraction(1, 1))
    """
    text = text.replace(" ", "")
    if text in ("", "auto"):
        return None
    match = re.fullmatch(r"(\d{1,3})(?:/(\d{1,4}))?", text)
    length = Fraction(int(match[1]), int(match[2] or 1) or 1) if match else Fraction(0)
    if not 0 < length <= 8 or (match and match[2] and not int(match[2])):
        raise Fault(f"a unit note length must be as in L:1/8 or L:1. Received: {text!r:.40}")
    return length


def default_unit(meter: tuple[int, int] | None) -> Fraction:
    """Return the unit note length where no `L:` field gives one (3.1.7).

    >>> default_unit((2, 4)), default_unit((6, 8))
    (Fraction(1, 16), Fraction(1, 8))
    """
    return Fraction(1, 16) if meter and Fraction(*meter) < Fraction(3, 4) else Fraction(1, 8)


def parse_tempo(text: str, unit: Fraction) -> int | None:
    """Return microseconds per quarter of a `Q:` field (3.1.8, 10.1); None if it has no number.

    >>> parse_tempo('"Allegro" 1/4=120', Fraction(1, 8)), parse_tempo("3/8=50", Fraction(1, 8))
    (500000, 800000)
    >>> parse_tempo("120", Fraction(1, 8)), parse_tempo("C3=40", Fraction(1, 8))  # unit notes
    (1000000, 1000000)

    Args:
        text: The value of the field.
        unit: The unit note length.
    """
    plain = re.sub(r'"[^"]*"?', " ", text).strip()
    if not re.search(r"\d", plain):
        return None
    match = re.fullmatch(
        r"[^\d=]*?(?:(?P<beats>\d{1,3}/\d{1,3}(?:\s+\d{1,3}/\d{1,3})*)\s*=|[Cc](?P<units>\d{0,2})\s*=)?"
        r"\s*(?:ca?\.?\s*)?(?P<number>\d{1,5}(?:\.\d{1,6})?)[^\d=]*",
        plain,
    )
    beat = Fraction(0)
    if match and match["beats"] and not re.search(r"/0+(?!\d)", match["beats"]):
        beat = sum((Fraction(each) for each in match["beats"].split()), Fraction(0))
    elif match and not match["beats"]:
        beat = unit * int(match["units"] or 1)
    quarters = 4 * beat * Fraction(match["number"]) if match else Fraction(0)
    microseconds = round(60_000_000 / quarters) if quarters else 0
    if not 1 <= microseconds <= MAX_TEMPO:
        raise Fault(
            "a tempo must be as in Q:1/4=120, Q:1/4 3/8=40 or Q:120, at most "
            f"{MAX_TEMPO} microseconds per quarter. Received: {text!r:.40}"
        )
    return microseconds
