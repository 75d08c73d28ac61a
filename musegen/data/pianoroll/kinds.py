"""What frames mean: the two kinds there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.config import require
from musegen.errors import EncodingError

__all__ = ["SILENCE", "Chords", "Frames", "Kind", "Rows", "Voices", "kind_of"]

Frames: TypeAlias = NDArray[Any]
"""A piece: `int16[T, V]` of pitches or −1 (voices), or `bool[T, 128]` (chords)."""

SILENCE = -1
PITCHES = 128
MAX_VOICES = 64  # as many as an encoding has parts


class Rows(NamedTuple):
    """Notes as columns, `int64[N]`, in frames."""

    onset: NDArray[np.int64]
    duration: NDArray[np.int64]
    pitch: NDArray[np.int64]
    track: NDArray[np.int64]


class Kind(ABC):
    """What the frames of a data set mean: the one place where the two kinds differ."""

    name: ClassVar[str]
    grid: ClassVar[Fraction]
    """Quarters in a frame of the published sets."""
    parts: int
    """Tracks of a score."""

    @abstractmethod
    def notes(self, frames: Frames) -> Rows:
        """Return the notes of a piece."""

    @abstractmethod
    def filled(self, length: int, rows: Rows) -> Frames:
        """Return `length` frames in which these notes sound; each lasts one frame, and the end comes no sooner.

        Raises:
            EncodingError: Frames of this kind cannot hold them.
        """

    @abstractmethod
    def of_entries(self, entries: NDArray[np.int64], lengths: NDArray[np.int64]) -> Frames:
        """Return the frames of a piece from what is listed.

        Args:
            entries: `int64[...]`: what all frames list, end to end.
            lengths: `int64[T]`: how many of them are of each frame.
        """

    @abstractmethod
    def sounding(self, frames: Frames) -> NDArray[np.bool_]:
        """Return which cells hold a pitch, `bool`, of the frames' shape."""

    @abstractmethod
    def cells(self, frames: Frames) -> int:
        """Return how many entries the frames list: for each voice, or for each pitch of a chord."""


@dataclass(frozen=True)
class Voices(Kind):
    """Each frame has an entry for each voice: a pitch or −1. Equal neighbours in a voice are one note.

    A repeated note and a held one look the same, so this is all that such data say.
    """

    parts: int
    """Voices, 1 to 64."""
    name: ClassVar[str] = "voices"
    grid: ClassVar[Fraction] = Fraction(1, 4)

    def __post_init__(self) -> None:
        """Check the number of voices."""
        require(
            1 <= self.parts <= MAX_VOICES,
            f"there must be 1 to {MAX_VOICES} voices",
            self.parts,
            "See grids.",
        )

    def notes(self, frames: Frames) -> Rows:
        """Return the notes of a piece: a row where a voice has another entry than before."""
        entries = frames.T.astype(np.int64)  # [V, T]
        new = np.ones(entries.shape, bool)
        new[:, 1:] = entries[:, 1:] != entries[:, :-1]
        at = new.ravel().nonzero()[0]  # every voice begins anew, so none runs on into the next
        duration = np.diff(at, append=entries.size)
        pitch = entries.ravel()[at]
        track, onset = np.divmod(at, max(entries.shape[1], 1))
        rows = Rows(onset, duration, pitch, track)
        return Rows(*(column[pitch != SILENCE] for column in rows))

    def filled(self, length: int, rows: Rows) -> Frames:
        """Return `length` frames in which these notes sound.

        Raises:
            EncodingError: A voice sounds twice at once.
        """
        out = np.full((length, self.parts), SILENCE, np.int16)
        out[rows.onset, rows.track] = rows.pitch
        if np.count_nonzero(out != SILENCE) < len(rows.pitch):
            cell = np.sort(rows.onset * self.parts + rows.track)
            frame, voice = divmod(int(cell[1:][cell[1:] == cell[:-1]][0]), self.parts)
            raise EncodingError(
                f"a voice must have one note at a time. Received: two or more in track {voice}, frame {frame}. Give "
                "each voice a track of its own, or use Chords()."
            )
        return out

    def of_entries(self, entries: NDArray[np.int64], lengths: NDArray[np.int64]) -> Frames:
        """Return the frames of a piece; `lengths` are all the number of voices."""
        return entries.reshape(len(lengths), self.parts).astype(np.int16)

    def sounding(self, frames: Frames) -> NDArray[np.bool_]:
        """Return which cells hold a pitch, `bool[T, V]`."""
        out: NDArray[np.bool_] = frames != SILENCE
        return out

    def cells(self, frames: Frames) -> int:
        """Return how many entries the frames list, rests included."""
        return frames.size


@dataclass(frozen=True)
class Chords(Kind):
    """Each frame is a set of pitches, all struck anew, one frame long. One track."""

    parts: int = field(init=False, default=1)
    name: ClassVar[str] = "chords"
    grid: ClassVar[Fraction] = Fraction(1)

    def notes(self, frames: Frames) -> Rows:
        """Return the notes of a piece: a row for each pitch of each frame."""
        onset, pitch = frames.nonzero()
        return Rows(onset, np.ones_like(onset), pitch, np.zeros_like(onset))

    def filled(self, length: int, rows: Rows) -> Frames:
        """Return `length` frames in which these notes sound."""
        out = np.zeros((length, PITCHES), bool)
        out[rows.onset, rows.pitch] = True
        return out

    def of_entries(self, entries: NDArray[np.int64], lengths: NDArray[np.int64]) -> Frames:
        """Return the frames of a piece; a pitch that a frame lists twice is in it once."""
        frame = np.arange(len(lengths)).repeat(lengths)
        return self.filled(
            len(lengths), Rows(frame, np.ones_like(frame), entries, np.zeros_like(frame))
        )

    def sounding(self, frames: Frames) -> NDArray[np.bool_]:
        """Return which cells hold a pitch: the frames themselves."""
        return frames

    def cells(self, frames: Frames) -> int:
        """Return how many pitches the frames list."""
        return int(np.count_nonzero(frames))


def kind_of(frames: Frames) -> Kind:
    """Return the kind that an array of frames is of, by its type.

    Raises:
        EncodingError: It is of neither.
    """
    shape = frames.shape
    if frames.dtype == bool and shape[1:] == (PITCHES,):
        return Chords()
    if frames.dtype.kind == "i" and len(shape) == 2 and 1 <= shape[1] <= MAX_VOICES:
        if ((frames >= SILENCE) & (frames < PITCHES)).all():
            return Voices(shape[1])
    raise EncodingError(
        f"frames must be voices, signed integers[frames, 1 to {MAX_VOICES}] of pitches 0 to 127 or -1, or chords, "
        f"bool[frames, {PITCHES}]. Received: {frames.dtype}{list(shape)}"
        f"{f' of {frames.min()} to {frames.max()}' if frames.size and frames.dtype != bool else ''}."
    )
