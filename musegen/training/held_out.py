"""Evaluate a trained model on its held-out pieces and record the figures in the checkpoint."""

from __future__ import annotations

from dataclasses import replace

from musegen.data.dataset import Dataset, Pieces
from musegen.encoding.vocabulary import Vocabulary
from musegen.model import checkpoint as checkpoints
from musegen.model import likelihood
from musegen.model.blas import one_thread
from musegen.model.checkpoint import Checkpoint
from musegen.model.engine import Engine
from musegen.model.likelihood import Predictor

__all__ = ["nats_per_note", "record"]

DIGITS = 4  # kept of each figure


def nats_per_note(made: Checkpoint, data: Dataset) -> dict[str, dict[str, float]]:
    """Return how well a model predicts the held-out pieces, next to two baselines.

    Args:
        made: The trained model.
        data: The pieces that it was trained on and those that were held out.

    Returns:
        `validation` and `test` → `model`, `bigram` and `uniform` → nats per note (micro-average).
    """
    vocabulary = Vocabulary(made.encoder)
    predictors: dict[str, Predictor] = {
        "model": likelihood.model(Engine(made.model, made.weights())),
        "bigram": likelihood.bigram((piece.tokens for piece in data.train), vocabulary),
        "uniform": likelihood.uniform(vocabulary),
    }

    def figures(pieces: Pieces) -> dict[str, float]:
        tokens = [piece.tokens for piece in pieces]
        return {
            name: round(likelihood.evaluate(predictor, tokens, vocabulary).per_note, DIGITS)
            for name, predictor in predictors.items()
        }

    with one_thread():  # the products of one piece are too small to share
        return {"validation": figures(data.validation), "test": figures(data.test)}


def record(made: Checkpoint, data: Dataset) -> Checkpoint:
    """Evaluate a checkpoint and write it again, with `nats_per_note` in its provenance."""
    figures = nats_per_note(made, data)
    measured = replace(made, provenance={**made.provenance, "nats_per_note": figures})
    checkpoints.save(measured, made.path / checkpoints.WEIGHTS)
    return measured
