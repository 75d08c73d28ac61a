"""Which pieces nearly repeat each other, in whatever key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.errors import ConfigError
from musegen.score.measures.lines import Column, lines
from musegen.score.score import Score
from musegen.utils.hashing import splitmix64

__all__ = ["GRAM", "THRESHOLD", "Fingerprint", "fingerprint", "likeness", "near_duplicates"]

GRAM = 5  # steps from note to note in an n-gram, which so spans six notes
THRESHOLD = 0.25

Fingerprint = NDArray[np.uint64]


def fingerprint(score: Score, start: int = 0, end: int | None = None) -> Fingerprint:
    """Return hashes of the n-grams of a piece's melody lines, `uint64[M]`, sorted, each once.

    A line is the highest notes of a track. An n-gram is `GRAM` steps of it from one note to the
    next: the interval in semitones, and the time between the onsets in twelfths of a quarter. So
    the key, the tempo, the program and the place in the bar make no difference. A line of fewer
    steps is one n-gram. Drums are left out where there is anything else. N-grams of melodies are
    how Downie (1999, "Evaluating a simple approach to music information retrieval") finds them.

    Args:
        score: The music.
        start: A tick: notes that begin earlier are left out.
        end: A tick: notes that begin there or later are left out; None for where the score ends.

    Raises:
        ConfigError: `start` and `end` are not in order, or not inside the score.
    """
    line = lines(score, start, end)
    inside = np.diff(line.track) == 0
    owner = line.track[1:][inside]
    symbol = (np.diff(line.step)[inside] << 8) + (np.diff(line.pitch)[inside] + 128)
    count = len(symbol)
    follows = np.append(owner, np.full(GRAM, -1))  # beyond the end there is no track
    padded = np.append(symbol + 1, np.zeros(GRAM, np.int64)).astype(np.uint64)
    first = np.append(True, owner[1:] != owner[:-1])[:count]
    hashes = np.zeros(count, np.uint64)
    for place in range(GRAM):
        mine = follows[place : count + place] == owner
        hashes = splitmix64(hashes + np.where(mine, padded[place : count + place], np.uint64(0)))
    whole = follows[GRAM - 1 : count + GRAM - 1] == owner
    return np.unique(hashes[whole | first])


def likeness(a: Fingerprint, b: Fingerprint) -> float:
    """Return the share of the n-grams of either piece that both have (Jaccard), 0 to 1; 0 if there are none."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / max(len(a) + len(b) - both, 1)


def near_duplicates(fingerprints: Sequence[Fingerprint], threshold: float = THRESHOLD) -> list[int]:
    """Return for each piece the index of the earlier piece that it nearly repeats, or −1.

    Pieces are taken in order, and compared with those earlier ones that are no repetitions
    themselves. So no two of those that get −1 have a likeness of `threshold` or more, and each
    other one names one of them: the most alike, the earliest of several. Pieces added at the end
    change nothing before them.

    Args:
        fingerprints: One a piece, from `fingerprint`.
        threshold: The least `likeness` of repetitions, above 0, up to 1.

    Raises:
        ConfigError: The threshold is outside its range.
    """
    if not 0 < threshold <= 1:
        raise ConfigError(
            f"the threshold must be > 0 and <= 1. Received: {threshold}. "
            f"The default is {THRESHOLD}; 1 finds only pieces with all n-grams in common."
        )
    sizes = np.array([len(one) for one in fingerprints], np.int64)
    index = _index(fingerprints, sizes)
    best, like = np.full(len(sizes), -1), np.zeros(len(sizes))
    for piece, first in enumerate(sizes.cumsum() - sizes):
        if best[piece] >= 0:
            continue
        shared = np.bincount(index.later(slice(first, first + sizes[piece])), minlength=len(sizes))
        found = shared / np.maximum(sizes + sizes[piece] - shared, 1)
        closer = (found >= threshold) & (found > like)
        closer[: piece + 1] = False
        best[closer], like[closer] = piece, found[closer]
    out: list[int] = best.tolist()
    return out


class _Index(NamedTuple):
    """Which pieces have an n-gram: rows by n-gram, then piece."""

    owner: Column
    """The piece of each row."""
    row: Column
    """The row of each n-gram of all fingerprints, end to end."""
    last: Column
    """For each of these the row behind the last one of the same n-gram."""

    def later(self, grams: slice) -> Column:
        """Return the pieces that have some n-grams of one piece, that piece and later ones, once for each n-gram."""
        count = self.last[grams] - self.row[grams]
        within = np.arange(count.sum()) - (count.cumsum() - count).repeat(count)
        out: Column = self.owner[self.row[grams].repeat(count) + within]
        return out


def _index(fingerprints: Sequence[Fingerprint], sizes: Column) -> _Index:
    """Return the index of fingerprints of these sizes."""
    grams = np.concatenate([np.zeros(0, np.uint64), *fingerprints])
    order = grams.argsort(kind="stable")  # of one n-gram the pieces stay in order
    row = np.empty_like(order)
    row[order] = np.arange(len(order))
    return _Index(
        np.arange(len(sizes)).repeat(sizes)[order],
        row,
        grams[order].searchsorted(grams, side="right"),
    )
