"""Parse MIDI files with symusic where it reads them right, and exactly where it does not.

symusic (0.6, C++) parses a file of 1 kB in about 10 µs. It reads each chunk for itself, drops notes
without a note-off, and loses its place at some odd events. So this is the order:

1. `screening` says by the bytes whether symusic keeps its place. If not, `exact` reads the file.
2. `marking` makes a copy in which symusic's tracks say where they are from.
3. symusic parses the copy.
4. Here its tracks get what other chunks say about them. If that is not certain, `exact` reads.

The result is the same either way: what `mido_reader.from_mido` makes of the file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from musegen.errors import MidiError
from musegen.score.midi import certainty
from musegen.score.midi.container import Layout, layout_of
from musegen.score.midi.exact import read_exactly
from musegen.score.midi.marked_tracks import MarkedTrack, marked_tracks, set_programs
from musegen.score.midi.marking import NO_EVENT, events_of, mark
from musegen.score.midi.screening import LONG, probably_faithful, reads_faithfully
from musegen.score.midi.structs import KEY, METER, NOTE, PEDAL, TEMPO, table_of
from musegen.score.score import Score

__all__ = ["Parsed", "Part", "parse"]

MAX_NOTES = 1_500_000  # more do not fit into half a gigabyte with what is made of them

_HIGH_BYTE = 7  # of the duration, in `structs.NOTE`


class Part(NamedTuple):
    """A track with notes; see `columns.Track`."""

    name: str
    program: int
    is_drum: bool
    channel: int
    chunk: int


class Parsed(NamedTuple):
    """The music of a file as symusic's structs, which are cheap to join and to convert in bulk.

    Attributes:
        ticks_per_quarter: Of the file.
        end: The tick at which the music ends.
        tracks: The tracks.
        counts: Number of notes of each track.
        notes: `structs.NOTE` of one track after another.
        pedal_counts: Number of pedals of each track.
        pedals: `structs.PEDAL` of one track after another.
        tempos: `structs.TEMPO`.
        meters: `structs.METER`.
        keys: `structs.KEY`.
    """

    ticks_per_quarter: int
    end: int
    tracks: list[Part]
    counts: list[int]
    notes: bytes
    pedal_counts: list[int]
    pedals: bytes
    tempos: bytes
    meters: bytes
    keys: bytes


def parse(data: bytes, name: str, *, pedals: bool = True, labels: bool = True) -> Parsed | Score:
    """Return the music of a MIDI file: as a `Score` where symusic cannot be relied on.

    >>> from musegen.score.export.objects import midi_bytes
    >>> parse(midi_bytes(Score(end=480)), "rest.mid").ticks_per_quarter
    480

    Args:
        data: The whole file.
        name: Name of the file, for messages.
        pedals: Whether the sustain pedals must be right.
        labels: Whether the names of tracks and the keys must be right, which no encoding needs.

    Raises:
        MidiError: It is not a readable MIDI file, the message says where and why; or it has too
            many notes or events.
    """
    layout = layout_of(data, name)
    parsed = _parse_fast(data, layout, pedals, labels)
    if parsed is None:
        return read_exactly(data, layout, name)
    if (notes := sum(parsed.counts)) > MAX_NOTES:
        raise MidiError(
            f"{name} has {notes:,} notes; at most {MAX_NOTES:,} were expected. "
            "Cut it into pieces, or remove tracks."
        )
    return parsed


def _parse_fast(data: bytes, layout: Layout, pedals: bool, labels: bool) -> Parsed | None:
    """Return the music of a file; None if it is not certain."""
    chunks = events_of(data, layout)
    if not chunks:
        return None

    # Screen the bytes before symusic sees them.
    skipped = probably_faithful(NO_EVENT.join([*chunks, b""]))
    if skipped < 0 and not reads_faithfully(data, layout):
        return None
    if certainty.resets_channels(data):
        return None
    marked = mark(chunks, layout)
    if marked is None or not certainty.ports_are_simple(data, chunks, marked):
        return None

    # Parse.
    try:
        score = _symusic(marked.file)
    except Exception:  # symusic raises RuntimeError, ValueError and its own types
        return None
    # If the quick screening was wrong about a tempo or key, symusic has found fewer of them.
    found = len(score.tempos) + len(score.key_signatures)
    if skipped >= 0 and found != skipped and not reads_faithfully(data, layout):
        return None

    tracks = marked_tracks(score, marked)
    if not tracks or not set_programs(tracks, chunks, marked):
        return None
    if labels and not all(certainty.has_name(chunks[t.chunk], t.name) for t in tracks):
        return None
    return _parsed(score, tracks, layout, pedals, labels)


def _symusic(file: bytes) -> Any:
    from symusic.core import ScoreTick

    return ScoreTick.from_midi(file)


def _parsed(
    score: Any, tracks: list[MarkedTrack], layout: Layout, pedals: bool, labels: bool
) -> Parsed | None:
    """Return the music of a file; None if something is not certain."""
    ends = {track.chunk: track.end for track in tracks if track.end >= 0}
    for track in tracks:
        if track.controls and not certainty.is_plain(track, tracks):
            return None
    tempos = bytes(table_of(score.tempos, TEMPO))
    meters = bytes(table_of(score.time_signatures, METER))
    keys = bytes(table_of(score.key_signatures, KEY))
    if not certainty.order_is_clear(tempos, meters, keys if labels else b""):
        return None
    playing = [track for track in tracks if track.notes]
    notes = b"".join([track.notes for track in playing])
    if not notes:
        return None
    # A note without an end lasts until the note-offs.
    highest_byte = notes[_HIGH_BYTE :: NOTE.itemsize]
    if highest_byte.count(0) < len(highest_byte) and max(highest_byte) >= LONG >> 24:
        return None
    durations = np.frombuffer(notes, NOTE)["duration"]
    if np.count_nonzero(durations) < len(durations):  # silent: the note-off is at the same tick
        for track in playing:
            rows = np.frombuffer(track.notes, NOTE)
            track.notes = memoryview(rows[rows["duration"] > 0].tobytes())
        playing = [track for track in playing if track.notes]
        notes = b"".join([track.notes for track in playing])
    if not playing or (layout.kind == 1 and certainty.may_be_one_part(playing)):
        return None

    held = certainty.pedals_of(tracks, playing) if pedals else [b""] * len(playing)
    if held is None:
        return None
    return Parsed(
        score.ticks_per_quarter,
        max(ends[track.chunk] for track in playing),
        [
            Part(track.name, track.program, track.drum, track.channel, track.chunk)
            for track in playing
        ],
        [len(track.notes) // NOTE.itemsize for track in playing],
        notes,
        [len(rows) // PEDAL.itemsize for rows in held],
        b"".join(held),
        tempos,
        meters,
        keys,
    )
