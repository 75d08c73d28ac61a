"""MIDI files, and objects that hold music, to `Score`."""

from __future__ import annotations

import io
from collections import defaultdict, deque
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from musegen.errors import MidiError
from musegen.midi.tables import DRUM_CHANNEL, KEY_NUMBERS, SUSTAIN
from musegen.score import KEY, METER, NOTE, PEDAL, TEMPO, Score, Track, columns, table

if TYPE_CHECKING:
    import mido
    import pretty_midi
    import symusic

    MidiSource: TypeAlias = str | Path | bytes | Score | mido.MidiFile | pretty_midi.PrettyMIDI | symusic.core.ScoreTick
else:
    MidiSource: TypeAlias = Any

__all__ = ["MidiSource", "from_mido", "from_pretty_midi", "from_symusic", "load_mido", "read"]


def read(source: MidiSource) -> Score:
    """Return the music of a MIDI file, or of any object that holds some.

    Args:
        source: A path, the bytes of a file, a `Score` (returned as it is), a `mido.MidiFile`,
            a `pretty_midi.PrettyMIDI` or a `symusic` score.

    Raises:
        MidiError: There is no such file, or it is not a MIDI file that can be read.
    """
    if isinstance(source, Score):
        return source
    if isinstance(source, str | Path):
        return _read_bytes(read_bytes(source), str(source))
    if isinstance(source, bytes):
        return _read_bytes(source, "the given bytes")
    kind = type(source).__module__.partition(".")[0]
    convert = {"mido": from_mido, "pretty_midi": from_pretty_midi, "symusic": from_symusic}.get(kind)
    if convert is None:
        raise MidiError(
            "expected a path, bytes, Score, mido.MidiFile, PrettyMIDI or symusic score. "
            f"Received: {type(source).__module__}.{type(source).__qualname__}."
        )
    return convert(source)


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file that should be MIDI.

    Raises:
        MidiError: It cannot be opened, is empty, or does not begin like a MIDI file.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise MidiError(f"cannot read {path}: {error.strerror or error}.") from error
    check_header(data, str(path))
    return data


def check_header(data: bytes, name: str) -> None:
    """Refuse what no reader here can take, before a C++ parser sees it.

    Raises:
        MidiError: Not a standard MIDI file of type 0 or 1 with metrical time.
    """
    if len(data) < 14 or data[:4] != b"MThd":
        what = "is empty" if not data else f"begins with {data[:4]!r}"
        raise MidiError(f"{name} {what}; a MIDI file begins with b'MThd' and 10 more bytes. Export it as MIDI again.")
    kind, division = int.from_bytes(data[8:10], "big"), int.from_bytes(data[12:14], "big")
    if kind not in (0, 1):
        raise MidiError(f"{name} is a MIDI file of type {kind}; types 0 and 1 are supported. Export it as type 1.")
    if division & 0x8000:
        raise MidiError(f"{name} counts time in SMPTE frames, not beats. Export it with ticks per quarter note.")
    if division == 0:
        raise MidiError(f"{name} has 0 ticks per quarter note at byte 12; expected 1 to 32767. Export it again.")


def _read_bytes(data: bytes, name: str) -> Score:
    import symusic

    check_header(data, name)
    try:
        return from_symusic(symusic.Score.from_midi(data))
    except MidiError as error:
        raise MidiError(f"{name}: {error}") from error
    except Exception as error:  # symusic raises RuntimeError, ValueError and others of its own
        raise MidiError(f"{name} is not a readable MIDI file: {error}. Export it again.") from error


def from_symusic(score: Any) -> Score:
    """Return the music of a `symusic` score in ticks (`symusic.core.ScoreTick`)."""
    tracks, notes, pedals = [], [], []
    for index, track in enumerate(score.tracks):
        tracks.append(Track(track.name, track.program, track.is_drum))
        n, p = track.notes.numpy(), track.pedals.numpy()
        notes.append(
            columns(NOTE, onset=n["time"], duration=n["duration"], pitch=n["pitch"],
                    velocity=n["velocity"], track=np.full(len(n["time"]), index))
        )  # fmt: skip
        pedals.append(columns(PEDAL, onset=p["time"], duration=p["duration"], track=np.full(len(p["time"]), index)))
    tempo, meter, key = (x.numpy() for x in (score.tempos, score.time_signatures, score.key_signatures))
    every_note = np.concatenate(notes) if notes else table(NOTE)
    return Score(
        # Notes of no length come from files with an off at the tick of its on: nothing sounds.
        notes=every_note[every_note["duration"] > 0],
        tracks=tuple(tracks),
        ticks_per_quarter=score.ticks_per_quarter,
        tempos=columns(TEMPO, tick=tempo["time"], microseconds=tempo["mspq"]),
        meters=columns(METER, tick=meter["time"], numerator=meter["numerator"], denominator=meter["denominator"]),
        keys=columns(KEY, tick=key["time"], fifths=key["key"], minor=key["tonality"] > 0),
        pedals=np.concatenate(pedals) if pedals else table(PEDAL),
    )


def load_mido(source: str | Path | bytes) -> mido.MidiFile:
    """Return a file as `mido` sees it, every event kept.

    Raises:
        MidiError: It cannot be read.
    """
    import mido

    data, name = (source, "the given bytes") if isinstance(source, bytes) else (read_bytes(source), str(source))
    check_header(data, name)
    try:
        return mido.MidiFile(file=io.BytesIO(data), clip=True)
    except Exception as error:  # mido raises EOFError, OSError, ValueError, KeyError, IndexError
        detail = str(error) or "the file ends in the middle of an event"
        raise MidiError(f"{name} is not a readable MIDI file: {detail}. Export it again.") from error


def from_mido(midi: mido.MidiFile) -> Score:
    """Return the music of a `mido.MidiFile`, with each track's chunk and channel.

    Notes are grouped into tracks by chunk, channel and the program in force, as symusic does.
    A note that is never released ends where its chunk ends.
    """
    reader = _MidoReader(midi.charset)
    for chunk, events in enumerate(midi.tracks):
        reader.read_chunk(chunk, events)
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
        # (channel, pitch) → (onset, velocity, track) of each note that waits for its end, oldest first
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
        if event.type == "set_tempo" and event.tempo > 0:
            self.tempos.append((tick, event.tempo))
        elif event.type == "time_signature" and event.numerator > 0:
            self.meters.append((tick, event.numerator, event.denominator))
        elif event.type == "key_signature":
            self.keys.append((tick, *KEY_NUMBERS[event.key]))

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


def from_pretty_midi(midi: pretty_midi.PrettyMIDI) -> Score:
    """Return the music of a `PrettyMIDI`, its seconds turned into ticks by its own tempo map."""
    notes, pedals = [], []
    for index, instrument in enumerate(midi.instruments):
        for note in instrument.notes:
            start, end = midi.time_to_tick(note.start), midi.time_to_tick(note.end)
            if end > start and note.velocity > 0:
                notes.append((start, end - start, note.pitch, note.velocity, index))
        down: int | None = None
        for change in sorted(instrument.control_changes, key=lambda c: float(c.time)):
            if change.number != SUSTAIN:
                continue
            tick = midi.time_to_tick(change.time)
            if change.value >= 64:
                down = tick if down is None else down
            elif down is not None:
                pedals.append((down, tick - down, index))
                down = None
    times, bpm = midi.get_tempo_changes()
    return Score(
        notes=table(NOTE, notes),
        tracks=tuple(Track(i.name, i.program, i.is_drum) for i in midi.instruments),
        ticks_per_quarter=midi.resolution,
        tempos=table(TEMPO, [(midi.time_to_tick(t), round(6e7 / b)) for t, b in zip(times, bpm, strict=True)]),
        meters=table(
            METER,
            [(midi.time_to_tick(m.time), m.numerator, m.denominator) for m in midi.time_signature_changes],
        ),
        keys=table(
            KEY,
            [(midi.time_to_tick(k.time), *_fifths(k.key_number)) for k in midi.key_signature_changes],
        ),
        pedals=table(PEDAL, pedals),
    )


def _fifths(key_number: int) -> tuple[int, bool]:
    """Return (fifths, minor) of pretty_midi's key number: 0–11 major from C, 12–23 minor."""
    minor = key_number >= 12
    relative_major = (key_number + 3) % 12 if minor else key_number
    return (relative_major * 7 + 5) % 12 - 5, minor
