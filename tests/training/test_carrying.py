"""Carrying the state from window to window learns what lies further back than a window reaches."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from musegen import EncoderConfig, ModelConfig, TrainingConfig
from musegen.training.carrying import Carried
from musegen.training.feeding import WholePieces, Windows
from musegen.training.fitting import fit
from musegen.training.networks import networks

START, END, WAIT, ASK, KEYS = 0, 1, 2, 3, (4, 5, 6)
ENCODER = SimpleNamespace(
    config=EncoderConfig(), vocabulary=SimpleNamespace(first={"start": START})
)
WINDOW, LONGEST = 6, 10


class Recall:
    """Pieces in which a key is given, steps pass, and the key has to be named, six times over."""

    def __init__(self, count, seed):
        rng = np.random.default_rng(seed)
        self.pieces, self.far = [], []
        for _ in range(count):
            piece, far = [START], []
            for _ in range(6):
                key, gap = rng.choice(KEYS), int(rng.integers(1, LONGEST + 1))
                piece += [key, *[WAIT] * gap, ASK, key]
                if gap >= WINDOW:  # no window holds both the key and its return
                    far.append(len(piece) - 1)
            self.pieces.append(np.array([*piece, END], np.int32))
            self.far.append(far)
        self.lengths = np.array([len(piece) for piece in self.pieces])

    def __len__(self):
        return len(self.pieces)

    def tokens(self, index):
        return self.pieces[index]

    def nats_of_far_keys(self, model):
        """Return the mean nats of keys that were given longer ago than a window is long."""
        tokens = np.full((len(self), self.lengths.max()), WAIT, np.int32)
        for row, piece in zip(tokens, self.pieces, strict=True):
            row[: len(piece)] = piece
        logits = keras.ops.convert_to_numpy(model(tokens[:, :-1]))
        logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        row, at = np.array([(row, at) for row, far in enumerate(self.far) for at in far]).T
        return float(-logp[row, at - 1, tokens[row, at]].mean())


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The same network trained equally long with carried state and with windows alone."""
    train, validation = Recall(400, 0), Recall(40, 1)
    config = ModelConfig(len(KEYS) + 4, cell="gru", layers=1, units=32, embedding=8)
    out = {}
    for tbptt in (True, False):
        settings = TrainingConfig(
            sequence_length=WINDOW,
            batch_size=16,
            epochs=5,
            learning_rate=0.02,
            tbptt=tbptt,
            weight_decay=0,
            patience=9,
        )
        windows = Windows(train, ENCODER, config, settings)
        model, plain = networks(ENCODER, config, settings, windows.rows, None)
        fit(
            model,
            plain,
            windows,
            WholePieces(validation, ENCODER, config, 4096),
            settings,
            tmp_path_factory.mktemp("run"),
        )
        out[tbptt] = plain
    return out, validation


def test_carried_state_learns_what_windows_alone_cannot(models):
    trained, validation = models
    chance = np.log(len(KEYS))
    assert validation.nats_of_far_keys(trained[False]) > 0.8 * chance
    assert validation.nats_of_far_keys(trained[True]) < 0.2 * chance


@pytest.mark.parametrize("cell", [keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN])
def test_windows_carried_are_one_long_window_and_a_start_forgets(cell):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 12, 3)).astype(np.float32)
    tokens = np.full((2, 12), WAIT, np.int32)
    tokens[1, 8] = START  # the second row goes on to another piece
    layer = cell(5, return_sequences=True)
    carried = Carried(layer, 2, START)
    found = np.concatenate(
        [carried(x[:, at : at + 4], tokens[:, at : at + 4], training=True) for at in (0, 4, 8)], 1
    )
    np.testing.assert_allclose(found[0], layer(x)[0][0], atol=1e-6)
    np.testing.assert_allclose(found[1, :8], layer(x[:, :8])[0][1], atol=1e-6)
    np.testing.assert_allclose(found[1, 8:], layer(x[:, 8:])[0][1], atol=1e-6)
    memory = [np.array(state) for state in carried.memory]
    np.testing.assert_allclose(
        carried(x, tokens)[0], layer(x)[0][0], atol=1e-6
    )  # validation: from zeros
    assert all(np.array_equal(a, b) for a, b in zip(memory, carried.memory, strict=True))
