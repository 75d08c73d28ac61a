"""Read MIDI files through mido: keep every event and channel, a hundred times slower."""

from __future__ import annotations

import io
from collections import defaultdict, deque
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musegen.errors import MidiError
from musegen.score.columns import KEY, METER, NOTE, PEDAL, TEMPO, Track, table
from musegen.score.general_midi import (
    DRUM_CHANNEL,
    END_OF_TRACK,
    KEY_NUMBERS,
    MAX_TICK,
    MAX_TRACKS,
    SUSTAIN,
)
from musegen.score.midi.container import check_size, layout_of, read_bytes
from musegen.score.midi.meta import decoded_text, wrong_meter, wrong_tempo
from musegen.score.midi.structure import walk
from musegen.score.score import Score

if TYPE_CHECKING:
    import mido

__all__ = ["from_mido", "load_mido"]

_MAX_BYTES = 4 * 2**20  # a million events: 10 s and half a gigabyte in mido


def load_mido(source: str | Path | bytes) -> mido.MidiFile:
    """Return a file as a `mido.MidiFile` that keeps every event.

    It accepts the same files as `parse`, and repairs them in the same way.

    >>> from musegen.score.export.objects import midi_bytes
    >>> [len(track) for track in load_mido(midi_bytes(Score(end=480))).tracks]
    [1]

    Args:
        source: A path, or the bytes of a file.

    Raises:
        MidiError: It cannot be read; the message says where and why. Or it has more than 4 MiB.
    """
    import mido

    if isinstance(source, bytes):
        data, name = source, "the given bytes"
    else:
        data, name = read_bytes(source), str(source)
    check_size(len(data), name, _MAX_BYTES)
    layout = layout_of(data, name)
    chunks = [
        walk(data, start, end, number, name).events + END_OF_TRACK
        for number, (start, end) in enumerate(layout.chunks, 1)
    ]
    try:
        return mido.MidiFile(file=io.BytesIO(layout.file(chunks)), clip=True)
    except Exception as error:  # mido raises EOFError, OSError, ValueError, KeyError, IndexError
        raise MidiError(f"{name} is not a readable MIDI file: {error}. Export it again.") from error


def from_mido(midi: mido.MidiFile) -> Score:
    """Return the music of a `mido.MidiFile`, with each track's chunk and channel.

    Notes are grouped into tracks by chunk, channel and the program in force, as symusic does.
    A note that is never released ends where its chunk ends.

    >>> midi = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Flute", 73)]).to_mido()
    >>> from_mido(midi).tracks
    (Track(name='Flute', program=73, is_drum=False, channel=0, chunk=1),)

    Raises:
        MidiError: It is not a `MidiFile`, a tempo or time signature is invalid, or the music is too
            long or has too many tracks.
    """
    if not hasattr(midi, "tracks") or not hasattr(midi, "ticks_per_beat"):
        raise MidiError(
            f"expected a mido.MidiFile. Received: {type(midi).__name__}. "
            "Put a MidiTrack in a file: mido.MidiFile(tracks=[track])."
        )
    reader = _MidoReader(midi.charset)
    for chunk, events in enumerate(midi.tracks):
        reader.read_chunk(chunk, events)
    if len(reader.tracks) > MAX_TRACKS:
        raise MidiError(
            f"at most {MAX_TRACKS:,} tracks were expected. Received: {len(reader.tracks):,}. "
            "Merge some."
        )
    return Score(
        notes=table(NOTE, reader.notes),
        tracks=tuple(reader.tracks),
        ticks_per_quarter=midi.ticks_per_beat,
        tempos=table(TEMPO, reader.tempos),
        meters=table(METER, reader.meters),
        keys=table(KEY, reader.keys),
        pedals=table(PEDAL, reader.pedals),
    )


class _MidoReader:
    """Collects rows for a `Score` from one chunk after another."""

    def __init__(self, charset: str) -> None:
        self._charset = charset
        self.tracks: list[Track] = []
        # Rows of the tables `NOTE`, `PEDAL`, `TEMPO`, `METER` and `KEY`.
        self.notes: list[tuple[int, int, int, int, int]] = []
        self.pedals: list[tuple[int, int, int]] = []
        self.tempos: list[tuple[int, int]] = []
        self.meters: list[tuple[int, int, int]] = []
        self.keys: list[tuple[int, int, bool]] = []
        # (chunk, channel, program) → track
        self._index: dict[tuple[int, int, int], int] = {}

    def read_chunk(self, chunk: int, events: mido.MidiTrack) -> None:
        """Add the notes and other rows of a chunk, and its tracks with its name."""
        self._chunk = chunk
        self._program = dict.fromkeys(range(16), 0)
        self._pedal_down: dict[int, int] = {}
        # (channel, pitch) → (onset, velocity, track) of each sounding note, oldest first
        self._sounding: dict[tuple[int, int], deque[tuple[int, int, int]]] = defaultdict(deque)
        first = len(self.tracks)
        name = ""
        tick = 0
        for event in events:
            tick += event.time
            if event.type == "track_name":
                name = name or decoded_text(event.name, self._charset)
            elif event.is_meta:
                self._read_meta(event, tick)
            elif hasattr(event, "channel"):
                self._read_channel(event, tick)
        if tick > MAX_TICK:
            raise MidiError(
                f"track {chunk + 1}: music before tick {MAX_TICK + 1:,} was expected; "
                f"received {tick:,}."
            )
        for channel, pitch in self._sounding:
            while self._sounding[channel, pitch]:
                self._release(channel, pitch, tick)
        self.tracks[first:] = [replace(track, name=name) for track in self.tracks[first:]]

    def _read_meta(self, event: Any, tick: int) -> None:
        problem = ""
        if event.type == "set_tempo":
            problem = wrong_tempo(event.tempo)
            self.tempos.append((tick, event.tempo))
        elif event.type == "time_signature":
            problem = wrong_meter(event.numerator, event.denominator)
            self.meters.append((tick, event.numerator, event.denominator))
        elif event.type == "key_signature":
            self.keys.append((tick, *KEY_NUMBERS[event.key]))
        if problem:
            raise MidiError(
                f"track {self._chunk + 1}, tick {tick:,}: {problem}. Set another value there."
            )

    def _read_channel(self, event: Any, tick: int) -> None:
        if event.type == "note_on" and event.velocity > 0:
            waiting = self._sounding[event.channel, event.note]
            waiting.append((tick, event.velocity, self._track(event.channel)))
        elif event.type in ("note_on", "note_off"):
            self._release(event.channel, event.note, tick)
        elif event.type == "program_change":
            self._program[event.channel] = event.program
        elif event.type == "control_change" and event.control == SUSTAIN:
            if event.value >= 64:
                self._pedal_down.setdefault(event.channel, tick)
            elif event.channel in self._pedal_down:
                start = self._pedal_down.pop(event.channel)
                if tick > start:
                    self.pedals.append((start, tick - start, self._track(event.channel)))

    def _release(self, channel: int, pitch: int, tick: int) -> None:
        """End the oldest sounding note of a pitch, if any. A note of length 0 is dropped."""
        waiting = self._sounding.get((channel, pitch))
        if waiting:
            start, velocity, track = waiting.popleft()
            if tick > start:
                self.notes.append((start, tick - start, pitch, velocity, track))

    def _track(self, channel: int) -> int:
        """Return the track of a channel's program in this chunk; it is created at first use."""
        key = (self._chunk, channel, self._program[channel])
        if key not in self._index:
            self._index[key] = len(self.tracks)
            drum = channel == DRUM_CHANNEL
            self.tracks.append(Track("", self._program[channel], drum, channel, self._chunk))
        return self._index[key]
