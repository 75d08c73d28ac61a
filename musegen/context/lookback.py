"""What came next where the piece was alike before.

Music repeats itself, and a recurrent network of modest width cannot hold a tune of sixteen bars word for word. It is
shown what it would have to remember: for each of some earlier places the token that came next there, and how many of
the last tokens were the same there. Places some bars ago are those of the Lookback RNN (Waite 2016, Magenta); the
last time that the same tokens were heard is the match model of Mahoney's PAQ.
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musegen.context.layout import ALIKE, LOOKBACKS
from musegen.hashing import mixed
from musegen.vocabulary import Tokens, Vocabulary

__all__ = ["HORIZON", "Heard", "latest", "lookback"]

HORIZON = 8192
"""Tokens that it is looked back over, at most."""

_BARS, _TOKENS = LOOKBACKS["bars"], LOOKBACKS["tokens"]
_IN_PLACE = 256  # tokens of a place in the bar that are told apart
_IN_PART = 65 * _IN_PLACE  # places before any part, and of the parts
_IN_BAR = 1024 * _IN_PART

Integers = NDArray[np.int64]


class Heard:
    """The last tokens of a piece, token by token; what `lookback` says of whole pieces.

    Args:
        vocabulary: What the tokens mean.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Have heard nothing."""
        self._kinds, self._values = vocabulary.kinds.tolist(), vocabulary.values.tolist()
        self._follows = vocabulary.follows.tolist()
        self._bar, self._position, self._part = (vocabulary.kind(kind) for kind in ("bar", "position", "part"))
        self._text = ""  # a character for each token: copies cost nothing, and it is searched as text
        self._places: list[int] = []  # where each is: bar, position, part and how many tokens after that
        self._bars = 0
        self._place = 0

    def take(self, token: int) -> None:
        """Hear a token."""
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
            self._text, self._places = self._text[-HORIZON - ALIKE[-1] :], self._places[-HORIZON - ALIKE[-1] :]

    def copy(self) -> Self:
        """Return the same, which goes on by itself."""
        out = copy.copy(self)
        out._places = self._places.copy()
        return out

    def lookback(self) -> list[int]:
        """Return a row of `lookback`."""
        text, last = self._text, len(self._text) - 1
        least = max(last - HORIZON, 0)
        places = [
            bisect_right(self._places, self._place - bars * _IN_BAR, least) - 1 if self._bars > bars else -1
            for bars in _BARS
        ]
        for count in _TOKENS:
            at = text.rfind(text[-count:], max(least - count + 1, 0), last) if last >= count else -1
            places.append(at + count - 1 if at >= 0 else -1)
        kind = self._kinds[ord(text[-1])] if text else 0
        alike, follow = [], []
        for place in places:
            if place < least or not self._follows[kind][self._kinds[ord(text[place + 1])]]:
                alike.append(0)
                follow.append(0)
                continue
            level = 0
            for count in ALIKE:
                if place + 1 < count or text[place + 1 - count : place + 1] != text[-count:]:
                    break
                level += 1
            alike.append(level)
            follow.append(ord(text[place + 1]) + 1)
        return alike + follow


def lookback(tokens: Tokens, vocabulary: Vocabulary) -> NDArray[np.uint16]:
    """Return what is looked back to beside each token of pieces that stand end to end.

    Args:
        tokens: `int[T]`: pieces, or beginnings of pieces, each from its `start`.
        vocabulary: What they mean.

    Returns:
        `uint16[T, 2K]` for K places: how much alike each is, 0 to `len(ALIKE)`, then 1 + the token that came next
        there. Both are 0 where there is no such place, or what came next there cannot come next here.
    """
    now, kinds = np.arange(len(tokens)), vocabulary.kinds[tokens]
    begun = latest(kinds == vocabulary.kind("start"))
    grams = _grams(tokens)
    bars, keys = _keyed(tokens, vocabulary, begun)
    places = [np.where(bars > ago, keys.searchsorted(keys - ago * _IN_BAR, side="right") - 1, -1) for ago in _BARS]
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
    columns: NDArray[np.uint16] = out.reshape(-1, len(tokens)).T
    return columns


def latest(marks: NDArray[np.bool_]) -> Integers:
    """Return the index of the last mark at or before each place; the first place has one."""
    out: Integers = np.maximum.accumulate(np.where(marks, np.arange(len(marks)), 0))
    return out


def _keyed(tokens: Tokens, vocabulary: Vocabulary, begun: Integers) -> tuple[Integers, Integers]:
    """Return how many bars of its piece have begun at each token, and where it is: ascending over all pieces."""
    kinds, values = vocabulary.kinds[tokens], vocabulary.values[tokens].astype(np.int64)
    bar, position, part = (kinds == vocabulary.kind(kind) for kind in ("bar", "position", "part"))
    turns = bar | (kinds == vocabulary.kind("start"))
    place = np.where(position, (values + 1) * _IN_PART, 0)[latest(turns | position)]
    place += np.where(part, (values + 1) * _IN_PLACE, 0)[latest(turns | position | part)]
    place += np.minimum(np.arange(len(tokens)) - latest(turns | position | part), _IN_PLACE - 1)
    bars = bar.cumsum()
    # A piece's `start` is a bar before its first.
    return bars - bars[begun], turns.cumsum() * _IN_BAR + place


def _grams(tokens: Tokens) -> dict[int, NDArray[np.uint64]]:
    """Return numbers that stand for the last n tokens at each place, for every n that is asked for.

    They are the same for the same tokens, and for others but once in 2⁶⁴. Those before the first n − 1 tokens are
    of fewer.
    """
    grams = {1: tokens.astype(np.uint64) + np.uint64(1)}
    for count in (2, 4, 6, 8, 16, 32):
        half = 1 << (count - 1).bit_length() - 1
        grams[count] = _joined(grams[count - half], grams[half], half)
    return grams


def _joined(earlier: NDArray[np.uint64], later: NDArray[np.uint64], apart: int) -> NDArray[np.uint64]:
    """Return numbers that stand for two numbers, the first of them that of some tokens ago."""
    both = later.copy()
    both[apart:] += mixed(earlier[: max(len(earlier) - apart, 0)])
    return mixed(both)


def _before(grams: NDArray[np.uint64], begun: Integers) -> Integers:
    """Return where the same was heard last, in the same piece; −1 for nowhere."""
    order = grams.argsort(kind="stable")
    again = grams[order[1:]] == grams[order[:-1]]
    out = np.full(len(grams), -1)
    out[order[1:][again]] = order[:-1][again]
    return np.where(out >= begun, out, -1)
