"""Parse constraints as people write them: pitches, note values, numbers of notes."""

from __future__ import annotations

import re
from fractions import Fraction

from musegen.config import ConstraintConfig
from musegen.errors import ConfigError
from musegen.score.keys import Key

__all__ = ["check", "read_density", "read_note_value", "read_pitch", "read_range"]

SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
PITCH = re.compile(r"([A-Ga-g])([#♯b♭]?)(-?\d)")
NUMBER = re.compile(r"[0-9]{1,3}")
VALUE = re.compile(r"([0-9]{1,3})/([0-9]{1,3})(\.{0,2})")
DOTS = (Fraction(1), Fraction(3, 2), Fraction(7, 4))
LONGEST_VALUE = 64  # quarters


def read_pitch(text: str) -> int:
    """Parse a pitch, by name (`C4` is 60, `F#4`, `Bb2`) or by its MIDI number.

    Raises:
        ConfigError: It is neither.
    """
    text = text.strip()
    found = PITCH.fullmatch(text)
    pitch = -1
    if found:
        letter, accidental, octave = found.groups()
        pitch = 12 * (int(octave) + 1) + SEMITONES[letter.upper()] + ACCIDENTALS[accidental]
    elif NUMBER.fullmatch(text):
        pitch = int(text)
    if not 0 <= pitch <= 127:
        raise ConfigError(
            "a pitch must be a name from C-1 to G9, as C4 (middle C), F#4 or Bb2, or a MIDI number "
            f"from 0 to 127. Received: {text!r}. Write a range as C3:C6."
        )
    return pitch


def read_range(text: str) -> tuple[int, int]:
    """Parse `LOW:HIGH` as the lowest and the highest pitch; either may be left out.

    Raises:
        ConfigError: It is of another form, or nothing lies between.
    """
    low, colon, high = (part.strip() for part in text.partition(":"))
    if not colon or not (low or high):
        raise ConfigError(
            f"a range must be LOW:HIGH, LOW: or :HIGH, as C3:C6 or 48:84. Received: {text!r}."
        )
    out = (read_pitch(low) if low else 0, read_pitch(high) if high else 127)
    if out[0] > out[1]:
        raise ConfigError(
            f"a range must begin with its lower pitch. Received: {text!r}. Turn it around."
        )
    return out


def read_note_value(text: str) -> Fraction:
    """Parse a note value as a number of quarter notes: 1/4 is 1, 1/8. is 3/4.

    Raises:
        ConfigError: It is no note value, or out of range.
    """
    found = VALUE.fullmatch(text.strip())
    if found and int(found[2]):
        out = 4 * Fraction(int(found[1]), int(found[2])) * DOTS[len(found[3])]
        if 0 < out <= LONGEST_VALUE:
            return out
    raise ConfigError(
        "a note value must be a part of a whole note, as 1/16, 1/4, 3/8, or dotted, as 1/4., "
        f"and at most 16/1. Received: {text!r}."
    )


def read_density(text: str) -> tuple[int, int]:
    """Parse `MIN:MAX`, `MIN:`, `:MAX` or `NUMBER` notes in a bar: (fewest, most), 0 for no limit.

    Raises:
        ConfigError: It is of another form, or MIN is above MAX.
    """
    low, colon, high = (part.strip() for part in text.partition(":"))
    high = high if colon else low
    valid = all(not part or NUMBER.fullmatch(part) for part in (low, high)) and (low or high)
    if not valid or (high and int(high) == 0):
        raise ConfigError(
            "a density must be MIN:MAX notes in a bar, or MIN:, :MAX or one number for both, as "
            f"4:8, 4:, :8 or 6, whole numbers up to 999 and MAX at least 1. Received: {text!r}."
        )
    fewest, most = int(low or 0), int(high or 0)
    if most and fewest > most:
        raise ConfigError(
            f"a density's MIN must not be above its MAX. Received: {text!r}. Turn it around."
        )
    return fewest, most


def check(wanted: ConstraintConfig) -> None:
    """Parse every text of a config, to see that it is valid.

    Raises:
        ConfigError: One cannot be read, or they contradict each other.
    """
    if wanted.key not in ("none", "auto"):
        try:
            Key.parse(wanted.key)
        except ConfigError as error:
            raise ConfigError(f"{error} Or use auto (the key of the primer) or none.") from None
    if wanted.range:
        read_range(wanted.range)
    if wanted.density:
        read_density(wanted.density)
    shortest, longest = (
        read_note_value(text) if text else None for text in (wanted.min_note, wanted.max_note)
    )
    if shortest and longest and shortest > longest:
        raise ConfigError(
            f"min_note must not be longer than max_note. Received: {wanted.min_note} and "
            f"{wanted.max_note}."
        )
