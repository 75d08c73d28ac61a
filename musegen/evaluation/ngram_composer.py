"""An n-gram in place of the network: it composes through the same token loop and grammar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from musegen.config import ModelConfig
from musegen.encoding.context import Context
from musegen.encoding.vocabulary import Tokens
from musegen.generation.composer import Composer
from musegen.model.cells import Array
from musegen.model.checkpoint import Checkpoint
from musegen.model.engine import WIDTHS
from musegen.model.interface import (
    ConditionalNetwork,
    SequenceNetwork,
    not_conditional,
    rows_of,
)
from musegen.model.ngrams import HIGHEST, NGrams
from musegen.utils.arrays import Ints

__all__ = ["NGramComposer", "NGramEngine"]

NOTHING = -1  # in place of a token before the first
AT_ONCE = 2**22  # probabilities computed at once, about

State: TypeAlias = tuple[Ints]
"""The last n − 1 tokens, `int64[1, B, n − 1]`: the rows are second, as in every state."""


class NGramEngine:
    """An n-gram with the interface of a network: its logits are log p.

    Args:
        grams: The counts.
        order: Which of its n-grams.
    """

    widths = WIDTHS  # each row is computed by itself, so any number of rows would do

    def __init__(self, grams: NGrams, order: int) -> None:
        """Keep the counts."""
        self._grams, self._memory = grams, order - 1
        self.config = ModelConfig(grams.size)  # no context, and no gaps to fill

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before the first token."""
        return (np.full((1, batch, self._memory), NOTHING, np.int64),)

    def rows(self, states: Sequence[State], indices: Sequence[int]) -> Any:
        """Return the state made of chosen rows; `indices` count through all `states`."""
        return rows_of(states, indices)

    def step(
        self, tokens: Tokens, state: State, context: Context | None = None
    ) -> tuple[Array, State]:
        """Process one token per row, `int32[B]`; return logits `float32[B, V]` and a new state."""
        logits, after = self.forward(tokens[:, None], state)
        return logits[:, 0], after

    def forward(
        self,
        tokens: Tokens,
        state: State,
        context: Context | None = None,
        left: Tokens | None = None,
    ) -> tuple[Array, State]:
        """Process sequences `int32[B, T]`; return logits `float32[B, T, V]` and the last state.

        The context, which the token loop gives to every network, is ignored.
        """
        memory, (rows, length) = self._memory, tokens.shape
        known = np.concatenate([state[0][0], tokens], axis=1)

        # The history of each token: itself and the n − 2 tokens before it.
        if memory:
            windows = np.lib.stride_tricks.sliding_window_view(known[:, 1:], memory, axis=1)
            histories = windows.reshape(-1, memory)
        else:
            histories = np.zeros((rows * length, 0), np.int64)

        logits = np.empty((len(histories), self._grams.size), np.float32)
        at_once = max(1, AT_ONCE // self._grams.size)
        for first in range(0, len(histories), at_once):
            chunk = slice(first, first + at_once)
            p = self._grams.probabilities(histories[chunk], memory + 1)
            logits[chunk] = np.log(p)
        after = known[:, known.shape[1] - memory :]
        return logits.reshape(rows, length, -1), (after[None],)

    def conditioned_on(self, future: Tokens) -> ConditionalNetwork:
        """Refuse: an n-gram continues music and fills no gaps."""
        raise not_conditional(self.config)


class NGramComposer(Composer):
    """Composes like the composer of a checkpoint, with an n-gram in place of its network."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        pieces: Iterable[Tokens],
        order: int | None,
        best: Sequence[Tokens],
    ):
        """Count the n-grams.

        Args:
            checkpoint: Its encoding and grammar are used.
            pieces: Pieces to count n-grams in, `int[T]` each.
            order: The order of the n-gram, 1 to 8; None for the one that predicts `best` best.
            best: Validation pieces.
        """
        super().__init__(checkpoint)
        grams = NGrams(pieces, checkpoint.model.vocabulary_size, order or HIGHEST)
        self.order = order or grams.best(best)
        self._counted = NGramEngine(grams, self.order)

    @cached_property
    def engine(self) -> SequenceNetwork:
        """The n-gram."""
        return self._counted
