"""Where stretches of a sequence stand in a long text: a suffix array.

The array has the places of a text in the order of what follows them (Manber and Myers 1993), so
that all places where the same follows are neighbours, and are found by halving. It is made by
doubling: places sorted by 4 symbols, and what is known of the place 4 further on, are sorted by 8,
and so on (Larsson and Sadakane 2007: only groups that are not told apart yet are sorted again).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musegen.data.novelty.voices import NOTHING, Symbols
from musegen.encoding.bundle import changes

__all__ = ["NOWHERE", "Suffixes", "ordered"]

NOWHERE = 0xFFFF
"""A symbol that no text has; it is behind all others."""

PACKED = 4  # symbols in 64 bits
BLOCKS = 8  # of packed symbols, looked at first: runs of more than 32 are rare
ELEMENTS = 2**18  # compared at once


def packed(text: Symbols, filling: int = NOTHING) -> NDArray[np.uint64]:
    """Return what stands at each place and the three behind it, as numbers of the same order: `uint64[N + 1]`.

    The last is the end, behind which there is nothing but `filling`.
    """
    wide = np.full(len(text) + PACKED, filling, np.uint64)
    wide[: len(text)] = text
    pairs = (wide[:-1] << np.uint64(16)) | wide[1:]
    return (pairs[:-2] << np.uint64(32)) | pairs[2:]


def ordered(text: Symbols) -> NDArray[np.int32]:
    """Return the places of a text in the order of what follows them, `int32[N]`: its suffix array."""
    count = len(text)
    key = packed(text)[:count]
    order = key.argsort(kind="stable")
    first = changes(key[order])
    rank = np.zeros(
        count + 1, np.int64
    )  # the first slot of a place's group, and 1; 0 behind the end
    rank[order] = (first.nonzero()[0] + 1)[first.cumsum() - 1]
    known = PACKED
    while True:
        alone = first & np.append(first[1:], True)
        slots = (~alone).nonzero()[0]
        if not len(slots) or known >= count:  # what is still the same then is so to the end
            return order.astype(np.int32)
        place = order[slots]
        pair = rank[place] * (count + 1) + rank[np.minimum(place + known, count)]
        by = pair.argsort(kind="stable")
        place, pair = place[by], pair[by]
        order[slots] = place
        first[slots] = begins = changes(pair)
        rank[place] = (slots[begins] + 1)[begins.cumsum() - 1]
        known *= 2


class Suffixes:
    """A text in which stretches are looked up, hundreds in a millisecond.

    Args:
        text: `uint16[N]`, without `NOWHERE`.
        order: What `ordered` makes of it.
    """

    def __init__(self, text: Symbols, order: NDArray[np.int32]) -> None:
        """Pack the text."""
        self._order = order
        self._packed = packed(text)

    def longest(self, sequence: Symbols) -> NDArray[np.int64]:
        """Return how much of a sequence from each of its places on stands somewhere in the text, `int64[M]`.

        `NOTHING` in the sequence is found nowhere.
        """
        sequence = np.where(sequence == NOTHING, np.uint16(NOWHERE), sequence)
        wanted = packed(sequence, NOWHERE)
        out = np.zeros(len(sequence), np.int64)
        left, blocks = np.arange(len(sequence)), BLOCKS
        while len(left):
            rows = max(ELEMENTS // blocks, 1)
            for some in (left[at : at + rows] for at in range(0, len(left), rows)):
                blocked = wanted[_blocks(some, blocks, len(sequence))]
                slot = self._slots(blocked)
                out[some] = np.maximum(self._common(blocked, slot - 1), self._common(blocked, slot))
            left, blocks = left[out[left] == blocks * PACKED], blocks * 4
        return out

    def places(self, stretch: Symbols) -> NDArray[np.int32]:
        """Return all places of the text where a stretch stands, in no order."""
        within = _blocks(np.zeros(1, np.int64), len(stretch) // PACKED + 1, len(stretch))
        low, high = (
            int(self._slots(packed(stretch, filling)[within])[0]) for filling in (NOTHING, NOWHERE)
        )
        return self._order[low:high]

    def _slots(self, wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return how many suffixes stand before each of some stretches, `uint64[M, blocks]`: `int64[M]`."""
        low = np.zeros(len(wanted), np.int64)
        high = low + len(self._order)
        row = np.arange(len(wanted))
        for _ in range(len(self._order).bit_length()):
            middle = np.minimum(low + high >> 1, len(self._order) - 1)
            there = self._at(middle, wanted.shape[1])
            differs = (there != wanted).argmax(1)
            before = (there[row, differs] < wanted[row, differs]) & (low < high)
            low, high = (
                np.where(before, middle + 1, low),
                np.where(before, high, np.maximum(middle, low)),
            )
        return low

    def _common(self, wanted: NDArray[np.uint64], slot: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many symbols each stretch has in common with the suffix in a slot; with one outside, none."""
        inside = (slot >= 0) & (slot < len(self._order))
        out = np.zeros(len(wanted), np.int64)
        if not inside.any():
            return out
        unlike = self._at(slot[inside], wanted.shape[1]) ^ wanted[inside]
        block = (unlike != 0).argmax(1)
        bits = unlike[np.arange(len(unlike)), block]
        same = PACKED * block + sum(
            (bits >> np.uint64(shift) == 0).astype(np.int64) for shift in (48, 32, 16)
        )
        out[inside] = np.where(bits == 0, PACKED * wanted.shape[1], same)
        return out

    def _at(self, slot: NDArray[np.int64], blocks: int) -> NDArray[np.uint64]:
        """Return what follows the places in some slots, `uint64[M, blocks]`."""
        return self._packed[
            _blocks(self._order[slot].astype(np.int64), blocks, len(self._packed) - 1)
        ]


def _blocks(place: NDArray[np.int64], blocks: int, end: int) -> NDArray[np.int64]:
    """Return where the blocks from some places on begin, `int64[M, blocks]`; at the `end` at the latest."""
    out: NDArray[np.int64] = np.minimum(place[:, None] + PACKED * np.arange(blocks), end)
    return out
