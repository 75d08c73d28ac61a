"""The two kinds of piano rolls, and what their frames mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.config import require
from musegen.errors import EncodingError
from musegen.utils.arrays import Bools, Ints

__all__ = ["SILENCE", "Chords", "Frames", "Kind", "Notes", "Voices", "kind_of"]

Frames: TypeAlias = NDArray[Any]
"""A piece: `int16[T, V]` of pitches or −1 (voices), or `bool[T, 128]` (chords)."""

SILENCE = -1
PITCHES = 128
MAX_VOICES = 64  # the maximum number of parts of an encoding


class Notes(NamedTuple):
    """Notes as columns, `int64[N]`; times are in frames."""

    onset: Ints
    duration: Ints
    pitch: Ints
    track: Ints


@dataclass(frozen=True)
class Voices:
    """Each frame has an entry for each voice: a pitch or −1. A run of equal pitches is one note.

    Such data cannot tell a repeated note from a held one.

    Raises:
        ConfigError: The number of voices is out of range.
    """

    parts: int
    """Number of voices, 1 to 64: the tracks of a score."""
    name: ClassVar[str] = "voices"
    grid: ClassVar[Fraction] = Fraction(1, 4)
    """Quarters per frame of the published data sets."""

    def __post_init__(self) -> None:
        """Check the number of voices."""
        in_range = 1 <= self.parts <= MAX_VOICES
        expected = f"there must be 1 to {MAX_VOICES} voices"
        require(in_range, expected, self.parts, "Use 4 for chorales.")

    def notes(self, frames: Frames) -> Notes:
        """Return the notes of a piece, voice by voice."""
        entries = frames.T.astype(np.int64)  # [V, T]
        begins = np.ones(entries.shape, bool)
        begins[:, 1:] = entries[:, 1:] != entries[:, :-1]
        at = begins.ravel().nonzero()[0]  # every voice begins a run, so none spans two voices
        duration = np.diff(at, append=entries.size)
        pitch = entries.ravel()[at]
        track, onset = np.divmod(at, max(entries.shape[1], 1))
        sounds = pitch != SILENCE
        return Notes(onset[sounds], duration[sounds], pitch[sounds], track[sounds])

    def filled(self, length: int, frame: Ints, pitch: Ints, track: Ints) -> Frames:
        """Return `length` frames with a pitch of a track in each given frame.

        Raises:
            EncodingError: A voice has two pitches in one frame.
        """
        out = np.full((length, self.parts), SILENCE, np.int16)
        out[frame, track] = pitch
        if np.count_nonzero(out != SILENCE) < len(pitch):
            cell = np.sort(frame * self.parts + track)
            at, voice = divmod(int(cell[1:][cell[1:] == cell[:-1]][0]), self.parts)
            raise EncodingError(
                "a voice must have one note at a time. Received: two or more in track "
                f"{voice}, frame {at}. Give each voice a track of its own, or use Chords()."
            )
        return out

    def sounding(self, frames: Frames) -> Bools:
        """Return which cells hold a pitch, `bool[T, V]`."""
        return frames != SILENCE


@dataclass(frozen=True)
class Chords:
    """Each frame is a set of pitches, all struck again, one frame long. One track."""

    parts: int = field(init=False, default=1)
    name: ClassVar[str] = "chords"
    grid: ClassVar[Fraction] = Fraction(1)

    def notes(self, frames: Frames) -> Notes:
        """Return the notes of a piece: one for each pitch of each frame."""
        onset, pitch = frames.nonzero()
        return Notes(onset, np.ones_like(onset), pitch, np.zeros_like(onset))

    def filled(self, length: int, frame: Ints, pitch: Ints, track: Ints) -> Frames:
        """Return `length` frames with a pitch in each given frame; there is only one track."""
        out = np.zeros((length, PITCHES), bool)
        out[frame, pitch] = True
        return out

    def sounding(self, frames: Frames) -> Bools:
        """Return which cells hold a pitch: the frames themselves."""
        return frames


Kind: TypeAlias = Voices | Chords


def kind_of(frames: Frames) -> Kind:
    """Return the kind of an array of frames, by its dtype and shape.

    >>> kind_of(np.full((8, 4), 60, np.int16))
    Voices(parts=4)

    Raises:
        EncodingError: It is of neither kind.
    """
    shape = frames.shape
    if frames.dtype == bool and shape[1:] == (PITCHES,):
        return Chords()
    if frames.dtype.kind == "i" and len(shape) == 2 and 1 <= shape[1] <= MAX_VOICES:
        if ((frames >= SILENCE) & (frames < PITCHES)).all():
            return Voices(shape[1])
    values = ""
    if frames.size and frames.dtype != bool:
        values = f" of {frames.min()} to {frames.max()}"
    raise EncodingError(
        f"frames must be voices, signed integers[frames, 1 to {MAX_VOICES}] of pitches 0 to 127 or "
        f"-1, or chords, bool[frames, {PITCHES}]. Received: {frames.dtype}{list(shape)}{values}."
    )
