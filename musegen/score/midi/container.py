"""Read and write the container of a MIDI file: its header and its track chunks.

A standard MIDI file is a header chunk followed by track chunks; each begins with four letters and a
length, big-endian (Standard MIDI Files 1.0, RP-001, section 2)::

    MThd 00000006 type:2 tracks:2 ticks_per_quarter:2   MTrk length:4 events…   MTrk …

An RMID file is a MIDI file inside the `data` chunk of a RIFF file; RIFF lengths are little-endian.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from musegen.errors import MidiError
from musegen.score.general_midi import MAX_TICKS_PER_QUARTER

__all__ = ["MAX_BYTES", "Layout", "check_header", "check_size", "layout_of", "read_bytes"]

MAX_BYTES = 16 * 2**20  # about five million events; a symphony has a hundred thousand
_MAX_CHUNKS = 0xFFFF  # the header counts them in 16 bits

_CHUNK = Struct(">4sI")
_RIFF_CHUNK = Struct("<4sI")
_HEADER = Struct(">4sIHHH")
_PADDING = bytes(8)  # after the last chunk, so that no parser's look-ahead leaves the buffer

# Opening a named pipe must not block.
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Layout(NamedTuple):
    """Positions of the parts of a MIDI file.

    Attributes:
        kind: 0 or 1.
        ticks_per_quarter: 1 to 32767.
        chunks: (start, end) of each track chunk's events, in bytes; the end is exclusive.
    """

    kind: int
    ticks_per_quarter: int
    chunks: list[tuple[int, int]]

    def file(self, chunks: Sequence[bytes]) -> bytes:
        """Return a MIDI file with the same header and other track chunks.

        Args:
            chunks: The events of each track chunk, the end of track included.
        """
        parts = [_HEADER.pack(b"MThd", 6, self.kind, len(chunks), self.ticks_per_quarter)]
        for events in chunks:
            parts += (_CHUNK.pack(b"MTrk", len(events)), events)
        parts.append(_PADDING)
        return b"".join(parts)


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a MIDI file.

    >>> from tempfile import TemporaryDirectory
    >>> from musegen import Score
    >>> with TemporaryDirectory() as folder:
    ...     Score(end=480).save(f"{folder}/rest.mid")
    ...     read_bytes(f"{folder}/rest.mid")[:4]
    b'MThd'

    Raises:
        MidiError: It cannot be opened, is not a regular file, is larger than `MAX_BYTES`, or has
            no header of a MIDI file of type 0 or 1 with metrical time.
    """
    try:
        # Three times as fast as pathlib, which matters for a corpus of many small files.
        handle = os.open(path, _OPEN)
        try:
            data = _read_all(handle, path)
        finally:
            os.close(handle)
    except MidiError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise MidiError(
            f"cannot read {path}: {reason}. Give the path of a MIDI file that you may read."
        ) from error
    check_header(data, str(path))
    return data


def _read_all(handle: int, path: str | Path) -> bytes:
    """Return the content of an open file if it is a regular one and not too large."""
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise MidiError(
            f"cannot read {path}: it is {what}, not a file. Give the path of a MIDI file."
        )
    size = status.st_size
    check_size(size, str(path))
    data = os.read(handle, size)
    while len(data) < size and (more := os.read(handle, size - len(data))):
        data += more
    return data


def check_size(size: int, name: str, limit: int | None = None) -> None:
    """Raise if a file is too large to be read into memory.

    Args:
        size: In bytes.
        name: Name of the file, for the message.
        limit: In bytes; `MAX_BYTES` by default.

    Raises:
        MidiError: `size` exceeds the limit.
    """
    limit = limit or MAX_BYTES
    if size > limit:
        raise MidiError(
            f"{name} has {size:,} bytes; a MIDI file of at most {limit:,} was expected. "
            "Cut it into pieces, or leave it out."
        )


def check_header(data: bytes, name: str) -> None:
    """Raise if no reader supports the file, before the C++ parser sees it.

    Args:
        data: The whole file, or its beginning.
        name: Name of the file, for the message.

    Raises:
        MidiError: Not a standard MIDI file of type 0 or 1 with metrical time.
    """
    _read_header(data, _start(data, name)[0], name)


def layout_of(data: bytes, name: str) -> Layout:
    """Return the positions of the track chunks.

    Chunks of other kinds are skipped, as the standard asks, and so is anything after the last track
    chunk. If the header announces fewer tracks than there are, all are read; if it announces more,
    the file was cut short.

    Args:
        data: The whole file.
        name: Name of the file, for the message.

    Raises:
        MidiError: As `check_header` and `check_size`, or the file is cut short.
    """
    check_size(len(data), name)
    start, stop = _start(data, name)
    kind, announced, ticks, at = _read_header(data, start, name)
    chunks: list[tuple[int, int]] = []
    while at + 8 <= stop:
        tag, length = _CHUNK.unpack_from(data, at)
        end = at + 8 + length
        if tag == b"MTrk":
            if end > stop:
                raise _cut_short(
                    name,
                    f"byte {at:,}: track chunk {len(chunks) + 1} should have {length:,} bytes "
                    f"and the file ends after {stop - at - 8:,} of them",
                )
            chunks.append((at + 8, end))
        elif end > stop:
            break  # not a chunk: junk after the music, or in place of a track
        at = end
    count = len(chunks)
    if not chunks or count < announced:
        raise _cut_short(
            name,
            f"byte {min(at, stop):,}: {max(announced, 1):,} track chunk(s) were expected up to "
            f"here; received {count:,}",
        )
    if count > _MAX_CHUNKS:
        raise MidiError(
            f"{name} has {count:,} track chunks; at most {_MAX_CHUNKS:,} were expected. Merge some."
        )
    return Layout(kind, ticks, chunks)


def _start(data: bytes, name: str) -> tuple[int, int]:
    """Return where the MIDI file begins and ends: all of `data`, or the `data` chunk of a RIFF."""
    if not data.startswith(b"RIFF") or data[8:12] != b"RMID":
        return 0, len(data)
    at = 12
    while at + 8 <= len(data):
        tag, length = _RIFF_CHUNK.unpack_from(data, at)
        if tag == b"data":
            return at + 8, min(at + 8 + length, len(data))
        at += 8 + length + length % 2
    raise _cut_short(
        name, f"byte {len(data):,}: a RIFF chunk b'data' with the MIDI file was expected up to here"
    )


def _read_header(data: bytes, start: int, name: str) -> tuple[int, int, int, int]:
    """Return the type, the number of tracks, the ticks per quarter and the end of the header."""
    if not data.startswith(b"MThd", start) or len(data) < start + _HEADER.size:
        raise MidiError(
            f"{name} {_what_it_is(data, start)}; a MIDI file begins with b'MThd' and 10 more "
            "bytes. Export it as MIDI again."
        )
    _, length, kind, tracks, division = _HEADER.unpack_from(data, start)
    problem = ""
    if length < 6:
        problem = f"has a header of {length} bytes at byte {start + 4}; expected 6. Export it again"
    elif kind > 1:
        problem = f"is a MIDI file of type {kind}; types 0 and 1 are supported. Export it as type 1"
    elif division > MAX_TICKS_PER_QUARTER:
        problem = "counts time in SMPTE frames, not beats. Export it with ticks per quarter note"
    elif division == 0:
        problem = (
            f"has 0 ticks per quarter note at byte {start + 12}; expected 1 to "
            f"{MAX_TICKS_PER_QUARTER}. Export it again"
        )
    if problem:
        raise MidiError(f"{name} {problem}.")
    return kind, tracks, division, start + 8 + length


def _what_it_is(data: bytes, start: int) -> str:
    """Describe a file that has no complete header."""
    if not data:
        return "is empty"
    if data.startswith(b"MThd"):
        return f"has {len(data)} bytes"
    return f"begins with {data[start : start + 4]!r}"


def _cut_short(name: str, detail: str) -> MidiError:
    return MidiError(
        f"{name} is not a readable MIDI file: {detail}. It was cut short or damaged: copy it again."
    )
