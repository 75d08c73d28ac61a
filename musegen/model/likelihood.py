"""How well a model predicts music it has not seen, beside what needs no network at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from musegen.encoding import gaps
from musegen.encoding.context import Context, View, beside
from musegen.encoding.gaps import LONGEST, Gap
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.model.blas import one_thread
from musegen.model.engine import Engine

__all__ = [
    "Likelihood",
    "Predictor",
    "bigram",
    "evaluate",
    "gap_nats",
    "log_softmax",
    "model",
    "piece_nats",
    "row_nats",
    "token_nats",
    "uniform",
]

STRETCH = 1024  # tokens computed at once; the state is carried on, so it only bounds memory
HEARD = 1024  # tokens before a gap that are heard, about
AT_ONCE = 16_384  # tokens of windows with gaps, or of pieces, that are computed at once
ROWS = 64  # pieces that are computed at once, at most

Predictor = Callable[[Tokens, Vocabulary], NDArray[np.float64]]
"""Tokens of a piece `int32[T]`, what they mean → nats of each token after the first, `float64[T − 1]`."""


@dataclass(frozen=True)
class Likelihood:
    """Nats over some pieces: every token after `start` counts, bars, positions and `end` included."""

    nats: float
    tokens: int
    notes: int

    @property
    def per_note(self) -> float:
        """Nats per note: does not depend on how many tokens a note takes."""
        return self.nats / max(self.notes, 1)

    @property
    def per_token(self) -> float:
        """Nats per token."""
        return self.nats / max(self.tokens, 1)


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return log-probabilities in nats, `float64`, over the last axis."""
    x = logits.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    x -= np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return x


def token_nats(
    engine: Engine, tokens: Tokens, context: Context | None = None
) -> NDArray[np.float64]:
    """Return −log p of each token after the first, given all before it in its row.

    Args:
        engine: The network.
        tokens: `int32[B, T]`.
        context: What is known beside each, `uint16[B, T, F]`; None for a network that sees the
            tokens alone.

    Returns:
        `float64[B, T − 1]`.
    """
    state = engine.initial_state(len(tokens))
    out = []
    for at in range(0, tokens.shape[1] - 1, STRETCH):
        follow = tokens[:, at + 1 : at + STRETCH + 1]
        now = slice(at, at + follow.shape[1])
        logits, state = engine.forward(
            tokens[:, now], state, None if context is None else context[:, now]
        )
        out.append(-np.take_along_axis(log_softmax(logits), follow[:, :, None], axis=2)[:, :, 0])
    return np.concatenate(out, axis=1) if out else np.zeros((len(tokens), 0))


def gap_nats(
    engine: Engine, cases: Sequence[tuple[Tokens, Gap]], vocabulary: Vocabulary, told: bool = True
) -> list[NDArray[np.float64]]:
    """Return −log p of each token of some gaps and of that which closes each, `float64[closes − opens]`.

    Args:
        engine: A network that fills gaps, or one that continues, which is given what stands before
            them.
        cases: Whole pieces, and a gap in each.
        vocabulary: What the tokens mean.
        told: Whether a network that fills gaps is told what stands behind them.
    """
    windows = [
        gaps.window(tokens, gap, max(HEARD, 2 * (gap.closes - gap.opens)), vocabulary)
        for tokens, gap in cases
    ]
    lengths = np.array([len(window.tokens) for window in windows], np.int64)
    order = np.argsort(lengths)
    out = [np.zeros(0)] * len(cases)
    for some in np.split(order, np.flatnonzero(np.diff(lengths[order].cumsum() // AT_ONCE)) + 1):
        for index, nats in zip(
            some.tolist(), _together(engine, some, windows, cases, vocabulary, told), strict=True
        ):
            out[index] = nats
    return out


def _together(
    engine: Engine,
    some: NDArray[np.int64],
    windows: list[gaps.Window],
    cases: Sequence[tuple[Tokens, Gap]],
    vocabulary: Vocabulary,
    told: bool,
) -> list[NDArray[np.float64]]:
    """Do what `gap_nats` does for a few windows."""
    mine, view = [windows[index] for index in some.tolist()], View.of(engine.config)
    shape = (len(mine), max(len(window.tokens) for window in mine))
    tokens, left = np.zeros((2, *shape), np.int32)
    columns = np.zeros((*shape, len(view.sizes)), np.uint16) if view else None
    fills = bool(engine.config.future)
    for row, (index, window) in enumerate(zip(some.tolist(), mine, strict=True)):
        here = slice(0, len(window.tokens))
        tokens[row, here], left[row, here] = window.tokens, window.left
        if columns is not None:
            piece, gap = cases[index]
            columns[row, here] = gaps.beside(piece, gap, window, vocabulary, view, told and fills)
    if fills:
        engine = engine.conditioned_on(
            np.array([w.future if told else gaps.withheld(vocabulary) for w in mine])
        )
    logits, _ = engine.forward(
        tokens, engine.initial_state(len(mine)), columns, left if fills else None
    )
    out = []
    for row, window in zip(logits, mine, strict=True):
        inside = window.weight.nonzero()[0]
        out.append(
            -log_softmax(row[inside])[np.arange(len(inside)), window.targets[inside]].astype(
                np.float64
            )
        )
    return out


def row_nats(engine: Engine, rows: Tokens, vocabulary: Vocabulary) -> NDArray[np.float64]:
    """Return −log p of each token after the first, `float64[B, T − 1]`, of rows that begin with `start`, `int32[B, T]`.

    To a network that fills gaps every `LONGEST` bars are a gap, all else being known; so the first
    `bar`, which opens one, costs nothing.
    """
    if not engine.config.future:
        return token_nats(engine, rows, beside(rows, vocabulary, View.of(engine.config)))
    cases = [
        (index, Gap(opens, closes))
        for index, row in enumerate(rows)
        for lines in [gaps.borders(row, vocabulary)]
        for opens, closes in pairwise(np.unique(np.append(lines[::LONGEST], lines[-1:])).tolist())
    ]
    out = np.zeros((len(rows), rows.shape[1] - 1))
    nats = gap_nats(engine, [(rows[index], gap) for index, gap in cases], vocabulary)
    for (index, gap), mine in zip(cases, nats, strict=True):
        out[index, gap.opens : gap.closes] = mine
    return out


def piece_nats(
    engine: Engine, pieces: Sequence[Tokens], vocabulary: Vocabulary
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield the index of each piece, and −log p of each of its tokens after the first, `float64[T − 1]`.

    Pieces of about the same length are computed together, in half the time that they take one by
    one, and come in the order in which they are done. How many are computed together changes the
    rounding of single precision: −log p of a token by some 1e-5 nats, their sum over a piece by
    less than a millionth.

    Args:
        engine: The network.
        pieces: `int32[T]` each, from `start` to `end`.
        vocabulary: What the tokens mean.
    """
    lengths = np.array([len(tokens) for tokens in pieces], np.int64)
    end = vocabulary.first["end"]
    left = lengths.argsort(kind="stable")[
        ::-1
    ]  # the longest first: whether there is memory enough shows at once
    while len(left):
        longest = int(lengths[left[0]])
        # What fills gaps hears windows of one piece together.
        together = (
            1 if engine.config.future else min(ROWS, max(1, AT_ONCE // min(longest, STRETCH)))
        )
        some, left = left[:together].tolist(), left[together:]
        rows = np.full(
            (len(some), longest), end, np.int32
        )  # behind a piece it may say what it likes
        for row, index in zip(rows, some, strict=True):
            row[: lengths[index]] = pieces[index]
        with one_thread():
            found = row_nats(engine, rows, vocabulary)
        for nats, index in zip(found, some, strict=True):
            yield index, nats[: lengths[index] - 1]


def model(engine: Engine) -> Predictor:
    """Return the predictor that a trained network is."""
    return lambda tokens, vocabulary: np.asarray(row_nats(engine, tokens[None], vocabulary)[0])


def uniform(vocabulary: Vocabulary) -> Predictor:
    """Return the predictor that finds every token equally likely."""
    return lambda tokens, _: np.full(len(tokens) - 1, np.log(len(vocabulary)))


def bigram(pieces: Iterable[Tokens], vocabulary: Vocabulary) -> Predictor:
    """Return a predictor that knows the last token alone: add-one counts, backed by the unigram.

    p(b | a) = (count(a b) + k·p(b)) / (count(a) + k) with k = 1 and p(b) add-one smoothed, the
    interpolation of MacKay and Peto 1995 with a fixed weight.
    """
    size = len(vocabulary)
    pairs = np.zeros((size, size))
    for tokens in pieces:
        np.add.at(pairs, (tokens[:-1], tokens[1:]), 1)
    single = pairs.sum(0) + 1
    single /= single.sum()
    table = -np.log((pairs + single) / (pairs.sum(1, keepdims=True) + 1))
    return lambda tokens, _: np.asarray(table[tokens[:-1], tokens[1:]])


def evaluate(predictor: Predictor, pieces: Sequence[Tokens], vocabulary: Vocabulary) -> Likelihood:
    """Return the likelihood of the pieces, summed before it is divided (micro-averaged)."""
    nats = sum(float(predictor(tokens, vocabulary).sum()) for tokens in pieces)
    return Likelihood(
        nats=nats,
        tokens=sum(len(tokens) - 1 for tokens in pieces),
        notes=int(sum(vocabulary.notes[tokens].sum() for tokens in pieces)),
    )
