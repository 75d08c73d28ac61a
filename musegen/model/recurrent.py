"""Recurrent layers that train faster on CPUs: Keras's layers with a loop and a gradient of our own.

They have the same arguments, weights and files as Keras's, and the same outputs and gradients up to
rounding. Eight time steps form a block:

- the inputs of a block are projected in one product, `[8·B, I] @ [I, G·H]`;
- only `h @ U`, which depends on the step before, is computed step by step, and in the backward pass
  only its gradient, `dr @ Uᵀ`, with a `Uᵀ` that is transposed once;
- everything else that the backward pass needs of each step is computed for the whole block in
  advance (`factors`), and the gradients of weights and inputs are one product per block, while its
  numbers are in the cache.

Worth (tokens per second against Keras's own layers, two shared CPU cores, batch 64 x 256;
`docs/training.md`): 1.07 to 1.52 times for an LSTM of 2 x 256, 1.9 to 2.8 for 3 x 512; 0.62 to 1.51
for a GRU of 2 x 256, 1.3 for 3 x 512. On one thread: 1.28 (LSTM) and 1.08 (GRU) for 2 x 256.

The loop is for TensorFlow on CPUs. Anywhere else, and with masks, dropout, half precision or
activations other than the defaults, the layers delegate to Keras, which on GPUs uses cuDNN. They
have the class names of Keras's layers, because weight files name layers by their class.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from musegen.model.arithmetic import (
    GRU_ARITHMETIC,
    LSTM_ARITHMETIC,
    RNN_ARITHMETIC,
    Arithmetic,
    Tensor,
    Tensors,
)
from musegen.model.backend import keras, ops

__all__ = ["GRU", "LSTM", "SimpleRNN"]

BLOCK = 8  # steps; 16 are no faster, and take longer to trace


def run(
    arithmetic: Arithmetic, x: Tensor, states: Tensors, weights: Tensors
) -> tuple[Tensor, Tensors]:
    """Process a sequence.

    Args:
        arithmetic: The kind of cell.
        x: Inputs, `float32[B, T, I]`.
        states: `float32[B, H]` each, the output first.
        weights: Kernel `[I, G·H]`, recurrent kernel `[H, G·H]`, bias `[G·H]`, or `[2, G·H]` in a
            GRU: one on each side of the reset gate.

    Returns:
        The outputs, `float32[B, T, H]`, and the states after the last.
    """
    y, *last = ops.custom_gradient(_Loop(arithmetic, len(states)))(x, *states, *weights)
    return y, last


class _Weights(NamedTuple):
    """The weights of a layer, and what follows from their shapes."""

    kernel: Tensor
    recurrent: Tensor
    bias: Tensor

    @property
    def two_biases(self) -> bool:
        """Whether there is a second bias, of the projected state, as in a GRU."""
        return len(self.bias.shape) == 2

    @property
    def units(self) -> int:
        """Width of the state."""
        return self.recurrent.shape[0]


class _Loop:
    """`x, *states, *weights → y, *states`, with its gradient. Inside, time is first."""

    def __init__(self, arithmetic: Arithmetic, slots: int) -> None:
        self.arithmetic, self.slots = arithmetic, slots
        self.__name__ = type(self).__name__  # TensorFlow reads it

    def __call__(self, x: Tensor, *rest: Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
        """Return the outputs and last states, and the function that computes the gradients."""
        first, weights = rest[: self.slots], _Weights(*rest[self.slots :])
        x = ops.transpose(x, (1, 0, 2))
        length, batch, _ = ops.shape(x)
        blocks = length // BLOCK
        count = blocks + length % BLOCK  # the remainder is in blocks of one step

        # Blocks of eight steps, then blocks of one.
        kept = tuple(_blocks(count) for _ in range(1 + self.arithmetic.kept))
        carry: Tensors = (0, 0, first, kept)
        forward = partial(self._forward, x, weights)
        carry = ops.while_loop(lambda index, *_: index < blocks, partial(forward, BLOCK), carry)
        carry = ops.while_loop(lambda index, *_: index < count, partial(forward, 1), carry)
        *_, last, (outputs, *kept) = carry
        y = ops.reshape(outputs.concat(), (length, batch, weights.units))

        def gradient(dy: Tensor, *dlast: Tensor) -> Tensors:
            dy = ops.transpose(dy, (1, 0, 2))
            before = ops.concatenate([first[0][None], y[:-1]], axis=0)

            # The same blocks from the last to the first.
            zeros = tuple(map(ops.zeros_like, weights))
            carry: Tensors = (count, length, dlast, _blocks(count), zeros)
            backward = self._backward(x, before, dy, kept, weights)
            carry = ops.while_loop(lambda index, *_: index > blocks, partial(backward, 1), carry)
            carry = ops.while_loop(lambda index, *_: index > 0, partial(backward, BLOCK), carry)
            *_, dfirst, dx, sums = carry
            return ops.transpose(ops.reshape(dx.concat(), ops.shape(x)), (1, 0, 2)), *dfirst, *sums

        return (ops.transpose(y, (1, 0, 2)), *last), gradient

    def _forward(
        self,
        x: Tensor,
        weights: _Weights,
        block: int,
        index: Tensor,
        at: Tensor,
        states: Tensors,
        kept: Tensors,
    ) -> Tensors:
        """Process the `block` steps from `at` on, which are block number `index`.

        Args:
            x: The inputs of all steps.
            weights: The layer's.
            block: Number of steps.
            index: Number of the block.
            at: Its first step.
            states: The states before it.
            kept: For each tensor that the backward pass needs, a list of blocks.

        Returns:
            `index`, `at`, `states` and `kept` of the next block.
        """
        # Project the inputs of all steps at once. TensorFlow needs the static number of rows, where
        # there is one, to stay static.
        kernel, recurrent, bias = weights
        batch = ops.shape(x)[1]
        inputs = ops.matmul(_rows(x[at : at + block]), kernel)
        inputs += bias[0] if weights.two_biases else bias
        inputs = ops.split(ops.reshape(inputs, (block * batch, kernel.shape[1])), block)

        # Step by step: what depends on the state.
        steps = []
        for t in range(block):
            r = ops.matmul(states[0], recurrent)
            if weights.two_biases:
                r += bias[1]
            states, memory = self.arithmetic.forward(inputs[t], r, *states)
            steps.append((states[0], *memory))
        whole = [ops.stack(values) for values in zip(*steps, strict=True)]
        kept = tuple(list_.write(index, values) for list_, values in zip(kept, whole, strict=True))
        return index + 1, at + block, states, kept

    def _backward(
        self, x: Tensor, before: Tensor, dy: Tensor, kept: Tensors, weights: _Weights
    ) -> Callable[..., Tensors]:
        """Return the function that goes back through a block.

        Args:
            x: The inputs of all steps.
            before: The outputs of the steps before.
            dy: The gradients of the outputs.
            kept: What `_forward` kept.
            weights: The layer's.
        """
        kernel, recurrent, _ = weights
        # Transposed once: a product that transposes a matrix on the fly takes twice as long.
        kernel_back, recurrent_back = ops.transpose(kernel), ops.transpose(recurrent)
        batch = ops.shape(x)[1]

        def backward(
            block: int, index: Tensor, at: Tensor, dstates: Tensors, dx: Tensor, sums: Tensors
        ) -> Tensors:
            index, at = index - 1, at - block
            shape = (block, batch, weights.units)
            memory = (ops.reshape(list_.read(index), shape) for list_ in kept)
            factors = self.arithmetic.factors(*memory)

            # Step by step: the gradients of the states.
            steps = []
            for t in reversed(range(block)):
                dh, *dothers = dstates
                di, dr, (dh, *dothers) = self.arithmetic.backward(
                    dh + dy[at + t], *dothers, *(factor[t] for factor in factors)
                )
                dstates = (ops.matmul(dr, recurrent_back) + dh, *dothers)
                steps.append((di, dr))

            # All steps at once: the gradients of weights and inputs.
            di, dr = (ops.concatenate(values[::-1], axis=0) for values in zip(*steps, strict=True))
            dbias = ops.sum(di, axis=0)
            products = (
                ops.matmul(ops.transpose(_rows(x[at : at + block])), di),
                ops.matmul(ops.transpose(_rows(before[at : at + block])), dr),
                ops.stack([dbias, ops.sum(dr, axis=0)]) if weights.two_biases else dbias,
            )
            sums = tuple(a + b for a, b in zip(sums, products, strict=True))
            di = ops.reshape(ops.matmul(di, kernel_back), (block, batch, kernel.shape[0]))
            return index, at, dstates, dx.write(index, di), sums

        return backward


def _rows(sequence: Tensor) -> Tensor:
    """`[T, B, N]` → `[T·B, N]`."""
    return ops.reshape(sequence, (-1, sequence.shape[-1]))


def _blocks(count: Tensor) -> Tensor:
    """Return a list of tensors, one for each block."""
    import tensorflow  # `keras.ops` has no such list; only TensorFlow gets here

    return tensorflow.TensorArray("float32", count, clear_after_read=False, infer_shape=False)


def _applies(layer: keras.layers.RNN, mask: Tensor) -> bool:
    """Return whether `run` implements this layer's options and is faster here."""
    return (
        keras.backend.backend() == "tensorflow"
        and not keras.distribution.list_devices("gpu")
        and mask is None
        and layer.compute_dtype == "float32"
        and layer.activation is keras.activations.tanh
        and getattr(layer, "recurrent_activation", keras.activations.sigmoid)
        is keras.activations.sigmoid
        and getattr(layer, "reset_after", True)
        and layer.use_bias
        and not (layer.dropout or layer.recurrent_dropout or layer.go_backwards or layer.unroll)
    )


class _Fast:
    """Replaces a Keras layer's loop through time where `run` applies."""

    arithmetic: Arithmetic

    def inner_loop(
        self: Any, sequences: Tensor, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        """Return the last output, all outputs, and the last states."""
        mask_of_inputs = mask[0] if isinstance(mask, list | tuple) else mask
        if not _applies(self, mask_of_inputs):
            return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[misc]
        states = initial_state if isinstance(initial_state, list | tuple) else [initial_state]
        states = [ops.copy(state) for state in states]  # the values of variables
        weights = [
            ops.copy(weight)
            for weight in (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        ]
        y, last = run(self.arithmetic, sequences, states, weights)
        return last[0], y, last


@keras.saving.register_keras_serializable("musegen")
class LSTM(_Fast, keras.layers.LSTM):  # type: ignore[misc]
    """`keras.layers.LSTM`, faster to train on CPUs."""

    arithmetic = LSTM_ARITHMETIC


@keras.saving.register_keras_serializable("musegen")
class GRU(_Fast, keras.layers.GRU):  # type: ignore[misc]
    """`keras.layers.GRU`, faster to train on CPUs."""

    arithmetic = GRU_ARITHMETIC


@keras.saving.register_keras_serializable("musegen")
class SimpleRNN(_Fast, keras.layers.SimpleRNN):  # type: ignore[misc]
    """`keras.layers.SimpleRNN`, faster to train on CPUs."""

    arithmetic = RNN_ARITHMETIC
