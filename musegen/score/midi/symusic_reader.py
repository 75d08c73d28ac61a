"""MIDI files to `Score` through symusic, the fast way.

symusic (0.6, C++) reads a file of 1 kB in some 10 µs. Where it would lose music it gets a copy of
the file that it cannot lose it from:

| in the file                             | symusic            | in the copy                           |
|-----------------------------------------|--------------------|---------------------------------------|
| a note without its off                  | drops it           | ends with its chunk                   |
| more track chunks than the header counts| drops them         | are counted                           |
| a header longer than 6 bytes            | refuses it         | has 6                                 |

What it would misread besides, `screening` finds, and what it refuses, it refuses in its own words.
Such a file takes the slow way: `structure.walk` reads it event by event, and says what is wrong and
where, or mends it. What it adds, the pedal's first time on channels 2 to 16 from tick 0, is mended
behind it.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import KEY, METER, NOTE, PEDAL, TEMPO, Track, columns, table
from musegen.score.general_midi import END_OF_TRACK, MAX_TRACKS, SUSTAIN
from musegen.score.midi.container import Layout, layout_of
from musegen.score.midi.screening import LONG, probably_faithful, reads_faithfully
from musegen.score.midi.structure import walk
from musegen.score.score import Score

__all__ = ["from_symusic", "parse"]

_TRACK = Struct(">4sI")
_SPARE = bytes(8)  # behind the last chunk, so that no parser's look ahead leaves the buffer
_NOTE_ONS, _CONTROLS = (
    bytes(range(0x90, 0xA0)),
    bytes(range(0xB1, 0xC0)),
)  # controls of channels 2 to 16
_OTHERS = {
    wanted: bytes(byte for byte in range(256) if byte not in wanted)
    for wanted in (_NOTE_ONS, _CONTROLS)
}

# In place of an end of track: a meta event of its length, without effect. Should those three bytes
# have been the last of another event's payload, what follows is still read as it is meant. Should an
# event have been cut short there, symusic takes the bytes behind for its rest and stumbles over one of
# the F4, a status that there is not: they are more than a payload's length of one byte can pass over.
# At its end stands a delta time, FAR.
_NOTHING = b"\xff\x7f\0"
_BARRIER = _NOTHING + b"\0\xff\x7f\x81\x10" + b"\xf4" * 144 + b"\xff\xff\xff\x7f"
_OFFS = {
    0x90 | channel: bytes((0x80 | channel,)) + b"\0".join(bytes((pitch, 0)) for pitch in range(128))
    for channel in range(16)
}
"""Status byte of a channel's note-ons → a note-off for each pitch, by running status, without the first delta time."""


def parse(data: bytes, name: str, *, pedals: bool = True) -> Any:
    """Return a MIDI file as a `symusic` score in ticks (`symusic.core.ScoreTick`), nothing lost.

    Args:
        data: The whole file.
        name: What messages call the file.
        pedals: Whether the sustain pedal matters; if not, it may come out wrong.

    Raises:
        MidiError: It is not a MIDI file that can be read; the message says where and why.
    """
    import symusic

    read: Any = symusic.Score.from_midi
    layout = layout_of(data, name)
    chunks, score = _quickly(data, layout, read)
    if score is None:
        chunks = _rewritten(data, layout, name)
        try:
            score = read(_file(layout, chunks))
        except Exception as error:
            raise MidiError(
                f"{name} is not a readable MIDI file: {error}. Export it again."
            ) from error
    if not pedals:
        return score
    early = [
        index
        for index, track in enumerate(score.tracks)
        if track.pedals and track.pedals[0].time == 0
    ]
    if early and not _mend_first_pedals(score, early):
        return _without_first_pedals(
            read(_file(layout, [_lifts(events) + events for events in chunks]))
        )
    return score


def _quickly(data: bytes, layout: Layout, read: Any) -> tuple[list[bytes], Any]:
    """Return the chunks of a copy of the file, and what symusic reads of it: None if that will not do."""
    chunks = _cut(data, layout)
    left_out = probably_faithful(_NOTHING.join([*chunks, b""]))
    if not chunks or (left_out < 0 and not reads_faithfully(data, layout)):
        return [], None
    chunks = [events + _closing(_statuses(events, _NOTE_ONS)) for events in chunks]
    try:
        score = read(_file(layout, chunks))
    except Exception:  # symusic raises RuntimeError, ValueError and others of its own
        return [], None  # the slow way says what is wrong, and where
    if score.end() >= LONG:
        return (
            [],
            None,
        )  # a note is never released: the slow way finds out where it ends; or a file very long indeed
    found = len(score.tempos) + len(score.key_signatures)
    if left_out >= 0 and found != left_out and not reads_faithfully(data, layout):
        return [], None
    return chunks, score


def _cut(data: bytes, layout: Layout) -> list[bytes]:
    """Return each chunk's events without its end of track; nothing if one does not end with that."""
    chunks = []
    for start, end in layout.chunks:
        stop = end - len(END_OF_TRACK)
        # Three bytes that look like an end of track and are a tempo: the barrier would change it.
        if stop < start or data[stop:end] != END_OF_TRACK or data[stop - 3 : stop] == b"\xff\x51\3":
            return []
        chunks.append(data[start:stop])
    return chunks


def _statuses(events: bytes, wanted: bytes) -> bytes:
    """Return those of the wanted statuses that are in a chunk, or that other bytes look like, each once."""
    found = events.translate(None, _OTHERS[wanted])
    first = found[:1]
    return first if found.count(first) == len(found) else bytes(sorted(set(found)))


def _closing(note_ons: bytes) -> bytes:
    """Return what stands for an end of track: very far behind it, a note-off for every pitch, and the end.

    A note-off without a note does nothing: where all notes are released, the music is the same.
    Where one is not, the music ends `FAR` behind its end or later.

    Args:
        note_ons: Statuses of the channels that have notes.
    """
    return _BARRIER + b"\0".join([*[_OFFS[status] for status in note_ons], END_OF_TRACK])


def _mend_first_pedals(score: Any, early: list[int]) -> bool:
    """Let the first pedal of some tracks begin where it is pressed, in place; say whether that is known.

    On channels 2 to 16 symusic takes the pedal to be down from the start until it is first lifted.
    Where it was pressed, the track's controls say, unless that was before a program change: in
    another track.
    """
    pressed = []
    for track in score.tracks:
        controls = track.controls.numpy()
        pressed.append(
            controls["time"][(controls["number"] == SUSTAIN) & (controls["value"] >= 64)][:1]
        )
    first = np.concatenate(pressed).min(initial=LONG)
    pedals = [score.tracks[index].pedals for index in early]
    if any(len(pressed[index]) == 0 or first < pressed[index][0] for index in early):
        return False
    if any(
        pressed[index][0] >= rows[0].duration for index, rows in zip(early, pedals, strict=True)
    ):
        return False
    for index, rows in zip(early, pedals, strict=True):
        down = int(pressed[index][0])
        rows[0].time, rows[0].duration = down, rows[0].duration - down
    return True


def _lifts(events: bytes) -> bytes:
    """Return events that lift the pedal of each channel of a chunk at tick 0, to be put before its own.

    Only for events that symusic has read before: running status from these would hide that there
    is none in the chunk.
    """
    return b"".join(bytes((0, status, SUSTAIN, 0)) for status in _statuses(events, _CONTROLS))


def _rewritten(data: bytes, layout: Layout, name: str) -> list[bytes]:
    """Return the chunks' events as symusic understands them, every note ended by its chunk's end.

    Raises:
        MidiError: The file is at fault.
    """
    chunks = []
    for number, (start, end) in enumerate(layout.chunks, 1):
        chunk = walk(data, start, end, number, name)
        offs = [
            bytes((0x80 | channel, pitch, 0))
            for (channel, pitch), count in chunk.hanging.items()
            for _ in range(count)
        ]
        chunks.append(chunk.events + b"\0".join([*offs, END_OF_TRACK]))
    return chunks


def _file(layout: Layout, chunks: list[bytes]) -> bytes:
    """Return the bytes of a MIDI file of some chunks' events."""
    parts = [layout.header()]
    for chunk in chunks:
        parts += (_TRACK.pack(b"MTrk", len(chunk)), chunk)
    parts.append(_SPARE)
    return b"".join(parts)


def _without_first_pedals(score: Any) -> Any:
    """Take away, in place, the pedals of no length that lifting them at tick 0 has made."""
    for track in score.tracks:
        pedals = track.pedals
        while pedals and pedals[0].time == pedals[0].duration == 0:
            del pedals[0]
    return score


def from_symusic(score: Any) -> Score:
    """Return the music of a `symusic` score: in ticks, or brought to ticks from quarters or seconds by symusic.

    Raises:
        MidiError: A value is out of its range, or there are more than 65,535 tracks; or it is no
            score.
    """
    if not type(score).__name__.startswith("Score"):
        raise MidiError(
            f"expected a symusic score. Received: {type(score).__name__}. Put tracks into a symusic.Score."
        )
    if type(score).__name__ != "ScoreTick":
        score = score.to("tick")
    if len(score.tracks) > MAX_TRACKS:
        raise MidiError(
            f"at most {MAX_TRACKS:,} tracks were expected. Received: {len(score.tracks):,}. Merge some."
        )
    tracks, notes, pedals = [], [], []
    for index, track in enumerate(score.tracks):
        tracks.append(Track(track.name, track.program, track.is_drum))
        n, p = track.notes.numpy(), track.pedals.numpy()
        notes.append(
            columns(
                NOTE,
                onset=n["time"],
                duration=n["duration"],
                pitch=n["pitch"],
                velocity=n["velocity"],
                track=np.full(len(n["time"]), index),
            )
        )
        pedals.append(
            columns(
                PEDAL, onset=p["time"], duration=p["duration"], track=np.full(len(p["time"]), index)
            )
        )
    tempo, meter, key = (
        x.numpy() for x in (score.tempos, score.time_signatures, score.key_signatures)
    )
    every_note = np.concatenate(notes) if notes else table(NOTE)
    every_pedal = np.concatenate(pedals) if pedals else table(PEDAL)
    return Score(
        # Notes and pedals of no length come from files with an off at the tick of its on: nothing
        # sounds.
        notes=every_note[every_note["duration"] > 0],
        tracks=tuple(tracks),
        ticks_per_quarter=score.ticks_per_quarter,
        tempos=columns(TEMPO, tick=tempo["time"], microseconds=tempo["mspq"]),
        meters=columns(
            METER,
            tick=meter["time"],
            numerator=meter["numerator"],
            denominator=meter["denominator"],
        ),
        keys=columns(KEY, tick=key["time"], fifths=key["key"], minor=key["tonality"] > 0),
        pedals=every_pedal[every_pedal["duration"] > 0],
    )
