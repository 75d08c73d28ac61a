"""The training loss and metric, in nats per token (natural logarithms)."""

from __future__ import annotations

from typing import Any

from musegen.model.backend import keras, ops

__all__ = ["Nats", "Smoothed", "loss"]


class Smoothed(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy with label smoothing (Szegedy et al. 2016)."""

    def __init__(self, share: float) -> None:
        """Set the share of the target's probability that is spread over all tokens."""
        super().__init__(reduction="mean_with_sample_weight")
        self.share = share

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each token, `[B, T]`, for targets `[B, T]` and logits `[B, T, V]`."""
        exact = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        even = ops.logsumexp(y_pred, axis=-1) - ops.mean(y_pred, axis=-1)
        return (1 - self.share) * exact + self.share * even


def loss(label_smoothing: float) -> keras.losses.Loss:
    """Return the loss: a mean over tokens, in which padding has zero weight.

    A piece counts by its tokens, so a long one counts for more than a short one. For other token
    weights, give `fit` other weights than `musegen.training.feeding` does.
    """
    if label_smoothing:
        return Smoothed(label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )


@keras.saving.register_keras_serializable("musegen")
class Nats(keras.metrics.Metric):  # type: ignore[misc]
    """Nats per token: the weighted mean over the tokens of all batches, without smoothing.

    Keras's own metric is a mean over sequences of means over their tokens, including padding.
    """

    def __init__(self, name: str = "nats") -> None:
        """Start with no token."""
        super().__init__(name=name, dtype="float32")
        self.nats = self.add_variable((), "zeros", name="nats")
        self.tokens = self.add_variable((), "zeros", name="tokens")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add targets `[B, T]` with logits `[B, T, V]` and weights `[B, T]`."""
        nats = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        weight = (
            ops.ones_like(nats) if sample_weight is None else ops.cast(sample_weight, nats.dtype)
        )
        self.nats.assign_add(ops.sum(nats * weight))
        self.tokens.assign_add(ops.sum(weight))

    def result(self) -> Any:
        """Return the mean."""
        return self.nats / ops.maximum(self.tokens, 1.0)
