"""Recurrent cells in NumPy: what a step makes of a state, and the products that it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELLS", "Array", "Kernel", "Layer", "folded"]

Array: TypeAlias = NDArray[np.float32]

ROWS, COLUMNS, ALIGNED = 256, 1024, 32
"""Products are done in blocks of a kernel of at most so many rows and columns, these a multiple of so many. How a BLAS
adds up larger or odd ones depends on how many rows they are multiplied with; in such blocks it does
not, with most. See `Engine.widths`."""


class Kernel:
    """A matrix to multiply with, `float32[I, O]`."""

    def __init__(self, matrix: Array) -> None:
        """Cut it into blocks."""
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
            whole: Array = x @ self._blocks[0][2]
            return whole[:, : self._outputs]
        out = np.empty((len(x), self._blocks[-1][1].stop), np.float32)
        for rows, columns, block in self._blocks:
            if rows.start:
                out[:, columns] += x[:, rows] @ block
            else:
                np.matmul(x[:, rows], block, out=out[:, columns])
        return out[:, : self._outputs]


class Layer(NamedTuple):
    """A recurrent layer: what it makes of what comes from below, and of its own state.

    Where a gate is a sigmoid, all is halved that goes into it: σ(x) = (1 + tanh(x / 2)) / 2, and
    all gates of a step are one tanh.
    """

    kernel: Array
    bias: Array
    recurrent: Kernel
    recurrent_bias: Array


def _opened(gates: Array) -> Array:
    """Return σ of gates from the tanh of their halves, in place."""
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
    entry, forget, _, exit_ = _opened(gates).reshape(len(x), 4, units).swapaxes(0, 1)
    out = np.empty_like(state)
    h, c = out
    np.multiply(forget, state[1], out=c)
    candidate *= entry
    c += candidate
    np.tanh(c, out=h)
    h *= exit_
    return out


def _gru(x: Array, state: Array, layer: Layer) -> Array:
    """Gated recurrent unit (Cho et al. 2014), the reset gate applied after the product as cuDNN does."""
    units = state.shape[-1]
    mine = layer.recurrent(state[0])
    gates = x[:, : 2 * units] + mine[:, : 2 * units]
    np.tanh(gates, out=gates)
    update, reset = _opened(gates).reshape(len(x), 2, units).swapaxes(0, 1)
    candidate = mine[:, 2 * units :] + layer.recurrent_bias
    candidate *= reset
    candidate += x[:, 2 * units :]
    np.tanh(candidate, out=candidate)
    out = state - candidate
    out *= update
    out += candidate
    return out


def _rnn(x: Array, state: Array, layer: Layer) -> Array:
    """The simple recurrent network (Elman 1990)."""
    out: Array = np.tanh(x + layer.recurrent(state[0]))
    return out[None]


class Cell(NamedTuple):
    """A kind of recurrent layer."""

    step: Callable[[Array, Array, Layer], Array]
    slots: int
    """Vectors in its state, the output first."""
    sigmoids: tuple[bool, ...]
    """Which of its gates are sigmoids, in Keras's order."""


CELLS = {
    "lstm": Cell(_lstm, 2, (True, True, False, True)),
    "gru": Cell(_gru, 1, (True, True, False)),
    "rnn": Cell(_rnn, 1, (False,)),
}


def folded(weights: list[Array], cell: str) -> Layer:
    """Return a layer of Keras's arrays.

    A GRU has two biases, one on each side of the reset gate, others one; for gates that are not
    reset the two are one.
    """
    kernel, recurrent, bias = weights
    units, sigmoids = len(recurrent), CELLS[cell].sigmoids
    halves = np.repeat(np.where(sigmoids, 0.5, 1), units).astype(np.float32)
    own = np.zeros(units, np.float32)
    if bias.ndim == 2:
        own = bias[1, -units:]
        bias = bias[0] + np.append(bias[1, :-units], 0 * own)
    return Layer(kernel * halves, bias * halves, Kernel(recurrent * halves), own)
