"""Pieces cut at a barline: a primer, and what it goes on with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musegen.data.store import Store
from musegen.errors import MusegenError
from musegen.score import Score

__all__ = ["Cut", "cut", "cuts_of"]

AT_ONCE = 64  # pieces that are decoded together


@dataclass(frozen=True)
class Cut:
    """A piece that is cut at a barline.

    Attributes:
        name: What it is called.
        primer: Its beginning.
        real: What it goes on with, for as many bars, from tick 0.
    """

    name: str
    primer: Score
    real: Score


def cut(name: str, score: Score, bars: int) -> Cut | None:
    """Return a piece cut after its first bars, or None if it cannot be.

    It must be twice as long, of one meter up to there, and have notes in both halves. A first bar
    that begins with a rest counts as a pickup and comes on top of the primer's bars, so that
    phrases of eight bars stay whole.

    Args:
        name: What to call it.
        score: As an encoder decodes it, pickups filled up.
        bars: Of each half.
    """
    lines = score.barlines()
    pickup = int(len(score) > 0 and score.notes["onset"][0] > 0)
    if len(lines) <= pickup + 2 * bars:
        return None
    primer, real = score[: pickup + bars], score[pickup + bars : pickup + 2 * bars]
    tick = score.meters["tick"]
    changes = ((tick > 0) & (tick < lines[pickup + 2 * bars])).any()
    return Cut(name, primer, real) if len(primer) and len(real) and not changes else None


def cuts_of(
    store: Store, chosen: NDArray[np.int64], pieces: int, bars: int, data: str
) -> tuple[list[Cut], int]:
    """Return the first of some pieces that can be cut, and how many were looked at for them.

    Args:
        store: The pieces.
        chosen: Which of them, in the order in which they are looked at.
        pieces: How many to cut.
        bars: Of each half.
        data: What to call the store in a message.

    Raises:
        MusegenError: There are not so many.
    """
    out: list[Cut] = []
    for first in range(0, len(chosen), AT_ONCE):
        some = chosen[first : first + AT_ONCE].tolist()
        scores = store.encoder.decode_many([store.tokens(index) for index in some])
        for place, (index, score) in enumerate(zip(some, scores, strict=True), first + 1):
            if (found := cut(store.names[index], score, bars)) is not None:
                out.append(found)
            if len(out) == pieces:
                return out, place
    raise MusegenError(
        f"{pieces} pieces of {2 * bars} bars or more in one meter were expected. Received: {len(out)} such among the "
        f"{len(chosen)} of this part of {data}. Ask for fewer pieces or bars, or another part."
    )
