"""Which files symusic 0.6 reads as the standard means them: found out from their bytes, without parsing them.

| in the file                                  | symusic                       | musegen                 |
|----------------------------------------------|-------------------------------|-------------------------|
| tempo 0, meter 0/4, 4/256, a key of 9 flats  | takes them, or a wrong number | `MidiError`;
respelled  | | a raw event F7, status bytes F1 to FE        | loses its place               | passed over; `MidiError`|
| running status behind a system exclusive     | loses its place               | `MidiError`             |
| ticks beyond 32 bits, numbers of 5 bytes     | wraps round, loses its place  | `MidiError`             |
| events behind the end of the track           | drops them                    | `MidiError`             |

A file with any of these is not tame. An error that symusic itself reports is of no concern here.
"""

from __future__ import annotations

import re

import numpy as np

from musegen.score.general_midi import END_OF_TRACK
from musegen.score.midi.container import Layout

__all__ = ["FAR", "LONG", "probably_faithful", "reads_faithfully"]

FAR = 2**28 - 1  # ticks, the longest delta time; tame music keeps this far from the end of 32 bits
LONG = 2**27  # ticks: music that lasts as long is looked at closely
_SAFE_TICKS = 2**31 - 1 - FAR

# Bytes by kind: H at least 80; S, of those, the statuses F0 to FE, or what looks like one; . all
# others.
_KINDS = bytes(
    ord("." if byte < 0x80 else "S" if 0xF0 <= byte < 0xFF else "H") for byte in range(256)
)

# Tempos and keys as they should be. Group 1: those that are not, wrong meters, ends of track, long
# payloads.
_META = re.compile(
    rb"\xff(?:\x51\x03(?!\0\0\0)...|\x59\x02[\0-\x07\xf9-\xff][\0\x01]"
    rb"|([\x51\x59].|\x2f|\x58(?:[^\x04]|\x04(?:\0|.[^\0-\x07]))|.[\x80-\xff]))",
    re.S,
)
_NONSENSE = re.compile(
    rb"\xff(?:\x51(?!\x03)|\x51\x03\0\0\0|\x58(?!\x04)|\x58\x04(?:\0|.[^\0-\x07])"
    rb"|\x59(?!\x02[\0-\x07\xf9-\xff][\0\x01]))",
    re.S,
)

_DELTA = rb"[\x80-\xff]{0,2}+[\0-\x7f]"
_CHANNEL_EVENTS = re.compile(
    rb"(?:" + _DELTA + rb"(?:[\x80-\xbf\xe0-\xef]..(?:" + _DELTA + rb"[\0-\x7f].)*+"
    rb"|[\xc0-\xdf].(?:" + _DELTA + rb"[\0-\x7f])*+))*+",
    re.S,
)
_OTHER_EVENT = re.compile(_DELTA + rb"(?:\xff.|\xf0)([\x80-\xff]?+[\0-\x7f])", re.S)


def probably_faithful(events: bytes) -> int:
    """Say whether a file is tame, if what looks like a tempo or a key signature is one.

    Quick to say of most files. A status byte from F0 to FE stands behind the last byte of its
    delta time, which is below 80; a number of four bytes has three above 7F in a row. Tempos and
    keys are left out of account, because they are many and their bytes look like anything. Should
    something else only look like one, symusic, which keeps its place up to there, finds fewer.

    Args:
        events: All that is in the track chunks, one behind the other, `FF 7F 00` for each end of
            track.

    Returns:
        How many tempos and keys were left out; -1 if it is not so quickly said.
    """
    parts = _META.split(events)
    if any(parts[1::2]):
        return -1
    kinds = b"".join(parts[::2]).translate(_KINDS)
    if b"S" in kinds:
        if b".S" in kinds:
            return -1
        kinds = kinds.replace(b"S", b"H")
    if b"HHH" in kinds:
        return -1
    return len(parts) // 2 if _is_short(kinds) else -1


def _is_short(kinds: bytes) -> bool:
    """Say whether ticks keep `FAR` from the edge of 32 bits, whatever else the bytes mean.

    A delta time of three bytes is below 2^21, begins with HH, and its event has at least one byte
    more; one of two is below 2^14.
    """
    if len(kinds) // 4 * 2**21 < _SAFE_TICKS:
        return True
    return kinds.count(b"HH") * 2**21 + len(kinds) * 2**14 // 3 < _SAFE_TICKS


def reads_faithfully(data: bytes, layout: Layout) -> bool:
    """Say for certain whether a file is tame, in about twice the time that symusic needs to read it.

    A no to a file of other oddities is possible, a wrong yes is not.

    Args:
        data: The whole file.
        layout: Of the file; each chunk ends with the bytes of an end of track.
    """
    if _NONSENSE.search(data) or not all(
        _is_plain(data, start, end) for start, end in layout.chunks
    ):
        return False
    if _is_short(data.translate(_KINDS).replace(b"S", b"H")):
        return True
    values = np.frombuffer(data, np.uint8)
    high = values >= 0x80
    factors = np.where(high, np.where(np.append(high[1:], False), 2**14, 2**7), 1)
    return (
        int(np.dot(values & 0x7F, factors)) < _SAFE_TICKS
    )  # as if every byte were of a delta time


def _is_plain(data: bytes, start: int, end: int) -> bool:
    """Say whether a chunk holds channel, meta and system exclusive events alone, no delta time over 3 bytes."""
    if data.find(END_OF_TRACK[:2], start, end) != end - len(END_OF_TRACK):
        return False
    kinds = data[start:end].translate(_KINDS)
    if b"S" not in kinds and b"HHH" not in kinds:
        return True  # there is nothing in it that it must not hold
    while start < end:
        run = _CHANNEL_EVENTS.match(data, start, end)
        event = _OTHER_EVENT.match(data, run.end() if run else start, end)
        if event is None:
            return run is not None and run.end() == end
        length = 0
        for byte in event[1]:
            length = length << 7 | byte & 0x7F
        start = event.end() + length
    return start == end
