"""The network in NumPy: one step of a recurrent stack, without TensorFlow.

The memory of a recurrent network is its state: `step` takes the last token and the state, and
returns logits for the next token and a new state. The cost does not grow with the piece.
"""

from __future__ import annotations

import copy
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musegen.config import ModelConfig
from musegen.encoding.context import WIDTH, Context, View
from musegen.errors import CheckpointError
from musegen.model.cells import CELLS, Array, Kernel, Layer, folded
from musegen.model.interface import RecurrentNetwork, State, not_conditional

__all__ = ["WIDTHS", "Engine", "State"]

WIDTHS = (2, 8, 32, 64)
"""Batch sizes of a step. One row is not among them: BLAS multiplies a vector in another way."""


class Engine(RecurrentNetwork):
    """Computes what the Keras model computes, to 1e-5, from the same weights.

    Args:
        config: The network's shape.
        weights: Layer name → arrays, as `Checkpoint.weights` reads them.

    Raises:
        CheckpointError: The weights have another shape than `config` says.
    """

    def __init__(self, config: ModelConfig, weights: dict[str, list[Array]]) -> None:
        """Fold weights into each other.

        The input of the first layer becomes a table look-up, for the token and for each column of
        the context. The scale and shift of a normalisation are folded into the product that follows
        it, and a projection into the output.
        """
        self.config = config
        self._conditioned: Array | None = None
        self._cell, self._slots, _ = CELLS[config.cell]
        try:
            # The recurrent stack and the output.
            (embedding,) = weights["embedding"]
            self._layers = [_layer(config, weights, index) for index in range(config.layers)]
            self._inputs = [Kernel(layer.kernel) for layer in self._layers]
            view = View.of(config)
            output, self._output_bias = _output(config, weights)
            self._output = Kernel(output)

            # Look-up tables for the input of the first layer: tokens, then columns of the context.
            kernel, bias = self._layers[0][:2]
            width = config.embedding
            self._first = embedding @ kernel[:width] + bias
            if view:
                self._columns, self._starts = _columns(kernel[width:], view, weights)

            # The layer that reads the future of a gap, and what it adds to the first layer's input.
            if config.future:
                self._backward = folded(weights["backward"], config.cell)
                self._future = embedding @ self._backward.kernel + self._backward.bias
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

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Batch sizes, ascending, at which each row of a step comes out the same, to the bit.

        A BLAS may add up in another order for another number of rows. Whether it does depends on
        shapes alone, so it is tried once with random rows. The largest size is always included.
        """
        rng, most = np.random.default_rng(0), WIDTHS[-1]
        tokens = rng.integers(0, self.config.vocabulary_size, most, dtype=np.int32)
        state = tuple(
            rng.standard_normal(layer.shape, np.float32) for layer in self.initial_state(most)
        )
        view = View.of(self.config)
        context = rng.integers(0, view.sizes, (most, len(view.sizes)), np.uint16) if view else None

        def last_rows(width: int) -> list[Array]:
            """Step the last rows; return logits and states."""
            logits, after = self.step(
                tokens[-width:],
                tuple(layer[:, -width:].copy() for layer in state),
                None if context is None else context[-width:],
            )
            return [logits, *after]

        def same(width: int) -> bool:
            pairs = zip(last_rows(width), whole, strict=True)
            return all(np.array_equal(few, all_[..., -width:, :]) for few, all_ in pairs)

        whole = last_rows(most)
        return tuple(width for width in WIDTHS if same(width))

    def conditioned_on(self, future: NDArray[np.int32]) -> Engine:
        """Return a copy of this engine conditioned on the tokens after the gap, encoded once here.

        Args:
            future: `int32[B, FUTURE]`, from `musegen.encoding.gaps.ahead`, for each row that will
                be processed.

        Raises:
            ValueError: The network fills no gaps.
        """
        if not self.config.future:
            raise not_conditional(self.config)
        state = np.zeros((self._slots, len(future), self.config.future), np.float32)
        for token in future.T:
            state = self._cell(self._future[token], state, self._backward)
        out = copy.copy(self)
        out._conditioned = state[0] @ self._aim + self._aim_bias
        return out

    def _run(
        self,
        tokens: NDArray[np.int32],
        state: State,
        context: Context | None,
        left: NDArray[np.int32] | None,
    ) -> tuple[Array, State]:
        x = self._first_inputs(tokens, context, left)
        after = []
        for index, (layer, now) in enumerate(zip(self._layers, state, strict=True)):
            # Project the inputs of all steps in one product; the first layer's are looked up.
            below = x
            if index:
                x = _product(self._normalised(below), self._inputs[index])
                x += layer.bias
            # Step through time.
            outputs = np.empty((*x.shape[:2], self.config.units), np.float32)
            for t in range(len(x)):
                now = self._cell(x[t], now, layer)
                outputs[t] = now[0]
            after.append(now)
            x = outputs + below if index and self.config.residual else outputs
        logits = _product(self._normalised(x), self._output)
        logits += self._output_bias
        if context is not None and self.config.lookback:
            logits = self._copied(logits, context)
        return logits, tuple(after)

    def _copied(self, logits: Array, context: Context) -> Array:
        """Add the last K numbers of a row to the logits of tokens that followed similar places."""
        size = self.config.vocabulary_size
        out, bonus = logits[..., :size], logits[..., size:]
        follow = context[..., -bonus.shape[-1] :].astype(np.intp) - 1
        *rows, place = (follow >= 0).nonzero()
        np.add.at(out, (*rows, follow[*rows, place]), bonus[*rows, place])
        return out

    def _first_inputs(
        self, tokens: NDArray[np.int32], context: Context | None, left: NDArray[np.int32] | None
    ) -> Array:
        """Return the input of the first layer's gates, `float32[T, B, G·H]`."""
        conditioned = self._conditioned
        self._check_inputs(context, left, conditioned=conditioned is not None)
        x = self._first[tokens]
        if conditioned is not None:
            x += conditioned + self._left[left]
        if context is not None:
            # Step by step: all at once would not fit in a processor's cache.
            for t, rows in enumerate(context + self._starts):
                x[t] += self._columns[rows].sum(axis=-2)
        return x

    def _normalised(self, x: Array) -> Array:
        """Return each row with mean 0 and variance 1, if the network has layer normalisation."""
        if not self.config.layer_norm:
            return x
        x = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(x).mean(axis=-1, keepdims=True)
        return x / np.sqrt(variance + np.float32(self.config.EPSILON))


def _product(x: Array, kernel: Kernel) -> Array:
    """Return `x` times a kernel, all rows at once; NumPy would multiply `[B, H]` T times."""
    return kernel(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1)


def _layer(config: ModelConfig, weights: dict[str, list[Array]], index: int) -> Layer:
    """Return a recurrent layer, with the normalisation before it folded in."""
    layer = folded(weights[f"recurrent_{index}"], config.cell)
    if not index:
        return layer
    kernel, bias = _scaled(config, weights, f"norm_{index}", layer.kernel, layer.bias)
    return layer._replace(kernel=kernel, bias=bias)


def _output(config: ModelConfig, weights: dict[str, list[Array]]) -> tuple[Array, Array]:
    """Return kernel and bias of the output: a column per token, then one per lookback."""
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
    """Return kernel and bias with the preceding normalisation's scale and shift folded in."""
    if not config.layer_norm:
        return kernel, bias
    gamma, beta = weights[norm]
    return gamma[:, None] * kernel, beta @ kernel + bias


def _columns(
    kernel: Array, view: View, weights: dict[str, list[Array]]
) -> tuple[Array, NDArray[np.int32]]:
    """Return the contribution of each value of each context column to the first layer's gates.

    Returns:
        `float32[R, G·H]`, the columns' tables one below the other, and where each begins,
        `int32[F]`.
    """
    (embedding,) = weights["context_embedding"]
    slices = kernel.reshape(len(view.sizes), WIDTH, -1)
    values = zip(view.offsets.tolist(), view.sizes, slices, strict=True)
    table = np.concatenate([embedding[first : first + size] @ part for first, size, part in values])
    return table, np.cumsum([0, *view.sizes[:-1]], dtype=np.int32)
