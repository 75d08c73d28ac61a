r"""Parse the tokens of a `**kern` spine: notes, rests, chords, key and time signatures.

A token is a note, a rest or a chord: notes with spaces between them. Its signs may be in any order.

===============  ===========================================================================
sign             meaning
===============  ===========================================================================
`4` `12` `0`     a quarter, an eighth of a triplet, a breve: the part of a whole note that it is
`3%2`            two thirds of a whole note
`.`              a dot, directly after the number
`c` `cc` `C`     the pitches from middle c on, an octave higher, an octave lower
`#` `-` `n`      sharp, flat, natural, directly after the pitch
`r`              a rest, perhaps with a pitch for its height on the page
`[` `_` `]`      first, middle and last note of a tie
`q` `Q`          grace note or groupetto: it takes no time
===============  ===========================================================================

All other letters and marks are articulations, ornaments, slurs, beams and editor's marks. An
appoggiatura, `P`, has the length that is written.

Source: D. Huron, The Humdrum Toolkit: Reference Manual (1994), representation `**kern`; rational
durations are an extension of Humdrum Extras.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Note", "Token", "parse_key", "parse_meter", "parse_signature", "parse_token"]

DURATION = re.compile(r"(0+|[1-9]\d*)(?:%([1-9]\d*))?(\.*)")
PITCH = re.compile(r"([a-gA-G])(\1*)(n?(?:#+|-+)?)")  # `n#` cancels a double sharp
TREMOLO = re.compile(r"@+(\d+@+)?")
NO_SIGN = re.compile(r"[^A-Za-z\[\]_(){}&;,'\"`~^:/\\|<>$%?+@]")
LONGEST = 12  # characters of a duration or a pitch
STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
SHARPS, FLATS = "fcgdaeb", "beadgcf"
FIFTHS = {letter: number for number, letter in enumerate(SHARPS, -1)}


class Note(NamedTuple):
    """A note of a token.

    Attributes:
        pitch: MIDI pitch; −1 for one without.
        length: In quarters.
        stops: Whether a tie leads to it.
        starts: Whether it is tied to the next.
    """

    pitch: int
    length: float
    stops: bool
    starts: bool


class Token(NamedTuple):
    """A note, chord or rest; `length` in quarters is None for grace notes, which take no time."""

    notes: tuple[Note, ...]
    length: float | None


@lru_cache(maxsize=4096)
def parse_token(text: str) -> Token:
    """Return the notes and the length of a token.

    >>> parse_token("4.C#L").notes, parse_token("[2e").notes[0].starts, parse_token("8r").length
    ((Note(pitch=49, length=1.5, stops=False, starts=False),), True, 0.5)

    Raises:
        ValueError: It cannot be understood; the message says what was expected.
    """
    notes: list[Note] = []
    length: float | None = None
    if not text.strip():
        raise ValueError("a note, a rest, or . for none was expected")
    for part in text.split():
        duration, rest = _duration(TREMOLO.sub("", part))
        pitch, rest = _pitch(rest)
        if wrong := NO_SIGN.search(rest):
            raise ValueError(
                f"{wrong[0]!r} has no meaning there: dots directly follow the one duration, "
                "accidentals the one pitch, as in 4.c#"
            )
        if "q" in rest or "Q" in rest:
            continue
        if duration is None and length is None:
            raise ValueError("a duration was expected, as in 4c, a quarter")
        duration = duration or length
        if length is None:
            length = duration
        if "r" in rest:
            continue
        if pitch is None and "R" not in rest:
            raise ValueError("a pitch, or r for a rest, was expected, as in 4c")
        stops, starts = ("]" in rest or "_" in rest), ("[" in rest or "_" in rest)
        notes.append(Note(-1 if pitch is None else pitch, duration or 0.0, stops, starts))
    return Token(tuple(notes), length)


def _duration(text: str) -> tuple[float | None, str]:
    """Return a duration in quarters, and the text without it."""
    found = DURATION.search(text)
    if not found:
        return None, text
    number, numerator, dots = found.groups()
    if len(found[0]) > LONGEST:
        raise ValueError(f"a duration of at most {LONGEST} characters was expected")
    return float(4 * _wholes(number, numerator) * (2 - Fraction(1, 2 ** len(dots)))), (
        text[: found.start()] + text[found.end() :]
    )


def _wholes(number: str, numerator: str | None = None) -> Fraction:
    """Return a duration without dots, in whole notes: `0` is a breve, `00` a long."""
    whole = Fraction(2 ** len(number)) if number[0] == "0" else Fraction(1, int(number))
    return whole * int(numerator or 1)


def _pitch(text: str) -> tuple[int | None, str]:
    """Return a MIDI pitch, and the text without it."""
    found = PITCH.search(text)
    if not found:
        return None, text
    letter, more, accidental = found.groups()
    rest = text[: found.start()] + text[found.end() :]
    if PITCH.search(rest):
        raise ValueError("one pitch was expected; notes of a chord have a space between them")
    octave = 48 - 12 * len(more) if letter.isupper() else 60 + 12 * len(more)
    pitch = octave + STEPS[letter.lower()] + accidental.count("#") - accidental.count("-")
    if not 0 <= pitch <= 127:
        raise ValueError("a pitch of MIDI, CCCCC to gggggg, was expected")
    return pitch, rest


def parse_meter(text: str) -> tuple[int, int] | None:
    """Return the time signature of an interpretation, without its star; None if it is none.

    >>> parse_meter("M6/8"), parse_meter("M3+2/8"), parse_meter("M3/0"), parse_meter("MM90")
    ((6, 8), (5, 8), (6, 1), None)

    Raises:
        ValueError: A score cannot hold it.
    """
    found = re.fullmatch(r"M(\d{1,3}(?:\+\d{1,3})*)/(0{1,3}|[1-9]\d{0,2})(?:%([1-9]\d?))?", text)
    if not found:
        return None
    beats = sum(map(int, found[1].split("+")))
    unit = _wholes(found[2], found[3])
    # 3/3%2, three times two thirds of a whole note, are 2/1.
    if unit.denominator & (unit.denominator - 1):
        unit, beats = beats * unit, 1
    meter = beats * unit.numerator, unit.denominator
    if not (1 <= meter[0] <= 255 and meter[1] in (1, 2, 4, 8, 16, 32, 64, 128)):
        raise ValueError(
            "a time signature of 1 to 255 beats in whole notes, halves … was expected. Received: "
            f"{text[1:]}."
        )
    return meter


def parse_signature(text: str) -> int | None:
    """Return the fifths of a key signature, as in `*k[f#c#]`; None if it is an unusual one.

    >>> parse_signature("[f#c#]"), parse_signature("[b-e-a-]"), parse_signature("[]")
    (2, -3, 0)
    """
    signs = text.strip("[]").replace("n", "")
    count = len(signs) // 2
    usual = {"".join(f"{s}#" for s in SHARPS[:count]): count}
    usual |= {"".join(f"{s}-" for s in FLATS[:count]): -count}
    return usual.get(signs)


def parse_key(text: str) -> tuple[int, bool] | None:
    """Return the fifths of a key, as in `*f#:`, and whether it is minor; None if it is no key.

    >>> parse_key("f#:"), parse_key("E-:"), parse_key("d:dor")
    ((3, True), (-3, False), None)
    """
    found = re.fullmatch(r"([a-gA-G])(#|-)?:", text)
    if not found:
        return None
    minor = found[1].islower()
    accidental = {"#": 7, "-": -7, None: 0}[found[2]]
    return FIFTHS[found[1].lower()] + accidental - 3 * minor, minor
