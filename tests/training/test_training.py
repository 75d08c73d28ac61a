"""Training learns, clips, stops, resumes, and writes a checkpoint that composes."""

import csv
from dataclasses import replace

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from musegen import (
    Encoder,
    EncoderConfig,
    ModelConfig,
    MusegenError,
    Score,
    Store,
    Track,
    TrainingConfig,
    TrainingError,
    ingest,
    load,
)
from musegen.cli import main
from musegen.model import likelihood
from musegen.model.network import build
from musegen.training.feeding import WholePieces
from musegen.training.optimizing import AdamW
from musegen.training.recording import StepReport
from musegen.training.train import train

ENCODER = Encoder(
    EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0, steps_per_quarter=4)
)
MODEL = ModelConfig(len(ENCODER.vocabulary), cell="gru", layers=1, units=128, embedding=32)
CONFIG = TrainingConfig(
    sequence_length=64, batch_size=4, epochs=10, learning_rate=0.006, seed=1, transpose=1
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty tunes that walk up and down a scale in eighths: something to learn."""
    out = tmp_path_factory.mktemp("tunes")
    scale = np.array([60, 62, 64, 65, 67, 69, 71, 72])
    for i in range(40):
        walk = np.cumsum(np.random.default_rng(i).choice([-1, 1], 64))
        pitches = scale[np.abs(walk) % 8]
        notes = [(240 * k, 240, int(p), 80, 0) for k, p in enumerate(pitches)]
        Score(notes=notes, tracks=[Track("Whistle", 78)]).save(out / f"{i:02}.mid")
    return out


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A model trained for some epochs, and what was reported on the way."""
    output = tmp_path_factory.mktemp("trained") / "walks"
    steps, epochs = [], []
    made, data = train(
        [folder], output, ENCODER, MODEL, CONFIG, on_step=steps.append, on_epoch=epochs.append
    )
    return made, data, steps, epochs


def test_training_learns_more_than_pairs_of_tokens(trained):
    made, data, _, epochs = trained
    test = [p.tokens for p in data.test]
    composer = load(made.path)
    model = likelihood.evaluate(likelihood.model(composer.engine), test, ENCODER.vocabulary)
    uniform = likelihood.evaluate(likelihood.uniform(ENCODER.vocabulary), test, ENCODER.vocabulary)
    bigram = likelihood.evaluate(
        likelihood.bigram([p.tokens for p in data.train], ENCODER.vocabulary),
        test,
        ENCODER.vocabulary,
    )
    assert uniform.per_token == pytest.approx(np.log(len(ENCODER.vocabulary)))
    assert model.per_note < bigram.per_note < uniform.per_note
    assert epochs[-1].validation_nats < epochs[0].validation_nats


def test_the_log_has_what_was_reported(trained):
    made, _, steps, epochs = trained
    with (made.path / "training.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(r["validation_nats"]) for r in rows] == pytest.approx(
        [e.validation_nats for e in epochs], rel=1e-5
    )
    assert isinstance(steps[0], StepReport) and steps[0].gradient_norm > 0
    for epoch in epochs:
        norms = [s.gradient_norm for s in steps if s.epoch == epoch.epoch]
        assert epoch.gradient_norm_max == pytest.approx(max(norms))
        assert epoch.clipped == pytest.approx(np.mean(np.array(norms) > CONFIG.global_clipnorm))
    assert not (made.path / ".training").exists()


def test_the_best_weights_are_kept_and_provenance_says_of_what(trained):
    made, data, _, epochs = trained
    best = min(epochs, key=lambda e: e.validation_nats)
    assert made.provenance["best_epoch"] == best.epoch
    assert made.provenance["data"]["train"]["pieces"] == len(data.train)
    assert made.provenance["data"]["held_out"]["test"] == [p.name for p in data.test]
    assert made.ensemble == (Track("Whistle", 78),)
    whole = likelihood.evaluate(
        likelihood.model(load(made.path).engine),
        [p.tokens for p in data.validation],
        ENCODER.vocabulary,
    )
    # Keras measured the padded batches, NumPy measures each piece alone.
    assert whole.per_token == pytest.approx(best.validation_nats, abs=1e-4)


def test_a_trained_model_composes(trained):
    piece = load(trained[0].path).compose(bars=4, seed=1)
    assert len(piece) > 4 and piece.tracks == (Track("Whistle", 78),)


def test_averaged_weights_are_what_is_validated_and_kept(folder, tmp_path):
    epochs = []
    config = replace(CONFIG, epochs=3, ema=0.9)
    made, data = train([folder], tmp_path / "run", ENCODER, MODEL, config, on_epoch=epochs.append)
    plain, _ = train([folder], tmp_path / "plain", ENCODER, MODEL, replace(config, ema=0))
    best = min(epochs, key=lambda e: e.validation_nats)
    whole = likelihood.evaluate(
        likelihood.model(load(made.path).engine),
        [p.tokens for p in data.validation],
        ENCODER.vocabulary,
    )
    assert whole.per_token == pytest.approx(best.validation_nats, abs=1e-4)
    assert (
        made.provenance["validation_nats_per_token"]
        != plain.provenance["validation_nats_per_token"]
    )


def test_a_model_is_tuned_from_another(folder, trained, tmp_path):
    epochs = []
    few = tmp_path / "few"
    for name in ("00.mid", "01.mid", "02.mid", "03.mid"):
        few.mkdir(exist_ok=True)
        (few / name).write_bytes((folder / name).read_bytes())
    config = replace(CONFIG, epochs=2, learning_rate=1e-4)
    start = trained[0].path
    made, _ = train(
        [few], tmp_path / "tuned", ENCODER, MODEL, config, start=start, on_epoch=epochs.append
    )
    assert epochs[0].train_nats < trained[3][0].train_nats / 2  # it has not begun at the beginning
    assert made.provenance["from"]["name"] == trained[0].name
    assert len(made.provenance["from"]["sha256"]) == 64
    louder = Encoder(replace(ENCODER.config, velocities=8))
    with pytest.raises(
        TrainingError, match=r"must have its vocabulary. Received: velocities is 0 there and 8 here"
    ):
        train([few], tmp_path / "x", louder, MODEL, config, start=start)
    with pytest.raises(
        TrainingError, match=r"must have its shape. Received: units is 128 there and 64 here"
    ):
        train([few], tmp_path / "x", ENCODER, replace(MODEL, units=64), config, start=start)
    assert not (tmp_path / "x").exists()


class Shake(keras.callbacks.Callback):
    """Makes the learning rate absurd in an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if len(self.seen) > self.at:
            self.model.optimizer.factor.assign(1e6)

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)


def test_a_run_that_goes_wrong_says_what_to_do_and_keeps_the_best(folder, tmp_path):
    config = replace(CONFIG, global_clipnorm=0, optimizer="sgd", learning_rate=0.01)
    with pytest.raises(
        TrainingError, match=r"in epoch 3, step \d+\. The gradient norms .* were not clipped"
    ) as caught:
        train([folder], tmp_path / "run", ENCODER, MODEL, config, callbacks=[Shake(2)])
    assert f"The weights of epoch 2, the best before, are in {tmp_path / 'run'}." in str(
        caught.value
    )
    kept = load(tmp_path / "run").checkpoint
    assert kept.provenance["best_epoch"] == 2 and not (tmp_path / "run" / ".training").exists()
    with pytest.raises(TrainingError, match="No epoch was finished, so nothing is kept"):
        train([folder], tmp_path / "x", ENCODER, MODEL, config, callbacks=[Shake(0)])
    assert not (tmp_path / "x").exists()


class Enough(keras.callbacks.Callback):
    """Ends training after an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


def test_a_callback_may_end_a_run(folder, tmp_path):
    epochs = []
    made, _ = train(
        [folder],
        tmp_path / "run",
        ENCODER,
        MODEL,
        CONFIG,
        callbacks=[Enough()],
        on_epoch=epochs.append,
    )
    assert len(epochs) == 1 and made.provenance["epochs"] == 1


def test_a_run_that_cannot_begin_destroys_nothing(folder, tmp_path):
    class Stopped(Exception):
        pass

    def stop(report):
        if report.epoch == 2:
            raise Stopped

    with pytest.raises(Stopped):
        train([folder], tmp_path / "run", ENCODER, MODEL, CONFIG, on_step=stop)
    before = {
        p.name: p.read_bytes() for p in (tmp_path / "run" / ".training").iterdir() if p.is_file()
    }
    assert {"latest.npz", "best.weights.h5", "training.csv"} <= set(before)
    empty = tmp_path / "empty"
    empty.mkdir()
    fills = replace(MODEL, future=8)
    for folders, model, config in (
        ([empty], MODEL, CONFIG),
        ([folder], fills, replace(CONFIG, tbptt=True)),
    ):
        with pytest.raises(MusegenError, match=r"no music|stand alone"):
            train(folders, tmp_path / "run", ENCODER, model, config, force=True)
        assert before == {
            p.name: p.read_bytes()
            for p in (tmp_path / "run" / ".training").iterdir()
            if p.is_file()
        }
    with pytest.raises(TrainingError, match=r"folders was \['.*'\] and is \['empty'\]"):
        train([empty], tmp_path / "run", ENCODER, MODEL, CONFIG, resume=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TrainingError, match="cannot make"):
        train([folder], tmp_path / "file", ENCODER, MODEL, CONFIG)


def test_an_impossible_size_is_refused_before_anything_is_made(folder, tmp_path):
    with pytest.raises(TrainingError, match=r"must fit in this machine's memory .* Lower --units"):
        huge = replace(MODEL, units=4096, layers=8)
        train([folder], tmp_path / "run", ENCODER, huge, replace(CONFIG, batch_size=4096))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "settings", [{"tbptt": True}, {"precision": "mixed_bfloat16"}, {"label_smoothing": 0.1}]
)
def test_every_way_of_training_learns(folder, tmp_path, settings):
    config = replace(CONFIG, epochs=3, **settings)
    model = replace(
        MODEL, units=32, layers=2, dropout=0.1, residual=True, layer_norm=True, tied=True, context=1
    )
    made, data = train([folder], tmp_path / "run", ENCODER, model, config)
    test = [p.tokens for p in data.test]
    whole = likelihood.evaluate(likelihood.model(load(made.path).engine), test, ENCODER.vocabulary)
    assert whole.per_token < 0.6 * np.log(len(ENCODER.vocabulary))


def test_data_that_cannot_be_trained_on_leave_nothing_behind(folder, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    run = tmp_path / "run"
    for number in range(3):  # nothing, then too few pieces, then a store of too few
        for _ in range(2):  # the second time is as the first
            with pytest.raises(
                MusegenError, match=["no music", "at least 3", "at least 3"][number]
            ):
                train([few], run, ENCODER, MODEL, CONFIG)
            assert not run.exists()
        if number == 0:
            (few / "00.mid").write_bytes((folder / "00.mid").read_bytes())
        elif number == 1:
            ingest([few], tmp_path / "store", ENCODER)
            few = tmp_path / "store"
    run.mkdir()
    (run / "mine.txt").write_text("mine")
    with pytest.raises(TrainingError, match="at least 3"):
        train([few], run, ENCODER, MODEL, CONFIG)
    assert [path.name for path in run.iterdir()] == ["mine.txt"]


def test_a_finished_checkpoint_is_not_replaced_by_accident(folder, trained):
    with pytest.raises(TrainingError, match="holds a checkpoint"):
        train([folder], trained[0].path, ENCODER, MODEL, CONFIG)
    with pytest.raises(TrainingError, match="no interrupted run"):
        train([folder], trained[0].path, ENCODER, MODEL, CONFIG, resume=True)


def test_the_recorded_norm_is_the_global_norm_before_clipping():
    variable = keras.Variable(np.zeros(2, np.float32))
    optimizer = AdamW(0.1, global_clipnorm=1.0)
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor(np.array([3.0, 4.0], np.float32))], [variable])
    assert float(optimizer.gradient_norm) == pytest.approx(5)


def test_padding_weighs_nothing(trained):
    _, data, _, _ = trained
    batches = WholePieces(data.validation, ENCODER, MODEL, tokens=1000)
    weighted = sum(
        float(weight.sum()) for _, _, weight in (batches[i] for i in range(len(batches)))
    )
    assert weighted == sum(len(p.tokens) - 1 for p in data.validation)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_every_cell_is_built_as_configured(cell):
    model = build(ModelConfig(30, cell=cell, layers=3, units=8, embedding=4, dropout=0.1))
    assert [layer.name for layer in model.layers if layer.name.startswith("recurrent")] == [
        "recurrent_0",
        "recurrent_1",
        "recurrent_2",
    ]
    assert model.output_shape == (None, None, 30)


def test_the_command_trains_and_prints_figures(folder, tmp_path):
    args = [
        "train",
        folder,
        "-o",
        tmp_path / "out",
        "--units",
        8,
        "--layers",
        1,
        "--epochs",
        1,
        "--batch-size",
        4,
        "--sequence-length",
        32,
        "--parts",
        1,
        "--velocities",
        0,
        "--tempos",
        0,
    ]
    result = CliRunner().invoke(main, [str(a) for a in args])
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("device: ")
    assert "validation" in result.stdout and "bigram" in result.stdout
    figures = load(tmp_path / "out").checkpoint.provenance["nats_per_note"]
    assert set(figures["test"]) == {"model", "bigram", "uniform"}
    assert not (tmp_path / "out" / ".training").exists()
    wrong = CliRunner().invoke(
        main, ["train", str(folder), "-o", str(tmp_path / "x"), "--dropout", "2"]
    )
    assert wrong.exit_code == 1 and "dropout must be at least 0 and below 1" in wrong.stderr


def test_the_command_trains_on_a_store_with_its_encoder(folder, tmp_path):
    ingest([folder], tmp_path / "store", ENCODER, seed=5)
    args = [
        "train",
        tmp_path / "store",
        "-o",
        tmp_path / "out",
        "--units",
        8,
        "--layers",
        1,
        "--epochs",
        1,
        "--batch-size",
        4,
        "--sequence-length",
        32,
        "--parts",
        1,
    ]
    result = CliRunner().invoke(main, [str(a) for a in args])
    assert result.exit_code == 0, result.output
    made = load(tmp_path / "out").checkpoint
    assert made.encoder == ENCODER.config
    store = Store(tmp_path / "store")
    assert made.provenance["data"]["held_out"]["test"] == [
        store.names[i] for i in store.split("test")
    ]
    wrong = CliRunner().invoke(main, [*map(str, args), "--parts", "3", "--force"])
    assert wrong.exit_code == 1 and "parts is 1 there and 3 here" in wrong.stderr
    both = CliRunner().invoke(main, [*map(str, args), str(folder), "--force"])
    assert both.exit_code == 1 and "expected one token store, or folders" in both.stderr
