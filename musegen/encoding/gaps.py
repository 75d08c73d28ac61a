"""Gaps: bars that a network fills which knows what stands on both sides of them.

A gap opens with a `bar` token and closes with the next `bar` after its last bar, or with `end`.
What a network is told of it, besides the tokens from before the gap up to where it is:

- the future: the tokens from the one that closes the gap on, read from their far end back to the
  gap, so that what is nearest is heard last. Always `FUTURE` of them: behind the end of the piece
  stands `end`, again and again. It is read first, and a network trained so learns that it says
  nothing else;
- how many bars are left to fill, the one that it is in included: 0 before the gap, at most
  `LONGEST`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context import Context, Heard, View, context
from musegen.encoding.vocabulary import Tokens, Vocabulary

__all__ = ["FUTURE", "LONGEST", "Gap", "Window", "ahead", "beside", "borders", "window", "withheld"]

FUTURE = 192  # tokens after a gap that are read: eight bars and more of a melody
# Bars of a gap that are told apart: a longer gap counts down from there when it comes so near
LONGEST = 8


class Gap(NamedTuple):
    """Where a gap is in a piece: the indices of the tokens that open and close it."""

    opens: int
    closes: int


class Window(NamedTuple):
    """What a network hears and has to say of a gap.

    Attributes:
        first: Index in the piece of the first token heard.
        tokens: `int32[N]`: what is heard, from some way before the gap.
        targets: `int32[N]`: the token after each.
        left: `int32[N]`: bars left to fill, at each.
        weight: `float32[N]`: 1 where the next token is to be found, those of the gap and the one
            that closes it.
        future: `int32[FUTURE]`, as `ahead` gives it.
    """

    first: int
    tokens: Tokens
    targets: Tokens
    left: NDArray[np.int32]
    weight: NDArray[np.float32]
    future: Tokens


def borders(tokens: Tokens, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the indices of the tokens between which gaps can be: every `bar`, and `end`."""
    return np.flatnonzero((tokens == vocabulary.first["bar"]) | (tokens == vocabulary.first["end"]))


def ahead(tokens: Tokens, vocabulary: Vocabulary) -> Tokens:
    """Return tokens from the one that closes a gap on as a network reads them, `int32[FUTURE]`: the far end first."""
    out = np.full(FUTURE, vocabulary.first["end"], np.int32)
    near = tokens[:FUTURE]
    out[FUTURE - len(near) :] = near[::-1]
    return out


def withheld(vocabulary: Vocabulary) -> Tokens:
    """Return the future that stands for one that is not told, `int32[FUTURE]`: no piece has a `start` there."""
    return np.full(FUTURE, vocabulary.first["start"], np.int32)


def window(tokens: Tokens, gap: Gap, room: int, vocabulary: Vocabulary) -> Window:
    """Return the window of a gap in a piece.

    Args:
        tokens: The whole piece, `int32[T]`.
        gap: Of a gap that takes more than three quarters of the room, the beginning is kept.
        room: Tokens to hear, at most.
        vocabulary: What the tokens mean.
    """
    stop = min(gap.closes, gap.opens + max(1, 3 * room // 4))
    first = max(0, stop - room)
    heard = tokens[first:stop]
    inside = np.arange(first, stop) >= gap.opens
    bars = tokens[first : gap.closes] == vocabulary.first["bar"]
    after = (
        bars[::-1].cumsum()[::-1][: len(heard)] - bars[: len(heard)]
    )  # bars that begin later in the gap
    left = np.minimum(after + 1, LONGEST) * inside
    return Window(
        first,
        heard,
        tokens[first + 1 : stop + 1],
        left.astype(np.int32),
        inside.astype(np.float32),
        ahead(tokens[gap.closes :], vocabulary),
    )


def beside(
    tokens: Tokens, gap: Gap, heard: Window, vocabulary: Vocabulary, view: View, told: bool
) -> Context:
    """Return the context of a window, `uint16[N, F]`.

    Args:
        tokens: The whole piece, `int32[T]`.
        gap: The gap in it.
        heard: The window of the gap.
        vocabulary: What the tokens mean.
        view: Which columns are wanted.
        told: Whether the network is told what stands behind the gap: what is looked back to may
            then be there, too.
    """
    stop = heard.first + len(heard.tokens)
    out = context(tokens[:stop], vocabulary, view)
    if told and view.lookbacks:
        known, bars = Heard(vocabulary), tokens[gap.opens : gap.closes] == vocabulary.first["bar"]
        for index, token in enumerate(tokens[:stop].tolist()):
            known.take(token)
            if index == gap.opens:
                known.foresee(tokens[gap.closes :], int(bars.sum()))
            if index >= gap.opens:
                out[index, -2 * view.lookbacks :] = known.lookback()
    return out[heard.first :]
