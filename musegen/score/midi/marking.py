"""Mark a copy of a MIDI file so that symusic's tracks say which chunk and channel they are from.

symusic loses some of what a file says about its notes. In the copy each chunk

- begins, on each channel that other chunks use as well, with a program change to a program to which
  none of them changes: notes with it have none of their own chunk;
- ends with a note without length on each of its channels, whose pitch and velocity say which it is,
  and whose tick is that of the end of the track. A channel without notes gets one if its
  controllers matter to others;
- ends, `FAR` ticks later, with a note-off for every pitch of every channel with notes. It has an
  effect only on a note that never ends, and this note then gives itself away by its length.

Which channels a chunk uses is taken from its bytes alone, so there may be too many of them.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

from musegen.score.general_midi import END_OF_TRACK
from musegen.score.midi.container import Layout
from musegen.score.midi.screening import FAR

__all__ = ["NO_EVENT", "Change", "Marked", "events_of", "mark", "place_of"]

# An empty sequencer-specific meta event, as long as the end of track it replaces. If those three
# bytes were in fact the end of another event's payload, what follows is still parsed correctly.
NO_EVENT = b"\xff\x7f\0"
# If the last event is cut short, symusic takes the bytes that follow for its rest. It then fails at
# one of the F4, an undefined status: there are more of them than a one-byte length can skip.
_BARRIER = NO_EVENT + b"\0\xff\x7f\x81\x10" + b"\xf4" * 144
_FAR = b"\xff\xff\xff\x7f"  # `FAR` as a delta time
assert FAR == 2**28 - 1

_USES = bytes((*range(0x90, 0xA0), *range(0xB0, 0xD0)))  # notes, controls and programs
_NO_USES = bytes(byte for byte in range(256) if byte not in _USES)
_NOTE_OFFS = [
    bytes((0x80 | channel,)) + b"\0".join(bytes((pitch, 0)) for pitch in range(128))
    for channel in range(16)
]
"""Channel → a note-off for each pitch, in running status, without the first delta time."""

_BEGINS_WITH_STATUS = re.compile(rb"[\x80-\xff]{0,3}[\0-\x7f][\x80-\xff]")
_ZONE_MASTERS = 1 << 0 | 1 << 15  # channels that can make an MPE zone, though without notes
_MARKED_CHUNKS = 8 * 127


class Change(NamedTuple):
    """What may be a program change, or several in running status, but may be other bytes.

    Attributes:
        at: Position of the status byte in the events of its chunk.
        program: To which it would change in the end; −1 if that is unknown.
    """

    at: int
    program: int


class Marked(NamedTuple):
    """A marked copy of a MIDI file.

    Attributes:
        file: The copy.
        places: (chunk, channel) of each closing note.
        shared: The channels that several chunks use.
        unset: The program of notes without one of their own chunk, on shared channels.
        programs: (chunk, channel) → what may be program changes, on shared channels.
    """

    file: bytes
    places: set[tuple[int, int]]
    shared: tuple[int, ...]
    unset: int
    programs: dict[tuple[int, int], list[Change]]


def events_of(data: bytes, layout: Layout) -> list[bytes]:
    """Return each chunk's events without the end of track; nothing if a chunk has none."""
    chunks = []
    for start, end in layout.chunks:
        stop = end - len(END_OF_TRACK)
        if stop < start or data[stop:end] != END_OF_TRACK:
            return []
        if data[stop - 3 : stop] == b"\xff\x51\3":
            return []  # the last three bytes are a tempo, which `NO_EVENT` would change
        chunks.append(data[start:stop])
    return chunks


def mark(chunks: list[bytes], layout: Layout) -> Marked | None:
    """Return the marked copy of a file; None if it cannot be marked.

    Args:
        chunks: What `events_of` returns.
        layout: Of the file.
    """
    if len(chunks) > _MARKED_CHUNKS:
        return None

    # The channels of each chunk, as bits: those with notes, and all.
    playing, used = [], []
    once = twice = everywhere = 0
    for events in chunks:
        notes, bits = _channels_used(events)
        playing.append(notes)
        used.append(bits)
        twice |= once & bits
        once |= bits
        everywhere |= notes
    shared = twice & everywhere
    programs: dict[tuple[int, int], list[Change]] = {}
    unset = 0
    if shared:
        programs = {
            (number, channel): found
            for number, bits in enumerate(used)
            for channel in _channels(bits & shared)
            if (found := _program_changes(chunks[number], 0xC0 | channel))
        }
        unset = _unset(programs, chunks)
        if unset < 0:
            return None

    copies: list[bytes] = []
    places: set[tuple[int, int]] = set()
    for number, (events, notes, bits) in enumerate(zip(chunks, playing, used, strict=True)):
        opening = b""
        if bits & shared:
            if not _BEGINS_WITH_STATUS.match(events):
                return None  # the opening would give it a running status
            opening = b"".join(bytes((0, 0xC0 | c, unset)) for c in _channels(bits & shared))
        closed = _channels(notes | bits & (shared | _ZONE_MASTERS))
        places.update([(number, channel) for channel in closed])
        copies.append(opening + events + _closing(number, closed, notes))
    return Marked(layout.file(copies), places, _channels(shared), unset, programs)


def _channels_used(events: bytes) -> tuple[int, int]:
    """Return the channels on which a chunk may have notes; and notes, controllers or programs."""
    notes = bits = 0
    found = events.translate(None, _NO_USES)
    while found:
        status = found[0]
        found = found.replace(found[:1], b"")
        if _may_be_status(events, status):
            bits |= 1 << (status & 0xF)
            notes |= (status < 0xA0) << (status & 0xF)
    return notes, bits


def _may_be_status(events: bytes, status: int) -> bool:
    """Return whether a byte is anywhere between the end of a delta time and data bytes."""
    data = 1 if status >= 0xC0 else 2
    at = events.find(status, 1)
    while at >= 0:
        after = events[at + 1 : at + 1 + data]
        if events[at - 1] < 0x80 and after.isascii() and len(after) == data:
            return True
        at = events.find(status, at + 1)
    return False


@cache
def _channels(bits: int) -> tuple[int, ...]:
    """Return the numbers of the bits that are set, of 16."""
    return tuple(channel for channel in range(16) if bits >> channel & 1)


def _program_changes(events: bytes, status: int) -> list[Change]:
    """Return what may be the program changes of a chunk with a status byte."""
    out = []
    at = events.find(status)
    while at >= 0:
        out.append(Change(at, _last_program(events, at + 1)))
        at = events.find(status, at + 1)
    return out


def _last_program(events: bytes, at: int) -> int:
    """Return the last of the programs in running status that begin at a byte; −1 if unknown.

    Running status goes on after a meta event, so what is before one leaves it unknown.
    """
    while at + 1 < len(events):
        program = events[at]
        at += 1
        while at < len(events) and events[at] >= 0x80:
            at += 1
        at += 1  # the end of the delta time
        if program >= 0x80 or at >= len(events) or events[at] >= 0xF0:
            break
        if events[at] >= 0x80:
            return program
    return -1


def _unset(programs: dict[tuple[int, int], list[Change]], chunks: list[bytes]) -> int:
    """Return a program to which no chunk changes in the end; −1 if none can be found."""
    taken = {change.program for changes in programs.values() for change in changes}
    unclear = [
        chunks[number]
        for (number, _), changes in programs.items()
        if any(change.program < 0 for change in changes)
    ]
    for program in range(0x7F, -1, -1):
        if program not in taken and not any(program in events for events in unclear):
            return program
    return -1


@lru_cache(maxsize=1024)
def _closing(chunk: int, closed: tuple[int, ...], playing: int) -> bytes:
    """Return the end of a chunk: what says where its notes are from, and note-offs."""
    above, velocity = divmod(chunk, 127)
    parts = [_BARRIER]
    for channel in closed:
        pitch = 16 * above + channel
        parts.append(bytes((0, 0x90 | channel, pitch, velocity + 1, 0, pitch, 0)))
    offs = [_NOTE_OFFS[channel] for channel in _channels(playing)]
    parts += [_FAR if offs else b"\0", b"\0".join([*offs, END_OF_TRACK])]
    return b"".join(parts)


def place_of(pitch: int, velocity: int) -> tuple[int, int]:
    """Return the chunk and the channel that a closing note says."""
    return pitch // 16 * 127 + velocity - 1, pitch % 16
