"""Understand the system exclusive events that decide what a channel sounds with.

Sources: General MIDI 1 and 2 (RP-003, RP-024), Roland's GS and Yamaha's XG specifications.
"""

from __future__ import annotations

from collections.abc import Sequence

from musegen.score.general_midi import DRUM_CHANNEL

__all__ = ["rhythm_part", "system_turned_on"]

_RESETS = {
    (0x7E, None, 0x09, 0x01): "GM",  # GM system on
    (0x7E, None, 0x09, 0x02): "GM",  # GM system off
    (0x7E, None, 0x09, 0x03): "GM",  # GM2 system on
    (0x41, None, 0x42, 0x12, 0x40, 0x00, 0x7F): "GS",  # GS reset
    (0x41, None, 0x42, 0x12, 0x00, 0x00, 0x7F): "GS",  # system mode set
    (0x43, None, 0x4C, 0x00, 0x00, 0x7E): "XG",  # XG system on
    (0x43, None, 0x4C, 0x00, 0x00, 0x7F): "XG",  # reset of all parameters
}
"""Beginning of an event (None: any byte) → the system that it turns on."""

# The byte of the part is None.
_GS_RHYTHM = (0x41, None, 0x42, 0x12, 0x40, None, 0x15)
_XG_PART_MODE = (0x43, None, 0x4C, 0x08, None, 0x07)


def system_turned_on(data: Sequence[int]) -> str | None:
    """Return which of GM, GS and XG an event turns on, which resets all channels; None for others.

    >>> system_turned_on((0x7E, 0x7F, 0x09, 0x01))
    'GM'

    Args:
        data: The bytes between F0 and F7.
    """
    return next((system for pattern, system in _RESETS.items() if _begins(data, pattern)), None)


def rhythm_part(data: Sequence[int]) -> tuple[int, bool] | None:
    """Return the channel that an event makes a drum kit, or a melodic part; None for other events.

    These are GS's "use for rhythm part", whose checksum is not checked, and XG's "part mode".

    >>> rhythm_part((0x41, 0x10, 0x42, 0x12, 0x40, 0x1A, 0x15, 0x02, 0x0F))
    (10, True)

    Args:
        data: The bytes between F0 and F7.

    Returns:
        The channel from 0, and whether it is a drum kit.
    """
    if _begins(data, _GS_RHYTHM) and len(data) > 7 and data[5] >> 4 == 1:
        part = data[5] & 0xF  # 0 is channel 10; 1 to 9 are channels 1 to 9; then 11 to 16
        channel = DRUM_CHANNEL if part == 0 else part - (part <= DRUM_CHANNEL)
        return channel, data[7] > 0
    if _begins(data, _XG_PART_MODE) and len(data) > 6 and data[4] < 16:
        return data[4], data[6] > 0
    return None


def _begins(data: Sequence[int], pattern: tuple[int | None, ...]) -> bool:
    return len(data) >= len(pattern) and all(
        wanted in (None, byte) for wanted, byte in zip(pattern, data, strict=False)
    )
