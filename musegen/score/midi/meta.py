"""Understand meta events: tempo, time signature, key signature and text."""

from __future__ import annotations

import re
from collections.abc import Callable

from musegen.score.general_midi import MAX_DENOMINATOR, MAX_TEMPO

__all__ = [
    "KEY_SIGNATURE",
    "METER_TYPE",
    "NAME_TYPE",
    "SEQUENCER_SPECIFIC",
    "TEMPO_TYPE",
    "decoded_text",
    "encoded_text",
    "for_mido",
    "key_of",
    "wrong_meter",
    "wrong_music",
    "wrong_tempo",
]

SEQUENCER_SPECIFIC = 0x7F  # type of a meta event that every reader skips
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


def wrong_music(kind: int, payload: bytes) -> str:
    """Return what is wrong with a tempo or time signature; an empty string for all other events.

    Without them the music would be wrong. Other events that mean nothing are passed over.

    >>> wrong_music(TEMPO_TYPE, bytes(2))
    'a tempo of 3 bytes was expected; received 2'

    Args:
        kind: The type of the meta event, 0 to 255.
        payload: Its bytes, without their length.
    """
    if kind not in _MUSIC:
        return ""
    length, what, check = _MUSIC[kind]
    if len(payload) < length:
        return f"a {what} of {length} bytes was expected; received {len(payload)}"
    return check(payload)


def key_of(payload: bytes) -> tuple[int, bool] | None:
    """Return the key of a key signature: fifths, −7 to 7, and whether it is minor.

    A key of 8 to 14 sharps or flats, a double one for some notes, is read as its enharmonic
    equivalent. None for a signature that means nothing: too short, of more accidentals, or of
    another mode than 0 and 1.

    >>> key_of(bytes((8, 1)))  # E♯ minor is F minor
    (-4, True)
    """
    if len(payload) < 2:
        return None
    fifths, mode = (payload[0] ^ 0x80) - 0x80, payload[1]
    if abs(fifths) > _MOST_FIFTHS or mode > 1:
        return None
    if abs(fifths) > 7:
        fifths += -12 if fifths > 0 else 12
    return fifths, mode == 1


def for_mido(kind: int, payload: bytes) -> bytes | None:
    """Return the payload of a meta event as mido needs it; None if mido cannot represent it.

    It cannot represent keys that are unusual or mean nothing, several malformed events, and events
    of unknown types.

    >>> for_mido(KEY_SIGNATURE, bytes((18, 0))) is None  # 18 sharps
    True

    Args:
        kind: The type of the meta event, 0 to 255.
        payload: Its bytes, without their length; `wrong_music` finds nothing wrong with them.
    """
    if kind in _MUSIC:
        return payload[: _MUSIC[kind][0]]
    if kind == KEY_SIGNATURE:
        return payload if _USUAL_KEY.fullmatch(payload) else None
    known = kind in _MIDO_KINDS and (kind not in _READABLE or _READABLE[kind].fullmatch(payload))
    return payload if known else None


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


NAME_TYPE, TEMPO_TYPE, METER_TYPE, KEY_SIGNATURE = 0x03, 0x51, 0x58, 0x59
_MUSIC: dict[int, tuple[int, str, Callable[[bytes], str]]] = {
    TEMPO_TYPE: (3, "tempo", lambda b: wrong_tempo(int.from_bytes(b[:3], "big"))),
    METER_TYPE: (4, "time signature", lambda b: wrong_meter(b[0], 2 ** b[1])),
}
"""Type of each meta event that must mean something → its length in bytes, its name, its check."""

_USUAL_KEY = re.compile(rb"[\0-\x07\xf9-\xff][\0\1]")
_READABLE = {
    0x00: re.compile(rb"(?s:..)?"),
    0x20: re.compile(rb"(?s:.)"),
    0x21: re.compile(rb"(?s:.)"),
    0x54: re.compile(rb"[\0-\x7f][\0-\x3b]{2}(?s:.)[\0-\x63]"),
}
"""Type of some other meta events → the payloads that mido accepts."""

_MIDO_KINDS = frozenset((*range(0x08), 0x09, 0x20, 0x21, 0x2F, *_MUSIC, 0x54, SEQUENCER_SPECIFIC))
"""Types of the meta events that mido knows."""
