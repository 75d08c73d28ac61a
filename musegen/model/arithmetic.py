"""The arithmetic of recurrent cells in `keras.ops`: one step forward and backward.

Each cell has three functions, which can be read next to the formulas of a textbook. The two matrix
products of a step are not among them: they are `musegen.model.recurrent`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from musegen.model.backend import ops

__all__ = [
    "GRU_ARITHMETIC",
    "LSTM_ARITHMETIC",
    "RNN_ARITHMETIC",
    "Arithmetic",
    "Tensor",
    "Tensors",
]

Tensor: TypeAlias = Any
Tensors: TypeAlias = Sequence[Tensor]


@dataclass(frozen=True)
class Arithmetic:
    """The elementwise arithmetic of a cell's step, forward and backward, without its two products.

    `x` is the projected input `x_t W + b`, `r` the projected state `h U` (with its own bias in a
    GRU), and `h` the output, which is the first of the states. `d` before a name is the gradient of
    the loss with respect to it.
    """

    forward: Callable[..., tuple[Tensors, Tensors]]
    """`x, r, *states` → the next states, and the tensors that `factors` needs."""
    factors: Callable[..., Tensors]
    """The tensors kept by `forward`, of many steps at once → the factors of `backward`."""
    backward: Callable[..., tuple[Tensor, Tensor, Tensors]]
    """`*dstates, *factors` → `dx, dr`, and the previous states' gradients except through `r`."""
    kept: int
    """Number of tensors that `forward` keeps."""


def _lstm_forward(x: Tensor, r: Tensor, h: Tensor, c: Tensor) -> tuple[Tensors, Tensors]:
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000)."""
    i, f, g, o = ops.split(x + r, 4, axis=-1)  # input, forget, candidate, output
    i, f, o = (ops.sigmoid(gate) for gate in (i, f, o))
    g = ops.tanh(g)
    new = f * c + i * g
    squashed = ops.tanh(new)
    return (o * squashed, new), (i, f, g, o, squashed, c)


def _lstm_factors(
    i: Tensor, f: Tensor, g: Tensor, o: Tensor, squashed: Tensor, c: Tensor
) -> Tensors:
    """Return ∂h/∂c, the gates' derivatives (σ' = σ(1 − σ), tanh' = 1 − tanh²), and ∂c/∂c₋₁."""
    gates = [g * i * (1 - i), c * f * (1 - f), i * (1 - g * g), squashed * o * (1 - o)]
    return o * (1 - squashed * squashed), ops.concatenate(gates, axis=-1), f


def _lstm_backward(
    dh: Tensor, dc: Tensor, c_by_h: Tensor, gates: Tensor, f: Tensor
) -> tuple[Tensor, Tensor, Tensors]:
    dc = dc + dh * c_by_h
    dz = ops.concatenate([dc, dc, dc, dh], axis=-1) * gates
    return dz, dz, (0, dc * f)


def _gru_forward(x: Tensor, r: Tensor, h: Tensor) -> tuple[Tensors, Tensors]:
    """Gated recurrent unit (Cho et al. 2014), reset gate after the product as in cuDNN."""
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
