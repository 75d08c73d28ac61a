"""Convert parsed files to columns, without building a `Score` for each.

symusic parses a file into lists of C++ structs. Its public `numpy()` copies each field of each list
into an array of its own, which takes 40 ns per note, half as long as parsing itself. Pickling a
list (`__getstate__`) instead returns the structs as they are in memory, as one block of bytes. The
blocks of all lists are joined, and NumPy reads the fields from there: 10 ns per note.

This layout is not documented, so `_layout_is_known` first checks it on small lists. With a version
of symusic that pickles in another way, `numpy()` is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from musegen.encoding.bundle import Bundle, Meters, Notes, Pedals, Tempos, Tracks, take
from musegen.utils.arrays import Ints

__all__ = ["gather"]


def _struct(itemsize: int, **fields: str) -> np.dtype[np.void]:
    """Return the type of a C++ struct: its fields, then padding up to `itemsize` bytes."""
    return np.dtype({"names": list(fields), "formats": list(fields.values()), "itemsize": itemsize})


# The elements of symusic's lists.
_NOTE = _struct(12, time="<i4", duration="<i4", pitch="i1", velocity="i1")
_PEDAL = _struct(8, time="<i4", duration="<i4")
_TEMPO = _struct(8, time="<i4", mspq="<i4")
_METER = _struct(8, time="<i4", numerator="u1", denominator="u1")

_COUNT_BYTES = 4  # a pickled list begins with its length


def gather(scores: Sequence[Any]) -> Bundle:
    """Return the bundle of `symusic` scores in ticks (`symusic.core.ScoreTick`)."""
    tracks: list[tuple[int, int, int, bool]] = []
    notes: list[Any] = []
    pedals: list[Any] = []
    for piece, score in enumerate(scores):
        for number, track in enumerate(score.tracks):
            tracks.append((piece, number, track.program, track.is_drum))
            notes.append(track.notes)
            pedals.append(track.pedals)
    tempos = [score.tempos for score in scores]
    meters = [score.time_signatures for score in scores]

    pieces, track_rows = np.arange(len(scores)), np.arange(len(tracks))
    piece_of_track, numbers, programs, drums = np.array(tracks, np.int64).reshape(-1, 4).T
    counts, (onset, duration, pitch, velocity) = _columns(notes, _NOTE)
    rows = Notes(
        piece_of_track.repeat(counts), onset, duration, pitch, velocity, track_rows.repeat(counts)
    )
    # A note-off at the tick of its note-on leaves a note without a length, which is silent.
    if len(duration) and duration.min() <= 0:
        rows = take(rows, duration > 0)
        counts = np.bincount(rows.track, minlength=len(tracks))
    pedal_counts, (pedal_onset, pedal_duration) = _columns(pedals, _PEDAL)
    tempo_counts, tempo_fields = _columns(tempos, _TEMPO)
    meter_counts, meter_fields = _columns(meters, _METER)
    return Bundle(
        ticks_per_quarter=np.array([score.ticks_per_quarter for score in scores], np.int64),
        end=_ends(rows, counts, piece_of_track, len(scores)),
        notes=rows,
        tracks=Tracks(piece_of_track, numbers, programs, drums > 0),
        tempos=Tempos(pieces.repeat(tempo_counts), *tempo_fields),
        meters=Meters(pieces.repeat(meter_counts), *meter_fields),
        pedals=Pedals(pedal_onset, pedal_duration, track_rows.repeat(pedal_counts)),
    )


def _ends(notes: Notes, counts: Ints, piece_of_track: Ints, pieces: int) -> Ints:
    """Return the tick of each piece's last note-off, `int64[pieces]`; 0 without notes."""
    end = np.zeros(pieces, np.int64)
    played = counts > 0
    begins = (counts.cumsum() - counts)[played]
    if len(begins):
        last = np.maximum.reduceat(notes.onset + notes.duration, begins)
        np.maximum.at(end, piece_of_track[played], last)
    return end


def _columns(lists: list[Any], dtype: np.dtype[np.void]) -> tuple[Ints, list[Ints]]:
    """Return the lengths of symusic lists, and the fields of their elements end to end."""
    fields = dtype.names or ()
    if _layout_is_known():
        states = [one.__getstate__() for one in lists]
        counts = [(len(state) - _COUNT_BYTES) // dtype.itemsize for state in states]
        if not any(counts):
            return np.zeros(len(lists), np.int64), [np.zeros(0, np.int64) for _ in fields]
        table = np.frombuffer(b"".join([state[_COUNT_BYTES:] for state in states]), dtype)
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


@cache
def _layout_is_known() -> bool:
    """Return whether symusic pickles a list as its length and then its elements as in memory."""
    import symusic

    track: Any = symusic.Track()
    score: Any = symusic.Score(480)
    notes, pedals = track.notes, track.pedals
    tempos, meters = score.tempos, score.time_signatures
    notes.append(symusic.Note(1, 0x01020304, 127, 2))
    notes.append(symusic.Note(-1, 3, 4, 5))
    pedals.append(symusic.Pedal(6, 7))
    tempos.append(symusic.Tempo(8, mspq=400_000))
    meters.append(symusic.TimeSignature(9, 3, 4))
    samples = ((notes, _NOTE), (pedals, _PEDAL), (tempos, _TEMPO), (meters, _METER))
    return all(_matches(rows, dtype) for rows, dtype in samples)


def _matches(rows: Any, dtype: np.dtype[np.void]) -> bool:
    """Return whether the pickle of a list, read as `dtype`, holds the fields of the list."""
    state = rows.__getstate__()
    if len(state) != _COUNT_BYTES + len(rows) * dtype.itemsize:
        return False
    table = np.frombuffer(state[_COUNT_BYTES:], dtype)
    return all(np.array_equal(table[field], values) for field, values in rows.numpy().items())
