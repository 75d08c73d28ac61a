"""Truncated back-propagation through time with the state carried from window to window."""

from __future__ import annotations

from typing import Any

from musegen.model.backend import keras, ops

__all__ = ["Carried"]


class Carried(keras.layers.Layer):  # type: ignore[misc]
    """A recurrent layer that, in training, goes on in the state in which it left each row of the last batch.

    Gradients end at the beginning of the window, and memory does not (Williams and Peng 1990).
    A row whose window begins with `start` is a new piece, and begins with a state of zeros.

    Args:
        layer: The recurrent layer.
        rows: Rows in a training batch. Others, as in validation, begin with a state of zeros.
        start: The token that every piece begins with.
    """

    def __init__(self, layer: keras.layers.RNN, rows: int, start: int) -> None:
        """Make room for the state of every row."""
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
        """Apply the layer to `x`, `[B, T, I]`, that was made of `tokens`, `int32[B, T]`."""
        if not training:
            return self.layer(x)[0]
        goes_on = ops.cast(tokens[:, :1] != self.start, "float32")
        out, *state = self.layer(x, initial_state=[memory * goes_on for memory in self.memory])
        for memory, now in zip(self.memory, state, strict=True):
            memory.assign(ops.cast(now, "float32"))
        return out

    def compute_output_spec(self, x: Any, tokens: Any, training: bool = False) -> Any:
        """Say that `[B, T, H]` comes out."""
        return keras.KerasTensor((*x.shape[:-1], self.layer.units), self.compute_dtype)
