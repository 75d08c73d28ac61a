"""The NumPy engine computes what Keras computes, step by step or all at once."""

import keras
import numpy as np
import pytest

from musegen.checkpoint import Checkpoint
from musegen.config import EncoderConfig, ModelConfig
from musegen.engine import Engine
from musegen.errors import CheckpointError
from musegen.model import build
from tests.conftest import random_weights


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_steps_the_whole_sequence_and_keras_agree(tmp_path, cell, layers):
    config = ModelConfig(40, cell=cell, layers=layers, units=24, embedding=12, dropout=0.3)
    model = build(config)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.25, w.shape) for w in model.get_weights()])
    model.save_weights(tmp_path / "model.weights.h5")
    tokens = rng.integers(0, 40, (3, 30)).astype(np.int32)
    expected = keras.ops.convert_to_numpy(model(tokens))

    engine = Engine(config, Checkpoint(tmp_path, EncoderConfig(), config).weights())
    at_once, last = engine.forward(tokens, engine.initial_state(3))
    state = engine.initial_state(3)
    stepped = []
    for t in range(30):
        logits, state = engine.step(tokens[:, t], state)
        stepped.append(logits)
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(at_once, expected, atol=1e-5)
    np.testing.assert_allclose(np.stack(stepped, axis=1), expected, atol=1e-5)
    for a, b in zip(state, last, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_step_leaves_the_state_it_was_given_alone():
    config = ModelConfig(10, cell="lstm", layers=2, units=4, embedding=3)
    engine = Engine(config, random_weights(config, np.random.default_rng(0)))
    _, state = engine.step(np.array([1]), engine.initial_state())
    before = [s.copy() for s in state]
    first, _ = engine.step(np.array([2]), state)
    second, _ = engine.step(np.array([2]), state)
    assert np.array_equal(first, second)
    assert all(np.array_equal(a, b) for a, b in zip(before, state, strict=True))


def test_weights_of_another_shape_are_refused():
    config = ModelConfig(10, cell="gru", layers=2, units=4, embedding=3)
    weights = random_weights(config, np.random.default_rng(0))
    with pytest.raises(CheckpointError, match="do not fit"):
        Engine(ModelConfig(10, cell="gru", layers=3, units=4, embedding=3), weights)
    with pytest.raises(CheckpointError, match="do not fit"):
        Engine(ModelConfig(11, cell="gru", layers=2, units=4, embedding=3), weights)
