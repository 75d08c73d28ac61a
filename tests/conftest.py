"""Shared pieces: small untrained checkpoints, so that tests need neither training nor TensorFlow."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from musegen.config import EncoderConfig, ModelConfig
from musegen.encoding.vocabulary import Vocabulary
from musegen.model.checkpoint import Checkpoint, save
from musegen.score import Track

GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def random_weights(config: ModelConfig, rng: np.random.Generator, scale: float = 0.3):
    """Weights of a network, drawn at random, by layer name as a checkpoint has them."""
    width = GATES[config.cell] * config.units
    out = {"embedding": [rng.normal(0, scale, (config.vocabulary_size, config.embedding))]}
    for index in range(config.layers):
        inputs = config.units if index else config.embedding
        bias = (2, width) if config.cell == "gru" else (width,)
        out[f"recurrent_{index}"] = [
            rng.normal(0, scale, shape) for shape in ((inputs, width), (config.units, width), bias)
        ]
    shapes = ((config.units, config.vocabulary_size), (config.vocabulary_size,))
    out["logits"] = [rng.normal(0, scale * 4, shape) for shape in shapes]
    return {name: [a.astype(np.float32) for a in arrays] for name, arrays in out.items()}


def write_keras_weights(path, weights):
    """Write weights in the layout of Keras's `.weights.h5`."""
    with h5py.File(path, "w") as file:
        for name, arrays in weights.items():
            inner = f"layers/{name}/cell/vars" if name.startswith("recurrent") else f"layers/{name}/vars"
            group = file.create_group(inner)
            file.require_group(f"layers/{name}/vars").attrs["name"] = name
            for index, array in enumerate(arrays):
                group.create_dataset(str(index), data=array)


def make_checkpoint(path, encoder: EncoderConfig, seed: int = 0, cell: str = "gru", scale: float = 0.3):
    """Write an untrained checkpoint to `path` and return it."""
    model = ModelConfig(len(Vocabulary(encoder)), cell=cell, layers=2, units=16, embedding=8)
    path.mkdir(parents=True, exist_ok=True)
    weights = path / "random.weights.h5"
    write_keras_weights(weights, random_weights(model, np.random.default_rng(seed), scale))
    made = Checkpoint(path, encoder, model, (Track("Flute", 73),))
    save(made, weights)
    weights.unlink()
    return made


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Untrained checkpoints of several encodings, by name."""
    root = tmp_path_factory.mktemp("checkpoints")
    configs = {
        "line": EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0),
        "parts": EncoderConfig(parts=4, programs=False, drums=False, velocities=0, tempos=0),
        "band": EncoderConfig(),
        "played": EncoderConfig(encoding="performance"),
    }
    return {name: make_checkpoint(root / name, config) for name, config in configs.items()}
