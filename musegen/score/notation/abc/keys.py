"""Parse `K:` fields: tonic, mode, accidentals, then clef and transposition (3.1.14, 4.6)."""

from __future__ import annotations

import re
from typing import NamedTuple

from musegen.score.notation.abc.errors import Fault
from musegen.score.notation.abc.staff import CLEF, Staff, parse_staff

__all__ = ["ALTERATIONS", "STEPS", "Key", "parse_key"]

STEPS = "CDEFGAB"
LINE_OF_FIFTHS = "FCGDAEB"
MODES = {"maj": 0, "ion": 0, "mix": 1, "dor": 2, "min": 3, "aeo": 3, "phr": 4, "loc": 5, "lyd": -1}
"""First letters of a mode → how many flats it has more than the major key on its tonic."""
TONIC = re.compile(
    rf"""([A-G])([#♯b♭]?)[ \t]*
    (?:((?i:{"|".join(MODES)}|exp))[A-Za-z]* | (m)(?![A-Za-z=]))?  # m= is short for middle=
    (?![A-Za-z])""",
    re.VERBOSE,
)
SHARPS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
ALTERATIONS = {"^": 1, "_": -1, "=": 0, "^^": 2, "__": -2}
"""Accidental → semitones."""
ACCIDENTALS = re.compile(r"(?:(?:\^\^?|__?|=)[A-Ga-g])+")
PIPES = ("HP", "Hp")
"""Keys of Highland pipes: both sound f and c sharp, and only Hp prints them."""
WORD = re.compile(r'[A-Za-z][\w:-]*\s*=\s*"[^"]*"|\S+')


class Key(NamedTuple):
    """A key signature.

    Attributes:
        alterations: Semitones for each step from C to B.
        signature: Fifths (−7 to 7), and whether it is minor: that of tonic and mode, unless
            accidentals make it another; None if there is none.
    """

    alterations: tuple[int, ...] = (0,) * 7
    signature: tuple[int, bool] | None = None


def parse_key(text: str) -> tuple[Key | None, Staff]:
    """Return key signature and staff of a `K:` field.

    The key is None if the field has a clef or a transposition alone, which keep the key.

    >>> parse_key("D phr ^f")[0].alterations  # C to B
    (0, 0, -1, 1, 0, 0, -1)
    >>> parse_key("G clef=bass")[0].signature, parse_key("clef=alto")[0]
    ((1, False), None)
    """
    key, rest = _tonic_and_mode(text.strip())
    altered: dict[int, int] = {}
    others = []
    for word in WORD.findall(rest):
        if ACCIDENTALS.fullmatch(word):
            for sign, step in re.findall(r"([\^_=]+)([A-Ga-g])", word):
                altered[STEPS.index(step.upper())] = ALTERATIONS[sign]
        else:
            others.append(word)
    if altered:
        key = _modified(key or Key(), altered)
    staff = parse_staff(" ".join(others))
    if staff.unknown:
        raise Fault(
            "a key must be as in K:F#m, K:D mix ^g or K:none, then a clef or properties; its modes "
            f"are m, {', '.join(MODES)} and exp. Received: {staff.unknown[0]!r:.40}"
        )
    return key, staff


def _tonic_and_mode(text: str) -> tuple[Key | None, str]:
    """Return the key that a text begins with, if any, and the rest of the text."""
    first = text.split()[0] if text else "none"
    if first.lower() == "none":
        return Key(), text[len("none") :]
    if first in PIPES:
        return _signature(2, False), text[len(first) :]
    match = TONIC.match(text)
    if not match or (len(first) > 1 and CLEF.fullmatch(first)):
        return None, text
    letter, sharps, mode, minor = match.groups()
    name = "min" if minor else (mode or "maj").lower()
    rest = text[match.end() :]
    if name == "exp":
        return Key(), rest
    fifths = LINE_OF_FIFTHS.index(letter) - 1 + 7 * SHARPS[sharps] - MODES[name]
    return _signature(fifths, name in ("min", "aeo")), rest


def _signature(fifths: int, is_minor: bool) -> Key:
    """Return the key with some sharps, or flats if `fifths` is negative."""
    altered = {step: (fifths - place + 6) // 7 for place, step in enumerate(LINE_OF_FIFTHS)}
    known = (fifths, is_minor) if abs(fifths) <= 7 else None
    return Key(tuple(altered[step] for step in STEPS), known)


def _modified(key: Key, altered: dict[int, int]) -> Key:
    """Return a key with other alterations of some steps."""
    alterations = tuple(altered.get(step, was) for step, was in enumerate(key.alterations))
    fifths = sum(alterations)
    is_minor = key.signature == (fifths, True)
    if abs(fifths) <= 7 and _signature(fifths, is_minor).alterations == alterations:
        return _signature(fifths, is_minor)
    return Key(alterations, key.signature)
