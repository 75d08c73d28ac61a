"""Optimizers that record the norm of the gradient, and the learning-rate schedule."""

from __future__ import annotations

from typing import Any

import numpy as np

from musegen.config import TrainingConfig
from musegen.model.backend import keras, ops

__all__ = ["optimizer"]


class _Recorded:
    """Adds the gradient's norm before clipping, and a factor of the learning rate."""

    global_clipnorm: float | None
    clipvalue: float | None

    def build(self: Any, variables: Any) -> None:
        """Add the variables, which Keras saves with the rest of the state on every backend."""
        super().build(variables)  # type: ignore[misc]
        self.gradient_norm = self.add_variable((), dtype="float32", name="gradient_norm")
        self.clipped = self.add_variable((), dtype="float32", name="clipped")
        self.factor = self.add_variable((), initializer="ones", dtype="float32", name="factor")

    def apply(self: Any, grads: Any, trainable_variables: Any = None) -> None:
        """Record the global norm and the clipped share, then clip and update."""
        # TensorFlow returns an embedding's gradient in pieces, one for each occurrence of a token.
        # Their norm is not that of the gradient, so Keras would clip differently from other
        # backends; adding zeros sums them up.
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
        """Do nothing when `fit` ends; Keras would replace the weights by their averages."""


class AdamW(_Recorded, keras.optimizers.AdamW):  # type: ignore[misc]
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""


class SGD(_Recorded, keras.optimizers.SGD):  # type: ignore[misc]
    """Gradient descent with momentum (Polyak 1964)."""


class RMSprop(_Recorded, keras.optimizers.RMSprop):  # type: ignore[misc]
    """RMSprop (Tieleman and Hinton 2012)."""


_KINDS: dict[str, tuple[type[keras.optimizers.Optimizer], dict[str, float]]] = {
    "adamw": (AdamW, {}),
    "sgd": (SGD, {"momentum": 0.9}),
    "rmsprop": (RMSprop, {}),
}


def optimizer(config: TrainingConfig, steps: int) -> Any:
    """Return the optimizer of a run.

    The learning rate rises linearly to its peak in the warm-up. Then it falls as a cosine or stays.
    It is multiplied by the optimizer's `factor`, which is lowered at plateaus.

    Args:
        config: Kind, learning rate and schedule, clipping and averaging.
        steps: Number of steps of the whole run.
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
        # Keras also takes a function, which can read the factor.
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
