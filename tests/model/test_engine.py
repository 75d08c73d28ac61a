"""The NumPy engine computes what Keras computes, step by step or all at once."""

import keras
import numpy as np
import pytest

from musegen.config import EncoderConfig, ModelConfig
from musegen.encoding.context import View
from musegen.errors import CheckpointError, ConfigError
from musegen.model.checkpoint import Checkpoint
from musegen.model.engine import Engine
from musegen.model.network import build, parameters
from tests.helpers import ALL, OPTIONS, random_weights, randomised, stepped


def random_inputs(config, rows=3, length=20):
    """Tokens and a context at random; and both as the Keras model takes them."""
    rng = np.random.default_rng(2)
    tokens = rng.integers(0, config.vocabulary_size, (rows, length)).astype(np.int32)
    if not config.context:
        return tokens, None, tokens
    context = rng.integers(
        0, View.of(config).sizes, (rows, length, len(View.of(config).sizes))
    ).astype(np.uint16)
    return tokens, context, {"tokens": tokens, "context": context}


def assert_keras_and_engine_agree(config, folder):
    model = randomised(build(config))
    model.save_weights(folder / "model.weights.h5")
    tokens, context, inputs = random_inputs(config)
    expected = keras.ops.convert_to_numpy(model(inputs))

    engine = Engine(config, Checkpoint(folder, EncoderConfig(), config).weights())
    at_once, last = engine.forward(tokens, engine.initial_state(len(tokens)), context)
    one_by_one, state = stepped(engine, tokens, context)
    assert np.abs(expected).max() > 0.3
    np.testing.assert_allclose(at_once, expected, atol=1e-5)
    np.testing.assert_allclose(one_by_one, expected, atol=1e-5)
    for a, b in zip(state, last, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert parameters(config) == model.count_params()


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_steps_the_whole_sequence_and_keras_agree(tmp_path, cell, layers):
    config = ModelConfig(40, cell=cell, layers=layers, units=24, embedding=12, dropout=0.3)
    assert_keras_and_engine_agree(config, tmp_path)


@pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda o: "-".join(k for k, v in o.items() if v) or "none"
)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_they_agree_with_any_options(tmp_path, cell, options):
    assert_keras_and_engine_agree(
        ModelConfig(40, cell=cell, units=24, embedding=12, **options), tmp_path
    )


@pytest.mark.parametrize("layers", [1, 3])
def test_tied_weights_as_wide_as_the_state_need_no_projection(tmp_path, layers):
    config = ModelConfig(40, cell="gru", layers=layers, units=16, embedding=16, **ALL)
    assert "projection" not in [layer.name for layer in build(config).layers]
    assert_keras_and_engine_agree(config, tmp_path)


@pytest.mark.parametrize("options", [{}, ALL], ids=["none", "all"])
def test_lower_precision_keeps_the_weights_their_order_and_float32_logits(options):
    config = ModelConfig(40, cell="gru", units=24, embedding=12, **options)
    plain, mixed = randomised(build(config)), build(config, policy="mixed_bfloat16")
    assert [v.path for v in mixed.trainable_variables] == [
        v.path for v in plain.trainable_variables
    ]
    assert mixed.get_layer("recurrent_1").compute_dtype == "bfloat16"
    mixed.set_weights(plain.get_weights())
    inputs = random_inputs(config)[2]
    exact, rounded = plain(inputs), mixed(inputs)
    assert keras.backend.standardize_dtype(rounded.dtype) == mixed.output.dtype == "float32"
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (rounded, exact)), atol=0.05)


class Wrapped(keras.layers.Layer):
    """A recurrent layer inside another, as training uses it to carry state."""

    def __init__(self, layer):
        super().__init__(name=f"wrapped_{layer.name}")
        self.layer = layer

    def call(self, x, tokens):
        return self.layer(x)


@pytest.mark.parametrize("options", [{}, ALL], ids=["none", "all"])
def test_another_way_to_apply_the_layers_keeps_the_order_of_the_weights(options):
    config = ModelConfig(40, cell="lstm", layers=3, units=24, embedding=12, **options)
    plain = randomised(build(config))
    other = build(config, recur=lambda layer, x, tokens: Wrapped(layer)(x, tokens))
    other.set_weights(plain.get_weights())
    inputs = random_inputs(config)[2]
    np.testing.assert_allclose(
        *(keras.ops.convert_to_numpy(model(inputs)) for model in (other, plain)), atol=1e-6
    )


def test_a_model_with_all_options_can_be_saved_whole(tmp_path):
    config = ModelConfig(40, units=24, embedding=12, **ALL)
    model = randomised(build(config))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = random_inputs(config)[2]
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(m(inputs)) for m in (again, model)))


def test_settings_from_before_there_were_options_are_read():
    old = {
        "vocabulary_size": 40,
        "cell": "gru",
        "layers": 2,
        "units": 256,
        "embedding": 128,
        "dropout": 0.2,
    }
    config = ModelConfig.from_dict(old)
    assert (config.residual, config.layer_norm, config.tied, config.context) == (
        False,
        False,
        False,
        0,
    )
    assert ModelConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    "bad", [{"context": 17}, {"lookback": True}, {"context": -1}, {"tied": 1}, {"residual": "yes"}]
)
def test_options_out_of_range_are_refused(bad):
    with pytest.raises(ConfigError, match=f"{next(iter(bad))} must be"):
        ModelConfig(40, **bad)


def test_a_step_leaves_the_state_it_was_given_alone():
    config = ModelConfig(10, cell="lstm", layers=2, units=4, embedding=3)
    engine = Engine(config, random_weights(config, np.random.default_rng(0)))
    _, state = engine.step(np.array([1]), engine.initial_state())
    before = [s.copy() for s in state]
    first, _ = engine.step(np.array([2]), state)
    second, _ = engine.step(np.array([2]), state)
    assert np.array_equal(first, second)
    assert all(np.array_equal(a, b) for a, b in zip(before, state, strict=True))


@pytest.mark.parametrize(
    "other",
    [
        {"layers": 3},
        {"vocabulary_size": 11},
        {"units": 5},
        {"embedding": 2},
        {"layer_norm": True},
        {"context": 1},
        {"tied": True},
    ],
    ids=str,
)
def test_weights_of_another_shape_are_refused(other):
    shape = {"vocabulary_size": 10, "cell": "gru", "layers": 2, "units": 4, "embedding": 3}
    weights = random_weights(ModelConfig(**shape), np.random.default_rng(0))
    with pytest.raises(CheckpointError, match="do not fit"):
        Engine(ModelConfig(**{**shape, **other}), weights)


def test_a_context_is_asked_for_where_one_is_needed_and_nowhere_else(tmp_path):
    plain = ModelConfig(10, units=4, embedding=3)
    engine = Engine(plain, random_weights(plain, np.random.default_rng(0)))
    with pytest.raises(ValueError, match="if and only if"):
        engine.step(np.array([1]), engine.initial_state(), np.zeros((1, 11), np.uint8))
    seeing = ModelConfig(10, units=4, embedding=3, context=1)
    build(seeing).save_weights(tmp_path / "model.weights.h5")
    engine = Engine(seeing, Checkpoint(tmp_path, EncoderConfig(), seeing).weights())
    with pytest.raises(ValueError, match="if and only if"):
        engine.step(np.array([1]), engine.initial_state())
