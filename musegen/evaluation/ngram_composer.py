"""An n-gram in a network's place: it writes music through the same token loop, by the same rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from musegen.config import ModelConfig
from musegen.encoding.context import Context
from musegen.encoding.vocabulary import Tokens
from musegen.generation.composer import Composer
from musegen.model.cells import Array
from musegen.model.checkpoint import Checkpoint
from musegen.model.engine import WIDTHS, Engine, State
from musegen.model.ngrams import HIGHEST, NGrams

__all__ = ["NGramComposer", "NGramEngine"]

NOTHING = -1  # stands before the first token
AT_ONCE = 2**22  # probabilities that are computed at once, about

Integers = NDArray[np.int64]


class NGramEngine(Engine):
    """An n-gram with the interface of a network. Its state is the last n − 1 tokens; its logits are log p.

    Args:
        config: Of the network whose place it takes: how many parts' context that is given. It is
            not used.
        grams: What was counted.
        order: Which of its n-grams.
    """

    def __init__(self, config: ModelConfig, grams: NGrams, order: int) -> None:
        """Keep what was counted."""
        self.config, self._grams, self._n = config, grams, order

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before anything was heard."""
        return _state(np.full((batch, self._n - 1), NOTHING))

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Numbers of rows; each is computed by itself."""
        return WIDTHS

    def step(
        self,
        tokens: NDArray[np.int32],
        state: State,
        context: Context | None = None,
        left: NDArray[np.int32] | None = None,
    ) -> tuple[Array, State]:
        """Hear one token in each row, as `Engine.step`."""
        heard, after = self.forward(tokens[:, None], state)
        return heard[:, 0], after

    def forward(
        self,
        tokens: NDArray[np.int32],
        state: State,
        context: Context | None = None,
        left: NDArray[np.int32] | None = None,
    ) -> tuple[Array, State]:
        """Hear whole sequences, as `Engine.forward`."""
        memory, (rows, length) = self._n - 1, tokens.shape
        known = np.concatenate([state[0][0].astype(np.int64), tokens], axis=1)
        windows = (
            np.lib.stride_tricks.sliding_window_view(known[:, 1:], memory, axis=1)
            if memory
            else None
        )
        histories = (
            np.zeros((rows * length, 0), np.int64)
            if windows is None
            else windows.reshape(-1, memory)
        )
        logits = np.empty((len(histories), self._grams.size), np.float32)
        at_once = max(1, AT_ONCE // self._grams.size)
        for first in range(0, len(histories), at_once):
            some = slice(first, first + at_once)
            logits[some] = np.log(self._grams.probabilities(histories[some], self._n))
        return logits.reshape(rows, length, -1), _state(known[:, known.shape[1] - memory :])


class NGramComposer(Composer):
    """Continues music as the composer of a checkpoint does, with an n-gram in the place of its network."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        pieces: Iterable[Tokens],
        order: int | None,
        best: Sequence[Tokens],
    ):
        """Count.

        Args:
            checkpoint: Whose encoding, and whose rules.
            pieces: What to count in, `int[T]` each.
            order: Of the n-gram, 1 to 8; None for the one that predicts `best` best.
            best: Validation pieces.
        """
        super().__init__(checkpoint)
        grams = NGrams(pieces, checkpoint.model.vocabulary_size, order or HIGHEST)
        self.order = order or grams.best(best)
        self._counted = NGramEngine(checkpoint.model, grams, self.order)

    @cached_property
    def engine(self) -> Engine:
        """The n-gram."""
        return self._counted


def _state(tokens: Integers) -> State:
    """Return last tokens as a state, rows second as in all states."""
    return cast(State, (tokens[None],))
