"""Batches of infilling windows: what a network that fills gaps is trained and validated on."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import ModelConfig, TrainingConfig
from musegen.data.augmentation import Variation, varied
from musegen.data.dataset import Pieces
from musegen.encoding import gaps
from musegen.encoding.context import View
from musegen.encoding.encoder import Encoder
from musegen.encoding.gaps import FUTURE, Gap
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.errors import TrainingError
from musegen.model.backend import keras

__all__ = ["FixedInfillWindows", "InfillWindows", "check_trainable", "draw_gap"]

LONGEST_GAP = 8  # bars
WITHHELD = 1 / 8
"""Share of training gaps whose future is withheld.

The network then also learns to fill from the past alone. That keeps it from leaning on the future
only, and lets one measure what the future is worth.
"""


def check_trainable(encoder: Encoder, model: ModelConfig, config: TrainingConfig) -> None:
    """Make sure that a model which is to fill gaps can be trained.

    Raises:
        TrainingError: It cannot, with this encoding or with these settings.
    """
    if model.future and encoder.config.encoding != "metric":
        raise TrainingError(
            "a model that fills gaps (future > 0) needs the encoding metric, which has bars. "
            f"Received: {encoder.config.encoding}. Leave out --future, or use --encoding metric."
        )
    if model.future and config.tbptt:
        raise TrainingError(
            "a model that fills gaps (future > 0) is trained on windows that stand alone. "
            "Received: tbptt. Leave out --tbptt."
        )


def draw_gap(tokens: Tokens, room: int, vocabulary: Vocabulary, rng: np.random.Generator) -> Gap:
    """Return a gap of 1 to `LONGEST_GAP` bars at a random barline of a piece.

    A gap of more than three quarters of `room` tokens is shortened, but not below one bar.
    """
    lines = gaps.borders(tokens, vocabulary)
    first = int(rng.integers(len(lines) - 1))
    last = min(first + int(rng.integers(1, LONGEST_GAP + 1)), len(lines) - 1)
    while last > first + 1 and lines[last] - lines[first] > 3 * room // 4:
        last -= 1
    return Gap(int(lines[first]), int(lines[last]))


class _Windows(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches with a gap in each row: `(inputs, targets, weights)`, of fixed shapes.

    An epoch has a row for every `sequence_length` tokens of a piece, and at least one.
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
        self.pieces, self.encoder = pieces, encoder
        self.config, self.view = config, View.of(model)
        # Which piece is in each row of an epoch.
        self.slots = np.repeat(np.arange(len(pieces)), -(-pieces.lengths // config.sequence_length))
        rows = int(np.clip(len(self.slots), 1, config.batch_size))
        self.rows = rows // multiple * multiple or multiple

    def _batch(
        self, pieces: list[Tokens], rng: np.random.Generator, withhold: float
    ) -> tuple[Any, ...]:
        """Return a batch with a random gap in each of at most `rows` pieces, and padding.

        Args:
            pieces: `int32[T]` each.
            rng: Draws the gaps, and which futures are withheld.
            withhold: The probability of that.
        """
        shape, vocabulary = (self.rows, self.config.sequence_length), self.encoder.vocabulary
        tokens, targets, left = np.zeros((3, *shape), np.int32)
        columns = np.zeros((*shape, len(self.view.sizes)), np.int32)
        weight = np.zeros(shape, np.float32)
        future = np.zeros((self.rows, FUTURE), np.int32)
        for row, piece in enumerate(pieces):
            gap = draw_gap(piece, shape[1], vocabulary, rng)
            window = gaps.window(piece, gap, shape[1], vocabulary)
            inside = (row, slice(len(window.tokens)))
            tokens[inside] = window.tokens
            targets[inside] = window.targets
            left[inside] = window.left
            weight[inside] = window.weight
            known = rng.random() >= withhold
            future[row] = window.future if known else gaps.withheld(vocabulary)
            if self.view:
                columns[inside] = gaps.gap_context(piece, gap, window, vocabulary, self.view, known)
        inputs = {"tokens": tokens, "future": future, "left": left}
        return ({**inputs, "context": columns} if self.view else inputs), targets, weight


class InfillWindows(_Windows):
    """Training batches: in each epoch, other gaps in pieces that are augmented again.

    Args:
        pieces: Training pieces.
        encoder: Encoded them.
        model: Which context the network takes.
        config: Window length, rows, augmentation and seed.
        multiple: The number of rows is a multiple of this.

    Attributes:
        steps: Batches in an epoch.
        rows: Windows in a batch.
        seconds: Time spent making batches.
    """

    def __init__(
        self,
        pieces: Pieces,
        encoder: Encoder,
        model: ModelConfig,
        config: TrainingConfig,
        multiple: int = 1,
    ):
        """Prepare the first epoch."""
        super().__init__(pieces, encoder, model, config, multiple)
        self.steps = -(-len(self.slots) // self.rows)
        self.seconds = 0.0
        self.lay_out(0)

    def lay_out(self, epoch: int, step: int = 0) -> None:
        """Go to a step of an epoch. A batch depends on the seed, the epoch and the step alone."""
        self._epoch, self._offset = epoch, step
        self._order = np.random.default_rng([self.config.seed, epoch]).permutation(self.slots)

    def __len__(self) -> int:
        """Return the number of batches left in the epoch."""
        return self.steps - self._offset

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return inputs, targets `int32[B, T]` and weights `float32[B, T]`."""
        started = perf_counter()
        step = self._offset + index
        rng = np.random.default_rng([self.config.seed, self._epoch, step])
        slots = self._order[step * self.rows :][: self.rows].tolist()
        pieces = [self.pieces.tokens(slot) for slot in slots]
        pieces = varied(pieces, self.encoder, Variation.of(self.config), rng)
        batch = self._batch(pieces, rng, WITHHELD)
        self.seconds += perf_counter() - started
        return batch


class FixedInfillWindows(_Windows):
    """Validation batches: the same gaps every time, drawn with the run's seed; no augmentation."""

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.slots) // self.rows)

    def __getitem__(self, index: int) -> tuple[Any, NDArray[np.int32], NDArray[np.float32]]:
        """Return inputs, targets and weights, `[B, T]` each."""
        slots = self.slots[index * self.rows :][: self.rows].tolist()
        rng = np.random.default_rng([self.config.seed, index])
        pieces = [self.pieces.tokens(slot) for slot in slots]
        inputs, targets, weight = self._batch(pieces, rng, 0.0)
        return inputs, targets, weight
