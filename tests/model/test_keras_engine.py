"""The Keras engine computes what the NumPy engine does; a piece does not depend on its batch."""

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import ModelConfig, load
from musegen.config import EncoderConfig
from musegen.encoding.context import View
from musegen.encoding.vocabulary import Vocabulary
from musegen.errors import CheckpointError, ConfigError
from musegen.generation.request import Request
from musegen.model.checkpoint import WEIGHTS, Checkpoint, save
from musegen.model.engine import Engine
from musegen.model.interface import rows_of
from musegen.model.keras_engine import KerasEngine
from musegen.model.network import build
from musegen.score import Score, Track
from tests.helpers import ALL, OPTIONS, ROOT, make_checkpoint, randomised, stepped

OTHERS = [name for name in ("jax", "torch") if find_spec(name)]
CELLS = ("lstm", "gru", "rnn")
LINE = EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0)
WIDTH = 4
CASES = {
    f"{cell}-{name}": (cell, options)
    for cell in CELLS
    for name, options in (("none", {}), ("all", ALL))
}

# One process does all cases: most of its time is the import of Keras.
PROCESS = """
import sys
from pathlib import Path
import numpy as np
from tests.model.test_keras_engine import CASES, checkpoint_in, composer_of, everything, written

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name in CASES:
        np.savez(folder / f"{name}.npz", *everything(checkpoint_in(folder / name, name)))
    composer = composer_of(folder / "tune")
    np.savez(folder / "alone.npz", *written(composer, [3]))
    np.savez(folder / "batched.npz", *written(composer, range(5)))
"""


def config_of(cell, options):
    return ModelConfig(40, cell=cell, units=24, embedding=12, dropout=0.3, **options)


def saved(folder, config):
    """A checkpoint with weights at random."""
    folder.mkdir(parents=True, exist_ok=True)
    randomised(build(config)).save_weights(folder / WEIGHTS)
    return Checkpoint(folder, EncoderConfig(), config)


def checkpoint_in(folder, name):
    return Checkpoint(folder, EncoderConfig(), config_of(*CASES[name]))


def random_inputs(config, rows, length):
    rng = np.random.default_rng(3)
    tokens = rng.integers(0, config.vocabulary_size, (rows, length)).astype(np.int32)
    if not config.context:
        return tokens, None
    columns = View.of(config).sizes
    return tokens, rng.integers(0, columns, (rows, length, len(columns))).astype(np.uint16)


def everything(checkpoint, engine=None):
    """Logits and last states: of whole sequences, and of single steps of the full width."""
    engine = engine or KerasEngine(checkpoint, WIDTH)
    at_once, last = engine.forward(*_with_state(engine, checkpoint.model, 3, 19))
    tokens, context = random_inputs(checkpoint.model, WIDTH, 6)
    one_by_one, state = stepped(engine, tokens, context)
    return at_once, *last, one_by_one, *engine.rows([state], [2, 0])


def _with_state(engine, config, rows, length):
    tokens, context = random_inputs(config, rows, length)
    return tokens, engine.initial_state(rows), context


def assert_the_same_as_numpy(checkpoint, found):
    expected = everything(checkpoint, Engine(checkpoint.model, checkpoint.weights()))
    assert np.abs(expected[0]).max() > 0.3
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def tune(folder):
    """A small untrained checkpoint that sees a context."""
    model = ModelConfig(
        len(Vocabulary(LINE)),
        cell="gru",
        units=16,
        embedding=8,
        layer_norm=True,
        context=1,
        lookback=True,
    )
    saved(folder, model)
    made = Checkpoint(folder, LINE, model, (Track("Whistle", 78),))
    save(made, folder / WEIGHTS)
    return made


def composer_of(folder):
    """A composer whose steps are computed by Keras, for fewer rows than there will be pieces."""
    composer = load(folder)
    composer.engine = KerasEngine(composer.checkpoint, WIDTH)
    return composer


def composed(composer, seeds):
    """New pieces that were written side by side, by seed."""
    made = dict(
        composer.compositions([Request.of(None, {"bars": 3, "seed": seed}) for seed in seeds])
    )
    return [made[index] for index in range(len(seeds))]


def written(composer, seeds):
    """Notes and nats of such pieces."""
    return [
        part for made in composed(composer, seeds) for part in (made.added, np.array(made.nats))
    ]


@pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda o: "-".join(k for k, v in o.items() if v) or "none"
)
@pytest.mark.parametrize("cell", CELLS)
def test_steps_are_the_numpy_engines_with_any_options(tmp_path, cell, options):
    checkpoint = saved(tmp_path, config_of(cell, options))
    tokens, context = random_inputs(checkpoint.model, WIDTH, 5)
    found, state = stepped(KerasEngine(checkpoint, WIDTH), tokens, context)
    expected, theirs = stepped(Engine(checkpoint.model, checkpoint.weights()), tokens, context)
    assert np.abs(expected).max() > 0.3
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for mine, layer in zip(state, theirs, strict=True):
        np.testing.assert_allclose(mine, layer, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_sequences_steps_and_states_are_the_numpy_engines(tmp_path, name):
    checkpoint = saved(tmp_path, config_of(*CASES[name]))
    assert_the_same_as_numpy(checkpoint, everything(checkpoint))


def test_a_long_sequence_is_processed_in_stretches_that_carry_the_state(tmp_path):
    checkpoint = saved(tmp_path, config_of("lstm", ALL))
    engine, numpy = KerasEngine(checkpoint, WIDTH), Engine(checkpoint.model, checkpoint.weights())
    tokens, context = random_inputs(checkpoint.model, 2, 75)  # 64 + 8 + 3
    first, state = engine.forward(tokens[:, :70], engine.initial_state(2), context[:, :70])
    second, last = engine.forward(tokens[:, 70:], state, context[:, 70:])
    expected, theirs = numpy.forward(tokens, numpy.initial_state(2), context)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), expected, atol=1e-5)
    for mine, layer in zip(last, theirs, strict=True):
        np.testing.assert_allclose(mine, layer, atol=1e-5)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """What other backends made of the same weights: backend → folder."""
    root = tmp_path_factory.mktemp("engines")
    for backend in OTHERS:
        for name, case in CASES.items():
            saved(root / backend / name, config_of(*case))
        tune(root / backend / "tune")
        env = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "JAX_PLATFORMS": "cpu",
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        argv = [sys.executable, "-c", PROCESS, str(root / backend)]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{backend}: {done.stderr}"
    return root


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("backend", OTHERS)
def test_every_backend_computes_the_same(others, backend, name):
    with np.load(others / backend / f"{name}.npz") as found:
        assert_the_same_as_numpy(checkpoint_in(others / backend / name, name), list(found.values()))


@pytest.mark.parametrize("backend", OTHERS)
def test_every_backend_writes_the_same_piece_alone_and_in_a_batch(others, backend):
    with (
        np.load(others / backend / "alone.npz") as alone,
        np.load(others / backend / "batched.npz") as batched,
    ):
        for index, mine in enumerate(alone.values()):
            np.testing.assert_array_equal(mine, batched[f"arr_{2 * 3 + index}"])
        assert len({batched[f"arr_{2 * seed}"].tobytes() for seed in range(5)}) == 5


def test_a_piece_is_the_same_alone_and_among_more_than_fit_in_a_batch(tmp_path):
    tune(tmp_path)
    composer = composer_of(tmp_path)
    alone = [composed(composer, [seed])[0] for seed in range(6)]
    for others in ([5, 4, 3, 2, 1, 0], [2, 0, 3, 1, 5, 4]):
        batched = composed(composer, others)
        for seed, other in zip(others, batched, strict=True):
            np.testing.assert_array_equal(alone[seed].added, other.added)
            assert alone[seed].nats == other.nats
    assert len({one.added.tobytes() for one in alone}) == 6


def test_a_primer_is_read_and_continued(tmp_path):
    tune(tmp_path)
    primer = Score(
        notes=[(480 * k, 480, 60 + k % 5, 80, 0) for k in range(16)], tracks=[Track("Whistle", 78)]
    )
    numpy, keras_ = load(tmp_path), composer_of(tmp_path)
    assert keras_.nats_per_note(primer) == pytest.approx(numpy.nats_per_note(primer), abs=1e-5)
    made, again = (keras_.composition(primer, bars=2, seed=1) for _ in range(2))
    before = made.score.notes[made.score.notes["onset"] < made.start]
    np.testing.assert_array_equal(before["pitch"], primer.notes["pitch"])
    assert len(made.added)
    np.testing.assert_array_equal(made.added, again.added)


@pytest.mark.parametrize("encoding", ["metric", "performance"])
def test_what_is_written_is_sound(tmp_path, encoding):
    make_checkpoint(
        tmp_path, LINE if encoding == "metric" else EncoderConfig(encoding="performance")
    )
    for made in composed(composer_of(tmp_path), range(5)):
        assert len(made.added)
        assert (
            (made.added["pitch"] >= 0) & (made.added["pitch"] < 128) & (made.added["duration"] > 0)
        ).all()
        ends = made.added["onset"].astype(np.int64) + made.added["duration"]
        assert ends.max() <= made.score.end
        for pitch in np.unique(made.added["pitch"]):
            mine = made.added["pitch"] == pitch
            assert (made.added["onset"][mine][1:] >= ends[mine][:-1]).all()


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """A network with states of a common width, at 64 rows."""
    config = ModelConfig(50, cell="lstm", units=128, embedding=16)
    return KerasEngine(saved(tmp_path_factory.mktemp("engine"), config), 64)


def test_a_row_is_rounded_in_the_same_way_wherever_it_stands(engine):
    rng = np.random.default_rng(4)
    state = tuple(rng.standard_normal((2, 64, 128), np.float32) for _ in range(2))
    tokens = rng.integers(0, 50, 64).astype(np.int32)
    logits, after = engine.step(tokens, state)
    order = rng.permutation(64)
    moved, elsewhere = engine.step(tokens[order], engine.rows([state], order.tolist()))
    np.testing.assert_array_equal(moved, logits[order])
    twice, _ = engine.step(tokens[order], elsewhere)
    expected, _ = engine.step(tokens, after)
    np.testing.assert_array_equal(twice, expected[order])


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_rows_of_states_here_and_there_are_numpys(engine, data):
    count = data.draw(st.integers(0, 3))
    chosen = data.draw(st.lists(st.integers(0, 63 + count), min_size=64, max_size=64))
    rng = np.random.default_rng(5)
    states = [
        tuple(rng.standard_normal((2, rows, 128), np.float32) for _ in range(2))
        for rows in [64] + [1] * count
    ]
    there = engine.rows(states[:1], range(64))
    expected = rows_of(states, chosen)
    for first in (there, states[0]):
        found = engine.rows([first, *states[1:]], chosen)
        for mine, layer in zip(found, expected, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(mine), layer)
    (kept, _) = engine.rows([there], chosen[:1]) if chosen[0] < 64 else (expected[0][:, :1], None)
    assert isinstance(kept, np.ndarray)
    np.testing.assert_array_equal(kept, expected[0][:, :1])


def test_a_step_leaves_the_state_it_was_given_alone(engine):
    _, state = engine.step(np.arange(64, dtype=np.int32) % 50, engine.initial_state(64))
    first, _ = engine.step(np.full(64, 2, np.int32), state)
    second, _ = engine.step(np.full(64, 2, np.int32), state)
    assert np.abs(first).max() > 0.3
    np.testing.assert_array_equal(first, second)


def test_it_says_what_it_cannot_do(tmp_path, engine, monkeypatch):
    plain = saved(tmp_path / "plain", config_of("gru", {}))
    with pytest.raises(ConfigError, match=r"width must be at least 1\. Received: 0"):
        KerasEngine(plain, 0)
    wider = Checkpoint(plain.path, EncoderConfig(), config_of("gru", {"context": 1}))
    with pytest.raises(CheckpointError, match="do not fit"):
        KerasEngine(wider)
    filling = Checkpoint(plain.path, EncoderConfig(), config_of("gru", {"future": 8}))
    with pytest.raises(CheckpointError, match=r"fills gaps. Use `--engine numpy`"):
        KerasEngine(filling)
    with pytest.raises(ValueError, match="if and only if"):
        engine.step(np.zeros(64, np.int32), engine.initial_state(64), np.zeros((64, 11), np.uint8))
    with pytest.raises(ValueError, match="given `left`"):
        engine.step(np.zeros(1, np.int32), engine.initial_state(), left=np.zeros(1, np.int32))
    monkeypatch.setattr(keras.backend, "backend", lambda: "abacus")
    with pytest.raises(ConfigError, match=r"\['jax', 'tensorflow', 'torch'\]\. Received: abacus"):
        KerasEngine(plain)
