"""Cut pieces at a barline: into a primer and its real continuation."""

from __future__ import annotations

from dataclasses import dataclass

from musegen.data.store import Store
from musegen.errors import MusegenError
from musegen.score import Score
from musegen.utils.arrays import Ints

__all__ = ["Cut", "cut", "cuts_of"]

AT_ONCE = 64  # pieces that are decoded together


@dataclass(frozen=True)
class Cut:
    """A piece that is cut at a barline.

    Attributes:
        name: Of the piece.
        primer: Its beginning.
        real: The bars after that, as many, from tick 0.
    """

    name: str
    primer: Score
    real: Score


def cut(name: str, score: Score, bars: int) -> Cut | None:
    """Return a piece cut after its first bars, or None if it is not suited.

    It must be twice as long, have one meter up to there, and notes in both halves. A first bar that
    begins with a rest counts as a pickup and is added to the primer's bars, so that phrases of
    eight bars stay whole.

    Args:
        name: Of the piece.
        score: As an encoder decodes it, pickups filled up.
        bars: Length of each half.

    >>> from musegen import Track
    >>> score = Score(notes=[(480 * i, 480, 60 + i, 80, 0) for i in range(8)], tracks=[Track()])
    >>> found = cut("scale", score, bars=1)
    >>> found.primer.notes["pitch"].tolist(), found.real.notes["pitch"].tolist()
    ([60, 61, 62, 63], [64, 65, 66, 67])
    """
    lines = score.barlines()
    pickup = int(len(score) > 0 and score.notes["onset"][0] > 0)
    if len(lines) <= pickup + 2 * bars:
        return None
    primer, real = score[: pickup + bars], score[pickup + bars : pickup + 2 * bars]
    tick = score.meters["tick"]
    changes = ((tick > 0) & (tick < lines[pickup + 2 * bars])).any()
    return Cut(name, primer, real) if len(primer) and len(real) and not changes else None


def cuts_of(store: Store, chosen: Ints, pieces: int, bars: int, data: str) -> tuple[list[Cut], int]:
    """Return the first chosen pieces that can be cut, and how many were examined.

    Args:
        store: The pieces.
        chosen: Indices of the pieces to examine, in this order.
        pieces: How many to cut.
        bars: Length of each half.
        data: Name of the store in a message.

    Raises:
        MusegenError: Too few can be cut.
    """
    out: list[Cut] = []
    for first in range(0, len(chosen), AT_ONCE):
        indices = chosen[first : first + AT_ONCE].tolist()
        scores = store.encoder.decode_many([store.tokens(index) for index in indices])
        for examined, (index, score) in enumerate(zip(indices, scores, strict=True), first + 1):
            if (found := cut(store.names[index], score, bars)) is not None:
                out.append(found)
            if len(out) == pieces:
                return out, examined
    raise MusegenError(
        f"{pieces} pieces of {2 * bars} bars or more in one meter were expected. Received: "
        f"{len(out)} such among the {len(chosen)} of this part of {data}. Ask for fewer pieces or "
        "bars, or another part."
    )
