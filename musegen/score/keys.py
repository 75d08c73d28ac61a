"""Keys: what they are called, which notes they have, and which one a piece is in.

A key's name is a tonic and a mode:

===========================  ==================================================
form                         means
===========================  ==================================================
`C:minor`, `C minor`         tonic, a colon or space, a mode of `MODES`; upper
                             and lower case are the same
`Bb`, `F#`                   the major key; the letter is upper case
`Am`, `F#m`                  the minor key; the letter is upper case
===========================  ==================================================

A tonic is a letter A to G, with `#` (or ♯) or `b` (or ♭) behind it or nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musegen.errors import ConfigError
from musegen.score.columns import Table
from musegen.score.score import Score

__all__ = ["MODES", "Key", "find_key", "is_drum", "melodic", "pitch_class_histogram"]

MODES = {
    "major": 0,
    "dorian": 2,
    "phrygian": 4,
    "lydian": 5,
    "mixolydian": 7,
    "minor": 9,
    "locrian": 11,
}
"""Semitones from the tonic of the major key that has the same notes up to the mode's own tonic."""

MAJOR_SCALE = np.array([0, 2, 4, 5, 7, 9, 11])
RAISED_SEVENTH = 11
LETTERS = dict(zip("CDEFGAB", MAJOR_SCALE.tolist(), strict=True))
LINE_OF_FIFTHS = "FCGDAEB"
ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
SPELT_OUT = re.compile(r"([A-G])([#♯b♭]?)(?:\s*:\s*|\s+)([a-z]+)", re.IGNORECASE)
SHORT = re.compile(r"([A-G])([#♯b♭]?)(m?)")

PROFILES = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)
"""How well each pitch class fits a major and a minor key, from the tonic up: the ratings of the probe-tone
experiments of Krumhansl and Kessler (1982), "Tracing the dynamic changes in perceived tonal
organization in a spatial representation of musical keys"."""


@dataclass(frozen=True)
class Key:
    """A tonic and a mode.

    >>> str(Key.parse("Bb:major"))
    'Bb major'

    Attributes:
        tonic: Pitch class, 0 (C) to 11 (B).
        mode: One of `MODES`.

    Raises:
        ConfigError: There is no such pitch class or mode.
    """

    tonic: int
    mode: str = "major"

    def __post_init__(self) -> None:
        """Check both."""
        if not 0 <= self.tonic <= 11:
            raise ConfigError(
                f"a tonic must be 0 (C) to 11 (B). Received: {self.tonic}. Take the pitch modulo 12."
            )
        if self.mode not in MODES:
            raise ConfigError(f"a mode must be one of {', '.join(MODES)}. Received: {self.mode!r}.")

    @classmethod
    def parse(cls, text: str) -> Key:
        """Return the key of that name. The module's table says which forms there are.

        Raises:
            ConfigError: It is none of them.
        """
        text = text.strip()
        found = SPELT_OUT.fullmatch(text) or SHORT.fullmatch(text)
        letter, accidental, mode = found.groups() if found else ("", "", "")
        mode = (
            mode.lower() if found and found.re is SPELT_OUT else {"": "major", "m": "minor"}[mode]
        )
        if not found or mode not in MODES:
            raise ConfigError(
                "a key must be a tonic (A to G, with # or b or nothing) and a mode, as in C:minor, Bb:major or "
                f"'F# dorian', or short: Bb (major), F#m (minor). Modes: {', '.join(MODES)}. Received: {text!r}."
            )
        return cls((LETTERS[letter.upper()] + ACCIDENTALS[accidental.lower()]) % 12, mode)

    def __str__(self) -> str:
        """Return a name that `parse` reads, spelt as the key signature `fifths` has it."""
        sharps, letter = divmod(
            self.fifths + (7 * MODES[self.mode] + 1) % 12, 7
        )  # the tonic, in fifths above F
        return f"{LINE_OF_FIFTHS[letter]}{'#' * sharps or 'b' * -sharps} {self.mode}"

    @property
    def fifths(self) -> int:
        """Sharps (up to 6) or flats (down to −5, negative) of the key signature, as in a score's `keys`."""
        return (7 * (self.tonic - MODES[self.mode]) + 5) % 12 - 5

    @property
    def scale(self) -> NDArray[np.bool_]:
        """The seven pitch classes of the key signature, `bool[12]`; of a minor key, the natural minor."""
        out = np.zeros(12, bool)
        out[(MAJOR_SCALE + self.tonic - MODES[self.mode]) % 12] = True
        return out

    @property
    def pitch_classes(self) -> NDArray[np.bool_]:
        """The pitch classes that music in this key may have, `bool[12]`: its scale; in minor, the raised seventh too.

        Music in minor keys has both sevenths: the one of the key signature in falling lines, the
        raised one as leading note and as the third of the dominant chord. Without it no minor piece
        could cadence. The raised sixth is left out: it is rarer, and only leads up to the raised
        seventh.
        """
        out = self.scale
        if self.mode == "minor":
            out[(self.tonic + RAISED_SEVENTH) % 12] = True
        return out


def is_drum(score: Score, notes: Table) -> NDArray[np.bool_]:
    """Return which of some notes of a score are drums, `bool[N]`."""
    out: NDArray[np.bool_] = np.array([track.is_drum for track in score.tracks], bool)[
        notes["track"]
    ]
    return out


def melodic(score: Score) -> Table:
    """Return the notes that have a pitch: all but drums, `NOTE[N]`, in their order."""
    out: Table = score.notes[~is_drum(score, score.notes)]
    return out


def pitch_class_histogram(notes: Table) -> NDArray[np.float64]:
    """Return how long each pitch class sounds in all, in ticks, `float64[12]`. Notes that sound together each count."""
    return np.bincount(notes["pitch"] % 12, weights=notes["duration"], minlength=12).astype(
        np.float64
    )


def find_key(music: Score | NDArray[np.float64]) -> Key:
    """Return the major or minor key that music is in.

    It is the one whose profile has the greatest correlation with the histogram: the algorithm of
    Krumhansl and Schmuckler (Krumhansl 1990, "Cognitive Foundations of Musical Pitch", chapter 4).
    Of keys that fit equally well it is the first of C major, C# major, … B major, C minor, … B
    minor. So it is C major if the histogram is flat or empty, as of drums alone.

    Args:
        music: A score, of which drums are left out; or how much there is of each pitch class,
            `float[12]`.

    Raises:
        ConfigError: The histogram has another shape, or numbers that are negative or not finite.
    """
    histogram = (
        pitch_class_histogram(melodic(music))
        if isinstance(music, Score)
        else np.asarray(music, np.float64)
    )
    if histogram.shape != (12,) or not np.isfinite(histogram).all() or (histogram < 0).any():
        raise ConfigError(
            "a pitch-class histogram must be twelve numbers >= 0, from C to B. "
            f"Received: shape {histogram.shape}, {histogram.tolist()!r:.80}."
        )
    best = int(np.round(_correlations(histogram), 9).argmax())  # rounding keeps ties ties
    return Key(best % 12, "minor" if best >= 12 else "major")


def _correlations(histogram: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's r with the profiles of the 12 major, then the 12 minor keys, `float64[24]`; 0 if flat."""
    histogram = histogram / max(
        histogram.max(), np.finfo(float).tiny
    )  # no sum of squares overflows
    around = histogram - histogram.mean()
    length = float(np.sqrt(around @ around))
    if length < 1e-12:
        return np.zeros(24)
    out: NDArray[np.float64] = _TURNED @ (around / length)
    return out


def _turned() -> NDArray[np.float64]:
    """Return the profiles of all 24 keys, each of mean 0 and length 1, `float64[24, 12]`."""
    around = PROFILES - PROFILES.mean(1, keepdims=True)
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    index = np.arange(12)
    out: NDArray[np.float64] = around[:, (index[None, :] - index[:, None]) % 12].reshape(24, 12)
    return out


_TURNED = _turned()
