"""MIDI files to `Score` through mido, every event and its channel known; some hundred times slower than symusic."""

from __future__ import annotations

import io
from collections import defaultdict, deque
from dataclasses import replace
from pathlib import Path
from struct import Struct
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
from musegen.score.midi.meta import wrong_meter, wrong_tempo
from musegen.score.midi.structure import walk
from musegen.score.score import Score

if TYPE_CHECKING:
    import mido

__all__ = ["from_mido", "load_mido"]

_TRACK = Struct(">4sI")
_MAX_BYTES = 4 * 2**20  # a million events: 10 s and half a gigabyte in mido


def load_mido(source: str | Path | bytes) -> mido.MidiFile:
    """Return a file as `mido` sees it, every event kept.

    mido takes in the very files that `parse` does: both get what `structure.walk` finds sound.

    Raises:
        MidiError: It cannot be read; the message says where and why. Or it has more than 4 MiB.
    """
    import mido

    data, name = (
        (source, "the given bytes")
        if isinstance(source, bytes)
        else (read_bytes(source), str(source))
    )
    check_size(len(data), name, _MAX_BYTES)
    layout = layout_of(data, name)
    parts = [layout.header()]
    for number, (start, end) in enumerate(layout.chunks, 1):
        events = walk(data, start, end, number, name).events + END_OF_TRACK
        parts += (_TRACK.pack(b"MTrk", len(events)), events)
    try:
        return mido.MidiFile(file=io.BytesIO(b"".join(parts)), clip=True)
    except Exception as error:  # mido raises EOFError, OSError, ValueError, KeyError, IndexError
        raise MidiError(f"{name} is not a readable MIDI file: {error}. Export it again.") from error


def from_mido(midi: mido.MidiFile) -> Score:
    """Return the music of a `mido.MidiFile`, with each track's chunk and channel.

    Notes are grouped into tracks by chunk, channel and the program in force, as symusic does.
    A note that is never released ends where its chunk ends.

    Raises:
        MidiError: It is not a `MidiFile`, a tempo or time signature means nothing, or there is too
            much of the music.
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
            f"at most {MAX_TRACKS:,} tracks were expected. Received: {len(reader.tracks):,}. Merge some."
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
        self.notes: list[tuple[int, int, int, int, int]] = []
        self.pedals: list[tuple[int, int, int]] = []
        self.tempos: list[tuple[int, int]] = []
        self.meters: list[tuple[int, int, int]] = []
        self.keys: list[tuple[int, int, bool]] = []
        self.tracks: list[Track] = []
        self._index: dict[tuple[int, int, int], int] = {}

    def read_chunk(self, chunk: int, events: mido.MidiTrack) -> None:
        self._chunk = chunk
        self._program = dict.fromkeys(range(16), 0)
        self._pedal_down: dict[int, int] = {}
        # (channel, pitch) → (onset, velocity, track) of each note that waits for its end, oldest
        # first
        self._sounding: dict[tuple[int, int], deque[tuple[int, int, int]]] = defaultdict(deque)
        name, tick, first = "", 0, len(self.tracks)
        for event in events:
            tick += event.time
            if event.type == "track_name":
                name = name or self._text(event.name)
            elif event.is_meta:
                self._read_meta(event, tick)
            elif hasattr(event, "channel"):
                self._read_channel(event, tick)
        if tick > MAX_TICK:
            raise MidiError(
                f"track {chunk + 1}: music before tick {MAX_TICK + 1:,} was expected; received {tick:,}."
            )
        for channel, pitch in self._sounding:
            while self._sounding[channel, pitch]:
                self._release(channel, pitch, tick)
        self.tracks[first:] = [replace(track, name=name) for track in self.tracks[first:]]

    def _text(self, text: str) -> str:
        """Return text as its writer meant it: UTF-8 if its bytes are that, else as mido took it."""
        try:
            return text.encode(self._charset).decode()
        except UnicodeError:
            return text

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
        waiting = self._sounding.get((channel, pitch))
        if waiting:
            start, velocity, track = waiting.popleft()
            if tick > start:
                self.notes.append((start, tick - start, pitch, velocity, track))

    def _track(self, channel: int) -> int:
        key = (self._chunk, channel, self._program[channel])
        if key not in self._index:
            self._index[key] = len(self.tracks)
            drum = channel == DRUM_CHANNEL
            self.tracks.append(Track("", self._program[channel], drum, channel, self._chunk))
        return self._index[key]
