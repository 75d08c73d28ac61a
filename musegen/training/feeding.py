"""Token pieces as batches for `fit`."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import ModelConfig, TrainingConfig
from musegen.data.augmentation import Variation, varied
from musegen.data.dataset import Pieces
from musegen.encoding.context import View, context
from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.model.backend import keras

__all__ = ["WholePieces", "Windows"]

AT_ONCE = (
    65_536  # tokens varied together: enough for NumPy to be busy, few enough to stay in a cache
)
LONGEST_VALIDATION = (
    16_384  # tokens; longer pieces are measured in stretches of it, from a fresh state
)

Rows = NDArray[np.int32]
"""`int32[..., 1 + F]`: a token, and the F columns of context that are known once it is heard."""


def inputs(rows: Rows) -> Any:
    """Return what the network is given of rows, `int32[B, T, 1 + F]`."""
    if rows.shape[2] == 1:
        return rows[:, :, 0]
    return {"tokens": rows[:, :, 0], "context": rows[:, :, 1:]}


def rows_of(pieces: list[Tokens], vocabulary: Vocabulary, view: View) -> list[Rows]:
    """Return pieces with their context, if the network sees one."""
    tokens = np.concatenate(pieces)
    columns = [tokens[:, None]]
    if view:
        columns.append(context(tokens, vocabulary, view).astype(np.int32))
    return np.split(np.hstack(columns), np.cumsum([len(piece) for piece in pieces])[:-1])


class Windows(keras.utils.PyDataset):  # type: ignore[misc]
    """Training batches: in each row, pieces of a freshly shuffled epoch, one after the other.

    Without `tbptt`, pieces follow each other without a gap, and every window starts from a state
    of zeros. With it, a window holds tokens of one piece alone, and the state is carried from
    window to window; what is missing in the last window of a piece weighs nothing.

    Args:
        pieces: What to learn from.
        encoder: What made them.
        model: Says which context the network wants.
        config: Window length, rows, variations and seed.
        multiple: The rows are a multiple of this.

    Attributes:
        steps: Batches in an epoch.
        rows: Windows in a batch: `batch_size`, fewer if there is not one window for each.
        seconds: Time spent in making batches.
    """

    def __init__(
        self,
        pieces: Pieces,
        encoder: Encoder,
        model: ModelConfig,
        config: TrainingConfig,
        multiple: int = 1,
    ) -> None:
        """Lay out the first epoch."""
        super().__init__()
        self.pieces, self.encoder, self.config = pieces, encoder, config
        self.view = View.of(model)
        if (
            config.tbptt
        ):  # a row for each piece at most, and steps enough to come to the end of the longest
            windows = -(-(pieces.lengths - 1) // config.sequence_length)
            count, most, least = int(windows.sum()), len(pieces), int(windows.max())
        else:
            most = count = max(1, int(pieces.lengths.sum()) // config.sequence_length)
            least = 1
        self.rows = min(most, config.batch_size) // multiple * multiple or multiple
        self.steps = max(least, -(-count // self.rows))
        self.seconds = 0.0
        self._epoch = self._offset = self._next = -1
        self._last: dict[int, tuple[Any, ...]] = {}  # the last two batches, by step
        self.lay_out(0)

    def lay_out(self, epoch: int, step: int = 0) -> None:
        """Turn to a step of an epoch: what comes depends on the seed, the epoch and the step alone."""
        # Keras looks at the first two batches before an epoch begins. They need not be dealt again.
        if (epoch, step) != (self._epoch, self._offset) or self._next > step + 2:
            self._epoch, self._offset = epoch, step
            self._rewind()

    def __len__(self) -> int:
        """Return the number of batches that are left of the epoch."""
        return self.steps - self._offset

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return inputs, the tokens that follow, `int32[B, T]`, and with `tbptt` weights, `float32[B, T]`."""
        started = perf_counter()
        step = self._offset + index
        if step < self._next and step not in self._last:
            self._rewind()
        while self._next <= step:
            self._last[self._next] = self._dealt()
            self._last.pop(self._next - 2, None)
            self._next += 1
        self.seconds += perf_counter() - started
        return self._last[step]

    def _rewind(self) -> None:
        """Go to the beginning of the epoch; rows are dealt from there, because pieces vary in length."""
        self._next = 0
        self._last.clear()
        self._rng = np.random.default_rng([self.config.seed, self._epoch])
        self._supply = self._pieces()
        self._queues: list[Rows] = [next(self._supply) for _ in range(self.rows)]
        if not self.config.tbptt:  # so that windows begin elsewhere in each epoch
            self._queues = [queue[int(self._rng.integers(len(queue))) :] for queue in self._queues]

    def _pieces(self) -> Iterator[Rows]:
        """Yield pieces without end, each with its context, every one of an epoch before any again."""
        variation = Variation.of(self.config)
        while True:
            order = self._rng.permutation(len(self.pieces))
            chunk = self.pieces.lengths[order].cumsum() // AT_ONCE
            for some in np.split(order, np.flatnonzero(np.diff(chunk)) + 1):
                pieces = [self.pieces.tokens(index) for index in some.tolist()]
                yield from rows_of(
                    varied(pieces, self.encoder, variation, self._rng),
                    self.encoder.vocabulary,
                    self.view,
                )

    def _dealt(self) -> tuple[Any, ...]:
        return self._dealt_carried() if self.config.tbptt else self._dealt_end_to_end()

    def _dealt_end_to_end(self) -> tuple[Any, ...]:
        length = self.config.sequence_length + 1
        out = np.empty((self.rows, length, self._queues[0].shape[1]), np.int32)
        for row, queue in enumerate(self._queues):
            while len(queue) < length:
                queue = np.concatenate([queue, next(self._supply)])
            out[row] = queue[:length]
            self._queues[row] = queue[
                length - 1 :
            ]  # the last token is the first of the next window
        return inputs(out[:, :-1]), out[:, 1:, 0]

    def _dealt_carried(self) -> tuple[Any, ...]:
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


class WholePieces(keras.utils.PyDataset):  # type: ignore[misc]
    """Validation batches: pieces from their beginning, padded to the longest, padding weighing nothing.

    Args:
        pieces: What to measure on.
        encoder: What made them.
        model: Says which context the network wants.
        tokens: Places in a batch, about: it has many short pieces or a few long ones.
        multiple: The rows of every batch are a multiple of this.
    """

    def __init__(
        self, pieces: Pieces, encoder: Encoder, model: ModelConfig, tokens: int, multiple: int = 1
    ) -> None:
        """Sort the pieces by length and batch them; they are read when their turn comes."""
        super().__init__()
        self.pieces, self.vocabulary, self.view = pieces, encoder.vocabulary, View.of(model)
        spans = [
            (min(length - 1 - at, LONGEST_VALIDATION), piece, at)
            for piece, length in enumerate(pieces.lengths.tolist())
            for at in range(0, length - 1, LONGEST_VALIDATION)
        ]
        spans.sort()
        self.batches: list[tuple[int, int, list[tuple[int, int, int]]]] = []
        while spans:
            # From the longest down. Few different shapes, so few compilations.
            length = _rounded_up(spans[-1][0])
            rows = tokens // length // multiple * multiple or multiple
            self.batches.append((length, rows, spans[-rows:]))
            del spans[-rows:]
        # The shortest first: Keras looks at two batches, and takes what is the same in both to be
        # so in all.
        self.batches = self.batches[-1:] + self.batches[:-1]

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Any, NDArray[np.int32], NDArray[np.float32]]:
        """Return inputs, the tokens that follow, and weights, `[B, T]` each."""
        length, rows, spans = self.batches[index]
        whole = rows_of(
            [self.pieces.tokens(piece) for _, piece, _ in spans], self.vocabulary, self.view
        )
        out = np.zeros((rows, length + 1, whole[0].shape[1]), np.int32)
        weight = np.zeros((rows, length), np.float32)
        for row, ((count, _, at), piece) in enumerate(zip(spans, whole, strict=True)):
            out[row, : count + 1] = piece[at : at + count + 1]
            weight[row, :count] = 1
        return inputs(out[:, :-1]), out[:, 1:, 0], weight


def _rounded_up(length: int) -> int:
    """Return a length that is at least this, of a few that there are: at most a quarter longer."""
    step = 1 << max((length - 1).bit_length() - 3, 4)
    return -(-length // step) * step
