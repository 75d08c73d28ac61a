"""Bars are filled from both sides, and nothing outside of them changes."""

import json
from collections import Counter

import h5py
import keras
import mido
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import musegen
from musegen import Composer, Score, Track
from musegen.cli import main
from musegen.config import EncoderConfig, ModelConfig, TrainingConfig
from musegen.data import dataset
from musegen.data.store import ingest
from musegen.encoding import gaps
from musegen.encoding.context import View, context
from musegen.encoding.context.layout import LOOKBACKS
from musegen.encoding.encoder import Encoder
from musegen.encoding.gaps import FUTURE, Gap
from musegen.encoding.vocabulary import Vocabulary
from musegen.errors import CheckpointError, EncodingError, MidiError, TrainingError
from musegen.generation.compose import choose
from musegen.generation.compose_file import infill_file
from musegen.generation.infilling import InfillGrammar
from musegen.generation.primer import continuation_start
from musegen.model import likelihood
from musegen.model.checkpoint import Checkpoint, save
from musegen.model.engine import Engine
from musegen.model.network import build, parameters
from musegen.score.midi import from_mido
from musegen.score.reading import merge_programs
from musegen.training.infilling import FixedInfillWindows, InfillWindows, draw_gap
from musegen.training.networks import networks
from musegen.training.train import train
from tests.helpers import (
    GATES,
    absolute,
    assert_playable,
    files,
    random_weights,
    scores,
    write_keras_weights,
)

LINE = EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0)


def filler(path, encoder, seed=0, scale=0.3, context=0):
    """Write an untrained checkpoint that fills gaps."""
    model = ModelConfig(
        len(Vocabulary(encoder)), cell="gru", units=16, embedding=8, future=6, context=context
    )
    rng = np.random.default_rng(seed)
    gates = GATES[model.cell]
    weights = random_weights(model, rng, scale)
    shapes = {
        "backward": [(8, gates * 6), (6, gates * 6), (2, gates * 6)],
        "aim": [(6, 8), (8,)],
        "left_embedding": [(gaps.LONGEST + 1, 8)],
    }
    for name, arrays in shapes.items():
        weights[name] = [rng.normal(0, scale, shape).astype(np.float32) for shape in arrays]
    path.mkdir(parents=True)
    write_keras_weights(path / "random.weights.h5", weights)
    with h5py.File(path / "random.weights.h5", "a") as file:  # as Keras has cells
        file.move("layers/backward/vars", "layers/backward/weights")
        file.move("layers/backward/weights", "layers/backward/cell/vars")
        file.create_group("layers/backward/vars").attrs["name"] = "backward"
    made = Checkpoint(path, encoder, model, (Track("Flute", 73),))
    save(made, path / "random.weights.h5")
    return made


@pytest.fixture(scope="module")
def fillers(tmp_path_factory):
    root = tmp_path_factory.mktemp("fillers")
    configs = {
        "line": LINE,
        "parts": EncoderConfig(parts=4, programs=False, drums=False, velocities=0, tempos=0),
        "band": EncoderConfig(),
    }
    return {name: filler(root / name, config) for name, config in configs.items()}


def tune(bars=8, **fields):
    notes = [(480 * i, 480, 60 + i % 5, 80, 0) for i in range(4 * bars)]
    return Score(notes=notes, tracks=[Track("Flute", 73)], **fields)


@pytest.mark.parametrize("columns", [0, 2])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_steps_the_whole_sequence_and_keras_agree(tmp_path, cell, columns):
    config = ModelConfig(
        40,
        cell=cell,
        units=24,
        embedding=12,
        dropout=0.3,
        future=10,
        context=columns,
        layer_norm=True,
    )
    model, rng = build(config), np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.25, w.shape) for w in model.get_weights()])
    model.save_weights(tmp_path / "model.weights.h5")
    inputs = {
        "tokens": rng.integers(0, 40, (3, 20)).astype(np.int32),
        "future": rng.integers(0, 40, (3, FUTURE)).astype(np.int32),
        "left": rng.integers(0, gaps.LONGEST + 1, (3, 20)).astype(np.int32),
    }
    context = None
    if columns:
        context = rng.integers(0, View(columns).sizes, (3, 20, len(View(columns).sizes))).astype(
            np.uint16
        )
        inputs["context"] = context
    expected = keras.ops.convert_to_numpy(model(inputs))
    engine = Engine(config, Checkpoint(tmp_path, EncoderConfig(), config).weights()).conditioned_on(
        inputs["future"]
    )
    state = engine.initial_state(3)
    at_once, _ = engine.forward(inputs["tokens"], state, context, inputs["left"])
    np.testing.assert_allclose(at_once, expected, atol=1e-5)
    for t in range(20):
        row = None if context is None else context[:, t]
        logits, state = engine.step(inputs["tokens"][:, t], state, row, inputs["left"][:, t])
        np.testing.assert_allclose(logits, expected[:, t], atol=1e-5)
    assert parameters(config) == model.count_params()


def test_what_the_engine_must_be_told(fillers, checkpoints):
    fills, continues = Composer(fillers["line"]).engine, Composer(checkpoints["line"]).engine
    tokens = np.zeros((1, 3), np.int32)
    future = np.zeros((1, FUTURE), np.int32)
    with pytest.raises(ValueError, match="fills gaps was expected"):
        continues.conditioned_on(future)
    with pytest.raises(ValueError, match="must be given `left`"):
        fills.conditioned_on(future).forward(tokens, fills.initial_state())
    with pytest.raises(ValueError, match="must be given `left`"):
        continues.forward(tokens, continues.initial_state(), None, tokens)


def test_a_window_holds_the_gap_and_what_is_around_it():
    encoder = Encoder(LINE)
    vocabulary = encoder.vocabulary
    tokens = encoder.encode(tune(bars=4))
    lines = gaps.borders(tokens, vocabulary)
    assert len(lines) == 5 and lines[0] == 1 and lines[-1] == len(tokens) - 1
    gap = Gap(int(lines[1]), int(lines[3]))
    found = gaps.window(tokens, gap, 100, vocabulary)
    assert found.first == 0 and found.tokens.tolist() == tokens[: gap.closes].tolist()
    assert found.targets.tolist() == tokens[1 : gap.closes + 1].tolist()
    assert found.left.tolist() == [0] * lines[1] + [2] * (lines[2] - lines[1]) + [1] * (
        lines[3] - lines[2]
    )
    assert found.weight.tolist() == [0] * lines[1] + [1] * (lines[3] - lines[1])
    near = found.future[::-1]
    rest = len(tokens) - gap.closes
    assert near[:rest].tolist() == tokens[gap.closes :].tolist()
    assert set(near[rest:].tolist()) == {vocabulary.first["end"]}
    narrow = gaps.window(tokens, gap, 30, vocabulary)
    assert narrow.first == gap.closes - 30 or len(narrow.tokens) == 30
    crowded = gaps.window(tokens, Gap(1, len(tokens) - 1), 20, vocabulary)
    assert crowded.tokens.tolist() == tokens[:16].tolist() and crowded.left[1] == 4


def pieces(folder, count=12, bars=8):
    """Write tunes of a note a bar: one in any of three keys, then one that says which."""
    rng = np.random.default_rng(5)
    folder.mkdir()
    for number in range(count):
        keys = rng.integers(0, 3, bars // 2).repeat(2)
        notes = [
            (1920 * i, 1920, 55 + 17 * (i % 2) + int(key), 80, 0) for i, key in enumerate(keys)
        ]
        Score(notes=notes, tracks=[Track()]).save(folder / f"{number}.mid")


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_places_behind_a_gap_are_looked_at_alike_while_it_is_filled_and_all_at_once(data):
    encoder = Encoder(
        data.draw(st.sampled_from([EncoderConfig(velocities=0, tempos=0), EncoderConfig()]))
    )
    tokens, view = encoder.encode(data.draw(scores())), View(1, len(encoder.vocabulary))
    assume(len(gaps.borders(tokens, encoder.vocabulary)) > 1)
    gap = draw_gap(
        tokens, 400, encoder.vocabulary, np.random.default_rng(data.draw(st.integers(0, 99)))
    )
    window = gaps.window(tokens, gap, len(tokens), encoder.vocabulary)
    conditioned, unconditioned = (
        gaps.gap_context(tokens, gap, window, encoder.vocabulary, view, conditioned)[
            :, -2 * view.lookbacks :
        ]
        for conditioned in (True, False)
    )
    past = context(tokens, encoder.vocabulary, view)[window.first :, -2 * view.lookbacks :]
    assert np.array_equal(unconditioned, past[: len(unconditioned)])
    opens = gap.opens - window.first
    assert np.array_equal(conditioned[:opens], unconditioned[:opens])
    rules = InfillGrammar(encoder.vocabulary, tokens, gap)
    for index, row in enumerate(conditioned[opens:], gap.opens):
        if index > gap.opens:
            rules.advance(int(tokens[index]))
        assert rules.history.lookback() == row.tolist()


def test_what_comes_again_behind_a_gap_can_be_copied():
    encoder, rng = Encoder(LINE), np.random.default_rng(0)
    line = np.tile(rng.integers(50, 90, (4, 8)), (2, 1)).ravel().tolist()  # four bars, twice
    tokens = encoder.encode(
        Score(notes=[(240 * i, 240, p, 80, 0) for i, p in enumerate(line)], tracks=[Track()])
    )
    lines = gaps.borders(tokens, encoder.vocabulary)
    gap, view = Gap(int(lines[0]), int(lines[2])), View(1, len(encoder.vocabulary))
    window = gaps.window(tokens, gap, 400, encoder.vocabulary)
    conditioned, unconditioned = (
        gaps.gap_context(tokens, gap, window, encoder.vocabulary, view, conditioned)
        for conditioned in (True, False)
    )
    inside = slice(gap.opens + 2, gap.closes)  # only the first bar says its meter
    four_bars = -view.lookbacks + LOOKBACKS["bars"].index(4)
    assert np.array_equal(
        conditioned[inside, four_bars], 1 + tokens[inside.start + 1 : inside.stop + 1]
    )
    assert not unconditioned[inside, four_bars].any()


def test_batches_depend_on_seed_epoch_and_step_alone(tmp_path):
    pieces(tmp_path / "music")
    encoder = Encoder(LINE)
    store = ingest([tmp_path / "music"], tmp_path / "store", encoder, seed=0)
    data = dataset.load(store)
    model = ModelConfig(
        len(encoder.vocabulary), units=8, embedding=8, future=4, context=1, lookback=True
    )
    config = TrainingConfig(sequence_length=24, batch_size=4, transpose=3, seed=3)
    batches = InfillWindows(data.train, encoder, model, config)
    inputs, targets, weight = batches[1]
    assert {k: v.shape for k, v in inputs.items()} == {
        "tokens": (4, 24),
        "future": (4, FUTURE),
        "left": (4, 24),
        "context": (4, 24, len(View.of(model).sizes)),
    }
    assert ((weight == 1) == (inputs["left"] > 0)).all() and set(np.unique(weight)) == {0, 1}
    batches.lay_out(0, 1)  # as a run that is resumed does
    assert len(batches) == batches.steps - 1
    for a, b in zip(
        keras.tree.flatten(batches[0]), keras.tree.flatten((inputs, targets, weight)), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    batches.lay_out(1, 1)
    assert not np.array_equal(batches[0][1], targets)
    fixed = FixedInfillWindows(data.validation, encoder, model, config)
    for a, b in zip(keras.tree.flatten(fixed[0]), keras.tree.flatten(fixed[0]), strict=True):
        np.testing.assert_array_equal(a, b)
    piece = data.train.tokens(0)
    whole = context(piece, encoder.vocabulary, View.of(model))
    rng = np.random.default_rng(0)
    (alone, _, _) = fixed._batch([piece], rng, 0.0)
    gap = draw_gap(piece, 24, encoder.vocabulary, np.random.default_rng(0))
    found = gaps.window(piece, gap, 24, encoder.vocabulary)
    np.testing.assert_array_equal(
        alone["context"][0, : len(found.tokens)], whole[found.first :][: len(found.tokens)]
    )


def test_models_that_cannot_be_trained_to_fill(tmp_path):
    pieces(tmp_path / "music", count=4)
    encoder = Encoder(LINE)
    model = ModelConfig(len(encoder.vocabulary), units=8, embedding=8, future=4)
    with pytest.raises(TrainingError, match="Received: tbptt"):
        train([tmp_path / "music"], tmp_path / "out", encoder, model, TrainingConfig(tbptt=True))
    played = Encoder(EncoderConfig(encoding="performance"))
    model = ModelConfig(len(played.vocabulary), units=8, embedding=8, future=4)
    with pytest.raises(TrainingError, match="needs the encoding metric"):
        train([tmp_path / "music"], tmp_path / "out2", played, model, TrainingConfig())


def test_it_begins_where_a_model_that_continues_ended(checkpoints):
    parent = checkpoints["line"]
    encoder = Encoder(parent.encoder)
    config = ModelConfig(**{**parent.model.to_dict(), "future": 5})
    _, plain = networks(encoder, config, TrainingConfig(), 2, parent)
    tokens = encoder.encode(tune())[None]
    future, left = np.full((1, FUTURE), 3, np.int32), np.full(tokens.shape, 2, np.int32)
    inputs = {"tokens": tokens, "future": future, "left": left}
    engine = Composer(parent).engine
    expected, _ = engine.forward(tokens, engine.initial_state())
    np.testing.assert_allclose(keras.ops.convert_to_numpy(plain(inputs)), expected, atol=1e-5)


def test_it_learns_what_only_the_future_tells(tmp_path, monkeypatch):
    for module in (
        "encoding.gaps",
        "model.network",
        "training.infilling",
    ):  # distant music adds nothing but time
        monkeypatch.setattr(f"musegen.{module}.FUTURE", 24)
    pieces(tmp_path / "music", count=100, bars=16)
    encoder = Encoder(LINE)
    shape = {
        "vocabulary_size": len(encoder.vocabulary),
        "cell": "gru",
        "layers": 1,
        "units": 48,
        "embedding": 16,
    }
    parent = Checkpoint(tmp_path / "parent", LINE, ModelConfig(**shape))
    weights = random_weights(parent.model, np.random.default_rng(0), 0.4)
    weights["embedding"][0] *= 3  # embeddings that differ from the beginning save most of the steps
    weights["logits"] = [0.1 * array for array in weights["logits"]]
    parent.path.mkdir()
    write_keras_weights(tmp_path / "weights.h5", weights)
    save(parent, tmp_path / "weights.h5")
    config = TrainingConfig(
        sequence_length=72, batch_size=16, epochs=30, patience=30, learning_rate=0.02, warmup=0
    )
    made, data = train(
        [tmp_path / "music"],
        tmp_path / "filler",
        encoder,
        ModelConfig(**shape, future=32),
        config,
        start=parent.path,
    )
    engine = Composer(made).engine
    asked = []
    for piece in data.validation:
        lines = gaps.borders(piece.tokens, encoder.vocabulary).tolist()
        asked += [(piece.tokens, Gap(*two)) for two in zip(lines[0::2], lines[1::2], strict=False)]
    conditioned, blind = (
        sum(
            float(nats.sum())
            for nats in likelihood.gap_nats(
                engine, asked, encoder.vocabulary, with_future=conditioned
            )
        )
        / len(asked)
        for conditioned in (True, False)
    )
    assert blind > 0.9 * np.log(3)  # the past says nothing of the key, which is one of three
    assert conditioned < 0.7 * blind


@pytest.mark.parametrize("name", ["line", "parts", "band"])
@given(
    midi=files(),
    seed=st.integers(0, 1000),
    place=st.tuples(st.floats(0, 1), st.integers(1, 3)),
    temperature=st.sampled_from([0.01, 1, 10]),
)
@settings(max_examples=20, deadline=None)
def test_outside_of_the_bars_nothing_changes(
    fillers, tmp_path_factory, name, midi, seed, place, temperature
):
    folder = tmp_path_factory.mktemp("fill")
    midi.save(folder / "primer.mid")
    before = mido.MidiFile(folder / "primer.mid")
    score = merge_programs(from_mido(before))
    lines = score.barlines()
    count = int(np.searchsorted(lines, continuation_start(score)))
    first = 1 + int(place[0] * (count - 1))
    bars = (first, min(first + place[1] - 1, count))
    try:
        out, made, _ = infill_file(
            folder / "primer.mid",
            bars,
            None,
            fillers[name].path,
            seed=seed,
            temperature=temperature,
        )
    except (EncodingError, MidiError) as error:
        assert "knows no drums" in str(error) or "outside of the bars" in str(error)
        return
    after = mido.MidiFile(out)
    assert (after.ticks_per_beat, after.type) == (before.ticks_per_beat, before.type)
    lines = score.barlines()
    assert (made.start, made.end) == (lines[bars[0] - 1], lines[bars[1]])
    refilled = {(score.tracks[t].chunk, score.tracks[t].channel) for t in made.tracks}
    for index, (old, new) in enumerate(zip(absolute(before), absolute(after), strict=True)):
        old, new = (
            [(t, str(e)) for t, e in events if not is_note(e, refilled, index)]
            for events in (old, new)
        )
        marker = [(t, e) for t, e in new if "fill: musegen" in e]
        assert [t for t, _ in marker] == ([made.start] if index == 0 else [])
        assert [e for e in new if e not in marker] == old
    assert_notes_are_replaced(score, merge_programs(from_mido(after)), made)
    if distinct(before):
        assert_playable(after)
    again, _, _ = infill_file(
        folder / "primer.mid",
        bars,
        folder / "again.mid",
        fillers[name].path,
        seed=seed,
        temperature=temperature,
    )
    assert again.read_bytes() == out.read_bytes()


def is_note(event, refilled, chunk):
    return event.type in ("note_on", "note_off") and (chunk, event.channel) in refilled


def distinct(midi):
    channels = [{e.channel for e in chunk if e.type == "note_on"} for chunk in midi.tracks]
    return sum(map(len, channels)) == len(set().union(*channels))


def rows(score, notes):
    places = [(t.chunk, t.channel) for t in score.tracks]
    return Counter(
        (onset, duration, pitch, velocity, places[t])
        for onset, duration, pitch, velocity, t in notes.tolist()
    )


def assert_notes_are_replaced(before, after, made):
    """Notes that begin in the bars, on the read tracks, are new; the others are as before."""
    inside = (before.notes["onset"] >= made.start) & (before.notes["onset"] < made.end)
    stay = before.notes[~(inside & np.isin(before.notes["track"], made.tracks))]
    assert rows(after, after.notes) == rows(before, stay) + rows(before, made.added)
    assert rows(before, made.score.notes) == rows(before, stay) + rows(before, made.added)
    onset, duration = made.added["onset"].astype(int), made.added["duration"].astype(int)
    assert (
        (duration > 0).all()
        and (onset >= made.start).all()
        and (onset + duration <= made.end).all()
    )


def test_what_stood_in_the_bars_does_not_matter(fillers):
    composer = Composer(fillers["line"])
    other = tune().notes.copy()
    inside = (other["onset"] >= 2 * 1920) & (other["onset"] < 4 * 1920)
    other["pitch"][inside] = 90
    a, b, c = (
        composer.infilling(
            Score(notes=notes, tracks=[Track("Flute", 73)]), (3, 4), seed=6
        ).added.tolist()
        for notes in (tune().notes, other, other[~inside])
    )
    assert a and a == b == c
    later = tune().notes.copy()
    later["pitch"][later["onset"] >= 4 * 1920] = 67
    assert (
        composer.infilling(Score(notes=later, tracks=[Track()]), (3, 4), seed=6).added.tolist() != a
    )


def test_meters_inside_the_bars_stay(fillers):
    notes = [(240 * i, 240, 60 + i % 7, 80, 0) for i in range(60)]
    meters = [(0, 4, 4), (1920, 3, 4), (1920 + 1440, 6, 8)]
    piece = Score(notes=notes, tracks=[Track()], meters=meters)
    lines = piece.barlines()
    for bars in ((1, 2), (2, 3), (1, 4), (3, 3)):
        made = Composer(fillers["line"]).infilling(piece, bars, seed=1)
        assert (made.start, made.end) == (lines[bars[0] - 1], lines[bars[1]])
        assert (
            made.score.meters.tolist() == piece.meters.tolist()
            and made.score.barlines().tolist() == lines.tolist()
        )


def test_a_pickup_is_bar_0(fillers):
    notes = [(0, 480, 67, 80, 0)] + [(480 + 480 * i, 480, 60 + i, 80, 0) for i in range(8)]
    piece = Score(notes=notes, tracks=[Track()], meters=[(0, 1, 4), (480, 4, 4)])
    composer = Composer(fillers["line"])
    made = composer.infilling(piece, (1, 1), seed=2)
    assert (made.start, made.end) == (480, 480 + 1920)
    assert (
        composer.infilling(piece, (0, 0), seed=2).start,
        composer.infilling(piece, (2, 2), seed=2).end,
    ) == (0, 4320)
    with pytest.raises(MidiError, match=r"the piece's, 0 to 2. Received: 3-3"):
        composer.infilling(piece, (3, 3))


def test_a_note_that_rings_in_stays(fillers):
    notes = [(0, 1920 * 4, 40, 80, 0), *(tuple(n) for n in tune(4).notes.tolist())]
    made = Composer(fillers["parts"]).infilling(
        Score(notes=notes, tracks=[Track()]), (2, 3), seed=1
    )
    assert (0, 1920 * 4, 40, 80, 0) in made.score.notes.tolist() and len(made.added)
    assert 40 not in made.added["pitch"]


def test_a_long_piece_is_heard_around_the_gap(fillers):
    piece = tune(bars=1200)
    made = Composer(fillers["line"]).infilling(piece, (1000, 1001), seed=1)
    assert (made.start, made.end) == (999 * 1920, 1001 * 1920)


def run(*args):
    return CliRunner().invoke(main, [str(a) for a in args])


def test_a_piece_of_dense_bars_is_filled(fillers):
    # Its first bar has more tokens than the octave is chosen by, so there is no gap to score.
    notes = [(2 * i, 20, 20 + 7 * i % 90, 80, 0) for i in range(3 * 960)]
    piece = Score(notes=notes, tracks=[Track()])
    made = Composer(fillers["line"]).infilling(piece, (2, 2), seed=1)
    assert (made.start, made.end) == (1920, 3840) and len(made.added)
    onset = piece.notes["onset"]
    outside = piece.notes[(onset < 1920) | (onset >= 3840)]
    kept = made.score.notes[~np.isin(made.score.notes["onset"], made.added["onset"])]
    assert kept["pitch"].tolist() == outside["pitch"].tolist()


def test_the_command_says_what_it_did(fillers, tmp_path):
    tune().save(tmp_path / "tune.mid")
    args = (
        "compose",
        tmp_path / "tune.mid",
        "--fill",
        "3-4",
        "--checkpoint",
        fillers["line"].path,
        "--seed",
        4,
    )
    facts = json.loads(run(*args, "--json").stdout)
    assert (
        facts["fill"] == [3, 4] and "bars" not in facts and facts["tracks_continued"] == ["Flute"]
    )
    assert facts["output"] == str(tmp_path / "tune-filled.mid")
    refused = run(*args)
    assert refused.exit_code == 1 and "not overwritten" in refused.stderr
    assert "bars 3 to 4 filled" in run(*args, "--force").stdout
    texts = [
        e.text
        for c in mido.MidiFile(tmp_path / "tune-filled.mid").tracks
        for e in c
        if e.type == "marker"
    ]
    assert texts == ["fill: musegen line, seed 4"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("--fill", "8-5"), 2, "expected a bar or a range of bars"),
        (("--fill", "five"), 2, "Received: 'five'"),
        (("--fill", "5-"), 2, "as 5 or 5-8"),
        (("--fill", "2", "--bars", "4"), 2, "cannot be combined with"),
        (("--fill", "2", "--only-continuation"), 2, "cannot be combined with"),
        (("--fill", "7-9"), 1, "the piece's, 1 to 8. Received: 7-9"),
        (("--fill", "0"), 1, "1 to 8"),
        (("--fill", "1-8"), 1, "must be notes outside of the bars"),
    ],
)
def test_errors_have_exit_codes(fillers, tmp_path, args, code, message):
    tune().save(tmp_path / "tune.mid")
    result = run("compose", tmp_path / "tune.mid", "--checkpoint", fillers["line"].path, *args)
    assert (result.exit_code, message in " ".join(result.stderr.split())) == (code, True), (
        result.stderr
    )
    assert not (tmp_path / "tune-filled.mid").exists()


def test_models_that_continue_and_models_that_fill_are_told_apart(
    fillers, checkpoints, tmp_path, monkeypatch
):
    with pytest.raises(
        CheckpointError, match=r"fills gaps was expected. Received: line, which continues music"
    ):
        musegen.infill(tune(), (2, 3), checkpoint=checkpoints["line"].path)
    with pytest.raises(
        CheckpointError, match=r"continues music was expected. Received: line, which fills gaps"
    ):
        musegen.compose(tune(), checkpoint=fillers["line"].path)
    roots = [checkpoints["line"].path.parent]
    monkeypatch.setattr("musegen.model.checkpoint.roots", lambda: iter(roots))
    with pytest.raises(
        CheckpointError, match=r"no checkpoint that fills gaps .*musegen train --future"
    ):
        musegen.infill(tune(), 3)
    (tmp_path / "all").mkdir()
    for name, made in [("c", checkpoints["line"]), ("f", fillers["line"]), ("g", fillers["parts"])]:
        (tmp_path / "all" / name).symlink_to(made.path)
    roots[:] = [tmp_path / "all"]
    assert set(choose(tune())[1]) == {"c"} and set(choose(tune(), fills=True)[1]) == {"f", "g"}
    filled = musegen.infill(tune(), 3, seed=1)
    assert filled.notes["pitch"][:8].tolist() == tune().notes["pitch"][:8].tolist()
