"""Runs of notes that also occur in other music."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from musegen.data.novelty.voices import Symbols
from musegen.utils.arrays import Bools, Ints

__all__ = ["DULL", "Copied", "Runs"]

DULL = 2  # a run with no more different pairs of interval and rhythm occurs in any music


@dataclass(frozen=True)
class Copied:
    """A run of consecutive notes of a voice that also occurs in a training piece, or no run.

    Attributes:
        notes: Number of notes; 0 if there is no run.
        piece: Name of the first training piece that has it.
        bar_there: The bar of the training piece where it begins; a pickup, padded with a rest, is
            bar 1.
        bar_here: The bar of the score where it begins, from 1; a pickup is bar 0.
        tick: Onset of its first note in the score.
        track: Index of its track in the score.
        pieces: Number of training pieces that have it.
        of: Number of training pieces.
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
        """Return whether there is a run."""
        return self.notes > 0

    @property
    def share(self) -> float:
        """The share of the training pieces that have it: a run in many of them is a commonplace."""
        return self.pieces / max(self.of, 1)


class Runs(NamedTuple):
    """The maximal runs in a sequence, in order: none is part of another."""

    start: Ints
    """Where each begins."""
    length: Ints
    """Number of symbols: one less than notes."""
    dull: Ints
    """Symbols at the beginning of which at most `DULL` are different."""
    size: int
    """Length of the sequence."""

    @classmethod
    def of(cls, sequence: Symbols, longest: Ints) -> Self:
        """Return the runs of a sequence.

        Args:
            sequence: `uint16[N]`.
            longest: Length of the longest run that begins at each place, `int64[N]`.
        """
        ends = np.arange(len(sequence)) + longest
        start = ((longest > 0) & (np.diff(ends, prepend=0) > 0)).nonzero()[0]
        length = longest[start]
        return cls(start, length, _dull(sequence, start, length), len(sequence))

    @property
    def counts(self) -> Bools:
        """Which runs count: those with more than `DULL` different symbols."""
        return self.dull < self.length

    def take(self, chosen: NDArray[Any]) -> Self:
        """Return the chosen runs: indices or a mask."""
        return self._replace(
            start=self.start[chosen], length=self.length[chosen], dull=self.dull[chosen]
        )

    def ending(self) -> Ints:
        """Return the notes of the longest run that counts and ends at each place, `int64[size]`."""
        out = np.zeros(self.size, np.int64)
        end = self.start + self.length
        previous_end = np.minimum(np.append(0, end[:-1])[: len(end)], end)
        # At a place within several runs, the first of them begins earliest.
        at = np.maximum(self.start, previous_end)
        place, run = _ragged(at, end - at)
        symbols = place - self.start[run] + 1
        out[place] = np.where(symbols > self.dull[run], symbols + 1, 0)
        return out


def _ragged(start: Ints, length: Ints) -> tuple[Ints, Ints]:
    """Return every place in some stretches, end to end, and the stretch of each."""
    run = np.arange(len(start)).repeat(length)
    return np.arange(len(run)) + (start - length.cumsum() + length)[run], run


def _dull(sequence: Symbols, start: Ints, length: Ints) -> Ints:
    """Return the length of each run's longest beginning with at most `DULL` different symbols."""
    # Where each symbol occurred last.
    order = sequence.argsort(kind="stable")
    same = sequence[order[1:]] == sequence[order[:-1]]
    last = np.full(len(sequence), -1)
    last[order[1:][same]] = order[:-1][same]
    # Count the symbols that are new to their run; the first one always is.
    place, run = _ragged(start, length)
    seen = (last[place] < start[run]).cumsum()
    begins = length.cumsum() - length
    seen -= (seen[begins] - 1)[run]
    return np.bincount(run[seen <= DULL], minlength=len(start))
