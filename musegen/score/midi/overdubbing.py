"""Adding parts beside the music of a MIDI file without touching what is in it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import Table
from musegen.score.export.midi import chunk, note_events
from musegen.score.general_midi import DRUM_CHANNEL
from musegen.score.score import Score

if TYPE_CHECKING:
    import mido

__all__ = ["overdub"]

CHANNELS = 16


def overdub(
    midi: mido.MidiFile,
    score: Score,
    notes: Table,
    first_new_track: int,
    markers: tuple[str, ...] = (),
) -> mido.MidiFile:
    """Return the file with new tracks beside those it has; every event it had stays at its tick.

    Each new track gets a chunk of its own, with its name and program; in a file of type 0 its notes
    are merged into the only chunk. It plays on a channel that the file does not use. Where there
    are too few of these, new tracks of one program share one, and then one of the file's on which
    nothing but their program plays; notes that would meet others of their pitch there are cut or
    left out. Drums play on the drum channel.

    Args:
        midi: The file; it is not changed.
        score: The music with the new tracks behind those that `from_mido` reads from the file, in
            its ticks.
        notes: Those of the new tracks, `NOTE[N]`.
        first_new_track: Index in the score of the first of them.
        markers: Texts of markers at tick 0.

    Raises:
        MidiError: The file has no channel left for a program.
    """
    import mido

    indices = sorted(set(notes["track"].tolist()))
    used = {
        event.channel for events in midi.tracks for event in events if hasattr(event, "channel")
    }
    channels = _channels(midi, score, indices, used)
    text = [(0, mido.MetaMessage("marker", text=_text(marker, midi.charset))) for marker in markers]
    parts: list[list[tuple[int, Any]]] = []
    for index in indices:
        channel, track = channels[index], score.tracks[index]
        shared = channel in used or list(channels.values()).count(channel) > 1
        mine = notes[notes["track"] == index]
        if shared:
            mine = _apart(mine, _others(score, notes, index, channels, first_new_track))
        program = mido.Message("program_change", program=track.program, channel=channel)
        parts.append(
            [*([(0, program)] if channel not in used else []), *note_events(mine, channel)]
        )
    out = copy.copy(midi)
    out.tracks = list(midi.tracks) or [mido.MidiTrack()]
    merged = [event for part in parts for event in part] if midi.type == 0 else []
    out.tracks[0] = _with(out.tracks[0], [*text, *merged])
    if midi.type != 0:
        for index, part in zip(indices, parts, strict=True):
            name = mido.MetaMessage(
                "track_name", name=_text(score.tracks[index].name, midi.charset)
            )
            out.tracks.append(chunk([(0, name), *part], 1, score.end))
    return out


def _text(text: str, charset: str) -> str:
    """Return the characters that mido, which writes a file's own charset, turns into UTF-8."""
    return text.encode().decode(charset)


def _channels(
    midi: mido.MidiFile, score: Score, indices: list[int], used: set[int]
) -> dict[int, int]:
    """Return a channel for each new track: one of each program first, so that the others may share with it."""
    free = [
        channel for channel in range(CHANNELS) if channel != DRUM_CHANNEL and channel not in used
    ]
    like = {program: channel for channel, program in _constant_programs(midi, used).items()}
    out: dict[int, int] = {}
    programs: set[int] = set()
    again: list[int] = []
    for index in indices:
        program = score.tracks[index].program
        if score.tracks[index].is_drum:
            out[index] = DRUM_CHANNEL
        elif program in programs:
            again.append(index)
        else:
            programs.add(program)
            if not free and program not in like:
                raise MidiError(
                    "a MIDI channel that the file does not use was expected for each new instrument. Received: a file "
                    f"that uses all 15, and none of them for program {program} alone ({score.tracks[index].name}). "
                    "Merge or remove some of its tracks."
                )
            out[index] = like[program] = free.pop(0) if free else like[program]
    for index in again:
        out[index] = free.pop(0) if free else like[score.tracks[index].program]
    return out


def _constant_programs(midi: mido.MidiFile, used: set[int]) -> dict[int, int]:
    """Return the program of each melodic channel of the file that has the same one throughout."""
    programs: dict[int, set[int]] = {channel: set() for channel in sorted(used - {DRUM_CHANNEL})}
    for events in midi.tracks:
        for event in events:
            if event.type == "program_change" and event.channel != DRUM_CHANNEL:
                programs[event.channel].add(event.program)
    return {channel: max(said, default=0) for channel, said in programs.items() if len(said) <= 1}


def _others(
    score: Score, notes: Table, index: int, channels: dict[int, int], first_new: int
) -> Table:
    """Return the other notes of a new track's channel: the file's, and those of new tracks before it."""
    channel = channels[index]
    old = [at for at, track in enumerate(score.tracks[:first_new]) if track.channel == channel]
    new = [at for at, other in channels.items() if other == channel and at < index]
    kept = score.notes[np.isin(score.notes["track"], old)]
    return np.concatenate([kept, notes[np.isin(notes["track"], new)]])


def _apart(mine: Table, others: Table) -> Table:
    """Return the notes without those, and the ends of those, that meet another note of their pitch.

    A tick is left between them: in another chunk the end of one may stand behind the beginning of
    the next.
    """
    begins = others["onset"].astype(np.int64) - 1
    ends = begins + others["duration"] + 2
    stays = np.ones(len(mine), bool)
    out: Table = mine.copy()
    for index, (onset, duration, pitch, *_) in enumerate(mine.tolist()):
        meets = (others["pitch"] == pitch) & (begins < onset + duration) & (ends > onset)
        if meets.any():
            first = int(begins[meets].min())
            stays[index] = first > onset
            out["duration"][index] = max(first - onset, 1)
    return out[stays]


def _with(events: mido.MidiTrack, added: list[tuple[int, Any]]) -> mido.MidiTrack:
    """Return a chunk of the old events and the added (tick, message), the old first within a tick."""
    now, timed = 0, []
    for event in events:
        now += event.time
        if event.type != "end_of_track":
            timed.append((now, event))
    return chunk([*timed, *added], 1, max([now, *(tick for tick, _ in added)]))
