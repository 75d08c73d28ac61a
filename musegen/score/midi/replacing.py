"""Putting other notes into some bars of a MIDI file without touching anything else in it."""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from musegen.score.columns import Table
from musegen.score.export.midi import note_events
from musegen.score.score import Score

if TYPE_CHECKING:
    import mido

__all__ = ["refill"]

Timed = tuple[int, int, Any]
"""A message with its tick and its place within that: new ends of notes, what was there, new notes."""


def refill(
    midi: mido.MidiFile,
    score: Score,
    tracks: tuple[int, ...],
    notes: Table,
    start: int,
    end: int,
    marker: str,
) -> mido.MidiFile:
    """Return the file with `notes` in the place of those of some tracks that begin from `start` to before `end`.

    Every other event stays at its tick. Each note goes to its track's own chunk and channel, and so
    sounds with the program in force there.

    Args:
        midi: The file; it is not changed.
        score: What `from_mido` read from it: `tracks` and `notes` refer to its tracks.
        tracks: Tracks whose notes are replaced.
        notes: `NOTE[N]`, in the file's ticks.
        start: Tick of the first barline.
        end: Tick of the last.
        marker: Text of a marker at `start`.
    """
    import mido

    # mido writes text in the file's charset, Latin-1 by default: give it the characters that make
    # UTF-8 bytes.
    text = mido.MetaMessage("marker", text=marker.encode().decode(midi.charset))
    new: dict[int, list[Timed]] = defaultdict(list)
    new[0].append((start, 1, text))
    channels: dict[int, set[int]] = defaultdict(set)
    for index in tracks:
        track = score.tracks[index]
        channels[track.chunk].add(track.channel)
        new[track.chunk] += [
            (tick, 2 if message.type == "note_on" else 0, message)
            for tick, message in note_events(notes[notes["track"] == index], track.channel)
        ]
    out = copy.copy(midi)
    out.tracks = [
        _chunk(_without(chunk, channels[index], start, end) + new[index])
        for index, chunk in enumerate(midi.tracks)
    ]
    return out


def _without(chunk: mido.MidiTrack, channels: set[int], start: int, end: int) -> list[Timed]:
    """Return the events of a chunk but for the notes of some channels that begin from `start` to before `end`.

    Ends of notes belong to their beginnings as readers take them, the oldest first. An end in the
    bars that belongs to none is left out, too: it would end what is going to be there.
    """
    out: list[Timed] = []
    sounding: dict[tuple[int, int], list[bool]] = defaultdict(
        list
    )  # whether each note that waits for its end stays
    now = 0
    for event in chunk:
        now += event.time
        stays = True
        if event.type in ("note_on", "note_off") and event.channel in channels:
            waiting = sounding[event.channel, event.note]
            inside = start <= now < end
            if event.type == "note_on" and event.velocity:
                stays = not inside
                waiting.append(stays)
            else:
                stays = waiting.pop(0) if waiting else not inside
        if stays:
            out.append((now, 1, event))
    return out


def _chunk(events: list[Timed]) -> mido.MidiTrack:
    """Return a chunk of events, closed where it was or with the last of them."""
    import mido

    out, now = mido.MidiTrack(), 0
    last = max((tick for tick, *_ in events), default=0)
    ordered = sorted(
        (e for e in events if e[2].type != "end_of_track"), key=lambda e: e[:2]
    )  # stable
    for tick, _, event in [*ordered, (last, 1, mido.MetaMessage("end_of_track"))]:
        out.append(event.copy(time=tick - now))
        now = tick
    return out
