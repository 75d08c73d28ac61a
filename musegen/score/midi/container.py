"""A MIDI file from outside: its bytes, its header and where its track chunks lie.

A standard MIDI file is a header chunk and then track chunks; each begins with four letters and a
length, big-endian (Standard MIDI Files 1.0, RP-001, section 2)::

    MThd 00000006 type:2 tracks:2 ticks_per_quarter:2   MTrk length:4 events…   MTrk …

An RMID file is the same inside a RIFF file's `data` chunk; RIFF lengths are little-endian.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from musegen.errors import MidiError

__all__ = ["MAX_BYTES", "Layout", "check_header", "check_size", "layout_of", "read_bytes"]

MAX_BYTES = 16 * 2**20  # of a file: about five million events; a symphony has a hundred thousand
_MAX_CHUNKS = 0xFFFF  # what the header can count

_CHUNK = Struct(">4sI")
_RIFF_CHUNK = Struct("<4sI")
_HEADER = Struct(">4sIHHH")
_OPEN = (
    os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)  # a named pipe must not block


class Layout(NamedTuple):
    """Where the parts of a MIDI file lie.

    Attributes:
        kind: 0 or 1.
        ticks_per_quarter: 1 to 32767.
        chunks: (first byte, byte behind the last) of each track chunk's events.
    """

    kind: int
    ticks_per_quarter: int
    chunks: list[tuple[int, int]]

    def header(self) -> bytes:
        """Return a header chunk, 14 bytes, that counts the track chunks that there are."""
        return _HEADER.pack(b"MThd", 6, self.kind, len(self.chunks), self.ticks_per_quarter)


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file that should be MIDI.

    Raises:
        MidiError: It cannot be opened, is no ordinary file, is larger than `MAX_BYTES`, or does
            not begin like a MIDI file of type 0 or 1 with metrical time.
    """
    try:
        handle = os.open(
            path, _OPEN
        )  # a third of the time that pathlib needs, of which reading a corpus has many
        try:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                what = (
                    "it is a folder" if stat.S_ISDIR(facts.st_mode) else "it is a pipe or a device"
                )
                raise MidiError(
                    f"cannot read {path}: {what}, not a file. Give the path of a MIDI file."
                )
            check_size(facts.st_size, str(path))
            data = os.read(handle, facts.st_size)
            while len(data) < facts.st_size and (
                more := os.read(handle, facts.st_size - len(data))
            ):
                data += more
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name; MidiError is one too
        if isinstance(error, MidiError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise MidiError(
            f"cannot read {path}: {reason}. Give the path of a MIDI file that you may read."
        ) from error
    check_header(data, str(path))
    return data


def check_size(size: int, name: str, limit: int | None = None) -> None:
    """Refuse what would fill the memory.

    Args:
        size: In bytes.
        name: What the message calls the file.
        limit: In bytes; `MAX_BYTES` if not given.

    Raises:
        MidiError: More than that.
    """
    limit = limit or MAX_BYTES
    if size > limit:
        raise MidiError(
            f"{name} has {size:,} bytes; a MIDI file of at most {limit:,} was expected. "
            "Cut it into pieces, or leave it out."
        )


def check_header(data: bytes, name: str) -> None:
    """Refuse what no reader here can take, before a C++ parser sees it.

    Args:
        data: The whole file, or its beginning.
        name: What the message calls the file.

    Raises:
        MidiError: Not a standard MIDI file of type 0 or 1 with metrical time.
    """
    _read_header(data, _start(data, name)[0], name)


def layout_of(data: bytes, name: str) -> Layout:
    """Return where the track chunks lie; chunks of other kinds are skipped, as the standard asks.

    What follows the last track chunk is of no concern. A header that announces fewer tracks than
    there are is believed less than the chunks; one that announces more belongs to a file cut short.

    Args:
        data: The whole file.
        name: What the message calls the file.

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
            break  # no chunk: rubbish behind the music, or where a track should be
        at = end
    if not chunks or len(chunks) < announced:
        expected = f"{max(announced, 1):,} track chunk(s) were expected up to here; received {len(chunks):,}"
        raise _cut_short(name, f"byte {min(at, stop):,}: {expected}")
    if len(chunks) > _MAX_CHUNKS:
        raise MidiError(
            f"{name} has {len(chunks):,} track chunks; at most {_MAX_CHUNKS:,} were expected. Merge some."
        )
    return Layout(kind, ticks, chunks)


def _start(data: bytes, name: str) -> tuple[int, int]:
    """Return where the MIDI file begins and ends in `data`: all of it, or a RIFF file's `data` chunk."""
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
    """Return type, number of tracks, ticks per quarter, and the byte behind the header chunk."""
    if not data.startswith(b"MThd", start) or len(data) < start + _HEADER.size:
        what = (
            f"has {len(data)} bytes"
            if data.startswith(b"MThd")
            else f"begins with {data[start : start + 4]!r}"
        )
        what = what if data else "is empty"
        raise MidiError(
            f"{name} {what}; a MIDI file begins with b'MThd' and 10 more bytes. Export it as MIDI again."
        )
    _, length, kind, tracks, division = _HEADER.unpack_from(data, start)
    if length < 6:
        raise MidiError(
            f"{name} has a header of {length} bytes at byte {start + 4}; expected 6. Export it again."
        )
    if kind > 1:
        raise MidiError(
            f"{name} is a MIDI file of type {kind}; types 0 and 1 are supported. Export it as type 1."
        )
    if division & 0x8000:
        raise MidiError(
            f"{name} counts time in SMPTE frames, not beats. Export it with ticks per quarter note."
        )
    if division == 0:
        raise MidiError(
            f"{name} has 0 ticks per quarter note at byte {start + 12}; expected 1 to 32767. Export it again."
        )
    return kind, tracks, division, start + 8 + length


def _cut_short(name: str, detail: str) -> MidiError:
    return MidiError(
        f"{name} is not a readable MIDI file: {detail}. It was cut short or damaged: copy it again."
    )
