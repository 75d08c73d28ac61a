"""The network in Keras: the same interface as `musegen.model.engine`, computed on a GPU if Keras sees one.

What is compiled, and runs where Keras computes, is a step of all rows, and the reading of whole
sequences. What may come next, and which token is drawn, is decided on the host between two steps:
rules, guards, wishes and filters are NumPy. The state stays on the device.

With one backend on one machine a piece comes out the same however many stand beside it. With
another backend, or with the NumPy engine, that is not promised: logits are rounded in another way,
and now and then a draw falls between two. On CPUs they are within 1e-5 of the NumPy engine's. On
GPUs TensorFlow and JAX multiply with fewer bits by default (TensorFloat-32, 10 bits of mantissa),
so there they can be no closer than about 1e-3, and pieces will differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context import Context
from musegen.errors import CheckpointError, ConfigError
from musegen.model.backend import keras, ops
from musegen.model.cells import Array
from musegen.model.checkpoint import Checkpoint
from musegen.model.engine import Engine, State
from musegen.model.network import build

__all__ = ["WIDTH", "KerasEngine"]

Tensor: TypeAlias = Any
Function: TypeAlias = Callable[..., Any]

WIDTH = 256
"""Rows of a step."""
STRETCHES = (512, 64, 8, 1)
"""Tokens that `forward` hears at once: every length is a sum of few of them, and each is compiled once."""


class _Backend(NamedTuple):
    """What Keras does not say for all backends alike; its module is handed over."""

    compile: Callable[[Any, Function], Function]
    open: Callable[[Any, Tensor], Tensor] = lambda module, layer: layer
    """A layer's state as it enters a loop through time."""


_BACKENDS = {
    "tensorflow": _Backend(
        # Without XLA, which tries kernels by the clock: another process might round in another way.
        lambda module, function: module.function(function, autograph=False),
        # What goes round in a loop of `musegen.model.recurrent` has, for TensorFlow, an unknown
        # number of rows.
        lambda module, layer: module.raw_ops.PlaceholderWithDefault(
            input=layer, shape=(layer.shape[0], None, layer.shape[2])
        ),
    ),
    "jax": _Backend(lambda module, function: module.jit(function)),
    "torch": _Backend(lambda module, function: module.no_grad()(function)),
}


class _Memory:
    """What the recurrent layers remember while a step is traced: a list of `[B, H]` for each."""

    def __init__(self) -> None:
        self.before: list[list[Tensor]] = []
        self.after: list[list[Tensor]] = []


class _Remembering(keras.layers.Layer):  # type: ignore[misc]
    """A recurrent layer that goes on from the state that it finds in a memory, and leaves there where it ended."""

    def __init__(self, layer: keras.layers.RNN, memory: _Memory) -> None:
        super().__init__(name=layer.name)
        self.layer, self._memory = layer, memory
        layer.return_state = True

    def build(self, shape: Any) -> None:
        """Make the layer's weights."""
        self.layer.build(shape)

    def call(self, x: Tensor) -> Tensor:
        """Apply the layer to `x`, `[B, T, I]`; a single step needs no loop."""
        before = self._memory.before[len(self._memory.after)]
        if x.shape[1] == 1:
            out, after = self.layer.cell(x[:, 0], before)
            out = out[:, None]
        else:
            out, *after = self.layer(x, initial_state=before)
        self._memory.after.append(list(after))
        return out

    def compute_output_spec(self, x: Tensor) -> keras.KerasTensor:
        """Say that `[B, T, H]` comes out."""
        return keras.KerasTensor((*x.shape[:-1], self.layer.units), self.compute_dtype)


class _OnDevice(tuple[Any, ...]):
    """A state that stays where Keras computes: a tensor `float32[S, B, H]` per layer."""

    @cached_property
    def host(self) -> State:
        """The same in NumPy: copied once for all rows, not for each that is kept at this step."""
        return tuple(ops.convert_to_numpy(layer) for layer in self)


class KerasEngine(Engine):
    """Computes what `Engine` does, by Keras.

    The token loop's steps are all of one width, so that each row is rounded in the same way
    whatever stands beside it.

    Args:
        checkpoint: Whose network; one that continues music.
        width: Rows of every step of the loop. On a GPU many take hardly longer than few.

    Raises:
        CheckpointError: The weights do not fit, or the network fills gaps.
        ConfigError: `width` is below 1, or Keras has a backend that is not known here.
    """

    def __init__(self, checkpoint: Checkpoint, width: int = WIDTH) -> None:
        """Read the weights; compiling waits until something is heard."""
        config, name = checkpoint.model, keras.backend.backend()
        if width < 1:
            raise ConfigError(
                f"width must be at least 1. Received: {width}. {WIDTH} is a good start."
            )
        if name not in _BACKENDS:
            raise ConfigError(
                f"KERAS_BACKEND must be one of {sorted(_BACKENDS)}. Received: {name}. Set it, or use `--engine numpy`."
            )
        if config.future:
            raise CheckpointError(
                f"the Keras engine continues music. Received: {checkpoint.name}, which fills gaps. "
                "Use `--engine numpy`."
            )
        weights = checkpoint.weights()
        super().__init__(config, weights)  # says what does not fit
        self._memory = _Memory()
        self._network = build(
            config, recur=lambda layer, x, tokens: _Remembering(layer, self._memory)(x)
        )
        for layer in self._network.layers:
            if layer.weights:
                layer.set_weights(weights[layer.name])
        network = self._network
        self._variables = [
            [v.value for v in of]
            for of in (network.trainable_variables, network.non_trainable_variables)
        ]
        self._width, self._backend, self._module = width, _BACKENDS[name], import_module(name)
        self._functions: dict[
            tuple[int, ...], Function
        ] = {}  # shape of tokens → `_compute`, compiled for it
        self._gather = self._backend.compile(self._module, _gathered)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """The one number of rows that the token loop's steps have."""
        return (self._width,)

    def rows(self, states: Sequence[State], indices: Sequence[int]) -> State:
        """Return a state of some rows of some states, counted through them.

        If it is as wide as a step, it is on the device, and rows of a first state that is there,
        too, do not leave it. Else it is in NumPy: the loop keeps a row of each piece at every
        barline.
        """
        first, chosen = states[0], np.asarray(indices, np.int32)
        if len(chosen) != self._width or not isinstance(first, _OnDevice):
            out = super().rows([_host(state) for state in states], indices)
            return _on_device(out) if len(chosen) == self._width else out
        new = chosen >= first[0].shape[1]
        others: Sequence[Tensor] = first
        if new.any():
            others = [
                np.zeros((self._slots, self._width, self.config.units), np.float32) for _ in first
            ]
            rows = super().rows(
                [_host(state) for state in states[1:]], (chosen[new] - first[0].shape[1]).tolist()
            )
            for layer, mine in zip(others, rows, strict=True):
                layer[:, new] = mine
        return _OnDevice(
            self._gather(
                *map(ops.convert_to_tensor, (chosen * ~new, new)),
                list(first),
                list(_on_device(others)),
            )
        )

    def _hear(
        self,
        tokens: NDArray[np.int32],
        state: State,
        context: Context | None,
        left: NDArray[np.int32] | None,
    ) -> tuple[Array, State]:
        """Do what `forward` does, time first; the state stays on the device only if it is one of the token loop's."""
        if (context is None) != (self.config.context == 0):
            raise ValueError(
                f"a context must be given if and only if the network has one. Received: {self.config}."
            )
        if left is not None:
            raise ValueError(
                "a network conditioned on a future, and no other, must be given `left`."
            )
        if tokens.shape == (1, self._width):
            heard, after = self._computed(tokens, context, _on_device(state))
            return heard, _OnDevice(after)
        length, count = tokens.shape
        rows = 1 << (count - 1).bit_length()  # few sizes, because each is compiled
        tokens = _padded(tokens, rows)
        context = None if context is None else _padded(context, rows)
        now: Sequence[Tensor] = _on_device(tuple(_padded(layer, rows) for layer in _host(state)))
        out = np.empty((length, count, self.config.vocabulary_size), np.float32)
        at = 0
        while at < length:
            stretch = slice(at, at + next(size for size in STRETCHES if size <= length - at))
            heard, now = self._computed(
                tokens[stretch], None if context is None else context[stretch], now
            )
            out[stretch] = heard[:, :count]
            at = stretch.stop
        return out, tuple(ops.convert_to_numpy(layer)[:, :count] for layer in now)

    def _computed(
        self, tokens: NDArray[np.int32], context: Context | None, state: Sequence[Tensor]
    ) -> tuple[Array, list[Tensor]]:
        """Hear `int32[T, B]` on the device; return the logits from there, and the state that is there."""
        function = self._functions.get(tokens.shape)
        if function is None:
            function = self._functions[tokens.shape] = self._backend.compile(
                self._module, self._compute
            )
        columns = None if context is None else ops.convert_to_tensor(context.astype(np.int32))
        logits, after = function(
            *self._variables, ops.convert_to_tensor(tokens), columns, list(state)
        )
        return ops.convert_to_numpy(logits), after

    def _compute(
        self,
        trainable: list[Tensor],
        others: list[Tensor],
        tokens: Tensor,
        context: Tensor | None,
        state: list[Tensor],
    ) -> tuple[Tensor, list[Tensor]]:
        """Hear `int32[T, B]`; this is what is compiled. Weights are handed over: JAX would compile them in."""
        tokens = ops.transpose(tokens)
        heard = tokens
        if context is not None:
            heard = {"tokens": tokens, "context": ops.transpose(context, (1, 0, 2))}
        if tokens.shape[1] > 1:
            state = [self._backend.open(self._module, layer) for layer in state]
        memory = self._memory
        memory.before, memory.after = (
            [[layer[slot] for slot in range(self._slots)] for layer in state],
            [],
        )
        logits, _ = self._network.stateless_call(trainable, others, heard, training=False)
        after = [ops.stack(slots) for slots in memory.after]
        memory.before, memory.after = [], []  # nothing of the tracing may outlive it
        return ops.transpose(logits, (1, 0, 2)), after


def _gathered(
    chosen: Tensor, new: Tensor, held: list[Tensor], others: list[Tensor]
) -> list[Tensor]:
    """Return, of `float32[S, B, H]` each, the chosen rows of what is held; of `others` where it says `new`."""
    where = new[None, :, None]
    return [
        ops.where(where, other, ops.take(mine, chosen, axis=1))
        for mine, other in zip(held, others, strict=True)
    ]


def _on_device(state: Sequence[Tensor]) -> _OnDevice:
    return (
        state
        if isinstance(state, _OnDevice)
        else _OnDevice(ops.convert_to_tensor(layer) for layer in state)
    )


def _host(state: State) -> State:
    return state.host if isinstance(state, _OnDevice) else state


def _padded(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """Return an array, `[T or S, B, …]`, with zeros to make up so many rows."""
    return np.pad(array, [(0, 0), (0, rows - array.shape[1])] + [(0, 0)] * (array.ndim - 2))
