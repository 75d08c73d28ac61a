"""Recognise pieces of the same music: duplicates, and versions of one tune.

Everything works on whole arrays with a row per note or interval, of many pieces at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from musegen.data.store.entries import offsets
from musegen.encoding.bundle import STEP_BITS, Bundle, changes, moments, take
from musegen.utils.arrays import Bools, Ints
from musegen.utils.hashing import splitmix64

__all__ = ["SHARED_RUN", "melodies", "runs", "same_tunes", "signatures", "tunes"]

SHARED_RUN = 16  # intervals; two pieces that share such a run count as one tune
DULL = 3  # a run with no more different intervals, an exercise or a tremolo, is not compared
MOST_RUNS = 2**24  # compared at once: 0.2 GB of hashes and their owners
INTERVALS_AT_ONCE = 2**20
FIRST_INTERVAL = 128  # in `signatures`: lower symbols are pitches of drums
UNISON = 384

Hashes = NDArray[np.uint64]


def melodies(bundle: Bundle) -> tuple[NDArray[np.int8], Ints]:
    """Return the intervals between the highest notes of each piece, and their number.

    Drums are ignored unless a piece has nothing else.

    Returns:
        `int8[...]`, piece after piece, and `int64[pieces]`.
    """
    notes = bundle.notes
    drum = bundle.tracks.drum[notes.track]
    if drum.any():
        pitched = np.zeros(len(bundle.end), bool)
        pitched[notes.piece[~drum]] = True
        notes = take(notes, ~(drum & pitched[notes.piece]))
    begins = changes(notes.piece, notes.onset).nonzero()[0]
    if not len(begins):
        return np.zeros(0, np.int8), np.zeros(len(bundle.end), np.int64)
    piece = notes.piece[begins]
    inside = ~changes(piece)[1:]
    intervals = np.diff(np.maximum.reduceat(notes.pitch, begins))[inside].astype(np.int8)
    return intervals, np.bincount(piece[1:][inside], minlength=len(bundle.end))


def signatures(bundle: Bundle) -> Hashes:
    """Hash each piece's notes so that the same music has the same hash, `uint64[pieces]`.

    Key, tempo, loudness, rhythm and tracks make no difference. Notes are hashed in the order of
    onset and pitch, equal pitches at one onset once:

    ===========================  ============================================================
    all notes                    whether they begin together with the previous note
    all but drums                the interval from the previous one
    drums                        their pitch
    pieces of at most `DULL`     also the rhythm: steps from the previous note, divided by
    different intervals          their greatest common divisor
    ===========================  ============================================================

    A part moved by an octave changes the signature. The last row is for pieces with little else to
    distinguish them: drums, scales, single notes.
    """
    piece, moment, is_drum, pitch = _distinct_notes(bundle)
    out = np.zeros(len(bundle.end), np.uint64)
    if not len(piece):
        return out

    # A symbol for each note: drums 0 to 127, intervals 257 to 511.
    symbol = pitch.copy()
    melodic = (~is_drum).nonzero()[0]
    interval = np.diff(pitch[melodic], prepend=0)
    interval[changes(piece[melodic])] = 0
    symbol[melodic] = interval + UNISON

    # The hash of a piece is the sum of its notes' hashes, each mixed with its place in the piece.
    begins = changes(piece).nonzero()[0]
    place = np.arange(len(piece)) - begins.repeat(np.diff(begins, append=len(piece)))
    rhythm = _rhythm(piece, moment, begins, _is_dull(piece, symbol, len(out)))
    packed = _packed_note(rhythm, ~changes(moment), symbol)
    hashes = splitmix64(splitmix64(place.view(np.uint64)) + packed.view(np.uint64))
    out[piece[begins]] = np.add.reduceat(hashes, begins)
    return out


def _distinct_notes(bundle: Bundle) -> tuple[Ints, Ints, Bools, Ints]:
    """Return piece, moment, whether it is a drum, and pitch of all notes, sorted, none twice."""
    notes = bundle.notes
    drum = bundle.tracks.drum[notes.track].astype(np.int64)
    key = np.unique((moments(notes.piece, notes.onset) << 8) + (drum << 7) + notes.pitch)
    return key >> (STEP_BITS + 8), key >> 8, key & 128 > 0, key & 127


def _packed_note(rhythm: Ints, together: Bools, symbol: Ints) -> Ints:
    """Pack what is hashed of each note into one number; a symbol takes 9 bits."""
    return (rhythm << 10) + (together.astype(np.int64) << 9) + symbol


def _is_dull(piece: Ints, symbol: Ints, pieces: int) -> Bools:
    """Return which pieces have at most `DULL` different intervals; drums have none."""
    inside = ~changes(piece) & (symbol >= FIRST_INTERVAL)
    seen = np.zeros((pieces, 512), bool)
    seen[piece[inside], symbol[inside]] = True
    return seen.sum(1) <= DULL


def _rhythm(piece: Ints, moment: Ints, begins: Ints, counts: Bools) -> Ints:
    """Return the time since the previous note, reduced; 0 in pieces whose rhythm does not count."""
    steps = np.diff(moment, prepend=0)
    steps[begins] = 0
    steps[~counts[piece]] = 0
    common = np.zeros(len(counts), np.int64)
    common[piece[begins]] = np.gcd.reduceat(steps, begins)
    return steps // np.maximum(common, 1)[piece]


def same_tunes(melodies: list[NDArray[np.int8]]) -> Ints:
    """Group melodies that share a long run of intervals: return a group per melody, `int64[N]`.

    A group's number is the index of its first melody. Key and tempo make no difference. Runs of at
    most three different intervals are ignored.
    """
    lengths = np.array([*map(len, melodies)], np.int64)
    flat = np.concatenate([np.zeros(0, np.int8), *melodies]).astype(np.int8)
    return tunes([(flat, lengths, np.arange(len(melodies)))], len(melodies))


def tunes(parts: Iterable[tuple[NDArray[np.int8], Ints, Ints]], pieces: int) -> Ints:
    """Group melodies as `same_tunes` does, given in parts.

    Of more than `MOST_RUNS` runs only those with a hash below a limit are compared. They are the
    same runs in every piece, so two versions of a tune, which share many runs, are still found.

    Args:
        parts: Melodies end to end, the length of each, and the piece of each.
        pieces: Number of pieces.
    """
    chunks: list[tuple[Hashes, NDArray[np.int32]]] = []
    count = 0
    limit = np.uint64(2**64 - 1)
    for melody, lengths, piece in parts:
        for run, owner in runs(melody, lengths):
            chosen = run <= limit
            chunks.append((run[chosen], piece[owner[chosen]].astype(np.int32)))
            count += len(chunks[-1][0])
            while count > MOST_RUNS:
                limit >>= np.uint64(1)
                chunks = [(run[run <= limit], owner[run <= limit]) for run, owner in chunks]
                count = sum(len(run) for run, _ in chunks)
    run = np.concatenate([np.zeros(0, np.uint64), *(run for run, _ in chunks)])
    owner = np.concatenate([np.zeros(0, np.int32), *(owner for _, owner in chunks)])
    del chunks
    order = run.argsort()
    run, owner = run[order], owner[order]
    shared = (run[1:] == run[:-1]) & (owner[1:] != owner[:-1])
    return _components(owner[:-1][shared], owner[1:][shared], pieces)


def runs(melody: NDArray[np.int8], lengths: Ints) -> Iterator[tuple[Hashes, Ints]]:
    """Yield the hashes of all runs of `SHARED_RUN` intervals, except dull ones, and their melodies.

    Args:
        melody: Melodies end to end.
        lengths: The length of each.
    """
    starts = offsets(lengths)
    first = 0
    while first < len(lengths):
        limit = starts[first] + INTERVALS_AT_ONCE
        last = max(first + 1, int(starts.searchsorted(limit, side="right")) - 1)
        run, owner = _runs(melody[starts[first] : starts[last]], lengths[first:last])
        yield run, owner + first
        first = last


def _runs(melody: NDArray[np.int8], lengths: Ints) -> tuple[Hashes, Ints]:
    owner = np.repeat(np.arange(len(lengths)), lengths)
    if len(melody) < SHARED_RUN:
        return np.zeros(0, np.uint64), owner[:0]
    within = owner[: 1 - SHARED_RUN] == owner[SHARED_RUN - 1 :]
    # Pack 2, 4, then 8 intervals into a number without loss; two such numbers make a run.
    packed = melody.view(np.uint8).astype(np.uint64)
    for half in (1, 2, 4):
        packed = (packed[:-half] << np.uint64(8 * half)) + packed[half:]
    start = (within & (_different(melody) > DULL)).nonzero()[0]
    return splitmix64(splitmix64(packed[start]) + packed[start + SHARED_RUN // 2]), owner[start]


def _different(melody: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Return the number of different intervals in each run, `uint8[N − SHARED_RUN + 1]`."""
    # How far back the same interval last occurred, if that is within a run.
    since = np.full(len(melody), SHARED_RUN, np.uint8)
    for back in range(SHARED_RUN - 1, 0, -1):
        np.copyto(since[back:], back, where=melody[back:] == melody[:-back])
    # An interval is new to a run if it last occurred before the beginning of the run.
    out = np.zeros(len(melody) - SHARED_RUN + 1, np.uint8)
    for place in range(SHARED_RUN):
        out += since[place : len(out) + place] > place
    return out


def _components(a: NDArray[np.int32], b: NDArray[np.int32], count: int) -> Ints:
    """Return the lowest node in the component of each of `count` nodes; edges join `a` and `b`."""
    root = np.arange(count)
    while len(a):
        low, high = np.minimum(root[a], root[b]), np.maximum(root[a], root[b])
        apart = low != high
        a, b = a[apart], b[apart]
        np.minimum.at(root, high[apart], low[apart])
        while (root[root] != root).any():
            root = root[root]
    return root
