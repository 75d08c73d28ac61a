"""Say whether what symusic has read of a marked file can be relied on.

It can, if nothing in the file acts on other notes than symusic takes it to: ports, controllers that
end notes or choose drums, MPE zones, pedals in several chunks. Otherwise `exact` reads the file.
"""

from __future__ import annotations

import re
from collections import defaultdict
from struct import Struct
from typing import Any

import numpy as np

from musegen.score.general_midi import SUSTAIN
from musegen.score.midi.channel_state import (
    BANK,
    MPE_CONFIGURATION,
    NOTE_ENDERS,
    PARAMETER,
)
from musegen.score.midi.channel_state import RESET_CONTROLLERS as RESET
from musegen.score.midi.marked_tracks import MarkedTrack
from musegen.score.midi.marking import Marked
from musegen.score.midi.structs import CONTROL, NOTE, PEDAL
from musegen.score.midi.tracker import MELODIC_BANK

__all__ = [
    "has_name",
    "is_plain",
    "may_be_one_part",
    "order_is_clear",
    "pedals_of",
    "ports_are_simple",
    "resets_channels",
]

_ZONE = bytes((PARAMETER[1], MPE_CONFIGURATION[1]))  # a controller and its value
_FIRST_KIT_BANK = 120  # banks from here on may choose drums or a melodic voice
_OTHERS = bytes(n for n in range(256) if n not in (BANK, *NOTE_ENDERS))
_CONTROL = Struct("<iBBH")  # as `structs.CONTROL`
_TEMPO, _MARK = Struct("<iI"), Struct("<iHxx")  # the tick and the value of a tempo; meter or key

# Beginnings of the GM, GS and XG messages that reset channels or decide on drums.
_SYSTEM = re.compile(
    rb"\xf0[\x80-\xff]{0,3}[\0-\x7f](?:\x7e.\x09|\x41.\x42\x12|\x43.\x4c)", re.DOTALL
)
_NAME = b"\xff\x03"
_PORT = re.compile(rb"\xff(?:\x21\x01|\x09)")
_OTHER_PORT = re.compile(rb"\xff(?:\x21\x01[^\0]|\x09)")
_CHANNEL_EVENT = re.compile(rb"[\x90-\x9f\xb0-\xcf]")


def resets_channels(data: bytes) -> bool:
    """Return whether a file may reset channels, or decide on drums, by system exclusive events."""
    return b"\xf0" in data and _SYSTEM.search(data) is not None


def ports_are_simple(data: bytes, chunks: list[bytes], marked: Marked) -> bool:
    """Return whether ports make no difference: no channel is shared, and chunks keep their port."""
    if not _OTHER_PORT.search(data):
        return True
    if marked.shared:
        return False
    for events in chunks:
        ports = [match.start() for match in _PORT.finditer(events)]
        first = _CHANNEL_EVENT.search(events)
        if len(ports) > 1 or (ports and first and first.start() < ports[0]):
            return False
    return True


def has_name(events: bytes, name: str) -> bool:
    """Return whether a chunk certainly has this name, and no other.

    symusic takes the last name, not the first, and drops bytes that are not UTF-8.
    """
    own = name.encode()
    count = events.count(_NAME)
    return count == 0 or (
        count == 1 and len(own) < 128 and _NAME + bytes((len(own),)) + own in events
    )


def is_plain(track: MarkedTrack, tracks: list[MarkedTrack]) -> bool:
    """Return whether the controllers of a track change neither drums nor the ends of notes.

    Nor may they make an MPE zone.
    """
    if _ZONE in track.controls and _makes_a_zone(track):
        return False
    numbers = track.controls[4 :: CONTROL.itemsize].translate(None, _OTHERS)
    if not numbers:
        return True
    for tick, number, value, _ in _CONTROL.iter_unpack(track.controls):
        if (
            number == BANK
            and value >= _FIRST_KIT_BANK
            and not (track.drum and value != MELODIC_BANK)
        ):
            return False
        if number in NOTE_ENDERS and any(
            _sounds_at(other, tick) for other in tracks if other.channel == track.channel
        ):
            return False
    return True


def _makes_a_zone(track: MarkedTrack) -> bool:
    """Return whether a track may make an MPE zone."""
    rows = np.frombuffer(track.controls, CONTROL)
    return bool(((rows["number"] == _ZONE[0]) & (rows["value"] == _ZONE[1])).any())


def _sounds_at(track: MarkedTrack, tick: int) -> bool:
    rows = np.frombuffer(track.notes, NOTE)
    return bool(((rows["time"] <= tick) & (rows["time"] + rows["duration"] > tick)).any())


def order_is_clear(tempos: bytes, meters: bytes, keys: bytes) -> bool:
    """Return whether those at one tick are equal: symusic mixes those of several chunks."""
    for layout, rows in ((_TEMPO, tempos), (_MARK, meters), (_MARK, keys)):
        if len(rows) > layout.size:
            values = set(layout.iter_unpack(rows))
            if len(values) > len({tick for tick, _ in values}):
                return False
    return True


def may_be_one_part(playing: list[MarkedTrack]) -> bool:
    """Return whether a chunk has several tracks, all with one program."""
    if len({track.chunk for track in playing}) == len(playing):
        return False
    voices: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for track in playing:
        voices[track.chunk].append((track.program, track.drum))
    return any(len(each) > len(set(each)) == 1 for each in voices.values())


def pedals_of(tracks: list[MarkedTrack], playing: list[MarkedTrack]) -> list[bytes] | None:
    """Return the pedals of each track with notes, `structs.PEDAL`; None if they are not certain.

    On channels 2 to 16 symusic takes the pedal to be down from tick 0 until its first release, so
    they are made from the controllers. One track of a channel may use the pedal, for all of them.
    """
    numbers = [track.controls[4 :: CONTROL.itemsize] for track in tracks]
    pressing = [track for track, each in zip(tracks, numbers, strict=True) if SUSTAIN in each]
    if not pressing:
        return [b""] * len(playing)
    resetting = [track for track, each in zip(tracks, numbers, strict=True) if RESET in each]
    of_channel: dict[int, bytes] = {}
    for track in pressing:
        if track.channel in of_channel:
            return None
        rows = np.frombuffer(track.controls, CONTROL)
        first = rows["time"][rows["number"] == SUSTAIN][0]
        for other in resetting:
            if other is not track and other.channel == track.channel:
                ticks = np.frombuffer(other.controls, CONTROL)
                if (ticks["time"][ticks["number"] == RESET] >= first).any():
                    return None
        of_channel[track.channel] = _held(rows)
    return [of_channel.get(track.channel, b"") for track in playing]


def _held(controls: Any) -> bytes:
    """Return when the pedal is down, `structs.PEDAL`, from the controllers of a channel."""
    is_pedal = controls["number"] == SUSTAIN
    rows = is_pedal | (controls["number"] == RESET)
    down = (is_pedal & (controls["value"] >= 64))[rows]
    ticks = controls["time"][rows][down != np.append(False, down[:-1])].astype(np.int64)
    onset, end = ticks[: len(ticks) // 2 * 2].reshape(-1, 2).T
    out = np.zeros(len(onset), PEDAL)
    out["time"], out["duration"] = onset, end - onset
    return out[end > onset].tobytes()
