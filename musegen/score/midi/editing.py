"""Edit MIDI files and leave everything else in them as it is.

An edit merges new messages into the chunks of a `mido.MidiFile` and returns a new file. Every other
event keeps its chunk, its tick and its order within the tick, but for the few that `seam` moves.

===========  =====================================================
`append`     adds notes to existing tracks, after their end
`overdub`    adds new tracks that play along with the file
`refill`     replaces the notes of some tracks between two ticks
===========  =====================================================
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from musegen.score.columns import Table
from musegen.score.export.midi import Timed, note_events, retimed, track_chunk
from musegen.score.midi.channel_state import NOTE_ENDERS
from musegen.score.midi.channels import allocate_channels, competing_notes, without_collisions
from musegen.score.midi.meta import encoded_text
from musegen.score.midi.mido_reader import part_channels
from musegen.score.midi.ordering import port_message
from musegen.score.midi.seam import Seam
from musegen.score.score import Score

if TYPE_CHECKING:
    import mido

__all__ = ["append", "overdub", "refill"]


def append(
    midi: mido.MidiFile, score: Score, notes: Table, start: int, end: int, markers: tuple[str, str]
) -> mido.MidiFile:
    """Return the file with `notes` added from `start` on.

    Each note goes to the chunk and channel of its track, and so sounds with the program in force
    there. `Seam` says what is written at `start`, and what becomes of the file's events behind it.

    >>> from musegen.score import NOTE, Track, table
    >>> from musegen.score.midi import from_mido
    >>> midi = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Flute", 73)]).to_mido()
    >>> score, new = from_mido(midi), table(NOTE, [(480, 480, 62, 80, 0)])
    >>> longer = append(midi, score, new, 480, 960, ("beginning", "continuation"))
    >>> from_mido(longer).notes["pitch"].tolist()
    [60, 62]

    Args:
        midi: The file; it is not changed.
        score: What `from_mido` read from it: `notes` refer to its tracks.
        notes: `NOTE[N]`, in the file's ticks.
        start: Tick where the added music begins.
        end: Tick where it ends.
        markers: Texts of the markers at tick 0 and at `start`.
    """
    seam = Seam(midi, score, _tracks_of(notes), start, end)
    added: dict[int, list[Timed]] = defaultdict(list)
    for chunk, release in seam.releases():
        added[chunk].append(release)
    for chunk, message in seam.messages():
        added[chunk].append((start, message))
    for index in _tracks_of(notes):
        track = score.tracks[index]
        added[track.chunk] += note_events(notes[notes["track"] == index], track.channel)
    added[0] += [(0, _marker(midi, markers[0])), (start, _marker(midi, markers[1]))]
    chunks = []
    for index, chunk in enumerate(midi.tracks):
        last = sum(message.time for message in chunk)
        events = [*seam.events(index), *added[index]]
        chunks.append(track_chunk(events, max(last, end) if added[index] else last))
    return _with_chunks(midi, chunks)


def overdub(
    midi: mido.MidiFile,
    score: Score,
    notes: Table,
    first_new_track: int,
    markers: tuple[str, ...] = (),
) -> mido.MidiFile:
    """Return the file with new tracks that play along with it.

    Each new track gets its own chunk, with its name, port and program; in a file of type 0 its
    notes are merged into the only chunk. It plays on a channel of the file's ports that the file
    does not use. If there are too few, new tracks of the same program share one, and then one of
    the file's on which no other program plays; notes that would overlap others of their pitch there
    are shortened or left out. Drums play on the drum channel.

    >>> from dataclasses import replace
    >>> from musegen.score import NOTE, Track, table
    >>> from musegen.score.midi import from_mido
    >>> midi = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Flute", 73)]).to_mido()
    >>> score = replace(from_mido(midi), tracks=(Track("Flute", 73), Track("Cello", 42)))
    >>> duo = overdub(midi, score, table(NOTE, [(0, 480, 48, 80, 1)]), first_new_track=1)
    >>> [track.name for track in from_mido(duo).tracks]
    ['Flute', 'Cello']

    Args:
        midi: The file; it is not changed.
        score: The tracks that `from_mido` reads from the file, followed by the new ones; in the
            file's ticks.
        notes: Those of the new tracks, `NOTE[N]`.
        first_new_track: Index of the first new track in `score`.
        markers: Texts of markers at tick 0.

    Raises:
        MidiError: No channel is left for a program.
    """
    import mido

    places, used = allocate_channels(midi, score, _tracks_of(notes))
    parts: dict[int, list[Timed]] = {}
    for index, place in places.items():
        program = mido.Message(
            "program_change", program=score.tracks[index].program, channel=place.channel
        )
        competing = competing_notes(score, notes, index, places, first_new_track)
        own = notes[notes["track"] == index]
        kept = without_collisions(own, own["pitch"], competing, competing["pitch"], gap=1)
        parts[index] = [(0, program)] if place not in used else []
        parts[index] += note_events(kept, place.channel)

    chunks = list(midi.tracks) or [mido.MidiTrack()]
    added: list[Timed] = [(0, _marker(midi, text)) for text in markers]
    if midi.type == 0:
        added += [event for part in parts.values() for event in part]
    chunks[0] = _merged(chunks[0], added)
    if midi.type != 0:
        for index, part in parts.items():
            name = encoded_text(score.tracks[index].name, midi.charset)
            titled: list[Timed] = [(0, mido.MetaMessage("track_name", name=name))]
            if (port := port_message(midi, places[index].port)) is not None:
                titled.append((0, port))
            chunks.append(track_chunk([*titled, *part], score.end))
    return _with_chunks(midi, chunks)


def refill(
    midi: mido.MidiFile,
    score: Score,
    tracks: tuple[int, ...],
    notes: Table,
    start: int,
    end: int,
    marker: str,
) -> mido.MidiFile:
    """Return the file with other notes between two barlines.

    `notes` replace those of `tracks` that begin there. Each note goes to the chunk and channel of
    its track, and so sounds with the program in force there.

    >>> from musegen.score import NOTE, Track, table
    >>> from musegen.score.midi import from_mido
    >>> midi = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Flute", 73)]).to_mido()
    >>> new = table(NOTE, [(0, 480, 67, 80, 0)])
    >>> filled = refill(midi, from_mido(midi), (0,), new, 0, 1920, "filled")
    >>> from_mido(filled).notes["pitch"].tolist()
    [67]

    Args:
        midi: The file; it is not changed.
        score: What `from_mido` read from it: `tracks` and `notes` refer to its tracks.
        tracks: Tracks whose notes are replaced.
        notes: `NOTE[N]`, in the file's ticks.
        start: Tick of the first barline. Inclusive.
        end: Tick of the last barline. Exclusive.
        marker: Text of a marker at `start`.
    """
    # Within a tick: ends of new notes, the file's own events, beginnings of new notes.
    ends: dict[int, list[Timed]] = defaultdict(list)
    added: dict[int, list[Timed]] = defaultdict(list)
    added[0].append((start, _marker(midi, marker)))
    channels: dict[int, set[int]] = defaultdict(set)
    playing = part_channels(midi)
    for index in tracks:
        track = score.tracks[index]
        channels[track.chunk] |= playing.get((track.chunk, track.channel), {track.channel})
        for event in note_events(notes[notes["track"] == index], track.channel):
            (added if event[1].type == "note_on" else ends)[track.chunk].append(event)
    chunks = []
    for index, chunk in enumerate(midi.tracks):
        kept = _without_notes(chunk, channels[index], start, end)
        chunks.append(_merged(kept, added[index], first=ends[index]))
    return _with_chunks(midi, chunks)


def _tracks_of(notes: Table) -> list[int]:
    """Return the indices of the tracks that have notes, in order."""
    return sorted(set(notes["track"].tolist()))


def _marker(midi: mido.MidiFile, text: str) -> mido.MetaMessage:
    import mido

    return mido.MetaMessage("marker", text=encoded_text(text, midi.charset))


def _with_chunks(midi: mido.MidiFile, chunks: list[mido.MidiTrack]) -> mido.MidiFile:
    """Return a copy of the file with other chunks."""
    out = copy.copy(midi)
    out.tracks = chunks
    return out


def _merged(
    chunk: mido.MidiTrack, added: list[Timed], *, first: Sequence[Timed] = (), end: int = 0
) -> mido.MidiTrack:
    """Return a chunk with messages merged into it, which ends at `end` at the earliest.

    Args:
        chunk: The chunk; it is not changed.
        added: Messages to put after the chunk's own of the same tick.
        first: Messages to put before them.
        end: Earliest tick for the end of the track. It counts only if something is added.
    """
    if not first and not added:
        return chunk
    # Not `mido.merge_tracks`, which copies and checks every message twice.
    ticks = list(accumulate(message.time for message in chunk))
    own = [timed for timed in zip(ticks, chunk, strict=True) if timed[1].type != "end_of_track"]
    return track_chunk([*first, *own, *added], max([end, *ticks[-1:]]))


# Refill


def _without_notes(
    chunk: mido.MidiTrack, channels: set[int], start: int, end: int
) -> mido.MidiTrack:
    """Return a chunk without the notes of `channels` whose onsets are in `start` to `end`.

    A note-off ends the oldest sounding note of its pitch, as in the readers. One between the two
    ticks that ends no note is removed too: it would end a new note. So is All Notes Off.
    """
    import mido

    if not channels:
        return chunk
    out = mido.MidiTrack()
    kept_notes: dict[tuple[int, int], list[bool]] = defaultdict(list)  # those that still sound
    now = last = 0
    for event in chunk:
        now += event.time
        keep, outside = True, not start <= now < end
        if event.type in ("note_on", "note_off") and event.channel in channels:
            sounding = kept_notes[event.channel, event.note]
            if event.type == "note_on" and event.velocity:
                keep = outside
                sounding.append(keep)
            else:
                keep = sounding.pop(0) if sounding else outside
        elif _ends_notes(event) and event.channel in channels:
            keys = [key for key in kept_notes if key[0] == event.channel]
            keep = outside or any(any(kept_notes[key]) for key in keys)
            for key in keys:
                del kept_notes[key]
        if keep:
            out.append(retimed(event, now - last))
            last = now
    return out


def _ends_notes(event: Any) -> bool:
    return event.type == "control_change" and event.control in NOTE_ENDERS
