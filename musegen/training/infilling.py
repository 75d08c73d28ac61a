"""Gaps of token pieces as batches for `fit`: what a network that fills them learns from."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import ModelConfig, TrainingConfig
from musegen.data.augmentation import Variation, varied
from musegen.data.dataset import Dataset, Pieces
from musegen.encoding import gaps
from musegen.encoding.context import View
from musegen.encoding.encoder import Encoder
from musegen.encoding.gaps import FUTURE, Gap
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.errors import TrainingError
from musegen.model.backend import keras
from musegen.training.feeding import WholePieces, Windows

__all__ = ["Gaps", "SameGaps", "batches", "drawn", "refuse"]

LONGEST_GAP = 8  # bars
WITHHELD = 1 / 8
"""Share of training gaps whose future is not told: the network learns what to do from the past alone, which keeps it
from leaning on the future only, and lets one measure what the future is worth."""


def batches(
    data: Dataset, encoder: Encoder, model: ModelConfig, config: TrainingConfig, multiple: int
) -> tuple[Windows | Gaps, keras.utils.PyDataset]:
    """Return what a model learns from and what it is validated on.

    Args:
        data: The pieces.
        encoder: What made them.
        model: Whether it fills gaps or continues, and which context it wants.
        config: Window length, rows, variations and seed.
        multiple: The rows of every batch are a multiple of this.
    """
    if model.future:
        return (
            Gaps(data.train, encoder, model, config, multiple),
            SameGaps(data.validation, encoder, model, config, multiple),
        )
    tokens = config.batch_size * config.sequence_length
    return (
        Windows(data.train, encoder, model, config, multiple),
        WholePieces(data.validation, encoder, model, tokens, multiple),
    )


def refuse(encoder: Encoder, model: ModelConfig, config: TrainingConfig) -> None:
    """Make sure that a model which is to fill gaps can learn to.

    Raises:
        TrainingError: It cannot, with this encoding or in this way.
    """
    if model.future and encoder.config.encoding != "metric":
        raise TrainingError(
            "a model that fills gaps (future > 0) needs the encoding metric, which has bars. "
            f"Received: {encoder.config.encoding}. Leave out --future, or use --encoding metric."
        )
    if model.future and config.tbptt:
        raise TrainingError(
            "a model that fills gaps (future > 0) is trained on windows that stand alone. Received: tbptt. "
            "Leave out --tbptt."
        )


def drawn(tokens: Tokens, room: int, vocabulary: Vocabulary, rng: np.random.Generator) -> Gap:
    """Return a gap at a random barline of a piece, of 1 to `LONGEST_GAP` bars.

    One that would take more than three quarters of `room` tokens is shortened, though not below a
    bar.
    """
    lines = gaps.borders(tokens, vocabulary)
    first = int(rng.integers(len(lines) - 1))
    last = min(first + int(rng.integers(1, LONGEST_GAP + 1)), len(lines) - 1)
    while last > first + 1 and lines[last] - lines[first] > 3 * room // 4:
        last -= 1
    return Gap(int(lines[first]), int(lines[last]))


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Windows with a gap in each row: `(inputs, targets, weights)`, of fixed shapes.

    A piece stands in as many rows of an epoch as it has stretches of `sequence_length` tokens.
    """

    def __init__(
        self,
        pieces: Pieces,
        encoder: Encoder,
        model: ModelConfig,
        config: TrainingConfig,
        multiple: int = 1,
    ):
        """Count the rows."""
        super().__init__()
        self.pieces, self.encoder, self.config, self.view = pieces, encoder, config, View.of(model)
        self.slots = np.repeat(np.arange(len(pieces)), -(-pieces.lengths // config.sequence_length))
        self.rows = (
            int(np.clip(len(self.slots), 1, config.batch_size)) // multiple * multiple or multiple
        )

    def _batch(
        self, pieces: list[Tokens], rng: np.random.Generator, withhold: float
    ) -> tuple[Any, ...]:
        """Return a batch of gaps in these pieces, `rows` at most; rows that are missing weigh nothing."""
        shape, vocabulary = (self.rows, self.config.sequence_length), self.encoder.vocabulary
        tokens, targets, left = np.zeros((3, *shape), np.int32)
        columns = np.zeros((*shape, len(self.view.sizes)), np.int32)
        weight, future = np.zeros(shape, np.float32), np.zeros((self.rows, FUTURE), np.int32)
        for row, piece in enumerate(pieces):
            gap = drawn(piece, shape[1], vocabulary, rng)
            found = gaps.window(piece, gap, shape[1], vocabulary)
            count = len(found.tokens)
            tokens[row, :count], targets[row, :count], left[row, :count] = (
                found.tokens,
                found.targets,
                found.left,
            )
            weight[row, :count] = found.weight
            told = rng.random() >= withhold
            future[row] = found.future if told else gaps.withheld(vocabulary)
            if self.view:
                columns[row, :count] = gaps.beside(piece, gap, found, vocabulary, self.view, told)
        inputs = {"tokens": tokens, "future": future, "left": left}
        return ({**inputs, "context": columns} if self.view else inputs), targets, weight


class Gaps(_Batches):
    """Training batches: each epoch other gaps in pieces that are varied anew.

    Args:
        pieces: What to learn from.
        encoder: What made them.
        model: Says which context the network wants.
        config: Window length, rows, variations and seed.
        multiple: The rows are a multiple of this.

    Attributes:
        steps: Batches in an epoch.
        rows: Windows in a batch.
        seconds: Time spent in making batches.
    """

    def __init__(
        self,
        pieces: Pieces,
        encoder: Encoder,
        model: ModelConfig,
        config: TrainingConfig,
        multiple: int = 1,
    ):
        """Lay out the first epoch."""
        super().__init__(pieces, encoder, model, config, multiple)
        self.steps = -(-len(self.slots) // self.rows)
        self.seconds = 0.0
        self.lay_out(0)

    def lay_out(self, epoch: int, step: int = 0) -> None:
        """Turn to a step of an epoch: what comes depends on the seed, the epoch and the step alone."""
        self._epoch, self._offset = epoch, step
        self._order = np.random.default_rng([self.config.seed, epoch]).permutation(self.slots)

    def __len__(self) -> int:
        """Return the number of batches that are left of the epoch."""
        return self.steps - self._offset

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return inputs, the tokens that follow, `int32[B, T]`, and weights, `float32[B, T]`."""
        started = perf_counter()
        step = self._offset + index
        rng = np.random.default_rng([self.config.seed, self._epoch, step])
        mine = self._order[step * self.rows :][: self.rows].tolist()
        pieces = varied(
            [self.pieces.tokens(i) for i in mine], self.encoder, Variation.of(self.config), rng
        )
        batch = self._batch(pieces, rng, WITHHELD)
        self.seconds += perf_counter() - started
        return batch


class SameGaps(_Batches):
    """Validation batches: every time the same gaps, drawn with the run's seed, in pieces as they are."""

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.slots) // self.rows)

    def __getitem__(self, index: int) -> tuple[Any, NDArray[np.int32], NDArray[np.float32]]:
        """Return inputs, the tokens that follow, and weights, `[B, T]` each."""
        mine = self.slots[index * self.rows :][: self.rows].tolist()
        rng = np.random.default_rng([self.config.seed, index])
        inputs, targets, weight = self._batch([self.pieces.tokens(i) for i in mine], rng, 0.0)
        return inputs, targets, weight
