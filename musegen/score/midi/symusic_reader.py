"""Convert `symusic` objects to `Score`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import KEY, METER, NOTE, PEDAL, TEMPO, Table, Track, columns, table
from musegen.score.general_midi import MAX_TRACKS
from musegen.score.score import Score

if TYPE_CHECKING:
    import symusic

__all__ = ["from_symusic"]


def from_symusic(score: symusic.core.ScoreTick) -> Score:
    """Return the music of a `symusic` score.

    >>> from_symusic(Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()]).to_symusic())
    Score(1 notes, 1 tracks, 480 ticks at 480 per quarter)

    Args:
        score: In ticks; in quarters or seconds it is converted to ticks by symusic.

    Raises:
        MidiError: It is not a score, a value is out of range, or there are more than 65,535 tracks.
    """
    kind = type(score).__name__
    if not kind.startswith("Score"):
        raise MidiError(
            f"expected a symusic score. Received: {kind}. Put tracks into a symusic.Score."
        )
    # Its types change with the unit of time.
    in_ticks: Any = score if kind == "ScoreTick" else score.to("tick")
    count = len(in_ticks.tracks)
    if count > MAX_TRACKS:
        raise MidiError(
            f"at most {MAX_TRACKS:,} tracks were expected. Received: {count:,}. Merge some."
        )

    tracks: list[Track] = []
    notes: list[Table] = []
    pedals: list[Table] = []
    for index, track in enumerate(in_ticks.tracks):
        tracks.append(Track(track.name, track.program, track.is_drum))
        rows, held = track.notes.numpy(), track.pedals.numpy()
        notes.append(
            columns(
                NOTE,
                onset=rows["time"],
                duration=rows["duration"],
                pitch=rows["pitch"],
                velocity=rows["velocity"],
                track=index,
            )
        )
        pedals.append(columns(PEDAL, onset=held["time"], duration=held["duration"], track=index))
    tempo = in_ticks.tempos.numpy()
    meter = in_ticks.time_signatures.numpy()
    key = in_ticks.key_signatures.numpy()
    return Score(
        notes=_sounding(NOTE, notes),
        tracks=tuple(tracks),
        ticks_per_quarter=in_ticks.ticks_per_quarter,
        tempos=columns(TEMPO, tick=tempo["time"], microseconds=tempo["mspq"]),
        meters=columns(
            METER,
            tick=meter["time"],
            numerator=meter["numerator"],
            denominator=meter["denominator"],
        ),
        keys=columns(KEY, tick=key["time"], fifths=key["key"], minor=key["tonality"] > 0),
        pedals=_sounding(PEDAL, pedals),
    )


def _sounding(dtype: np.dtype[np.void], parts: list[Table]) -> Table:
    """Return the rows of all tracks, without those of length 0, which have no sound.

    They come from files with a note-off at the tick of its note-on.
    """
    rows = np.concatenate(parts) if parts else table(dtype)
    return rows[rows["duration"] > 0]
