"""A checkpoint records the likelihood of held-out pieces; other data than a recipe's warn."""

import warnings

import numpy as np
import pytest

from musegen import Encoder, EncoderConfig, ModelConfig, Score, Track, TrainingConfig, load
from musegen.model import likelihood
from musegen.training import provenance
from musegen.training.train import train

ENCODER = Encoder(
    EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0, steps_per_quarter=4)
)
MODEL = ModelConfig(len(ENCODER.vocabulary), cell="gru", layers=1, units=8, embedding=8)
CONFIG = TrainingConfig(sequence_length=32, batch_size=4, epochs=1, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight tunes at random."""
    out = tmp_path_factory.mktemp("tunes")
    for seed in range(8):
        pitches = np.random.default_rng(seed).integers(60, 72, 24)
        notes = [(240 * k, 240, int(p), 80, 0) for k, p in enumerate(pitches)]
        Score(notes=notes, tracks=[Track("Whistle", 78)]).save(out / f"{seed}.mid")
    return out


def test_the_figures_are_the_likelihoods_of_the_written_model(folder, tmp_path):
    trained = []
    made, data = train(
        [folder], tmp_path / "run", ENCODER, MODEL, CONFIG, on_trained=trained.append
    )
    assert made == load(made.path).checkpoint
    assert [one.path for one in trained] == [made.path]
    assert "nats_per_note" not in trained[0].provenance
    engine, vocabulary = load(made.path).engine, ENCODER.vocabulary
    for part, pieces in (("validation", data.validation), ("test", data.test)):
        tokens = [piece.tokens for piece in pieces]
        expected = likelihood.evaluate(likelihood.model(engine), tokens, vocabulary).per_note
        figures = made.provenance["nats_per_note"][part]
        assert figures["model"] == pytest.approx(expected, abs=1e-4)
        assert set(figures) == {"model", "bigram", "uniform"}


def test_other_data_than_a_recipes_cause_a_warning_and_are_described_once(
    folder, tmp_path, monkeypatch
):
    described = []

    def describe(*arguments):
        described.append(provenance_describe(*arguments))
        return described[-1]

    provenance_describe = provenance.describe
    monkeypatch.setattr(provenance, "describe", describe)
    with pytest.warns(UserWarning, match=r"other pieces.*data of sha256 ab\. Received: \w{64}\."):
        train([folder], tmp_path / "run", ENCODER, MODEL, CONFIG, expected_data="ab")
    assert len(described) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        expected = described[0]["sha256"]
        train([folder], tmp_path / "same", ENCODER, MODEL, CONFIG, expected_data=expected)
