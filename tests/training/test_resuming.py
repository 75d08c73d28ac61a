"""A run that is killed at any instant and resumed ends with the same weights, to the bit."""

import hashlib
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import keras
import numpy as np
import pytest

from musegen import Encoder, EncoderConfig, ModelConfig, Score, Track, TrainingConfig, TrainingError
from musegen.training.resuming import restore, snapshot
from musegen.training.train import train

ENCODER = Encoder(
    EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0, steps_per_quarter=4)
)

# All that has a state: dropout, moments, averages, carried memory, order and transposition of the
# data, the log.
RUN = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from musegen import Encoder, EncoderConfig, ModelConfig, TrainingConfig
    from musegen.training.train import train

    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    settings, resume = eval(sys.argv[3]), sys.argv[4] == "True"
    encoder = Encoder(
        EncoderConfig(
            parts=1, programs=False, drums=False, velocities=0, tempos=0, steps_per_quarter=4
        )
    )
    model = ModelConfig(
        len(encoder.vocabulary), cell="gru", layers=2, units=24, embedding=16, dropout=0.2
    )
    config = TrainingConfig(
        batch_size=4,
        sequence_length=32,
        epochs=8,
        seed=3,
        transpose=4,
        learning_rate=0.01,
        **settings,
    )
    train([folder], output, encoder, model, config, resume=resume, save_seconds=0.02,
          on_step=lambda report: print("step", flush=True))
    """
)
SETTINGS = {
    "plain": {"warmup": 0.1},
    "all": {"tbptt": True, "ema": 0.9, "schedule": "plateau", "optimizer": "rmsprop"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tunes that walk up and down a scale."""
    out = tmp_path_factory.mktemp("tunes")
    scale = np.array([60, 62, 64, 65, 67, 69, 71, 72])
    for i in range(24):
        walk = np.cumsum(np.random.default_rng(i).choice([-1, 1], 48))
        notes = [(240 * k, 240, int(p), 80, 0) for k, p in enumerate(scale[np.abs(walk) % 8])]
        Score(notes=notes, tracks=[Track("Whistle", 78)]).save(out / f"{i:02}.mid")
    return out


def start(folder, output, settings, resume):
    command = [sys.executable, "-c", RUN, str(folder), str(output), repr(settings), str(resume)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def digest(output):
    return {
        name: hashlib.sha256((output / name).read_bytes()).hexdigest()
        for name in ("model.weights.h5",)
    }


def killed_until_done(folder, output, settings, kills, rng):
    """Kill the run some time after each start, then let it finish; return how many kills hit it."""
    hits = 0
    for number in range(kills):
        process = start(folder, output, settings, resume=number > 0)
        if rng.random() < 0.5:  # somewhere in the training, before or while it is saved
            for _ in range(int(rng.integers(1, 12))):
                process.stdout.readline()
            time.sleep(rng.uniform(0, 0.05))
        else:  # anywhere: while TensorFlow is imported, files are encoded, the model is built, …
            time.sleep(rng.uniform(0.3, 12))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hits += process.returncode == -signal.SIGKILL
        if not (output / ".training").exists():  # done, or not yet begun
            if (output / "config.json").exists():
                break
            output.mkdir(exist_ok=True)
            (output / ".training").mkdir()
    if not (output / "config.json").exists():
        process = start(folder, output, settings, resume=True)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    return hits


@pytest.mark.parametrize(
    ("settings", "kills"),
    [
        ("all", 2),
        pytest.param("plain", 12, marks=pytest.mark.slow),
        pytest.param("all", 12, marks=pytest.mark.slow),
    ],
)
def test_killed_runs_reach_the_same_weights_to_the_bit(folder, tmp_path, settings, kills):
    whole = start(folder, tmp_path / "whole", SETTINGS[settings], resume=False)
    _, errors = whole.communicate(timeout=300)
    assert whole.returncode == 0, errors
    hits = killed_until_done(
        folder, tmp_path / "killed", SETTINGS[settings], kills, np.random.default_rng(kills)
    )
    assert hits >= min(kills // 2, 3)  # a run may be done before the last
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")
    columns = (
        "epoch",
        "train_nats",
        "validation_nats",
        "learning_rate",
        "gradient_norm_max",
        "clipped",
    )
    rows = [log(tmp_path / name / "training.csv", columns) for name in ("whole", "killed")]
    assert rows[0] == rows[1]
    assert not (tmp_path / "killed" / ".training").exists()


def log(path, columns):
    header, *rows = (line.split(",") for line in path.read_text().splitlines())
    return [[row[header.index(column)] for column in columns] for row in rows]


def test_a_snapshot_is_whole_or_not_there(tmp_path, monkeypatch):
    variables = [
        keras.Variable(np.arange(6, dtype=np.float32)),
        keras.Variable(np.uint32([7, 8]), dtype="uint32"),
    ]
    path = tmp_path / "latest.npz"
    snapshot(path, variables, {"step": 1, "nats": 0.1 + 0.2})

    def interrupted(file, **arrays):
        file.write(b"PK half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", interrupted)
        with pytest.raises(KeyboardInterrupt):
            snapshot(path, variables, {"step": 2})
    for variable in variables:
        variable.assign(0 * variable)
    assert restore(path, variables) == {"step": 1, "nats": 0.1 + 0.2}
    assert keras.ops.convert_to_numpy(variables[0]).tolist() == [0, 1, 2, 3, 4, 5]
    assert keras.ops.convert_to_numpy(variables[1]).tolist() == [7, 8]
    assert [p.name for p in tmp_path.iterdir()] == ["latest.npz"]
    with pytest.raises(TrainingError, match="not of this model"):
        restore(path, variables[:1])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainingError, match="is damaged"):
        restore(path, variables)


def test_a_run_may_be_stopped_while_it_is_saved(folder, tmp_path):
    """The last whole file is resumed, with the settings that the run began with."""

    class Stopped(Exception):
        pass

    def stop(report):
        if (report.epoch, report.step) == (2, 3):
            raise Stopped

    model = ModelConfig(len(ENCODER.vocabulary), layers=1, units=8, embedding=8)
    config = TrainingConfig(batch_size=4, sequence_length=32, epochs=3, seed=3)
    with pytest.raises(Stopped):
        train([folder], tmp_path / "run", ENCODER, model, config, on_step=stop, save_seconds=0)
    steps = []
    with pytest.raises(
        TrainingError, match=r"learning_rate was 0.002 and is 0.5.*start over with --force"
    ):
        train(
            [folder],
            tmp_path / "run",
            ENCODER,
            model,
            replace(config, learning_rate=0.5),
            resume=True,
        )
    train([folder], tmp_path / "run", ENCODER, model, config, resume=True, on_step=steps.append)
    assert (steps[0].epoch, steps[0].step) == (
        2,
        3,
    )  # the third step was reported, and not saved yet
    whole, _ = train([folder], tmp_path / "whole", ENCODER, model, config)
    assert digest(tmp_path / "run") == digest(whole.path)
