"""Tokens to pieces."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import (
    Bundle,
    Column,
    Meters,
    Notes,
    Pedals,
    Tempos,
    Tracks,
    last_of_piece,
    moments,
    take,
)
from musegen.encoding.metric.grid import DEFAULT_VELOCITY, LONGEST
from musegen.encoding.metric.meters import METER_COLUMNS
from musegen.encoding.vocabulary import Tokens, Vocabulary

__all__ = ["decode"]


class _Read(NamedTuple):
    """Tokens, a row each, and where the bars are that they stand in."""

    kind: NDArray[np.int8]
    value: NDArray[np.int16]
    begins: NDArray[np.bool_]
    """Which are the first of a piece."""
    piece: Column
    bar: Column
    """How many bars have begun, in all pieces."""
    line: Column
    """The step at which each of the bars begins, counted in its piece."""

    def values(self, at: Column) -> Column:
        """Return the values of some tokens."""
        out: Column = self.value[at].astype(np.int64)
        return out

    def last(self, given: NDArray[np.bool_], at: Column) -> Column:
        """Return the values that were given last, at or before some tokens; 0 if none was in their piece."""
        given = given | self.begins
        where = given.nonzero()[0][given.cumsum()[at] - 1]
        out: Column = self.values(where) * ~self.begins[where]
        return out

    def steps(self, at: Column, vocabulary: Vocabulary) -> Column:
        """Return the steps at which some tokens stand."""
        if not len(at):
            return at
        bars = self.kind == vocabulary.kind("bar")  # whose value, 0, is a position, too
        within = self.last(bars | (self.kind == vocabulary.kind("position")), at)
        return self.line[self.bar[at] - 1] + within


def decode(tokens: Tokens, starts: Column, vocabulary: Vocabulary) -> Bundle:
    """Return the pieces of checked tokens; a note whose duration is missing at the end of one is left out.

    Args:
        tokens: `int32[T]`: pieces, or beginnings of pieces, end to end.
        starts: `int64[pieces]`: the index of each one's first token; each has at least one.
        vocabulary: What they mean.

    Raises:
        Unencodable: Some last longer than any music does.
    """
    read, end = _read(tokens, starts, vocabulary)
    notes, drums = _notes(read, tokens, vocabulary)
    tracks, track = _tracks(read, notes, drums, len(starts), vocabulary)
    notes = notes._replace(track=track)
    tempo_at, meter_at = (
        (read.kind == vocabulary.kind(name)).nonzero()[0] for name in ("tempo", "time_signature")
    )
    tempos = Tempos(read.piece[tempo_at], read.steps(tempo_at, vocabulary), read.values(tempo_at))
    if len(tempo_at):
        tempos = tempos._replace(microseconds=vocabulary.tempo_values[tempos.microseconds])
        tempos = take(tempos, moments(tempos.piece, tempos.tick).argsort(kind="stable"))
    out = Bundle(
        ticks_per_quarter=np.full(len(starts), vocabulary.config.steps_per_quarter),
        end=last_of_piece(notes.piece, notes.onset + notes.duration, end),
        notes=notes,
        tracks=tracks,
        tempos=tempos,
        meters=Meters(
            read.piece[meter_at],
            read.line[read.bar[meter_at] - 1],
            *METER_COLUMNS[:, read.value[meter_at]],
        ),
        pedals=Pedals.none(),
    )
    out.refuse(
        out.end >= LONGEST,
        lambda piece: (
            f"these tokens are not music: they last {out.end[piece]} steps; expected fewer than {LONGEST}. "
            "Use tokens that an encoder made."
        ),
    )
    return out


def _read(tokens: Tokens, starts: Column, vocabulary: Vocabulary) -> tuple[_Read, Column]:
    """Return the tokens with their bars, and each piece's last barline."""
    kinds, values = vocabulary.kinds[tokens], vocabulary.values[tokens]
    begins = np.zeros(len(tokens), bool)
    begins[starts] = True
    is_bar = kinds == vocabulary.kind("bar")
    meter_at = (kinds == vocabulary.kind("time_signature")).nonzero()[0]
    bar = is_bar.cumsum()
    bar_at = is_bar.nonzero()[0]
    first_bar = bar_at.searchsorted(starts)  # of each piece, among all bars
    # A bar is as long as its time signature says, or the one before; a prefix may not have said
    # yet: common time.
    length = np.full(len(bar_at), -1)
    length[first_bar[first_bar < len(bar_at)]] = 4 * vocabulary.config.steps_per_quarter
    length[bar[meter_at] - 1] = vocabulary.meter_steps[values[meter_at]]
    length = length[np.maximum.accumulate(np.where(length >= 0, np.arange(len(length)), 0))]
    line = np.zeros(len(bar_at) + 1, np.int64)
    length.cumsum(out=line[1:])
    end = line[np.append(first_bar[1:], len(bar_at))] - line[first_bar]
    piece = begins.cumsum() - 1
    # From here on counted in each piece.
    line = line[:-1] - line[first_bar][piece[bar_at]]
    return _Read(kinds, values, begins, piece, bar, line), end


def _notes(read: _Read, tokens: Tokens, vocabulary: Vocabulary) -> tuple[Notes, NDArray[np.bool_]]:
    """Return the notes, their `track` being the part's number, and which of them are of drums."""
    heads = vocabulary.notes[tokens].nonzero()[0]
    ends = (read.kind == vocabulary.kind("duration")).nonzero()[0]
    if len(heads) != len(ends):
        # The next duration is the note's own, unless the piece breaks off before it.
        of_head = ends.searchsorted(heads)
        whole = of_head < len(ends)
        whole[whole] = read.piece[ends[of_head[whole]]] == read.piece[heads[whole]]
        heads = heads[whole]
    duration = read.values(ends) + 1
    if (read.kind == vocabulary.kind("hold")).any():
        holds = (read.kind == vocabulary.kind("hold")).cumsum()
        duration += (holds[ends] - holds[heads]) * vocabulary.blocks["duration"]
    velocity: Any = np.full(len(heads), DEFAULT_VELOCITY)
    if "velocity" in vocabulary.blocks:
        velocity = vocabulary.velocity_values[read.value[heads + 1]]
    notes = Notes(
        piece=read.piece[heads],
        onset=read.steps(heads, vocabulary),
        duration=duration,
        pitch=read.values(heads),
        velocity=velocity,
        track=read.last(read.kind == vocabulary.kind("part"), heads),
    )
    drums = read.kind[heads] == vocabulary.kind("drum")
    sorts = (moments(notes.piece, notes.onset) << 13) + (notes.track << 7) + notes.pitch
    if (sorts[1:] >= sorts[:-1]).all():  # as an encoder leaves them
        return notes, drums
    order = sorts.argsort(kind="stable")
    return take(notes, order), drums[order]


def _tracks(
    read: _Read, notes: Notes, drums: NDArray[np.bool_], pieces: int, vocabulary: Vocabulary
) -> tuple[Tracks, Column]:
    """Return the tracks up to each piece's last that has notes, and the track of each note."""
    count = last_of_piece(notes.piece, notes.track + 1, np.zeros(pieces, np.int64))
    first = count.cumsum() - count
    track = first[notes.piece] + notes.track
    of = np.arange(pieces).repeat(count)
    used, drum, program = (
        np.zeros(len(of), bool),
        np.zeros(len(of), bool),
        np.zeros(len(of), np.int64),
    )
    used[track] = True
    drum[track[drums]] = True
    declared = (read.kind == vocabulary.kind("program")).nonzero()[0]
    if len(declared):
        part, piece = (
            read.last(read.kind == vocabulary.kind("part"), declared),
            read.piece[declared],
        )
        known = part < count[piece]
        program[(first[piece] + part)[known]] = read.value[declared[known]]
    return Tracks(of, np.arange(len(of)) - first[of], program * used, drum), track
