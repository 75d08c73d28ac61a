"""Context columns follow from the tokens so far, and from nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import Encoder, EncoderConfig, EncodingError, Score, Track
from musegen.config import ModelConfig
from musegen.encoding.context import (
    ALIKE,
    LOOKBACKS,
    View,
    context,
    context_of,
    lookback,
    pieces,
    since,
)
from musegen.encoding.grammar import grammar
from musegen.encoding.vocabulary import METERS, Vocabulary
from musegen.generation.composer import Composer
from musegen.model.checkpoint import Checkpoint, save
from musegen.model.engine import Engine
from musegen.model.network import build
from tests.helpers import CONFIGS, SEEDS, by_kind, scores, walk

NAMES = ("bar", "quarter", "phase", "left", "meter", "part")
VOICES = ("highest", "lowest", "before", "highest time", "lowest time", "count")


def stepped(tokens, vocabulary, view):
    """Return the rows that the grammar computes token by token."""
    out = []
    for token in tokens.tolist():
        if token == vocabulary.first["start"]:
            rules = grammar(vocabulary)
        rules.advance(token)
        out.append(rules.context(view))
    return np.array(out)


def assert_steps_agree(tokens, encoder, parts):
    view = View(parts, len(encoder.vocabulary))
    at_once = context(tokens, encoder.vocabulary, view)
    assert at_once.dtype == np.uint16 and at_once.shape == (len(tokens), len(view.sizes))
    np.testing.assert_array_equal(at_once, stepped(tokens, encoder.vocabulary, view))
    assert (at_once < view.sizes).all()
    alone = context(tokens, encoder.vocabulary, View(parts))
    np.testing.assert_array_equal(alone, at_once[:, : len(View(parts).sizes)])


def described(encoder, tokens, parts=1):
    """Return each event with the columns of its row that are not 0."""
    names = [*NAMES, *(f"{voice} {part}" for voice in VOICES for part in range(parts))]
    return [
        (str(event), {name: int(value) for name, value in zip(names, row, strict=True) if value})
        for event, row in zip(
            encoder.events(tokens), context(tokens, encoder.vocabulary, View(parts)), strict=True
        )
    ]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(
    data=st.data(), parts=st.integers(1, 6), cuts=st.lists(st.floats(0, 1), min_size=1, max_size=3)
)
@settings(max_examples=20, deadline=None)
def test_whole_pieces_and_single_tokens_agree_on_any_music(config, data, parts, cuts):
    encoder = Encoder(config)
    tokens = encoder.encode(data.draw(scores(max_tracks=min(config.parts, 4))))
    beginnings = [tokens[: 1 + int(cut * (len(tokens) - 1))] for cut in cuts]
    assert_steps_agree(np.concatenate([tokens, *beginnings]), encoder, parts)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(seed=st.integers(0, 10**6), parts=st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_whole_pieces_and_single_tokens_agree_on_generated_music(config, seed, parts):
    encoder = Encoder(config)
    rng = np.random.default_rng(seed)
    unit = 60 if config.encoding == "performance" else 1
    written = [walk(encoder, rng, length * unit, bias=by_kind(encoder, rng)) for length in (1, 3)]
    assert_steps_agree(np.concatenate(written), encoder, parts)


@pytest.mark.parametrize("config", [CONFIGS[0], CONFIGS[3], CONFIGS[4]], ids=str)
@pytest.mark.parametrize("seed", SEEDS, ids=lambda path: path.stem)
def test_whole_pieces_and_single_tokens_agree_on_tunes(config, seed):
    encoder = Encoder(config)
    assert_steps_agree(encoder.encode(seed), encoder, 4)


@pytest.mark.parametrize("encoding", ["metric", "performance"])
def test_pieces_do_not_affect_each_other(encoding, monkeypatch):
    encoder = Encoder(EncoderConfig(encoding=encoding))
    tunes = [encoder.encode(path) for path in SEEDS]
    view = View(3, len(encoder.vocabulary))
    apart = np.concatenate([context(tokens, encoder.vocabulary, view) for tokens in tunes])
    for stretch in (1, 700, 1 << 15):
        monkeypatch.setattr(pieces, "STRETCH", stretch)
        np.testing.assert_array_equal(
            context(np.concatenate(tunes), encoder.vocabulary, view), apart
        )


def test_a_bar_of_two_parts():
    encoder = Encoder(EncoderConfig(parts=2, programs=False, drums=False, velocities=0, tempos=0))
    score = Score(
        notes=[(0, 480, 72, 90, 0), (0, 240, 64, 90, 0), (0, 960, 48, 90, 1), (720, 60, 74, 90, 0)],
        tracks=[Track(), Track()],
        meters=[(0, 3, 4)],
        end=1440,
    )
    place = {"bar": 1, "left": 3, "meter": 1 + METERS.index((3, 4)), "quarter": 1, "phase": 1}
    first = {"highest 0": 65, "lowest 0": 65, "highest time 0": 6, "lowest time 0": 6, "count 0": 1}
    chord = {
        "highest 0": 73,
        "lowest 0": 65,
        "highest time 0": 12,
        "lowest time 0": 6,
        "count 0": 2,
    }
    bass = {
        "highest 1": 49,
        "lowest 1": 49,
        "highest time 1": 24,
        "lowest time 1": 24,
        "count 1": 1,
    }
    later = {
        **place,
        "left": 2,
        "quarter": 2,
        "phase": 7,
        "part": 2,
        **bass,
        "highest time 1": 6,
        "lowest time 1": 6,
    }
    high = {"highest 0": 75, "lowest 0": 75, "highest time 0": 2, "lowest time 0": 2, "count 0": 1}
    assert described(encoder, encoder.encode(score), parts=2) == [
        ("start", {}),
        ("bar", {"bar": 1, "left": 4}),
        ("time_signature 3/4", {"bar": 1, "left": 3, "meter": place["meter"]}),
        ("position 0", place),
        ("part 0", {**place, "part": 1}),
        ("pitch 64", {**place, "part": 1}),
        ("duration 6", {**place, "part": 1, **first}),
        ("pitch 72", {**place, "part": 1, **first}),
        ("duration 12", {**place, "part": 1, **chord}),
        ("part 1", {**place, "part": 2, **chord}),
        ("pitch 48", {**place, "part": 2, **chord}),
        ("duration 24", {**place, "part": 2, **chord, **bass}),
        (
            "position 18",
            {**later, "highest 0": 73, "before 0": 73},
        ),  # silent now; that is where the voice was
        ("part 0", {**later, "highest 0": 73, "before 0": 73, "part": 1}),
        ("pitch 74", {**later, "highest 0": 73, "before 0": 73, "part": 1}),
        ("duration 2", {**later, "part": 1, "before 0": 73, **high}),
        ("end", {**later, "part": 1, "before 0": 73, **high}),
    ]


def test_the_last_pitch_of_a_voice_is_kept_when_the_pitch_begins_again():
    encoder = Encoder(
        EncoderConfig(
            steps_per_quarter=4, parts=1, programs=False, drums=False, velocities=0, tempos=0
        )
    )
    pitches = [60, 62, 62, 60, 60]
    score = Score(notes=[(480 * i, 480, p, 90, 0) for i, p in enumerate(pitches)], tracks=[Track()])
    rows = [
        row for event, row in described(encoder, encoder.encode(score)) if event == "duration 4"
    ]
    assert [(row["highest 0"], row.get("before 0", 0)) for row in rows] == [
        (61, 0),
        (63, 61),
        (63, 63),
        (61, 63),
        (61, 61),
    ]


def test_a_note_is_held_over_barlines_and_hold_tokens():
    encoder = Encoder(
        EncoderConfig(
            steps_per_quarter=4, parts=1, programs=False, drums=False, velocities=0, tempos=0
        )
    )
    score = Score(notes=[(0, 480 * 9, 60, 90, 0)], tracks=[Track()], end=480 * 36)
    rows = dict(described(encoder, encoder.encode(score)))
    assert rows["duration 4"]["highest time 0"] == 96  # 8 quarters or more
    bars = [row for event, row in described(encoder, encoder.encode(score)) if event == "bar"]
    assert [row["bar"] for row in bars] == [1, 2, 3, 4, 5, 6, 7, 8, 1]
    assert [row.get("highest time 0", 0) for row in bars] == [0, 60, 12, 0, 0, 0, 0, 0, 0]
    assert [row.get("highest 0", 0) for row in bars] == [0, *[61] * 8]


def test_played_notes():
    encoder = Encoder(EncoderConfig(encoding="performance", velocities=0))
    token = encoder.vocabulary.token
    tokens = np.array(
        [
            token("start"),
            token("time_shift", 49),
            token("note_on", 60),
            token("note_on", 67),
            token("time_shift", 9),
            token("note_off", 60),
            token("time_shift", 19),
            token("note_off", 67),
            token("time_shift", 0),
            token("end"),
        ]
    )
    low = {"lowest 0": 61, "lowest time 0": 1}
    both = {"part": 1, "phase": 1, "highest 0": 68, "highest time 0": 1, **low, "count 0": 2}
    ten, thirty = int(since(10)), int(since(30))
    assert (since(0), ten, thirty) == (1, 11, 22)
    over = {
        **both,
        "phase": ten,
        "lowest 0": 68,
        "highest time 0": ten,
        "lowest time 0": ten,
        "count 0": 1,
        "before 0": 61,
    }
    assert [row for _, row in described(encoder, tokens)] == [
        {"part": 1},
        {"part": 1},
        {"part": 1, "phase": 1, "highest 0": 61, "highest time 0": 1, **low, "count 0": 1},
        both,
        {**both, "phase": ten, "highest time 0": ten, "lowest time 0": ten},
        over,
        {**over, "phase": thirty, "highest time 0": thirty, "lowest time 0": thirty},
        {"part": 1, "phase": thirty, "highest 0": 68, "before 0": 68},
        {"part": 1, "phase": int(since(31)), "highest 0": 68, "before 0": 68},
        {"part": 1, "phase": int(since(31)), "highest 0": 68, "before 0": 68},
    ]


def looked_back(encoder, tokens):
    """Return each event with its lookbacks: place → (similarity, the event that followed)."""
    view = View(1, len(encoder.vocabulary))
    names = [f"{count} {kind}" for kind, counts in LOOKBACKS.items() for count in counts]
    rows = context(tokens, encoder.vocabulary, view)[:, -2 * view.lookbacks :].tolist()
    return [
        (
            str(event),
            {
                name: (alike, str(encoder.vocabulary.event(follow - 1)))
                for name, alike, follow in zip(
                    names, row[: len(names)], row[len(names) :], strict=True
                )
                if follow
            },
        )
        for event, row in zip(encoder.events(tokens), rows, strict=True)
    ]


def test_lookback_finds_what_followed_similar_places():
    encoder = Encoder(
        EncoderConfig(
            steps_per_quarter=4, parts=1, programs=False, drums=False, velocities=0, tempos=0
        )
    )
    bars = [[60, 62], [64, 65], [60, 62], [64, 67]]
    notes = [
        (1920 * bar + 960 * half, 960, p, 90, 0)
        for bar, both in enumerate(bars)
        for half, p in enumerate(both)
    ]
    rows = looked_back(encoder, encoder.encode(Score(notes=notes, tracks=[Track()], end=4 * 1920)))
    assert [event for event, _ in rows[:3]] == ["start", "bar", "time_signature 4/4"] and not rows[
        2
    ][1]
    second, third, fourth = rows[9:16], rows[16:23], rows[23:30]
    assert second[0] == ("bar", {"1 bars": (1, "time_signature 4/4")})
    assert second[1] == ("position 0", {"1 bars": (1, "pitch 60")})
    assert second[2] == ("pitch 64", {"1 bars": (0, "duration 8")})
    # The first notes of a tune are like nothing yet.
    assert second[6] == ("duration 8", {"1 bars": (1, "bar")})
    assert third[0] == ("bar", {"1 bars": (2, "position 0"), "2 bars": (1, "time_signature 4/4")})
    assert third[1] == ("position 0", {"1 bars": (2, "pitch 64"), "2 bars": (1, "pitch 60")})
    assert third[6] == (
        "duration 8",
        {"1 bars": (1, "bar"), "2 bars": (3, "bar"), "6 tokens": (3, "bar")},
    )
    # Bar 2 is the one that bar 4 is like, until its last note.
    alike, follow = fourth[4][1]["2 bars"]
    assert fourth[4][0] == "position 8" and ALIKE[alike - 1] == 8 and follow == "pitch 65"
    assert fourth[5] == ("pitch 67", {"1 bars": (0, "duration 8"), "2 bars": (0, "duration 8")})


@pytest.mark.parametrize("encoding", ["metric", "performance"])
def test_lookback_ends_at_the_horizon(encoding, monkeypatch):
    encoder = Encoder(EncoderConfig(encoding=encoding))
    tokens = np.concatenate([encoder.encode(path) for path in SEEDS])
    before = context(tokens, encoder.vocabulary, View(1, len(encoder.vocabulary)))
    monkeypatch.setattr(lookback, "HORIZON", 40)
    assert_steps_agree(tokens, encoder, 1)
    assert not np.array_equal(
        before, context(tokens, encoder.vocabulary, View(1, len(encoder.vocabulary)))
    )


def test_times_of_a_performance_grow_from_1_to_96():
    assert (np.diff(since(np.arange(5000))) >= 0).all()
    assert since(np.arange(5)).tolist() == [1, 2, 3, 4, 5] and since(10**9) == 96


def test_pieces_begin_with_start():
    vocabulary = Vocabulary(EncoderConfig())
    assert context(np.zeros(0, np.int32), vocabulary, View(2)).shape == (0, len(View(2).sizes))
    assert context_of(np.array([[vocabulary.first["start"]]] * 3), vocabulary, View(2)).shape == (
        3,
        1,
        len(View(2).sizes),
    )
    with pytest.raises(EncodingError, match="first event must be start"):
        context(np.array([vocabulary.first["bar"]], np.int32), vocabulary, View(2))


class Listening(Engine):
    """Records the inputs and outputs of its first row since the last `forward`."""

    tokens, logits = (), ()

    def forward(self, tokens, state, context=None, left=None):
        logits, state = super().forward(tokens, state, context, left)
        self.tokens, self.logits = tokens[0].tolist(), [logits[0]]
        return logits, state

    def step(self, tokens, state, context=None, left=None):
        logits, state = super().step(tokens, state, context, left)
        self.tokens = [*self.tokens, int(tokens[0])]
        self.logits = [*self.logits, logits[:1]]
        return logits, state


def seeing(path, encoder):
    """Return a composer with an untrained network that has all options on."""
    model = ModelConfig(
        len(Vocabulary(encoder)),
        cell="gru",
        layers=2,
        units=16,
        embedding=8,
        residual=True,
        layer_norm=True,
        tied=True,
        context=3,
        lookback=True,
    )
    network = build(model)
    rng = np.random.default_rng(3)
    network.set_weights([rng.normal(0, 0.3, w.shape) for w in network.get_weights()])
    network.save_weights(path / "some.weights.h5")
    made = Checkpoint(path, encoder, model, (Track("Flute", 73),))
    save(made, path / "some.weights.h5")
    composer = Composer(made)
    composer.engine = Listening(model, made.weights())
    assert len(composer.engine.widths) > 1
    return composer


@pytest.mark.parametrize("primer", [None, "ode_to_joy", "greensleeves"])
@pytest.mark.parametrize("encoding", ["metric", "performance"])
def test_contexts_while_composing_equal_contexts_of_the_result(tmp_path, encoding, primer):
    composer = seeing(tmp_path, EncoderConfig(encoding=encoding))
    path = primer and next(p for p in SEEDS if p.stem == primer)
    composition = composer.composition(path, bars=3, seed=5)
    assert len(composition.added) > 3
    engine = composer.engine
    tokens, logits = np.array([engine.tokens], np.int32), np.concatenate(engine.logits)
    known = context(tokens[0], composer.encoder.vocabulary, View.of(composer.checkpoint.model))[
        None
    ]
    forced, _ = Engine.forward(engine, tokens, engine.initial_state(), known)
    np.testing.assert_allclose(forced[0], logits, atol=1e-5)
    if primer:
        assert composer.nats_per_note(path) > 0
