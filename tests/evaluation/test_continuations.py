"""Continuations compared with real music; figures are checked against hand-computed ones."""

import json
from dataclasses import replace
from itertools import pairwise

import click
import numpy as np
import pytest
from click.testing import CliRunner

from musegen import CheckpointError, ConfigError, MusegenError, ingest
from musegen.batch import derived_seed
from musegen.cli import generated_table
from musegen.cli.evaluate import BARS as SAID
from musegen.cli.evaluate import evaluate as command
from musegen.data.novelty import FILE, Index
from musegen.encoding.encoder import Encoder
from musegen.evaluation import FEATURES, check_generating, cut, evaluated, generated
from musegen.evaluation.continuations import BARS
from musegen.evaluation.ngram_composer import NGramComposer, NGramEngine
from musegen.generation.composer import Composer
from musegen.model.checkpoint import Checkpoint
from musegen.model.ngrams import NGrams
from musegen.score.keys import find_key
from musegen.score.measures import measures
from tests.evaluation.helpers import LINE, eighths
from tests.helpers import make_checkpoint


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """A folder of 40 tunes of three to eight bars."""
    folder = tmp_path_factory.mktemp("music") / "tunes"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(40):
        eighths(rng.integers(55, 80, 8 * int(rng.integers(3, 9)))).save(folder / f"{number:02}.mid")
    return folder


@pytest.fixture(scope="module")
def store(music, tmp_path_factory):
    return ingest([music], tmp_path_factory.mktemp("store") / "s", Encoder(LINE), held_out=0.2)


@pytest.fixture(scope="module")
def model(tmp_path_factory, store):
    made = make_checkpoint(tmp_path_factory.mktemp("made") / "tiny", LINE)
    Index.of_tokens(store, store.encoder, store.split("train")).save(made.path / FILE)
    return made


@pytest.fixture(scope="module")
def found(model, store):
    return generated(model, store, 5, bars=2, seed=3)


# The n-gram as a network


SENTENCES = [np.array([0, *row]) for row in ([1, 2, 1, 2, 3], [2, 1, 2, 2], [1, 3, 3, 1, 2, 4])]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_all_probabilities_are_those_of_the_ngram(order):
    grams = NGrams(SENTENCES, 6, 5)
    other = NGrams(SENTENCES, 6, 5)
    for piece in (np.array([0, 1, 2, 1, 2, 2, 3, 3, 1]), np.array([0, 5, 4, 1, 3])):
        for known in range(1, len(piece)):
            history = np.full(order + 3, -1)
            history[-known:] = piece[:known][-len(history) :]
            (p,) = grams.probabilities(history[None], order)
            assert p.sum() == pytest.approx(1)
            expected = [
                other.nats([np.append(piece[:known], token)])[order - 1, -1] for token in range(6)
            ]
            assert -np.log(p) == pytest.approx(expected)


@pytest.mark.parametrize("order", [1, 3])
def test_an_ngram_goes_step_by_step_as_at_once(order):
    engine = NGramEngine(NGrams(SENTENCES, 6, 4), order)
    heard = np.array([[0, 1, 2, 1, 3], [0, 2, 2, 5, 1], [0, 1, 3, 3, 1]], np.int32)
    whole, end = engine.forward(heard, engine.initial_state(3))
    state = engine.initial_state(3)
    for place in range(5):
        logits, state = engine.step(heard[:, place], state)
        assert np.array_equal(logits, whole[:, place]) and logits.dtype == np.float32
    assert np.array_equal(state[0], end[0])
    moved = engine.rows([state, engine.initial_state()], [2, 0, 3])
    again, _ = engine.step(np.array([2, 2, 0], np.int32), moved)
    assert np.array_equal(
        again[0], engine.forward(np.append(heard[2], 2)[None], engine.initial_state())[0][0, -1]
    )
    assert np.array_equal(again[2], whole[0, 0])


def test_an_ngram_of_one_tune_writes_that_tune(model):
    """With eight tokens to go by, what follows is nearly always known."""
    encoder = Encoder(LINE)
    song = eighths([60, 62, 64, 65, 67, 69, 71, 72] * 6)
    writer = NGramComposer(model, [encoder.encode(song)] * 500, 8, [])
    there = writer.composition(song[:2], bars=2, seed=1, temperature=0.3)
    assert there.added["pitch"].tolist() == [60, 62, 64, 65, 67, 69, 71, 72] * 2


# Whole comparisons


def test_what_is_compared_is_what_the_composer_writes(model, store, found):
    chosen = np.random.default_rng(3).permutation(store.split("test")).tolist()
    cuts = [
        cut(store.names[index], store.encoder.decode(store.tokens(index)), 2) for index in chosen
    ]
    first = [there for there in cuts if there is not None][:5]
    assert found.pieces == tuple(there.name for there in first)
    assert found.there == len(chosen) and cuts[: found.drawn].count(None) == found.drawn - 5
    composer = Composer(model)
    made = [
        composer.composition(one.primer, bars=2, seed=derived_seed(3, at))
        for at, one in enumerate(first)
    ]
    of_model = found.writers[0].measures
    for name in ("notes_per_bar", "pitch_range", "groove_consistency"):
        real = [measures(one.real)[name] for one in first]
        mine = [measures(piece.score, piece.start)[name] for piece in made]
        assert (of_model[name].real, of_model[name].made) == pytest.approx(
            (np.mean(real), np.mean(mine))
        )
    same = [
        find_key(piece.only_continuation()) == find_key(one.primer)
        for piece, one in zip(made, first, strict=True)
    ]
    assert of_model["key_of_primer"].made == pytest.approx(np.mean(same))
    runs = [composer.index.longest(one.real).notes for one in first]
    assert of_model["longest_run"].real == pytest.approx(np.mean(runs))


def test_the_same_command_gives_the_same_figures(model, store, found):
    assert generated(model, store, 5, bars=2, seed=3) == found
    assert generated(model, store, 5, bars=2, seed=4) != found
    assert generated(model, store, 4, bars=2, seed=3).pieces == found.pieces[:4]


def test_writers_and_what_real_music_reaches(model, store, found):
    assert [by.name for by in found.writers] == ["model", "n-gram"]
    assert found.writers[1].order == evaluated(model, store).predictors[1].order
    assert generated(model, store, 5, bars=2, seed=3, order=2).writers[1].order == 2
    for close in (found.real, *(by.closeness for by in found.writers)):
        assert tuple(close) == FEATURES
        assert all(0 <= there.area <= 1 and there.divergence >= 0 for there in close.values())
    # Real tunes are eighths alone, and an untrained model writes anything.
    assert found.real["duration"] == pytest.approx((1, 0), abs=1e-6)
    assert found.writers[0].closeness["duration"].area < 0.1
    for a, b in pairwise(found.writers):
        assert a.measures["notes_per_bar"].real == b.measures["notes_per_bar"].real == 8


def test_temperature_is_heeded(model, store, found):
    cold = generated(model, store, 5, bars=2, seed=3, temperature=0.1)
    assert cold.temperature == 0.1
    assert (
        cold.writers[0].measures["pitch_range"].real
        == found.writers[0].measures["pitch_range"].real
    )
    # Pitches of the training tunes are drawn evenly, so the cold n-gram does what it has heard, and
    # knows nothing else.
    runs = [there.writers[1].measures["longest_run"].made for there in (cold, found)]
    assert runs[0] > runs[1]


def test_all_pieces_have_no_ngram(model, store):
    there = generated(model, store, 6, "all", bars=2)
    assert [by.name for by in there.writers] == ["model"] and there.there == len(store)
    assert "no n-gram" in generated_table.shown(there)


def test_without_an_index_longest_runs_are_not_known(store, tmp_path):
    there = generated(make_checkpoint(tmp_path / "bare", LINE), store, 2, bars=2)
    assert "longest_run" not in there.writers[0].measures
    assert "longest runs are not known" in generated_table.shown(there)


# Errors


def test_too_few_long_pieces(model, store):
    with pytest.raises(
        MusegenError,
        match=r"5 pieces of 20 bars or more .*Received: 0 such among the 8 of this part",
    ):
        generated(model, store, 5, bars=10)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"pieces": 1}, "pieces to continue must be 2 or more. Received: 1"),
        ({"part": "tests"}, "part must be one of"),
        ({"bars": 0}, "bars must be 1 to 10000. Received: 0"),
        ({"temperature": 0.0}, "temperature must be 0.001 to 1000"),
    ],
)
def test_arguments_out_of_range(model, store, arguments, message):
    with pytest.raises(ConfigError) as error:
        generated(model, store, **{"pieces": 2, **arguments})
    assert message in str(error.value)


def test_models_that_cannot_be_compared(model, checkpoints):
    fills = Checkpoint(model.path, LINE, replace(model.model, future=6))
    with pytest.raises(
        CheckpointError, match=r"continues music was expected\. Received: tiny, which fills gaps"
    ):
        check_generating(fills, 5, "test", 8, 1.0)
    with pytest.raises(ConfigError, match="only metric encodings have"):
        check_generating(checkpoints["played"], 5, "test", 8, 1.0)


# The command


def run(*arguments):
    result = CliRunner().invoke(command, list(map(str, arguments)), standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_the_tables(model, store, found):
    out = run(model.path, store.path, "--generate", 5, "--bars", 2, "--seed", 3)
    alone = run(model.path, store.path)
    assert out.startswith(alone)
    lines = out[len(alone) :].splitlines()
    assert lines[1].startswith(
        "5 pieces continued for 2 bars after their first 2 bars, at temperature 1"
    )
    order = found.writers[1].order
    assert lines[3].split() == [
        *"mean of pieces real model difference 95 % interval".split(),
        f"{order}-gram",
        *"difference 95 % interval".split(),
    ]
    cells = {line.split()[0]: line.split() for line in lines[4:] if line}
    there = found.writers[0].measures["notes_per_bar"]
    assert cells["notes_per_bar"][1:7] == [
        "8.000",
        f"{there.made:.3f}",
        f"{there.difference:+.3f}",
        f"{there.low:+.3f}",
        "to",
        f"{there.high:+.3f}",
    ]
    close = [found.real, *(by.closeness for by in found.writers)]
    row = next(line.split() for line in lines if line.startswith("interval: divergence"))
    assert row[2:] == [f"{of['interval'].divergence:.3f}" for of in close]
    assert f"pieces: {found.drawn} of {found.there} drawn with seed 3" in out


def test_json(model, store, found):
    facts = json.loads(
        run(model.path, store.path, "--generate", 5, "--bars", 2, "--seed", 3, "--json")
    )
    there = facts["generated"]
    assert (there["pieces"], there["bars"], there["seed"], there["temperature"]) == (5, 2, 3, 1)
    assert there["names"] == list(found.pieces) and (there["drawn"], there["of"]) == (
        found.drawn,
        found.there,
    )
    model_, ngram = there["writers"]
    assert (
        model_["measures"]["self_similarity"]
        == found.writers[0].measures["self_similarity"]._asdict()
    )
    assert ngram["closeness"]["duration"] == found.writers[1].closeness["duration"]._asdict()
    assert there["primers"]["interval"] == found.real["interval"]._asdict()
    assert "generated" not in json.loads(run(model.path, store.path, "--json"))


def test_a_folder(model, music):
    out = run(model.path, music, "--generate", 2, "--bars", 1, "--part", "train")
    assert "2 pieces continued for 1 bar " in out


def test_the_default_is_that_of_the_library():
    assert SAID == BARS


@pytest.mark.parametrize(
    "options, message",
    [
        (["--bars", 4], "options of --generate were given without it: --bars"),
        (["--temperature", 0.9, "--bars", 4], "without it: --temperature, --bars. Add --generate"),
        (["--generate", 1], "1 is not in the range x>=2"),
        (["--generate", 5, "--split", "folders"], "leave out --split"),
    ],
)
def test_options_that_mean_nothing(model, store, options, message):
    with pytest.raises(click.UsageError) as error:
        run(model.path, store.path, *options)
    assert message in error.value.format_message()
