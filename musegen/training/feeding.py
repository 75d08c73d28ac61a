"""Token pieces as batches for `fit`."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from musegen import dataset as datasets
from musegen.config import TrainingConfig
from musegen.dataset import Piece
from musegen.encoder import Encoder

__all__ = ["WholePieces", "Windows"]

LONGEST_VALIDATION = 2048  # tokens; longer pieces are measured in stretches of it, from a fresh state


class Windows(keras.utils.PyDataset):  # type: ignore[misc]
    """Training batches: row by row contiguous windows of a freshly shuffled stream each epoch."""

    def __init__(self, pieces: list[Piece], encoder: Encoder, config: TrainingConfig) -> None:
        """Lay out the first epoch."""
        super().__init__()
        self.pieces, self.encoder, self.config = pieces, encoder, config
        self.lay_out(0)

    def lay_out(self, epoch: int) -> None:
        """Shuffle and transpose anew: always the same for one epoch, so that a resumed run sees it too."""
        config = self.config
        rng = np.random.default_rng([config.seed, epoch])
        self.rows = datasets.stream(
            self.pieces, self.encoder, rng, config.batch_size, config.transpose, config.part_dropout
        )
        self.length = min(config.sequence_length, len(self.rows[0]) - 1)

    def __len__(self) -> int:
        """Return the number of batches."""
        return (len(self.rows[0]) - 1) // self.length

    def __getitem__(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return tokens and the tokens that follow them, `int32[B, T]` each."""
        at = slice(index * self.length, (index + 1) * self.length + 1)
        window = self.rows[:, at]
        return window[:, :-1], window[:, 1:]


class WholePieces(keras.utils.PyDataset):  # type: ignore[misc]
    """Validation batches: pieces from their beginning, padded to the longest, padding weighing nothing."""

    def __init__(self, pieces: list[Piece], rows: int) -> None:
        """Sort the pieces by length and batch them, `rows` at a time."""
        super().__init__()
        spans = [
            piece.tokens[at : at + LONGEST_VALIDATION + 1]
            for piece in pieces
            for at in range(0, len(piece.tokens) - 1, LONGEST_VALIDATION)
        ]
        spans.sort(key=len)
        self.batches = [spans[i : i + rows] for i in range(0, len(spans), rows)]

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """Return tokens, the tokens that follow them, and weights, `[B, T]` each."""
        spans = self.batches[index]
        longest = -(-max(map(len, spans)) // 64) * 64  # few different shapes, so few compilations
        tokens = np.zeros((len(spans), longest + 1), np.int32)
        weight = np.zeros((len(spans), longest), np.float32)
        for row, span in enumerate(spans):
            tokens[row, : len(span)] = span
            weight[row, : len(span) - 1] = 1
        return tokens[:, :-1], tokens[:, 1:], weight
