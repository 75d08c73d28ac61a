"""Musical keys: their names, their pitch classes, and key finding.

The name of a key has a tonic and a mode:

===========================  ==================================================
form                         meaning
===========================  ==================================================
`C:minor`, `C minor`         tonic, a colon or space, a mode of `MODES`; upper
                             and lower case are the same
`Bb`, `F#`                   the major key; the letter is upper case
`Am`, `F#m`                  the minor key; the letter is upper case
===========================  ==================================================

A tonic is a letter A to G, optionally followed by `#` (or ♯) or `b` (or ♭).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musegen.errors import ConfigError
from musegen.score.columns import Table
from musegen.score.score import Score
from musegen.utils.arrays import Bools, Floats

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
"""Semitones from the tonic of the relative major key up to the mode's own tonic."""

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
"""How well each pitch class fits a major and a minor key, from the tonic up.

The ratings of the probe-tone experiments of Krumhansl and Kessler (1982), "Tracing the dynamic
changes in perceived tonal organization in a spatial representation of musical keys".
"""


@dataclass(frozen=True)
class Key:
    """A tonic and a mode.

    >>> str(Key.parse("Bb:major"))
    'Bb major'
    >>> Key(9, "minor").fifths
    0

    Attributes:
        tonic: Pitch class, 0 (C) to 11 (B).
        mode: One of `MODES`.

    Raises:
        ConfigError: The tonic or the mode is not one of these.
    """

    tonic: int
    mode: str = "major"

    def __post_init__(self) -> None:
        """Check the tonic and the mode."""
        if not 0 <= self.tonic <= 11:
            raise ConfigError(
                f"a tonic must be 0 (C) to 11 (B). Received: {self.tonic}. "
                "Take the pitch modulo 12."
            )
        if self.mode not in MODES:
            raise ConfigError(f"a mode must be one of {', '.join(MODES)}. Received: {self.mode!r}.")

    @classmethod
    def parse(cls, text: str) -> Key:
        """Return the key with a name in one of the forms in the table above.

        >>> Key.parse("F#m")
        Key(tonic=6, mode='minor')

        Raises:
            ConfigError: The name has none of these forms.
        """
        text = text.strip()
        if match := SPELT_OUT.fullmatch(text):
            mode = match[3].lower()
        elif match := SHORT.fullmatch(text):
            mode = "minor" if match[3] else "major"
        if not match or mode not in MODES:
            raise ConfigError(
                "a key must be a tonic (A to G, with # or b or nothing) and a mode, as in C:minor, "
                "Bb:major or 'F# dorian', or short: Bb (major), F#m (minor). "
                f"Modes: {', '.join(MODES)}. Received: {text!r}."
            )
        tonic = LETTERS[match[1].upper()] + ACCIDENTALS[match[2].lower()]
        return cls(tonic % 12, mode)

    def __str__(self) -> str:
        """Return a name that `parse` reads, spelt according to the key signature `fifths`."""
        tonic = self.fifths + (7 * MODES[self.mode] + 1) % 12  # in fifths above F
        sharps, letter = divmod(tonic, 7)
        return f"{LINE_OF_FIFTHS[letter]}{'#' * sharps or 'b' * -sharps} {self.mode}"

    @property
    def fifths(self) -> int:
        """Key signature as in a score's `keys`: sharps (up to 6), or flats (down to −5)."""
        return (7 * (self.tonic - MODES[self.mode]) + 5) % 12 - 5

    @property
    def scale(self) -> Bools:
        """The seven pitch classes of the key signature, `bool[12]`; natural minor for minor keys.

        >>> np.flatnonzero(Key.parse("G").scale).tolist()
        [0, 2, 4, 6, 7, 9, 11]
        """
        scale = np.zeros(12, bool)
        scale[(MAJOR_SCALE + self.tonic - MODES[self.mode]) % 12] = True
        return scale

    @property
    def pitch_classes(self) -> Bools:
        """The pitch classes allowed in this key, `bool[12]`.

        They are its scale, and in minor the raised seventh too.

        Music in minor keys has both sevenths: that of the key signature in falling lines, the
        raised one as leading note and as the third of the dominant chord. Without it no minor piece
        could cadence. The raised sixth is left out: it is rarer, and only leads up to the raised
        seventh.

        >>> np.flatnonzero(Key.parse("Am").pitch_classes).tolist()
        [0, 2, 4, 5, 7, 8, 9, 11]
        """
        allowed = self.scale
        if self.mode == "minor":
            allowed[(self.tonic + RAISED_SEVENTH) % 12] = True
        return allowed


def is_drum(score: Score, notes: Table) -> Bools:
    """Return which of these notes of a score are on drum tracks, `bool[N]`."""
    return np.array([track.is_drum for track in score.tracks], bool)[notes["track"]]


def melodic(score: Score) -> Table:
    """Return the notes that have a pitch: all except drums, `NOTE[N]`, in their order.

    >>> import musegen
    >>> tracks = [musegen.Track(), musegen.Track(is_drum=True)]
    >>> score = musegen.Score(notes=[(0, 480, 60, 80, 0), (0, 480, 36, 80, 1)], tracks=tracks)
    >>> melodic(score)["pitch"].tolist()
    [60]
    """
    return score.notes[~is_drum(score, score.notes)]


def pitch_class_histogram(notes: Table) -> Floats:
    """Return the total duration of each pitch class in ticks, `float64[12]`.

    Notes that sound together each count.

    >>> import musegen
    >>> notes = [(0, 480, 60, 80, 0), (0, 240, 64, 80, 0), (480, 480, 72, 80, 0)]
    >>> score = musegen.Score(notes=notes, tracks=[musegen.Track()])
    >>> pitch_class_histogram(score.notes)[:5].tolist()
    [960.0, 0.0, 0.0, 0.0, 240.0]
    """
    histogram = np.bincount(notes["pitch"] % 12, weights=notes["duration"], minlength=12)
    return histogram.astype(np.float64)


def find_key(music: Score | NDArray[np.float64]) -> Key:
    """Return the major or minor key of a piece.

    It is the key whose profile has the greatest correlation with the histogram of pitch classes:
    the algorithm of Krumhansl and Schmuckler (Krumhansl 1990, "Cognitive Foundations of Musical
    Pitch", chapter 4). Of keys that fit equally well it is the first of C major, C# major, …
    B major, C minor, … B minor. So a histogram that is flat or empty, as of drums alone, gives C
    major.

    >>> import musegen
    >>> c_major = [(480 * i, 480, pitch, 80, 0) for i, pitch in enumerate([60, 64, 67, 65, 62, 60])]
    >>> str(find_key(musegen.Score(notes=c_major, tracks=[musegen.Track()])))
    'C major'

    Args:
        music: A score, of which drums are ignored; or the weight of each pitch class,
            `float[12]`.

    Raises:
        ConfigError: The histogram has another shape, or numbers that are negative or not finite.
    """
    if isinstance(music, Score):
        histogram = pitch_class_histogram(melodic(music))
    else:
        histogram = np.asarray(music, np.float64)
    if histogram.shape != (12,) or not np.isfinite(histogram).all() or (histogram < 0).any():
        raise ConfigError(
            "a pitch-class histogram must be twelve numbers >= 0, from C to B. "
            f"Received: shape {histogram.shape}, {histogram.tolist()!r:.80}."
        )
    best = int(np.round(_correlations(histogram), 9).argmax())  # rounding keeps ties ties
    return Key(best % 12, "minor" if best >= 12 else "major")


def _correlations(histogram: Floats) -> Floats:
    """Return Pearson's r with the profiles of the 12 major and 12 minor keys, `float64[24]`.

    It is 0 for a flat histogram.
    """
    # Scaled so that no sum of squares overflows.
    histogram = histogram / max(histogram.max(), np.finfo(float).tiny)
    centred = histogram - histogram.mean()
    length = float(np.sqrt(centred @ centred))
    if length < 1e-12:
        return np.zeros(24)
    return KEY_PROFILES @ (centred / length)


def _key_profiles() -> Floats:
    """Return the profiles of all 24 keys, each of mean 0 and length 1, `float64[24, 12]`."""
    centred = PROFILES - PROFILES.mean(1, keepdims=True)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    pitch_class = np.arange(12)
    degree = (pitch_class[None, :] - pitch_class[:, None]) % 12
    return centred[:, degree].reshape(24, 12)


KEY_PROFILES = _key_profiles()
