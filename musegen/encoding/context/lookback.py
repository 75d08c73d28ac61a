"""Find similar earlier places in a piece, and the token that followed each.

Music repeats itself, and a recurrent network of modest width cannot hold a tune of sixteen bars
verbatim. So it receives what it would have to remember: for each of several earlier places, the
token that followed there, and how many of the tokens before match the last ones. The places a fixed
number of bars ago are those of the Lookback RNN (Waite 2016, Magenta); the last occurrence of the
last tokens is the match model of PAQ (Mahoney 2005).
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context.layout import ALIKE, LOOKBACKS
from musegen.encoding.rows import latest
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.utils.arrays import Ints
from musegen.utils.hashing import splitmix64

__all__ = ["HORIZON", "History", "lookback"]

HORIZON = 8192
"""Longest distance to look back, in tokens."""

_BARS, _TOKENS = LOOKBACKS["bars"], LOOKBACKS["tokens"]

# A place is one integer: its bar, position, part and the number of tokens after the part.
_IN_PLACE = 256  # tokens after the part; further ones share the last place
_IN_PART = 65 * _IN_PLACE  # before any part, and 64 parts
_IN_BAR = 1024 * _IN_PART


class History:
    """The last tokens of a piece: computes token by token what `lookback` computes of whole pieces.

    Args:
        vocabulary: Maps tokens to events.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Begin without tokens."""
        self._vocabulary = vocabulary
        self._kinds, self._values = vocabulary.kinds.tolist(), vocabulary.values.tolist()
        self._follows = vocabulary.follows.tolist()
        self._bar = vocabulary.kind("bar")
        self._position = vocabulary.kind("position")
        self._part = vocabulary.kind("part")
        # One character for each token: a string is copied for free and searched fast.
        self._text = ""
        self._places: list[int] = []  # of each token
        self._bars = 0
        self._place = 0
        self._future: History | None = None

    def take(self, token: int) -> None:
        """Append a token."""
        kind = self._kinds[token]
        if kind == self._bar:
            self._bars += 1
            self._place = self._bars * _IN_BAR
        elif kind == self._position:
            self._place = self._bars * _IN_BAR + (self._values[token] + 1) * _IN_PART
        elif kind == self._part:
            self._place += (self._values[token] + 1) * _IN_PLACE - self._place % _IN_PART
        else:
            self._place += self._place % _IN_PLACE < _IN_PLACE - 1
        self._text += chr(token)
        self._places.append(self._place)
        if len(self._text) > 2 * HORIZON:
            kept = HORIZON + ALIKE[-1]
            self._text, self._places = self._text[-kept:], self._places[-kept:]

    def copy(self) -> Self:
        """Return an independent copy."""
        out = copy.copy(self)
        out._places = self._places.copy()
        return out

    def set_future(self, tokens: Tokens, bars: int) -> None:
        """Set the tokens after a gap; `lookback` then searches them, too.

        Args:
            tokens: `int[T]`, from the one that closes the gap.
            bars: Number of bars left in the gap, including the one that has begun.
        """
        self._future = History(self._vocabulary)
        self._future._bars = self._bars + bars - 1
        for token in tokens[:HORIZON].tolist():
            self._future.take(token)

    def lookback(self) -> list[int]:
        """Return a row of `lookback`.

        In a gap, each place is the more similar one of those before and after it.
        """
        found = [self._found(self._text, place) for place in self._past_places()]
        if self._future is not None:
            ahead = [
                self._found(self._future._text, place)
                for place in self._future_places(self._future)
            ]
            found = [
                max(pair, key=lambda place: (place[0], place[1] > 0))
                for pair in zip(found, ahead, strict=True)
            ]
        return [level for level, _ in found] + [follow for _, follow in found]

    def _past_places(self) -> Iterator[int]:
        """Yield the indices in `_text` to look back to; -1 for none."""
        last = len(self._text) - 1
        least = max(last - HORIZON, 0)
        for bars in _BARS:
            place = -1
            if self._bars > bars:
                target = self._place - bars * _IN_BAR
                place = bisect_right(self._places, target, least) - 1
            yield place if place >= least else -1
        for count in _TOKENS:
            at = -1
            if last >= count:
                at = self._text.rfind(self._text[-count:], max(least - count + 1, 0), last)
            yield at + count - 1 if at >= 0 else -1

    def _future_places(self, future: History) -> Iterator[int]:
        """Yield the corresponding indices after the gap: n bars later, and the first match."""
        for bars in _BARS:
            yield bisect_right(future._places, self._place + bars * _IN_BAR) - 1
        for count in _TOKENS:
            at = -1
            if len(self._text) > count:
                at = future._text.find(self._text[-count:])
            yield at + count - 1 if at >= 0 else -1

    def _found(self, text: str, place: int) -> tuple[int, int]:
        """Return the similarity of a place in `text`, and 1 + the token that followed it.

        Both are 0 if there is no such place, or if the token may not follow here.
        """
        if not 0 <= place < len(text) - 1:
            return 0, 0
        own, after = self._text, place + 1
        follow = ord(text[after])
        if not self._follows[self._kinds[ord(own[-1])]][self._kinds[follow]]:
            return 0, 0
        level = 0
        for count in ALIKE:
            if after < count or text[after - count : after] != own[-count:]:
                break
            level += 1
        return level, follow + 1


def lookback(tokens: Tokens, vocabulary: Vocabulary) -> NDArray[np.uint16]:
    """Return the look-back columns of each token of pieces that lie end to end.

    Args:
        tokens: `int[T]`: pieces, or beginnings of pieces, each from its `start`.
        vocabulary: Maps tokens to events.

    Returns:
        `uint16[T, 2K]` for K places: the similarity of each, 0 to `len(ALIKE)`, then 1 + the token
        that followed it. Both are 0 if there is no such place, or if that token may not follow
        here.
    """
    now, kinds = np.arange(len(tokens)), vocabulary.kinds[tokens]
    begun = latest(kinds == vocabulary.kind("start"))
    grams = _grams(tokens)
    bars, keys = _keyed(tokens, vocabulary, begun)
    places = [
        np.where(bars > ago, keys.searchsorted(keys - ago * _IN_BAR, side="right") - 1, -1)
        for ago in _BARS
    ]
    places += [_before(grams[count], begun) for count in _TOKENS]
    out = np.zeros((2, len(places), len(tokens)), np.uint16)
    for index, place in enumerate(places):
        there = (place >= 0) & (now - place <= HORIZON)
        at = np.where(there, place, 0)
        follow = tokens[np.minimum(at + 1, len(tokens) - 1)]
        there &= vocabulary.follows[kinds, vocabulary.kinds[follow]]
        for count in ALIKE:
            out[0, index] += there & (at - begun + 1 >= count) & (grams[count][at] == grams[count])
        out[1, index] = (follow + 1) * there
    return out.reshape(-1, len(tokens)).T


def _keyed(tokens: Tokens, vocabulary: Vocabulary, begun: Ints) -> tuple[Ints, Ints]:
    """Return the number of bars of its piece begun at each token, and its place, both `int64[T]`.

    Places ascend over all pieces.
    """
    kinds, values = vocabulary.kinds[tokens], vocabulary.values[tokens].astype(np.int64)
    bar, position, part = (kinds == vocabulary.kind(kind) for kind in ("bar", "position", "part"))
    turns = bar | (kinds == vocabulary.kind("start"))
    last_part = latest(turns | position | part)
    place = np.where(position, (values + 1) * _IN_PART, 0)[latest(turns | position)]
    place += np.where(part, (values + 1) * _IN_PLACE, 0)[last_part]
    place += np.minimum(np.arange(len(tokens)) - last_part, _IN_PLACE - 1)
    bars = bar.cumsum()
    # The `start` of a piece counts as a bar before its first.
    return bars - bars[begun], turns.cumsum() * _IN_BAR + place


def _grams(tokens: Tokens) -> dict[int, NDArray[np.uint64]]:
    """Return hashes of the last n tokens at each place, `uint64[T]`, for each n that is needed.

    Different n-grams collide with probability 2⁻⁶⁴. The first n − 1 hashes are of fewer tokens.
    """
    grams = {1: tokens.astype(np.uint64) + np.uint64(1)}
    for count in (2, 4, 6, 8, 16, 32):
        half = 1 << (count - 1).bit_length() - 1
        grams[count] = _joined(grams[count - half], grams[half], half)
    return grams


def _joined(
    earlier: NDArray[np.uint64], later: NDArray[np.uint64], apart: int
) -> NDArray[np.uint64]:
    """Return hashes of pairs: `later` at each place, `earlier` from `apart` tokens before."""
    both = later.copy()
    both[apart:] += splitmix64(earlier[: max(len(earlier) - apart, 0)])
    return splitmix64(both)


def _before(grams: NDArray[np.uint64], begun: Ints) -> Ints:
    """Return the last earlier place with the same hash in the same piece; -1 for none."""
    order = grams.argsort(kind="stable")
    again = grams[order[1:]] == grams[order[:-1]]
    out = np.full(len(grams), -1)
    out[order[1:][again]] = order[:-1][again]
    return np.where(out >= begun, out, -1)
