"""Runs of notes that stand somewhere else, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from musegen.data.novelty.voices import Symbols

__all__ = ["DULL", "Copied", "Runs"]

DULL = 2  # different pairs of interval and rhythm: a run of no more is in any music


@dataclass(frozen=True)
class Copied:
    """A run of consecutive notes of a voice that stands in a training piece, too. Without notes: there is none.

    Attributes:
        notes: How many.
        piece: Name of the first training piece that has it.
        bar_there: The bar where it begins there; the first, a pickup filled up with a rest, is bar
            1.
        bar_here: The bar where it begins here, counted from 1; a short first bar, a pickup, is bar
            0.
        tick: Onset of its first note here.
        track: Index of its track here.
        pieces: How many training pieces have it.
        of: How many training pieces there are.
    """

    notes: int = 0
    piece: str = ""
    bar_there: int = 0
    bar_here: int = 0
    tick: int = 0
    track: int = 0
    pieces: int = 0
    of: int = 0

    def __bool__(self) -> bool:
        """Whether there is one."""
        return self.notes > 0

    @property
    def share(self) -> float:
        """The share of the training pieces that have it: what many have is nobody's tune."""
        return self.pieces / max(self.of, 1)


class Runs(NamedTuple):
    """The runs in a sequence that cannot be made longer at either end, in order: no other contains one."""

    start: NDArray[np.int64]
    """Where each begins."""
    length: NDArray[np.int64]
    """How many symbols it has: one less than notes."""
    dull: NDArray[np.int64]
    """How many from its beginning on are of `DULL` different ones: all of them, in a run that does not count."""
    size: int
    """Of the sequence."""

    @classmethod
    def of(cls, sequence: Symbols, longest: NDArray[np.int64]) -> Self:
        """Return the runs of a sequence.

        Args:
            sequence: `uint16[N]`.
            longest: How far a run that begins at each place goes, `int64[N]`.
        """
        ends = np.arange(len(sequence)) + longest
        start = ((longest > 0) & (np.diff(ends, prepend=0) > 0)).nonzero()[0]
        length = longest[start]
        return cls(start, length, _dull(sequence, start, length), len(sequence))

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Which have enough different symbols to be somebody's."""
        out: NDArray[np.bool_] = self.dull < self.length
        return out

    def take(self, chosen: NDArray[Any]) -> Self:
        """Return some of them."""
        return self._replace(
            start=self.start[chosen], length=self.length[chosen], dull=self.dull[chosen]
        )

    def ending(self) -> NDArray[np.int64]:
        """Return how many notes the longest run that counts has of those that end at each place, `int64[size]`."""
        out = np.zeros(self.size, np.int64)
        end = self.start + self.length
        before = np.minimum(np.append(0, end[:-1])[: len(end)], end)
        at = np.maximum(
            self.start, before
        )  # of a place within several runs the first begins earliest
        place, run = _ragged(at, end - at)
        here = place - self.start[run] + 1
        out[place] = np.where(here > self.dull[run], here + 1, 0)
        return out


def _ragged(
    start: NDArray[np.int64], length: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return every place in some stretches, one after the other, and which stretch it is in."""
    run = np.arange(len(start)).repeat(length)
    return np.arange(len(run)) + (start - length.cumsum() + length)[run], run


def _dull(
    sequence: Symbols, start: NDArray[np.int64], length: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how many symbols of each run come before the first that makes more than `DULL` different ones."""
    order = sequence.argsort(kind="stable")
    same = sequence[order[1:]] == sequence[order[:-1]]
    before = np.full(len(sequence), -1)  # where each symbol came last
    before[order[1:][same]] = order[:-1][same]
    place, run = _ragged(start, length)
    new = before[place] < start[run]
    seen = new.cumsum()
    begins = length.cumsum() - length
    seen -= (seen[begins] - 1)[run]  # the first of a run is new to it
    return np.bincount(run[seen <= DULL], minlength=len(start))
