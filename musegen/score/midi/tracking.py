"""Find the notes of a file and what each sounds with, from its events in bulk.

`tracker.Tracker` follows what belongs to a channel: programs, banks, pedals, resets. Such
events are few, so it takes them one by one. The notes are many; they are paired with their ends and
looked up in what the tracker found with array operations. Only in a file with MPE zones, where a
channel's state depends on another's, the tracker takes the notes, too.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import NamedTuple

import numpy as np

from musegen.score.general_midi import DRUM_CHANNEL
from musegen.score.midi.channel_state import BANK, MPE_CONFIGURATION, PARAMETER, Place
from musegen.score.midi.effective import Rows, effective_rows, sysex_content
from musegen.score.midi.events import SYSEX, Events
from musegen.score.midi.pairing import Pedals, note_ends, pedals_down
from musegen.score.midi.system_exclusive import rhythm_part
from musegen.score.midi.tracker import Tracker
from musegen.utils.arrays import Ints

__all__ = ["Sounding", "sounding"]

_NOTES, _CHUNK_END = 2, 3  # phases of a tick, see `ordering`


class Sounding(NamedTuple):
    """What sounds in a file: its notes, one row each, in the order in which they begin."""

    chunk: Ints
    place: Ints
    """Port × 16 + channel."""
    home: Ints
    """The same of the channel that governs the note."""
    program: Ints
    drum: Ints
    """1 on a drum kit, else 0."""
    onset: Ints
    end: Ints
    pitch: Ints
    velocity: Ints


class _Message(NamedTuple):
    """An event as the tracker takes it: it has the attributes of a `mido` message."""

    type: str
    channel: int = 0
    note: int = 0
    velocity: int = 0
    control: int = 0
    value: int = 0
    program: int = 0
    data: bytes = b""


def sounding(events: Events, ends: Ints, data: bytes) -> tuple[Sounding, Pedals]:
    """Return the notes and pedals of a file.

    Args:
        events: All its events.
        ends: `int64[chunks]`: the tick at which each chunk ends.
        data: The whole file.
    """
    rows = effective_rows(events, data)
    if _has_zones(rows):
        return _one_by_one(rows, ends, data)
    begin, end = note_ends(rows, ends)
    chunk, place = rows.events.chunk[begin].astype(np.int64), rows.place[begin]
    program, drum = _voices(_changes(rows, data), place, chunk, begin)
    notes = Sounding(
        chunk,
        place,
        place,
        program,
        drum,
        rows.events.tick[begin].astype(np.int64),
        end,
        rows.events.first[begin].astype(np.int64),
        rows.events.second[begin].astype(np.int64),
    )
    lasts = notes.end > notes.onset
    return Sounding(*(column[lasts] for column in notes)), pedals_down(rows)


def _message(rows: Events, row: int, data: bytes) -> _Message:
    """Return an event for the tracker."""
    status, first, second = int(rows.status[row]), int(rows.first[row]), int(rows.second[row])
    channel = status & 0xF
    if status == SYSEX:
        return _Message("sysex", data=sysex_content(rows, row, data))
    if status >> 4 == 0xC:
        return _Message("program_change", channel, program=first)
    if status >> 4 == 0xB:
        return _Message("control_change", channel, control=first, value=second)
    kind = "note_on" if status >> 4 == 0x9 else "note_off"
    return _Message(kind, channel, note=first, velocity=second)


def _has_zones(rows: Rows) -> bool:
    """Return whether a file may have MPE zones: a channel that can make one chooses to."""
    chooses = rows.is_control & (rows.events.first == PARAMETER[1])
    return bool((chooses & (rows.events.second == MPE_CONFIGURATION[1])).any())


def _one_by_one(rows: Rows, ends: Ints, data: bytes) -> tuple[Sounding, Pedals]:
    """Do what `sounding` does with the tracker alone."""
    tracker = Tracker()
    finals = deque(sorted((tick, chunk) for chunk, tick in enumerate(ends.tolist())))
    ticks, chunks = rows.events.tick.tolist(), rows.events.chunk.tolist()
    for row, (tick, chunk) in enumerate(zip(ticks, chunks, strict=True)):
        while finals and finals[0][0] < tick:
            last, ended = finals.popleft()
            tracker.take((last, _CHUNK_END, ended, 0, None))
        port = int(rows.place[row]) // 16
        tracker.take((tick, _NOTES, chunk, port, _message(rows.events, row, data)))
    for last, ended in finals:
        tracker.take((last, _CHUNK_END, ended, 0, None))
    of_voice = [
        (v.chunk, _number(v.place), _number(v.home), v.program, v.is_drum) for v in tracker.voices
    ]
    notes = [(*of_voice[voice], *note) for _, *note, voice in sorted(tracker.notes)]
    pedals = [(_number(place), *rest) for place, *rest in tracker.pedals]
    found = Sounding(*np.array(notes, np.int64).reshape(-1, 9).T)
    return found, Pedals(*np.array(pedals, np.int64).reshape(-1, 3).T)


def _number(place: Place) -> int:
    return place.port * 16 + place.channel


# What notes sound with


def _changes(rows: Rows, data: bytes) -> Ints:
    """Return the changes of voices, after one that matches no note.

    A change holds for its chunk at its tick, and then for all chunks.

    Returns:
        `int64[changes, 6]`: channel, chunk, row, tick, program, whether it is a drum kit.
    """
    events = rows.events
    is_bank = rows.is_control & (events.first == BANK)
    follow = is_bank | (events.status >> 4 == 0xC) | (events.status == SYSEX)
    # Of equal events one after another only the last matters.
    same = (events.status[1:] == events.status[:-1]) & follow[1:] & follow[:-1]
    same &= (rows.place[1:] == rows.place[:-1]) & (events.chunk[1:] == events.chunk[:-1])
    same &= (events.status[1:] != SYSEX) | (rows.is_reset[1:] & rows.is_reset[:-1])
    follow[:-1] &= ~same
    tracker = Tracker()
    out = array("q", (-1, -1, 0, -1, 0, 0))
    for row in follow.nonzero()[0].tolist():
        place = Place(*divmod(int(rows.place[row]), 16))
        event = _message(events, row, data)
        chunk, tick = int(events.chunk[row]), int(events.tick[row])
        tracker.take((tick, _NOTES, chunk, place.port, event))
        changed = [place]
        if rows.is_reset[row]:
            changed = list(tracker.channels)
        elif event.type == "sysex" and (part := rhythm_part(event.data)):
            changed = [place._replace(channel=part[0])]
        for each in changed:
            program, kit = tracker.channels[each].sound(chunk)
            drum = each.channel == DRUM_CHANNEL if kit is None else kit
            out.extend((_number(each), chunk, row, tick, program, drum))
    return np.array(out, np.int64).reshape(-1, 6)


def _voices(changes: Ints, place: Ints, chunk: Ints, rank: Ints) -> tuple[Ints, Ints]:
    """Return the program of each note, and whether it is played on a drum kit.

    The latest change before it counts; of several at one tick its own chunk's, if there is one.
    """
    of_place, of_chunk, of_rank, tick, program, drum = changes.T
    most = int(max(of_rank.max(), rank.max(initial=0))) + 1
    chunks = int(max(of_chunk.max(), chunk.max(initial=0))) + 2

    def latest(keys: Ints, wanted: Ints) -> Ints:
        """Return the last change with a key before each note; 0 for none."""
        keys_and_ranks = keys * most + of_rank
        order = keys_and_ranks.argsort(kind="stable")
        at = order[keys_and_ranks[order].searchsorted(wanted * most + rank) - 1]
        return np.where(keys[at] == wanted, at, 0)

    found = latest(of_place, place)
    own = latest(of_place * chunks + of_chunk, place * chunks + chunk)
    found = np.where((own > 0) & (tick[own] == tick[found]), own, found)
    return program[found], np.where(found > 0, drum[found], place % 16 == DRUM_CHANNEL)
