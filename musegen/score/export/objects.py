"""Convert a `Score` to objects of pretty_midi and symusic."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.score.columns import Table
from musegen.score.export.midi import to_mido
from musegen.score.general_midi import ALL_NOTES_OFF

if TYPE_CHECKING:
    import pretty_midi
    import symusic

    from musegen.score.score import Score

__all__ = ["midi_bytes", "to_pretty_midi", "to_symusic"]


def midi_bytes(score: Score) -> bytes:
    """Return the content of the MIDI file that `write` writes."""
    buffer = io.BytesIO()
    to_mido(score).save(file=buffer)
    return buffer.getvalue()


def to_pretty_midi(score: Score) -> pretty_midi.PrettyMIDI:
    """Return `score` as a `pretty_midi.PrettyMIDI`, which parses the file that `write` writes.

    It has no length of its own: a rest at the end is written as an All Notes Off, controller 123,
    on the first instrument with notes.

    >>> from musegen import Score, Track
    >>> score = Score(notes=[(0, 480, 69, 80, 0)], tracks=[Track("Flute", 73)])
    >>> to_pretty_midi(score).instruments[0].notes
    [Note(start=0.000000, end=0.500000, pitch=69, velocity=80)]
    """
    import pretty_midi

    out = pretty_midi.PrettyMIDI(io.BytesIO(midi_bytes(score)))
    playing = next((instrument for instrument in out.instruments if instrument.notes), None)
    if playing is not None and _ends_with_a_rest(score):
        end = out.tick_to_time(score.end * out.resolution // score.ticks_per_quarter)
        playing.control_changes.append(pretty_midi.ControlChange(ALL_NOTES_OFF, 0, end))
    return out


def _ends_with_a_rest(score: Score) -> bool:
    return score.end > int(score.offsets.max(initial=0))


def to_symusic(score: Score) -> symusic.core.ScoreTick:
    """Return `score` as a `symusic` score in ticks.

    It has no length of its own: a rest at the end is written as an All Notes Off, controller 123,
    on the first track with notes.

    >>> from musegen import Score, Track
    >>> score = Score(notes=[(0, 480, 69, 80, 0)], tracks=[Track("Flute", 73)])
    >>> to_symusic(score).tracks[0].notes[0].pitch
    69
    """
    import symusic

    out: Any = symusic.Score(score.ticks_per_quarter)
    for index, track in enumerate(score.tracks):
        part: Any = symusic.Track(track.name, track.program, track.is_drum)
        notes = score.notes[score.notes["track"] == index]
        part.notes = symusic.Note.from_numpy(
            _int32(notes, "onset"),
            _int32(notes, "duration"),
            notes["pitch"].astype(np.int8),
            notes["velocity"].astype(np.int8),
        )
        held = score.pedals[score.pedals["track"] == index]
        part.pedals = symusic.Pedal.from_numpy(_int32(held, "onset"), _int32(held, "duration"))
        out.tracks.append(part)
    if len(score.notes) and _ends_with_a_rest(score):
        playing = out.tracks[int(score.notes["track"].min())]
        playing.controls.append(symusic.ControlChange(score.end, ALL_NOTES_OFF, 0))
    out.tempos = [symusic.Tempo(tick, mspq=mspq) for tick, mspq in score.tempos.tolist()]
    out.time_signatures = [symusic.TimeSignature(*row) for row in score.meters.tolist()]
    out.key_signatures = [
        symusic.KeySignature(tick, fifths, int(minor))
        for tick, fifths, minor in score.keys.tolist()
    ]
    return out


def _int32(rows: Table, column: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Return a column as a contiguous array, which symusic reads as raw memory."""
    return np.ascontiguousarray(rows[column], np.int32)
