"""What the last few tokens alone say of the next: the baseline that a network has to beat.

An n-gram of order n knows n − 1 tokens. Its probabilities are those of shorter and shorter
histories mixed, as Witten and Bell do it (method C of Bell, Cleary and Witten 1990, "Text
Compression", interpolated):

    p(w | h) = (c(hw) + t(h) · p(w | h′)) / (c(h) + t(h))

where c counts in the pieces that it was fitted on, t(h) is how many different tokens follow h
there, and h′ is h without its oldest token. Behind the empty history stands the uniform
distribution. A history that never occurred, or that reaches back beyond the start of the piece,
says nothing: p(w | h) = p(w | h′).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.config import require
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.model.likelihood import Predictor

__all__ = ["HIGHEST", "NGrams"]

HIGHEST = 8  # order that is tried

Integers = NDArray[np.int64]


class _Level(NamedTuple):
    """All k-grams that occur, for one k.

    A k-gram's number is its place in `grams`. There it stands as one integer: the number of the (k
    − 1)-gram that it begins with, times the size of the vocabulary, + its last token. So no two are
    confused, however long they are.
    """

    grams: Integers
    """`int64[G]`, ascending."""
    counts: Integers
    """`int64[G]`: how often each occurs."""
    followed: Integers
    """`int64[H]`: how often each (k − 1)-gram is followed by a token: c(h)."""
    kinds: Integers
    """`int64[H]`: by how many different ones: t(h)."""


class NGrams:
    """N-grams of all orders up to one, counted once.

    Attributes:
        order: The highest order.
        size: How many tokens the vocabulary has.
    """

    def __init__(self, pieces: Iterable[Tokens], size: int, order: int = HIGHEST) -> None:
        """Count.

        Args:
            pieces: `int[T]` each; the first token of each, `start`, is given and not counted.
            size: How many tokens the vocabulary has.
            order: The highest order, 1 or more.

        Raises:
            ConfigError: `order` is below 1, or there are no pieces.
        """
        require(
            order >= 1,
            "the order of an n-gram must be >= 1",
            order,
            "Use 1 for the unigram, 3 for the trigram.",
        )
        tokens, place = _joined(pieces)
        require(
            len(tokens) > 0,
            "an n-gram must be fitted on at least one piece",
            0,
            "Give pieces to learn from.",
        )
        self.order, self.size = order, size
        self._levels: list[_Level] = []
        numbers = 0 * tokens  # of the gram before each token: there is one empty one
        histories = 1
        for k in range(1, order + 1):
            inside = place >= max(k - 1, 1)
            keys = numbers[inside] * size + tokens[inside]
            grams, number, counts = np.unique(keys, return_inverse=True, return_counts=True)
            history = grams // size
            followed = np.bincount(history, counts, minlength=histories).astype(np.int64)
            kinds = np.bincount(history, minlength=histories)
            self._levels.append(_Level(grams, counts, followed, kinds))
            if k == 1:  # every token is a history, `start` as well
                numbers, histories = tokens, size
            else:
                numbers, histories = np.zeros_like(tokens), len(grams)
                numbers[inside] = number.reshape(-1)
            numbers = _behind(numbers)

    def nats(self, pieces: Iterable[Tokens]) -> NDArray[np.float64]:
        """Return −log p of each token after the first of each piece, by every order: `float64[order, N]`.

        Args:
            pieces: `int[T]` each; what they give stands end to end.
        """
        tokens, place = _joined(pieces)
        told = place >= 1
        out = np.empty((self.order, int(told.sum())))
        p = np.full(len(tokens), 1 / self.size)
        numbers = 0 * tokens
        for k, level in enumerate(self._levels, 1):
            known = told & (numbers >= 0)
            at = known.nonzero()[0]
            keys = numbers[at] * self.size + tokens[at]
            number = level.grams.searchsorted(keys)
            found = (
                level.grams[np.minimum(number, len(level.grams) - 1)] == keys
                if len(level.grams)
                else number < 0
            )
            counts = np.zeros(len(at), np.int64)
            counts[found] = level.counts[number[found]]
            kinds, followed = level.kinds[numbers[at]], level.followed[numbers[at]]
            # Where a history is followed by nothing, as at the end of a piece, both are 0.
            p[at] = np.where(
                kinds > 0, (counts + kinds * p[at]) / np.maximum(followed + kinds, 1), p[at]
            )
            out[k - 1] = -np.log(p[told])
            if k == 1:
                numbers = tokens
            else:
                numbers = np.full_like(tokens, -1)
                numbers[at[found]] = number[found]
            numbers = _behind(numbers)
        return out

    def best(self, pieces: Iterable[Tokens]) -> int:
        """Return the order that predicts some pieces best, the lowest of equals; validation pieces, to be fair."""
        return int(self.nats(pieces).sum(axis=1).argmin()) + 1

    def predictor(self, order: int) -> Predictor:
        """Return the predictor that the n-gram of an order, 1 to `order`, is.

        Raises:
            ConfigError: It was not counted.
        """
        require(
            1 <= order <= self.order,
            f"order must be 1 to {self.order}",
            order,
            "Count up to a higher one.",
        )

        def predict(tokens: Tokens, _: Vocabulary) -> NDArray[np.float64]:
            return np.asarray(self.nats([tokens])[order - 1])

        return predict

    def probabilities(self, histories: Integers, order: int) -> NDArray[np.float64]:
        """Return p of every token behind some histories by the n-gram of an order, `float64[M, V]`.

        Args:
            histories: The last tokens, `int64[M, H]` with H ≥ `order` − 1; −1 where there is none.
            order: 1 to `self.order`.
        """
        p = np.full((len(histories), self.size), 1 / self.size)
        for k in range(1, order + 1):
            level = self._levels[k - 1]
            row, number = self._numbered(histories[:, histories.shape[1] - k + 1 :])
            kinds, followed = level.kinds[number], level.followed[number]
            row, number, kinds, followed = (
                column[kinds > 0] for column in (row, number, kinds, followed)
            )
            first, last = (level.grams.searchsorted((number + more) * self.size) for more in (0, 1))
            p[row] *= (kinds / (followed + kinds))[:, None]
            count = last - first
            entry = np.arange(count.sum()) + (first - count.cumsum() + count).repeat(count)
            share = level.counts[entry] / (followed + kinds).repeat(count)
            p[row.repeat(count), level.grams[entry] % self.size] += share
        return p

    def _numbered(self, histories: Integers) -> tuple[Integers, Integers]:
        """Return which of some histories of one length occur, and their numbers, as the next level counts them."""
        row = np.flatnonzero((histories >= 0).all(axis=1))
        number = histories[row, 0] if histories.shape[1] else np.zeros(len(row), np.int64)
        for place in range(1, histories.shape[1]):
            grams = self._levels[place].grams
            keys = number * self.size + histories[row, place]
            number = grams.searchsorted(keys)
            known = number < len(grams)
            known[known] = grams[number[known]] == keys[known]
            row, number = row[known], number[known]
        return row, number


def _joined(pieces: Iterable[Tokens]) -> tuple[Integers, Integers]:
    """Return the tokens of pieces end to end, `int64[T]`, and the place of each in its piece, from 0."""
    parts = [np.asarray(tokens, np.int64) for tokens in pieces]
    places = [np.arange(len(tokens)) for tokens in parts]
    nothing = np.zeros(0, np.int64)
    return np.concatenate([nothing, *parts]), np.concatenate([nothing, *places])


def _behind(numbers: Integers) -> Integers:
    """Return for each place the number of the gram that ends just before it; the first place has none."""
    out = np.empty_like(numbers)
    out[:1], out[1:] = 0, numbers[:-1]
    return out
