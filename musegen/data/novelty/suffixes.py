"""A suffix array: find where subsequences occur in a long text.

The array has the places of a text sorted by their suffixes, the text from there on (Manber and
Myers 1993). Places with the same continuation are neighbours, and binary search finds them. It is
made by prefix doubling: places sorted by 4 symbols, together with the known rank of the place 4
symbols on, are sorted by 8, and so on. Only groups that are still equal are sorted again (Larsson
and Sadakane 2007).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musegen.data.novelty.voices import NOTHING, Symbols
from musegen.encoding.bundle import changes
from musegen.utils.arrays import Ints

__all__ = ["NOWHERE", "Suffixes", "ordered"]

NOWHERE = 0xFFFF
"""A symbol that no text has; it is greater than all others."""

PACKED = 4  # symbols in 64 bits
BLOCKS = 8  # packed numbers compared at first: runs of more than 32 symbols are rare
ELEMENTS = 2**18  # compared at once


def packed(text: Symbols, filling: int = NOTHING) -> NDArray[np.uint64]:
    """Pack the four symbols from each place on into a number, in the same order: `uint64[N + 1]`.

    The last number is the end of the text, which `filling` follows.
    """
    wide = np.full(len(text) + PACKED, filling, np.uint64)
    wide[: len(text)] = text
    pairs = (wide[:-1] << np.uint64(16)) | wide[1:]
    return (pairs[:-2] << np.uint64(32)) | pairs[2:]


def ordered(text: Symbols) -> NDArray[np.int32]:
    """Return the suffix array of a text, `int32[N]`.

    >>> ordered(np.array([2, 1, 2, 1, 1], np.uint16)).tolist()
    [4, 3, 1, 2, 0]
    """
    count = len(text)
    key = packed(text)[:count]
    order = key.argsort(kind="stable")
    first = changes(key[order])
    # The rank of a place is the first slot of its group, plus 1; 0 behind the end.
    rank = np.zeros(count + 1, np.int64)
    rank[order] = (first.nonzero()[0] + 1)[first.cumsum() - 1]
    known = PACKED
    while True:
        alone = first & np.append(first[1:], True)
        slots = (~alone).nonzero()[0]
        if not len(slots) or known >= count:  # groups that are still equal then are so to the end
            return order.astype(np.int32)
        place = order[slots]
        pair = rank[place] * (count + 1) + rank[np.minimum(place + known, count)]
        by_pair = pair.argsort(kind="stable")
        place, pair = place[by_pair], pair[by_pair]
        begins = changes(pair)
        order[slots] = place
        first[slots] = begins
        rank[place] = (slots[begins] + 1)[begins.cumsum() - 1]
        known *= 2


class Suffixes:
    """A text in which subsequences are looked up, hundreds in a millisecond.

    Args:
        text: `uint16[N]`, without `NOWHERE`.
        order: Its suffix array. See `ordered`.
    """

    def __init__(self, text: Symbols, order: NDArray[np.int32]) -> None:
        """Pack the text."""
        self._order = order
        self._packed = packed(text)

    def longest(self, sequence: Symbols) -> Ints:
        """Return the longest match in the text from each place of a sequence on, `int64[M]`.

        `NOTHING` in the sequence matches nothing.
        """
        sequence = np.where(sequence == NOTHING, np.uint16(NOWHERE), sequence)
        wanted = packed(sequence, NOWHERE)
        out = np.zeros(len(sequence), np.int64)
        left = np.arange(len(sequence))
        blocks = BLOCKS
        while len(left):
            rows = max(ELEMENTS // blocks, 1)
            for at in range(0, len(left), rows):
                chunk = left[at : at + rows]
                blocked = wanted[_blocks(chunk, blocks, len(sequence))]
                slot = self._slots(blocked)
                before, after = self._common(blocked, slot - 1), self._common(blocked, slot)
                out[chunk] = np.maximum(before, after)
            # Matches as long as what was compared may be longer.
            left = left[out[left] == blocks * PACKED]
            blocks *= 4
        return out

    def places(self, stretch: Symbols) -> NDArray[np.int32]:
        """Return all places of the text where a subsequence occurs, in no order."""
        within = _blocks(np.zeros(1, np.int64), len(stretch) // PACKED + 1, len(stretch))
        low = int(self._slots(packed(stretch, NOTHING)[within])[0])
        high = int(self._slots(packed(stretch, NOWHERE)[within])[0])
        return self._order[low:high]

    def _slots(self, wanted: NDArray[np.uint64]) -> Ints:
        """Return the number of suffixes below each subsequence, `uint64[M, blocks]`: `int64[M]`."""
        low = np.zeros(len(wanted), np.int64)
        high = low + len(self._order)
        row = np.arange(len(wanted))
        for _ in range(len(self._order).bit_length()):
            middle = np.minimum(low + high >> 1, len(self._order) - 1)
            suffix = self._at(middle, wanted.shape[1])
            differs = (suffix != wanted).argmax(1)
            below = (suffix[row, differs] < wanted[row, differs]) & (low < high)
            high = np.where(below, high, np.maximum(middle, low))
            low = np.where(below, middle + 1, low)
        return low

    def _common(self, wanted: NDArray[np.uint64], slot: Ints) -> Ints:
        """Return the common prefix of each subsequence with the suffix in a slot, or 0 outside."""
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

    def _at(self, slot: Ints, blocks: int) -> NDArray[np.uint64]:
        """Return the beginnings of the suffixes in some slots, `uint64[M, blocks]`."""
        place = self._order[slot].astype(np.int64)
        return self._packed[_blocks(place, blocks, len(self._packed) - 1)]


def _blocks(place: Ints, blocks: int, end: int) -> Ints:
    """Return the beginnings of the blocks from each place on, `int64[M, blocks]`, up to `end`."""
    return np.minimum(place[:, None] + PACKED * np.arange(blocks), end)
