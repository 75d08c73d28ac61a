"""Gradients are measured before clipping; schedules rise and fall; diverging runs are stopped."""

import keras
import numpy as np
import pytest
from keras import ops

from musegen import ModelConfig, TrainingConfig, TrainingError
from musegen.training import losses
from musegen.training.devices import policy, without_cudnn
from musegen.training.optimizing import optimizer
from musegen.training.recording import EpochReport, plateaus
from musegen.training.sizing import available, check, memory
from musegen.training.watching import Diverged, Watch

STEPS = 100


def made(**settings):
    """An optimizer and the variable that it moves, from 0."""
    variable = keras.Variable(np.zeros(4, np.float32))
    out = optimizer(TrainingConfig(**{"weight_decay": 0, "warmup": 0, **settings}), STEPS)
    out.build([variable])
    return out, variable


def moved(out, variable, gradient):
    before = ops.convert_to_numpy(variable)
    out.apply([ops.convert_to_tensor(np.array(gradient, np.float32))], [variable])
    return ops.convert_to_numpy(variable) - before


@pytest.mark.parametrize(
    ("clipping", "clipped", "expected"),
    [
        ({"global_clipnorm": 1.0}, 1.0, [0.6, 0.8, 0, 0]),
        ({"global_clipnorm": 6.0}, 0.0, [3, 4, 0, 0]),
        ({"global_clipnorm": 0, "clipvalue": 3.5}, 0.25, [3, 3.5, 0, 0]),
        ({"global_clipnorm": 0}, 0.0, [3, 4, 0, 0]),
    ],
)
def test_the_norm_is_that_before_clipping_and_the_update_that_after(clipping, clipped, expected):
    out, variable = made(optimizer="sgd", schedule="constant", learning_rate=0.1, **clipping)
    step = moved(out, variable, [3, 4, 0, 0])
    assert float(out.gradient_norm) == pytest.approx(5)
    assert float(out.clipped) == pytest.approx(clipped)
    np.testing.assert_allclose(step, -0.1 * np.array(expected), rtol=1e-5)


@pytest.mark.parametrize("kind", ["adamw", "sgd", "rmsprop"])
def test_the_learning_rate_rises_and_then_does_as_the_schedule_says(kind):
    for schedule, middle, last in (
        ("cosine", 0.05, 0.0),
        ("constant", 0.1, 0.1),
        ("plateau", 0.1, 0.1),
    ):
        out, variable = made(optimizer=kind, schedule=schedule, learning_rate=0.1, warmup=0.1)
        rates = []
        for _ in range(STEPS):
            rates.append(float(out.learning_rate))
            moved(out, variable, [1, 0, 0, 0])
        assert rates[0] == 0 and rates[5] == pytest.approx(0.05) and rates[10] == pytest.approx(0.1)
        assert rates[55] == pytest.approx(middle, abs=1e-6)
        assert float(out.learning_rate) == pytest.approx(last, abs=1e-7)
        out.factor.assign(0.25)
        assert float(out.learning_rate) == pytest.approx(last / 4, abs=1e-7)


def test_weight_decay_leaves_biases_alone():
    out = optimizer(
        TrainingConfig(weight_decay=0.5, learning_rate=0.1, warmup=0, schedule="constant"), STEPS
    )
    variables = [keras.Variable(np.ones(2, np.float32), name=name) for name in ("kernel", "bias")]
    out.build(variables)
    out.apply([ops.zeros(2), ops.zeros(2)], variables)
    assert ops.convert_to_numpy(variables[0]) == pytest.approx(0.95)
    assert ops.convert_to_numpy(variables[1]) == pytest.approx(1.0)


def report(epoch, validation):
    return EpochReport(epoch, 1.0, validation, 0.1, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0)


def test_each_two_epochs_without_improvement_are_a_plateau():
    curve = [3.0, 2.0, 2.1, 2.2, 1.9, 1.9, 1.9, 2.0, 2.0, 1.0]
    counts = [
        plateaus([report(i, v) for i, v in enumerate(curve[:n])]) for n in range(len(curve) + 1)
    ]
    assert counts == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3]


def test_a_loss_that_runs_away_is_noticed_and_one_that_only_jumps_is_not():
    watch = Watch()
    for step in range(50):
        watch.look(1, step, 5.0 - 0.08 * step, [1.0])
    watch.look(1, 51, 8.0, [1.0])
    with pytest.raises(
        Diverged, match=r"had come down to 1\.\d+ nats per token and is 9 in epoch 2, step"
    ):
        for step in range(100):
            watch.look(2, step, 9.0, [0.5, 1e3])


@pytest.mark.parametrize(
    ("nats", "norm"), [(float("nan"), 1.0), (1.0, float("inf")), (1.0, float("nan"))]
)
def test_a_loss_that_is_not_finite_stops_at_once_and_the_norms_before_are_reported(nats, norm):
    with pytest.raises(
        Diverged, match=r"in epoch 3, step 7\. The gradient norms .*: 0\.5, 12\.2, (inf|nan|1)"
    ):
        Watch().look(3, 7, nats, [0.5, 12.2, norm])


def test_label_smoothing_is_the_cross_entropy_with_a_smoothed_target():
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(2, 3, 5)).astype(np.float32), rng.integers(0, 5, (2, 3))
    weight = np.array([[1, 1, 1], [1, 0, 0]], np.float32)
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    for share in (0.0, 0.1):
        wanted = (1 - share) * np.eye(5)[target] + share / 5
        expected = ((-wanted * logp).sum(-1) * weight).sum() / weight.sum()
        assert float(losses.loss(share)(target, logits, sample_weight=weight)) == pytest.approx(
            expected, rel=1e-5
        )


def test_an_impossible_size_is_refused_before_it_is_allocated():
    config, small = TrainingConfig(), ModelConfig(500, cell="lstm", layers=2, units=256)
    assert 0 < check(small, config, available()) == memory(small, config)
    huge = ModelConfig(500, cell="lstm", layers=8, units=4096)
    with pytest.raises(
        TrainingError, match=r"memory of 8\.0 GiB\. Received: 1,\d+,\d+,\d+ weights.*Lower --units"
    ):
        check(huge, config, 8 * 2**30)
    assert check(huge, config, 0) > 16 * 2**30  # nobody knows how much there is


def test_what_keeps_cudnn_away_is_named():
    assert without_cudnn(ModelConfig(9, cell="lstm"), "jax") is None
    assert without_cudnn(ModelConfig(9, cell="gru"), "torch") is None
    assert "GRU on JAX" in without_cudnn(ModelConfig(9, cell="gru"), "jax")
    assert "simple RNN" in without_cudnn(ModelConfig(9, cell="rnn"), "tensorflow")


def test_precision_is_mixed_on_a_gpu_if_not_said_otherwise(monkeypatch):
    assert policy(TrainingConfig()) == "float32"
    monkeypatch.setattr("musegen.training.devices.gpus", lambda: ["gpu:0"])
    assert policy(TrainingConfig()) == "mixed_bfloat16"
    assert policy(TrainingConfig(precision="float32")) == "float32"


def test_nats_are_a_mean_over_tokens_of_all_batches():
    rng = np.random.default_rng(0)
    metric, nats, tokens = losses.Nats(), 0.0, 0.0
    for length in (3, 40):
        logits, target = (
            rng.normal(size=(2, length, 5)).astype(np.float32),
            rng.integers(0, 5, (2, length)),
        )
        weight = (rng.random((2, length)) < 0.6).astype(np.float32)
        logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        nats -= (np.take_along_axis(logp, target[:, :, None], 2)[:, :, 0] * weight).sum()
        tokens += weight.sum()
        metric.update_state(target, logits, weight)
    assert float(metric.result()) == pytest.approx(nats / tokens, rel=1e-5)
    assert float(metric.tokens) == tokens


def test_an_embedding_that_was_looked_up_twice_has_one_gradient():
    tokens = keras.Input((2,), dtype="int32")
    model = keras.Model(
        tokens, keras.layers.Embedding(2, 1, embeddings_initializer="zeros")(tokens)
    )
    out = optimizer(
        TrainingConfig(
            optimizer="sgd", learning_rate=1, warmup=0, schedule="constant", weight_decay=0
        ),
        9,
    )
    out.build(model.trainable_variables)
    # 3 a + 4 b, whose gradient is 3 for the first token and 4 for the second.
    model.compile(
        out,
        loss=lambda y_true, y_pred: ops.sum(y_true * ops.reshape(y_pred, (1, 2)), axis=1),
        jit_compile=False,
    )
    model.fit(np.array([[0, 0]]), np.array([[3.0, 4.0]], np.float32), verbose=0)
    assert float(out.gradient_norm) == pytest.approx(7)  # of the two rows apart it would be 5
    assert ops.convert_to_numpy(model.trainable_variables[0]) == pytest.approx(
        np.array([[-1], [0]])
    )
