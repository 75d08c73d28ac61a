"""Allocate MIDI channels to new tracks, and keep notes that share a channel apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import Table
from musegen.score.general_midi import DRUM_CHANNEL, MELODIC_CHANNELS
from musegen.score.score import Score
from musegen.utils.arrays import Ints

if TYPE_CHECKING:
    import mido

__all__ = ["allocate_channels", "channel_keys", "competing_notes", "without_collisions"]


def allocate_channels(
    midi: mido.MidiFile, score: Score, tracks: list[int], used: set[int]
) -> dict[int, int]:
    """Return a channel for each new track, in the order of `tracks`.

    Each program gets one channel first, so that further tracks of the program can share it.
    """
    free = [channel for channel in MELODIC_CHANNELS if channel not in used]
    channel_of = {program: channel for channel, program in _constant_programs(midi, used).items()}
    out: dict[int, int] = dict.fromkeys(tracks, DRUM_CHANNEL)
    melodic = [index for index in tracks if not score.tracks[index].is_drum]
    programs: set[int] = set()
    repeated: list[int] = []
    for index in melodic:
        program = score.tracks[index].program
        if program in programs:
            repeated.append(index)
            continue
        programs.add(program)
        if free:
            channel_of[program] = free.pop(0)
        if program not in channel_of:
            raise MidiError(
                "a MIDI channel that the file does not use was expected for each new instrument. "
                "Received: a file that uses all 15, and none of them for program "
                f"{program} alone ({score.tracks[index].name}). "
                "Merge or remove some of its tracks."
            )
        out[index] = channel_of[program]
    for index in repeated:
        out[index] = free.pop(0) if free else channel_of[score.tracks[index].program]
    return out


def _constant_programs(midi: mido.MidiFile, used: set[int]) -> dict[int, int]:
    """Return channel → program, for the melodic channels of the file that never change it."""
    programs: dict[int, set[int]] = {channel: set() for channel in sorted(used - {DRUM_CHANNEL})}
    for chunk in midi.tracks:
        for event in chunk:
            if event.type == "program_change" and event.channel != DRUM_CHANNEL:
                programs[event.channel].add(event.program)
    constant = {channel: each for channel, each in programs.items() if len(each) <= 1}
    return {channel: next(iter(each), 0) for channel, each in constant.items()}


def competing_notes(
    score: Score, notes: Table, index: int, channels: dict[int, int], first_new_track: int
) -> Table:
    """Return the notes on a new track's channel that go before its own.

    These are the file's and those of earlier new tracks.
    """
    channel = channels[index]
    old = [i for i, track in enumerate(score.tracks[:first_new_track]) if track.channel == channel]
    new = [i for i, other in channels.items() if other == channel and i < index]
    return np.concatenate(
        [score.notes[np.isin(score.notes["track"], old)], notes[np.isin(notes["track"], new)]]
    )


def channel_keys(score: Score, notes: Table) -> Ints:
    """Return MIDI channel and pitch of notes as one number each, `int64[N]`.

    Tracks of unknown channel get a number of their own, as if they had a channel to themselves.

    Args:
        score: The score whose tracks the notes are on.
        notes: `NOTE[N]`.
    """
    channels = [t.channel if t.channel >= 0 else 16 + i for i, t in enumerate(score.tracks)]
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
