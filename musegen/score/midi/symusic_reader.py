"""Convert what `symusic` reads to `Score`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import KEY, METER, NOTE, PEDAL, TEMPO, Table, Track, columns, table
from musegen.score.general_midi import MAX_TRACKS
from musegen.score.midi import structs
from musegen.score.midi.parsing import Parsed, Part
from musegen.score.score import Score

if TYPE_CHECKING:
    import symusic

__all__ = ["from_parsed", "from_symusic", "to_parsed"]


def from_symusic(score: symusic.core.ScoreTick) -> Score:
    """Return the music of a `symusic` score.

    It ends with the last note, control change or bend of the tracks that have notes.

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
    # symusic makes a track of the lyrics of a chunk, without notes.
    parts = [track for track in in_ticks.tracks if len(track.notes) or not len(track.lyrics)]
    for index, track in enumerate(parts):
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
    return Score(
        notes=_sounding(NOTE, notes),
        tracks=tuple(tracks),
        ticks_per_quarter=in_ticks.ticks_per_quarter,
        **_marks(
            in_ticks.tempos.numpy(),
            in_ticks.time_signatures.numpy(),
            in_ticks.key_signatures.numpy(),
        ),
        pedals=_sounding(PEDAL, pedals),
        end=_end(in_ticks),
    )


def _marks(tempos: Any, meters: Any, keys: Any) -> dict[str, Table]:
    """Return the tables of a score from symusic's columns of tempos, meters and keys."""
    return {
        "tempos": columns(TEMPO, tick=tempos["time"], microseconds=tempos["mspq"]),
        "meters": columns(
            METER,
            tick=meters["time"],
            numerator=meters["numerator"],
            denominator=meters["denominator"],
        ),
        "keys": columns(KEY, tick=keys["time"], fifths=keys["key"], minor=keys["tonality"] > 0),
    }


def _end(score: Any) -> int:
    """Return the tick where the music ends."""
    playing = [track for track in score.tracks if track.notes]
    if not playing:
        return int(score.end())
    notes = [track.notes.numpy() for track in playing]
    events = [rows.numpy()["time"] for t in playing for rows in (t.controls, t.pitch_bends)]
    return int(
        np.concatenate([*(rows["time"] + rows["duration"] for rows in notes), *events]).max()
    )


def _sounding(dtype: np.dtype[np.void], parts: list[Table]) -> Table:
    """Return the rows of all tracks, without those of length 0, which have no sound.

    They come from files with a note-off at the tick of its note-on.
    """
    rows = np.concatenate(parts) if parts else table(dtype)
    return rows[rows["duration"] > 0]


def from_parsed(parsed: Parsed) -> Score:
    """Return the music of a parsed file."""
    count = np.arange(len(parsed.tracks))
    rows, held, tempo, meter, key = (
        np.frombuffer(getattr(parsed, name), dtype)
        for name, dtype in (
            ("notes", structs.NOTE),
            ("pedals", structs.PEDAL),
            ("tempos", structs.TEMPO),
            ("meters", structs.METER),
            ("keys", structs.KEY),
        )
    )
    return Score(
        notes=columns(
            NOTE,
            onset=rows["time"],
            duration=rows["duration"],
            pitch=rows["pitch"],
            velocity=rows["velocity"],
            track=count.repeat(parsed.counts),
        ),
        tracks=tuple(Track(*part) for part in parsed.tracks),
        ticks_per_quarter=parsed.ticks_per_quarter,
        **_marks(tempo, meter, key),
        pedals=columns(
            PEDAL,
            onset=held["time"],
            duration=held["duration"],
            track=count.repeat(parsed.pedal_counts),
        ),
        end=parsed.end,
    )


def to_parsed(score: Score) -> Parsed:
    """Return a score in the form of a parsed file, so that both can be encoded together.

    >>> from_parsed(to_parsed(Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()])))
    Score(1 notes, 1 tracks, 480 ticks at 480 per quarter)
    """
    count = len(score.tracks)
    notes = score.notes[score.notes["track"].argsort(kind="stable")]
    pedals = score.pedals[score.pedals["track"].argsort(kind="stable")]
    tempos, meters, keys = score.tempos, score.meters, score.keys

    def block(dtype: np.dtype[np.void], **fields: Any) -> bytes:
        return columns(dtype, **fields).tobytes()

    return Parsed(
        score.ticks_per_quarter,
        score.end,
        [Part(t.name, t.program, t.is_drum, t.channel, t.chunk) for t in score.tracks],
        np.bincount(notes["track"], minlength=count).tolist(),
        block(
            structs.NOTE,
            time=notes["onset"],
            duration=notes["duration"],
            pitch=notes["pitch"],
            velocity=notes["velocity"],
        ),
        np.bincount(pedals["track"], minlength=count).tolist(),
        block(structs.PEDAL, time=pedals["onset"], duration=pedals["duration"]),
        block(structs.TEMPO, time=tempos["tick"], mspq=tempos["microseconds"]),
        block(
            structs.METER,
            time=meters["tick"],
            numerator=meters["numerator"],
            denominator=meters["denominator"],
        ),
        block(structs.KEY, time=keys["tick"], key=keys["fifths"], tonality=keys["minor"]),
    )
