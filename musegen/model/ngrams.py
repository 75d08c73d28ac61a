"""N-grams of tokens: the baseline that a network has to beat.

An n-gram of order n predicts from the last n − 1 tokens. Probabilities of shorter and shorter
histories are interpolated with Witten-Bell smoothing (method C of Bell, Cleary and Witten 1990,
"Text Compression"):

    p(w | h) = (c(hw) + t(h) · p(w | h′)) / (c(h) + t(h))

where c counts occurrences in the training pieces, t(h) is the number of different tokens that
follow h there, and h′ is h without its oldest token. The empty history backs off to the uniform
distribution. For a history that never occurred, or that reaches back beyond the start of the piece,
p(w | h) = p(w | h′).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from musegen.config import require
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.model.likelihood import Predictor
from musegen.utils.arrays import Bools, Floats, Ints

__all__ = ["HIGHEST", "NGrams"]

HIGHEST = 8  # order that is tried


class _Level(NamedTuple):
    """All k-grams that occur, for one k.

    A k-gram's number is its index in `grams`. Its key there is the number of the (k − 1)-gram that
    it begins with, times the size of the vocabulary, plus its last token (`_keys`): different
    k-grams have different keys, whatever their length.
    """

    grams: Ints
    """`int64[G]`, ascending."""
    counts: Ints
    """`int64[G]`: occurrences of each k-gram."""
    followed: Ints
    """`int64[H]`: occurrences of each (k − 1)-gram with a token after it: c(h)."""
    kinds: Ints
    """`int64[H]`: number of different tokens after each (k − 1)-gram: t(h)."""


class NGrams:
    """N-grams of all orders up to a highest one, counted once.

    Attributes:
        order: The highest order.
        size: Number of tokens in the vocabulary.

    Example:
        >>> import numpy as np
        >>> pieces = [np.array([0, 1, 2, 1, 2, 1, 3])]
        >>> grams = NGrams(pieces, size=4, order=2)
        >>> grams.probabilities(np.array([[2]]), order=2).round(3)  # after a 2
        array([[0.028, 0.806, 0.102, 0.065]])
        >>> grams.best(pieces)
        2
    """

    def __init__(self, pieces: Iterable[Tokens], size: int, order: int = HIGHEST) -> None:
        """Count the n-grams.

        Args:
            pieces: `int[T]` each; the first token of each, `start`, is given and not counted.
            size: Number of tokens in the vocabulary.
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
        tokens, place = _concatenated(pieces)
        fitted = "an n-gram must be fitted on at least one piece"
        require(len(tokens) > 0, fitted, 0, "Give pieces to learn from.")
        self.order, self.size = order, size
        self._levels: list[_Level] = []
        numbers = 0 * tokens  # of the history before each token; at first the empty one
        histories = 1
        for k in range(1, order + 1):
            inside = place >= max(k - 1, 1)
            keys = self._keys(numbers[inside], tokens[inside])
            grams, number, counts = np.unique(keys, return_inverse=True, return_counts=True)
            history = grams // size
            followed = np.bincount(history, counts, minlength=histories).astype(np.int64)
            kinds = np.bincount(history, minlength=histories)
            self._levels.append(_Level(grams, counts, followed, kinds))
            if k == 1:  # every token is a history, also `start`
                numbers, histories = tokens, size
            else:
                numbers, histories = np.zeros_like(tokens), len(grams)
                numbers[inside] = number.reshape(-1)
            numbers = _shifted(numbers)

    def nats(self, pieces: Iterable[Tokens]) -> Floats:
        """Return −log p of each token after the first of each piece, by every order.

        Args:
            pieces: `int[T]` each.

        Returns:
            `float64[order, N]`, the pieces' tokens end to end.
        """
        tokens, place = _concatenated(pieces)
        predicted = place >= 1
        out = np.empty((self.order, int(predicted.sum())))
        p = np.full(len(tokens), 1 / self.size)
        numbers = 0 * tokens
        for k, level in enumerate(self._levels, 1):
            # Count each history and token; a history that never occurred has the number −1.
            at = (predicted & (numbers >= 0)).nonzero()[0]
            number, occurs = _look_up(level.grams, self._keys(numbers[at], tokens[at]))
            counts = np.zeros(len(at), np.int64)
            counts[occurs] = level.counts[number[occurs]]

            # Interpolate. Both sums are 0 for a history followed by nothing, as at a piece's end.
            kinds, followed = level.kinds[numbers[at]], level.followed[numbers[at]]
            mixed = (counts + kinds * p[at]) / np.maximum(followed + kinds, 1)
            p[at] = np.where(kinds > 0, mixed, p[at])
            out[k - 1] = -np.log(p[predicted])

            # The k-gram up to each token is the next level's history of the token after it.
            if k == 1:
                numbers = tokens
            else:
                numbers = np.full_like(tokens, -1)
                numbers[at[occurs]] = number[occurs]
            numbers = _shifted(numbers)
        return out

    def best(self, pieces: Iterable[Tokens]) -> int:
        """Return the order that predicts validation pieces best, the lowest of equals."""
        return int(self.nats(pieces).sum(axis=1).argmin()) + 1

    def predictor(self, order: int) -> Predictor:
        """Return the n-gram of an order, 1 to `self.order`, as a predictor.

        Raises:
            ConfigError: The order was not counted.
        """
        counted = 1 <= order <= self.order
        require(counted, f"order must be 1 to {self.order}", order, "Count up to a higher one.")

        def predict(tokens: Tokens, _: Vocabulary) -> Floats:
            return self.nats([tokens])[order - 1]

        return predict

    def probabilities(self, histories: Ints, order: int) -> Floats:
        """Return the probability of every token after each history, `float64[M, V]`.

        Args:
            histories: The last tokens, `int64[M, H]` with H ≥ `order` − 1; −1 before the first.
            order: The order of the n-gram, 1 to `self.order`.
        """
        p = np.full((len(histories), self.size), 1 / self.size)
        for k in range(1, order + 1):
            # The histories that occur with a token after them.
            level = self._levels[k - 1]
            row, number = self._number(histories[:, histories.shape[1] - k + 1 :])
            continued = level.kinds[number] > 0
            row, number = row[continued], number[continued]
            kinds, followed = level.kinds[number], level.followed[number]

            # Interpolate: scale what shorter histories gave, and add the share of each k-gram.
            p[row] *= (kinds / (followed + kinds))[:, None]
            first = level.grams.searchsorted(number * self.size)
            last = level.grams.searchsorted((number + 1) * self.size)
            count = last - first
            entry = np.arange(count.sum()) + (first - count.cumsum() + count).repeat(count)
            share = level.counts[entry] / (followed + kinds).repeat(count)
            p[row.repeat(count), level.grams[entry] % self.size] += share
        return p

    def _keys(self, numbers: Ints, tokens: Ints) -> Ints:
        """Return the keys of k-grams made of the numbers of (k − 1)-grams and their last tokens."""
        return numbers * self.size + tokens

    def _number(self, histories: Ints) -> tuple[Ints, Ints]:
        """Return the rows of the histories, `int64[M, k]`, that occur, and their numbers."""
        row = np.flatnonzero((histories >= 0).all(axis=1))
        number = histories[row, 0] if histories.shape[1] else np.zeros(len(row), np.int64)
        for place in range(1, histories.shape[1]):
            keys = self._keys(number, histories[row, place])
            number, occurs = _look_up(self._levels[place].grams, keys)
            row, number = row[occurs], number[occurs]
        return row, number


def _look_up(grams: Ints, keys: Ints) -> tuple[Ints, Bools]:
    """Return the index of each key in sorted `grams`, and whether it is there."""
    number = grams.searchsorted(keys)
    occurs = number < len(grams)
    occurs[occurs] = grams[number[occurs]] == keys[occurs]
    return number, occurs


def _concatenated(pieces: Iterable[Tokens]) -> tuple[Ints, Ints]:
    """Return the tokens of pieces end to end, `int64[T]`, and the index of each in its piece."""
    parts = [np.asarray(tokens, np.int64) for tokens in pieces]
    places = [np.arange(len(tokens)) for tokens in parts]
    nothing = np.zeros(0, np.int64)
    return np.concatenate([nothing, *parts]), np.concatenate([nothing, *places])


def _shifted(numbers: Ints) -> Ints:
    """Return for each token the number of the gram that ends just before it; 0 for the first."""
    out = np.empty_like(numbers)
    out[:1], out[1:] = 0, numbers[:-1]
    return out
