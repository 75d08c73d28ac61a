"""`Score` to MIDI files and objects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from musegen.score.columns import Track
from musegen.score.general_midi import DRUM_CHANNEL, KEY_NAMES, SUSTAIN
from musegen.utils.files import atomic_path, refuse_to_overwrite

if TYPE_CHECKING:
    import mido

    from musegen.score.score import Score

__all__ = ["chunk", "note_events", "pedal_events", "save", "to_mido", "write"]

FINE_TICKS = 480  # files get at least this many ticks per quarter: some programs read fewer badly


def write(score: Score, path: str | Path, *, force: bool = False) -> None:
    """Write `score` as a type-1 MIDI file.

    The ticks per quarter are multiplied up to at least 480, which changes no timing.

    Raises:
        MusegenError: `path` exists and `force` is false, or it cannot be written.
    """
    save(to_mido(score), Path(path), force=force)


def save(midi: mido.MidiFile, path: Path, *, force: bool = False) -> None:
    """Write a `mido.MidiFile`, whole or not at all.

    Raises:
        MusegenError: `path` exists and `force` is false, or it cannot be written.
    """
    refuse_to_overwrite(path, force)
    with atomic_path(path) as temporary:
        midi.save(temporary)


def to_mido(score: Score) -> mido.MidiFile:
    """Return `score` as a type-1 `mido.MidiFile`: a conductor chunk, then a chunk per track."""
    import mido

    factor = -(-FINE_TICKS // score.ticks_per_quarter)
    out = mido.MidiFile(type=1, ticks_per_beat=score.ticks_per_quarter * factor, charset="utf-8")
    meta = mido.MetaMessage
    timed: list[tuple[int, Any]] = [
        *(
            (
                r["tick"],
                meta(
                    "time_signature",
                    numerator=int(r["numerator"]),
                    denominator=int(r["denominator"]),
                ),
            )
            for r in score.meters
        ),
        *(
            (r["tick"], meta("key_signature", key=KEY_NAMES[int(r["fifths"]), bool(r["minor"])]))
            for r in score.keys
        ),
        *((r["tick"], meta("set_tempo", tempo=int(r["microseconds"]))) for r in score.tempos),
    ]
    out.tracks.append(chunk(timed, factor, score.end))
    for index, (track, channel) in enumerate(
        zip(score.tracks, _channels(score.tracks), strict=True)
    ):
        start: list[tuple[int, Any]] = [
            (0, meta("track_name", name=track.name)),
            (0, mido.Message("program_change", program=track.program, channel=channel)),
        ]
        rows = score.notes[score.notes["track"] == index]
        held = score.pedals[score.pedals["track"] == index]
        out.tracks.append(
            chunk(
                [*start, *pedal_events(held, channel), *note_events(rows, channel)],
                factor,
                score.end,
            )
        )
    return out


def note_events(notes: Any, channel: int) -> list[tuple[int, mido.Message]]:
    """Return (tick, message) for the on and off of each note of `NOTE[N]`, offs first within a tick."""
    import mido

    events = []
    for onset, duration, pitch, velocity, _ in notes.tolist():
        on = mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)
        off = mido.Message("note_off", note=pitch, velocity=0, channel=channel)
        events += [(onset, 1, on), (onset + duration, 0, off)]
    return [(tick, message) for tick, _, message in sorted(events, key=lambda e: e[:2])]


def pedal_events(pedals: Any, channel: int) -> list[tuple[int, mido.Message]]:
    """Return (tick, message) for each press and release of the sustain pedal."""
    import mido

    return [
        (tick, mido.Message("control_change", control=SUSTAIN, value=value, channel=channel))
        for onset, duration, _ in pedals.tolist()
        for tick, value in ((onset, 127), (onset + duration, 0))
    ]


def chunk(events: list[tuple[int, Any]], factor: int, end: int) -> mido.MidiTrack:
    """Return the chunk of absolute-time events (stable within a tick), closed at `end`."""
    import mido

    out = mido.MidiTrack()
    now = 0
    for tick, message in [
        *sorted(events, key=lambda e: e[0]),
        (end, mido.MetaMessage("end_of_track")),
    ]:
        out.append(message.copy(time=max(int(tick) * factor - now, 0)))
        now = max(int(tick) * factor, now)
    return out


def _channels(tracks: tuple[Track, ...]) -> list[int]:
    """Return a MIDI channel per track: drums on 10, others their own or the next free one.

    With more than 15 pitched instruments channels repeat, those of one program first.
    """
    melodic = [c for c in range(16) if c != DRUM_CHANNEL]
    taken = {t.channel: t.program for t in tracks if t.channel >= 0 and not t.is_drum}
    out = []
    for index, track in enumerate(tracks):
        if track.is_drum:
            channel = DRUM_CHANNEL
        elif track.channel >= 0 and track.channel != DRUM_CHANNEL:
            channel = track.channel
        else:
            free = (c for c in melodic if c not in taken)
            alike = (c for c, program in taken.items() if program == track.program)
            channel = next(free, next(alike, melodic[index % len(melodic)]))
        taken[channel] = track.program
        out.append(channel)
    return out
