"""Recurrent layers that train faster on CPUs: Keras's own, with another way through time.

Same arguments, same weights, same files and, but for rounding, the same numbers and gradients. The
networks run eight steps at a time:

- the inputs of a block of steps are projected in one product, `[8·B, I] @ [I, G·H]`;
- only `h @ U`, which has to wait for the step before, is done step by step, and on the way back
  only its gradient, `dr @ Uᵀ`, against a `Uᵀ` that is laid out once;
- what else the way back needs of each step is worked out for the whole block beforehand
  (`factors`), and the gradients of weights and inputs are again one product per block, while its
  numbers are in the cache.

That is for TensorFlow on CPUs. Everywhere else, and for masks, dropout, half precision and
activations other than the defaults, the layers are Keras's, which on GPUs are cuDNN's. They bear
the names of Keras's because in weight files Keras calls layers by their class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from musegen.model.backend import keras, ops

__all__ = ["GRU", "LSTM", "SimpleRNN"]

Tensor: TypeAlias = Any
Tensors: TypeAlias = Sequence[Tensor]

BLOCK = 8  # steps; 16 are no faster and take longer to trace


@dataclass(frozen=True)
class Arithmetic:
    """What a kind of cell does in one step, but for its two products; forward and backward.

    In all of them `x` is the projected input `x_t W + b`, `r` the projected state `h U` (+ its own
    bias in a GRU), and `h` the output, the first of the states. `d` before a name means the
    gradient of the loss by it.
    """

    forward: Callable[..., tuple[Tensors, Tensors]]
    """`x, r, *states` → the next states, and what `factors` will need of this step."""
    factors: Callable[..., Tensors]
    """What `forward` kept, for many steps at once → all that `backward` multiplies with."""
    backward: Callable[..., tuple[Tensor, Tensor, Tensors]]
    """`*dstates, *factors` → `dx, dr` and the gradients of the states before, but for what `dr` brings them."""
    kept: int
    """How many tensors `forward` keeps."""


def _lstm_forward(x: Tensor, r: Tensor, h: Tensor, c: Tensor) -> tuple[Tensors, Tensors]:
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000)."""
    i, f, g, o = ops.split(x + r, 4, axis=-1)  # entry, forget, candidate, exit
    i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
    new = f * c + i * g
    seen = ops.tanh(new)
    return (o * seen, new), (i, f, g, o, seen, c)


def _lstm_factors(i: Tensor, f: Tensor, g: Tensor, o: Tensor, seen: Tensor, c: Tensor) -> Tensors:
    """Use that σ' = σ(1 − σ) and tanh' = 1 − tanh²."""
    gates = [g * i * (1 - i), c * f * (1 - f), i * (1 - g * g), seen * o * (1 - o)]
    return o * (1 - seen * seen), ops.concatenate(gates, axis=-1), f


def _lstm_backward(
    dh: Tensor, dc: Tensor, c_by_h: Tensor, gates: Tensor, f: Tensor
) -> tuple[Tensor, Tensor, Tensors]:
    dc = dc + dh * c_by_h
    dz = ops.concatenate([dc, dc, dc, dh], axis=-1) * gates
    return dz, dz, (0, dc * f)


def _gru_forward(x: Tensor, r: Tensor, h: Tensor) -> tuple[Tensors, Tensors]:
    """Gated recurrent unit (Cho et al. 2014), the reset gate applied after the product as cuDNN does."""
    x_update, x_reset, x_candidate = ops.split(x, 3, axis=-1)
    r_update, r_reset, r_candidate = ops.split(r, 3, axis=-1)
    update, reset = ops.sigmoid(x_update + r_update), ops.sigmoid(x_reset + r_reset)
    candidate = ops.tanh(x_candidate + reset * r_candidate)
    return (candidate + update * (h - candidate),), (update, reset, candidate, r_candidate, h)


def _gru_factors(
    update: Tensor, reset: Tensor, candidate: Tensor, r_candidate: Tensor, h: Tensor
) -> Tensors:
    by_update = (h - candidate) * update * (1 - update)
    by_candidate = (1 - update) * (1 - candidate * candidate)
    by_reset = by_candidate * r_candidate * reset * (1 - reset)
    one = ops.ones_like(reset)
    return (
        ops.concatenate([by_update, by_reset, by_candidate], axis=-1),
        ops.concatenate([one, one, reset], axis=-1),
        update,
    )


def _gru_backward(
    dh: Tensor, gates: Tensor, reset: Tensor, update: Tensor
) -> tuple[Tensor, Tensor, Tensors]:
    dx = ops.concatenate([dh, dh, dh], axis=-1) * gates
    return dx, dx * reset, (dh * update,)


def _rnn_forward(x: Tensor, r: Tensor, h: Tensor) -> tuple[Tensors, Tensors]:
    """The simple recurrent network (Elman 1990)."""
    new = ops.tanh(x + r)
    return (new,), (new,)


def _rnn_factors(new: Tensor) -> Tensors:
    return (1 - new * new,)


def _rnn_backward(dh: Tensor, slope: Tensor) -> tuple[Tensor, Tensor, Tensors]:
    dz = dh * slope
    return dz, dz, (0,)


LSTM_ARITHMETIC = Arithmetic(_lstm_forward, _lstm_factors, _lstm_backward, kept=6)
GRU_ARITHMETIC = Arithmetic(_gru_forward, _gru_factors, _gru_backward, kept=5)
RNN_ARITHMETIC = Arithmetic(_rnn_forward, _rnn_factors, _rnn_backward, kept=1)


def run(
    arithmetic: Arithmetic, x: Tensor, states: Tensors, weights: Tensors
) -> tuple[Tensor, Tensors]:
    """Go through a sequence.

    Args:
        arithmetic: The kind of cell.
        x: Inputs, `float32[B, T, I]`.
        states: `float32[B, H]` each, the output first.
        weights: Kernel `[I, G·H]`, recurrent kernel `[H, G·H]`, bias `[G·H]`, or `[2, G·H]` in a
            GRU: one on each side of the reset gate.

    Returns:
        The outputs, `float32[B, T, H]`, and the states after the last.
    """
    y, *last = ops.custom_gradient(_Passage(arithmetic, len(states)))(x, *states, *weights)
    return y, last


class _Passage:
    """`x, *states, *weights → y, *states`, with its gradient. Inside, time comes first: `[T, B, ·]`."""

    def __init__(self, arithmetic: Arithmetic, slots: int) -> None:
        self.arithmetic, self.slots = arithmetic, slots
        self.__name__ = type(self).__name__  # TensorFlow asks functions for it

    def __call__(self, x: Tensor, *rest: Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
        """Go forward, and return the way back with the outputs."""
        first, (kernel, recurrent, bias) = rest[: self.slots], rest[self.slots :]
        both, units = len(bias.shape) == 2, recurrent.shape[0]
        x = ops.transpose(x, (1, 0, 2))
        length, batch, _ = ops.shape(x)
        blocks = length // BLOCK
        count = blocks + length % BLOCK  # what is left over goes in blocks of one

        def forward(
            block: int, index: Tensor, at: Tensor, states: Tensors, kept: Tensors
        ) -> Tensors:
            inputs = ops.matmul(_rows(x[at : at + block]), kernel) + (bias[0] if both else bias)
            # Where the number of rows is known beforehand, TensorFlow wants it to stay known.
            inputs = ops.split(ops.reshape(inputs, (block * batch, kernel.shape[1])), block)
            steps = []
            for t in range(block):
                r = ops.matmul(states[0], recurrent)
                states, memory = self.arithmetic.forward(
                    inputs[t], r + bias[1] if both else r, *states
                )
                steps.append((states[0], *memory))
            whole = [ops.stack(values) for values in zip(*steps, strict=True)]
            return (
                index + 1,
                at + block,
                states,
                tuple(a.write(index, v) for a, v in zip(kept, whole, strict=True)),
            )

        carry: Tensors = (
            0,
            0,
            first,
            tuple(_blocks(count) for _ in range(1 + self.arithmetic.kept)),
        )
        carry = ops.while_loop(lambda index, *_: index < blocks, partial(forward, BLOCK), carry)
        *_, last, (outputs, *kept) = ops.while_loop(
            lambda index, *_: index < count, partial(forward, 1), carry
        )
        y = ops.reshape(outputs.concat(), (length, batch, units))

        def gradient(dy: Tensor, *dlast: Tensor) -> Tensors:
            dy = ops.transpose(dy, (1, 0, 2))
            before = ops.concatenate([first[0][None], y[:-1]], axis=0)
            # Laid out once: a product with a matrix that is transposed in passing takes twice as
            # long.
            kernel_back, recurrent_back = ops.transpose(kernel), ops.transpose(recurrent)

            def backward(
                block: int, index: Tensor, at: Tensor, dstates: Tensors, dx: Tensor, sums: Tensors
            ) -> Tensors:
                index, at = index - 1, at - block
                factors = self.arithmetic.factors(
                    *(ops.reshape(a.read(index), (block, batch, units)) for a in kept)
                )
                steps = []
                for t in reversed(range(block)):
                    dh, *dothers = dstates
                    di, dr, (dh, *dothers) = self.arithmetic.backward(
                        dh + dy[at + t], *dothers, *(f[t] for f in factors)
                    )
                    dstates = (ops.matmul(dr, recurrent_back) + dh, *dothers)
                    steps.append((di, dr))
                di, dr = (
                    ops.concatenate(values[::-1], axis=0) for values in zip(*steps, strict=True)
                )
                dbias = ops.sum(di, axis=0)
                products = (
                    ops.matmul(ops.transpose(_rows(x[at : at + block])), di),
                    ops.matmul(ops.transpose(_rows(before[at : at + block])), dr),
                    ops.stack([dbias, ops.sum(dr, axis=0)]) if both else dbias,
                )
                sums = tuple(a + b for a, b in zip(sums, products, strict=True))
                di = ops.reshape(ops.matmul(di, kernel_back), (block, batch, kernel.shape[0]))
                return index, at, dstates, dx.write(index, di), sums

            carry: Tensors = (
                count,
                length,
                dlast,
                _blocks(count),
                tuple(map(ops.zeros_like, rest[self.slots :])),
            )
            carry = ops.while_loop(lambda index, *_: index > blocks, partial(backward, 1), carry)
            *_, dfirst, dx, sums = ops.while_loop(
                lambda index, *_: index > 0, partial(backward, BLOCK), carry
            )
            return ops.transpose(ops.reshape(dx.concat(), ops.shape(x)), (1, 0, 2)), *dfirst, *sums

        return (ops.transpose(y, (1, 0, 2)), *last), gradient


def _rows(sequence: Tensor) -> Tensor:
    """`[T, B, N]` → `[T·B, N]`."""
    return ops.reshape(sequence, (-1, sequence.shape[-1]))


def _blocks(count: Tensor) -> Tensor:
    """Return a list for so many blocks of steps."""
    import tensorflow  # `keras.ops` has no such thing; only TensorFlow comes here

    return tensorflow.TensorArray("float32", count, clear_after_read=False, infer_shape=False)


def _applies(layer: keras.layers.RNN, mask: Tensor) -> bool:
    """Return whether `run` does what this layer asks for, and is faster here."""
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
    """A Keras layer's loop through time, replaced where `run` applies."""

    arithmetic: Arithmetic

    def inner_loop(
        self: Any, sequences: Tensor, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        """Return the last output, all outputs, and the last states."""
        mask_of_inputs = mask[0] if isinstance(mask, list | tuple) else mask
        if not _applies(self, mask_of_inputs):
            return super().inner_loop(sequences, initial_state, mask, training)  # type: ignore[misc]
        states = initial_state if isinstance(initial_state, list | tuple) else [initial_state]
        states = [ops.copy(state) for state in states]  # of variables, the values
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
