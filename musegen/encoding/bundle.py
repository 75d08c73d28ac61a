"""Many scores as one set of columns, so that one array operation serves all of them.

Encoding a small file takes about a hundred operations on arrays of a hundred elements, and NumPy
spends more time on starting an operation than on the elements. Applied to hundreds of files at
once, the same operations cost almost nothing per file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.rows import STEP_BITS, changes, finals, last_of_piece, moments
from musegen.errors import EncodingError
from musegen.score import METER, NOTE, PEDAL, TEMPO, Score, Table, Track, columns
from musegen.utils.arrays import Bools, Ints

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
    "in_force",
    "last_of_piece",
    "moments",
    "take",
]

Column: TypeAlias = Ints


class Notes(NamedTuple):
    """Notes, one row each, sorted by piece, onset, track and pitch."""

    piece: Ints
    onset: Ints
    duration: Ints
    pitch: Ints
    velocity: Ints
    track: Ints
    """Index into the bundle's `Tracks`."""


class Tracks(NamedTuple):
    """Tracks, one row each, sorted by piece, in the order of the piece."""

    piece: Ints
    number: Ints
    """Index among the tracks of its piece."""
    program: Ints
    drum: Bools


class Tempos(NamedTuple):
    """Tempos, one row each, sorted by piece and tick."""

    piece: Ints
    tick: Ints
    microseconds: Ints
    """Per quarter note."""


class Meters(NamedTuple):
    """Time signatures, one row each, sorted by piece and tick."""

    piece: Ints
    tick: Ints
    numerator: Ints
    denominator: Ints


class Pedals(NamedTuple):
    """Intervals in which the sustain pedal is down, one row each, sorted by track."""

    onset: Ints
    duration: Ints
    track: Ints

    @classmethod
    def none(cls) -> Pedals:
        """Return an empty table."""
        return cls(*np.zeros((3, 0), np.int64))


class Bundle(NamedTuple):
    """Scores end to end; all columns are `int64`, except `Tracks.drum`."""

    ticks_per_quarter: Ints
    """`int64[pieces]`."""
    end: Ints
    """`int64[pieces]`: the tick at which each piece ends, rests included."""
    notes: Notes
    tracks: Tracks
    tempos: Tempos
    meters: Meters
    pedals: Pedals

    @classmethod
    def of(cls, scores: Sequence[Score]) -> Bundle:
        """Return the bundle of `scores`.

        >>> from musegen import Score, Track
        >>> tune = Score(notes=[(0, 480, 60, 90, 0)], tracks=[Track()])
        >>> Bundle.of([tune, tune]).notes.piece.tolist()
        [0, 1]
        """
        tracks = [
            (piece, number, track.program, track.is_drum)
            for piece, score in enumerate(scores)
            for number, track in enumerate(score.tracks)
        ]
        piece, number, program, drum = np.array(tracks, np.int64).reshape(-1, 4).T
        first_track = np.cumsum([0, *(len(score.tracks) for score in scores)])

        def rows(name: str, dtype: np.dtype[np.void]) -> tuple[Ints, dict[str, Ints]]:
            tables = [getattr(score, name) for score in scores]
            table = tables[0] if len(tables) == 1 else np.concatenate([np.zeros(0, dtype), *tables])
            of_piece = np.repeat(np.arange(len(scores)), [len(t) for t in tables])
            fields = {field: table[field].astype(np.int64) for field in dtype.names or ()}
            if "track" in fields:
                fields["track"] += first_track[of_piece]
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
        pieces = np.arange(len(self.end) + 1)

        def split(name: str, dtype: np.dtype[np.void]) -> list[Table]:
            rows = getattr(self, name)
            table = columns(dtype, **{field: getattr(rows, field) for field in dtype.names or ()})
            if name == "notes":
                table["track"] = self.tracks.number[self.notes.track]
            return [table[a:b] for a, b in pairwise(rows.piece.searchsorted(pieces).tolist())]

        kinds = zip(self.tracks.program.tolist(), self.tracks.drum.tolist(), strict=True)
        tracks = [_track(program, is_drum) for program, is_drum in kinds]
        bounds = self.tracks.piece.searchsorted(pieces).tolist()
        fields = zip(
            split("notes", NOTE),
            pairwise(bounds),
            self.ticks_per_quarter.tolist(),
            split("tempos", TEMPO),
            split("meters", METER),
            self.end.tolist(),
            strict=True,
        )
        return [
            Score.of_valid(
                notes=notes,
                tracks=tuple(tracks[first:stop]),
                ticks_per_quarter=per_quarter,
                tempos=tempos,
                meters=meters,
                end=end,
            )
            for notes, (first, stop), per_quarter, tempos, meters, end in fields
        ]

    def refuse(self, at_fault: Bools, why: Callable[[int], str]) -> None:
        """Raise an error if any piece is at fault.

        Args:
            at_fault: `bool[pieces]`.
            why: Returns, for a piece's index, what was expected, what was received and what to do.

        Raises:
            Unencodable: At least one piece is at fault.
        """
        if at_fault.any():
            raise Unencodable({piece: why(piece) for piece in np.flatnonzero(at_fault).tolist()})


class Unencodable(EncodingError):
    """Some pieces of a bundle cannot be encoded.

    Attributes:
        reasons: Index of each of these pieces → reason.
    """

    def __init__(self, reasons: dict[int, str]) -> None:
        """Use the first reason as the message."""
        super().__init__(next(iter(reasons.values())))
        self.reasons = reasons


@cache
def _track(program: int, is_drum: bool) -> Track:
    return Track(program=program, is_drum=is_drum)


Rows = TypeVar("Rows", Notes, Tracks, Tempos, Meters)
Marks = TypeVar("Marks", Tempos, Meters)


def take(rows: Rows, chosen: NDArray[Any]) -> Rows:
    """Return the chosen rows: indices in the order wanted, or a mask."""
    return type(rows)(*[column[chosen] for column in rows])


def in_force(rows: Marks, default: tuple[int, ...], pieces: int) -> Marks:
    """Return tempos or meters with one at tick 0 of each piece, and only the last at each tick.

    It does for every piece what `musegen.score.timing.in_force` does for one.

    Args:
        rows: `Tempos` or `Meters`.
        default: The values, without piece and tick, where a piece states none at tick 0.
        pieces: Number of pieces.
    """
    stated = np.zeros(pieces, bool)
    stated[rows.piece[rows.tick == 0]] = True
    if not stated.all():
        missing: Ints = (~stated).nonzero()[0]
        added = (missing, 0 * missing, *(0 * missing + value for value in default))
        rows = type(rows)(*map(np.concatenate, zip(added, rows, strict=True)))
        rows = take(rows, rows.piece.argsort(kind="stable"))
    if len(rows.piece) == pieces:  # one row each, as most pieces have
        return rows
    return take(rows, finals(rows.piece, rows.tick))
