"""The network in NumPy: one step of a recurrent stack, without TensorFlow.

A recurrent network's memory is its state: `step` takes the last token and the state and gives
logits for the next token and a new state, at the same cost however long the piece has become.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.config import ModelConfig
from musegen.encoding.context import WIDTH, Context, View
from musegen.errors import CheckpointError
from musegen.model.cells import CELLS, Array, Kernel, Layer, folded

__all__ = ["WIDTHS", "Engine", "State"]

WIDTHS = (2, 8, 32, 64)
"""Rows that a step is computed for. One row is not among them: BLAS multiplies a vector in another way."""

State: TypeAlias = tuple[Array, ...]
"""One `float32[S, B, H]` per layer: S is 2 for LSTM (output, cell), 1 for the others."""


class Engine:
    """Computes what the Keras model computes, to 1e-5, from the same weights.

    Args:
        config: The network's shape.
        weights: Layer name → arrays, as `Checkpoint.weights` reads them.

    Raises:
        CheckpointError: The weights are of another shape than `config` says.
    """

    def __init__(self, config: ModelConfig, weights: dict[str, list[Array]]) -> None:
        """Fold what can be folded.

        What enters the first layer becomes a table look-up, for the token and for each column of
        the context; the scale and shift of a normalisation go into the product that follows it, and
        a projection into the output.
        """
        self.config = config
        self._conditioned: Array | None = None
        self._cell, self._slots, _ = CELLS[config.cell]
        try:
            (embedding,) = weights["embedding"]
            self._layers = [_layer(config, weights, index) for index in range(config.layers)]
            self._inputs = [Kernel(layer.kernel) for layer in self._layers]
            view = View.of(config)
            output, self._output_bias = _output(config, weights)
            self._output = Kernel(output)
            kernel, bias = self._layers[0][:2]
            width = config.embedding
            self._first = embedding @ kernel[:width] + bias
            if view:
                self._columns, self._starts = _columns(kernel[width:], view, weights)
            if config.future:
                self._backward = folded(weights["backward"], config.cell)
                self._heard = embedding @ self._backward.kernel + self._backward.bias
                self._aim, self._aim_bias = (array @ kernel for array in weights["aim"])
                self._left = weights["left_embedding"][0] @ kernel
            fits = len(embedding) == output.shape[1] - view.lookbacks == config.vocabulary_size
            fits &= config.context > 0 or len(kernel) == width
            fits &= all(
                weights[f"recurrent_{i}"][1].shape[0] == config.units for i in range(config.layers)
            )
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                f"the weights do not fit {config}: {error}. Train or copy them again."
            ) from error
        if not fits:
            raise CheckpointError(f"the weights do not fit {config}. Train or copy them again.")

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before anything was heard: zeros."""
        shape = (self._slots, batch, self.config.units)
        return tuple(np.zeros(shape, np.float32) for _ in range(self.config.layers))

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Numbers of rows, ascending, for which each row of a step comes out the same, to the bit.

        A BLAS may add up in another order where there are other numbers of rows. Whether it does
        depends on shapes alone, so it is tried out once with random rows; the greatest is always
        among them.
        """
        rng, most = np.random.default_rng(0), WIDTHS[-1]
        tokens = rng.integers(0, self.config.vocabulary_size, most, dtype=np.int32)
        state = tuple(
            rng.standard_normal(layer.shape, np.float32) for layer in self.initial_state(most)
        )
        view = View.of(self.config)
        context = rng.integers(0, view.sizes, (most, len(view.sizes)), np.uint16) if view else None

        def heard(width: int) -> list[Array]:
            """Step through the last rows."""
            logits, after = self.step(
                tokens[-width:],
                tuple(layer[:, -width:].copy() for layer in state),
                None if context is None else context[-width:],
            )
            return [logits, *after]

        whole = heard(most)
        return tuple(
            width
            for width in WIDTHS
            if all(
                np.array_equal(few, all_[..., -width:, :])
                for few, all_ in zip(heard(width), whole, strict=True)
            )
        )

    def rows(self, states: Sequence[State], indices: Sequence[int]) -> State:
        """Return a state of some rows of some states, counted through them."""
        if len(states) == 1:
            return tuple(layer[:, indices] for layer in states[0])
        return tuple(
            np.concatenate(layers, axis=1)[:, indices] for layers in zip(*states, strict=True)
        )

    def conditioned_on(self, future: NDArray[np.int32]) -> Engine:
        """Return this network as it fills the gap before a future, which is read here and not again.

        Args:
            future: `int32[B, FUTURE]`, as `musegen.encoding.gaps.ahead` gives it, of each row that
                it is going to hear.
        """
        if not self.config.future:
            raise ValueError(
                f"a network that fills gaps was expected, with future > 0. Received: {self.config}."
            )
        now: Array = np.zeros((self._slots, len(future), self.config.future), np.float32)
        for token in future.T:
            now = self._cell(self._heard[token], now, self._backward)
        out = copy.copy(self)
        out._conditioned = now[0] @ self._aim + self._aim_bias
        return out

    def step(
        self,
        tokens: NDArray[np.int32],
        state: State,
        context: Context | None = None,
        left: NDArray[np.int32] | None = None,
    ) -> tuple[Array, State]:
        """Hear one token in each row.

        Args:
            tokens: `int32[B]`.
            state: As returned by `initial_state`, `step` or `forward`; it is not changed.
            context: What `musegen.encoding.context` knows after each, `uint16[B, F]`; None for a
                network without.
            left: Bars of the gap that are left to fill, `int32[B]`; None for a network that fills
                none.

        Returns:
            Logits for the next token, `float32[B, V]`, and the new state.
        """
        heard, after = self._hear(
            tokens[None],
            state,
            None if context is None else context[None],
            None if left is None else left[None],
        )
        return heard[0], after

    def forward(
        self,
        tokens: NDArray[np.int32],
        state: State,
        context: Context | None = None,
        left: NDArray[np.int32] | None = None,
    ) -> tuple[Array, State]:
        """Hear whole sequences at once; the same numbers as step after step, in less time.

        Args:
            tokens: `int32[B, T]`.
            state: As for `step`.
            context: `uint16[B, T, F]`, as for `step`.
            left: `int32[B, T]`, as for `step`.

        Returns:
            Logits after each token, `float32[B, T, V]`, and the state after the last.
        """
        heard, after = self._hear(
            tokens.T,
            state,
            None if context is None else context.transpose(1, 0, 2),
            None if left is None else left.T,
        )
        return heard.transpose(1, 0, 2), after

    def _hear(
        self,
        tokens: NDArray[np.int32],
        state: State,
        context: Context | None,
        left: NDArray[np.int32] | None,
    ) -> tuple[Array, State]:
        """Do what `forward` does, time first: `[T, B]`, because the steps of a layer follow each other."""
        x = self._entry(tokens, context, left)
        out = []
        for index, (layer, now) in enumerate(zip(self._layers, state, strict=True)):
            below = x
            if index:
                x = _product(self._normalised(below), self._inputs[index])
                x += layer.bias
            heard = np.empty((*x.shape[:2], self.config.units), np.float32)
            for t in range(len(x)):
                now = self._cell(x[t], now, layer)
                heard[t] = now[0]
            out.append(now)
            x = heard + below if index and self.config.residual else heard
        logits = _product(self._normalised(x), self._output)
        logits += self._output_bias
        if context is not None and self.config.lookback:
            logits = self._copied(logits, context)
        return logits, tuple(out)

    def _copied(self, logits: Array, context: Context) -> Array:
        """Make tokens that came next at earlier places as much likelier as the last K numbers of each row say."""
        size = self.config.vocabulary_size
        out, likelier = logits[..., :size], logits[..., size:]
        follow = context[..., -likelier.shape[-1] :].astype(np.intp) - 1
        *rows, place = (follow >= 0).nonzero()
        np.add.at(out, (*rows, follow[*rows, place]), likelier[*rows, place])
        return out

    def _entry(
        self, tokens: NDArray[np.int32], context: Context | None, left: NDArray[np.int32] | None
    ) -> Array:
        """Return what enters the first layer's gates, `float32[T, B, G]`."""
        x = self._first[tokens]
        if (context is None) != (self.config.context == 0):
            raise ValueError(
                f"a context must be given if and only if the network has one. Received: {self.config}."
            )
        aimed = self._conditioned
        if (left is None) != (aimed is None):
            raise ValueError(
                "a network conditioned on a future, and no other, must be given `left`."
            )
        if left is not None and aimed is not None:
            x += aimed + self._left[left]
        if context is not None:
            for t, rows in enumerate(
                context + self._starts
            ):  # all at once would not fit in a processor's cache
                x[t] += self._columns[rows].sum(axis=-2)
        return x

    def _normalised(self, x: Array) -> Array:
        """Return each row with mean 0 and variance 1, if the network asks for it."""
        if not self.config.layer_norm:
            return x
        x = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(x).mean(axis=-1, keepdims=True)
        out: Array = x / np.sqrt(variance + np.float32(self.config.EPSILON))
        return out


def _product(x: Array, kernel: Kernel) -> Array:
    """Return `x` times a kernel, all rows at once: NumPy would multiply `[B, H]` T times."""
    return kernel(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1)


def _layer(config: ModelConfig, weights: dict[str, list[Array]], index: int) -> Layer:
    layer = folded(weights[f"recurrent_{index}"], config.cell)
    if not index:
        return layer
    kernel, bias = _scaled(config, weights, f"norm_{index}", layer.kernel, layer.bias)
    return layer._replace(kernel=kernel, bias=bias)


def _output(config: ModelConfig, weights: dict[str, list[Array]]) -> tuple[Array, Array]:
    """Return the kernel and the bias of the output: a column for each token, then one for each place looked back to."""
    if not config.tied:
        kernel, bias = weights["logits"]
    else:
        kernel = weights["embedding"][0].T
        bias = np.zeros(kernel.shape[1], np.float32)
        if config.units != config.embedding:
            projection, shift = weights["projection"]
            kernel, bias = projection @ kernel, shift @ kernel
    if config.lookback:
        copy, more = weights["copy"]
        kernel, bias = np.hstack([kernel, copy]), np.append(bias, more)
    return _scaled(config, weights, "norm", kernel, bias)


def _scaled(
    config: ModelConfig, weights: dict[str, list[Array]], norm: str, kernel: Array, bias: Array
) -> tuple[Array, Array]:
    """Return a product that does the scale and shift of the normalisation before it."""
    if not config.layer_norm:
        return kernel, bias
    gamma, beta = weights[norm]
    return gamma[:, None] * kernel, beta @ kernel + bias


def _columns(
    kernel: Array, view: View, weights: dict[str, list[Array]]
) -> tuple[Array, NDArray[np.int32]]:
    """Return what each value of each column of the context adds to the first layer's gates.

    Returns:
        `float32[R, G]`, the columns' tables one below the other, and where each begins, `int32[F]`.
    """
    (embedding,) = weights["context_embedding"]
    slices = kernel.reshape(len(view.sizes), WIDTH, -1)
    values = zip(view.offsets.tolist(), view.sizes, slices, strict=True)
    table = np.concatenate([embedding[first : first + size] @ part for first, size, part in values])
    return table, np.cumsum([0, *view.sizes[:-1]], dtype=np.int32)
