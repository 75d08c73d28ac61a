"""`musegen runs`: what training has left on the disk, finished or not, whole or damaged."""

import json
import math
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from musegen import EncoderConfig, ModelConfig, TrainingConfig
from musegen.cli import main
from musegen.model import checkpoint
from musegen.training.curves import sparkline, svg
from musegen.training.runs import LATEST, LOCK, LOG, RUN, SETTINGS, Run, find, in_words
from musegen.utils.files import locked
from tests.helpers import ROOT, make_checkpoint

LINE = EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0)
MODEL = ModelConfig(50, cell="lstm", layers=3, units=64, embedding=32, tied=True, context=4)
SHIPPED = ROOT / "checkpoints"


def write_log(path, validation, **more):
    columns = ["epoch", "train_nats", "validation_nats", *more, "seconds"]
    rows = [[n, v + 0.5, v, *more.values(), 10] for n, v in enumerate(validation, 1)]
    path.write_text("\n".join(",".join(map(str, row)) for row in [columns, *rows]) + "\n")


def finished(path, validation=(3.0, 2.0, 2.5), when=1000):
    made = make_checkpoint(path, LINE)
    write_log(path / LOG, validation)
    for name in (LOG, "config.json"):
        os.utime(path / name, (when, when))
    return made


def under_way(path, validation=(4.0, 3.5), step=7):
    run = path / RUN
    run.mkdir(parents=True)
    settings = {
        **LINE.to_dict(),
        **MODEL.to_dict(),
        **TrainingConfig(epochs=9).to_dict(),
        "data": "…",
        "from": None,
    }
    (run / SETTINGS).write_text(json.dumps(settings))
    if validation:
        write_log(run / LOG, validation)
    np.savez(
        run / LATEST,
        facts=np.array(json.dumps({"reports": [], "epoch": {}, "step": step})),
        a=np.zeros(3),
    )
    return run


def runs(*args):
    return CliRunner().invoke(main, ["runs", *map(str, args)])


def by_name(folder):
    return {run.name: run for run in find([folder])}


def test_finished_and_unfinished_runs_are_found_at_any_depth(tmp_path):
    finished(tmp_path / "a" / "b" / "done")
    under_way(tmp_path / "half")
    finished(tmp_path / ".hidden" / "x")
    found = by_name(tmp_path)
    assert set(found) == {"done", "half"}
    done, half = found["done"], found["half"]
    assert (done.state, len(done.log), done.best["epoch"], done.seconds) == ("finished", 3, 2, 30)
    assert done.model.units == 16 and not done.problem
    assert (half.state, len(half.log), half.step, half.model) == ("unfinished", 2, 7, MODEL)
    assert half.training["epochs"] == 9
    assert [run.name for run in find([tmp_path])] == ["half", "done"]  # the last one written first


def test_each_run_is_listed_once(tmp_path):
    finished(tmp_path / "done")
    assert len(find([tmp_path, tmp_path / "done", tmp_path])) == 1


def test_a_checkpoint_that_is_trained_again_is_two_runs(tmp_path):
    finished(tmp_path / "again")
    under_way(tmp_path / "again")
    assert sorted(run.state for run in find([tmp_path])) == ["finished", "unfinished"]


def test_a_lock_tells_what_is_running(tmp_path):
    run = under_way(tmp_path / "now")
    with locked(run / LOCK):
        assert by_name(tmp_path)["now"].state == "running"
    assert by_name(tmp_path)["now"].state == "interrupted"


def test_a_run_that_has_only_begun(tmp_path):
    (tmp_path / "new" / RUN).mkdir(parents=True)
    run = by_name(tmp_path)["new"]
    assert (run.state, run.log, run.best, run.model) == ("unfinished", (), None, None)
    result = runs(tmp_path)
    assert result.exit_code == 0 and re.search(r"new +unfinished +0 ", result.stdout)


def test_the_shipped_checkpoints_are_listed():
    found = by_name(SHIPPED)
    assert {name: run.state for name, run in found.items()} == dict.fromkeys(
        checkpoint.available(), "finished"
    )
    for name, run in found.items():
        provenance = checkpoint.load(name).provenance
        assert len(run.log) == provenance["epochs"]
        assert run.best["epoch"] == provenance["best_epoch"]
        assert run.best["validation_nats"] == pytest.approx(
            provenance["validation_nats_per_token"], abs=1e-4
        )
    result = runs(SHIPPED)
    assert re.search(
        r"folk +finished +16/16 +0\.4790 +16 +29 min +▅\S+▁ +█\S+▁ +2 × 256 gru", result.stdout
    )


DAMAGE = {
    "config.json": [
        (b"{", "config.json cannot be read"),
        (b"[]", "it is no JSON object"),
        (b'{"model": {"units": 3}}', "config.json cannot be read"),
        (b'{"model": {"vocabulary_size": 9, "units": -3}}', "units must be 1 to 4096"),
        (b'{"other": 1}', "no 'model'"),
        (None, "config.json is missing"),
    ],
    LOG: [
        (b"", "no column epoch, train_nats, validation_nats"),
        (b"\xff\xfe\x00", "training.csv cannot be read"),
        (b"epoch,train_nats,validation_nats\n1,2,3\n2,2", "line 3 is not 3 numbers"),
        (b"epoch,train_nats,validation_nats\n1,2,3,4\n", "line 2 is not 3 numbers"),
        (b"epoch,train_nats,validation_nats\n1,a,3\n", "line 2 is not 3 numbers"),
        (None, "training.csv is missing"),
    ],
    checkpoint.WEIGHTS: [(None, "model.weights.h5 is missing")],
}


@pytest.mark.parametrize(
    ("name", "content", "said"), [(n, *case) for n, cases in DAMAGE.items() for case in cases]
)
def test_a_damaged_checkpoint_has_a_row_that_says_so(tmp_path, name, content, said):
    finished(tmp_path / "good")
    finished(tmp_path / "bad")
    if content is None:
        (tmp_path / "bad" / name).unlink()
    else:
        (tmp_path / "bad" / name).write_bytes(content)
    result = runs(tmp_path)
    assert result.exit_code == 0, result.output
    assert "damaged" in result.stdout and "finished" in result.stdout
    assert said in result.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", [SETTINGS, LOG, LATEST])
@pytest.mark.parametrize("content", [b"", b"\x00" * 50, b"PK\x03\x04 and no more", b"{}"])
def test_a_damaged_unfinished_run_has_a_row_that_says_so(tmp_path, name, content):
    (under_way(tmp_path / "half") / name).write_bytes(content)
    result = runs(tmp_path, "--json")
    assert result.exit_code == 0, result.output
    run = json.loads(result.stdout)
    if (name, content) != (
        SETTINGS,
        b"{}",
    ):  # says nothing of a model, which a run that has just begun may do
        assert run["state"] == "damaged" and name in run["problem"]


def test_folders_of_others_are_no_runs(tmp_path):
    for name in ("config.json", LOG):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_text("{}")
    result = runs(tmp_path)
    assert result.exit_code == 0 and result.stdout == ""
    assert f"no training runs in {tmp_path}" in result.stderr
    assert runs(tmp_path / "missing").exit_code == 2


def test_without_folders_it_looks_here_and_where_named_checkpoints_are(tmp_path, monkeypatch):
    finished(tmp_path / "here" / "mine")
    finished(tmp_path / "named" / "yours")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("MUSEGEN_CHECKPOINTS", str(tmp_path / "named"))
    result = runs()
    assert (
        re.search("^mine ", result.stdout, re.M)
        and "yours" in result.stdout
        and "folk" in result.stdout
    )


def test_json_has_everything(tmp_path):
    finished(tmp_path / "done", (2.0, math.nan, 1.0))
    under_way(tmp_path / "half")
    said = {
        run["name"]: run for run in map(json.loads, runs(tmp_path, "--json").stdout.splitlines())
    }
    done, half = said["done"], said["half"]
    assert (done["best_epoch"], done["validation_nats"], done["epochs"]) == (3, 1.0, 3)
    assert done["log"][1]["validation_nats"] is None and done["log"][2]["seconds"] == 10
    assert done["modified"] == "1970-01-01T00:16:40+00:00" and done["problem"] is None
    assert half["training"]["epochs"] == 9 and "data" not in half["training"] and half["step"] == 7


@pytest.mark.parametrize(
    ("sort", "names"),
    [("recent", ["b", "c", "a"]), ("validation", ["c", "a", "b"]), ("name", ["a", "b", "c"])],
)
def test_runs_are_sorted(tmp_path, sort, names):
    for name, best, when in (("a", 2.0, 100), ("b", 3.0, 300), ("c", 1.0, 200)):
        finished(tmp_path / name, (best,), when)
    lines = runs(tmp_path, "--json", "--sort", sort).stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == names


@pytest.mark.parametrize("columns", ["70", "100", "160"])
def test_the_table_fits_the_terminal(tmp_path, monkeypatch, columns):
    finished(tmp_path / "a-run-whose-name-is-long-enough-to-need-some-of-the-room")
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("FORCE_COLOR", "1")
    lines = re.sub(r"\x1b\[[\d;]*m", "", runs(tmp_path).stdout).splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert "2.0000" in lines[1] or "2.0000" in "".join(lines)


def test_sparklines():
    assert sparkline([8, 4, 2, 1], 1, 8) == "█▆▃▁"
    assert sparkline([5], 5, 5) == "▁"
    assert sparkline([], 1, 1) == ""
    assert sparkline([0, math.nan, math.inf, 100, 1], 1, 8) == "▁███▁"
    assert len(sparkline(np.linspace(9, 1, 500).tolist(), 1, 9, 20)) == 20


def test_models_in_words():
    assert in_words(ModelConfig(9)) == "2 × 256 lstm, embedding 128"
    assert in_words(MODEL) == "3 × 64 lstm, embedding 32, tied, context of 4"


def drawn(folder, *args):
    result = runs(folder, "--svg", folder / "curves.svg", *args)
    assert result.exit_code == 0, result.output
    return ElementTree.parse(folder / "curves.svg").getroot()


def test_the_picture_has_axes_and_for_each_run_a_curve_and_a_legend_entry(tmp_path):
    finished(tmp_path / "first")
    finished(tmp_path / "<second> & more")
    under_way(tmp_path / "third")
    under_way(tmp_path / "nothing yet", validation=())
    root = drawn(tmp_path)
    words = ["".join(text.itertext()) for text in root.findall(".//{*}text")]
    assert "nats per token" in words and "epoch" in words
    assert sum("<second> & more: 2.000 in epoch 2" in word for word in words) == 1
    assert any("third (unfinished): 3.500 in epoch 2; 3 × 64 lstm" in word for word in words)
    assert not any("nothing yet" in word for word in words)
    numbers = [float(word) for word in words if re.fullmatch(r"[\d.]+", word)]
    assert {1, 2, 3} <= set(numbers)
    curves = [group for group in root.findall(".//{*}g") if group.find("{*}title") is not None]
    assert len(curves) == 3 and all(len(group.findall("{*}path")) == 3 for group in curves)
    again = runs(tmp_path, "--svg", tmp_path / "curves.svg")
    assert again.exit_code == 1 and "exists already" in again.stderr


def test_the_curve_agrees_with_the_numbers_of_the_axis(tmp_path):
    finished(tmp_path / "one", (40.0, 10.0, 1.0))
    root = drawn(tmp_path)
    height = {
        text.text: float(text.get("y")) - 5
        for text in root.findall(".//{*}text")
        if text.get("text-anchor") == "end"
    }
    curve = (
        next(g for g in root.findall(".//{*}g") if g.find("{*}title") is not None)
        .findall("{*}path")[1]
        .get("d")
    )
    ys = [float(point.split()[1]) for point in curve.removesuffix("h0")[1:].split("L")]
    assert ys[1:] == pytest.approx([height["10"], height["1"]], abs=0.2)


@pytest.mark.parametrize(
    "values",
    [
        [0.0],
        [1.0],
        [2.0, 2.0],
        [1e-9, 5],
        [math.nan, 1.0],
        [math.nan],
        [1e30, 1.0],
        list(range(1, 5000)),
    ],
)
def test_any_curve_can_be_drawn(values):
    log = tuple(
        {"epoch": float(n), "train_nats": v, "validation_nats": v} for n, v in enumerate(values, 1)
    )
    picture = svg([Run(Path("x"), "finished", 0, None, {}, log)], ["x"])
    ElementTree.fromstring(picture)
    assert "nan" not in picture and "inf" not in picture


def test_many_runs_have_different_colours_or_marks(tmp_path):
    log = tuple(
        {"epoch": float(n), "train_nats": 3.0 / n, "validation_nats": 2.0 / n} for n in range(1, 9)
    )
    many = [Run(Path("x"), "finished", 0, MODEL, {}, log) for _ in range(20)]
    root = ElementTree.fromstring(svg(many, [f"{i:02}" + "long" * 50 for i in range(20)]))
    looks = [
        (
            group.findall("{*}path")[1].get("fill"),
            re.sub(r"[\d.]+", "", group.findall("{*}path")[1].get("d")),
        )
        for group in root.findall("{*}g")
        if group.find("{*}title") is None and len(group.findall("{*}path")) == 2
    ]
    assert len(looks) == 20 == len(set(looks))


def test_without_curves_there_is_no_picture(tmp_path):
    result = runs(tmp_path, "--svg", tmp_path / "curves.svg")
    assert result.exit_code == 1 and "no curves to draw" in result.stderr
    assert not (tmp_path / "curves.svg").exists()


def test_listing_imports_no_keras(tmp_path):
    import subprocess
    import sys

    code = f"""
import sys
sys.argv[1:] = ["runs", {str(tmp_path)!r}]
from musegen.cli import main
try:
    main()
finally:
    assert "keras" not in sys.modules and "tensorflow" not in sys.modules
"""
    finished(tmp_path / "done")
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert b"finished" in result.stdout
