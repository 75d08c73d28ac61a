"""Inputs and outputs of the token loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from musegen.config import SamplerConfig
from musegen.encoding.grammar import Grammar, Mask
from musegen.encoding.vocabulary import Tokens
from musegen.generation.guards import Guard

__all__ = ["Backtrack", "Generated", "Task", "TokenConstraint"]


class TokenConstraint(Protocol):
    """A constraint on the tokens of a piece, beyond the grammar.

    Attributes:
        relaxed: For how many tokens no choice met the constraint.
    """

    relaxed: int

    def mask(self, rules: Grammar, legal: Mask) -> Mask:
        """Return the legal tokens that meet the constraint, `bool[V]`; all if none does."""

    def merge_mass(self, rules: Grammar, narrowed: Mask, logits: NDArray[np.float32]) -> None:
        """Add the probability of ruled-out tokens to their nearest legal ones, in place."""


@dataclass
class Task:
    """A piece for the token loop to write.

    Attributes:
        logits: For its first token, `float32[V]`.
        state: The network's state before that token, of one row.
        rules: The grammar after the prefix; the loop advances it.
        sampler: Temperature and filters.
        rng: Gives one number for each token.
        forbidden: `bool[V]`: tokens to avoid where the grammar leaves another choice.
        constraint: A constraint beyond the grammar; None for none.
        guards: Checks at every barline.
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
    """A bar that was rewritten.

    Attributes:
        bar: The first rewritten bar, counted from 1 in the new music.
        reason: What a guard found.
        tries: How often it was rewritten.
        solved: Whether the last attempt passed.
    """

    bar: int
    reason: str
    tries: int
    solved: bool


@dataclass(frozen=True)
class Generated:
    """The tokens that the loop drew for a piece.

    Attributes:
        tokens: `int32[T]`, up to and with `end`.
        nats: −log p of each under the model alone, without temperature, filters or grammar,
            `float64[T]`.
        backtracks: Bars that were rewritten.
        relaxed: Tokens for which no choice met the constraint.
    """

    tokens: Tokens
    nats: NDArray[np.float64]
    backtracks: tuple[Backtrack, ...] = ()
    relaxed: int = 0
