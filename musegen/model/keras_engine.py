"""The network in Keras: the interface of `musegen.model.interface`, on a GPU if Keras finds one.

Two functions are compiled and run on the device: a step of all rows, and the processing of whole
sequences. Masking and sampling happen on the host between two steps: grammar, guards, constraints
and filters are NumPy. The state stays on the device.

With one backend on one machine, a piece comes out the same however large the batch. With another
backend, or the NumPy engine, it may not: logits are rounded in another way, and now and then a
random number falls between two. On CPUs logits are within 1e-5 of the NumPy engine's. On GPUs
TensorFlow and JAX multiply with fewer bits by default (TensorFloat-32, 10 bits of mantissa), so
logits agree to about 1e-3 at best, and pieces differ.
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
from musegen.model.cells import CELLS, Array
from musegen.model.checkpoint import Checkpoint, Weights
from musegen.model.interface import RecurrentNetwork, State, rows_of
from musegen.model.network import build

__all__ = ["WIDTH", "KerasEngine"]

Tensor: TypeAlias = Any
Function: TypeAlias = Callable[..., Any]

WIDTH = 256
"""Rows of a step."""
STRETCHES = (512, 64, 8, 1)
"""Numbers of tokens that `forward` processes at once; any length is a sum of a few of them."""


class _Backend(NamedTuple):
    """What Keras does not offer for all backends; each function takes the backend's module."""

    compile: Callable[[Any, Function], Function]
    enter_loop: Callable[[Any, Tensor], Tensor] = lambda module, layer: layer
    """Prepares a layer's state for a loop through time."""


_BACKENDS = {
    "tensorflow": _Backend(
        # Without XLA, which chooses kernels by timing: another process might round in another way.
        lambda module, function: module.function(function, autograph=False),
        # The loops of `musegen.model.recurrent` carry states with an unknown number of rows.
        lambda module, layer: module.raw_ops.PlaceholderWithDefault(
            input=layer, shape=(layer.shape[0], None, layer.shape[2])
        ),
    ),
    "jax": _Backend(lambda module, function: module.jit(function)),
    "torch": _Backend(lambda module, function: module.no_grad()(function)),
}


class _Memory:
    """The states of the recurrent layers while a step is traced: per layer a list of `[B, H]`."""

    def __init__(self) -> None:
        self.before: list[list[Tensor]] = []
        self.after: list[list[Tensor]] = []


class _Remembering(keras.layers.Layer):  # type: ignore[misc]
    """A recurrent layer that reads its initial state from a memory and writes its last there."""

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
        """Return the shape of the output, `[B, T, H]`."""
        return keras.KerasTensor((*x.shape[:-1], self.layer.units), self.compute_dtype)


class _OnDevice(tuple[Any, ...]):
    """A state on the device: a tensor `float32[S, B, H]` per layer."""

    @cached_property
    def host(self) -> State:
        """The state in NumPy, copied once for all rows that are kept at this step."""
        return tuple(ops.convert_to_numpy(layer) for layer in self)


class KerasEngine(RecurrentNetwork):
    """Computes what `Engine` computes, with Keras.

    All steps of the token loop have one batch size, so that each row is rounded in the same way,
    whatever the other rows are.

    Args:
        checkpoint: Its network must be one that continues music.
        width: Rows of every step of the loop. On a GPU many take hardly longer than few.

    Raises:
        CheckpointError: The weights do not fit, or the network fills gaps.
        ConfigError: `width` is below 1, or Keras has an unknown backend.
    """

    def __init__(self, checkpoint: Checkpoint, width: int = WIDTH) -> None:
        """Read the weights; functions are compiled when first called."""
        config, name = checkpoint.model, keras.backend.backend()
        if width < 1:
            raise ConfigError(
                f"width must be at least 1. Received: {width}. {WIDTH} is a good start."
            )
        if name not in _BACKENDS:
            raise ConfigError(
                f"KERAS_BACKEND must be one of {sorted(_BACKENDS)}. Received: {name}. "
                "Set it, or use `--engine numpy`."
            )
        if config.future:
            raise CheckpointError(
                f"the Keras engine continues music. Received: {checkpoint.name}, which fills gaps. "
                "Use `--engine numpy`."
            )
        self.config = config
        self._slots = CELLS[config.cell].slots
        self._width, self._backend, self._module = width, _BACKENDS[name], import_module(name)
        self._memory = _Memory()
        self._network = build(
            config, recur=lambda layer, x, tokens: _Remembering(layer, self._memory)(x)
        )
        self._set_weights(checkpoint.weights())
        self._variables = [
            [variable.value for variable in variables]
            for variables in (
                self._network.trainable_variables,
                self._network.non_trainable_variables,
            )
        ]
        # Shape of the tokens → `_compute`, compiled for it.
        self._functions: dict[tuple[int, ...], Function] = {}
        self._gather = self._backend.compile(self._module, _gathered)

    def _set_weights(self, weights: Weights) -> None:
        """Set the weights of every layer.

        Raises:
            CheckpointError: They have other shapes than the network, or some are missing.
        """
        try:
            for layer in self._network.layers:
                if layer.weights:
                    layer.set_weights(weights[layer.name])
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                f"the weights do not fit {self.config}: {error}. Train or copy them again."
            ) from error

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """The one batch size of the token loop's steps."""
        return (self._width,)

    def rows(self, states: Sequence[State], indices: Sequence[int]) -> State:
        """Return the state made of chosen rows; `indices` count through all `states`.

        With as many rows as a step, the state is on the device; rows of a first state that is on
        the device stay there. With any other number, as when the loop keeps a row of each piece at
        a barline, it is in NumPy.
        """
        first, chosen = states[0], np.asarray(indices, np.int32)
        if len(chosen) != self._width or not isinstance(first, _OnDevice):
            out = rows_of([_host(state) for state in states], indices)
            return _on_device(out) if len(chosen) == self._width else out

        # Rows of the other states are copied to the device, in a state of the full width.
        count = first[0].shape[1]
        new = chosen >= count
        others: Sequence[Tensor] = first
        if new.any():
            shape = (self._slots, self._width, self.config.units)
            others = [np.zeros(shape, np.float32) for _ in first]
            added = rows_of([_host(state) for state in states[1:]], (chosen[new] - count).tolist())
            for layer, rows in zip(others, added, strict=True):
                layer[:, new] = rows
        return _OnDevice(
            self._gather(
                *map(ops.convert_to_tensor, (chosen * ~new, new)),
                list(first),
                list(_on_device(others)),
            )
        )

    def _run(
        self,
        tokens: NDArray[np.int32],
        state: State,
        context: Context | None,
        left: NDArray[np.int32] | None,
    ) -> tuple[Array, State]:
        self._check_inputs(context, left, conditioned=False)
        # A step of the token loop: the state stays on the device.
        if tokens.shape == (1, self._width):
            logits, after = self._computed(tokens, context, _on_device(state))
            return logits, _OnDevice(after)

        # Anything else is padded to a power of two rows and cut into stretches of a few lengths,
        # because each shape is compiled; its state is in NumPy.
        length, count = tokens.shape
        rows = 1 << (count - 1).bit_length()
        tokens = _padded(tokens, rows)
        context = None if context is None else _padded(context, rows)
        now: Sequence[Tensor] = _on_device(tuple(_padded(layer, rows) for layer in _host(state)))
        out = np.empty((length, count, self.config.vocabulary_size), np.float32)
        at = 0
        while at < length:
            stretch = slice(at, at + next(size for size in STRETCHES if size <= length - at))
            columns = None if context is None else context[stretch]
            logits, now = self._computed(tokens[stretch], columns, now)
            out[stretch] = logits[:, :count]
            at = stretch.stop
        return out, tuple(ops.convert_to_numpy(layer)[:, :count] for layer in now)

    def _computed(
        self, tokens: NDArray[np.int32], context: Context | None, state: Sequence[Tensor]
    ) -> tuple[Array, list[Tensor]]:
        """Process `int32[T, B]`; return logits in NumPy, and the state on the device."""
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
        """Process `int32[T, B]`; compiled. Weights are arguments, or JAX would compile them in."""
        tokens = ops.transpose(tokens)
        inputs = tokens
        if context is not None:
            inputs = {"tokens": tokens, "context": ops.transpose(context, (1, 0, 2))}
        if tokens.shape[1] > 1:
            state = [self._backend.enter_loop(self._module, layer) for layer in state]
        memory = self._memory
        memory.before = [[layer[slot] for slot in range(self._slots)] for layer in state]
        memory.after = []
        logits, _ = self._network.stateless_call(trainable, others, inputs, training=False)
        after = [ops.stack(slots) for slots in memory.after]
        # No tensor of the tracing may outlive it.
        memory.before, memory.after = [], []
        return ops.transpose(logits, (1, 0, 2)), after


def _gathered(
    chosen: Tensor, new: Tensor, held: list[Tensor], others: list[Tensor]
) -> list[Tensor]:
    """Return the chosen rows of a state, or where `new` those of another, `float32[S, B, H]`."""
    where = new[None, :, None]
    return [
        ops.where(where, other, ops.take(layer, chosen, axis=1))
        for layer, other in zip(held, others, strict=True)
    ]


def _on_device(state: Sequence[Tensor]) -> _OnDevice:
    """Return a state on the device."""
    if isinstance(state, _OnDevice):
        return state
    return _OnDevice(ops.convert_to_tensor(layer) for layer in state)


def _host(state: State) -> State:
    """Return a state in NumPy."""
    return state.host if isinstance(state, _OnDevice) else state


def _padded(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """Return an array, `[T or S, B, …]`, with zeros appended up to a number of rows."""
    return np.pad(array, [(0, 0), (0, rows - array.shape[1])] + [(0, 0)] * (array.ndim - 2))
