"""How well a model predicts music it has not seen, beside what needs no network at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musegen.engine import Engine
from musegen.sampling import log_softmax
from musegen.vocabulary import Tokens, Vocabulary

__all__ = ["Likelihood", "bigram", "evaluate", "model", "token_nats", "uniform"]

STRETCH = 1024  # tokens computed at once; the state is carried on, so it only bounds memory

Predictor = Callable[[Tokens], NDArray[np.float64]]
"""Tokens `int32[T]` → nats of each token after the first, `float64[T − 1]`."""


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


def token_nats(engine: Engine, tokens: Tokens) -> NDArray[np.float64]:
    """Return −log p of each token after the first, given all before it in its row.

    Args:
        engine: The network.
        tokens: `int32[B, T]`.

    Returns:
        `float64[B, T − 1]`.
    """
    state = engine.initial_state(len(tokens))
    out = []
    for at in range(0, tokens.shape[1] - 1, STRETCH):
        follow = tokens[:, at + 1 : at + STRETCH + 1]
        logits, state = engine.forward(tokens[:, at : at + follow.shape[1]], state)
        out.append(-np.take_along_axis(log_softmax(logits), follow[:, :, None], axis=2)[:, :, 0])
    return np.concatenate(out, axis=1) if out else np.zeros((len(tokens), 0))


def model(engine: Engine) -> Predictor:
    """Return the predictor that a trained network is."""
    return lambda tokens: token_nats(engine, tokens[None])[0]


def uniform(vocabulary: Vocabulary) -> Predictor:
    """Return the predictor that finds every token equally likely."""
    return lambda tokens: np.full(len(tokens) - 1, np.log(len(vocabulary)))


def bigram(pieces: Sequence[Tokens], vocabulary: Vocabulary) -> Predictor:
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
    return lambda tokens: np.asarray(table[tokens[:-1], tokens[1:]])


def evaluate(predictor: Predictor, pieces: Sequence[Tokens], vocabulary: Vocabulary) -> Likelihood:
    """Return the likelihood of the pieces, summed before it is divided (micro-averaged)."""
    nats = sum(float(predictor(tokens).sum()) for tokens in pieces)
    return Likelihood(
        nats=nats,
        tokens=sum(len(tokens) - 1 for tokens in pieces),
        notes=int(sum(vocabulary.notes[tokens].sum() for tokens in pieces)),
    )
