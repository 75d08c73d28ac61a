"""The interface of a network: single steps for the token loop, whole sequences for likelihoods.

Three classes have it: `Engine` (NumPy), `KerasEngine` (a GPU, if Keras finds one) and
`musegen.evaluation.ngram_composer.NGramEngine` (an n-gram in place of a network).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.config import ModelConfig
from musegen.encoding.context import Context
from musegen.encoding.vocabulary import Tokens
from musegen.model.cells import CELLS, Array

__all__ = ["Network", "RecurrentNetwork", "SequenceNetwork", "State", "not_conditional", "rows_of"]

State: TypeAlias = tuple[Array, ...]
"""One `float32[S, B, H]` per layer: S is 2 for LSTM (output, cell), 1 for the others."""


class Network(Protocol):
    """What the token loop needs of a network; a state has a row for each piece."""

    @property
    def widths(self) -> Sequence[int]:
        """Batch sizes, ascending, at which each row of a step comes out the same, to the bit."""

    def step(self, tokens: Tokens, state: Any, context: Context | None = None) -> tuple[Array, Any]:
        """Process one token per row, `int32[B]`; return logits `float32[B, V]` and a new state."""

    def rows(self, states: Sequence[Any], indices: Sequence[int]) -> Any:
        """Return the state made of chosen rows; `indices` count through all `states`."""


class SequenceNetwork(Network, Protocol):
    """A network that also processes whole sequences, for prefixes and likelihoods."""

    @property
    def config(self) -> ModelConfig:
        """The network's shape, which says what context it takes and whether it fills gaps."""

    def initial_state(self, batch: int = 1) -> Any:
        """Return the state before the first token, of `batch` rows."""

    def forward(
        self,
        tokens: NDArray[np.int32],
        state: Any,
        context: Context | None = None,
        left: NDArray[np.int32] | None = None,
    ) -> tuple[Array, Any]:
        """Process sequences `int32[B, T]`; return logits `float32[B, T, V]` and the last state."""

    def conditioned_on(self, future: NDArray[np.int32]) -> ConditionalNetwork:
        """Return this network conditioned on the tokens after a gap, `int32[B, FUTURE]`.

        Raises:
            ValueError: It continues music and fills no gaps.
        """


class ConditionalNetwork(SequenceNetwork, Protocol):
    """A network conditioned on a future: its steps also take how many bars of the gap are left."""

    def step(
        self,
        tokens: Tokens,
        state: Any,
        context: Context | None = None,
        left: NDArray[np.int32] | None = None,
    ) -> tuple[Array, Any]:
        """Process one token per row, with the bars left to fill, `int32[B]`."""


class RecurrentNetwork(ABC):
    """The part of the interface that recurrent networks share; it has no weights.

    Attributes:
        config: The network's shape.
    """

    config: ModelConfig

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before the first token: zeros."""
        shape = (CELLS[self.config.cell].slots, batch, self.config.units)
        return tuple(np.zeros(shape, np.float32) for _ in range(self.config.layers))

    def rows(self, states: Sequence[State], indices: Sequence[int]) -> State:
        """Return the state made of chosen rows; `indices` count through all `states`."""
        return rows_of(states, indices)

    def step(
        self,
        tokens: NDArray[np.int32],
        state: State,
        context: Context | None = None,
        left: NDArray[np.int32] | None = None,
    ) -> tuple[Array, State]:
        """Process one token per row.

        Args:
            tokens: `int32[B]`.
            state: From `initial_state`, `step` or `forward`; it is not changed.
            context: The features of `musegen.encoding.context` after each token, `uint16[B, F]`;
                None for a network without context.
            left: Bars of the gap left to fill, `int32[B]`; None for a network that fills no gaps.

        Returns:
            Logits for the next token, `float32[B, V]`, and the new state.
        """
        logits, after = self._run(
            tokens[None],
            state,
            None if context is None else context[None],
            None if left is None else left[None],
        )
        return logits[0], after

    def forward(
        self,
        tokens: NDArray[np.int32],
        state: State,
        context: Context | None = None,
        left: NDArray[np.int32] | None = None,
    ) -> tuple[Array, State]:
        """Process whole sequences: the same numbers as step after step, in less time.

        Args:
            tokens: `int32[B, T]`.
            state: As for `step`.
            context: `uint16[B, T, F]`, as for `step`.
            left: `int32[B, T]`, as for `step`.

        Returns:
            Logits after each token, `float32[B, T, V]`, and the state after the last.
        """
        logits, after = self._run(
            tokens.T,
            state,
            None if context is None else context.transpose(1, 0, 2),
            None if left is None else left.T,
        )
        return logits.transpose(1, 0, 2), after

    def conditioned_on(self, future: NDArray[np.int32]) -> ConditionalNetwork:
        """Refuse: only a network that fills gaps can be conditioned on a future."""
        raise not_conditional(self.config)

    @abstractmethod
    def _run(
        self,
        tokens: NDArray[np.int32],
        state: State,
        context: Context | None,
        left: NDArray[np.int32] | None,
    ) -> tuple[Array, State]:
        """Do what `forward` does, time first, `[T, B]`: the steps of a layer follow each other."""

    def _check_inputs(
        self, context: Context | None, left: NDArray[np.int32] | None, *, conditioned: bool
    ) -> None:
        """Make sure that exactly the inputs of this network are given.

        Raises:
            ValueError: A context or `left` is missing, or given to a network without.
        """
        if (context is None) != (self.config.context == 0):
            raise ValueError(
                "a context must be given if and only if the network has one. "
                f"Received: {self.config}."
            )
        if (left is None) == conditioned:
            raise ValueError(
                "a network conditioned on a future, and no other, must be given `left`."
            )


def rows_of(
    states: Sequence[tuple[NDArray[Any], ...]], indices: Sequence[int]
) -> tuple[NDArray[Any], ...]:
    """Return the state made of chosen rows of states; `indices` count through all of them."""
    if len(states) == 1:
        return tuple(layer[:, indices] for layer in states[0])
    return tuple(np.concatenate(layers, axis=1)[:, indices] for layers in zip(*states, strict=True))


def not_conditional(config: ModelConfig) -> ValueError:
    """Return the error of a network that cannot be conditioned on a future."""
    return ValueError(
        f"a network that fills gaps was expected, with future > 0. Received: {config}."
    )
