"""Files to columns, without a `Score` for each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from musegen.encoding.bundle import Bundle, Column, Meters, Notes, Pedals, Tempos, Tracks, take

__all__ = ["gather"]

# What symusic's lists hold, by the type of their elements: fields in memory, with their padding.
_NOTE = np.dtype(
    {
        "names": ["time", "duration", "pitch", "velocity"],
        "formats": ["<i4", "<i4", "i1", "i1"],
        "itemsize": 12,
    }
)
_PEDAL = np.dtype([("time", "<i4"), ("duration", "<i4")])
_TEMPO = np.dtype([("time", "<i4"), ("mspq", "<i4")])
_METER = np.dtype(
    {"names": ["time", "numerator", "denominator"], "formats": ["<i4", "u1", "u1"], "itemsize": 8}
)


def gather(scores: Sequence[Any]) -> Bundle:
    """Return the bundle of some `symusic` scores in ticks (`symusic.core.ScoreTick`)."""
    tracks, notes, pedals, tempos, meters = [], [], [], [], []
    for piece, score in enumerate(scores):
        for number, track in enumerate(score.tracks):
            tracks.append((piece, number, track.program, track.is_drum))
            notes.append(track.notes)
            pedals.append(track.pedals)
        tempos.append(score.tempos)
        meters.append(score.time_signatures)

    of, numbers, programs, drums = np.array(tracks, np.int64).reshape(-1, 4).T
    counts, (onset, duration, pitch, velocity) = _columns(notes, _NOTE)
    rows = Notes(
        of.repeat(counts), onset, duration, pitch, velocity, np.arange(len(tracks)).repeat(counts)
    )
    if (
        len(duration) and duration.min() <= 0
    ):  # from files with an off at the tick of its on: nothing sounds
        rows = take(rows, duration > 0)
        counts = np.bincount(rows.track, minlength=len(tracks))
    pedals_of, pedal_rows = _columns(pedals, _PEDAL)
    tempos_of, tempo_rows = _columns(tempos, _TEMPO)
    meters_of, meter_rows = _columns(meters, _METER)
    pieces = np.arange(len(scores))
    return Bundle(
        ticks_per_quarter=np.array([score.ticks_per_quarter for score in scores], np.int64),
        end=_ends(rows, counts, of, len(scores)),
        notes=rows,
        tracks=Tracks(of, numbers, programs, drums > 0),
        tempos=Tempos(pieces.repeat(tempos_of), *tempo_rows),
        meters=Meters(pieces.repeat(meters_of), *meter_rows),
        pedals=Pedals(pedal_rows[0], pedal_rows[1], np.arange(len(tracks)).repeat(pedals_of)),
    )


def _ends(notes: Notes, counts: Column, piece_of_track: Column, pieces: int) -> Column:
    """Return the tick of each piece's last note-off."""
    end = np.zeros(pieces, np.int64)
    played = counts > 0
    begins = (counts.cumsum() - counts)[played]
    if len(begins):
        np.maximum.at(
            end, piece_of_track[played], np.maximum.reduceat(notes.onset + notes.duration, begins)
        )
    return end


def _columns(lists: list[Any], dtype: np.dtype[np.void]) -> tuple[Column, list[Column]]:
    """Return how many elements each of several symusic lists has, and the elements' fields, end to end."""
    fields = dtype.names or ()
    if _states_are_known():
        states = [one.__getstate__() for one in lists]
        counts = [
            len(state) // dtype.itemsize for state in states
        ]  # the count before them is shorter than one
        if not any(counts):
            return np.zeros(len(lists), np.int64), [np.zeros(0, np.int64) for _ in fields]
        table = np.frombuffer(b"".join([state[_COUNT:] for state in states]), dtype)
        values = [table[field].astype(np.int64) for field in fields]
    else:
        arrays = [one.numpy() for one in lists]
        counts = [len(one["time"]) for one in arrays]
        empty = np.zeros(0, np.int64)
        values = [
            np.concatenate([empty, *(one[field] for one in arrays)], dtype=np.int64)
            for field in fields
        ]
    return np.array(counts, np.int64), values


_COUNT = 4  # bytes that symusic puts before the elements of a pickled list


@cache
def _states_are_known() -> bool:
    """Say whether symusic pickles a list as its length and then its elements as they lie in memory.

    Read from there, a note takes a quarter of the time that symusic's `numpy()` needs (10 of 40 ns,
    where parsing takes 80). How a pickle looks is symusic's own affair, so it is tried out first.
    """
    import symusic

    track: Any = symusic.Track()
    score: Any = symusic.Score(480)
    notes, pedals, tempos, meters = track.notes, track.pedals, score.tempos, score.time_signatures
    notes.append(symusic.Note(1, 0x01020304, 127, 2))
    notes.append(symusic.Note(-1, 3, 4, 5))
    pedals.append(symusic.Pedal(6, 7))
    tempos.append(symusic.Tempo(8, mspq=400_000))
    meters.append(symusic.TimeSignature(9, 3, 4))
    return all(
        len(state := rows.__getstate__()) == _COUNT + len(rows) * dtype.itemsize
        and all(
            np.array_equal(np.frombuffer(state[_COUNT:], dtype)[field], values)
            for field, values in rows.numpy().items()
        )
        for rows, dtype in ((notes, _NOTE), (pedals, _PEDAL), (tempos, _TEMPO), (meters, _METER))
    )
