"""Which pieces are the same music: duplicates, and versions of one tune.

Everything works on whole arrays, a row per note or interval, of many pieces at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from musegen.data.store.entries import offsets
from musegen.encoding.bundle import Bundle, Column, changes, moments, take
from musegen.utils.hashing import splitmix64

__all__ = ["SHARED_RUN", "melodies", "runs", "same_tunes", "signatures", "tunes"]

SHARED_RUN = 16  # intervals; two pieces with such a run in common count as one tune
# Different intervals: a run of no more is an exercise or a tremolo, and says nothing of the tune
DULL = 3
MOST_RUNS = 2**24  # compared at once: 0.2 GB of hashes and their owners
INTERVALS_AT_ONCE = 2**20

Hashes = NDArray[np.uint64]


def melodies(bundle: Bundle) -> tuple[NDArray[np.int8], Column]:
    """Return the intervals between the highest notes of each piece, and how many each has.

    Drums count only in pieces of nothing else.

    Returns:
        `int8[...]`, piece after piece, and `int64[pieces]`.
    """
    notes = bundle.notes
    drum = bundle.tracks.drum[notes.track]
    if drum.any():
        sung = np.zeros(len(bundle.end), bool)
        sung[notes.piece[~drum]] = True
        notes = take(notes, ~(drum & sung[notes.piece]))
    begins = changes(notes.piece, notes.onset).nonzero()[0]
    if not len(begins):
        return np.zeros(0, np.int8), np.zeros(len(bundle.end), np.int64)
    piece = notes.piece[begins]
    inside = ~changes(piece)[1:]
    intervals = np.diff(np.maximum.reduceat(notes.pitch, begins))[inside].astype(np.int8)
    return intervals, np.bincount(piece[1:][inside], minlength=len(bundle.end))


def signatures(bundle: Bundle) -> Hashes:
    """Return a hash of each piece's notes that key, tempo, loudness, rhythm and tracks do not change, `uint64[pieces]`.

    What is hashed, of the notes in the order of onset and pitch, one pitch at one onset counting
    once:

    ===========================  ============================================================
    all notes                    whether they begin with the note before
    all but drums                the interval from the one before
    drums                        their pitch
    pieces of at most `DULL`     also the rhythm: steps from the note before, as multiples of
    different intervals          their greatest common divisor
    ===========================  ============================================================

    A part moved by an octave makes another signature. The last row is for what has little else to
    be told by: drums, scales, single notes.
    """
    notes = bundle.notes
    drum = bundle.tracks.drum[notes.track]
    key = np.unique(
        (moments(notes.piece, notes.onset) << 8) + (drum.astype(np.int64) << 7) + notes.pitch
    )
    out = np.zeros(len(bundle.end), np.uint64)
    if not len(key):
        return out
    piece, value, at = key >> 39, key & 127, key >> 8
    melodic = (key & 128 == 0).nonzero()[0]
    owner, interval = piece[melodic], np.diff(value[melodic], prepend=0)
    interval[changes(owner)] = 0
    value[melodic] = interval + 384  # drums 0 to 127, intervals 257 to 511
    begins = changes(piece).nonzero()[0]
    count = np.diff(begins, append=len(key))
    together = ~changes(at)
    symbol = _rhythm(piece, at, begins, _is_dull(piece, value, len(out)))
    symbol = (symbol << 10) + (together.astype(np.int64) << 9) + value
    place = np.arange(len(key)) - begins.repeat(count)
    out[piece[begins]] = np.add.reduceat(
        splitmix64(splitmix64(place.view(np.uint64)) + symbol.view(np.uint64)), begins
    )
    return out


def _is_dull(piece: Column, value: Column, pieces: int) -> NDArray[np.bool_]:
    """Return which pieces have at most `DULL` different intervals; drums have none."""
    inside = ~changes(piece) & (value >= 128)
    seen = np.zeros((pieces, 512), bool)
    seen[piece[inside], value[inside]] = True
    out: NDArray[np.bool_] = seen.sum(1) <= DULL
    return out


def _rhythm(piece: Column, at: Column, begins: Column, counts: NDArray[np.bool_]) -> Column:
    """Return for the notes of the pieces where it `counts` the time since the note before, reduced; 0 for others."""
    steps = np.diff(at, prepend=0)
    steps[begins] = 0
    steps[~counts[piece]] = 0
    common = np.zeros(len(counts), np.int64)
    common[piece[begins]] = np.gcd.reduceat(steps, begins)
    out: Column = steps // np.maximum(common, 1)[piece]
    return out


def same_tunes(melodies: list[NDArray[np.int8]]) -> NDArray[np.int64]:
    """Return a group number per melody, `int64[N]`: those that share a long run of intervals are one.

    The number is the index of the group's first melody. Key and tempo make no difference. Runs of
    at most three different intervals do not count.
    """
    lengths = np.array([*map(len, melodies)], np.int64)
    flat = np.concatenate([np.zeros(0, np.int8), *melodies]).astype(np.int8)
    return tunes([(flat, lengths, np.arange(len(melodies)))], len(melodies))


def tunes(
    parts: Iterable[tuple[NDArray[np.int8], Column, Column]], pieces: int
) -> NDArray[np.int64]:
    """Return what `same_tunes` does, for melodies that come in parts.

    Of more than `MOST_RUNS` runs those are compared whose hash is below a limit: the same ones in
    every piece, so that two versions of a tune, which have many runs in common, are still found.

    Args:
        parts: Melodies end to end, the length of each, and which piece each is of.
        pieces: How many there are.
    """
    found: list[tuple[Hashes, NDArray[np.int32]]] = []
    count, limit = 0, np.uint64(2**64 - 1)
    for melody, lengths, piece in parts:
        for run, owner in runs(melody, lengths):
            chosen = run <= limit
            found.append((run[chosen], piece[owner[chosen]].astype(np.int32)))
            count += len(found[-1][0])
            while count > MOST_RUNS:
                limit >>= np.uint64(1)
                found = [(run[run <= limit], owner[run <= limit]) for run, owner in found]
                count = sum(len(run) for run, _ in found)
    run = np.concatenate([np.zeros(0, np.uint64), *(run for run, _ in found)])
    owner = np.concatenate([np.zeros(0, np.int32), *(owner for _, owner in found)])
    del found
    order = run.argsort()
    run, owner = run[order], owner[order]
    shared = (run[1:] == run[:-1]) & (owner[1:] != owner[:-1])
    return _components(owner[:-1][shared], owner[1:][shared], pieces)


def runs(melody: NDArray[np.int8], lengths: Column) -> Iterator[tuple[Hashes, Column]]:
    """Yield the hash of every run of `SHARED_RUN` intervals that is not dull, and the melody it is in.

    Args:
        melody: Melodies end to end.
        lengths: Of each.
    """
    starts = offsets(lengths)
    first = 0
    while first < len(lengths):
        last = max(
            first + 1, int(starts.searchsorted(starts[first] + INTERVALS_AT_ONCE, side="right")) - 1
        )
        run, owner = _runs(melody[starts[first] : starts[last]], lengths[first:last])
        yield run, owner + first
        first = last


def _runs(melody: NDArray[np.int8], lengths: Column) -> tuple[Hashes, Column]:
    owner = np.repeat(np.arange(len(lengths)), lengths)
    if len(melody) < SHARED_RUN:
        return np.zeros(0, np.uint64), owner[:0]
    within = owner[: 1 - SHARED_RUN] == owner[SHARED_RUN - 1 :]
    packed = melody.view(np.uint8).astype(np.uint64)
    for half in (
        1,
        2,
        4,
    ):  # 1, 2, 4, then 8 intervals in a number: exact, and two of them make a run
        packed = (packed[:-half] << np.uint64(8 * half)) + packed[half:]
    start = (within & (_different(melody) > DULL)).nonzero()[0]
    return splitmix64(splitmix64(packed[start]) + packed[start + SHARED_RUN // 2]), owner[start]


def _different(melody: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Return how many different intervals each run has, `uint8[N − SHARED_RUN + 1]`."""
    since = np.full(
        len(melody), SHARED_RUN, np.uint8
    )  # an interval last came, if that is within a run
    for back in range(SHARED_RUN - 1, 0, -1):
        np.copyto(since[back:], back, where=melody[back:] == melody[:-back])
    out = np.zeros(len(melody) - SHARED_RUN + 1, np.uint8)
    for place in range(SHARED_RUN):  # it is new to a run if that was before the run's beginning
        out += since[place : len(out) + place] > place
    return out


def _components(a: NDArray[np.int32], b: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return for each of `count` nodes the lowest node that edges between `a` and `b` connect it with."""
    root = np.arange(count)
    while len(a):
        low, high = np.minimum(root[a], root[b]), np.maximum(root[a], root[b])
        apart = low != high
        a, b = a[apart], b[apart]
        np.minimum.at(root, high[apart], low[apart])
        while (root[root] != root).any():
            root = root[root]
    return root
