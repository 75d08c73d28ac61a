"""Data sets of frames from JSON files."""

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
from numpy.typing import NDArray

from musegen.config import require
from musegen.data.pianoroll.converting import trimmed
from musegen.data.pianoroll.kinds import PITCHES, SILENCE, Chords, Frames, Kind, Voices
from musegen.errors import MidiError

__all__ = ["KINDS", "LOSSES", "SPLITS", "Loss", "PianoRolls", "read_pianorolls"]

KINDS = ("auto", "voices", "chords")
SPLITS = {"train": ("train",), "validation": ("validation", "valid"), "test": ("test",)}
"""Each part of the split, and what files call it."""
MAX_BYTES = 2**28  # unpacked
GZIP = b"\x1f\x8b"

LOSSES = {
    "repeated": "list a pitch twice in a frame; it counts once",
    "unsorted": "list the pitches of a frame in another order than from low to high; the order is lost",
    "no notes": "have no notes; musegen encode leaves their files out",
    "late end": "end in silence, which tokens do not keep; their MIDI files do",
    "silent voice": "have a voice that never sounds, above one that does; when their files are read the tracks move up",
}
"""What may not survive on the way to tokens and back, and how that is said of pieces."""


class Loss(NamedTuple):
    """Something that a piece loses."""

    split: str
    piece: int
    """Counted from 0 in its split, as files are."""
    what: str
    """A key of `LOSSES`."""


@dataclass(frozen=True)
class PianoRolls:
    """A data set of frames.

    Attributes:
        kind: What the frames mean, the same for all pieces.
        splits: "train", "validation" and "test" → pieces, in the order of the file.
        losses: What pieces have that does not survive as tokens, or did not survive reading.
    """

    kind: Kind
    splits: dict[str, list[Frames]]
    losses: tuple[Loss, ...]


class _Piece(NamedTuple):
    """What a file lists for a piece."""

    split: str
    number: int
    entries: NDArray[np.int64]
    lengths: NDArray[np.int64]


def read_pianorolls(path: str | Path, kind: str = "auto") -> PianoRolls:
    """Return the frames of a JSON file, or of one that gzip has packed: splits → pieces → frames → pitches.

    Args:
        path: An object with "train", "valid" (or "validation") and "test".
        kind: "voices", "chords", or "auto": voices if all frames of all pieces list equally many
            entries.

    Raises:
        ConfigError: There is no such kind, or there are too many voices.
        MidiError: The file cannot be read, or does not hold frames of the kind; the message says
            where.
    """
    require(
        kind in KINDS, f"kind must be one of {', '.join(KINDS)}", kind, "Leave it out to find out."
    )
    path = Path(path)
    pieces = list(_pieces(_load(path), path))
    found = _kind(pieces, kind, path)
    splits: dict[str, list[Frames]] = {split: [] for split in SPLITS}
    losses = []
    for piece in pieces:
        frames = found.of_entries(piece.entries, piece.lengths)
        splits[piece.split].append(frames)
        losses += [Loss(piece.split, piece.number, what) for what in _lost(found, frames, piece)]
    return PianoRolls(found, splits, tuple(losses))


def _load(path: Path) -> Any:
    """Return what a JSON file holds."""
    try:
        with path.open("rb") as opened:
            packed = opened.read(len(GZIP)) == GZIP
        with gzip.open(path) if packed else path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise MidiError(
            f"cannot read {path}: {reason}. Give a .json or .json.gz file of frames."
        ) from error
    if len(data) > MAX_BYTES:
        raise MidiError(
            f"{path}: at most {MAX_BYTES:,} bytes of JSON were expected. Received: more. Divide it."
        )
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MidiError(
            f"{path}: JSON was expected, an object of train, valid and test. Received: {error!s:.200}. "
            "Export pickles and .mat files as JSON first."
        ) from error


def _pieces(data: Any, path: Path) -> Iterator[_Piece]:
    """Yield what each piece lists, split by split."""
    keys = sorted(data) if isinstance(data, dict) else f"a {type(data).__name__}"
    for split, names in SPLITS.items():
        here = [name for name in names if name in keys] if isinstance(data, dict) else []
        if len(here) != 1 or len(keys) != len(SPLITS):
            raise MidiError(
                f"{path}: an object with train, valid (or validation) and test was expected, and nothing else. "
                f"Received: {keys!s:.200}. Say which pieces are in which split."
            )
        pieces = data[here[0]]
        if not isinstance(pieces, list) or not pieces:
            raise _fault(path, here[0], "a list of at least one piece", pieces)
        for number, piece in enumerate(pieces):
            yield _piece(piece, split, number, path)


def _piece(piece: Any, split: str, number: int, path: Path) -> _Piece:
    """Return what a piece lists."""
    where = f"{split}, piece {number}"
    if not isinstance(piece, list) or not piece:
        raise _fault(path, where, "a list of at least one frame", piece)
    for index, frame in enumerate(piece):
        if type(frame) is not list:
            raise _fault(path, f"{where}, frame {index}", "a list of pitches", frame)
    lengths = np.fromiter(map(len, piece), np.int64, len(piece))
    flat = list(chain.from_iterable(piece))
    if set(map(type, flat)) - {int} or (flat and not SILENCE <= min(flat) <= max(flat) < PITCHES):
        at, entry = next((at, entry) for at, entry in enumerate(flat) if not _is_entry(entry))
        expected = f"whole numbers, pitches 0 to {PITCHES - 1} or {SILENCE} for a silent voice"
        raise _fault(path, f"{where}, frame {_frame(lengths, at)}", expected, entry)
    return _Piece(split, number, np.array(flat, np.int64), lengths)


def _is_entry(entry: Any) -> bool:
    """Say whether something is a pitch or silence; `true` is an `int` in Python, and neither."""
    return type(entry) is int and SILENCE <= entry < PITCHES


def _frame(lengths: NDArray[np.int64], entry: int) -> int:
    """Return the frame that an entry of a piece is in."""
    return int(lengths.cumsum().searchsorted(entry, side="right"))


def _kind(pieces: list[_Piece], kind: str, path: Path) -> Kind:
    """Return the kind that all pieces are of."""
    width = int(pieces[0].lengths[0])
    ragged = next((piece for piece in pieces if (piece.lengths != width).any()), None)
    rest = next((piece for piece in pieces if (piece.entries == SILENCE).any()), None)
    if kind == "chords" or (kind == "auto" and ragged and not rest):
        if rest:
            frame = _frame(rest.lengths, int((rest.entries == SILENCE).argmax()))
            raise _fault(
                path,
                f"{rest.split}, piece {rest.number}, frame {frame}",
                "pitches 0 to 127 alone, of chords",
                SILENCE,
                "Leave it out; or, of voices, leave out --kind.",
            )
        return Chords()
    if ragged or not width:
        piece = ragged or pieces[0]
        frame = int((piece.lengths != width).argmax())
        raise _fault(
            path,
            f"{piece.split}, piece {piece.number}, frame {frame}",
            f"as many voices in every frame, {width} as in the first"
            if width
            else "frames of voices",
            f"{piece.lengths[frame]} entries",
            "Fill up voices with -1; or, if frames are sets of pitches, leave -1 out.",
        )
    return Voices(width)


def _lost(kind: Kind, frames: Frames, piece: _Piece) -> Iterator[str]:
    """Yield what a piece loses, as `LOSSES` calls it."""
    cells = kind.sounding(frames)
    if isinstance(kind, Chords):
        frame = np.arange(len(frames)).repeat(piece.lengths)
        if (np.diff(piece.entries)[np.diff(frame) == 0] < 0).any():
            yield "unsorted"
        if np.count_nonzero(cells) < len(piece.entries):
            yield "repeated"
    elif (np.diff(cells.any(axis=0).astype(int)) > 0).any():
        yield "silent voice"
    if not cells.any():
        yield "no notes"
    elif len(trimmed(frames)) < len(frames):
        yield "late end"


def _fault(
    path: Path, where: str, expected: str, received: Any, remedy: str = "Correct it there."
) -> MidiError:
    """Return the error for what stands somewhere in a file."""
    text = received if isinstance(received, str) else json.dumps(received)
    return MidiError(f"{path}: {where}: {expected} was expected. Received: {text:.100}. {remedy}")
