"""Take symusic's tracks of a marked file: where they are from, and their programs."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Any

from musegen.score.midi.marking import Marked, place_of
from musegen.score.midi.structs import CONTROL, NOTE, table_of

__all__ = ["MarkedTrack", "marked_tracks", "set_programs"]

_NOTE = Struct("<iibbxx")  # as `structs.NOTE`


class MarkedTrack:
    """A track of symusic, with what its closing note says."""

    __slots__ = ("channel", "chunk", "controls", "drum", "end", "name", "notes", "program")

    def __init__(self, track: Any, notes: memoryview) -> None:
        """Take a symusic track and its `structs.NOTE`, of which there is at least one."""
        self.name: str = track.name
        self.program: int = track.program
        self.drum: bool = track.is_drum
        self.controls = bytes(table_of(track.controls, CONTROL))
        self.end = -1  # of its chunk, if it has the closing note
        self.chunk = self.channel = -1  # unknown
        tick, duration, pitch, velocity = _NOTE.unpack_from(notes, len(notes) - NOTE.itemsize)
        if duration == 0:
            self.end = tick
            self.chunk, self.channel = place_of(pitch, velocity)
            notes = notes[: -NOTE.itemsize]
        self.notes = notes


def marked_tracks(score: Any, marked: Marked) -> list[MarkedTrack]:
    """Return the tracks of a marked file, each with its chunk and channel; none if it is unclear.

    symusic sorts tracks by chunk, channel and program. In each chunk and channel, the track with
    the last program has the closing note.
    """
    # symusic makes a track of lyrics, without notes.
    rows = [(track, table_of(track.notes, NOTE)) for track in score.tracks]
    tracks = [MarkedTrack(track, notes) for track, notes in rows if notes]
    closed = [track for track in tracks if track.end >= 0]
    if len(closed) != len(marked.places):
        return []
    if {(track.chunk, track.channel) for track in closed} != marked.places:
        return []
    if len(closed) == len(tracks):
        return tracks
    # The others are of the chunk and channel of the closed track before or after them.
    before: MarkedTrack | None = None
    following = iter(closed)
    after = next(following, None)
    for track in tracks:
        if track.end >= 0:
            before, after = track, next(following, None)
            continue
        owners = []
        if before and before.program < track.program:
            owners.append(before)
        if after and after.program > track.program:
            owners.append(after)
        if len(owners) != 1:
            return []
        track.chunk, track.channel = owners[0].chunk, owners[0].channel
    return tracks


def set_programs(tracks: list[MarkedTrack], chunks: list[bytes], marked: Marked) -> bool:
    """Give each track on a shared channel its program; return whether all are known.

    It is known if all programs of the channel are set at tick 0, before any note of their chunk. A
    chunk then has its own, or else that of the last chunk that has one.

    What looks like a later program change is none, if the chunk does not end with the program to
    which it would change: first the last of them, and so those before.
    """
    for channel in marked.shared:
        of_channel = [track for track in tracks if track.channel == channel]
        program = 0
        for final in of_channel:
            if final.end < 0 or final.program == marked.unset:
                continue
            events = chunks[final.chunk]
            program = -1
            later = []
            for change in marked.programs[final.chunk, channel]:
                opening = _opening_program(events[: change.at + 2])
                if opening < 0:
                    later.append(change.program)
                else:
                    program = opening
            if program < 0 or program in later or -1 in later:
                return False
            if any(t.program != program for t in of_channel if t.chunk == final.chunk):
                return False
        for track in of_channel:
            if track.program == marked.unset:
                track.program = program
    return True


@lru_cache(maxsize=2048)  # files of one program begin alike
def _opening_program(events: bytes) -> int:
    """Return the program to which the last two bytes change at tick 0, before any note; else −1."""
    at = status = 0
    while at + 2 < len(events) and events[at] == 0:
        at += 1
        if at + 2 == len(events) and events[at] >> 4 == 0xC:
            return events[at + 1]
        if events[at] >= 0x80:
            status = events[at]
            at += 1
        kind = status >> 4
        if kind in (0x8, 0x9):
            break
        if kind == 0xF:
            at += status == 0xFF
            at += 1 + events[at]  # a length above 127 leads to a byte that is no event
        else:
            at += 1 if kind in (0xC, 0xD) else 2
    return -1
