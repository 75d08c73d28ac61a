"""Read MIDI files through mido: keep every event and channel, a hundred times slower."""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import KEY, METER, NOTE, PEDAL, TEMPO, Track, columns, table
from musegen.score.general_midi import END_OF_TRACK, KEY_NUMBERS, MAX_TRACKS
from musegen.score.midi.channel_state import Place
from musegen.score.midi.container import check_size, layout_of, read_bytes
from musegen.score.midi.meta import (
    KEY_SIGNATURE,
    decoded_text,
    key_of,
    wrong_meter,
    wrong_tempo,
)
from musegen.score.midi.ordering import Moment, in_order
from musegen.score.midi.structure import restored, walk
from musegen.score.midi.tracker import Tracker, Voice
from musegen.score.score import Score

if TYPE_CHECKING:
    import mido

__all__ = ["from_mido", "load_mido", "part_channels"]

_MAX_BYTES = 4 * 2**20
_MAX_CHUNKS = 2**15 - 1  # mido takes their number for a signed one
_MAX_EVENTS = 500_000  # 5 s and 200 MB in mido; a symphony has a hundred thousand


def load_mido(source: str | Path | bytes) -> mido.MidiFile:
    """Return a file as a `mido.MidiFile` that keeps every event.

    It accepts the same files as `parse`, and repairs them in the same way.

    >>> from musegen.score.export.objects import midi_bytes
    >>> [len(track) for track in load_mido(midi_bytes(Score(end=480))).tracks]
    [1]

    Args:
        source: A path, or the bytes of a file.

    Raises:
        MidiError: It cannot be read; the message says where and why. Or it has more than 4 MiB or
            500,000 events.
    """
    import mido

    if isinstance(source, bytes):
        data, name = source, "the given bytes"
    else:
        data, name = read_bytes(source), str(source)
    check_size(len(data), name, _MAX_BYTES)
    layout = layout_of(data, name)
    if len(layout.chunks) > _MAX_CHUNKS:
        raise MidiError(
            f"{name} has {len(layout.chunks):,} track chunks; at most {_MAX_CHUNKS:,} were "
            "expected. Merge some."
        )
    chunks = [
        walk(data, start, end, number, name) for number, (start, end) in enumerate(layout.chunks, 1)
    ]
    if (count := sum(chunk.length for chunk in chunks)) > _MAX_EVENTS:
        raise MidiError(
            f"{name} has {count:,} events; at most {_MAX_EVENTS:,} were expected. Cut it into "
            "pieces, or remove tracks."
        )
    file = layout.file([chunk.events + END_OF_TRACK for chunk in chunks])
    try:
        midi = mido.MidiFile(file=io.BytesIO(file), clip=True)
    except Exception as error:  # mido raises EOFError, OSError, ValueError, KeyError, IndexError
        raise MidiError(f"{name} is not a readable MIDI file: {error}. Export it again.") from error
    midi.tracks = [
        restored(track, chunk.foreign) for track, chunk in zip(midi.tracks, chunks, strict=True)
    ]
    return midi


def from_mido(midi: mido.MidiFile) -> Score:
    """Return the music of a `mido.MidiFile`, with each track's chunk, port and channel.

    The notes of a chunk that sound on one channel with one program are a track. So are those of
    several channels of a chunk if they are one part: those of an MPE zone; and in a file of type 1,
    all notes of a chunk that has one program and a name (without a name, if other chunks have
    notes, too), such as a guitar with a channel for each string. `tracker` says what holds for a
    note.

    A sustain pedal is of every track that plays on its channel. The music ends with the last chunk
    that has notes, rests at its end included; the end of the others does not count.

    >>> midi = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Flute", 73)]).to_mido()
    >>> from_mido(midi).tracks
    (Track(name='Flute', program=73, is_drum=False, channel=0, chunk=1, port=0),)

    Raises:
        MidiError: It is not a `MidiFile`, a tempo or time signature is invalid, or the music is too
            long or has too many tracks.
    """
    if not hasattr(midi, "tracks") or not hasattr(midi, "ticks_per_beat"):
        raise MidiError(
            f"expected a mido.MidiFile. Received: {type(midi).__name__}. "
            "Put a MidiTrack in a file: mido.MidiFile(tracks=[track])."
        )
    tracker, marks = _followed(midi)
    voices, parts = _parts(tracker, marks.names, midi.type)
    if len(parts) > MAX_TRACKS:
        raise MidiError(
            f"at most {MAX_TRACKS:,} tracks were expected. Received: {len(parts):,}. Merge some."
        )
    _, onset, end, pitch, velocity, voice = np.array(tracker.notes, np.int32).reshape(-1, 6).T
    chunks = {part.track.chunk for part in parts}
    ends = [end for chunk, end in marks.ends.items() if chunk in chunks or not chunks]
    return Score(
        notes=columns(
            NOTE,
            onset=onset,
            duration=end - onset,
            pitch=pitch,
            velocity=velocity,
            track=np.array(voices, np.int32)[voice],
        ),
        tracks=tuple(part.track for part in parts),
        ticks_per_quarter=midi.ticks_per_beat,
        tempos=table(TEMPO, marks.tempos),
        meters=table(METER, marks.meters),
        keys=table(KEY, marks.keys),
        pedals=table(PEDAL, _pedals(tracker, parts)),
        end=max(ends, default=0),
    )


class _Marks:
    """Collects names and ends of chunks, tempos, meters and keys."""

    def __init__(self, charset: str) -> None:
        self._charset = charset
        self.names: dict[int, str] = {}  # chunk → its first name that is not empty
        self.ends: dict[int, int] = {}  # chunk → its last tick
        # Rows of the tables `TEMPO`, `METER` and `KEY`.
        self.tempos: list[tuple[int, int]] = []
        self.meters: list[tuple[int, int, int]] = []
        self.keys: list[tuple[int, int, bool]] = []

    def take(self, moment: Moment) -> None:
        """Take the next event of `in_order`."""
        tick, _, chunk, _, event = moment
        if event is None:
            self.ends[chunk] = tick
        elif event.is_meta:
            self._read(tick, chunk, event)

    def _read(self, tick: int, chunk: int, event: Any) -> None:
        problem = ""
        match event.type:
            case "track_name":
                self.names[chunk] = self.names.get(chunk) or decoded_text(event.name, self._charset)
            case "set_tempo":
                problem = wrong_tempo(event.tempo)
                self.tempos.append((tick, event.tempo))
            case "time_signature":
                problem = wrong_meter(event.numerator, event.denominator)
                self.meters.append((tick, event.numerator, event.denominator))
            case "key_signature":
                self.keys.append((tick, *KEY_NUMBERS[event.key]))
            case "unknown_meta" if event.type_byte == KEY_SIGNATURE:
                if key := key_of(bytes(event.data)):  # an unusual one, or one that means nothing
                    self.keys.append((tick, *key))
        if problem:
            raise MidiError(
                f"track {chunk + 1}, tick {tick:,}: {problem}. Set another value there."
            )


def part_channels(midi: mido.MidiFile) -> dict[tuple[int, int], set[int]]:
    """Return the channels on which the tracks of `from_mido` play, by their chunk and channel.

    >>> part_channels(Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()]).to_mido())
    {(1, 0): {0}}
    """
    tracker, marks = _followed(midi)
    out: dict[tuple[int, int], set[int]] = defaultdict(set)
    for part in _parts(tracker, marks.names, midi.type)[1]:
        out[part.track.chunk, part.track.channel] |= {place.channel for place in part.places}
    return dict(out)


def _followed(midi: mido.MidiFile) -> tuple[Tracker, _Marks]:
    """Take all events of a file."""
    tracker, marks = Tracker(), _Marks(midi.charset)
    for moment in in_order(midi):
        tracker.take(moment)
        marks.take(moment)
    return tracker, marks


class _Part(NamedTuple):
    """A track, the channels on which it plays, and those that govern them."""

    track: Track
    places: set[Place]
    homes: set[Place]


def _parts(tracker: Tracker, names: dict[int, str], kind: int) -> tuple[list[int], list[_Part]]:
    """Group the voices of a file into tracks.

    Returns:
        The track of each voice; and the tracks, in the order of chunks, then channels, then
        programs.
    """
    used = sorted({voice for *_, voice in tracker.notes}, key=tracker.voices.__getitem__)
    whole = _whole_chunks([tracker.voices[voice] for voice in used], names) if kind == 1 else set()

    def key(number: int) -> tuple[int, Place, int, bool]:
        chunk, _, home, program, is_drum = tracker.voices[number]
        return chunk, Place(0, 0) if chunk in whole else home, program, is_drum

    out = [0] * len(tracker.voices)
    parts: list[_Part] = []
    index: dict[Any, int] = {}
    lowest: dict[Any, Place] = {}  # the first channel of each part
    for number in sorted(used, key=key):
        chunk, place, home, program, is_drum = tracker.voices[number]
        port, channel = lowest.setdefault(key(number)[:2], place)
        if key(number) not in index:
            index[key(number)] = len(parts)
            track = Track(names.get(chunk, ""), program, is_drum, channel, chunk, port)
            parts.append(_Part(track, set(), set()))
        out[number] = index[key(number)]
        parts[out[number]].places.add(place)
        parts[out[number]].homes.add(home)
    return out, parts


def _whole_chunks(voices: list[Voice], names: dict[int, str]) -> set[int]:
    """Return the chunks of a file of type 1 that are one part, however many channels they use."""
    sounds: dict[int, set[tuple[int, int, bool]]] = defaultdict(set)
    for chunk, place, _, program, is_drum in voices:
        sounds[chunk].add((place.port, program, is_drum))
    return {
        chunk
        for chunk, each in sounds.items()
        if len(each) == 1 and (names.get(chunk) or len(sounds) > 1)
    }


def _pedals(tracker: Tracker, parts: list[_Part]) -> list[tuple[int, int, int]]:
    """Return rows of the table `PEDAL`: for each track those of its channels."""
    of_channel: dict[Place, list[tuple[int, int]]] = defaultdict(list)
    for place, start, end in tracker.pedals:
        of_channel[place].append((start, end - start))
    return [
        (*pedal, index)
        for index, part in enumerate(parts)
        for pedal in sorted({each for home in part.homes for each in of_channel[home]})
    ]
