"""What the meta events that matter may say: tempo, time signature, key signature."""

from __future__ import annotations

import re
from collections.abc import Callable

from musegen.score.general_midi import MAX_DENOMINATOR

__all__ = ["MIDO_KINDS", "mend", "wrong_meter", "wrong_tempo"]

_PRIVATE = 0x7F  # type of a sequencer's own meta event, which every reader passes over
_MOST_FIFTHS = 14  # sharps or flats that a key can have: two for each of its seven notes


def mend(kind: int, payload: bytes) -> tuple[int, bytes | None]:
    """Return type and content of a meta event, so mended that every reader takes it in.

    A key of more than 7 sharps or flats becomes the one that sounds the same. A malformed event
    that is no music becomes a sequencer's own.

    Args:
        kind: The event's type, 0 to 255.
        payload: Its bytes, without their length.

    Returns:
        Its type, and the payload of an event that is music, cut to the length of its kind: symusic
        looks for it where it stands in such. None for other events, whose payload stays as it is.

    Raises:
        ValueError: It means nothing; the message says what was expected and what received.
    """
    if kind in _MUSIC:
        length, what, check = _MUSIC[kind]
        if len(payload) < length:
            raise ValueError(f"a {what} of {length} bytes was expected; received {len(payload)}")
        if problem := check(payload):
            raise ValueError(problem)
        if kind == _KEY:
            return kind, bytes((_respelled(_signed(payload[0])) & 0xFF, payload[1]))
        return kind, payload[:length]
    if kind in _READABLE and not _READABLE[kind].match(payload):
        kind = _PRIVATE
    return kind, None


def wrong_tempo(microseconds: int) -> str:
    """Return what is wrong with a tempo, in microseconds per quarter, or an empty string."""
    if 1 <= microseconds < 2**24:
        return ""
    return f"a tempo of 1 to 16,777,215 microseconds per quarter was expected; received {microseconds:,}"


def wrong_meter(numerator: int, denominator: int) -> str:
    """Return what is wrong with a time signature (its denominator a power of two), or an empty string."""
    if numerator >= 1 and denominator <= MAX_DENOMINATOR:
        return ""
    received = (
        f"{numerator}/{denominator if denominator < 2**16 else f'2^{denominator.bit_length() - 1}'}"
    )
    return f"a time signature of at least 1 and over at most {MAX_DENOMINATOR} was expected; received {received}"


def _wrong_key(fifths: int, mode: int) -> str:
    if abs(fifths) <= _MOST_FIFTHS and mode in (0, 1):
        return ""
    return (
        f"a key signature of at most {_MOST_FIFTHS} sharps or flats, mode 0 or 1, was expected; received "
        + (f"{abs(fifths)} {'flats' if fifths < 0 else 'sharps'}, mode {mode}")
    )


def _respelled(fifths: int) -> int:
    """Return a key of at most 7 sharps or flats: E sharp minor, of 8, is F minor, of 4 flats."""
    return fifths - 12 if fifths > 7 else fifths + 12 if fifths < -7 else fifths


def _signed(byte: int) -> int:
    return (byte ^ 0x80) - 0x80


_KEY = 0x59
_MUSIC: dict[int, tuple[int, str, Callable[[bytes], str]]] = {
    0x51: (3, "tempo", lambda b: wrong_tempo(int.from_bytes(b[:3], "big"))),
    0x58: (4, "time signature", lambda b: wrong_meter(b[0], 2 ** b[1])),
    _KEY: (2, "key signature", lambda b: _wrong_key(_signed(b[0]), b[1])),
}
"""Type of each meta event that is music → its length in bytes, its name, and what says why it means nothing."""

_READABLE = {
    0x00: re.compile(rb"(?s:..)|$"),
    0x20: re.compile(rb"(?s:.)"),
    0x54: re.compile(rb"[\0-\x7f][\0-\x3b]{2}(?s:.)[\0-\x63]"),
}
"""Type of some meta events that are no music → payloads that mido can take in."""

MIDO_KINDS = frozenset((*range(0x08), 0x09, 0x20, 0x21, 0x2F, *_MUSIC, 0x54, _PRIVATE))
"""Types of the meta events that mido knows."""
