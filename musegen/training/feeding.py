"""Make training and validation batches of token pieces, for `fit`."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.config import ModelConfig, TrainingConfig
from musegen.data.augmentation import Variation, varied
from musegen.data.dataset import Dataset, Pieces
from musegen.encoding.context import View, context
from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.model.backend import keras
from musegen.training.infilling import FixedInfillWindows, InfillWindows

__all__ = ["TrainingBatches", "WholePieces", "Windows", "batches"]

# Tokens augmented together: enough to keep NumPy busy, few enough to stay in a cache.
AT_ONCE = 65_536
# Tokens; longer pieces are validated in stretches of this length, each from a fresh state.
LONGEST_VALIDATION = 16_384

Rows: TypeAlias = NDArray[np.int32]
"""`int32[..., 1 + F]`: a token, and the F columns of context after it."""


def batches(
    data: Dataset, encoder: Encoder, model: ModelConfig, config: TrainingConfig, multiple: int
) -> tuple[TrainingBatches, keras.utils.PyDataset]:
    """Return the training and the validation batches of a model.

    Args:
        data: The pieces.
        encoder: Encoded them.
        model: Whether it fills gaps or continues music, and which context it takes.
        config: Window length, rows, augmentation and seed.
        multiple: The number of rows of every batch is a multiple of this.
    """
    if model.future:
        return (
            InfillWindows(data.train, encoder, model, config, multiple),
            FixedInfillWindows(data.validation, encoder, model, config, multiple),
        )
    tokens = config.batch_size * config.sequence_length
    return (
        Windows(data.train, encoder, model, config, multiple),
        WholePieces(data.validation, encoder, model, tokens, multiple),
    )


def inputs(rows: Rows) -> Any:
    """Return the network's inputs for rows, `int32[B, T, 1 + F]`."""
    if rows.shape[2] == 1:
        return rows[:, :, 0]
    return {"tokens": rows[:, :, 0], "context": rows[:, :, 1:]}


def rows_of(pieces: list[Tokens], vocabulary: Vocabulary, view: View) -> list[Rows]:
    """Return pieces with the columns of their context, if the network takes one."""
    tokens = np.concatenate(pieces)
    columns = [tokens[:, None]]
    if view:
        columns.append(context(tokens, vocabulary, view).astype(np.int32))
    return np.split(np.hstack(columns), np.cumsum([len(piece) for piece in pieces])[:-1])


class Windows(keras.utils.PyDataset):  # type: ignore[misc]
    """Training batches: in each row, pieces of a freshly shuffled epoch, one after the other.

    Without `tbptt`, pieces follow each other without padding, and every window starts from a state
    of zeros. With it, a window holds tokens of one piece only, and the state is carried from window
    to window; the padding of a piece's last window has zero weight.

    Args:
        pieces: Training pieces.
        encoder: Encoded them.
        model: Which context the network takes.
        config: Window length, rows, augmentation and seed.
        multiple: The number of rows is a multiple of this.

    Attributes:
        steps: Batches in an epoch.
        rows: Windows in a batch: `batch_size`, or fewer if there is not one window for each.
        seconds: Time spent making batches.
    """

    def __init__(
        self,
        pieces: Pieces,
        encoder: Encoder,
        model: ModelConfig,
        config: TrainingConfig,
        multiple: int = 1,
    ) -> None:
        """Prepare the first epoch."""
        super().__init__()
        self.pieces, self.encoder = pieces, encoder
        self.config, self.view = config, View.of(model)
        if config.tbptt:
            # At most a row for each piece, and enough steps to reach the end of the longest.
            windows = -(-(pieces.lengths - 1) // config.sequence_length)
            count, least = int(windows.sum()), int(windows.max())
            most = len(pieces)
        else:
            count = max(1, int(pieces.lengths.sum()) // config.sequence_length)
            most, least = count, 1
        self.rows = min(most, config.batch_size) // multiple * multiple or multiple
        self.steps = max(least, -(-count // self.rows))
        self.seconds = 0.0
        self._epoch = self._offset = self._next = -1
        self._last: dict[int, tuple[Any, ...]] = {}  # the last two batches, by step
        self.lay_out(0)

    def lay_out(self, epoch: int, step: int = 0) -> None:
        """Go to a step of an epoch. A batch depends on the seed, the epoch and the step alone."""
        # Keras takes the first two batches before an epoch begins; they need not be made twice.
        if (epoch, step) != (self._epoch, self._offset) or self._next > step + 2:
            self._epoch, self._offset = epoch, step
            self._rewind()

    def __len__(self) -> int:
        """Return the number of batches left in the epoch."""
        return self.steps - self._offset

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return inputs, targets `int32[B, T]`, and with `tbptt` weights `float32[B, T]`."""
        started = perf_counter()
        step = self._offset + index
        if step < self._next and step not in self._last:
            self._rewind()
        while self._next <= step:
            self._last[self._next] = self._carried() if self.config.tbptt else self._concatenated()
            self._last.pop(self._next - 2, None)
            self._next += 1
        self.seconds += perf_counter() - started
        return self._last[step]

    def _rewind(self) -> None:
        """Restart the epoch: because pieces vary in length, rows are filled from there."""
        self._next = 0
        self._last.clear()
        self._rng = np.random.default_rng([self.config.seed, self._epoch])
        self._supply = self._pieces()
        self._queues: list[Rows] = [next(self._supply) for _ in range(self.rows)]
        if not self.config.tbptt:  # so that windows begin at other places in each epoch
            self._queues = [queue[int(self._rng.integers(len(queue))) :] for queue in self._queues]

    def _pieces(self) -> Iterator[Rows]:
        """Yield augmented pieces with their context, endlessly, each once before any recurs."""
        variation = Variation.of(self.config)
        while True:
            order = self._rng.permutation(len(self.pieces))
            chunk = self.pieces.lengths[order].cumsum() // AT_ONCE
            for indices in np.split(order, np.flatnonzero(np.diff(chunk)) + 1):
                pieces = [self.pieces.tokens(index) for index in indices.tolist()]
                pieces = varied(pieces, self.encoder, variation, self._rng)
                yield from rows_of(pieces, self.encoder.vocabulary, self.view)

    def _concatenated(self) -> tuple[Any, ...]:
        """Return the next batch of pieces that follow each other without padding."""
        length = self.config.sequence_length + 1
        out = np.empty((self.rows, length, self._queues[0].shape[1]), np.int32)
        for row, queue in enumerate(self._queues):
            while len(queue) < length:
                queue = np.concatenate([queue, next(self._supply)])
            out[row] = queue[:length]
            # The last token, so far a target, is the first input of the next window.
            self._queues[row] = queue[length - 1 :]
        return inputs(out[:, :-1]), out[:, 1:, 0]

    def _carried(self) -> tuple[Any, ...]:
        """Return the next batch in which each row holds tokens of one piece, and padding."""
        length = self.config.sequence_length + 1
        out = np.zeros((self.rows, length, self._queues[0].shape[1]), np.int32)
        weight = np.zeros((self.rows, length - 1), np.float32)
        for row, queue in enumerate(self._queues):
            window = queue[:length]
            out[row, : len(window)] = window
            weight[row, : len(window) - 1] = 1
            rest = queue[length - 1 :]
            self._queues[row] = rest if len(rest) > 1 else next(self._supply)
        return inputs(out[:, :-1]), out[:, 1:, 0], weight


TrainingBatches: TypeAlias = Windows | InfillWindows
"""Both have `steps`, `rows`, `seconds` and `lay_out`."""


class WholePieces(keras.utils.PyDataset):  # type: ignore[misc]
    """Validation batches: whole pieces, padded to the longest of a batch with zero weight.

    Args:
        pieces: Validation pieces.
        encoder: Encoded them.
        model: Which context the network takes.
        tokens: Size of a batch, about: many short pieces or a few long ones.
        multiple: The number of rows of every batch is a multiple of this.
    """

    def __init__(
        self, pieces: Pieces, encoder: Encoder, model: ModelConfig, tokens: int, multiple: int = 1
    ) -> None:
        """Sort the pieces by length and assign them to batches; they are read when needed."""
        super().__init__()
        self.pieces, self.vocabulary, self.view = pieces, encoder.vocabulary, View.of(model)
        # (length, piece, first token) of every piece or stretch, the shortest first.
        spans = [
            (min(length - 1 - at, LONGEST_VALIDATION), piece, at)
            for piece, length in enumerate(pieces.lengths.tolist())
            for at in range(0, length - 1, LONGEST_VALIDATION)
        ]
        spans.sort()
        self.batches: list[tuple[int, int, list[tuple[int, int, int]]]] = []
        while spans:
            # From the longest down; lengths are rounded up, because each shape is compiled.
            length = _rounded_up(spans[-1][0])
            rows = tokens // length // multiple * multiple or multiple
            self.batches.append((length, rows, spans[-rows:]))
            del spans[-rows:]
        # Keras takes what is the same in the first two batches to be the same in all, so the
        # shortest is put first.
        self.batches = self.batches[-1:] + self.batches[:-1]

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Any, NDArray[np.int32], NDArray[np.float32]]:
        """Return inputs, targets and weights, `[B, T]` each."""
        length, rows, spans = self.batches[index]
        tokens = [self.pieces.tokens(piece) for _, piece, _ in spans]
        pieces = rows_of(tokens, self.vocabulary, self.view)
        out = np.zeros((rows, length + 1, pieces[0].shape[1]), np.int32)
        weight = np.zeros((rows, length), np.float32)
        for row, ((count, _, at), piece) in enumerate(zip(spans, pieces, strict=True)):
            out[row, : count + 1] = piece[at : at + count + 1]
            weight[row, :count] = 1
        return inputs(out[:, :-1]), out[:, 1:, 0], weight


def _rounded_up(length: int) -> int:
    """Return a length rounded up to one of a few, at most a quarter longer."""
    step = 1 << max((length - 1).bit_length() - 3, 4)
    return -(-length // step) * step
