"""The recurrent layers agree with Keras's in outputs, gradients and files."""

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from musegen.model import recurrent

CELLS = ["LSTM", "GRU", "SimpleRNN"]
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
tensorflow_only = pytest.mark.skipif(not ON_TENSORFLOW, reason="the fast way is TensorFlow's")
cpu_only = pytest.mark.skipif(
    bool(keras.distribution.list_devices("gpu")), reason="GPUs have cuDNN"
)


def stock_and_ours(cell, **options):
    """Return Keras's layer and ours, with the same weights."""
    options = {
        "return_sequences": True,
        "return_state": True,
        "bias_initializer": "normal",
        **options,
    }
    layers = [getattr(module, cell)(12, **options) for module in (keras.layers, recurrent)]
    for layer in layers:
        layer.build((None, None, 5))
    layers[1].set_weights(layers[0].get_weights())
    return layers


def arrays(cell, length, rows=3):
    """Return inputs and initial states."""
    rng = np.random.default_rng(length)
    shapes = [(rows, length, 5)] + [(rows, 12)] * (2 if cell == "LSTM" else 1)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.fixture
def fast_calls(monkeypatch):
    """Count how often the fast way is taken."""
    calls = []
    run = recurrent.run
    monkeypatch.setattr(
        recurrent, "run", lambda *arguments: calls.append(arguments) or run(*arguments)
    )
    return calls


@tensorflow_only
@pytest.mark.parametrize("cell", CELLS)
def test_the_number_of_rows_may_be_known_beforehand(cell):
    import tensorflow as tf

    x, *states = arrays(cell, 17)
    for theirs, ours in [stock_and_ours(cell)]:
        expected, got = (
            tf.function(lambda x, *states, layer=layer: layer(x, initial_state=list(states))[0])(
                x, *states
            )
            for layer in (theirs, ours)
        )
        np.testing.assert_allclose(got, expected, atol=1e-5)


@tensorflow_only
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("length", [1, 17])
@pytest.mark.parametrize("cell", CELLS)
def test_outputs_states_and_gradients_are_those_of_keras(cell, length, given, compiled):
    import tensorflow as tf

    if compiled and not (given and length == 17):
        pytest.skip("compiling takes seconds")
    x, *states = map(tf.constant, arrays(cell, length))
    toward = np.random.default_rng(9).normal(size=(3, length, 12)).astype(np.float32)

    def everything(layer):
        def through(x, *states):
            with tf.GradientTape() as tape:
                tape.watch((x, states))
                y, *last = layer(x, initial_state=list(states) if given else None)
                # the states weigh differently, and not evenly: each gradient has its own way to go
                # wrong
                loss = sum(
                    tf.reduce_sum(s**2) * (2 + n) for n, s in enumerate(last)
                ) + tf.reduce_sum(y * toward)
            variables = [v.value for v in layer.trainable_variables]
            return y, *last, *tape.gradient(loss, [x, *(states if given else ()), *variables])

        if compiled:  # with neither batch nor length known beforehand
            signature = [tf.TensorSpec((None, None, 5))] + [tf.TensorSpec((None, 12))] * len(states)
            through = tf.function(through, input_signature=signature)
        return [np.asarray(value) for value in through(x, *states)]

    for theirs, ours in zip(*map(everything, stock_and_ours(cell)), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("cell", CELLS)
def test_the_last_output_alone(cell):
    x, *_ = arrays(cell, 9)
    theirs, ours = (
        layer(x) for layer in stock_and_ours(cell, return_sequences=False, return_state=False)
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs), rtol=1e-4, atol=1e-6
    )


@tensorflow_only
@cpu_only
@pytest.mark.parametrize("cell", CELLS)
def test_the_fast_way_is_taken_on_tensorflow_cpu(cell, fast_calls):
    inputs = keras.Input((None, 5))
    model = keras.Model(inputs, getattr(recurrent, cell)(12, return_sequences=True)(inputs))
    fast_calls.clear()
    model.compile("sgd", "mse", jit_compile=False)
    x, *_ = arrays(cell, 9)
    model.fit(x, np.zeros((3, 9, 12)), verbose=0)
    assert fast_calls


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "options",
    [
        {"go_backwards": True},
        {"unroll": True},
        {"dropout": 0.5},
        {"recurrent_dropout": 0.5},
        {"activation": "relu"},
        {"use_bias": False},
        {"dtype": "mixed_bfloat16"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_everything_else_is_left_to_keras(cell, options, fast_calls):
    theirs, ours = stock_and_ours(cell, **options)
    x, *_ = arrays(cell, 4)
    for expected, got in zip(theirs(x), ours(x), strict=True):
        expected, got = (
            ops.convert_to_numpy(ops.cast(value, "float32")) for value in (expected, got)
        )
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    assert not fast_calls


@pytest.mark.parametrize("cell", CELLS)
def test_masks_are_left_to_keras(cell, fast_calls):
    x, *_ = arrays(cell, 4)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], bool)
    theirs, ours = (layer(x, mask=mask)[0] for layer in stock_and_ours(cell))
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs), rtol=1e-5, atol=1e-6
    )
    assert not fast_calls


def test_a_gru_that_resets_before_the_product_is_left_to_keras(fast_calls):
    x, *_ = arrays("GRU", 4)
    theirs, ours = (layer(x)[0] for layer in stock_and_ours("GRU", reset_after=False))
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs), rtol=1e-5, atol=1e-6
    )
    assert not fast_calls


def network(module, cell, units=8):
    """Return a compiled network."""
    keras.utils.set_random_seed(3)
    tokens = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(20, 6, name="embedding")(tokens)
    x = getattr(module, cell)(units, return_sequences=True, name="recurrent_0")(x)
    model = keras.Model(tokens, keras.layers.Dense(20, name="logits")(x))
    optimizer = keras.optimizers.AdamW(0.01, global_clipnorm=1.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False)
    return model


def tokens(rows=12, length=21):
    return np.random.default_rng(0).integers(0, 20, (rows, length)).astype(np.int32)


@pytest.mark.parametrize("cell", CELLS)
def test_weights_go_from_keras_and_back(cell, tmp_path):
    theirs, ours, again = (
        network(module, cell) for module in (keras.layers, recurrent, keras.layers)
    )
    for n, weight in enumerate(theirs.weights):
        weight.assign(ops.full(weight.shape, 0.01 * n))
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    ours.save_weights(tmp_path / "ours.weights.h5")
    again.load_weights(tmp_path / "ours.weights.h5")
    for one, two in zip(theirs.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    layouts = []
    for name in ("theirs", "ours"):
        with h5py.File(tmp_path / f"{name}.weights.h5") as file:
            layouts.append([])
            file.visit(layouts[-1].append)
    assert layouts[0] == layouts[1]
    # Keras calls them in files by their class, so ours have to be called as Keras's are.
    folder = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "simple_rnn"}[cell]
    assert {f"layers/{folder}/cell/vars/{n}" for n in range(3)} <= set(layouts[1])


@pytest.mark.parametrize("cell", CELLS)
def test_models_are_saved_whole(cell, tmp_path):
    model = network(recurrent, cell)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("recurrent_0")) is getattr(recurrent, cell)
    outputs = [ops.convert_to_numpy(network(tokens())) for network in (model, loaded)]
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize("cell", CELLS)
def test_training_goes_as_with_keras(cell):
    data = tokens()
    losses = [
        network(module, cell)
        .fit(data[:, :-1], data[:, 1:], batch_size=4, epochs=2, shuffle=False, verbose=0)
        .history["loss"]
        for module in (keras.layers, recurrent)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[1][-1] < losses[1][0]


@cpu_only
def test_training_is_the_same_twice():
    data = tokens(64, 65)
    weights = []
    for _ in range(2):
        model = network(recurrent, "LSTM", units=64)
        model.fit(data[:, :-1], data[:, 1:], batch_size=32, epochs=3, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for one, two in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("cell", CELLS)
def test_a_stateful_layer_goes_on_where_it_was(cell):
    x, *_ = arrays(cell, 20)
    layer = getattr(recurrent, cell)(12, return_sequences=True, stateful=True)
    whole = ops.convert_to_numpy(layer(x))
    layer.reset_state()
    parts = [ops.convert_to_numpy(layer(part)) for part in (x[:, :9], x[:, 9:])]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-5, atol=1e-6)
