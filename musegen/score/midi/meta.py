"""Check and repair meta events: tempo, time signature, key signature and text."""

from __future__ import annotations

import re
from collections.abc import Callable

from musegen.score.general_midi import MAX_DENOMINATOR, MAX_TEMPO

__all__ = [
    "MIDO_KINDS",
    "decoded_text",
    "encoded_text",
    "mend",
    "wrong_meter",
    "wrong_tempo",
]

_PRIVATE = 0x7F  # type of a sequencer-specific meta event, which every reader skips
_MOST_FIFTHS = 14  # sharps or flats of a key: a double one for each of its seven notes


def encoded_text(text: str, charset: str) -> str:
    """Return the string that mido, encoding it in `charset`, writes as UTF-8 bytes.

    mido encodes the text of meta events in its file's charset, by default Latin-1.

    >>> encoded_text("für", "latin-1").encode("latin-1").decode()
    'für'
    """
    return text.encode().decode(charset)


def decoded_text(text: str, charset: str) -> str:
    """Return text that mido decoded from `charset`: as UTF-8 if its bytes are valid, else as it is.

    >>> decoded_text(encoded_text("für", "latin-1"), "latin-1")
    'für'
    """
    try:
        return text.encode(charset).decode()
    except UnicodeError:
        return text


def mend(kind: int, payload: bytes) -> tuple[int, bytes | None]:
    """Return the type and content of a meta event, repaired so that every reader accepts it.

    A key of more than 7 sharps or flats becomes its enharmonic equivalent. A malformed event that
    carries no music becomes a sequencer-specific one.

    Args:
        kind: The event's type, 0 to 255.
        payload: Its bytes, without their length.

    Returns:
        The type; and, for an event that carries music, the payload truncated to the length of its
        type, which is where symusic looks for it. None for other events, whose payload is kept.

    Raises:
        ValueError: The value is invalid; the message says what was expected and what was received.
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
    """Return what is wrong with a tempo in microseconds per quarter, or an empty string."""
    if 1 <= microseconds <= MAX_TEMPO:
        return ""
    return (
        f"a tempo of 1 to {MAX_TEMPO:,} microseconds per quarter was expected; "
        f"received {microseconds:,}"
    )


def wrong_meter(numerator: int, denominator: int) -> str:
    """Return what is wrong with a time signature, or an empty string.

    Args:
        numerator: Beats in a bar.
        denominator: Note value of a beat, a power of two.
    """
    if numerator >= 1 and denominator <= MAX_DENOMINATOR:
        return ""
    shown = str(denominator) if denominator < 2**16 else f"2^{denominator.bit_length() - 1}"
    return (
        f"a time signature of at least 1 and over at most {MAX_DENOMINATOR} was expected; "
        f"received {numerator}/{shown}"
    )


def _wrong_key(fifths: int, mode: int) -> str:
    if abs(fifths) <= _MOST_FIFTHS and mode in (0, 1):
        return ""
    accidentals = "flats" if fifths < 0 else "sharps"
    return (
        f"a key signature of at most {_MOST_FIFTHS} sharps or flats, mode 0 or 1, was expected; "
        f"received {abs(fifths)} {accidentals}, mode {mode}"
    )


def _respelled(fifths: int) -> int:
    """Return the enharmonic key of at most 7 sharps or flats: E♯ minor (8 ♯) is F minor (4 ♭)."""
    if abs(fifths) <= 7:
        return fifths
    return fifths - 12 if fifths > 0 else fifths + 12


def _signed(byte: int) -> int:
    """Return a byte as a two's-complement number, −128 to 127."""
    return (byte ^ 0x80) - 0x80


_KEY = 0x59
_MUSIC: dict[int, tuple[int, str, Callable[[bytes], str]]] = {
    0x51: (3, "tempo", lambda b: wrong_tempo(int.from_bytes(b[:3], "big"))),
    0x58: (4, "time signature", lambda b: wrong_meter(b[0], 2 ** b[1])),
    _KEY: (2, "key signature", lambda b: _wrong_key(_signed(b[0]), b[1])),
}
"""Type of each meta event that carries music → its length in bytes, its name, its check."""

_READABLE = {
    0x00: re.compile(rb"(?s:..)|$"),
    0x20: re.compile(rb"(?s:.)"),
    0x54: re.compile(rb"[\0-\x7f][\0-\x3b]{2}(?s:.)[\0-\x63]"),
}
"""Type of some other meta events → the payloads that mido accepts."""

MIDO_KINDS = frozenset((*range(0x08), 0x09, 0x20, 0x21, 0x2F, *_MUSIC, 0x54, _PRIVATE))
"""Types of the meta events that mido knows."""
