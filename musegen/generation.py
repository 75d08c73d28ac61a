"""The token loop: it knows a `step`, a grammar and a sampler, and nothing of music files or models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from musegen.config import SamplerConfig
from musegen.context import Context
from musegen.grammar import Grammar
from musegen.sampling import log_softmax, sample
from musegen.vocabulary import Tokens

__all__ = ["Generated", "generate"]

State = TypeVar("State")
Step = Callable[[NDArray[np.int32], State, Context | None], tuple[NDArray[np.float32], State]]
"""(tokens `int32[1]`, state, context `uint8[1, F]` or None) → (logits `float32[1, V]`, state)."""


@dataclass(frozen=True)
class Generated:
    """What the loop drew.

    Attributes:
        tokens: `int32[T]`, up to and with `end`.
        nats: −log p of each under the model alone, without temperature, filters or grammar,
            `float64[T]`.
    """

    tokens: Tokens
    nats: NDArray[np.float64]


def generate(
    step: Step[State],
    logits: NDArray[np.float32],
    state: State,
    grammar: Grammar,
    config: SamplerConfig,
    rng: np.random.Generator,
    forbidden: NDArray[np.bool_],
    parts: int = 0,
) -> Generated:
    """Draw tokens until the grammar is finished.

    Args:
        step: The network.
        logits: Its logits for the first token, `float32[V]`.
        state: Its state before that token.
        grammar: Has taken everything so far; it is advanced.
        config: Temperature and filters.
        rng: Gives one number per token.
        forbidden: `bool[V]`: tokens not to use, wherever the grammar leaves another choice.
        parts: How many parts' context the network sees; 0 if it sees the tokens alone.
    """
    tokens: list[int] = []
    nats: list[float] = []
    while True:
        allowed = grammar.allowed()
        wanted = allowed & ~forbidden
        token = sample(grammar.fold(logits), wanted if wanted.any() else allowed, config, rng)
        tokens.append(token)
        nats.append(-float(log_softmax(logits)[token]))
        grammar.advance(token)
        if grammar.finished:
            return Generated(np.array(tokens, np.int32), np.array(nats))
        context = grammar.context(parts)[None] if parts else None
        batch, state = step(np.array([token], np.int32), state, context)
        logits = batch[0]
