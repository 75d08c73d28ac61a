"""Optimizers that say how large the gradient is, and the learning rate over the steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from musegen.config import TrainingConfig
from musegen.model.backend import keras, ops

__all__ = ["optimizer"]


class _Watched:
    """Beside the moments of an optimizer: the gradient before clipping, and a factor of the learning rate."""

    global_clipnorm: float | None
    clipvalue: float | None

    def build(self: Any, variables: Any) -> None:
        """Make room, where Keras keeps it with the rest of the state on every backend."""
        super().build(variables)  # type: ignore[misc]
        self.gradient_norm = self.add_variable((), dtype="float32", name="gradient_norm")
        self.clipped = self.add_variable((), dtype="float32", name="clipped")
        self.factor = self.add_variable((), initializer="ones", dtype="float32", name="factor")

    def apply(self: Any, grads: Any, trainable_variables: Any = None) -> None:
        """Note the global norm and the clipped share, then clip and update."""
        # TensorFlow gives an embedding's gradient in pieces, one for each time that a token occurs.
        # Until they are added up, norms are not those of the gradient: Keras would clip it otherwise than on other
        # backends.
        shapes = [v.shape for v in trainable_variables or self._trainable_variables]
        grads = [
            g if g is None else ops.add(g, ops.zeros(s)) for g, s in zip(grads, shapes, strict=True)
        ]
        dense = [g for g in grads if g is not None]
        norm = ops.sqrt(sum(ops.sum(ops.square(g)) for g in dense))
        self.gradient_norm.assign(norm)
        if self.global_clipnorm:
            self.clipped.assign(ops.cast(norm > self.global_clipnorm, "float32"))
        elif self.clipvalue:
            cut = sum(ops.sum(ops.cast(ops.abs(g) > self.clipvalue, "float32")) for g in dense)
            self.clipped.assign(cut / sum(float(np.prod(g.shape)) for g in dense))
        super().apply(grads, trainable_variables)  # type: ignore[misc]

    def finalize_variable_values(self, var_list: Any) -> None:
        """Do nothing when `fit` ends: Keras would put averages in the place of the weights that a run goes on with."""


class AdamW(_Watched, keras.optimizers.AdamW):  # type: ignore[misc]
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""


class SGD(_Watched, keras.optimizers.SGD):  # type: ignore[misc]
    """Gradient descent with momentum (Polyak 1964)."""


class RMSprop(_Watched, keras.optimizers.RMSprop):  # type: ignore[misc]
    """RMSprop (Tieleman and Hinton 2012)."""


_KINDS: dict[str, tuple[type[keras.optimizers.Optimizer], dict[str, float]]] = {
    "adamw": (AdamW, {}),
    "sgd": (SGD, {"momentum": 0.9}),
    "rmsprop": (RMSprop, {}),
}


def optimizer(config: TrainingConfig, steps: int) -> Any:
    """Return the optimizer of a run.

    The learning rate rises linearly to its peak in the warm-up. Then it falls as a cosine, or
    stays, times the optimizer's `factor`, which is lowered at plateaus.

    Args:
        config: Which one, its learning rate and schedule, clipping and averaging.
        steps: In the whole run.
    """
    warmup = min(int(config.warmup * steps), steps - 1)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else config.learning_rate,
        steps - warmup,
        alpha=0.0 if config.schedule == "cosine" else 1.0,
        **({"warmup_target": config.learning_rate, "warmup_steps": warmup} if warmup else {}),
    )
    kind, settings = _KINDS[config.optimizer]
    made: Any = kind(
        # Keras takes a function, too, and so one that asks for the factor.
        lambda: rate(made.iterations) * made.factor,
        weight_decay=config.weight_decay,
        global_clipnorm=config.global_clipnorm or None,
        clipvalue=config.clipvalue or None,
        use_ema=bool(config.ema),
        ema_momentum=config.ema or 0.99,
        **settings,
    )
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made
