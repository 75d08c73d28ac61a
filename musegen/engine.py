"""The network in NumPy: one step of a recurrent stack, without TensorFlow.

A recurrent network's memory is its state: `step` takes the last token and the state and gives
logits for the next token and a new state, at the same cost however long the piece has become.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.config import ModelConfig
from musegen.errors import CheckpointError

__all__ = ["Engine", "State"]

Array: TypeAlias = NDArray[np.float32]
State: TypeAlias = tuple[Array, ...]
"""One `float32[S, B, H]` per layer: S is 2 for LSTM (output, cell), 1 for the others."""


def _sigmoid(x: Array) -> Array:
    out: Array = (np.tanh(x * np.float32(0.5)) + np.float32(1)) * np.float32(0.5)
    return out


def _lstm(x: Array, state: Array, kernel: Array, bias: Array | None) -> Array:
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000)."""
    h, c = state
    entry, forget, candidate, exit_ = np.split(x + h @ kernel, 4, axis=-1)
    c = _sigmoid(forget) * c + _sigmoid(entry) * np.tanh(candidate)
    return np.stack([_sigmoid(exit_) * np.tanh(c), c])


def _gru(x: Array, state: Array, kernel: Array, bias: Array | None) -> Array:
    """Gated recurrent unit (Cho et al. 2014), the reset gate applied after the product as cuDNN does."""
    (h,) = state
    x_update, x_reset, x_candidate = np.split(x, 3, axis=-1)
    h_update, h_reset, h_candidate = np.split(h @ kernel + bias, 3, axis=-1)
    update = _sigmoid(x_update + h_update)
    candidate = np.tanh(x_candidate + _sigmoid(x_reset + h_reset) * h_candidate)
    out: Array = update * h + (np.float32(1) - update) * candidate
    return out[None]


def _rnn(x: Array, state: Array, kernel: Array, bias: Array | None) -> Array:
    """The simple recurrent network (Elman 1990)."""
    out: Array = np.tanh(x + state[0] @ kernel)
    return out[None]


_CELLS: dict[str, tuple[Callable[[Array, Array, Array, Array | None], Array], int]] = {
    "lstm": (_lstm, 2),
    "gru": (_gru, 1),
    "rnn": (_rnn, 1),
}


class Engine:
    """Computes what the Keras model computes, to 1e-5, from the same weights.

    Args:
        config: The network's shape.
        weights: Layer name → arrays, as `Checkpoint.weights` reads them.

    Raises:
        CheckpointError: The weights are of another shape than `config` says.
    """

    def __init__(self, config: ModelConfig, weights: dict[str, list[Array]]) -> None:
        """Fold what can be folded: the first layer's input product becomes a table look-up."""
        self.config = config
        self._cell, self._slots = _CELLS[config.cell]
        try:
            (embedding,) = weights["embedding"]
            layers = [weights[f"recurrent_{i}"] for i in range(config.layers)]
            self._output, self._output_bias = weights["logits"]
            # A GRU has two biases, one on each side of the reset gate; the others have one.
            both = [bias if bias.ndim == 2 else np.stack([bias, 0 * bias]) for _, _, bias in layers]
            self._inputs = [(kernel, bias[0]) for (kernel, _, _), bias in zip(layers, both, strict=True)]
            self._recurrent = [(kernel, bias[1]) for (_, kernel, _), bias in zip(layers, both, strict=True)]
            self._first = embedding @ self._inputs[0][0] + self._inputs[0][1]
            fits = self._first.shape[0] == self._output.shape[1] == config.vocabulary_size
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"the weights do not fit {config}: {error}. Train or copy them again.") from error
        if not fits or any(kernel.shape[0] != config.units for kernel, _ in self._recurrent):
            raise CheckpointError(f"the weights do not fit {config}. Train or copy them again.")

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before anything was heard: zeros."""
        shape = (self._slots, batch, self.config.units)
        return tuple(np.zeros(shape, np.float32) for _ in range(self.config.layers))

    def step(self, tokens: NDArray[np.int32], state: State) -> tuple[Array, State]:
        """Hear one token in each row.

        Args:
            tokens: `int32[B]`.
            state: As returned by `initial_state`, `step` or `forward`; it is not changed.

        Returns:
            Logits for the next token, `float32[B, V]`, and the new state.
        """
        x = self._first[tokens]
        out = []
        for index, (kernel, bias) in enumerate(self._recurrent):
            if index:
                weight, input_bias = self._inputs[index]
                x = x @ weight + input_bias
            out.append(self._cell(x, state[index], kernel, bias))
            x = out[-1][0]
        return x @ self._output + self._output_bias, tuple(out)

    def forward(self, tokens: NDArray[np.int32], state: State) -> tuple[Array, State]:
        """Hear whole sequences at once; the same numbers as step after step, in less time.

        Args:
            tokens: `int32[B, T]`.
            state: As for `step`.

        Returns:
            Logits after each token, `float32[B, T, V]`, and the state after the last.
        """
        x = self._first[tokens.T]  # time first
        out = []
        for index, (kernel, bias) in enumerate(self._recurrent):
            if index:
                weight, input_bias = self._inputs[index]
                x = x @ weight + input_bias
            now = state[index]
            heard = np.empty((*x.shape[:2], self.config.units), np.float32)
            for t in range(len(x)):
                now = self._cell(x[t], now, kernel, bias)
                heard[t] = now[0]
            out.append(now)
            x = heard
        return (x @ self._output + self._output_bias).transpose(1, 0, 2), tuple(out)
