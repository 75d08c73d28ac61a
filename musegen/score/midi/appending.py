"""Adding notes behind the end of a MIDI file without touching what is in it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from musegen.score.columns import Table
from musegen.score.export.midi import note_events
from musegen.score.general_midi import SUSTAIN
from musegen.score.score import Score

if TYPE_CHECKING:
    import mido

__all__ = ["append"]


def append(
    midi: mido.MidiFile, score: Score, notes: Table, start: int, end: int, markers: tuple[str, str]
) -> mido.MidiFile:
    """Return the file with `notes` added; every event it had stays at its tick.

    Each note goes to its track's own chunk and channel, and so sounds with the program in force
    there. Where the file leaves a note, the sustain pedal or a pitch bend hanging at `start`, it
    is released first.

    Args:
        midi: The file; it is not changed.
        score: What `from_mido` read from it: `notes` refer to its tracks.
        notes: `NOTE[N]`, in the file's ticks.
        start: Tick where the added music begins.
        end: Tick where it ends.
        markers: Texts of the markers at tick 0 and at `start`.
    """
    import mido

    out = copy.copy(midi)
    added: dict[int, list[tuple[int, Any]]] = {index: [] for index in range(len(midi.tracks))}
    for index in sorted(set(notes["track"].tolist())):
        track = score.tracks[index]
        added[track.chunk] += [
            *((start, message) for message in _releases(midi.tracks[track.chunk], track.channel)),
            *note_events(notes[notes["track"] == index], track.channel),
        ]
    for tick, text in zip((0, start), markers, strict=True):
        # mido writes text in the file's charset, Latin-1 by default: give it the characters that
        # make UTF-8 bytes.
        added[0].append((tick, mido.MetaMessage("marker", text=text.encode().decode(midi.charset))))
    out.tracks = [_merged(chunk, added[index], end) for index, chunk in enumerate(midi.tracks)]
    return out


def _releases(chunk: mido.MidiTrack, channel: int) -> list[mido.Message]:
    """Return messages that release what the chunk leaves down on a channel at its end."""
    import mido

    pedal, bend = 0, 0
    sounding: dict[int, int] = {}
    for event in chunk:
        if getattr(event, "channel", None) != channel:
            continue
        if event.type == "control_change" and event.control == SUSTAIN:
            pedal = event.value
        elif event.type == "pitchwheel":
            bend = event.pitch
        elif event.type in ("note_on", "note_off"):
            change = 1 if event.type == "note_on" and event.velocity else -1
            sounding[event.note] = max(sounding.get(event.note, 0) + change, 0)
    out = [
        mido.Message("note_off", note=note, channel=channel)
        for note, count in sounding.items()
        for _ in range(count)
    ]
    if pedal >= 64:
        out.append(mido.Message("control_change", control=SUSTAIN, value=0, channel=channel))
    if bend:
        out.append(mido.Message("pitchwheel", pitch=0, channel=channel))
    return out


def _merged(chunk: mido.MidiTrack, added: list[tuple[int, Any]], end: int) -> mido.MidiTrack:
    """Return a chunk of the old events and the added (tick, message), the old first within a tick."""
    import mido

    events: list[tuple[int, Any]] = []
    now = closing = 0
    for event in chunk:
        now += event.time
        if event.type == "end_of_track":
            closing = now
        else:
            events.append((now, event))
    events = sorted([*events, *added], key=lambda e: e[0])  # stable
    last = max([closing, now, *([end] if added else []), *(tick for tick, _ in added)])
    out = mido.MidiTrack()
    now = 0
    for tick, event in [*events, (last, mido.MetaMessage("end_of_track"))]:
        out.append(event.copy(time=tick - now))
        now = tick
    return out
