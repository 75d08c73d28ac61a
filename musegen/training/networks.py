"""Build the networks of a run, with random weights or with those of another checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from musegen.config import ModelConfig, TrainingConfig, differences
from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Vocabulary
from musegen.errors import TrainingError
from musegen.model import checkpoint as checkpoints
from musegen.model.backend import keras
from musegen.model.checkpoint import Checkpoint
from musegen.model.network import build
from musegen.training.carrying import Carried
from musegen.training.devices import policy

__all__ = ["load_parent", "networks"]


def load_parent(start: str | Path, encoder: Encoder, model: ModelConfig) -> Checkpoint:
    """Load the checkpoint whose weights a run starts from.

    Raises:
        TrainingError: It has another vocabulary, or another shape than `model`; the message names
            the differences.
    """
    parent = checkpoints.load(start)
    # Dropout has no weights, and a gap-filling network may start from one that continues music.
    alike = replace(parent.model, dropout=model.dropout, future=parent.model.future or model.future)
    if Vocabulary(parent.encoder).fingerprint != encoder.vocabulary.fingerprint:
        what, changed = "vocabulary", differences(parent.encoder, encoder.config)
    elif alike != model:
        what, changed = "shape", differences(parent.model, model)
    else:
        return parent
    raise TrainingError(
        f"a model that begins with {parent.name} must have its {what}. Received: {changed}. "
        "Leave the options of encoder and model out, or train from the beginning, without --from."
    )


def networks(
    encoder: Encoder,
    model: ModelConfig,
    config: TrainingConfig,
    rows: int,
    parent: Checkpoint | None,
) -> tuple[keras.Model, keras.Model]:
    """Return the network that is trained and the one that is saved.

    Both have the same weights in the same order. The first computes in the precision of the run
    and, with `tbptt`, carries its state from window to window; the second is plain float32.

    Args:
        encoder: Defines the vocabulary.
        model: The network's shape.
        config: Seed, precision and `tbptt`.
        rows: Rows of a training batch.
        parent: The checkpoint to take the initial weights from; None for random weights.
    """
    keras.utils.set_random_seed(config.seed)
    plain = build(model)
    if parent is not None:
        _copy_weights(parent, plain)
    start = encoder.vocabulary.first["start"]
    carried = (
        {"recur": lambda layer, x, tokens: Carried(layer, rows, start)(x, tokens)}
        if config.tbptt
        else {}
    )
    trained = build(model, policy=policy(config), **carried)
    for variable, initial in zip(
        trained.trainable_variables, plain.trainable_variables, strict=True
    ):
        variable.assign(initial)
    return trained, plain


def _copy_weights(parent: Checkpoint, model: keras.Model) -> None:
    """Copy the weights of a checkpoint's layers; a layer that reads the future may be new."""
    for name, arrays in parent.weights().items():
        model.get_layer(name).set_weights(arrays)
