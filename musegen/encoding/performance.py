"""The performance encoding: note-on, note-off, velocity and 10 ms time shifts (Oore et al. 2018).

All pitched tracks become one; a score in this encoding has 100 ticks a second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import (
    STEP_BITS,
    Bundle,
    Column,
    Meters,
    Notes,
    Pedals,
    Tempos,
    Tracks,
    changes,
    finals,
    last_of_piece,
    moments,
    take,
)
from musegen.encoding.metric import (
    DEFAULT_VELOCITY,
    Slot,
    lay_out,
    loud,
    of_rows,
    only,
    to_steps,
    without_overlaps,
)
from musegen.encoding.vocabulary import MAX_SHIFT, Tokens, Vocabulary
from musegen.score.timing import DEFAULT_TEMPO

__all__ = ["decode", "encode", "quantise"]

STEPS_PER_SECOND = 100
TICKS_PER_QUARTER = STEPS_PER_SECOND // 2  # at the default 120 bpm a quarter lasts half a second


def quantise(bundle: Bundle, vocabulary: Vocabulary) -> Bundle:
    """Return what the encoding keeps of some pieces: one track each, a tick every 10 ms.

    Raises:
        Unencodable: Some are too long.
    """
    notes, pieces = bundle.notes, np.arange(len(bundle.end))
    if bundle.tracks.drum.any():
        notes = take(notes, ~bundle.tracks.drum[notes.track])
    offset = notes.onset + notes.duration
    if vocabulary.config.sustain and len(bundle.pedals.onset):
        offset = _sustained(notes.track, offset, bundle)
    tempo_map = _tempo_map(bundle)
    end = _to_steps(pieces, bundle.end, bundle, tempo_map)
    onset, offset = (
        _to_steps(notes.piece, ticks, bundle, tempo_map) for ticks in (notes.onset, offset)
    )
    end = last_of_piece(notes.piece, np.maximum(offset, onset + 1), end)
    bundle.refuse(
        end >= 2**STEP_BITS,
        lambda piece: (
            f"the music must be shorter than {2**STEP_BITS} steps of 10 ms. Received: {end[piece]} steps. "
            "Remove the stray event far behind the music."
        ),
    )
    order = np.argsort((moments(notes.piece, onset) << 7) + notes.pitch, kind="stable")
    velocity = loud(notes.velocity, vocabulary)
    notes = notes._replace(
        onset=onset, duration=np.maximum(offset - onset, 1), velocity=velocity, track=notes.piece
    )
    notes = take(notes, order)
    stays, duration = without_overlaps(
        (notes.track << 7) + notes.pitch, notes.onset, notes.duration
    )
    notes = take(notes._replace(duration=duration), stays)
    played, track = np.unique(notes.piece, return_inverse=True)
    nothing = 0 * played
    return Bundle(
        ticks_per_quarter=np.full(len(pieces), TICKS_PER_QUARTER),
        end=end,
        notes=notes._replace(track=track),
        tracks=Tracks(played, nothing, nothing, nothing > 0),
        tempos=take(bundle.tempos, nothing[:0]),
        meters=take(bundle.meters, nothing[:0]),
        pedals=Pedals.none(),
    )


class _TempoMap(NamedTuple):
    """Stretches of one tempo: when each begins, and how long a tick lasts in it."""

    at: Column
    """Moment, in ticks."""
    clock: Column
    """Time since the bundle's beginning, in units of which a piece's quarter has `microseconds` × its ticks."""
    microseconds: Column


def _tempo_map(bundle: Bundle) -> _TempoMap:
    """Return the tempo map of all pieces; each begins at its tick 0, at 120 bpm if it does not say."""
    piece, tick, microseconds = bundle.tempos
    unsaid = np.ones(len(bundle.end), bool)
    unsaid[piece[tick == 0]] = False
    missing = np.flatnonzero(unsaid)
    at = np.append(missing << STEP_BITS, moments(piece, tick))
    order = np.argsort(at, kind="stable")
    at, microseconds = (
        at[order],
        np.append(np.full(len(missing), DEFAULT_TEMPO), microseconds)[order],
    )
    counts = finals(at)
    at, microseconds = at[counts], microseconds[counts]
    # Where a piece follows another the clock jumps by a meaningless amount; only differences within
    # one count, and those stay right even if the sum runs over the edge of 64 bits.
    return _TempoMap(
        at, np.append(0, np.cumsum(np.diff(at) * microseconds[:-1]))[: len(at)], microseconds
    )


def _to_steps(piece: Column, ticks: Column, bundle: Bundle, tempo_map: _TempoMap) -> Column:
    """Return the nearest 10 ms step of each tick of a piece, exactly; halves round up."""
    at, clock, microseconds = tempo_map
    if len(at) == len(bundle.end):  # one tempo each
        elapsed = ticks * microseconds[piece]
    else:
        when = moments(piece, ticks)
        row = at.searchsorted(when, side="right") - 1
        start = at.searchsorted(np.arange(len(bundle.end)) << STEP_BITS)
        elapsed = clock[row] - clock[start][piece] + (when - at[row]) * microseconds[row]
    per_quarter = of_rows(only(bundle.ticks_per_quarter), piece)
    return to_steps(elapsed, per_quarter * (1_000_000 // STEPS_PER_SECOND), 1)


def _sustained(track: Column, offset: Column, bundle: Bundle) -> Column:
    """Return offsets moved to the release of the pedal that is down when a key is let go."""
    pedals = bundle.pedals
    down = moments(pedals.track, pedals.onset)
    order = np.argsort(down, kind="stable")
    row = np.searchsorted(down[order], moments(track, offset), side="right") - 1
    row = order[np.maximum(row, 0)]
    is_down = (pedals.track[row] == track) & (pedals.onset[row] <= offset)
    release = np.minimum(pedals.onset[row] + pedals.duration[row], 2**STEP_BITS - 1)
    out: Column = np.where(is_down, np.maximum(offset, release), offset)
    return out


def encode(bundle: Bundle, vocabulary: Vocabulary) -> tuple[Tokens, Column]:
    """Return the tokens of quantised pieces, from `start` to `end`, one after the other.

    Returns:
        `int32[T]`, and the index of each piece's first token, `int64[pieces]`.
    """
    first = vocabulary.first
    events = _events(bundle, vocabulary)
    at, kind = events >> 16, (events >> 14) & 3
    when = at & (2**STEP_BITS - 1)
    ends = (kind == _END).nonzero()[0]
    leads = np.empty(
        len(ends), np.int64
    )  # the first event of each piece: it counts from the piece's start
    leads[0], leads[1:] = 0, ends[:-1] + 1
    gap = np.empty(len(when), np.int64)
    np.subtract(when[1:], when[:-1], out=gap[1:])
    gap[leads] = when[leads]
    slots: list[Slot] = []
    if (gap > MAX_SHIFT).any():
        long_shifts = np.maximum(gap - 1, 0) // MAX_SHIFT
        gap -= long_shifts * MAX_SHIFT
        slots.append((long_shifts, np.full(len(gap), first["time_shift"] + MAX_SHIFT - 1)))
    slots.append((gap > 0, gap + (first["time_shift"] - 1)))
    if "velocity" in first:
        ons = (kind == _ON).nonzero()[0]
        # Said where it changes, and at the first note of each piece.
        changed = changes(events[ons] & 127, at[ons] >> STEP_BITS)
        louder = np.zeros(len(events), bool)
        louder[ons[changed]] = True
        slots.append((louder, (events & 127) + first["velocity"]))
    tokens_of = np.concatenate(
        [np.arange(128) + first["note_off"], np.arange(128) + first["note_on"], [first["end"]]]
    )
    slots.append((None, tokens_of[(events >> 7) & 511]))
    tokens = lay_out(slots, leads, 0 * leads + first["start"])
    return tokens, (tokens == first["start"]).nonzero()[0]


_OFF, _ON, _END = 0, 1, 2  # kinds of events, in the order that they have within a step


def _events(bundle: Bundle, vocabulary: Vocabulary) -> Column:
    """Return all events in order, each an integer: from the top, moment, kind (2 bits), pitch and loudness (7 each).

    So sorting integers sorts events: within a step notes end before others begin, the lower first,
    and the piece ends after all.
    """
    notes = bundle.notes
    detail = (notes.pitch << 7) + vocabulary.velocity_bins(notes.velocity)
    ons = (moments(notes.piece, notes.onset) << 16) + (detail + (_ON << 14))
    offs = ons + ((notes.duration << 16) + ((_OFF - _ON) << 14))
    ends = (moments(np.arange(len(bundle.end)), bundle.end) << 16) + (_END << 14)
    out = np.concatenate([ons, offs, ends])
    out.sort(
        kind="stable"
    )  # several times as fast here as the default, because runs of it are in order
    return out


def decode(tokens: Tokens, starts: Column, vocabulary: Vocabulary) -> Bundle:
    """Return the pieces of checked tokens; notes still sounding at the end of one are ended there.

    Args:
        tokens: `int32[T]`: pieces, or beginnings of pieces, end to end.
        starts: `int64[pieces]`: the index of each one's first token; each has at least one.
        vocabulary: What they mean.

    Raises:
        Unencodable: Some last longer than any music does.
    """
    kinds, values = vocabulary.kinds[tokens], vocabulary.values[tokens].astype(np.int64)
    begins = np.zeros(len(tokens), bool)
    begins[starts] = True
    piece = begins.cumsum() - 1
    elapsed = np.where(kinds == vocabulary.kind("time_shift"), values + 1, 0).cumsum()
    time = elapsed - elapsed[starts][piece]  # a start takes no time
    end = time[np.append(starts[1:], len(tokens)) - 1]
    notes = _sounded(kinds, values, piece, time, end, vocabulary)
    played = np.flatnonzero(np.bincount(notes.piece, minlength=len(starts)))
    nothing = 0 * played
    out = Bundle(
        ticks_per_quarter=np.full(len(starts), TICKS_PER_QUARTER),
        end=end,
        notes=notes._replace(track=played.searchsorted(notes.piece)),
        tracks=Tracks(played, nothing, nothing, nothing > 0),
        tempos=Tempos(nothing[:0], nothing[:0], nothing[:0]),
        meters=Meters(nothing[:0], nothing[:0], nothing[:0], nothing[:0]),
        pedals=Pedals.none(),
    )
    out.refuse(
        end >= 2**STEP_BITS,
        lambda p: (
            f"these tokens are not music: they last {end[p]} steps; expected fewer than {2**STEP_BITS}. "
            "Use tokens that an encoder made."
        ),
    )
    return out


def _sounded(
    kinds: NDArray[np.int8],
    values: Column,
    piece: Column,
    time: Column,
    end: Column,
    vocabulary: Vocabulary,
) -> Notes:
    """Return the notes of events: each from its on to the next event of its pitch, or to the end of the piece."""
    is_on = kinds == vocabulary.kind("note_on")
    events = (is_on | (kinds == vocabulary.kind("note_off"))).nonzero()[0]
    voice = (piece[events] << 7) + values[events]
    order = voice.argsort(kind="stable")  # the events of each pitch stay in order of time
    events, voice = events[order], voice[order]
    stop = end[piece[events]]
    np.copyto(stop[:-1], time[events[1:]], where=voice[1:] == voice[:-1])
    sounds = is_on[events] & (stop > time[events])
    heads, stop = events[sounds], stop[sounds]
    velocity = np.full(len(heads), DEFAULT_VELOCITY)
    if "velocity" in vocabulary.blocks:
        # The last that was said, in this piece; a piece's first token stands for none.
        said = np.maximum.accumulate(
            np.where(
                (kinds == vocabulary.kind("velocity")) | (kinds == vocabulary.kind("start")),
                np.arange(len(kinds)),
                0,
            )
        )[heads]
        loudness = np.append(vocabulary.velocity_values, DEFAULT_VELOCITY)
        velocity = loudness[np.where(kinds[said] == vocabulary.kind("velocity"), values[said], -1)]
    notes = Notes(
        piece[heads], time[heads], stop - time[heads], values[heads], velocity, piece[heads]
    )
    return take(
        notes, ((moments(notes.piece, notes.onset) << 7) + notes.pitch).argsort(kind="stable")
    )
