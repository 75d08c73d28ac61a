"""Recurrent cells in NumPy: one step of an LSTM, a GRU or a simple RNN, and its matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELLS", "Array", "Kernel", "Layer", "folded"]

Array: TypeAlias = NDArray[np.float32]

ROWS, COLUMNS, ALIGNED = 256, 1024, 32
"""Largest block of a kernel, in rows and columns, and what its columns are a multiple of.

In which order a BLAS adds up larger or odd products depends on how many rows they are multiplied
with. With blocks of this size most do not. See `Engine.widths`.
"""


class Kernel:
    """A weight matrix, `float32[I, O]`, multiplied block by block."""

    def __init__(self, matrix: Array) -> None:
        """Cut the matrix into blocks."""
        self._outputs = matrix.shape[1]
        matrix = np.pad(matrix, ((0, 0), (0, -self._outputs % ALIGNED)))
        self._blocks = [
            (
                slice(row, row + ROWS),
                slice(column, min(column + COLUMNS, matrix.shape[1])),
                np.ascontiguousarray(matrix[row : row + ROWS, column : column + COLUMNS]),
            )
            for column in range(0, matrix.shape[1], COLUMNS)
            for row in range(0, len(matrix), ROWS)
        ]

    def __call__(self, x: Array) -> Array:
        """Return `x` times the matrix, `float32[B, I]` → `[B, O]`."""
        if len(self._blocks) == 1:
            return (x @ self._blocks[0][2])[:, : self._outputs]
        out = np.empty((len(x), self._blocks[-1][1].stop), np.float32)
        for rows, columns, block in self._blocks:
            if rows.start:
                out[:, columns] += x[:, rows] @ block
            else:
                np.matmul(x[:, rows], block, out=out[:, columns])
        return out[:, : self._outputs]


class Layer(NamedTuple):
    """The weights of a recurrent layer, with the inputs of sigmoid gates halved.

    σ(x) = (1 + tanh(x / 2)) / 2, so one tanh computes all gates of a step.
    """

    kernel: Array
    """Of the input, `float32[I, G·H]`."""
    bias: Array
    """`float32[G·H]`."""
    recurrent: Kernel
    """Of the layer's own output, `float32[H, G·H]`."""
    recurrent_bias: Array
    """Of a GRU's candidate inside its reset gate, `float32[H]`; zeros otherwise."""


def _sigmoid_of_half_tanh(gates: Array) -> Array:
    """Return σ(x) from tanh(x / 2), in place."""
    gates *= np.float32(0.5)
    gates += np.float32(0.5)
    return gates


def _lstm(x: Array, state: Array, layer: Layer) -> Array:
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000)."""
    units = state.shape[-1]
    gates = layer.recurrent(state[0])
    gates += x
    np.tanh(gates, out=gates)
    candidate = gates[:, 2 * units : 3 * units].copy()
    gates = _sigmoid_of_half_tanh(gates).reshape(len(x), 4, units).swapaxes(0, 1)
    input_gate, forget_gate, _, output_gate = gates
    out = np.empty_like(state)
    h, c = out
    np.multiply(forget_gate, state[1], out=c)
    candidate *= input_gate
    c += candidate
    np.tanh(c, out=h)
    h *= output_gate
    return out


def _gru(x: Array, state: Array, layer: Layer) -> Array:
    """Gated recurrent unit (Cho et al. 2014), reset gate after the product as in cuDNN."""
    units = state.shape[-1]
    recurrent = layer.recurrent(state[0])
    gates = x[:, : 2 * units] + recurrent[:, : 2 * units]
    np.tanh(gates, out=gates)
    update, reset = _sigmoid_of_half_tanh(gates).reshape(len(x), 2, units).swapaxes(0, 1)
    candidate = recurrent[:, 2 * units :] + layer.recurrent_bias
    candidate *= reset
    candidate += x[:, 2 * units :]
    np.tanh(candidate, out=candidate)
    out = state - candidate
    out *= update
    out += candidate
    return out


def _rnn(x: Array, state: Array, layer: Layer) -> Array:
    """The simple recurrent network (Elman 1990)."""
    return np.tanh(x + layer.recurrent(state[0]))[None]


class Cell(NamedTuple):
    """A kind of recurrent cell."""

    step: Callable[[Array, Array, Layer], Array]
    """Projected input `[B, G·H]`, state `[S, B, H]`, weights → the new state."""
    slots: int
    """Number of vectors in its state, the output first."""
    sigmoids: tuple[bool, ...]
    """Which of its gates are sigmoids, in Keras's order."""


CELLS = {
    "lstm": Cell(_lstm, 2, (True, True, False, True)),
    "gru": Cell(_gru, 1, (True, True, False)),
    "rnn": Cell(_rnn, 1, (False,)),
}


def folded(weights: list[Array], cell: str) -> Layer:
    """Return a layer made of Keras's arrays: kernel, recurrent kernel, bias.

    A GRU has two biases, one on each side of the reset gate. For gates without a reset their sum is
    enough. Other cells have one bias.
    """
    kernel, recurrent, bias = weights
    units, sigmoids = len(recurrent), CELLS[cell].sigmoids
    halves = np.repeat(np.where(sigmoids, 0.5, 1), units).astype(np.float32)
    inside_reset = np.zeros(units, np.float32)
    if bias.ndim == 2:
        inside_reset = bias[1, -units:]
        bias = bias[0] + np.append(bias[1, :-units], 0 * inside_reset)
    return Layer(kernel * halves, bias * halves, Kernel(recurrent * halves), inside_reset)
