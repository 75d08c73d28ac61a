"""Several processes or devices train the weights of one; a run that lost one can be resumed."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from musegen import Encoder, EncoderConfig, ModelConfig, Score, Track, TrainingConfig, TrainingError
from musegen.model import checkpoint
from musegen.training.distributed import ALONE, Group, join
from tests.helpers import ROOT

pytest.importorskip("jax")

ENCODER = Encoder(
    EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0, steps_per_quarter=4)
)
MODEL = ModelConfig(
    len(ENCODER.vocabulary), cell="gru", layers=1, units=16, embedding=16, dropout=0.2
)
CONFIG = TrainingConfig(
    sequence_length=16,
    batch_size=4,
    epochs=2,
    tbptt=True,
    ema=0.5,
    seed=1,
    optimizer="sgd",
    learning_rate=0.1,
)

# What each process of a run does. A process that is to die does so in the second epoch, after its
# second step.
PROCESS = """
import os, sys
from pathlib import Path
from musegen import MusegenError
from musegen.training.distributed import join
from musegen.training.train import train
from tests.training.test_distributed import CONFIG, ENCODER, MODEL

tunes, output, coordinator, processes, process, dies, resume = sys.argv[1:]

def on_step(report):
    if dies == "dies" and (report.epoch, report.step) == (2, 2):
        os.kill(os.getpid(), 9)

if __name__ == "__main__":
    try:
        group = join(*([coordinator, int(processes), int(process), 60] if coordinator else []))
        print(group)
        train([Path(tunes)], Path(output), ENCODER, MODEL, CONFIG, group=group,
              resume=bool(resume), save_seconds=0, on_step=on_step, on_epoch=print)
    except MusegenError as error:
        sys.exit(f"Error: {error}")
"""


@pytest.fixture(scope="module")
def tunes(tmp_path_factory):
    out = tmp_path_factory.mktemp("tunes")
    for seed in range(12):
        pitches = 60 + np.cumsum(np.random.default_rng(seed).choice([-2, -1, 1, 2], 24)) % 12
        notes = [(240 * k, 240, int(p), 80, 0) for k, p in enumerate(pitches)]
        Score(notes=notes, tracks=[Track("Whistle", 78)]).save(out / f"{seed:02}.mid")
    return out


def start(tunes, output, coordinator="", processes=1, process=0, dies="", resume="", devices=1):
    """Start a process of a run; its output goes to a file, for a full pipe would stop it."""
    env = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONPATH": str(ROOT),
    }
    argv = [
        sys.executable,
        "-c",
        PROCESS,
        tunes,
        output,
        coordinator,
        processes,
        process,
        dies,
        resume,
    ]
    with Path(f"{output}.{process}{resume}.log").open("w") as log:
        return subprocess.Popen(list(map(str, argv)), env=env, stdout=log, stderr=log)


def start_pair(tunes, output, dies=None, resume=""):
    with (
        socket.socket() as free
    ):  # the system hands out a port that is not in use, and not soon again
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    return [
        start(tunes, output, coordinator, 2, process, "dies" if process == dies else "", resume)
        for process in (0, 1)
    ]


def ended(processes, seconds):
    """Wait for all of them, and return their exit codes; none outlives the test."""
    try:
        return [process.wait(seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()


def said(output, process=0, resume=""):
    return Path(f"{output}.{process}{resume}.log").read_text()


def assert_same_weights(one, other, atol):
    there = checkpoint.load(other).weights()
    for name, arrays in checkpoint.load(one).weights().items():
        for a, b in zip(arrays, there[name], strict=True):
            np.testing.assert_allclose(a, b, atol=atol, err_msg=name)


@pytest.fixture(scope="module")
def pair(tunes, tmp_path_factory):
    """What two processes trained, and one with the whole batch, at the same time."""
    root = tmp_path_factory.mktemp("runs")
    running = [*start_pair(tunes, root / "pair"), start(tunes, root / "one")]
    codes = ended(running, 240)
    assert codes == [0, 0, 0], said(root / "pair") + said(root / "pair", 1) + said(root / "one")
    return root


def test_two_processes_train_the_weights_of_one_with_the_whole_batch(pair):
    assert "Group(index=1, processes=2, devices=2)" in said(pair / "pair", 1)
    # Dropout, state from window to window and averages included. Sums are rounded in another order;
    # no more.
    assert_same_weights(pair / "one", pair / "pair", atol=1e-5)
    assert not (pair / "pair" / ".training").exists()


@pytest.mark.slow
def test_two_devices_train_the_weights_of_one(tunes, pair):
    assert ended([start(tunes, pair / "devices", devices=2)], 240) == [0], said(pair / "devices")
    assert "Group(index=0, processes=1, devices=2)" in said(pair / "devices")
    assert_same_weights(pair / "one", pair / "devices", atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_process_ends_the_run_which_can_be_resumed(tunes, pair, lost):
    output = pair / f"lost-{lost}"
    running = start_pair(tunes, output, dies=lost)
    assert running[lost].wait(240) == -9
    assert ended([running[1 - lost]], 30) == [1]
    message = said(output, 1 - lost)
    assert message.splitlines()[-1].startswith("Error: lost touch with the other processes")
    assert "--resume" in message and "Traceback" not in message
    assert ended(start_pair(tunes, output, resume="resume"), 240) == [0, 0], said(
        output, 0, "resume"
    )
    assert_same_weights(pair / "pair", output, atol=1e-6)


def test_what_cannot_be_dealt_out_is_refused():
    ALONE.check(CONFIG)
    with pytest.raises(
        TrainingError,
        match=r"multiple of the number of devices, 3. Received: 4. Try --batch-size 6",
    ):
        Group(processes=3, devices=3).check(CONFIG)


def test_other_backends_are_refused():
    import keras

    if keras.backend.backend() == "jax":
        pytest.skip("this is JAX")
    with pytest.raises(TrainingError, match="KERAS_BACKEND=jax"):
        join()
