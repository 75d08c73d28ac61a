"""Checkpoints are found, verified, and refused with a reason."""

import json
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from musegen import CheckpointError, EncoderConfig, load
from musegen.model import checkpoint
from musegen.model.network import build


@pytest.fixture
def copy(checkpoints, tmp_path):
    """A checkpoint that a test may damage."""
    return shutil.copytree(checkpoints["line"].path, tmp_path / "mine")


def test_what_is_saved_is_loaded(checkpoints):
    for name, made in checkpoints.items():
        assert checkpoint.load(made.path) == made
        assert made.name == name


def test_weights_are_kept_in_half_precision_unless_they_would_overflow(checkpoints, tmp_path):
    half = replace(checkpoints["line"], path=tmp_path / "half")
    half.path.mkdir()
    network, again = build(half.model), build(half.model)
    bias = network.get_layer("logits").bias
    bias.assign(np.linspace(0, 1e6, bias.shape[0]))
    network.save_weights(tmp_path / "whole.weights.h5")
    checkpoint.save(half, tmp_path / "whole.weights.h5", half=True)
    again.load_weights(half.path / "model.weights.h5")
    found = checkpoint.load(half.path).weights()
    with h5py.File(half.path / "model.weights.h5") as file:
        assert {file[f"layers/{name}/vars/0"].dtype for name in ("embedding", "dense")} == {
            np.dtype(np.float16)
        }
        assert file["layers/dense/vars/1"].dtype == np.float32
    for layer in again.layers:
        for array, there in zip(layer.get_weights(), found.get(layer.name, []), strict=True):
            assert np.array_equal(array, there) and there.dtype == np.float32
    for before, after in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(after, before, rtol=2**-11, atol=1e-7)


def test_a_name_is_looked_up_in_the_folders_of_the_environment_first(copy, monkeypatch):
    monkeypatch.setenv("MUSEGEN_CHECKPOINTS", str(copy.parent))
    assert checkpoint.find("mine") == copy
    assert checkpoint.available()["mine"] == copy


def test_an_unknown_name_lists_those_that_exist(copy, monkeypatch):
    monkeypatch.setenv("MUSEGEN_CHECKPOINTS", str(copy.parent))
    with pytest.raises(CheckpointError, match=r"'mine'.*Received: 'yours'.*musegen train"):
        load("yours")


def test_damaged_weights_are_refused(copy):
    with (copy / "model.weights.h5").open("r+b") as file:
        file.seek(3000)
        file.write(b"\xff\xff\xff\xff")
    with pytest.raises(CheckpointError, match="must have SHA-256"):
        load(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "must have format 1. Received: format 99"),
        ({"vocabulary": "0" * 64}, "another vocabulary"),
        ({"encoder": {"grid": 3}}, "keys of EncoderConfig must be among"),
        (
            {"model": {"vocabulary_size": 10, "cell": "transformer"}},
            "cell must be 'lstm', 'gru' or 'rnn'",
        ),
    ],
)
def test_a_foreign_config_is_refused(copy, change, message):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(CheckpointError, match=message):
        load(copy)


@pytest.mark.parametrize("missing", ["model.weights.h5", "config.json"])
def test_an_incomplete_directory_is_refused(copy, missing):
    (copy / missing).unlink()
    with pytest.raises(CheckpointError):
        load(copy)


def test_a_config_cut_short_is_refused(copy):
    (copy / "config.json").write_text((copy / "config.json").read_text()[:50])
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        load(copy)


def test_weights_outside_the_file_are_refused(tmp_path):
    np.zeros(8, np.float32).tofile(tmp_path / "secret.bin")
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        group = file.create_group("layers/embedding/vars")
        group.attrs["name"] = "embedding"
        group.create_dataset("0", (8,), "f4", external=[(str(tmp_path / "secret.bin"), 0, 32)])
    made = checkpoint.Checkpoint(tmp_path, EncoderConfig(), None)
    with pytest.raises(CheckpointError, match="point outside their file"):
        made.weights()
