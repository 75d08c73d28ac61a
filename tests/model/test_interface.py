"""Every network has one interface, and none of them is built on another."""

import numpy as np
import pytest

from musegen import ModelConfig
from musegen.config import EncoderConfig
from musegen.evaluation.ngram_composer import NGramEngine
from musegen.model.checkpoint import WEIGHTS, Checkpoint
from musegen.model.engine import Engine
from musegen.model.keras_engine import KerasEngine
from musegen.model.network import build
from musegen.model.ngrams import NGrams
from tests.helpers import random_weights

MODEL = ModelConfig(9, layers=1, units=4, embedding=4)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """The three networks; the Keras engine is built where the NumPy engine cannot be."""
    folder = tmp_path_factory.mktemp("network")
    build(MODEL).save_weights(folder / WEIGHTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "__init__", None)
        with_keras = KerasEngine(Checkpoint(folder, EncoderConfig(), MODEL))
    numpy = Engine(MODEL, random_weights(MODEL, np.random.default_rng(0)))
    return [numpy, with_keras, NGramEngine(NGrams([np.arange(9)], 9, 3), 3)]


def test_networks_that_continue_music_step_as_they_process_sequences(networks):
    tokens = np.array([[1, 2, 3], [4, 5, 6]], np.int32)
    for network in networks:
        whole, _ = network.forward(tokens, network.initial_state(2))
        state = network.initial_state(2)
        for at in range(3):
            logits, state = network.step(tokens[:, at], state)
            np.testing.assert_allclose(logits, whole[:, at], atol=1e-5)
        swapped, _ = network.step(tokens[:, 0], network.rows([state], [1, 0]))
        assert swapped.shape == (2, network.config.vocabulary_size) and network.widths


def test_networks_that_continue_music_refuse_a_future(networks):
    for network in networks:
        with pytest.raises(ValueError, match=r"fills gaps was expected.* Received: ModelConfig"):
            network.conditioned_on(np.zeros((1, 8), np.int32))
