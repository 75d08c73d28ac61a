"""What the token loop is asked for, what it needs of a network, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from musegen.config import SamplerConfig
from musegen.encoding.context import Context
from musegen.encoding.grammar import Grammar, Mask
from musegen.encoding.vocabulary import Tokens
from musegen.generation.guards import Guard

__all__ = ["Backtrack", "Generated", "Network", "Task", "TokenConstraint"]


class Network(Protocol):
    """What the loop needs of a network; a state holds a row for each piece."""

    @property
    def widths(self) -> Sequence[int]:
        """Numbers of rows, ascending, for which each row of a step comes out the same, to the bit."""

    def step(
        self, tokens: Tokens, state: Any, context: Context | None = None
    ) -> tuple[NDArray[np.float32], Any]:
        """Hear a token in each row, `int32[B]`; return logits `float32[B, V]`, and the state after it."""

    def rows(self, states: Sequence[Any], indices: Sequence[int]) -> Any:
        """Return a state of some rows of some states, counted through them."""


class TokenConstraint(Protocol):
    """What is asked of a piece beyond the grammar."""

    relaxed: int

    def mask(self, rules: Grammar, legal: Mask) -> Mask:
        """Return the tokens, of those that may come next, that do as asked; never none."""

    def merge_mass(self, rules: Grammar, narrowed: Mask, logits: NDArray[np.float32]) -> None:
        """Let tokens that were left out count for their nearest, where there is such a thing, in place."""


@dataclass
class Task:
    """A piece that is to be written.

    Attributes:
        logits: For its first token, `float32[V]`.
        state: The network's before that token, of one row.
        rules: Have taken everything so far; they are advanced.
        sampler: Temperature and filters.
        rng: Gives one number for each token.
        forbidden: `bool[V]`: tokens not to use, wherever the rules leave another choice.
        constraint: What is asked beyond the rules; None for nothing.
        guards: Look back at every barline.
    """

    logits: NDArray[np.float32]
    state: Any
    rules: Grammar
    sampler: SamplerConfig
    rng: np.random.Generator
    forbidden: Mask
    constraint: TokenConstraint | None = None
    guards: Sequence[Guard] = ()


class Backtrack(NamedTuple):
    """Bars that were written anew."""

    bar: int
    """The first of them, counted from 1 in what was written."""
    reason: str
    tries: int
    solved: bool


@dataclass(frozen=True)
class Generated:
    """What the loop drew.

    Attributes:
        tokens: `int32[T]`, up to and with `end`.
        nats: −log p of each under the model alone, without temperature, filters or grammar,
            `float64[T]`.
        backtracks: What was written more than once.
        relaxed: Tokens for which no choice did as asked.
    """

    tokens: Tokens
    nats: NDArray[np.float64]
    backtracks: tuple[Backtrack, ...] = ()
    relaxed: int = 0
