"""Convert parsed files to columns, without building a `Score` for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musegen.encoding.bundle import Bundle, Meters, Notes, Pedals, Tempos, Tracks
from musegen.score.midi import Parsed, structs
from musegen.utils.arrays import Ints

__all__ = ["gather"]


def gather(files: Sequence[Parsed]) -> Bundle:
    """Return the bundle of parsed files."""
    tracks = [
        (piece, number, track.program, track.is_drum)
        for piece, parsed in enumerate(files)
        for number, track in enumerate(parsed.tracks)
    ]
    piece, numbers, programs, drums = np.array(tracks, np.int64).reshape(-1, 4).T
    counts = np.array([count for parsed in files for count in parsed.counts], np.int64)
    pedal_counts = np.array([count for parsed in files for count in parsed.pedal_counts], np.int64)
    rows, pieces = np.arange(len(tracks)), np.arange(len(files))
    tempos = [parsed.tempos for parsed in files]
    meters = [parsed.meters for parsed in files]

    def of_piece(blocks: list[bytes], dtype: np.dtype[np.void]) -> Ints:
        return pieces.repeat([len(block) // dtype.itemsize for block in blocks])

    onset, duration, pitch, velocity = _columns([f.notes for f in files], structs.NOTE)
    down, held = _columns([f.pedals for f in files], structs.PEDAL)
    return Bundle(
        ticks_per_quarter=np.array([parsed.ticks_per_quarter for parsed in files], np.int64),
        end=np.array([parsed.end for parsed in files], np.int64),
        notes=Notes(piece.repeat(counts), onset, duration, pitch, velocity, rows.repeat(counts)),
        tracks=Tracks(piece, numbers, programs, drums > 0),
        tempos=Tempos(of_piece(tempos, structs.TEMPO), *_columns(tempos, structs.TEMPO)),
        meters=Meters(of_piece(meters, structs.METER), *_columns(meters, structs.METER)),
        pedals=Pedals(down, held, rows.repeat(pedal_counts)),
    )


def _columns(blocks: list[bytes], dtype: np.dtype[np.void]) -> list[Ints]:
    """Return the fields of structs, end to end."""
    table = np.frombuffer(b"".join(blocks), dtype)
    return [table[field].astype(np.int64) for field in dtype.names or ()]
