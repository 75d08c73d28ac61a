"""Read time signatures, keys, tempos, dynamics and chord symbols."""

from __future__ import annotations

import re
from statistics import fmean
from typing import NamedTuple
from xml.etree.ElementTree import Element

from musegen.score.chords import Chord, parse_chord
from musegen.score.general_midi import MAX_DENOMINATOR
from musegen.score.keys import LETTERS
from musegen.score.notation.musicxml.instruments import text_of
from musegen.score.notation.musicxml.values import number
from musegen.score.notation.tables import LEVELS

__all__ = ["Tempo", "chord_of", "key_of", "level_of", "meter_of", "tempo_of"]


# Time and key signatures

MAX_NUMERATOR = 255  # one byte in a MIDI file
DENOMINATORS = [str(2**power) for power in range(MAX_DENOMINATOR.bit_length())]


def meter_of(time: Element) -> tuple[int, int] | None:
    """Return a time signature as numerator and denominator.

    >>> from xml.etree.ElementTree import fromstring
    >>> meter_of(fromstring("<time><beats>3+2</beats><beat-type>8</beat-type></time>"))
    (5, 8)

    Returns:
        The sum of all its beats. None if it is without a meter (senza misura), or has one that MIDI
        cannot express.
    """
    beats = [re.findall(r"\d{1,3}", child.text or "") for child in time.iterfind("beats")]
    types = [(child.text or "").strip() for child in time.iterfind("beat-type")]
    if not beats or len(beats) != len(types) or not all(each in DENOMINATORS for each in types):
        return None
    denominators = [int(each) for each in types]
    denominator = max(denominators)
    pairs = zip(beats, denominators, strict=True)
    numerator = sum(denominator // kind * sum(map(int, each)) for each, kind in pairs)
    return (numerator, denominator) if 1 <= numerator <= MAX_NUMERATOR else None


def key_of(key: Element, semitones: int) -> tuple[int, bool] | None:
    """Return a key signature at sounding pitch, as fifths and whether it is minor.

    Args:
        key: A `key` element.
        semitones: From the written to the sounding pitch.

    Returns:
        None if it is none of the usual ones.
    """
    if not text_of(key, "fifths"):
        return None
    fifths = int(number(key, "fifths")) + (7 * semitones + 5) % 12 - 5
    if abs(fifths) > 7 and semitones:
        fifths -= 12 if fifths > 0 else -12
    is_minor = text_of(key, "mode").lower() in ("minor", "aeolian")
    return (fifths, is_minor) if abs(fifths) <= 7 else None


# Tempo


class Tempo(NamedTuple):
    """A tempo, or a change of it by a factor.

    Attributes:
        quarters: Quarter notes per minute; 0 if it is a change.
        factor: New tempo / old tempo, for a metric modulation.
    """

    quarters: float = 0.0
    factor: float = 0.0


UNITS = {"maxima": 32.0, "long": 16.0, "breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0}
UNITS |= {"eighth": 1 / 2, "16th": 1 / 4, "32nd": 1 / 8, "64th": 1 / 16, "128th": 1 / 32}
"""Name of a note value → quarters."""


def tempo_of(metronome: Element) -> Tempo | None:
    """Return the tempo of a metronome mark, from "♩ = 75", "ca. 75", "72-80" (its middle), "♩ = ♪".

    >>> from xml.etree.ElementTree import fromstring
    >>> mark = "<beat-unit>half</beat-unit><per-minute>ca. 75</per-minute>"
    >>> tempo_of(fromstring(f"<metronome>{mark}</metronome>")).quarters
    150.0

    Returns:
        None if it states no tempo by one or two numbers, or by two note values.
    """
    beats: list[float] = []
    dots = 0
    for child in metronome.iter():
        if child.tag == "beat-unit":
            beats.append(UNITS.get((child.text or "").strip(), 0.0))
            dots = 0
        elif child.tag == "beat-unit-dot" and beats:
            # A dot adds half of what came before: the note is 3/2, 7/4 … of its undotted length.
            beats[-1] *= (2 - 0.5 ** (dots + 1)) / (2 - 0.5**dots)
            dots += 1
        elif child.tag == "beat-unit-tied":
            return None
    per_minute = [float(n) for n in re.findall(r"\d+(?:\.\d+)?", text_of(metronome, "per-minute"))]
    if len(beats) == 1 and 1 <= len(per_minute) <= 2:
        return Tempo(quarters=fmean(per_minute) * beats[0])
    if len(beats) == 2 and beats[0]:
        return Tempo(factor=beats[1] / beats[0])
    return None


# Dynamics

ACCENTS = {"fp": 96, "sf": 112, "sfz": 112, "fz": 112, "rf": 112, "rfz": 112, "sffz": 126}
ACCENTS |= {"sfp": 112, "sfpp": 112, "sfzp": 112}
"""Marks → velocity, as MuseScore plays them; that of an accent is for one moment."""


def level_of(dynamics: Element) -> tuple[int, int]:
    """Return the velocity at a mark and the velocity after it; 0 if it stays as it was.

    >>> from xml.etree.ElementTree import fromstring
    >>> level_of(fromstring("<dynamics><fp/></dynamics>"))
    (96, 49)
    """
    for mark in dynamics:
        if mark.tag in ACCENTS:
            after = mark.tag.lstrip("sfz")
            return ACCENTS[mark.tag], LEVELS.get(after, 0)
        if mark.tag in LEVELS:
            return LEVELS[mark.tag], LEVELS[mark.tag]
    return 0, 0


# Chord symbols

PITCH_CLASSES = "C C# D Eb E F F# G Ab A Bb B".split()
KINDS = dict(
    pair.split(":")
    for pair in """
    major: minor:m augmented:aug diminished:dim power:5 suspended-second:sus2 suspended-fourth:sus4
    dominant:7 major-seventh:maj7 minor-seventh:m7 diminished-seventh:dim7 augmented-seventh:aug7
    half-diminished:m7b5 major-minor:mmaj7 major-sixth:6 minor-sixth:m6 dominant-ninth:9
    major-ninth:maj9 minor-ninth:m9 dominant-11th:11 major-11th:maj11 minor-11th:m11
    dominant-13th:13 major-13th:maj13 minor-13th:m13 Neapolitan:
    """.split()
)
"""Kind of a chord → the text after the root in its symbol."""


def chord_of(harmony: Element, semitones: int) -> Chord | None:
    """Return the chord of a `harmony`.

    Args:
        harmony: A `harmony` element.
        semitones: From the written to the sounding pitch.

    Returns:
        None if it names none, but a function or a kind that is unknown.
    """
    kind = harmony.find("kind")
    name = "" if kind is None else (kind.text or "").strip()
    if name == "none":
        return parse_chord("N.C.")
    root, bass = (_pitch_class(harmony, tag, semitones) for tag in ("root", "bass"))
    if kind is None or not root:
        return None
    quality = KINDS.get(name, kind.get("text", "?"))
    degrees = "".join(f"({_degree(each)})" for each in harmony.iterfind("degree"))
    return parse_chord(f"{root} {quality}{degrees}" + (f"/{bass}" if bass else ""))


def _pitch_class(harmony: Element, tag: str, semitones: int) -> str:
    """Return the name of the root or bass at sounding pitch; empty if there is none."""
    place = harmony.find(tag)
    step = LETTERS.get(text_of(place, f"{tag}-step"))
    if step is None:
        return ""
    return PITCH_CLASSES[(step + round(number(place, f"{tag}-alter", 0)) + semitones) % 12]


def _degree(degree: Element) -> str:
    """Return a degree that is added, altered or left out as in a chord symbol: `add9`, `b5`."""
    value, alter = text_of(degree, "degree-value"), number(degree, "degree-alter", 0)
    if text_of(degree, "degree-type") == "subtract":
        return f"no{value}"
    return f"{'#' if alter > 0 else 'b' if alter else 'add'}{value}"
