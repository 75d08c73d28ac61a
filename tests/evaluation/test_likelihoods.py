"""Evaluations: held against numbers worked out by hand."""

import csv
import hashlib
import json
import math
from dataclasses import replace
from fractions import Fraction
from itertools import chain

import click
import numpy as np
import pytest
from click.testing import CliRunner

from musegen import ConfigError, EncoderConfig, MusegenError, Score, Track, ingest
from musegen.cli.evaluate import evaluate as command
from musegen.cli.evaluate import shown
from musegen.config import ModelConfig
from musegen.data.novelty import FILE, Index
from musegen.encoding.context import WIDTH, View
from musegen.encoding.encoder import Encoder
from musegen.evaluation import Rate, amounts, evaluated, likelihoods, rates
from musegen.model.checkpoint import Checkpoint, load, save
from musegen.model.engine import Engine
from musegen.model.likelihood import piece_nats, row_nats
from tests.helpers import GATES, random_weights, write_keras_weights

LINE = EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0)
TIMED = EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=16)
PLAYED = EncoderConfig(encoding="performance", velocities=0)
LAST = 480 * 4  # ticks of a bar


def tune(*notes, **fields):
    """Notes of (onset, duration, pitch), 480 ticks a quarter."""
    return Score(notes=[(*note, 80, 0) for note in notes], tracks=[Track()], **fields)


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


# Units, by hand


def units_of(config, *scores, **more):
    encoder = Encoder(config)
    pieces = [encoder.encode(score) for score in scores]
    return {
        unit: values.tolist()
        for unit, values in amounts(encoder, pieces, encoder.decode_many(pieces), **more).items()
    }


def test_units_of_bars():
    # A rest of an eighth, a note of an eighth; a note over the second barline to its first quarter;
    # then silence.
    first = tune((240, 240, 60), (LAST, LAST + 480, 62), end=3 * LAST)
    second = tune((0, 480, 60), (0, 480, 64))
    events = (
        "bar time_signature position pitch duration bar position pitch duration bar end".split()
    )
    found = units_of(LINE, first, second, frame=Fraction(1, 16), voices=4)
    assert found["note"] == [2, 2] and found["bar"] == [3, 1]
    assert found["token"] == [len(events), 8]
    assert found["frame"] == [
        2 * 16 + 4 - 2,
        4,
    ]  # from the second sixteenth on, to the ninth quarter
    assert found["cell"] == [4 * 34, 16]
    assert set(found) == {"token", "note", "bar", "frame", "cell"}  # no tempo, no seconds


@pytest.mark.parametrize(
    "frame, frames",
    [
        (Fraction(1, 4), 3),  # quarters 0, 1 and 2 are touched
        (Fraction(1, 8), 4),  # eighths 1 to 4
        (Fraction(1, 12), 7),  # of 4 steps each: 1 to 7
        (Fraction(1, 1), 1),
        (Fraction(3, 16), 4),  # of 9 steps each: 0 to 3
        (Fraction(1, 48), 24),  # the encoding's own step: 6 to 30
    ],
)
def test_frames_that_are_touched(frame, frames):
    """A note from the first eighth to the fifth: from step 6 to step 30, of which a quarter has 12."""
    assert units_of(LINE, tune((240, 960, 60)), frame=frame)["frame"] == [frames]


def test_units_of_time():
    played = tune((480, 480, 60), (960, 720, 62))  # at 120 bpm 0.5 to 1.75 s
    found = units_of(PLAYED, played)
    assert found["second"] == [1.25] and found["note"] == [2] and "bar" not in found
    slow = tune((0, 480, 60), (480, 480, 62), tempos=[(0, 1_000_000)])
    (second,) = units_of(TIMED, slow)["second"]
    assert second == pytest.approx(2, rel=0.1)  # of 16 tempos the nearest
    assert second == 2 * Encoder(TIMED).quantise(slow).tempos["microseconds"][0] / 1e6


# Rates


def test_rates_by_hand():
    nats, notes = np.array([[2.0, 9.0], [4.0, 4.0]]), np.array([[1.0, 3.0]])
    (model,), (other,) = rates(nats, notes)
    assert (model.value, model.mean) == (11 / 4, (2 + 3) / 2)
    assert (other.value, other.mean) == (2, (4 + 4 / 3) / 2)
    # Two pieces: a quarter of the resamples is twice the first, a quarter twice the second.
    assert (model.low, model.high, model.mean_low, model.mean_high) == (2, 3, 2, 3)


def test_intervals_cover_and_are_the_same_each_time():
    rng = np.random.default_rng(1)
    units = rng.integers(20, 200, (2, 80)).astype(float)
    nats = units[:1] * rng.normal(2.5, 0.3, (3, 80))
    found = rates(nats, units, seed=3)
    assert found == rates(nats, units, seed=3)
    assert found != rates(nats, units, seed=4)
    for rate in chain(*found):
        assert rate.low < rate.value < rate.high and rate.mean_low < rate.mean < rate.mean_high
    # The mean of 80 draws with deviation 0.3: 1.96 standard errors to each side.
    each = nats[0] / units[0]
    error = each.std() / math.sqrt(80)
    assert found[0][0].mean_low == pytest.approx(each.mean() - 1.96 * error, abs=0.15 * error)
    assert found[0][0].mean_high == pytest.approx(each.mean() + 1.96 * error, abs=0.15 * error)


def test_intervals_do_not_depend_on_how_many_are_drawn_at_once(monkeypatch):
    nats, units = np.random.default_rng(0).random((2, 1, 30)) + 1
    whole = rates(nats, units)
    monkeypatch.setattr("musegen.evaluation.resampling.AT_ONCE", 1000)
    assert rates(nats, units) == whole


def test_one_piece_has_an_interval_of_nothing():
    assert rates(np.array([[6.0]]), np.array([[2.0]])) == [[Rate(3, 3, 3, 3, 3, 3)]]


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
    monkeypatch.setattr(likelihoods, "COUNTED", 1000)
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
    assert "what was trained on is not known" in shown(evaluated(made, store))
    Index.of_tokens(store, store.encoder, store.split("train")).save(made.path / FILE)
    said = shown(evaluated(made, store))
    assert "these are the data that made was trained on" in said and "warning" not in said
    assert (
        "by their names, 0 of the pieces were trained on, 0 were held out for validation, 8 for test"
        in said
    )
    said = shown(evaluated(made, store, "train"))
    assert "warning: by their names, 24 of the pieces were trained on, 0 were" in said
    assert "warning: n-gram and unigram were counted in these very pieces" in said


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
        ({"frame": Fraction(0)}, "a frame must be longer than nothing"),
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
    assert lines[2].split() == ["by", "all", "pieces", "95", "%", "mean", "of", "pieces", "95", "%"]
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
    assert "n-gram: order 2 was asked for" in "\n".join(lines)


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
        (["--voices", 4], "--voices goes with --frame"),
        (["--frame", "0"], "a note value such as 1/16 was expected. Received: '0'"),
        (["--frame", "x/0"], "Received: 'x/0'"),
        (["--seed", 1], "which is split already: leave out --seed"),
        (["--part", "all", "--split", "folders"], "needs no split: leave out --split"),
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
