"""Batches hold every piece once an epoch, in order, each place with the token that follows it."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from musegen import Encoder, EncoderConfig, ModelConfig, Score, Track, TrainingConfig, ingest
from musegen.data.dataset import Pieces, load
from musegen.encoding.context import View, context
from musegen.model.network import build
from musegen.training.feeding import LONGEST_VALIDATION, WholePieces, Windows

ENCODER = Encoder(EncoderConfig(parts=1, programs=False, velocities=0, tempos=0))
MODEL = ModelConfig(len(ENCODER.vocabulary))
CONFIG = TrainingConfig(sequence_length=16, batch_size=3, seed=2)
START, END = ENCODER.vocabulary.first["start"], ENCODER.vocabulary.first["end"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Thirty tunes of different lengths."""
    out = tmp_path_factory.mktemp("tunes")
    for i in range(30):
        pitches = np.random.default_rng(i).integers(55, 80, 10 + 3 * i)
        notes = [(240 * k, 240, int(p), 80, 0) for k, p in enumerate(pitches)]
        Score(notes=notes, tracks=[Track()]).save(out / f"{i:02}.mid")
    return load(ingest([out], tmp_path_factory.mktemp("store") / "store", ENCODER, held_out=0.1))


def batches(windows):
    return [windows[i] for i in range(len(windows))]


def test_windows_of_a_row_go_on_where_the_last_ended(data):
    made = batches(Windows(data.train, ENCODER, MODEL, CONFIG))
    rows = np.concatenate([np.concatenate([x, y[:, -1:]], axis=1)[:, :-1] for x, y in made], axis=1)
    follow = np.concatenate([y for _, y in made], axis=1)
    assert np.array_equal(rows[:, 1:], follow[:, :-1])
    whole = {tokens.tobytes() for tokens in (data.train.tokens(i) for i in range(len(data.train)))}
    for row in rows:
        starts = np.flatnonzero(row == START)
        assert len(starts) > 2
        for piece in np.split(row, starts)[1:-1]:
            assert piece.tobytes() in whole
    assert rows.shape[0] == 3 and rows.size - 3 * 16 < data.train.lengths.sum() < rows.size + 16


def test_an_epoch_holds_no_piece_twice_before_every_piece_once(data):
    windows = Windows(data.train, ENCODER, MODEL, CONFIG)
    lengths = [
        len(rows) for rows, _ in zip(windows._pieces(), range(2 * len(data.train)), strict=False)
    ]
    half = len(data.train)
    assert sorted(lengths[:half]) == sorted(lengths[half:]) == sorted(data.train.lengths.tolist())


@pytest.mark.parametrize("tbptt", [False, True])
def test_what_comes_depends_on_seed_epoch_and_step_alone(data, tbptt):
    config = replace(CONFIG, transpose=3, tbptt=tbptt)
    first = Windows(data.train, ENCODER, MODEL, config)
    first.lay_out(4)
    whole = batches(first)
    resumed = Windows(data.train, ENCODER, MODEL, config)
    _ = resumed[0], resumed[1]
    resumed.lay_out(4, step=5)
    assert len(resumed) == first.steps - 5
    _ = resumed[0], resumed[1]
    resumed.lay_out(4, step=5)  # as Keras and its callbacks do
    for a, b in zip(whole[5:], batches(resumed), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert all(
        np.array_equal(x, y) for x, y in zip(first[2], whole[2], strict=True)
    )  # asked for again
    first.lay_out(5)
    assert not np.array_equal(first[0][0], whole[0][0])


def test_with_tbptt_a_window_is_of_one_piece_and_rows_go_through_pieces(data):
    windows = Windows(data.train, ENCODER, MODEL, replace(CONFIG, tbptt=True))
    seen = [[] for _ in range(windows.rows)]
    for tokens, follow, weight in batches(windows):
        for row, (x, y, w) in enumerate(zip(tokens, follow, weight, strict=True)):
            real = int(w.sum())
            assert w[:real].all() and real > 0
            assert not (x[1:real] == START).any()  # it begins a window, or is not there
            assert np.array_equal(x[1:real], y[: real - 1])
            if x[0] == START:
                seen[row].append([START])
            seen[row][-1] += y[:real].tolist()
            assert (y[real - 1] == END) == (real < 16 or y[real - 1] == END)
    whole = {tuple(data.train.tokens(i).tolist()) for i in range(len(data.train))}
    complete = [tuple(piece) for row in seen for piece in row if piece[-1] == END]
    assert (
        set(complete) <= whole
        and len(whole) // 2 < len(set(complete)) <= len(complete) <= len(whole) + 3
    )


def test_with_tbptt_little_music_is_used_to_its_end(data):
    config = replace(CONFIG, tbptt=True, batch_size=64, sequence_length=32)
    windows = Windows(data.train[:5], ENCODER, MODEL, config)
    ends = sum(int(((follow == END) * weight).sum()) for _, follow, weight in batches(windows))
    assert windows.rows == 5 and ends == 5


def test_context_comes_with_its_tokens(data):
    model = replace(MODEL, context=1, lookback=True)
    plain, with_context = (Windows(data.train, ENCODER, m, CONFIG) for m in (MODEL, model))
    for (x, y), (inputs, follow) in zip(batches(plain), batches(with_context), strict=True):
        assert np.array_equal(inputs["tokens"], x) and np.array_equal(follow, y)
    tokens = data.train.tokens(0)
    expected = context(tokens, ENCODER.vocabulary, View.of(model))
    with_context = Windows(
        data.train, ENCODER, model, replace(CONFIG, tbptt=True, sequence_length=len(tokens))
    )
    found = [
        inputs["context"][row, : len(tokens) - 1]
        for inputs, _, _ in batches(with_context)
        for row in range(with_context.rows)
        if np.array_equal(inputs["tokens"][row, : len(tokens) - 1], tokens[:-1])
    ]
    assert len(found) == 1 and np.array_equal(found[0], expected[:-1])


def test_little_music_makes_fewer_rows_not_shorter_windows(data):
    windows = Windows(
        data.train[:3], ENCODER, MODEL, replace(CONFIG, batch_size=64, sequence_length=32)
    )
    tokens, _ = windows[0]
    assert windows.steps == 1 and tokens.shape == (int(data.train[:3].lengths.sum()) // 32, 32)
    one = Windows(
        data.train[:1], ENCODER, MODEL, replace(CONFIG, batch_size=64, sequence_length=4096)
    )
    assert one[0][0].shape == (1, 4096)


def test_validation_holds_every_token_once_and_padding_weighs_nothing(data):
    made = batches(WholePieces(data.validation, ENCODER, MODEL, tokens=300))
    assert sum(float(weight.sum()) for _, _, weight in made) == (data.validation.lengths - 1).sum()
    found = sorted(
        (int(x[0]), *y[: int(w.sum())].tolist())
        for batch in made
        for x, y, w in zip(*batch, strict=True)
        if w.any()
    )
    assert found == sorted(tuple(piece.tokens.tolist()) for piece in data.validation)
    assert all(tokens.size <= 300 or len(tokens) == 1 for tokens, _, _ in made)


def test_keras_takes_batches_of_which_many_are_as_long_as_each_other(tmp_path):
    for number, count in enumerate((150, 151, 152, 20, 21, 22, 23, 24)):
        pitches = np.random.default_rng(number).integers(40, 90, count)
        notes = [(240 * k, 240, int(p), 80, 0) for k, p in enumerate(pitches)]
        Score(notes=notes, tracks=[Track()]).save(tmp_path / "in" / f"{number}.mid")
    pieces = Pieces(ingest([tmp_path / "in"], tmp_path / "store", ENCODER), np.arange(8))
    whole = WholePieces(pieces, ENCODER, replace(MODEL, units=4, context=1), tokens=512)
    lengths = [length for length, _, _ in whole.batches]
    assert len(set(sorted(lengths)[-3:])) == 1 < len(set(lengths))
    network = build(replace(MODEL, units=4, context=1))
    network.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert np.isfinite(network.evaluate(whole, verbose=0))


def test_pieces_longer_than_a_stretch_are_measured_in_stretches(tmp_path):
    pitches = np.random.default_rng(0).integers(40, 90, (4, LONGEST_VALIDATION // 2))
    for number, line in enumerate(pitches):
        notes = [(240 * k, 240, int(p), 80, 0) for k, p in enumerate(line)]
        Score(notes=notes, tracks=[Track()]).save(tmp_path / "in" / f"{number}.mid")
    validation = load(ingest([tmp_path / "in"], tmp_path / "store", ENCODER)).validation
    assert validation.lengths.min() > LONGEST_VALIDATION
    made = batches(WholePieces(validation, ENCODER, MODEL, tokens=1000))
    assert sum(float(weight.sum()) for _, _, weight in made) == (validation.lengths - 1).sum()
