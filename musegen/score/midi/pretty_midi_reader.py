"""`pretty_midi` objects to `Score`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musegen.errors import MidiError
from musegen.score.columns import KEY, METER, NOTE, PEDAL, TEMPO, Track, table
from musegen.score.general_midi import SUSTAIN
from musegen.score.score import Score

if TYPE_CHECKING:
    import pretty_midi

__all__ = ["from_pretty_midi"]


def from_pretty_midi(midi: pretty_midi.PrettyMIDI) -> Score:
    """Return the music of a `PrettyMIDI`, its seconds turned into ticks by its own tempo map.

    Raises:
        MidiError: It is not a `PrettyMIDI`.
    """
    if not hasattr(midi, "instruments") or not hasattr(midi, "time_to_tick"):
        raise MidiError(
            f"expected a pretty_midi.PrettyMIDI. Received: {type(midi).__name__}. "
            "Put an Instrument in one: midi = pretty_midi.PrettyMIDI(); midi.instruments.append(instrument)."
        )
    return _converted(midi)


def _converted(midi: pretty_midi.PrettyMIDI) -> Score:
    """Return the music of what is a `PrettyMIDI`."""
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
                if tick > down:
                    pedals.append((down, tick - down, index))
                down = None
    times, bpm = midi.get_tempo_changes()
    return Score(
        notes=table(NOTE, notes),
        tracks=tuple(Track(i.name, i.program, i.is_drum) for i in midi.instruments),
        ticks_per_quarter=midi.resolution,
        tempos=table(
            TEMPO, [(midi.time_to_tick(t), round(6e7 / b)) for t, b in zip(times, bpm, strict=True)]
        ),
        meters=table(
            METER,
            [
                (midi.time_to_tick(m.time), m.numerator, m.denominator)
                for m in midi.time_signature_changes
            ],
        ),
        keys=table(
            KEY,
            [
                (midi.time_to_tick(k.time), *_fifths(k.key_number))
                for k in midi.key_signature_changes
            ],
        ),
        pedals=table(PEDAL, pedals),
    )


def _fifths(key_number: int) -> tuple[int, bool]:
    """Return (fifths, minor) of pretty_midi's key number: 0–11 major from C, 12–23 minor."""
    minor = key_number >= 12
    relative_major = (key_number + 3) % 12 if minor else key_number
    return (relative_major * 7 + 5) % 12 - 5, minor
