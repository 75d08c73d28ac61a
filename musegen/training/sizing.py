"""Estimate the memory of a run before anything is allocated."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from musegen.config import ModelConfig, TrainingConfig
from musegen.errors import TrainingError
from musegen.model.network import parameters

__all__ = ["available", "check", "memory"]

# float32 numbers kept for the backward pass, per token and unit of a layer's state, with their
# gradients. Measured as the peak of training (TensorFlow on a CPU) less that of a tenth of the
# batch. The estimate was within 10 % of the peak for stacks of 2 x 256 and 3 x 512, and
# vocabularies of 500 and 1,500 tokens.
KEPT = {"lstm": 10, "gru": 11, "rnn": 3}
KEPT_PER_LOGIT = 3
OWN = 840 * 2**20  # bytes of Python, Keras, TensorFlow and its graph
MOMENTS = {"adamw": 2, "sgd": 1, "rmsprop": 1}


def memory(model: ModelConfig, config: TrainingConfig) -> int:
    """Return an estimate of the bytes that training takes, by arithmetic alone."""
    # The weights, those of the checkpoint, gradients, moments and averages.
    copies = 3 + MOMENTS[config.optimizer] + bool(config.ema)
    per_token = (
        KEPT[model.cell] * model.layers * model.units + KEPT_PER_LOGIT * model.vocabulary_size
    )
    tokens = config.batch_size * config.sequence_length
    return OWN + 4 * (copies * parameters(model) + tokens * (per_token + 4 * model.embedding))


def available() -> int:
    """Return the total bytes of memory of this machine or container; 0 if unknown."""
    found = []
    with suppress(ValueError, OSError, AttributeError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(ValueError, OSError):  # "max": no limit
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(found, default=0)


def check(model: ModelConfig, config: TrainingConfig, most: int) -> int:
    """Return the estimate of `memory`, and make sure that it fits.

    Args:
        model: The network.
        config: The run.
        most: Bytes of memory that there are; 0 if unknown.

    Raises:
        TrainingError: It does not fit.
    """
    needed = memory(model, config)
    if most and needed > most:
        raise TrainingError(
            f"training must fit in this machine's memory of {most / 2**30:.1f} GiB. "
            f"Received: {parameters(model):,} weights, and {config.batch_size} x "
            f"{config.sequence_length} tokens a step, which take about {needed / 2**30:,.1f} GiB. "
            "Lower --units, --layers, --batch-size or --sequence-length."
        )
    return needed
