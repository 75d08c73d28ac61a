"""Convert a `Score` to objects of pretty_midi and symusic."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.score.columns import Table
from musegen.score.export.midi import to_mido

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

    >>> from musegen import Score, Track
    >>> score = Score(notes=[(0, 480, 69, 80, 0)], tracks=[Track("Flute", 73)])
    >>> to_pretty_midi(score).instruments[0].notes
    [Note(start=0.000000, end=0.500000, pitch=69, velocity=80)]
    """
    import pretty_midi

    return pretty_midi.PrettyMIDI(io.BytesIO(midi_bytes(score)))


def to_symusic(score: Score) -> symusic.core.ScoreTick:
    """Return `score` as a `symusic` score in ticks.

    A rest at the end is lost: a `symusic` score has no length of its own.

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
