"""Evaluations, compared with numbers worked out by hand."""

import csv
import hashlib
import json
import math
from dataclasses import replace
from fractions import Fraction

import click
import numpy as np
import pytest
from click.testing import CliRunner

from musegen import ConfigError, EncoderConfig, MusegenError, ingest
from musegen.cli.evaluate import evaluate as command
from musegen.cli.evaluate import shown
from musegen.config import ModelConfig
from musegen.data.novelty import FILE, Index
from musegen.encoding.context import WIDTH, View
from musegen.encoding.encoder import Encoder
from musegen.evaluation import evaluated
from musegen.model.checkpoint import Checkpoint, load, save
from musegen.model.engine import Engine
from musegen.model.likelihood import piece_nats, row_nats
from tests.evaluation.helpers import LINE, tune
from tests.helpers import GATES, random_weights, write_keras_weights

PLAYED = EncoderConfig(encoding="performance", velocities=0)


def flat(path, config, provenance=None):
    """Write a checkpoint to which all tokens are equally likely."""
    model = ModelConfig(len(Encoder(config).vocabulary), cell="gru", layers=1, units=4, embedding=4)
    weights = random_weights(model, np.random.default_rng(0))
    path.mkdir(parents=True)
    write_keras_weights(
        path / "w.h5", {name: [0 * array for array in arrays] for name, arrays in weights.items()}
    )
    made = Checkpoint(path, config, model, provenance=provenance or {})
    save(made, path / "w.h5")
    return made


def melodies(count, seed=0, bars=6):
    """Random tunes, so different that all are different tunes."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        notes = 8 * int(rng.integers(2, bars + 1))
        yield tune(
            *((240 * at, 240, int(pitch)) for at, pitch in enumerate(rng.integers(55, 80, notes)))
        )


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """A folder of 40 tunes."""
    folder = tmp_path_factory.mktemp("music") / "tunes"
    folder.mkdir()
    for number, score in enumerate(melodies(40)):
        score.save(folder / f"{number:02}.mid")
    return folder


@pytest.fixture(scope="module")
def store(music, tmp_path_factory):
    return ingest([music], tmp_path_factory.mktemp("store") / "s", Encoder(LINE), held_out=0.2)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return flat(tmp_path_factory.mktemp("made") / "flat", LINE)


# Pieces together


def watchful(config, seed, **network):
    """Return a network that sees a context, or fills gaps."""
    model = ModelConfig(
        len(Encoder(config).vocabulary), cell="gru", layers=2, units=16, embedding=8, **network
    )
    rng = np.random.default_rng(seed)
    weights, gates = random_weights(model, rng), GATES["gru"]
    shapes = {}
    if model.context:
        shapes["context_embedding"] = [(View.of(model).rows, WIDTH)]
        kernel = rng.normal(0, 0.3, (8 + len(View.of(model).sizes) * WIDTH, gates * 16)).astype(
            np.float32
        )
        weights["recurrent_0"][0] = kernel
    if model.future:
        shapes |= {
            "backward": [(8, gates * 6), (6, gates * 6), (2, gates * 6)],
            "aim": [(6, 8), (8,)],
            "left_embedding": [(9, 8)],
        }
    for name, arrays in shapes.items():
        weights[name] = [rng.normal(0, 0.3, shape).astype(np.float32) for shape in arrays]
    return Engine(model, weights)


@pytest.mark.parametrize(
    "config, network",
    [
        (LINE, {}),
        (LINE, {"context": 1}),
        (LINE, {"future": 6}),
        (PLAYED, {}),
        (PLAYED, {"context": 1}),
    ],
    ids=str,
)
def test_pieces_together_are_what_they_are_alone(config, network):
    """But for rounding: products of single precision are added up in another order."""
    encoder, engine = Encoder(config), watchful(config, 5, **network)
    pieces = [encoder.encode(score) for score in melodies(30, seed=2, bars=12)]
    assert len({len(tokens) for tokens in pieces}) > 5  # so there is padding
    together = dict(piece_nats(engine, pieces, encoder.vocabulary))
    assert sorted(together) == list(range(30))
    for index, tokens in enumerate(pieces):
        alone = row_nats(engine, tokens[None], encoder.vocabulary)[0]
        assert together[index].shape == (len(tokens) - 1,)
        assert together[index] == pytest.approx(alone, abs=2e-5)
        assert together[index].sum() == pytest.approx(alone.sum(), rel=1e-6)


# Whole evaluations


def test_a_flat_model_is_the_uniform_distribution(model, store):
    found = evaluated(model, store)
    by = {predicted.name: predicted for predicted in found.predictors}
    log_v = math.log(len(store.encoder.vocabulary))
    for name in ("model", "uniform"):
        rate = by[name].per["token"]
        assert (rate.value, rate.mean) == pytest.approx((log_v, log_v), rel=1e-6)
        assert by[name].nats == pytest.approx(log_v * found.totals["token"], rel=1e-6)
    chosen = store.split("test").tolist()
    assert [row["name"] for row in found.rows] == [store.names[index] for index in chosen]
    assert found.totals["token"] == sum(len(store.tokens(index)) - 1 for index in chosen)
    assert found.totals["note"] == sum(row["notes"] for row in found.rows)
    assert found.totals["second"] is None and by["model"].per["second"] is None
    assert by["model"].per["bar"].value == pytest.approx(by["model"].nats / found.totals["bar"])


def test_the_unigram_by_hand(model, store):
    found = evaluated(model, store, "validation")
    size = len(store.encoder.vocabulary)
    counts = np.zeros(size)
    for index in store.split("train").tolist():
        counts += np.bincount(store.tokens(index)[1:], minlength=size)
    kinds = (counts > 0).sum()
    p = (counts + kinds / size) / (counts.sum() + kinds)
    assert p.sum() == pytest.approx(1)
    unigram = next(predicted for predicted in found.predictors if predicted.name == "unigram")
    expected = [
        -np.log(p[store.tokens(index)[1:]]).sum() for index in store.split("validation").tolist()
    ]
    assert unigram.order == 1 and unigram.nats == pytest.approx(sum(expected))
    assert [row["nats_unigram"] for row in found.rows] == pytest.approx(expected)


def test_the_order_is_that_of_the_validation_pieces(model, store):
    by_order = {
        order: evaluated(model, store, "validation", order=order).predictors[1]
        for order in range(1, 9)
    }
    assert [by_order[order].order for order in by_order] == [*range(1, 9)]
    best = min(by_order, key=lambda order: by_order[order].nats)
    for part in ("validation", "test"):
        chosen = evaluated(model, store, part).predictors[1]
        assert (chosen.name, chosen.order) == ("n-gram", best)
    assert by_order[best].nats == evaluated(model, store, "validation").predictors[1].nats


def test_a_folder_is_encoded_as_the_model_needs_it(model, music, store):
    there = ingest([music], store.path.parent / "same", Encoder(LINE), seed=7)
    assert len(there.split("test")) == 2
    stored, found = evaluated(model, there), evaluated(model, music, seed=7)
    assert found.data == str(music)
    assert replace(found, data=stored.data) == stored


def test_a_folder_that_is_split(model, music, tmp_path):
    root = tmp_path / "parts"
    files = sorted(music.iterdir())
    for part, some in {
        "train": files[:10],
        "valid": files[10:13],
        "test": files[13:15] + files[:1],
    }.items():
        (root / part).mkdir(parents=True)
        for file in some:
            (root / part / file.name).write_bytes(file.read_bytes())
    found = evaluated(model, root, by_folder=True)
    assert [row["name"] for row in found.rows] == [
        "parts/test/00.mid",
        "parts/test/13.mid",
        "parts/test/14.mid",
    ]
    assert found.counted == (10, 10)
    with pytest.raises(MusegenError, match="to be split by folders"):
        evaluated(model, music, by_folder=True)


def test_all_pieces_have_no_ngram(model, music, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for file in sorted(music.iterdir())[:2]:
        (few / file.name).write_bytes(file.read_bytes())
    found = evaluated(model, few, "all")
    assert [predicted.name for predicted in found.predictors] == ["model", "uniform"]
    assert len(found.rows) == 2 and found.counted is None
    assert "no n-gram and no unigram" in shown(found)
    with pytest.raises(
        MusegenError, match=rf"Received: 2 piece\(s\) in {few}\. Give more music, or --part all"
    ):
        evaluated(model, few)
    (few / "00.mid").write_bytes(b"")
    (few / "01.mid").unlink()
    with pytest.raises(
        MusegenError, match=r"Received: 0 piece\(s\).*the first of 1 files left out: few/00.mid: "
    ):
        evaluated(model, few, "all")


def test_very_many_training_pieces_are_drawn_from(model, store, monkeypatch):
    monkeypatch.setattr("musegen.evaluation.pieces.MAX_COUNTED", 1000)
    found = evaluated(model, store, order=2)
    some, there = found.counted
    assert there == len(store.split("train")) and 1 <= some < there
    assert f"counted in {some} of {there} training pieces" in shown(found, 2)


def test_performances_know_seconds(music, tmp_path):
    found = evaluated(flat(tmp_path / "played", PLAYED), music)
    assert found.totals["bar"] is None and found.totals["second"] > 2
    rate = found.predictors[0].per["second"]
    assert rate.value == pytest.approx(found.predictors[0].nats / found.totals["second"])
    assert "nats per second" in shown(found) and "nats per bar" not in shown(found)
    with pytest.raises(ConfigError, match="frames are parts of a bar"):
        evaluated(load(tmp_path / "played"), music, frame=Fraction(1, 16))


# What the model has seen


def digest(store, parts):
    """Return what `musegen train` writes of its data."""
    rows = sorted(
        (store.names[index], part, index) for part in parts for index in store.split(part).tolist()
    )
    joined = b"".join(
        name.encode() + store.tokens(index).astype(np.int32).tobytes() for name, _, index in rows
    )
    return hashlib.sha256(joined).hexdigest()


def trained(store, **more):
    parts = {part: store.split(part).tolist() for part in ("train", "validation", "test")}
    held_out = {
        part: [store.names[index] for index in parts[part]] for part in ("validation", "test")
    }
    counts = {part: {"pieces": len(pieces)} for part, pieces in parts.items()}
    return {"data": {**counts, "sha256": digest(store, parts), "held_out": held_out} | more}


def test_what_was_trained_on_is_found_by_name_and_by_its_notes(store, tmp_path):
    made = flat(tmp_path / "made", LINE, trained(store))
    Index.of_tokens(store, store.encoder, store.split("train")).save(made.path / FILE)
    parts = {part: len(store.split(part)) for part in ("train", "validation", "test")}
    for part, seen in {"train": (1, 0, 0), "validation": (0, 1, 0), "test": (0, 0, 1)}.items():
        found = evaluated(made, store, part)
        overlap = found.overlap
        assert overlap.same_data is True and found.sha256 == digest(store, [part])
        assert (overlap.trained, overlap.validation, overlap.test) == tuple(
            parts[part] * share for share in seen
        )
        assert (overlap.listed, overlap.in_all) == (parts["train"], parts["train"])
        notes = [row["notes"] for row in found.rows]
        assert [row["longest_run"] for row in found.rows] == list(overlap.runs)
        assert list(overlap.runs) == notes if part == "train" else max(overlap.runs) < min(notes)
    everything = evaluated(made, store, "all").overlap
    assert (everything.trained, everything.validation, everything.test) == tuple(parts.values())


def test_what_is_said_of_training(store, tmp_path):
    made = flat(tmp_path / "made", LINE, trained(store))
    assert "for training: unknown" in shown(evaluated(made, store))
    Index.of_tokens(store, store.encoder, store.split("train")).save(made.path / FILE)
    said = shown(evaluated(made, store))
    assert "these are the data that made was trained on" in said and "warning" not in said
    assert "in its data, by name: 0 for training, 0 for validation, 8 for test" in said
    said = shown(evaluated(made, store, "train"))
    assert "warning: pieces in its data, by name: 24 for training, 0 for" in said
    assert (
        "warning: the n-gram and the unigram were counted in the pieces they predict here" in said
    )


def test_other_data_are_told_apart(store, tmp_path):
    assert evaluated(flat(tmp_path / "a", LINE), store).overlap.same_data is None
    other = evaluated(flat(tmp_path / "b", LINE, trained(store, sha256="0" * 64)), store).overlap
    assert other.same_data is False and other.trained is None and other.runs is None
    fewer = evaluated(
        flat(tmp_path / "c", LINE, trained(store, train={"pieces": 1})), store
    ).overlap
    assert fewer.same_data is False


# Errors


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"part": "tests"}, "part must be one of test, validation, train, all. Received: 'tests'"),
        ({"frame": Fraction(0)}, "a frame must have a length > 0"),
        ({"frame": Fraction(1, 16), "voices": 0}, "voices must be >= 1. Received: 0"),
        ({"voices": 4}, "there must be a frame"),
        ({"order": 9}, "order must be 1 to 8. Received: 9"),
    ],
)
def test_arguments_out_of_range(model, store, arguments, message):
    with pytest.raises(ConfigError) as error:
        evaluated(model, store, **arguments)
    assert message in str(error.value)


def test_a_store_of_another_encoding_is_refused(store, tmp_path):
    made = flat(tmp_path / "finer", replace(LINE, steps_per_quarter=24))
    with pytest.raises(
        MusegenError, match=r"steps_per_quarter is 12 there and 24 here\. Give the folder"
    ):
        evaluated(made, store)


# The command


def run(*arguments):
    result = CliRunner().invoke(command, list(map(str, arguments)), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_the_table(model, store):
    lines = run(model.path, store.path, "--frame", "1/16", "--voices", 2, "--order", 2).splitlines()
    found = evaluated(model, store, frame=Fraction(1, 16), voices=2, order=2)
    assert lines[0].startswith(f"flat on {store.path}, test: {len(found.rows)} pieces, ")
    assert lines[0].endswith(f"{found.totals['cell']:,.0f} cells")
    assert (
        lines[2].split()
        == "predictor all pieces 95 % interval mean of pieces 95 % interval".split()
    )
    cells = [line.split() for line in lines[3 : lines.index("", 3)]]
    assert [row[2] for row in cells[::4]] == ["token", "note", "note", "bar", "frame", "cell"]
    assert [row[0] for row in cells[1::4]] == ["2-gram"] * 6
    log_v = f"{math.log(len(store.encoder.vocabulary)):.3f}"
    assert cells[0] == [
        "nats",
        "per",
        "token",
        "model",
        log_v,
        log_v,
        "to",
        log_v,
        log_v,
        log_v,
        "to",
        log_v,
    ]
    note = found.predictors[1].per["note"]
    assert cells[5][1] == f"{note.value:.3f}" and cells[9][1] == f"{note.value / math.log(2):.3f}"
    assert cells[5][2:5] == [f"{note.low:.3f}", "to", f"{note.high:.3f}"]
    assert "n-gram: order 2, as requested" in "\n".join(lines)


def test_json_and_csv(model, store, tmp_path):
    out = tmp_path / "new" / "pieces.csv"
    facts = json.loads(run(model.path, store.path, "--frame", "1/8", "--json", "--csv", out))
    found = evaluated(model, store, frame=Fraction(1, 8))
    assert (facts["checkpoint"], facts["frame"], facts["seconds"]) == ("flat", "1/8", None)
    assert facts["notes"] == found.totals["note"] and facts["sha256"] == found.sha256
    assert [by["name"] for by in facts["predictors"]] == ["model", "n-gram", "unigram", "uniform"]
    note = facts["predictors"][0]["nats_per"]["note"]
    assert note["value"] == found.predictors[0].per["note"].value
    assert facts["predictors"][0]["bits_per_note"]["high"] == pytest.approx(
        note["high"] / math.log(2)
    )
    assert facts["predictors"][0]["nats_per"]["second"] is None
    rows = list(csv.DictReader(out.open()))
    assert [row["name"] for row in rows] == [row["name"] for row in found.rows]
    assert sum(int(row["frames"]) for row in rows) == found.totals["frame"]
    assert sum(float(row["nats_n-gram"]) for row in rows) == pytest.approx(found.predictors[1].nats)
    with pytest.raises(MusegenError, match="exists already"):
        run(model.path, store.path, "--csv", out)
    run(model.path, store.path, "--csv", out, "--force", "--part", "all")
    assert len(out.read_text().splitlines()) == len(store) + 1


@pytest.mark.parametrize(
    "options, message",
    [
        (["--voices", 4], "add --frame"),
        (["--frame", "0"], "expected a note value such as 1/16. Received: '0'"),
        (["--frame", "x/0"], "Received: 'x/0'"),
        (["--seed", 1], "is split already: leave out --seed"),
        (["--part", "all", "--split", "folders"], "--part all cannot be combined with --split"),
        (["--part", "all", "--order", 2], "has no n-gram"),
    ],
)
def test_options_that_mean_nothing(model, store, options, message):
    with pytest.raises(click.UsageError) as error:
        run(model.path, store.path, *options)
    assert message in error.value.format_message()


def test_a_model_that_fills_gaps_says_what_its_figures_are(model, store):
    found = evaluated(model, store)
    assert "warning" not in shown(found)
    assert "warning: flat fills gaps: each 8 bars" in shown(replace(found, fills=True))
