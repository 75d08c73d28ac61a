"""The lesson on gradients reports its runs, and its tasks and measurements are what it says."""

import importlib.util
import json
import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from musegen import EncoderConfig, ModelConfig, TrainingConfig
from musegen.model.network import build
from tests.helpers import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def lesson():
    spec = importlib.util.spec_from_file_location("gradients_lesson", DOCS / "_gradients_lesson.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(lesson):
    return lesson.PAGE.read_text()


def test_the_page_quotes_the_results(lesson, page):
    words = " ".join(page.split())
    missing = [
        quote
        for quote in lesson.quoted(json.loads(lesson.RESULTS.read_text())["runs"])
        if quote not in words
    ]
    assert not missing


def test_the_page_shows_every_picture_and_they_are_small(lesson, page):
    shown = set(re.findall(r"\(gradients/(\w+)\.svg\)", page))
    assert shown == set(lesson.PICTURES)
    assert all((lesson.HERE / f"{name}.svg").stat().st_size < 150_000 for name in shown)


def test_the_runs_in_the_results_are_those_of_the_script(lesson):
    assert set(json.loads(lesson.RESULTS.read_text())["runs"]) == set(lesson.jobs(""))


def test_recall_asks_for_the_symbol_after_the_delay(lesson):
    tokens, targets, weights = lesson.recall(np.random.default_rng(0), 50, 7)
    assert tokens.shape == targets.shape == weights.shape == (50, 8)
    assert set(tokens[:, 0]) <= set(lesson.SYMBOLS)
    assert np.isin(tokens[:, 1:-1], lesson.NOISE).all()
    assert (tokens[:, -1] == lesson.CUE).all()
    assert (targets[:, -1] == tokens[:, 0]).all()
    assert weights[:, -1].all() and not weights[:, :-1].any()


def test_batches_depend_on_their_place_alone(lesson):
    one, other = lesson.Fresh(5, 4, 3, seed=1), lesson.Fresh(5, 4, 3, seed=1)
    other.lay_out(0, 2)
    assert len(other) == 1
    assert np.array_equal(one[2][0], other[0][0])
    assert not np.array_equal(one[0][0], one[1][0])


def test_a_story_asks_for_its_symbol_after_each_gap(lesson):
    told = lesson.story(np.random.default_rng(0), [4, 9])
    cues = np.flatnonzero(told == lesson.CUE)
    assert told[0] == lesson.START
    assert cues.tolist() == [5, 15]  # the symbol is at 1, and again after each cue
    assert (told[cues + 1] == told[1]).all()


@pytest.mark.parametrize("carried", [False, True])
def test_only_answers_count_in_the_windows_of_stories(lesson, carried):
    config = TrainingConfig(sequence_length=16, batch_size=4, tbptt=carried)
    stories = lesson.Stories([4, 8], 6, 20, seed=0)
    windows = lesson.Asked(
        stories,
        SimpleNamespace(config=EncoderConfig(), vocabulary=None),
        ModelConfig(lesson.VOCABULARY),
        config,
    )
    tokens, targets, weights = windows[0]
    assert tokens.shape == (4, 16)
    assert weights.sum() == (tokens == lesson.CUE).sum() > 0
    assert np.isin(targets[weights > 0], lesson.SYMBOLS).all()


def test_the_jacobians_are_the_formula_and_their_product_is_the_gradient(lesson):
    keras.utils.set_random_seed(0)
    model = build(ModelConfig(lesson.VOCABULARY, cell="rnn", layers=1, units=5, embedding=3))
    tokens = np.array([3, 1, 4, 1, 5, 9, 2, 6])
    found = lesson.jacobians(model, tokens)
    layer = model.get_layer("recurrent_0")
    kernel, recurrent, bias = (np.asarray(w, np.float64) for w in layer.get_weights())
    inputs = np.asarray(model.get_layer("embedding")(tokens), np.float64)
    h, states = np.zeros(5), []
    for t, x in enumerate(inputs):
        states.append(h := np.tanh(x @ kernel + h @ recurrent + bias))
        np.testing.assert_allclose(found[t], np.diag(1 - h**2) @ recurrent.T, atol=1e-6)
    start = tf.Variable(
        states[2][None].astype(np.float32)
    )  # by back-propagation, from the third state to the last
    with tf.GradientTape(persistent=True) as tape:
        last = layer(tf.constant(inputs[None, 3:], tf.float32), initial_state=start)[:, -1]
    product = np.linalg.multi_dot(found[:2:-1])
    np.testing.assert_allclose(
        tape.jacobian(last, start, experimental_use_pfor=False)[0, :, 0], product, atol=1e-5
    )
    assert lesson.reach(found)[5] == pytest.approx(np.linalg.norm(product) / np.sqrt(5))


def test_clipping_by_value_turns_a_gradient_and_clipping_by_norm_does_not(lesson):
    assert lesson.turned(np.array([3.0, 4.0]), 3.0) == {
        "cosine": pytest.approx(0.9899, abs=1e-4),
        "cut": 0.5,
    }
    assert lesson.turned(np.array([3.0, 4.0]), 5.0) == {"cosine": 1.0, "cut": 0.0}


def test_the_loss_of_a_step_is_taken_out_of_the_means_of_its_epoch(lesson):
    def report(epoch, step, mean):
        return SimpleNamespace(epoch=epoch, step=step, train_nats=mean, gradient_norm=0.5)

    steps = [report(1, 1, 4.0), report(1, 2, 3.0), report(2, 1, 1.5), report(2, 2, 1.25)]
    assert lesson.curves(steps)["loss"] == [4.0, 2.0, 1.5, 1.0]


def test_the_cells_that_are_compared_are_of_about_the_same_size(lesson):
    from musegen.encoding.encoder import Encoder
    from musegen.model.network import parameters

    for units, vocabulary, width in (
        (lesson.UNITS, lesson.VOCABULARY, 16),
        (lesson.ON_MUSIC, len(Encoder(lesson.ENCODING).vocabulary), 32),
    ):
        sizes = [
            parameters(ModelConfig(vocabulary, cell=c, layers=1, units=u, embedding=width))
            for c, u in units.items()
        ]
        assert max(sizes) < 1.15 * min(sizes)
