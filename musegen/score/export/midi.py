"""Write a `Score` as a MIDI file or a `mido.MidiFile`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from musegen.score.columns import Table, Track
from musegen.score.general_midi import DRUM_CHANNEL, KEY_NAMES, MELODIC_CHANNELS, SUSTAIN
from musegen.utils.files import atomic_path, refuse_to_overwrite

if TYPE_CHECKING:
    import mido

    from musegen.score.score import Score

__all__ = [
    "Timed",
    "note_events",
    "pedal_events",
    "retimed",
    "save",
    "to_mido",
    "track_chunk",
    "write",
]

MAX_PORTS = 256
FINE_TICKS = 480  # the fewest ticks per quarter in a file: some programs misread coarser grids

Timed: TypeAlias = tuple[int, Any]
"""A tick, and the mido message at it."""


def write(score: Score, path: str | Path, *, force: bool = False) -> None:
    """Write `score` as a MIDI file of type 1.

    The ticks per quarter are multiplied up to at least 480, which changes no timing.

    >>> from tempfile import TemporaryDirectory
    >>> from musegen import Score
    >>> with TemporaryDirectory() as folder:
    ...     write(Score(end=480), f"{folder}/rest.mid")

    Args:
        score: The music.
        path: Where to write. Missing folders are created.
        force: Whether an existing file may be replaced.

    Raises:
        MusegenError: `path` exists and `force` is false, or it cannot be written.
    """
    save(to_mido(score), Path(path), force=force)


def save(midi: mido.MidiFile, path: Path, *, force: bool = False) -> None:
    """Write a `mido.MidiFile` completely or not at all.

    >>> from tempfile import TemporaryDirectory
    >>> from musegen import Score
    >>> with TemporaryDirectory() as folder:
    ...     save(Score(end=480).to_mido(), Path(folder, "rest.mid"))

    Raises:
        MusegenError: `path` exists and `force` is false, or it cannot be written.
    """
    refuse_to_overwrite(path, force)
    with atomic_path(path) as temporary:
        midi.save(temporary)


def to_mido(score: Score) -> mido.MidiFile:
    """Return `score` as a `mido.MidiFile` of type 1: a conductor chunk, then a chunk per track.

    >>> from musegen import Score, Track
    >>> midi = to_mido(Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Flute", 73)]))
    >>> [message.type for message in midi.tracks[1]]
    ['track_name', 'program_change', 'note_on', 'note_off', 'end_of_track']
    """
    import mido

    factor = -(-FINE_TICKS // score.ticks_per_quarter)  # rounded up
    out = mido.MidiFile(type=1, ticks_per_beat=score.ticks_per_quarter * factor, charset="utf-8")
    out.tracks.append(track_chunk(_conductor_events(score), score.end, factor))
    places = _places(score.tracks)
    several_ports = any(port for port, _ in places)
    for index, (port, channel) in enumerate(places):
        notes = score.notes[score.notes["track"] == index]
        pedals = score.pedals[score.pedals["track"] == index]
        track = score.tracks[index]
        events = [
            (0, mido.MetaMessage("track_name", name=track.name)),
            *([(0, mido.MetaMessage("midi_port", port=port))] if several_ports else []),
            (0, mido.Message("program_change", program=track.program, channel=channel)),
            *pedal_events(pedals, channel, score.end),
            *note_events(notes, channel),
        ]
        out.tracks.append(track_chunk(events, score.end, factor))
    return out


def _conductor_events(score: Score) -> list[Timed]:
    """Return the time signatures, key signatures and tempos, in this order."""
    from mido import MetaMessage

    meters = [
        (tick, MetaMessage("time_signature", numerator=numerator, denominator=denominator))
        for tick, numerator, denominator in score.meters.tolist()
    ]
    keys = [
        (tick, MetaMessage("key_signature", key=KEY_NAMES[fifths, minor]))
        for tick, fifths, minor in score.keys.tolist()
    ]
    tempos = [
        (tick, MetaMessage("set_tempo", tempo=microseconds))
        for tick, microseconds in score.tempos.tolist()
    ]
    return [*meters, *keys, *tempos]


def note_events(notes: Table, channel: int) -> list[Timed]:
    """Return a note-on and a note-off for each note of `NOTE[N]`, note-offs first within a tick."""
    from mido import Message

    ons, offs = [], []
    for onset, duration, pitch, velocity, _ in notes.tolist():
        ons.append((onset, Message("note_on", note=pitch, velocity=velocity, channel=channel)))
        offs.append(
            (onset + duration, Message("note_off", note=pitch, velocity=0, channel=channel))
        )
    return sorted([*offs, *ons], key=_tick)


def pedal_events(pedals: Table, channel: int, end: int) -> list[Timed]:
    """Return each press and release of the sustain pedal, of `PEDAL[N]`, up to `end`."""
    from mido import Message

    return [
        (tick, Message("control_change", control=SUSTAIN, value=value, channel=channel))
        for onset, duration, _ in pedals.tolist()
        if onset < end
        for tick, value in ((onset, 127), (min(onset + duration, end), 0))
    ]


def track_chunk(events: Sequence[Timed], end: int = 0, factor: int = 1) -> mido.MidiTrack:
    """Return a track chunk of events, sorted by tick; the sort is stable.

    Args:
        events: The messages; their own times are ignored.
        end: Tick of the end of track, unless the last event is later.
        factor: Ticks of the file in a tick of `events` and `end`.
    """
    import mido

    out = mido.MidiTrack()
    now = 0
    for tick, message in [*sorted(events, key=_tick), (end, mido.MetaMessage("end_of_track"))]:
        out.append(retimed(message, max(tick * factor - now, 0)))
        now = max(tick * factor, now)
    return out


def retimed(message: Any, time: int) -> Any:
    """Return a mido message with this delta time: itself if it has it, or else a copy.

    `message.copy(time=time)` would check all values again, which takes six times as long.
    """
    if message.time == time:
        return message
    out = message.copy()
    out.time = time
    return out


def _tick(event: Timed) -> int:
    return event[0]


def _places(tracks: tuple[Track, ...]) -> list[tuple[int, int]]:
    """Return a port and a channel for each track.

    A program and a pedal are of a channel. So tracks share one only if they did so in the file they
    come from, or play on one drum kit; further ports have channels for more than 15 instruments.
    """
    kinds = [(track.program, track.is_drum) for track in tracks]
    taken: dict[tuple[int, int], tuple[int, bool]] = {}
    out: dict[int, tuple[int, int]] = {}
    for index, track in enumerate(tracks):
        own = track.port, track.channel
        is_fit = track.channel >= 0 and (track.channel == DRUM_CHANNEL) == track.is_drum
        if is_fit and taken.setdefault(own, kinds[index]) == kinds[index]:
            out[index] = own
    kits = {kind: place for place, kind in taken.items() if kind[1]}
    port = {False: 0, True: 0}  # is_drum → first port that may have a free channel
    for index, kind in enumerate(kinds):
        if index in out:
            continue
        if kind in kits:
            out[index] = kits[kind]
            continue
        is_drum = kind[1]
        channels = (DRUM_CHANNEL,) if is_drum else MELODIC_CHANNELS
        while not (free := [c for c in channels if (port[is_drum], c) not in taken]):
            port[is_drum] += 1
        # Where ports are ignored, tracks on one channel had better have the same program.
        best = min(free, key=lambda channel: taken.get((0, channel), kind) != kind)
        out[index] = port[is_drum] % MAX_PORTS, best
        taken[port[is_drum], best] = kind
        if is_drum:
            kits[kind] = out[index]
    return [out[index] for index in range(len(tracks))]
