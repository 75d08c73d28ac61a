"""TensorFlow, JAX and PyTorch train alike from the same weights, and read each other's files."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from musegen import Encoder, EncoderConfig, ModelConfig, Score, Track, TrainingConfig
from musegen.encoding.context import View, context_of
from musegen.model import checkpoint
from musegen.model.engine import Engine
from musegen.model.network import build
from tests.helpers import ROOT

BACKENDS = [name for name in ("tensorflow", "jax", "torch") if find_spec(name)]
ENCODER = Encoder(
    EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0, steps_per_quarter=4)
)
STEPS = 10

_model = ModelConfig(len(ENCODER.vocabulary), layers=1, units=16, embedding=16)
_config = TrainingConfig(sequence_length=8, batch_size=8, epochs=1, learning_rate=0.01, seed=1)
CASES = {  # the network, and how it is fitted
    "lstm": (replace(_model, cell="lstm"), _config),
    "gru": (
        replace(_model, cell="gru"),
        replace(_config, optimizer="rmsprop", global_clipnorm=0.0, clipvalue=0.1),
    ),
    "rnn": (replace(_model, cell="rnn"), replace(_config, optimizer="sgd", schedule="constant")),
    "all": (
        replace(
            _model,
            cell="lstm",
            layers=2,
            layer_norm=True,
            residual=True,
            tied=True,
            context=1,
            lookback=True,
        ),
        replace(_config, tbptt=True, ema=0.9, label_smoothing=0.1, transpose=2),
    ),
}

# One process does all cases: most of its time is the import of Keras. It reads what others trained
# before it.
PROCESS = """
import json, sys
from pathlib import Path
from musegen.training.train import train
from tests.training.test_backends import CASES, ENCODER, logits
import numpy as np

if __name__ == "__main__":
    folder, backend = Path(sys.argv[1]), sys.argv[2]
    found = {}
    for name, (model, config) in CASES.items():
        steps, epochs = [], []
        train([folder / "tunes"], folder / backend / name, ENCODER, model, config,
              start=folder / "start" / name, on_step=steps.append, on_epoch=epochs.append)
        found[name] = {"nats": [step.train_nats for step in steps],
                       "norms": [step.gradient_norm for step in steps],
                       "validation": [epoch.validation_nats for epoch in epochs]}
        for other in sorted(folder.glob(f"*/{name}/model.weights.h5")):
            np.save(other.parent / f"{backend}.npy", logits(model, other))
    (folder / backend / "found.json").write_text(json.dumps(found))
"""


def piece(seed):
    pitches = 60 + np.cumsum(np.random.default_rng(seed).choice([-2, -1, 1, 2], 24)) % 12
    return Score(
        notes=[(240 * k, 240, int(p), 80, 0) for k, p in enumerate(pitches)],
        tracks=[Track("Whistle", 78)],
    )


def example_inputs(model):
    """Some tokens and their context, `[1, T]` and `[1, T, F]`."""
    tokens = ENCODER.encode(piece(0))[None, :24].astype(np.int32)
    return tokens, context_of(tokens, ENCODER.vocabulary, View.of(model))


def logits(model, weights):
    """What Keras makes of the tokens with a file's weights."""
    network = build(model)
    network.load_weights(weights)
    tokens, context = example_inputs(model)
    given = tokens if context is None else {"tokens": tokens, "context": context.astype(np.int32)}
    return keras.ops.convert_to_numpy(network(given))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder in which each backend trained each case from the same weights, backend/case."""
    root = tmp_path_factory.mktemp("backends")
    (root / "tunes").mkdir()
    for seed in range(12):
        piece(seed).save(root / "tunes" / f"{seed:02}.mid")
    for name, (model, _) in CASES.items():
        keras.utils.set_random_seed(1)
        begin = root / "start" / name
        begin.mkdir(parents=True)
        build(model).save_weights(begin / "begin.weights.h5")
        checkpoint.save(
            checkpoint.Checkpoint(begin, ENCODER.config, model), begin / "begin.weights.h5"
        )
    for backend in BACKENDS:
        env = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONPATH": str(ROOT),
        }
        argv = [sys.executable, "-c", PROCESS, str(root), backend]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{backend}: {done.stderr}"
    return root


@pytest.mark.parametrize("name", CASES)
def test_every_backend_goes_through_the_same_losses(runs, name):
    if len(BACKENDS) < 2:
        pytest.skip("one backend is installed")
    found = {
        backend: json.loads((runs / backend / "found.json").read_text())[name]
        for backend in BACKENDS
    }
    first = found[BACKENDS[0]]
    assert len(first["nats"]) >= STEPS and len(first["validation"]) == 1
    for backend in BACKENDS[1:]:
        for figures, values in first.items():
            np.testing.assert_allclose(
                found[backend][figures], values, atol=1e-4, err_msg=f"{backend}: {figures}"
            )


@pytest.mark.parametrize("name", CASES)
def test_what_one_backend_writes_the_others_and_the_engine_read(runs, name):
    model, _ = CASES[name]
    tokens, context = example_inputs(model)
    for writer in BACKENDS:
        made = checkpoint.load(runs / writer / name)
        engine = Engine(model, made.weights())
        expected, _ = engine.forward(tokens, engine.initial_state(), context)
        assert np.abs(expected).max() > 0.1
        # This process's backend reads them all, too.
        read = {path.name: np.load(path) for path in made.path.glob("*.npy")}
        assert f"{writer}.npy" in read
        for reader, values in {
            **read,
            "here": logits(model, made.path / checkpoint.WEIGHTS),
        }.items():
            np.testing.assert_allclose(
                values, expected, atol=1e-5, err_msg=f"{writer}, read by {reader}"
            )
