"""Parse MIDI files with symusic and work around its faults.

symusic (0.6, C++) parses a file of 1 kB in about 10 µs, but loses some music. So it gets a copy of
the file in which that music is safe:

========================================  ===============  =========================
in the file                               symusic          in the copy
========================================  ===============  =========================
a note without a note-off                 drops it         ends with its chunk
more track chunks than the header counts  drops them       are counted
a header longer than 6 bytes              rejects it       has 6 bytes
========================================  ===============  =========================

`screening` says which files symusic reads correctly otherwise: these take the fast way. All others,
and those that symusic rejects, take the slow way: `structure.walk` reads them event by event, and
repairs them or says what is wrong and where. Either way, a sustain pedal that symusic presses too
early is corrected afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from musegen.errors import MidiError
from musegen.score.general_midi import END_OF_TRACK, SUSTAIN
from musegen.score.midi.container import Layout, layout_of
from musegen.score.midi.screening import LONG, probably_faithful, reads_faithfully
from musegen.score.midi.structure import walk

__all__ = ["parse"]

_NOTE_ONS = bytes(range(0x90, 0xA0))
_CONTROLS = bytes(range(0xB1, 0xC0))  # control changes of channels 2 to 16
_ALL_BUT = {
    wanted: bytes(byte for byte in range(256) if byte not in wanted)
    for wanted in (_NOTE_ONS, _CONTROLS)
}
"""Status bytes → all other bytes."""

# An empty sequencer-specific meta event, as long as the end of track it replaces. If those three
# bytes were in fact the end of another event's payload, what follows is still parsed correctly.
_NO_EVENT = b"\xff\x7f\0"
# If the last event is cut short, symusic takes the bytes that follow for its rest. It then fails at
# one of the F4, an undefined status: there are more of them than a one-byte length can skip. The
# barrier ends with a delta time of `FAR`.
_BARRIER = _NO_EVENT + b"\0\xff\x7f\x81\x10" + b"\xf4" * 144 + b"\xff\xff\xff\x7f"
_NOTE_OFFS = {
    0x90 | channel: bytes((0x80 | channel,)) + b"\0".join(bytes((pitch, 0)) for pitch in range(128))
    for channel in range(16)
}
"""Note-on status → a note-off for each pitch, in running status, without the first delta time."""


def parse(data: bytes, name: str, *, pedals: bool = True) -> Any:
    """Return a MIDI file as a `symusic` score in ticks (`symusic.core.ScoreTick`), nothing lost.

    >>> from musegen.score.export.objects import midi_bytes
    >>> from musegen.score.score import Score
    >>> parse(midi_bytes(Score(end=480)), "rest.mid").ticks_per_quarter
    480

    Args:
        data: The whole file.
        name: Name of the file, for messages.
        pedals: Whether the sustain pedals must be right.

    Raises:
        MidiError: It is not a readable MIDI file; the message says where and why.
    """
    layout = layout_of(data, name)
    chunks, score = _parse_fast(data, layout) or _parse_slowly(data, layout, name)
    return _with_right_pedals(score, layout, chunks) if pedals else score


def _symusic(file: bytes) -> Any:
    import symusic

    return symusic.Score.from_midi(file)


def _parse_fast(data: bytes, layout: Layout) -> tuple[list[bytes], Any] | None:
    """Return the chunks of the copy and symusic's score of it; None if it may be wrong."""
    chunks = _without_ends_of_track(data, layout)
    if not chunks:
        return None

    # Screen the bytes before symusic sees them.
    skipped = probably_faithful(_NO_EVENT.join([*chunks, b""]))
    if skipped < 0 and not reads_faithfully(data, layout):
        return None

    # Parse.
    chunks = [events + _closing(_statuses(events, _NOTE_ONS)) for events in chunks]
    try:
        score = _symusic(layout.file(chunks))
    except Exception:  # symusic raises RuntimeError, ValueError and its own types
        return None

    # A note without an end lasts into the closing. So may a very long piece.
    if score.end() >= LONG:
        return None
    # If the quick screening was wrong about a tempo or key, symusic has found fewer of them.
    found = len(score.tempos) + len(score.key_signatures)
    if skipped >= 0 and found != skipped and not reads_faithfully(data, layout):
        return None
    return chunks, score


def _parse_slowly(data: bytes, layout: Layout, name: str) -> tuple[list[bytes], Any]:
    """Return the repaired chunks, in which every note has an end, and symusic's score of them.

    Raises:
        MidiError: The file is at fault.
    """
    chunks = []
    for number, (start, end) in enumerate(layout.chunks, 1):
        chunk = walk(data, start, end, number, name)
        note_offs = [
            bytes((0x80 | channel, pitch, 0)) for channel, pitch in chunk.hanging.elements()
        ]
        chunks.append(chunk.events + b"\0".join([*note_offs, END_OF_TRACK]))
    try:
        return chunks, _symusic(layout.file(chunks))
    except Exception as error:
        raise MidiError(f"{name} is not a readable MIDI file: {error}. Export it again.") from error


# Notes without an end


def _without_ends_of_track(data: bytes, layout: Layout) -> list[bytes]:
    """Return each chunk's events without the end of track; nothing if a chunk has none."""
    chunks = []
    for start, end in layout.chunks:
        stop = end - len(END_OF_TRACK)
        if stop < start or data[stop:end] != END_OF_TRACK:
            return []
        if data[stop - 3 : stop] == b"\xff\x51\3":
            return []  # the last three bytes are a tempo, which `_NO_EVENT` would change
        chunks.append(data[start:stop])
    return chunks


def _statuses(events: bytes, wanted: bytes) -> bytes:
    """Return which of the wanted status bytes occur in a chunk, as status or as any other byte."""
    found = events.translate(None, _ALL_BUT[wanted])
    first = found[:1]
    return first if found.count(first) == len(found) else bytes(sorted(set(found)))


def _closing(note_ons: bytes) -> bytes:
    """Return the end of a chunk: after `FAR` ticks, a note-off for every pitch.

    A note-off without a note has no effect. So the music changes only if a note has no end: then it
    lasts at least `FAR` ticks, which gives it away.

    Args:
        note_ons: Note-on statuses of the channels that have notes.
    """
    return _BARRIER + b"\0".join([*[_NOTE_OFFS[status] for status in note_ons], END_OF_TRACK])


# Pedals pressed too early


def _with_right_pedals(score: Any, layout: Layout, chunks: list[bytes]) -> Any:
    """Return the score with the first pedal of each track beginning where it is pressed.

    On channels 2 to 16 symusic takes the pedal to be down from tick 0 until its first release.
    """
    early = [
        index
        for index, track in enumerate(score.tracks)
        if track.pedals and track.pedals[0].time == 0
    ]
    if not early or _move_first_pedals(score, early):
        return score
    # Release every pedal at tick 0 and parse again; then drop the pedals of no length this makes.
    score = _symusic(layout.file([_pedal_releases(events) + events for events in chunks]))
    for track in score.tracks:
        pedals = track.pedals
        while pedals and pedals[0].time == pedals[0].duration == 0:
            del pedals[0]
    return score


def _move_first_pedals(score: Any, early: list[int]) -> bool:
    """Move first pedals to where they are pressed, in place, if that is known.

    The control changes of the track say where, unless a program change follows: then the pedal
    belongs to another track.

    Args:
        score: A `symusic` score.
        early: Tracks whose first pedal begins at tick 0.

    Returns:
        Whether it is known. If not, the score is unchanged.
    """
    pressed = []
    for track in score.tracks:
        controls = track.controls.numpy()
        is_press = (controls["number"] == SUSTAIN) & (controls["value"] >= 64)
        pressed.append(controls["time"][is_press][:1])
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


def _pedal_releases(events: bytes) -> bytes:
    """Return events that release the pedal on each channel of a chunk, to put before its own.

    Only for events that symusic has accepted before: these set a running status, which would hide
    that the chunk lacks one.
    """
    statuses = _statuses(events, _CONTROLS)
    return b"".join(bytes((0, status, SUSTAIN, 0)) for status in statuses)
