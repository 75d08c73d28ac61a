"""Near-duplicates among pieces, in any key: fingerprints of n-grams and their comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.errors import ConfigError
from musegen.score.measures.lines import melody_lines
from musegen.score.score import Score
from musegen.utils.arrays import Ints
from musegen.utils.hashing import splitmix64

__all__ = ["GRAM", "THRESHOLD", "Fingerprint", "fingerprint", "likeness", "near_duplicates"]

GRAM = 5  # moves from note to note in an n-gram, which thus spans six notes
THRESHOLD = 0.25

Fingerprint = NDArray[np.uint64]


def fingerprint(score: Score, start: int = 0, end: int | None = None) -> Fingerprint:
    """Return hashes of the n-grams of a piece's melody lines, `uint64[M]`, sorted and unique.

    A melody line is the highest notes of a track. An n-gram is `GRAM` moves from one note to the
    next: the interval in semitones, and the time between the onsets in twelfths of a quarter. So
    the key, the tempo, the program and the place in the bar make no difference. A line with fewer
    moves is one n-gram. Drums are left out, unless there is nothing else. N-grams of melodies are
    due to Downie (1999, "Evaluating a simple approach to music information retrieval").

    >>> import musegen
    >>> scale = [(480 * i, 480, 60 + i, 80, 0) for i in range(8)]
    >>> score = musegen.Score(notes=scale, tracks=[musegen.Track()])
    >>> bool((fingerprint(score) == fingerprint(score.transpose(5))).all())
    True

    Args:
        score: The music.
        start: A tick; notes that begin earlier are ignored.
        end: A tick; notes that begin there or later are ignored; None for the end of the score.

    Raises:
        ConfigError: `start` and `end` are not in order, or not inside the score.
    """
    track, steps, semitones = melody_lines(score, start, end).moves()
    count = len(track)
    move = _move(steps, semitones)
    # Beyond the end there is no track.
    tracks = np.append(track, np.full(GRAM, -1))
    moves = np.append(move, np.zeros(GRAM, np.uint64))
    hashes = np.zeros(count, np.uint64)
    for place in range(GRAM):
        window = slice(place, count + place)
        same_track = tracks[window] == track
        hashes = splitmix64(hashes + np.where(same_track, moves[window], np.uint64(0)))
    # A line that is shorter than an n-gram has only its first, incomplete one.
    complete = tracks[GRAM - 1 : count + GRAM - 1] == track
    first = np.append(True, np.diff(track) != 0)[:count]
    return np.unique(hashes[complete | first])


def _move(steps: Ints, semitones: Ints) -> NDArray[np.uint64]:
    """Return moves as numbers above 0, `uint64[N]`."""
    return ((steps << 8) + semitones + 129).astype(np.uint64)


def likeness(a: Fingerprint, b: Fingerprint) -> float:
    """Return the Jaccard index of two fingerprints, 0 to 1; 0 if both are empty.

    >>> likeness(np.array([1, 2, 3], np.uint64), np.array([2, 3, 4], np.uint64))
    0.5
    """
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / max(len(a) + len(b) - both, 1)


def near_duplicates(fingerprints: Sequence[Fingerprint], threshold: float = THRESHOLD) -> list[int]:
    """Return for each piece the index of the earlier piece that it nearly repeats, or −1.

    Pieces are taken in order, and compared with the earlier ones that are not repetitions
    themselves. So no two pieces with −1 have a likeness of `threshold` or more, and every other
    piece refers to one of them: the most alike, or the earliest of equals. Pieces added at the end
    change nothing before them.

    >>> a, b = np.array([1, 2, 3], np.uint64), np.array([7, 8], np.uint64)
    >>> near_duplicates([a, b, a])
    [-1, -1, 0]

    Args:
        fingerprints: One per piece, from `fingerprint`.
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
    original, best = np.full(len(sizes), -1), np.zeros(len(sizes))
    for piece, first in enumerate(sizes.cumsum() - sizes):
        if original[piece] >= 0:
            continue
        # Compare this piece with all others at once, and keep the later ones that are closer to it.
        owners = index.owners(slice(first, first + sizes[piece]))
        shared = np.bincount(owners, minlength=len(sizes))
        alike = shared / np.maximum(sizes + sizes[piece] - shared, 1)
        closer = (alike >= threshold) & (alike > best)
        closer[: piece + 1] = False
        original[closer], best[closer] = piece, alike[closer]
    return original.tolist()


class _Index(NamedTuple):
    """An inverted index: the pieces with each n-gram, in rows sorted by n-gram, then piece."""

    owner: Ints
    """The piece of each row."""
    row: Ints
    """The row of each n-gram of all fingerprints, end to end."""
    last: Ints
    """For each of these, the row after the last one with the same n-gram."""

    def owners(self, grams: slice) -> Ints:
        """Return the pieces with n-grams of one piece: that piece and later ones, per n-gram."""
        count = self.last[grams] - self.row[grams]
        within = np.arange(count.sum()) - (count.cumsum() - count).repeat(count)
        return self.owner[self.row[grams].repeat(count) + within]


def _index(fingerprints: Sequence[Fingerprint], sizes: Ints) -> _Index:
    """Return the index of fingerprints of these sizes."""
    grams = np.concatenate([np.zeros(0, np.uint64), *fingerprints])
    order = grams.argsort(kind="stable")  # pieces with the same n-gram stay in order
    row = np.empty_like(order)
    row[order] = np.arange(len(order))
    owner = np.arange(len(sizes)).repeat(sizes)[order]
    return _Index(owner, row, last=grams[order].searchsorted(grams, side="right"))
