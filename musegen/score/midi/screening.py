"""Find the MIDI files that symusic 0.6 misreads, by their bytes alone.

=============================================  ===========================  =================
in the file                                    symusic                      musegen
=============================================  ===========================  =================
tempo 0, meter 0/4 or 4/256                    accepts them                 `MidiError`
a key of 8 to 14 sharps or flats               accepts it                   respells it
a key that means nothing                       accepts it                   passes over it
events F7 (raw bytes)                          loses its place              passes over them
status bytes F8 to FE (realtime)               loses its place              passes over them
status bytes F1 to F6                          loses its place              `MidiError`
running status after a system exclusive event  loses its place              `MidiError`
ticks beyond 32 bits, numbers of 5 bytes       overflows, loses its place   `MidiError`
events after the end of track                  drops them                   `MidiError`
=============================================  ===========================  =================

A file without any of these is faithful: symusic reads it as the standard means it. Whatever symusic
rejects itself needs no screening.

There are two tests. `probably_faithful` is quick, and `reads_faithfully` is certain; both may call
a faithful file unfaithful, which costs time only.
"""

from __future__ import annotations

import re

import numpy as np

from musegen.score.general_midi import END_OF_TRACK, MAX_TICK
from musegen.score.midi.container import Layout

__all__ = ["FAR", "LONG", "probably_faithful", "reads_faithfully"]

FAR = 2**28 - 1  # ticks: the longest delta time, which is added after the music
LONG = 2**27  # ticks: music of this length may contain the addition
_SAFE_TICKS = MAX_TICK + 1 - FAR

# Byte → its kind: `.` is below 80, `S` is F0 to FE (a system status, or data like it), `H` is any
# other high byte.
_KINDS = b"." * 0x80 + b"H" * 0x70 + b"S" * 0x0F + b"H"

_META = re.compile(
    rb"""
    \xff (?:
        \x51\x03 (?! \0\0\0) ...                                # a valid tempo
      | \x59\x02 [\0-\x07\xf9-\xff] [\0\x01]                    # a valid key
      | (                                                       # group 1, which needs care:
            [\x51\x59] .                                        # any other tempo or key
          | \x2f                                                # an end of track
          | \x58 (?: [^\x04] | \x04 (?: \0 | . [^\0-\x07] ) )   # an invalid meter
          | . [\x80-\xff]                                       # a payload of 128 bytes or more
        )
    )
    """,
    re.DOTALL | re.VERBOSE,
)
_INVALID_VALUE = re.compile(
    rb"""
    \xff (?:
        \x51 (?: (?! \x03) | \x03 \0\0\0 )                      # tempo
      | \x58 (?: (?! \x04) | \x04 (?: \0 | . [^\0-\x07] ) )     # meter
      | \x59 (?! \x02 [\0-\x07\xf9-\xff] [\0\x01] )             # key
    )
    """,
    re.DOTALL | re.VERBOSE,
)
_DELTA = rb"[\x80-\xff]{0,2}+[\0-\x7f]"  # a delta time of at most 3 bytes
_CHANNEL_EVENTS = re.compile(
    rb"""
    (?:
        DELTA (?:
            [\x80-\xbf\xe0-\xef] .. (?: DELTA [\0-\x7f] . )*+   # two data bytes, running status
          | [\xc0-\xdf] . (?: DELTA [\0-\x7f] )*+               # one data byte, running status
        )
    )*+
    """.replace(b"DELTA", _DELTA),
    re.DOTALL | re.VERBOSE,
)
_OTHER_EVENT = re.compile(  # group 1: its length
    rb"DELTA (?: \xff . | \xf0 ) ( [\x80-\xff]?+ [\0-\x7f] )".replace(b"DELTA", _DELTA),
    re.DOTALL | re.VERBOSE,
)


def probably_faithful(events: bytes) -> int:
    """Return whether a file is faithful, provided that all its apparent tempos and keys are real.

    The test looks for suspicious bytes, wherever they are: a system status F0 to FE comes after the
    last byte of its delta time, which is below 80, and a number of four bytes begins with three
    of at least 80. Tempos and keys are skipped, because there are many and their bytes can be
    anything. If some other bytes only look like one, symusic, which has not lost its place up to
    there, finds fewer of them.

    Args:
        events: The events of all track chunks, with `FF 7F 00` for each end of track.

    Returns:
        How many tempos and keys were skipped; −1 if the file may not be faithful.
    """
    parts = _META.split(events)
    if any(parts[1::2]):
        return -1
    kinds = b"".join(parts[::2]).translate(_KINDS)
    if b"S" in kinds:
        if b".S" in kinds:
            return -1
        kinds = kinds.replace(b"S", b"H")
    pairs = kinds.count(b"HH")
    if pairs and b"HHH" in kinds:
        return -1
    return len(parts) // 2 if _is_short(pairs, len(kinds)) else -1


def _is_short(pairs: int, size: int) -> bool:
    """Return whether the ticks stay below `_SAFE_TICKS`, however the bytes are meant.

    A delta time of three bytes is below 2^21, begins with HH, and is followed by an event of at
    least one byte; one of two bytes is below 2^14.

    Args:
        pairs: Number of HH.
        size: Number of bytes.
    """
    return pairs * 2**21 + size * 2**14 // 3 < _SAFE_TICKS


def reads_faithfully(data: bytes, layout: Layout) -> bool:
    """Return whether a file is certainly faithful, in about twice the time of parsing it.

    Args:
        data: The whole file.
        layout: Of the file; each chunk ends with the bytes of an end of track.
    """
    if _INVALID_VALUE.search(data):
        return False
    if not all(_is_plain(data, start, end) for start, end in layout.chunks):
        return False
    if _is_short(data.translate(_KINDS).replace(b"S", b"H").count(b"HH"), len(data)):
        return True
    # Add up all bytes as if each belonged to a delta time of up to three bytes.
    values = np.frombuffer(data, np.uint8)
    high = values >= 0x80
    before_high = np.append(high[1:], False)
    weights = np.where(high, np.where(before_high, 2**14, 2**7), 1)
    return int(np.dot(values & 0x7F, weights)) < _SAFE_TICKS


def _is_plain(data: bytes, start: int, end: int) -> bool:
    """Return whether a chunk has only channel, meta and F0 events, and no delta time of 4 bytes."""
    if data.find(END_OF_TRACK[:2], start, end) != end - len(END_OF_TRACK):
        return False
    kinds = data[start:end].translate(_KINDS)
    if b"S" not in kinds and b"HHH" not in kinds:
        return True  # no system status and no long number
    while start < end:
        channel_events = _CHANNEL_EVENTS.match(data, start, end)
        event = _OTHER_EVENT.match(data, channel_events.end() if channel_events else start, end)
        if event is None:
            return channel_events is not None and channel_events.end() == end
        length = 0
        for byte in event[1]:
            length = length << 7 | byte & 0x7F
        start = event.end() + length
    return start == end
