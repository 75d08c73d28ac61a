"""Read single values: numbers, pitches, velocities."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias
from xml.etree.ElementTree import Element

from musegen.errors import MidiError
from musegen.score.keys import LETTERS
from musegen.score.notation.musicxml.instruments import text_of

__all__ = ["Number", "decimal", "nearest", "number", "velocity_of", "written_pitch"]

Number: TypeAlias = int | Fraction

FORTE = 90  # the velocity that `dynamics` is a percentage of


@lru_cache(maxsize=4096)
def decimal(text: str, name: str) -> Number:
    """Return a decimal number, exactly.

    >>> decimal("1.5", "duration")
    Fraction(3, 2)

    Args:
        text: The number.
        name: What it is, for messages.

    Raises:
        MidiError: It is no number, or is a billion or more.
    """
    if not re.fullmatch(r"[+-]?(\d{1,9}(\.\d{0,40})?|\.\d{1,40})", text, re.ASCII):
        raise MidiError(f"a number was expected in {name}; received: {text[:40] or 'nothing'}")
    value = Fraction(text.removesuffix("."))
    return value.numerator if value.denominator == 1 else value


def number(element: Element | None, tag: str, default: Number | None = None) -> Number:
    """Return the number in a child of an element, or the default if there is no such child.

    Raises:
        MidiError: It is no number, or it is missing and there is no default.
    """
    text = text_of(element, tag)
    return default if default is not None and not text else decimal(text, tag)


def nearest(semitones: Number) -> int:
    """Return the nearest integer; of two, the one nearer to 0."""
    size = math.ceil((semitones if semitones > 0 else -semitones) - Fraction(1, 2))
    return size if semitones > 0 else -size


@lru_cache(maxsize=4096)
def written_pitch(step: str | None, alter: str | None, octave: str | None) -> int:
    """Return the MIDI pitch of a note name; a quarter tone is left out."""
    letter = LETTERS.get((step or "").strip())
    if letter is None:
        raise MidiError(f"a step of A to G was expected; received: {step or 'nothing'}")
    octaves = decimal((octave or "").strip(), "octave")
    return 12 * (int(octaves) + 1) + letter + nearest(decimal((alter or "0").strip(), "alter"))


def velocity_of(percent: str | None) -> int:
    """Return the velocity of a percentage of forte; 0 if there is none, or it is negative."""
    forte = -1 if percent is None else decimal(percent.strip(), "dynamics")
    return 0 if forte < 0 else min(max(round(forte * FORTE / 100), 1), 127)
