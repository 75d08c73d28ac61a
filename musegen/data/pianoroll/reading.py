"""Read piano-roll data sets from JSON files."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musegen.config import require
from musegen.data.pianoroll.converting import trimmed
from musegen.data.pianoroll.kinds import PITCHES, SILENCE, Chords, Frames, Kind, Voices
from musegen.errors import MidiError
from musegen.utils.arrays import Ints

__all__ = ["KINDS", "LOSSES", "SPLITS", "Loss", "PianoRolls", "read_pianorolls"]

KINDS = ("auto", "voices", "chords")
SPLITS = {"train": ("train",), "validation": ("validation", "valid"), "test": ("test",)}
"""Each part of the split, and its names in files."""
MAX_BYTES = 2**28  # decompressed
GZIP = b"\x1f\x8b"

LOSSES = {
    "repeated": "list a pitch twice in a frame; it counts once",
    "unsorted": "list the pitches of a frame in another order than from low to high; the order is "
    "lost",
    "no notes": "have no notes; musegen encode leaves their files out",
    "late end": "end in silence, which tokens do not keep; their MIDI files do",
    "silent voice": "have a voice that never sounds, above one that does; when their files are "
    "read the tracks move up",
}
"""Features of pieces that are lost in reading or as tokens, and their descriptions."""


class Loss(NamedTuple):
    """A feature that a piece loses."""

    split: str
    piece: int
    """Counted from 0 in its split, as files are."""
    what: str
    """A key of `LOSSES`."""


@dataclass(frozen=True)
class PianoRolls:
    """A piano-roll data set.

    Attributes:
        kind: The kind of all pieces.
        splits: "train", "validation" and "test" → pieces, in the order of the file.
        losses: What is lost in reading or as tokens.
    """

    kind: Kind
    splits: dict[str, list[Frames]]
    losses: tuple[Loss, ...]


class _Piece(NamedTuple):
    """The content of a file for a piece."""

    split: str
    number: int
    entries: Ints
    """The entries of all frames, end to end."""
    lengths: Ints
    """Number of entries of each frame."""

    def place(self, frame: int) -> str:
        """Return where a frame is in the file, for a message."""
        return f"{self.split}, piece {self.number}, frame {frame}"

    def frames(self, kind: Kind) -> Frames:
        """Return the frames; a pitch that a chord repeats counts once."""
        if isinstance(kind, Voices):
            return self.entries.reshape(len(self.lengths), kind.parts).astype(np.int16)
        frame = np.arange(len(self.lengths)).repeat(self.lengths)
        return kind.filled(len(self.lengths), frame, self.entries, np.zeros_like(frame))


def read_pianorolls(path: str | Path, kind: str = "auto") -> PianoRolls:
    """Read a JSON file, compressed by gzip or not: splits → pieces → frames → pitches.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "set.json"
    >>> _ = path.write_text('{"train": [[[60], [62]]], "valid": [[[64]]], "test": [[[65]]]}')
    >>> rolls = read_pianorolls(path)
    >>> rolls.kind, rolls.splits["train"][0].tolist()
    (Voices(parts=1), [[60], [62]])

    Args:
        path: A file with an object of "train", "valid" (or "validation") and "test".
        kind: "voices", "chords", or "auto": voices if all frames of all pieces list equally many
            entries.

    Raises:
        ConfigError: There is no such kind, or there are too many voices.
        MidiError: The file cannot be read, or has no frames of the kind; the message says where.
    """
    expected = f"kind must be one of {', '.join(KINDS)}"
    require(kind in KINDS, expected, kind, "Leave it out to detect the kind.")
    path = Path(path)
    pieces = list(_pieces(_load(path), path))
    of_kind = _kind(pieces, kind, path)
    splits: dict[str, list[Frames]] = {split: [] for split in SPLITS}
    losses: list[Loss] = []
    for piece in pieces:
        frames = piece.frames(of_kind)
        splits[piece.split].append(frames)
        losses += [Loss(piece.split, piece.number, what) for what in _lost(of_kind, frames, piece)]
    return PianoRolls(of_kind, splits, tuple(losses))


def _load(path: Path) -> Any:
    """Return the content of a JSON file."""
    try:
        with path.open("rb") as opened:
            is_compressed = opened.read(len(GZIP)) == GZIP
        with gzip.open(path) if is_compressed else path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise MidiError(f"cannot read {path}: {why}. Give a .json or .json.gz file.") from error
    if len(data) > MAX_BYTES:
        raise MidiError(
            f"{path}: at most {MAX_BYTES:,} bytes of JSON were expected. Received: more. Divide it."
        )
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MidiError(
            f"{path}: JSON was expected, an object of train, valid and test. Received: "
            f"{error!s:.200}. Export pickles and .mat files as JSON first."
        ) from error


def _pieces(data: Any, path: Path) -> Iterator[_Piece]:
    """Yield the pieces, split by split."""
    keys = sorted(data) if isinstance(data, dict) else []
    for split, names in SPLITS.items():
        present = [name for name in names if name in keys]
        if len(present) != 1 or len(keys) != len(SPLITS):
            received = keys if isinstance(data, dict) else f"a {type(data).__name__}"
            raise MidiError(
                f"{path}: an object with train, valid (or validation) and test was expected, and "
                f"nothing else. Received: {received!s:.200}. Say which pieces are in which split."
            )
        pieces = data[present[0]]
        if not isinstance(pieces, list) or not pieces:
            raise _fault(path, present[0], "a list of at least one piece", pieces)
        for number, piece in enumerate(pieces):
            yield _piece(piece, split, number, path)


def _piece(frames: Any, split: str, number: int, path: Path) -> _Piece:
    """Check the frames of a piece and return them as arrays."""
    place = f"{split}, piece {number}"
    if not isinstance(frames, list) or not frames:
        raise _fault(path, place, "a list of at least one frame", frames)
    for index, frame in enumerate(frames):
        if type(frame) is not list:
            raise _fault(path, f"{place}, frame {index}", "a list of pitches", frame)
    lengths = np.fromiter(map(len, frames), np.int64, len(frames))
    flat = list(chain.from_iterable(frames))
    # The type, as `true` is an `int` in Python.
    if set(map(type, flat)) - {int} or (flat and not SILENCE <= min(flat) <= max(flat) < PITCHES):
        wrong = [type(entry) is not int or not SILENCE <= entry < PITCHES for entry in flat]
        at = wrong.index(True)
        expected = f"whole numbers, pitches 0 to {PITCHES - 1} or {SILENCE} for a silent voice"
        raise _fault(path, f"{place}, frame {_frame(lengths, at)}", expected, flat[at])
    return _Piece(split, number, np.array(flat, np.int64), lengths)


def _frame(lengths: Ints, entry: int) -> int:
    """Return the frame of an entry."""
    return int(lengths.cumsum().searchsorted(entry, side="right"))


def _kind(pieces: list[_Piece], kind: str, path: Path) -> Kind:
    """Return the kind of all pieces."""
    width = int(pieces[0].lengths[0])
    ragged = next((piece for piece in pieces if (piece.lengths != width).any()), None)
    rest = next((piece for piece in pieces if (piece.entries == SILENCE).any()), None)
    if kind == "chords" or (kind == "auto" and ragged and not rest):
        if rest:
            place = rest.place(_frame(rest.lengths, int((rest.entries == SILENCE).argmax())))
            remedy = "Leave it out; or, of voices, leave out --kind."
            raise _fault(path, place, "pitches 0 to 127 alone, of chords", SILENCE, remedy)
        return Chords()
    if ragged or not width:
        piece = ragged or pieces[0]
        frame = int((piece.lengths != width).argmax())
        expected = "frames of voices"
        if width:
            expected = f"as many voices in every frame, {width} as in the first"
        received = f"{piece.lengths[frame]} entries"
        remedy = "Fill up voices with -1; or, if frames are sets of pitches, leave -1 out."
        raise _fault(path, piece.place(frame), expected, received, remedy)
    return Voices(width)


def _lost(kind: Kind, frames: Frames, piece: _Piece) -> Iterator[str]:
    """Yield what a piece loses, as keys of `LOSSES`."""
    sounding = kind.sounding(frames)
    if isinstance(kind, Chords):
        frame = np.arange(len(frames)).repeat(piece.lengths)
        if (np.diff(piece.entries)[np.diff(frame) == 0] < 0).any():
            yield "unsorted"
        if np.count_nonzero(sounding) < len(piece.entries):
            yield "repeated"
    elif (np.diff(sounding.any(axis=0).astype(int)) > 0).any():
        yield "silent voice"
    if not sounding.any():
        yield "no notes"
    elif len(trimmed(frames)) < len(frames):
        yield "late end"


def _fault(
    path: Path, place: str, expected: str, received: Any, remedy: str = "Correct it there."
) -> MidiError:
    """Return the error for a wrong value in a file."""
    text = received if isinstance(received, str) else json.dumps(received)
    return MidiError(f"{path}: {place}: {expected} was expected. Received: {text:.100}. {remedy}")
