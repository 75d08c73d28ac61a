"""Convert `pretty_midi` objects to `Score`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from musegen.errors import MidiError
from musegen.score.columns import KEY, METER, NOTE, PEDAL, TEMPO, Track, table
from musegen.score.general_midi import SUSTAIN
from musegen.score.score import Score

if TYPE_CHECKING:
    import pretty_midi

__all__ = ["from_pretty_midi"]


def from_pretty_midi(midi: pretty_midi.PrettyMIDI) -> Score:
    """Return the music of a `PrettyMIDI`; its own tempo map converts seconds to ticks.

    It ends with the last note, control change or bend of the instruments that have notes.

    >>> from_pretty_midi(Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()]).to_pretty_midi())
    Score(1 notes, 1 tracks, 480 ticks at 480 per quarter)

    Raises:
        MidiError: It is not a `PrettyMIDI`.
    """
    if not hasattr(midi, "instruments") or not hasattr(midi, "time_to_tick"):
        raise MidiError(
            f"expected a pretty_midi.PrettyMIDI. Received: {type(midi).__name__}. Put an "
            "Instrument in one: midi = pretty_midi.PrettyMIDI(); "
            "midi.instruments.append(instrument)."
        )
    tick = midi.time_to_tick
    notes = []
    pedals = []
    for index, instrument in enumerate(midi.instruments):
        for note in instrument.notes:
            start, end = tick(note.start), tick(note.end)
            if end > start and note.velocity > 0:
                notes.append((start, end - start, note.pitch, note.velocity, index))
        pedals += [(*pedal, index) for pedal in _pedals(midi, instrument)]
    times, tempos = midi.get_tempo_changes()
    meters = midi.time_signature_changes
    keys = midi.key_signature_changes
    return Score(
        notes=table(NOTE, notes),
        tracks=tuple(Track(i.name, i.program, i.is_drum) for i in midi.instruments),
        ticks_per_quarter=midi.resolution,
        tempos=table(
            TEMPO, [(tick(t), round(6e7 / bpm)) for t, bpm in zip(times, tempos, strict=True)]
        ),
        meters=table(METER, [(tick(m.time), m.numerator, m.denominator) for m in meters]),
        keys=table(KEY, [(tick(k.time), *_fifths(k.key_number)) for k in keys]),
        pedals=table(PEDAL, pedals),
        end=tick(_end(midi)),
    )


def _end(midi: pretty_midi.PrettyMIDI) -> float:
    """Return when the music ends, in seconds."""
    playing = [instrument for instrument in midi.instruments if instrument.notes]
    if not playing:
        return float(midi.get_end_time())
    events = (e.time for i in playing for e in (*i.control_changes, *i.pitch_bends))
    return max(*(note.end for i in playing for note in i.notes), *events, 0.0)


def _pedals(
    midi: pretty_midi.PrettyMIDI, instrument: pretty_midi.Instrument
) -> Iterator[tuple[int, int]]:
    """Yield the onset and duration in ticks of each time that the sustain pedal is down."""
    down: int | None = None
    for change in sorted(instrument.control_changes, key=lambda c: float(c.time)):
        if change.number != SUSTAIN:
            continue
        now = midi.time_to_tick(change.time)
        if change.value >= 64:
            down = now if down is None else down
        elif down is not None:
            if now > down:
                yield down, now - down
            down = None


def _fifths(key_number: int) -> tuple[int, bool]:
    """Return (fifths, minor) of pretty_midi's key number: 0–11 major from C, 12–23 minor from C."""
    minor = key_number >= 12
    relative_major = (key_number + 3) % 12 if minor else key_number
    return (relative_major * 7 + 5) % 12 - 5, minor
