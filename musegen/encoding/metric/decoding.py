"""Convert tokens to quantised pieces."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import Bundle, Meters, Notes, Pedals, Tempos, Tracks, take
from musegen.encoding.metric.grid import DEFAULT_VELOCITY, LONGEST
from musegen.encoding.metric.meters import METER_COLUMNS
from musegen.encoding.rows import last_of_piece, latest, moments, note_keys
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.utils.arrays import Bools, Ints

__all__ = ["decode"]


class _Read(NamedTuple):
    """Tokens, one row each, and the bars that they are in."""

    kind: NDArray[np.int8]
    value: NDArray[np.int16]
    begins: Bools
    """Which tokens are the first of a piece."""
    piece: Ints
    bar: Ints
    """Number of bars begun so far, in all pieces."""
    line: Ints
    """The step in its piece at which each bar begins, `int64[bars]`."""

    def values(self, at: Ints) -> Ints:
        """Return the values of the tokens at the indices `at`."""
        return self.value[at].astype(np.int64)

    def last(self, given: Bools, at: Ints) -> Ints:
        """Return the value of the last `given` token in the piece, up to each index; else 0."""
        given = given | self.begins
        where = given.nonzero()[0][given.cumsum()[at] - 1]
        return self.values(where) * ~self.begins[where]

    def steps(self, at: Ints, vocabulary: Vocabulary) -> Ints:
        """Return the step in its piece of the token at each index."""
        if not len(at):
            return at
        # A bar has value 0, which is the position at its beginning.
        bars = self.kind == vocabulary.kind("bar")
        within = self.last(bars | (self.kind == vocabulary.kind("position")), at)
        return self.line[self.bar[at] - 1] + within


def decode(tokens: Tokens, starts: Ints, vocabulary: Vocabulary) -> Bundle:
    """Return the pieces of checked tokens; a last note without a duration is left out.

    Args:
        tokens: `int32[T]`: pieces, or beginnings of pieces, end to end.
        starts: `int64[pieces]`: the index of each one's first token; each has at least one.
        vocabulary: Maps tokens to events.

    Raises:
        Unencodable: At least one piece is longer than any music.
    """
    read, end = _read(tokens, starts, vocabulary)
    notes, drums = _notes(read, tokens, vocabulary)
    tracks, track = _tracks(read, notes, drums, len(starts), vocabulary)
    notes = notes._replace(track=track)
    tempo_at = (read.kind == vocabulary.kind("tempo")).nonzero()[0]
    meter_at = (read.kind == vocabulary.kind("time_signature")).nonzero()[0]
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
            f"these tokens are not music: they last {out.end[piece]} steps; expected fewer than "
            f"{LONGEST}. Use tokens that an encoder made."
        ),
    )
    return out


def _read(tokens: Tokens, starts: Ints, vocabulary: Vocabulary) -> tuple[_Read, Ints]:
    """Return the tokens with their bars, and each piece's last barline."""
    kinds, values = vocabulary.kinds[tokens], vocabulary.values[tokens]
    begins = np.zeros(len(tokens), bool)
    begins[starts] = True
    is_bar = kinds == vocabulary.kind("bar")
    meter_at = (kinds == vocabulary.kind("time_signature")).nonzero()[0]
    bar = is_bar.cumsum()
    bar_at = is_bar.nonzero()[0]
    first_bar = bar_at.searchsorted(starts)  # of each piece, among all bars

    # A bar is as long as the last time signature says; 4/4 in a prefix before the first.
    length = np.full(len(bar_at), -1)
    length[first_bar[first_bar < len(bar_at)]] = 4 * vocabulary.config.steps_per_quarter
    length[bar[meter_at] - 1] = vocabulary.meter_steps[values[meter_at]]
    length = length[latest(length >= 0)]

    # Barlines counted through all pieces, then in each piece.
    line = np.zeros(len(bar_at) + 1, np.int64)
    length.cumsum(out=line[1:])
    end = line[np.append(first_bar[1:], len(bar_at))] - line[first_bar]
    piece = begins.cumsum() - 1
    line = line[:-1] - line[first_bar][piece[bar_at]]
    return _Read(kinds, values, begins, piece, bar, line), end


def _notes(read: _Read, tokens: Tokens, vocabulary: Vocabulary) -> tuple[Notes, Bools]:
    """Return the notes, with the part's number as `track`, and which of them are of drums."""
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

    # Tokens from an encoder are in order already.
    keys = note_keys(notes.piece, notes.onset, notes.track, notes.pitch)
    if (keys[1:] >= keys[:-1]).all():
        return notes, drums
    order = keys.argsort(kind="stable")
    return take(notes, order), drums[order]


def _tracks(
    read: _Read, notes: Notes, drums: Bools, pieces: int, vocabulary: Vocabulary
) -> tuple[Tracks, Ints]:
    """Return each piece's tracks up to the last with notes, and the track of each note."""
    count = last_of_piece(notes.piece, notes.track + 1, np.zeros(pieces, np.int64))
    first = count.cumsum() - count
    track = first[notes.piece] + notes.track
    of_piece = np.arange(pieces).repeat(count)
    used, drum = np.zeros((2, len(of_piece)), bool)
    used[track] = True
    drum[track[drums]] = True

    program = np.zeros(len(of_piece), np.int64)
    declared = (read.kind == vocabulary.kind("program")).nonzero()[0]
    if len(declared):
        part = read.last(read.kind == vocabulary.kind("part"), declared)
        piece = read.piece[declared]
        known = part < count[piece]
        program[(first[piece] + part)[known]] = read.value[declared[known]]
    numbers = np.arange(len(of_piece)) - first[of_piece]
    return Tracks(of_piece, numbers, program * used, drum), track
