"""Parse chord symbols such as "Am7" and "C/E".

A chord symbol is a root, a quality and perhaps a bass: `F#m7b5/A` is the root F♯, the quality m7b5
(half-diminished) and the bass A. A quality is read from left to right, as words of these tables:

===================  ===============================  =========================================
kind of word         examples                         meaning
===================  ===============================  =========================================
triad                (nothing), m, dim, aug, sus4, 5  third and fifth above the root
major seventh        maj, M, Δ                        a seventh that follows is major
added sixth, stack   6, 7, 9, 11, 13                  that degree, and the stack below it
altered degree       b5, #9, add9, no3                one degree is changed, added or left out
===================  ===============================  =========================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from musegen.score.columns import NO_CHORD
from musegen.score.keys import ACCIDENTALS, LETTERS

__all__ = ["Chord", "parse_chord"]


class Chord(NamedTuple):
    """A chord: the columns of `CHORD` after its tick.

    Attributes:
        root: Pitch class, 0 (C) to 11 (B); −1 for "no chord".
        bass: Pitch class of the lowest note; −1 for "no chord".
        pitch_classes: Pitch classes of the chord with its bass: bit k for pitch class k.
    """

    root: int
    bass: int
    pitch_classes: int

    def transpose(self, semitones: int) -> Chord:
        """Return the chord some semitones higher.

        >>> parse_chord("C/E").transpose(2) == parse_chord("D/F#")
        True
        """
        if self.root < 0:
            return self
        up = semitones % 12
        mask = self.pitch_classes << up
        return Chord((self.root + up) % 12, (self.bass + up) % 12, mask & 0xFFF | mask >> 12)


TRIADS = {
    name: degrees
    for names, degrees in (
        (("minor", "min", "mi", "m", "-"), {3: 3, 5: 7}),
        (("dim", "°", "o"), {3: 3, 5: 6}),
        (("aug", "+"), {3: 4, 5: 8}),
        (("ø", "Ø"), {3: 3, 5: 6, 7: 10}),
        (("5",), {5: 7}),
    )
    for name in names
}
"""Name of a triad → degree → semitones above the root. Without a name it is a major triad."""

MAJOR_SEVENTH = ("major", "maj", "Maj", "ma", "M", "Δ", "^")
SUSPENDED = {"sus2": {2: 2}, "sus4": {4: 5}, "sus": {4: 5}}
STACKS = {"2": (2,), "4": (4,), "6": (6,), "7": (7,), "9": (7, 9), "11": (7, 9, 11)}
STACKS |= {"13": (7, 9, 13), "6/9": (6, 9), "69": (6, 9)}  # a 13th is played without its 11th
DEGREES = {2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 9: 14, 11: 17, 13: 21}
"""Degree → semitones above the root in a major scale; a seventh depends on what comes before it."""
ALTERED = {"b": -1, "♭": -1, "-": -1, "#": 1, "♯": 1, "+": 1, "add": 0}


def _alternatives(words: Iterable[str]) -> str:
    """Return a pattern of these words, which prefers the longest."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


SHARPS = {**ACCIDENTALS, "♮": 0, "+": 1}
"""Accidental of a root or a bass → semitones. `+` is a sharp in `D7/f+` only."""
SYMBOL = re.compile(r"([A-G])([#♯b♭♮]?)(.*?)(?:/([A-Ga-g])([#♯b♭♮+]?))?")
ALTERNATIVE = re.compile(r"\([A-G][^()]*\)")
# "maj7" is no minor triad, "madd9" is one; "-5" and "+5" alter the fifth.
QUALITY = re.compile(rf"\s*((?!ma(?!dd)|[-+]5)(?:{_alternatives(TRIADS)}))?(.*)")
WORD = re.compile(
    rf"""(?P<altered>{_alternatives(ALTERED)})(?P<degree>13|11|[2-69])
    | (?:no|omit)(?P<omitted>[35])
    | (?P<major>{_alternatives(MAJOR_SEVENTH)})
    | (?P<suspended>{_alternatives(SUSPENDED)})
    | (?P<stack>{_alternatives(STACKS)})
    | (?P<alt>alt)
    | [(),/ ]""",
    re.VERBOSE,
)
NONE = re.compile(r"n\.?\s?c\.?|no chord", re.IGNORECASE)
LONGEST = 40  # characters; a longer text is a sentence


def parse_chord(text: str) -> Chord | None:
    """Return the chord with a symbol, or None if the text is no chord symbol.

    >>> parse_chord("Am7")
    Chord(root=9, bass=9, pitch_classes=657)
    >>> [k for k in range(12) if parse_chord("C/E").pitch_classes >> k & 1]
    [0, 4, 7]
    >>> parse_chord("N.C.").root, parse_chord("Fine")
    (-1, None)

    Args:
        text: A chord symbol, as printed above the notes. Of `G(Em)` the alternative in
            parentheses is left out.
    """
    if len(text) > LONGEST:
        return None
    text = ALTERNATIVE.sub("", text).strip()
    if NONE.fullmatch(text):
        return Chord(*NO_CHORD)
    match = SYMBOL.fullmatch(text)
    if not match:
        return None
    letter, accidental, quality, bass_letter, bass_accidental = match.groups()
    degrees = _degrees(quality)
    if degrees is None:
        return None
    root = bass = (LETTERS[letter] + SHARPS[accidental]) % 12
    if bass_letter:
        bass = (LETTERS[bass_letter.upper()] + SHARPS[bass_accidental]) % 12
    sounding = {(root + semitones) % 12 for semitones in degrees.values()} | {bass}
    return Chord(root, bass, sum(1 << pitch_class for pitch_class in sounding))


def _degrees(quality: str) -> dict[int, int] | None:
    """Return degree → semitones above the root of a quality; None if it is no quality."""
    triad, words = QUALITY.fullmatch(quality).groups()  # type: ignore[union-attr]  # always matches
    degrees = {1: 0, **TRIADS.get(triad, {3: 4, 5: 7})}
    seventh = 9 if triad in ("dim", "°", "o") else 10
    at = 0
    while at < len(words):
        word = WORD.match(words, at)
        if not word:
            return None
        at = word.end()
        if word["major"]:
            seventh = 11
        elif word["suspended"]:
            degrees.pop(3, None)
            degrees |= SUSPENDED[word["suspended"]]
        elif word["stack"]:
            degrees |= {n: seventh if n == 7 else DEGREES[n] for n in STACKS[word["stack"]]}
        elif word["alt"]:
            degrees |= {5: 6, 7: 10, 9: 13, 10: 15}
        elif word["altered"]:
            degrees[int(word["degree"])] = DEGREES[int(word["degree"])] + ALTERED[word["altered"]]
        elif word["omitted"]:
            degrees.pop(int(word["omitted"]), None)
    return degrees
