"""`musegen train`: options; reports for people, programs and TensorBoard; interruption."""

import csv
import io
import json
import math
import shutil
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import musegen
from musegen import Encoder, EncoderConfig, ModelConfig, Score, Track, TrainingConfig, load
from musegen.cli import main
from musegen.cli import train as command
from musegen.cli.events import Events
from musegen.cli.progress import TrainingDisplay
from musegen.config import ConfigError
from musegen.training.board import Board
from musegen.training.recording import EpochReport, StepReport

OPTIONS = {parameter.name: parameter for parameter in command.params}
SMALL = [
    "--layers",
    1,
    "--units",
    8,
    "--embedding",
    8,
    "--cell",
    "gru",
    "--batch-size",
    4,
    "--sequence-length",
    32,
    "--parts",
    1,
    "--no-programs",
    "--no-drums",
    "--velocities",
    0,
    "--tempos",
    0,
    "--steps-per-quarter",
    4,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty tunes that walk up and down a scale."""
    out = tmp_path_factory.mktemp("tunes")
    scale = np.array([60, 62, 64, 65, 67, 69, 71, 72])
    for i in range(20):
        walk = np.cumsum(np.random.default_rng(i).choice([-1, 1], 32))
        notes = [(240 * k, 240, int(p), 80, 0) for k, p in enumerate(scale[np.abs(walk) % 8])]
        Score(notes=notes, tracks=[Track("Whistle", 78)]).save(out / f"{i:02}.mid")
    return out


def run(*args):
    return CliRunner().invoke(main, ["train", *(str(a) for a in args)])


def log(path):
    with Path(path, "training.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    """A checkpoint, and what was printed when it was made with `--json`."""
    output = tmp_path_factory.mktemp("finished") / "first"
    result = run(folder, "-o", output, *SMALL, "--epochs", 2, "--dropout", 0.1, "--json")
    assert result.exit_code == 0, result.stderr
    return output, result


def test_every_setting_has_an_option():
    names = {field.name for kind in (ModelConfig, TrainingConfig) for field in fields(kind)} - {
        "vocabulary_size"
    }
    assert names - set(OPTIONS) == set()
    for kind in (EncoderConfig, ModelConfig, TrainingConfig):
        for name in {field.name for field in fields(kind)} & set(OPTIONS):
            option = OPTIONS[name]
            assert option.default == getattr(kind, name) and option.help and option.heading, name
            for value in getattr(option.type, "choices", ()):
                kind(**{name: value}, **({"vocabulary_size": 9} if kind is ModelConfig else {}))


def test_the_help_has_sections_and_is_one_page():
    text = CliRunner().invoke(main, ["train", "--help"]).output
    for heading in (
        "Options:",
        "Model:",
        "Training:",
        "Optimizer:",
        "Augmentation",
        "Encoding",
    ):
        assert heading in text
    assert "\n  FOLDERS" not in text  # it is no option


def test_the_time_between_saves_is_the_librarys():
    from musegen.cli.train import SAVE_SECONDS
    from musegen.training import fitting

    assert SAVE_SECONDS == fitting.SAVE_SECONDS


def test_the_display_reports_the_model_the_data_and_the_epochs(folder, tmp_path):
    output = tmp_path / "out"
    result = run(folder, "-o", output, *SMALL, "--epochs", 2, "--residual")
    assert result.exit_code == 0, result.stderr
    said = result.stderr.splitlines()
    assert said[0].startswith("device: cpu:0") and said[0].endswith(", float32")
    assert said[1].startswith("model: 1 × 8 gru, embedding 8, residual, vocabulary ")
    assert "weights, about 0.8 GiB" in said[1]
    assert said[2].startswith("data: 18 train, 1 validation, 1 test pieces; ")
    row = log(output)[0]
    assert said[3].startswith(f"epoch 1/2  train {float(row['train_nats']):.4f}  validation ")
    assert all(
        word in said[3]
        for word in ("* nats/token", "tokens/s", "gradient norm", "95 %", "max", "clipped")
    )
    assert "nats per note" in result.stdout


def test_clipping_by_value_takes_the_place_of_the_norm(folder, tmp_path):
    result = run(folder, "-o", tmp_path / "out", *SMALL, "--epochs", 1, "--clipvalue", 0.5)
    assert result.exit_code == 0, result.output
    config = load(tmp_path / "out").checkpoint.provenance["config"]
    assert (config["clipvalue"], config["global_clipnorm"]) == (0.5, 0)
    result = run(folder, "-o", tmp_path / "x", "--clipvalue", 0.5, "--global-clipnorm", 1)
    assert (
        result.exit_code == 1 and "one of global_clipnorm and clipvalue must be 0" in result.stderr
    )


def test_with_json_stdout_has_events_and_nothing_else(finished):
    output, result = finished
    events = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[:2] == ["device", "model"] and kinds[-1] == "done"
    assert set(kinds) == {"device", "model", "files", "data", "step", "epoch", "done"}
    by_kind = {event["event"]: event for event in events}
    assert by_kind["model"]["model"]["units"] == 8 and by_kind["model"]["weights"] > 0
    assert by_kind["data"]["train"]["pieces"] == 18
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [e["validation_nats"] for e in epochs] == pytest.approx(
        [float(r["validation_nats"]) for r in log(output)], rel=1e-5
    )
    assert set(epochs[0]) == {"event", *EpochReport.__dataclass_fields__}
    assert set(by_kind["step"]) == {"event", *(field.name for field in fields(StepReport))}
    assert by_kind["done"]["nats_per_note"] == load(output).checkpoint.provenance["nats_per_note"]
    assert by_kind["done"]["checkpoint"] == str(output)
    assert "epoch 2/2" in result.stderr and "nats per note" in result.stderr


def test_the_command_and_the_library_write_the_same_checkpoint(folder, finished, tmp_path):
    output, _ = finished
    by_command = load(output).checkpoint
    config = TrainingConfig(**by_command.provenance["config"])
    made, _ = musegen.train(
        [folder], tmp_path / "library", Encoder(by_command.encoder), by_command.model, config
    )
    configs = [json.loads((path / "config.json").read_text()) for path in (output, made.path)]
    for there in configs:
        del there["training"]["seconds"]
    assert configs[0] == configs[1] and "nats_per_note" in configs[0]["training"]
    for name in ("model.weights.h5", "novelty.npz"):
        assert (output / name).read_bytes() == (made.path / name).read_bytes(), name
    assert made == load(made.path).checkpoint


def test_errors_are_json_events_too(folder, finished):
    result = run(folder, "-o", finished[0], *SMALL, "--json")
    assert result.exit_code == 1
    last = json.loads(result.stdout.splitlines()[-1])
    assert last["event"] == "error" and "holds a checkpoint" in last["message"]
    assert last["message"] in result.stderr


def test_steps_are_reported_about_once_a_second_and_only_numbers_that_json_has(capsys, monkeypatch):
    now = iter([0.0, 0.5, 0.9, 1.1])
    monkeypatch.setattr("musegen.cli.events.time.monotonic", lambda: next(now))
    events = Events(True)
    for number in range(4):
        events.step(StepReport(1, number, 9, 10.0, 1.0, 1.0, math.inf, 1.0, 1.0, math.nan, 0.0))
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["step"] for event in said] == [0, 3]
    assert said[0]["gradient_norm"] is None and said[0]["gradient_norm_max"] is None


def test_a_model_begins_with_another(folder, finished, tmp_path):
    output, _ = finished
    args = [
        folder,
        "-o",
        tmp_path / "tuned",
        "--from",
        output,
        "--batch-size",
        4,
        "--sequence-length",
        32,
    ]
    result = run(*args, "--epochs", 1, "--transpose", 2, "--learning-rate", 0.0001)
    assert result.exit_code == 0, result.stderr
    tuned, first = load(tmp_path / "tuned").checkpoint, load(output).checkpoint
    assert (tuned.encoder, tuned.model) == (first.encoder, first.model)
    assert tuned.provenance["from"]["name"] == "first"
    assert tuned.provenance["config"]["transpose"] == 2
    # One epoch at a low rate goes on from where the other stopped.
    assert float(log(tmp_path / "tuned")[0]["train_nats"]) < float(log(output)[0]["train_nats"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--units", 16], "units is 8 there and 16 here"),
        (["--parts", 2], "parts is 1 there and 2 here"),
    ],
)
def test_options_given_with_from_must_fit(folder, finished, tmp_path, options, said):
    result = run(folder, "-o", tmp_path / "x", "--from", finished[0], *options)
    assert result.exit_code == 1 and said in result.stderr
    assert not (tmp_path / "x").exists()


def test_a_store_must_fit_what_is_begun_with(folder, finished, tmp_path):
    encode = CliRunner().invoke(
        main, ["encode", str(folder), "-o", str(tmp_path / "store"), "--workers", "1"]
    )
    assert encode.exit_code == 0, encode.stderr
    result = run(tmp_path / "store", "-o", tmp_path / "x", "--from", finished[0])
    assert result.exit_code == 1 and "must have its vocabulary" in result.stderr
    unknown = run(folder, "-o", tmp_path / "x", "--from", "nothing")
    assert unknown.exit_code == 1 and "checkpoint must be a directory" in unknown.stderr


def interrupted_at(monkeypatch, epoch, step):
    """Press Ctrl-C at a step."""

    def press(self, report):
        if (report.epoch, report.step) == (epoch, step):
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingDisplay, "step", press)


def test_a_stopped_run_says_what_is_kept_and_goes_on_with_its_curves(folder, tmp_path, monkeypatch):
    args = [
        folder,
        "-o",
        tmp_path / "out",
        *SMALL,
        "--epochs",
        3,
        "--save-every",
        0,
        "--tensorboard",
        tmp_path / "tb",
    ]
    with monkeypatch.context() as patch:
        interrupted_at(patch, 2, 3)
        result = run(*args)
    assert result.exit_code == 1
    assert (
        f"stopped. Kept in {tmp_path / 'out'}: 1 epoch and 2 steps. Continue it with: "
        f"musegen train -o {tmp_path / 'out'} --resume" in result.stderr
    )
    assert "Traceback" not in result.output
    on = run("-o", tmp_path / "out", "--resume", "--tensorboard", tmp_path / "tb")
    assert on.exit_code == 0, on.stderr
    assert "resumed after 1 epoch and 2 steps; validation: best " in on.stderr
    curves = read_back(tmp_path / "tb" / "out")
    rows = log(tmp_path / "out")
    for part in ("train", "validation"):
        drawn = curves[part]["epoch/nats_per_token"]
        assert [step for step, _ in drawn] == [1, 2, 3]
        assert [value for _, value in drawn] == pytest.approx(
            [float(row[f"{part}_nats"]) for row in rows], rel=1e-4
        )
    steps = [step for step, _ in curves["train"]["step/gradient_norm"]]
    assert steps == list(range(1, len(steps) + 1))


def test_a_resumed_run_has_the_settings_it_began_with(folder, finished, tmp_path, monkeypatch):
    moved = tmp_path / "tunes"
    shutil.copytree(folder, moved)
    args = [moved, "-o", tmp_path / "out", "--from", finished[0], "--epochs", 2, "--batch-size", 4]
    with monkeypatch.context() as patch:
        interrupted_at(patch, 1, 1)
        assert run(*args, "--sequence-length", 32, "--save-every", 0).exit_code == 1
    other = run("-o", tmp_path / "out", "--resume", "--learning-rate", 0.5)
    assert other.exit_code == 1 and "learning_rate was 0.002 and is 0.5" in other.stderr
    moved.rename(tmp_path / "elsewhere")
    gone = run("-o", tmp_path / "out", "--resume")
    assert gone.exit_code == 1 and f"{moved}, which the run in" in gone.stderr
    (tmp_path / "elsewhere").rename(moved)
    on = run("-o", tmp_path / "out", "--resume")
    assert on.exit_code == 0, on.stderr
    provenance = json.loads((tmp_path / "out" / "config.json").read_text())["training"]
    assert provenance["from"]["name"] == "first"
    known = provenance["config"]
    assert (known["epochs"], known["batch_size"], known["sequence_length"]) == (2, 4, 32)


def test_folders_are_left_out_only_to_resume(tmp_path):
    assert run("-o", tmp_path / "out").exit_code == 2
    nothing = run("-o", tmp_path / "out", "--resume")
    assert nothing.exit_code == 1 and "holds no interrupted run" in nothing.stderr


def test_stopped_before_anything_was_done(folder, tmp_path, monkeypatch):
    def press(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("musegen.training.train.train", press)
    result = run(folder, "-o", tmp_path / "out", *SMALL)
    assert result.exit_code == 1 and "Nothing had been trained yet" in result.stderr


def test_stopped_while_it_is_measured(folder, tmp_path, monkeypatch):
    def press(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("musegen.model.likelihood.evaluate", press)
    result = run(folder, "-o", tmp_path / "out", *SMALL, "--epochs", 1)
    assert result.exit_code == 1 and "is complete, except for its nats per note" in result.stderr
    assert load(tmp_path / "out").compose(bars=1, seed=1) is not None


def test_a_gpu_without_cudnn_is_warned_of(folder, tmp_path, monkeypatch):
    from musegen.training import devices

    monkeypatch.setattr(devices, "gpus", lambda: ["gpu:0"])
    monkeypatch.setattr(
        "musegen.training.train.train", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    warned = run(
        folder, "-o", tmp_path / "out", "--cell", "rnn", "--precision", "float32", "--json"
    )
    assert (
        "warning: training will be slow on this GPU, without cuDNN. Keras has no cuDNN kernel"
        in warned.stderr
    )
    device = json.loads(warned.stdout.splitlines()[0])
    assert "simple RNN" in device["without_cudnn"]
    assert "warning" not in run(folder, "-o", tmp_path / "out", "--cell", "lstm").stderr


def read_back(folder):
    """Return what TensorBoard reads: part → curve → (step, value)."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = {}
    for part in ("train", "validation"):
        accumulator = EventAccumulator(str(folder / part), size_guidance={"scalars": 0})
        accumulator.Reload()
        out[part] = {
            tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
            for tag in accumulator.Tags()["scalars"]
        }
    return out


def step_report(epoch, step, norm=1.0, steps=10):
    return StepReport(epoch, step, steps, 100.0, 2.0 / step, 2.0 / step, norm, 1.0, 2.0, 3.0, 0.25)


def test_curves_after_the_save_that_a_run_is_resumed_from_are_replaced(tmp_path):
    with Board(tmp_path) as board:
        for step in range(1, 8):
            board.step(step_report(1, step, norm=1.0))
    with Board(tmp_path) as board:  # it was saved after the fourth step
        for step in range(5, 11):
            board.step(step_report(1, step, norm=5.0))
        board.epoch(EpochReport(1, 1.5, 1.75, 0.001, 100.0, 1.0, 2.0, 3.0, 0.25, 0.1, 60.0))
    curves = read_back(tmp_path)
    assert curves["train"]["step/gradient_norm"] == [(s, 1.0) for s in range(1, 5)] + [
        (s, 5.0) for s in range(5, 11)
    ]
    assert curves["train"]["epoch/learning_rate"] == [(1, pytest.approx(0.001))]
    assert curves["train"]["epoch/clipped"] == [(1, 0.25)]
    assert curves["validation"] == {"epoch/nats_per_token": [(1, 1.75)]}


def test_the_board_does_not_import_tensorflow(tmp_path):
    import subprocess

    code = (
        "import sys; sys.modules['tensorflow'] = None; sys.modules['keras'] = None\n"
        "import importlib.util as u\n"
        f"spec = u.spec_from_file_location('board', {sys.modules[Board.__module__].__file__!r})\n"
        "board = u.module_from_spec(spec); spec.loader.exec_module(board)\n"
        "from types import SimpleNamespace as N\n"
        "report = N(epoch=1, step=1, steps=2, step_nats=1.0, gradient_norm=2.0,\n"
        "           tokens_per_second=3.0)\n"
        f"with board.Board(board.Path({str(tmp_path)!r})) as b:\n"
        "    b.step(report)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert read_back(tmp_path)["train"]["step/gradient_norm"] == [(1, 2.0)]


def test_without_tensorboard_nothing_is_begun(folder, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    result = run(folder, "-o", tmp_path / "out", *SMALL, "--tensorboard", tmp_path / "tb")
    assert result.exit_code == 1
    assert (
        "--tensorboard needs tensorboard. Install it with: pip install 'musegen[tensorboard]'"
        in result.stderr
    )
    assert not (tmp_path / "out").exists() and not (tmp_path / "tb").exists()


def test_a_folder_for_curves_that_cannot_be_made_is_refused(folder, tmp_path):
    (tmp_path / "file").write_text("")
    result = run(
        folder, "-o", tmp_path / "out", *SMALL, "--tensorboard", tmp_path / "file" / "below"
    )
    assert result.exit_code == 1 and "Choose another folder for --tensorboard" in result.stderr
    assert not (tmp_path / "out").exists()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("live", [True, False])
def test_the_live_line_has_all_that_is_watched(monkeypatch, live):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    for name, value in {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}.items():
        monkeypatch.setenv(name, value)
    with TrainingDisplay(TrainingConfig(epochs=7), live=live) as display:
        display.step(step_report(3, 4))
        display._live.refresh()
        shown = terminal.getvalue()
        display.epoch(EpochReport(3, 1.5, 1.75, 0.001, 100.0, 1.0, 2.0, 3.0, 0.25, 0.1, 60.0))
    wanted = (
        "epoch 3/7",
        "4/10 steps",
        "-:--",
        "train 0.5000",
        "validation –",
        "100 tokens/s",
        "gradient norm 1 (95 % 2, max 3)",
        "clipped 25.0%",
    )
    assert all((word in shown) == live for word in wanted)
    assert "epoch 3/7  train 1.5000  validation 1.7500* nats/token" in terminal.getvalue()


@pytest.mark.parametrize(("live", "seconds", "lines"), [(True, 0, 2), (True, 60, 0), (False, 0, 0)])
def test_a_log_says_now_and_then_how_far_an_epoch_is(monkeypatch, capsys, live, seconds, lines):
    monkeypatch.setattr("musegen.cli.progress.SECONDS", seconds)
    with TrainingDisplay(TrainingConfig(epochs=7), live=live) as display:
        display.step(step_report(3, 4))
        display.step(step_report(3, 5))
    said = [
        f"epoch 3/7  {at}/10 steps  train {nats:.4f} nats/token  100 tokens/s"
        for at, nats in ((4, 0.50), (5, 0.40))
    ]
    assert capsys.readouterr().err.splitlines() == said[:lines]


def test_the_display_takes_names_as_they_are(capsys):
    from types import SimpleNamespace

    class Part:
        lengths = np.array([5, 6])

        def __len__(self):
            return 2

    data = SimpleNamespace(
        train=Part(), validation=Part(), test=Part(), skipped=[("[bold]a.mid", "[/red] :smile:")]
    )
    with TrainingDisplay(TrainingConfig()) as display:
        display.data(data)
    assert "[bold]a.mid: [/red] :smile:" in capsys.readouterr().err


def test_settings_out_of_range_are_named(folder, tmp_path):
    with pytest.raises(ConfigError):
        TrainingConfig(ema=1.0)
    result = run(folder, "-o", tmp_path / "x", "--ema", 1)
    assert result.exit_code == 1 and "ema must be at least 0 and below 1" in result.stderr
    assert run(folder, "-o", tmp_path / "x", "--optimizer", "magic").exit_code == 2
