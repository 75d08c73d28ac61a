"""Allocate MIDI channels to new tracks, and keep notes that share a channel apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import Table
from musegen.score.general_midi import DRUM_CHANNEL, MELODIC_CHANNELS
from musegen.score.midi.channel_state import Place
from musegen.score.midi.ordering import in_order
from musegen.score.score import Score
from musegen.utils.arrays import Ints

if TYPE_CHECKING:
    import mido

__all__ = [
    "Allocation",
    "allocate_channels",
    "channel_keys",
    "competing_notes",
    "without_collisions",
]


class Allocation(NamedTuple):
    """Channels for new tracks.

    Attributes:
        places: New track → its channel.
        used: The channels that the file uses.
    """

    places: dict[int, Place]
    used: set[Place]


def allocate_channels(midi: mido.MidiFile, score: Score, tracks: list[int]) -> Allocation:
    """Choose a channel for each new track, in the order of `tracks`, on the ports of the file.

    Each program gets one channel first, so that further tracks of the program can share it.

    Raises:
        MidiError: No channel is left for a program.
    """
    programs = _programs(midi)
    ports = sorted({port for port, _ in programs}) or [0]
    if midi.type == 0:  # its only chunk is on one port
        ports = ports[:1]
    free = [
        Place(port, channel)
        for port in ports
        for channel in MELODIC_CHANNELS
        if (port, channel) not in programs
    ]
    place_of = {
        next(iter(each), 0): place
        for place, each in sorted(programs.items())
        if len(each) <= 1 and place.channel != DRUM_CHANNEL and place.port in ports
    }
    out = dict.fromkeys(tracks, Place(ports[0], DRUM_CHANNEL))
    known: set[int] = set()
    repeated: list[int] = []
    for index in (index for index in tracks if not score.tracks[index].is_drum):
        program = score.tracks[index].program
        if program in known:
            repeated.append(index)
            continue
        known.add(program)
        if free:
            place_of[program] = free.pop(0)
        if program not in place_of:
            raise MidiError(
                "a MIDI channel that the file does not use was expected for each new instrument. "
                "Received: a file that uses all 15, and none of them for program "
                f"{program} alone ({score.tracks[index].name}). "
                "Merge or remove some of its tracks."
            )
        out[index] = place_of[program]
    for index in repeated:
        out[index] = free.pop(0) if free else place_of[score.tracks[index].program]
    return Allocation(out, set(programs))


def _programs(midi: mido.MidiFile) -> dict[Place, set[int]]:
    """Return the channels that the file uses → the programs that it sets there."""
    out: dict[Place, set[int]] = {}
    for _, _, _, port, event in in_order(midi):
        if hasattr(event, "channel"):
            programs = out.setdefault(Place(port, event.channel), set())
            if event.type == "program_change":
                programs.add(event.program)
    return out


def competing_notes(
    score: Score, notes: Table, index: int, places: dict[int, Place], first_new_track: int
) -> Table:
    """Return the notes on a new track's channel that go before its own.

    These are the file's and those of earlier new tracks.
    """
    old = [
        i
        for i, track in enumerate(score.tracks[:first_new_track])
        if (track.port, track.channel) == places[index]
    ]
    new = [i for i, other in places.items() if other == places[index] and i < index]
    return np.concatenate(
        [score.notes[np.isin(score.notes["track"], old)], notes[np.isin(notes["track"], new)]]
    )


def channel_keys(score: Score, notes: Table) -> Ints:
    """Return port, MIDI channel and pitch of notes as one number each, `int64[N]`.

    Tracks of unknown channel get a number of their own, as if they had a channel to themselves.

    Args:
        score: The score whose tracks the notes are on.
        notes: `NOTE[N]`.
    """
    unknown = 16 * (1 + max((track.port for track in score.tracks), default=0))
    channels = [
        16 * track.port + track.channel if track.channel >= 0 else unknown + index
        for index, track in enumerate(score.tracks)
    ]
    return np.array(channels, np.int64)[notes["track"]] * 128 + notes["pitch"]


def without_collisions(
    notes: Table, keys: Ints, competing: Table, competing_keys: Ints, gap: int = 0
) -> Table:
    """Return the notes, shortened or left out where they meet a competing note of the same key.

    Args:
        notes: `NOTE[N]`.
        keys: What must not sound twice: the pitches, or channels and pitches, `int64[N]`.
        competing: `NOTE[M]`, which stay as they are.
        competing_keys: The same of those, `int64[M]`.
        gap: Ticks to leave between the two. Notes in different chunks need one: a player may see
            the end of the first after the beginning of the second.
    """
    begins = competing["onset"].astype(np.int64) - gap
    ends = competing["onset"].astype(np.int64) + competing["duration"] + gap
    kept = np.ones(len(notes), bool)
    out = notes.copy()
    columns = (keys, notes["onset"], notes["duration"])
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for index, (key, onset, duration) in enumerate(rows):
        meets = (competing_keys == key) & (begins < onset + duration) & (ends > onset)
        if meets.any():
            first = int(begins[meets].min())
            kept[index] = first > onset
            out["duration"][index] = max(first - onset, 1)
    return out[kept]
