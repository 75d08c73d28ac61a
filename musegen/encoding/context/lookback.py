"""What came next where the piece was alike before.

Music repeats itself, and a recurrent network of modest width cannot hold a tune of sixteen bars
word for word. It is shown what it would have to remember: for each of some earlier places the token
that came next there, and how many of the last tokens were the same there. Places some bars ago are
those of the Lookback RNN (Waite 2016, Magenta); the last time that the same tokens were heard is
the match model of Mahoney's PAQ.
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context.layout import ALIKE, LOOKBACKS
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.utils.hashing import splitmix64

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
        self._bar, self._position, self._part = (
            vocabulary.kind(kind) for kind in ("bar", "position", "part")
        )
        self._text = (
            ""  # a character for each token: copies cost nothing, and it is searched as text
        )
        self._places: list[
            int
        ] = []  # where each is: bar, position, part and how many tokens after that
        self._bars = 0
        self._place = 0
        self._vocabulary = vocabulary
        self._behind: Heard | None = None

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
            self._text, self._places = (
                self._text[-HORIZON - ALIKE[-1] :],
                self._places[-HORIZON - ALIKE[-1] :],
            )

    def copy(self) -> Self:
        """Return the same, which goes on by itself."""
        out = copy.copy(self)
        out._places = self._places.copy()
        return out

    def foresee(self, tokens: Tokens, bars: int) -> None:
        """Know what stands behind a gap, from now on.

        Args:
            tokens: `int[T]`, from the one that closes the gap.
            bars: How many bars are left of the gap, the one that has begun included.
        """
        self._behind = Heard(self._vocabulary)
        self._behind._bars = self._bars + bars - 1
        for token in tokens[:HORIZON].tolist():
            self._behind.take(token)

    def lookback(self) -> list[int]:
        """Return a row of `lookback`; in a gap, each place is the one on either side that is more alike."""
        found = [self._found(self._text, place) for place in self._ago()]
        if self._behind is not None:
            there = [self._found(self._behind._text, place) for place in self._ahead(self._behind)]
            found = [
                max(pair, key=lambda place: (place[0], place[1] > 0))
                for pair in zip(found, there, strict=True)
            ]
        return [alike for alike, _ in found] + [follow for _, follow in found]

    def _ago(self) -> Iterator[int]:
        """Yield where it is looked back to; −1 for nowhere."""
        last = len(self._text) - 1
        least = max(last - HORIZON, 0)
        for bars in _BARS:
            there = self._bars > bars
            place = (
                bisect_right(self._places, self._place - bars * _IN_BAR, least) - 1 if there else -1
            )
            yield place if place >= least else -1
        for count in _TOKENS:
            at = (
                self._text.rfind(self._text[-count:], max(least - count + 1, 0), last)
                if last >= count
                else -1
            )
            yield at + count - 1 if at >= 0 else -1

    def _ahead(self, behind: Heard) -> Iterator[int]:
        """Yield as many places behind the gap: so many bars later, and where the last tokens come first."""
        for bars in _BARS:
            yield bisect_right(behind._places, self._place + bars * _IN_BAR) - 1
        for count in _TOKENS:
            at = behind._text.find(self._text[-count:]) if len(self._text) > count else -1
            yield at + count - 1 if at >= 0 else -1

    def _found(self, text: str, place: int) -> tuple[int, int]:
        """Return how much alike a place of a text is, and 1 + what came next; 0 and 0 if that cannot come next here."""
        if not 0 <= place < len(text) - 1:
            return 0, 0
        mine, after = self._text, place + 1
        follow = ord(text[after])
        if not self._follows[self._kinds[ord(mine[-1])]][self._kinds[follow]]:
            return 0, 0
        level = 0
        for count in ALIKE:
            if after < count or text[after - count : after] != mine[-count:]:
                break
            level += 1
        return level, follow + 1


def lookback(tokens: Tokens, vocabulary: Vocabulary) -> NDArray[np.uint16]:
    """Return what is looked back to beside each token of pieces that stand end to end.

    Args:
        tokens: `int[T]`: pieces, or beginnings of pieces, each from its `start`.
        vocabulary: What they mean.

    Returns:
        `uint16[T, 2K]` for K places: how much alike each is, 0 to `len(ALIKE)`, then 1 + the token
        that came next there. Both are 0 where there is no such place, or what came next there
        cannot come next here.
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

    They are the same for the same tokens, and for others but once in 2⁶⁴. Those before the first n
    − 1 tokens are of fewer.
    """
    grams = {1: tokens.astype(np.uint64) + np.uint64(1)}
    for count in (2, 4, 6, 8, 16, 32):
        half = 1 << (count - 1).bit_length() - 1
        grams[count] = _joined(grams[count - half], grams[half], half)
    return grams


def _joined(
    earlier: NDArray[np.uint64], later: NDArray[np.uint64], apart: int
) -> NDArray[np.uint64]:
    """Return numbers that stand for two numbers, the first of them that of some tokens ago."""
    both = later.copy()
    both[apart:] += splitmix64(earlier[: max(len(earlier) - apart, 0)])
    return splitmix64(both)


def _before(grams: NDArray[np.uint64], begun: Integers) -> Integers:
    """Return where the same was heard last, in the same piece; −1 for nowhere."""
    order = grams.argsort(kind="stable")
    again = grams[order[1:]] == grams[order[:-1]]
    out = np.full(len(grams), -1)
    out[order[1:][again]] = order[:-1][again]
    return np.where(out >= begun, out, -1)
