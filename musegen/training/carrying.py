"""Truncated back-propagation through time with the state carried from window to window."""

from __future__ import annotations

from typing import Any

from musegen.model.backend import keras, ops

__all__ = ["Carried"]


class Carried(keras.layers.Layer):  # type: ignore[misc]
    """A recurrent layer that continues, in training, from the last batch's state of each row.

    Gradients end at the beginning of the window; memory does not (Williams and Peng 1990). A row
    whose window begins with `start` is a new piece, and starts from a state of zeros.

    Args:
        layer: The recurrent layer.
        rows: Rows of a training batch. Validation batches start from a state of zeros.
        start: The token that every piece begins with.
    """

    def __init__(self, layer: keras.layers.RNN, rows: int, start: int) -> None:
        """Add variables for the state of every row."""
        super().__init__(name=f"carried_{layer.name}", dtype=layer.dtype_policy)
        self.layer, self.start = layer, start
        layer.return_state = True
        sizes = layer.cell.state_size
        self.memory = [
            self.add_weight(
                (rows, size), "zeros", "float32", trainable=False, name=f"memory_{index}"
            )
            for index, size in enumerate([sizes] if isinstance(sizes, int) else sizes)
        ]

    def call(self, x: Any, tokens: Any, training: bool = False) -> Any:
        """Apply the layer to `x`, `[B, T, I]`, computed from `tokens`, `int32[B, T]`."""
        if not training:
            return self.layer(x)[0]
        continues = ops.cast(tokens[:, :1] != self.start, "float32")
        out, *state = self.layer(x, initial_state=[memory * continues for memory in self.memory])
        for memory, last in zip(self.memory, state, strict=True):
            memory.assign(ops.cast(last, "float32"))
        return out

    def compute_output_spec(self, x: Any, tokens: Any, training: bool = False) -> Any:
        """Return the shape of the output, `[B, T, H]`."""
        return keras.KerasTensor((*x.shape[:-1], self.layer.units), self.compute_dtype)
