"""Several scores as one set of columns, so that one array operation works across all of them.

Encoding a small file is a hundred operations on arrays of a hundred elements, and NumPy spends
more time in starting an operation than in the elements. Done for hundreds of files at once, the
same operations cost a file next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from musegen.errors import EncodingError
from musegen.score import METER, NOTE, PEDAL, TEMPO, Score, Table, Track, columns

__all__ = [
    "STEP_BITS",
    "Bundle",
    "Column",
    "Meters",
    "Notes",
    "Pedals",
    "Tempos",
    "Tracks",
    "Unencodable",
    "changes",
    "finals",
    "last_of_piece",
    "moments",
    "take",
]

STEP_BITS = 31  # a tick or step fits in these

Column: TypeAlias = NDArray[np.int64]


class Notes(NamedTuple):
    """A row per note: by piece, onset, track and pitch."""

    piece: Column
    onset: Column
    duration: Column
    pitch: Column
    velocity: Column
    track: Column
    """Index into the bundle's `Tracks`."""


class Tracks(NamedTuple):
    """A row per track: by piece, in the piece's order."""

    piece: Column
    number: Column
    """Index among the tracks of its piece."""
    program: Column
    drum: NDArray[np.bool_]


class Tempos(NamedTuple):
    """A row per tempo: by piece and tick."""

    piece: Column
    tick: Column
    microseconds: Column


class Meters(NamedTuple):
    """A row per time signature: by piece and tick."""

    piece: Column
    tick: Column
    numerator: Column
    denominator: Column


class Pedals(NamedTuple):
    """A row per time that the sustain pedal is down: by track."""

    onset: Column
    duration: Column
    track: Column

    @classmethod
    def none(cls) -> Pedals:
        """Return no rows."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing)


class Bundle(NamedTuple):
    """Scores, piece after piece; everything is `int64` but for `Tracks.drum`."""

    ticks_per_quarter: Column
    """One per piece."""
    end: Column
    """One per piece: the tick where it ends, rests included."""
    notes: Notes
    tracks: Tracks
    tempos: Tempos
    meters: Meters
    pedals: Pedals

    @classmethod
    def of(cls, scores: Sequence[Score]) -> Bundle:
        """Return the bundle of some scores."""
        first = np.cumsum([0, *(len(s.tracks) for s in scores)])
        tracks = [
            (p, i, t.program, t.is_drum)
            for p, s in enumerate(scores)
            for i, t in enumerate(s.tracks)
        ]
        piece, number, program, drum = np.array(tracks, np.int64).reshape(-1, 4).T

        def rows(name: str, dtype: np.dtype[np.void]) -> tuple[Column, dict[str, Column]]:
            tables = [getattr(s, name) for s in scores]
            table = tables[0] if len(tables) == 1 else np.concatenate([np.zeros(0, dtype), *tables])
            of_piece = np.repeat(np.arange(len(scores)), [len(t) for t in tables])
            fields = {field: table[field].astype(np.int64) for field in dtype.names or ()}
            if "track" in fields:
                fields["track"] += first[of_piece]
            return of_piece, fields

        (notes_of, notes), (tempos_of, tempos) = rows("notes", NOTE), rows("tempos", TEMPO)
        (meters_of, meters), (_, pedals) = rows("meters", METER), rows("pedals", PEDAL)
        return cls(
            ticks_per_quarter=np.array([s.ticks_per_quarter for s in scores], np.int64),
            end=np.array([s.end for s in scores], np.int64),
            notes=Notes(notes_of, **notes),
            tracks=Tracks(piece, number, program, drum.astype(bool)),
            tempos=Tempos(tempos_of, **tempos),
            meters=Meters(meters_of, **meters),
            pedals=Pedals(**pedals),
        )

    def scores(self) -> list[Score]:
        """Return the scores of a quantised or decoded bundle: tracks without names, no pedals."""
        tables: dict[str, list[Table]] = {}
        for name, dtype, rows in (
            ("notes", NOTE, self.notes),
            ("tempos", TEMPO, self.tempos),
            ("meters", METER, self.meters),
        ):
            table = columns(dtype, **{field: getattr(rows, field) for field in dtype.names or ()})
            if name == "notes":
                table["track"] = self.tracks.number[self.notes.track]
            bounds = rows.piece.searchsorted(np.arange(len(self.end) + 1)).tolist()
            tables[name] = [table[start:stop] for start, stop in pairwise(bounds)]
        tracks = [
            _track(p, d)
            for p, d in zip(self.tracks.program.tolist(), self.tracks.drum.tolist(), strict=True)
        ]
        bounds = self.tracks.piece.searchsorted(np.arange(len(self.end) + 1)).tolist()
        return [
            Score.of_valid(
                notes=tables["notes"][index],
                tracks=tuple(tracks[start:stop]),
                ticks_per_quarter=per_quarter,
                tempos=tables["tempos"][index],
                meters=tables["meters"][index],
                end=end,
            )
            for index, ((start, stop), per_quarter, end) in enumerate(
                zip(
                    pairwise(bounds),
                    self.ticks_per_quarter.tolist(),
                    self.end.tolist(),
                    strict=True,
                )
            )
        ]

    def refuse(self, at_fault: NDArray[np.bool_], why: Callable[[int], str]) -> None:
        """Raise unless no piece is at fault.

        Args:
            at_fault: `bool[pieces]`.
            why: Gives, for a piece's index, what was expected, what was received and what to do.

        Raises:
            Unencodable: Some are.
        """
        if at_fault.any():
            raise Unencodable({piece: why(piece) for piece in np.flatnonzero(at_fault).tolist()})


class Unencodable(EncodingError):
    """Some pieces of a bundle cannot be carried.

    Attributes:
        reasons: Why, by the piece's index.
    """

    def __init__(self, reasons: dict[int, str]) -> None:
        """Say why of the first."""
        super().__init__(next(iter(reasons.values())))
        self.reasons = reasons


@cache
def _track(program: int, is_drum: bool) -> Track:
    return Track(program=program, is_drum=is_drum)


Rows = TypeVar("Rows", Notes, Tracks, Tempos, Meters)


def take(rows: Rows, chosen: NDArray[Any]) -> Rows:
    """Return the chosen rows: indices in the order wanted, or a mask."""
    return type(rows)(*[column[chosen] for column in rows])


def moments(piece: Column, step: Column) -> Column:
    """Return one number per row that sorts by piece, then by tick or step (at least 0, below 2³¹)."""
    out: Column = (piece << STEP_BITS) + step
    return out


def changes(*values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return `bool[N]`: which rows differ in any of the columns from the row before; the first does."""
    out = np.empty(len(values[0]), bool)
    out[:1] = True
    np.not_equal(values[0][1:], values[0][:-1], out=out[1:])
    for column in values[1:]:
        out[1:] |= column[1:] != column[:-1]
    return out


def finals(*values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return `bool[N]`: which rows differ in any of the columns from the row after; the last does."""
    out = np.empty(len(values[0]), bool)
    out[-1:] = True
    np.not_equal(values[0][1:], values[0][:-1], out=out[:-1])
    for column in values[1:]:
        out[:-1] |= column[1:] != column[:-1]
    return out


def last_of_piece(piece: Column, value: Column, least: Column) -> Column:
    """Return, per piece, the largest value of its rows (which stand together), or `least` of it if that is more."""
    out = least.copy()
    if len(piece):
        begins = changes(piece).nonzero()[0]
        some = piece[begins]
        out[some] = np.maximum(out[some], np.maximum.reduceat(value, begins))
    return out
