"""Infilling: prepares gaps, the bars that a network fills given the music on both sides.

A gap opens with a `bar` token and closes with the first `bar` after its last bar, or with `end`.
Besides the tokens up to the current one, the network is conditioned on two inputs:

- the future: the `FUTURE` tokens from the one that closes the gap on, read backwards, so that the
  nearest come last. After the end of the piece it is padded with `end`. A network trained without a
  future is given a constant one, and learns to ignore it;
- the number of bars left to fill, including the current one: 0 before the gap, at most `LONGEST`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context import Context, History, View, context
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.utils.arrays import Ints

__all__ = [
    "FUTURE",
    "LONGEST",
    "Gap",
    "Window",
    "ahead",
    "borders",
    "gap_context",
    "window",
    "withheld",
]

FUTURE = 192
"""Number of tokens after a gap that are read: at least eight bars of a melody."""
LONGEST = 8
"""Largest number of bars left; more than that count as `LONGEST`."""


class Gap(NamedTuple):
    """A gap in a piece: the indices of the tokens that open and close it."""

    opens: int
    closes: int


class Window(NamedTuple):
    """The inputs and targets of a network for one gap.

    Attributes:
        first: Index in the piece of the first input token.
        tokens: `int32[N]`: the input, from before the gap on.
        targets: `int32[N]`: the token after each.
        left: `int32[N]`: bars left to fill at each.
        weight: `float32[N]`: 1 where the target is in the gap or closes it, else 0.
        future: `int32[FUTURE]`, as `ahead` returns it.
    """

    first: int
    tokens: Tokens
    targets: Tokens
    left: NDArray[np.int32]
    weight: NDArray[np.float32]
    future: Tokens


def borders(tokens: Tokens, vocabulary: Vocabulary) -> Ints:
    """Return the indices of tokens that can open or close a gap, `int64[N]`: each `bar`, `end`.

    >>> from musegen import Encoder, Score, Track
    >>> tune = Score(notes=[(0, 3840, 60, 90, 0)], tracks=[Track()])
    >>> tokens = Encoder().encode(tune)
    >>> [str(event) for event in Encoder().events(tokens[borders(tokens, Encoder().vocabulary)])]
    ['bar', 'bar', 'end']
    """
    return np.flatnonzero((tokens == vocabulary.first["bar"]) | (tokens == vocabulary.first["end"]))


def ahead(tokens: Tokens, vocabulary: Vocabulary) -> Tokens:
    """Return the future of a gap as a network reads it, farthest token first, `int32[FUTURE]`.

    Args:
        tokens: `int[T]`, from the token that closes the gap.
        vocabulary: Maps tokens to events.
    """
    out = np.full(FUTURE, vocabulary.first["end"], np.int32)
    near = tokens[:FUTURE]
    out[FUTURE - len(near) :] = near[::-1]
    return out


def withheld(vocabulary: Vocabulary) -> Tokens:
    """Return the input in place of a future that is withheld, `int32[FUTURE]`.

    It consists of `start`, which no future contains.
    """
    return np.full(FUTURE, vocabulary.first["start"], np.int32)


def window(tokens: Tokens, gap: Gap, room: int, vocabulary: Vocabulary) -> Window:
    """Return the window of a gap in a piece.

    Args:
        tokens: The whole piece, `int32[T]`.
        gap: The gap. If it takes more than three quarters of `room`, only its beginning is kept.
        room: Largest number of input tokens.
        vocabulary: Maps tokens to events.
    """
    stop = min(gap.closes, gap.opens + max(1, 3 * room // 4))
    first = max(0, stop - room)
    inputs = tokens[first:stop]
    inside = np.arange(first, stop) >= gap.opens
    # Bars that begin later in the gap, and the current one.
    bars = tokens[first : gap.closes] == vocabulary.first["bar"]
    later = bars[::-1].cumsum()[::-1][: len(inputs)] - bars[: len(inputs)]
    left = np.minimum(later + 1, LONGEST) * inside
    return Window(
        first=first,
        tokens=inputs,
        targets=tokens[first + 1 : stop + 1],
        left=left.astype(np.int32),
        weight=inside.astype(np.float32),
        future=ahead(tokens[gap.closes :], vocabulary),
    )


def gap_context(
    tokens: Tokens, gap: Gap, inputs: Window, vocabulary: Vocabulary, view: View, conditioned: bool
) -> Context:
    """Return the context of a window, `uint16[N, F]`.

    Args:
        tokens: The whole piece, `int32[T]`.
        gap: The gap in it.
        inputs: The window of the gap.
        vocabulary: Maps tokens to events.
        view: The columns wanted.
        conditioned: Whether the network receives the future: look-back then searches it, too.
    """
    stop = inputs.first + len(inputs.tokens)
    out = context(tokens[:stop], vocabulary, view)
    if conditioned and view.lookbacks:
        history = History(vocabulary)
        bars = tokens[gap.opens : gap.closes] == vocabulary.first["bar"]
        for index, token in enumerate(tokens[:stop].tolist()):
            history.take(token)
            if index == gap.opens:
                history.set_future(tokens[gap.closes :], int(bars.sum()))
            if index >= gap.opens:
                out[index, -2 * view.lookbacks :] = history.lookback()
    return out[inputs.first :]
