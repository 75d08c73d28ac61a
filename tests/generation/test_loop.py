"""Many pieces side by side: each as by itself, none in circles, all that was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import Composer, ConfigError, Encoder, Request
from musegen.config import EncoderConfig, SamplerConfig
from musegen.encoding.grammar import grammar
from musegen.encoding.vocabulary import Vocabulary
from musegen.generation.guards import CopyGuard, RepetitionGuard
from musegen.generation.loop import MOST_TRIES, generate
from musegen.generation.tasks import Task
from musegen.model import engine
from musegen.model.engine import WIDTHS
from musegen.score.reading import read_parts
from tests.helpers import SEEDS, make_checkpoint

LINE = EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0)
PRIMERS = {
    path.stem: read_parts(path)
    for path in SEEDS
    if path.stem in ("amazing_grace", "ode_to_joy", "greensleeves")
}


class Table:
    """A network that knows the last token alone: its logits are a row of a table."""

    widths = (2, 8)

    def __init__(self, logits):
        self.logits = logits.astype(np.float32)

    def step(self, tokens, state, context=None):
        return self.logits[tokens], state

    def rows(self, states, indices):
        return np.concatenate(states)[list(indices)]


def task(vocabulary, logits, length, seed=0, temperature=1.0, guards=(), start="start"):
    rules = grammar(vocabulary)
    rules.advance(vocabulary.first[start])
    rules.length, rules.longest_rest = length, 2
    forbidden = vocabulary.of("time_signature")  # where there is a choice: 4/4 then
    return Task(
        logits[vocabulary.first[start]],
        np.zeros((1, 1)),
        rules,
        SamplerConfig(temperature),
        np.random.default_rng(seed),
        forbidden,
        guards=guards,
    )


def bars_of(encoder, tokens):
    """The notes of each bar, from its beginning."""
    score = encoder.decode(np.append(np.int32(encoder.vocabulary.first["start"]), tokens))
    lines = score.barlines()
    bar = np.searchsorted(lines, score.notes["onset"], side="right") - 1
    notes = score.notes
    return [
        [
            (int(n["onset"] - lines[b]), int(n["pitch"]), int(n["duration"]), int(n["track"]))
            for n in notes[bar == b]
        ]
        for b in range(len(lines) - 1)
    ]


def stubborn(vocabulary, rng, strength):
    """A network that all but insists on what it said before: loops at any low temperature."""
    logits = rng.normal(0, strength, (len(vocabulary), len(vocabulary)))
    logits[:, vocabulary.of("hold")] -= 3 * strength
    return Table(logits)


def in_circles(bars):
    """Whether some bars are played for the third time in a row, and for four bars at least."""
    return any(
        any(some) and bars[at : at + size * rounds] == some * rounds
        for size, rounds in ((1, 4), (2, 3), (4, 3))
        for at in range(len(bars) - size * rounds + 1)
        for some in [bars[at : at + size]]
    )


def test_a_loop_is_written_anew_and_the_report_says_so():
    encoder = Encoder(LINE)
    vocabulary, length = encoder.vocabulary, 24
    looped = 0
    for seed in range(12):
        network = stubborn(vocabulary, np.random.default_rng(seed), 3)

        def made(guards, network=network, seed=seed):
            one = task(vocabulary, network.logits, length, seed, temperature=0.01, guards=guards)
            ((_, drawn),) = generate(network, [one])
            return bars_of(encoder, drawn.tokens), drawn.backtracks

        before, none = made(())
        after, backtracks = made((RepetitionGuard(),))
        assert len(before) == len(after) == length and not none
        assert not in_circles(after) and all(backtrack.solved for backtrack in backtracks)
        pitches = [note[1] for bar in after for note in bar]
        assert not any(len(set(pitches[at : at + 16])) == 1 for at in range(len(pitches) - 15))
        if in_circles(before):
            looped += 1
            assert backtracks and {backtrack.reason for backtrack in backtracks} <= {
                "repetition",
                "one note",
            }
            assert all(
                1 <= backtrack.bar <= length and backtrack.tries >= 1 for backtrack in backtracks
            )
    assert looped >= 6


def test_a_loop_that_cannot_be_left_is_said_to_be_there():
    encoder = Encoder(LINE)
    vocabulary = encoder.vocabulary
    one = task(
        vocabulary, np.zeros((len(vocabulary),) * 2, np.float32), 8, guards=(RepetitionGuard(),)
    )
    one.forbidden = vocabulary.of("pitch", "time_signature")
    one.forbidden[vocabulary.token("pitch", 60)] = False
    ((_, drawn),) = generate(Table(np.zeros((len(vocabulary),) * 2)), [one])
    assert {note[1] for bar in bars_of(encoder, drawn.tokens) for note in bar} - {60} or not all(
        backtrack.solved for backtrack in drawn.backtracks
    )
    assert all(backtrack.tries <= MOST_TRIES for backtrack in drawn.backtracks)


def test_what_is_copied_is_written_anew():
    encoder = Encoder(LINE)
    vocabulary = encoder.vocabulary

    def run_lengths(intervals, rhythms):
        """Every step of a whole tone up is from the training pieces."""
        out = [0]
        for interval in intervals:
            out.append(max(out[-1], 1) + 1 if interval == 2 else 0)
        return np.array(out)

    logits = np.zeros((len(vocabulary),) * 2)
    logits[:, vocabulary.of("hold")] = -9
    logits[:, [vocabulary.token("pitch", p) for p in range(60, 68, 2)]] = 4
    logits[np.ix_(vocabulary.of("duration"), vocabulary.of("pitch"))] = -9  # no chords
    rewound = 0
    for seed in range(5):
        network = Table(logits)
        one = task(vocabulary, network.logits, 12, seed, guards=(CopyGuard(run_lengths, 1, 2),))
        ((_, drawn),) = generate(network, [one])
        score = encoder.decode(np.append(np.int32(vocabulary.first["start"]), drawn.tokens))
        highest = {
            note["onset"]: note["pitch"] for note in score.notes
        }  # of each onset the last comes highest
        steps = np.diff([int(highest[onset]) for onset in sorted(highest)])
        rewound += len(drawn.backtracks)
        assert not ((steps[1:] == 2) & (steps[:-1] == 2)).any() and all(
            r.solved for r in drawn.backtracks
        )
    assert rewound


@pytest.fixture(scope="module")
def composers(tmp_path_factory):
    root = tmp_path_factory.mktemp("generation")
    return {
        "line": Composer(make_checkpoint(root / "line", LINE, cell="gru")),
        "parts": Composer(
            make_checkpoint(root / "parts", EncoderConfig(parts=4, velocities=0), cell="lstm")
        ),
        "played": Composer(
            make_checkpoint(root / "played", EncoderConfig(encoding="performance"), cell="rnn")
        ),
    }


@st.composite
def requests(draw):
    primer = draw(st.sampled_from([None, *PRIMERS.values()]))
    options = {
        "bars": draw(st.integers(1, 6)),
        "seed": draw(st.integers(0, 99)),
        "temperature": draw(st.sampled_from([0.01, 0.7, 1.0, 10.0])),
        "top_p": draw(st.sampled_from([1.0, 0.9])),
        "top_k": draw(st.sampled_from([0, 5])),
        "repetition_penalty": draw(st.sampled_from([1.0, 1.5])),
        "range": draw(st.sampled_from(["", "C3:C6", "C4:C4"])),
        "max_polyphony": draw(st.sampled_from([0, 1, 3])),
        "density": draw(st.sampled_from(["", "2:6"])),
        "end": draw(st.sampled_from(["cut", "cadence", "fade"])),
        "key": draw(st.sampled_from(["none", "D:dorian"])),
    }
    return Request.of(primer, options)


@pytest.mark.parametrize("name", ["line", "parts", "played"])
@given(asked=st.lists(requests(), min_size=2, max_size=12), some=st.data())
@settings(max_examples=8, deadline=None)
def test_side_by_side_each_piece_is_what_it_is_by_itself(composers, name, asked, some):
    composer = composers[name]
    together = dict(composer.compositions(asked))
    assert sorted(together) == list(range(len(asked)))
    for index in some.draw(st.sets(st.integers(0, len(asked) - 1), min_size=1, max_size=3)):
        ((_, alone),) = composer.compositions([asked[index]])
        mine = together[index]
        assert mine.score == alone.score and mine.nats == alone.nats
        assert (mine.backtracks, mine.relaxed) == (alone.backtracks, alone.relaxed)
        assert len(mine.added) and mine.score.end > mine.start


@pytest.mark.parametrize("name", ["line", "parts", "played"])
def test_where_rounding_depends_on_the_number_of_rows_all_are_computed(
    composers, name, monkeypatch
):
    composer = Composer(composers[name].checkpoint)
    expected = composer.composition(None, bars=3, seed=1)
    composer.engine.widths = WIDTHS[-1:]  # what an unlucky BLAS leaves
    assert composer.composition(None, bars=3, seed=1).score == expected.score


def test_widths_are_those_that_round_alike(composers, monkeypatch):
    network = composers["line"].engine
    monkeypatch.setattr(engine, "WIDTHS", (2, 3, 64))
    plain = type(network).step

    def step(self, tokens, state, *rest):
        logits, after = plain(self, tokens, state, *rest)
        return (logits + 1e-6 if len(tokens) == 3 else logits), after

    monkeypatch.setattr(type(network), "step", step)
    fresh = Composer(composers["line"].checkpoint).engine
    assert fresh.widths == (2, 64)


def test_a_piece_that_cannot_be_begun_does_not_stop_the_others(composers):
    drums = read_parts(next(path for path in SEEDS if path.stem == "drum_and_bass"))
    only = drums.select([i for i, track in enumerate(drums.tracks) if track.is_drum])
    asked = [
        Request(None, seed=1, bars=2),
        Request(only, seed=2, bars=2),
        Request(None, seed=3, bars=2),
    ]
    made = dict(composers["line"].compositions(asked))
    assert "knows no drums" in str(made[1])
    assert len(made[0].added) and len(made[2].added)


def test_temperatures_of_kinds_leave_the_kinds_as_likely_as_they_were():
    from musegen.generation.sampling import Sampler

    vocabulary = Vocabulary(LINE)
    rng = np.random.default_rng(0)
    logits, allowed = rng.normal(0, 2, (1, len(vocabulary))), rng.random((1, len(vocabulary))) < 0.5

    def p(**config):
        out = Sampler([SamplerConfig(**config)], vocabulary).probabilities(logits, allowed)[0]
        return out / out.sum()

    plain, other = p(temperature=0.8), p(temperature=0.8, temperatures={"pitch": 2.0})
    pitch = vocabulary.of("pitch")
    for kind in vocabulary.names:
        where = vocabulary.of(kind)
        assert other[where].sum() == pytest.approx(plain[where].sum(), rel=1e-5)
    np.testing.assert_allclose(other[~pitch], plain[~pitch], rtol=1e-5)
    within = p(temperature=2.0)[pitch]
    np.testing.assert_allclose(other[pitch] / other[pitch].sum(), within / within.sum(), rtol=1e-4)
    np.testing.assert_allclose(p(temperature=0.8, temperatures={"pitch": 0.8}), plain, rtol=1e-5)
    cold = p(temperature=0.01, temperatures={"pitch": 0.01, "duration": 5.0})
    assert np.isfinite(cold).all() and not cold[~allowed[0]].any()


def test_the_penalty_multiplies_log_p():
    from musegen.generation.sampling import penalised

    p = np.array([0.5, 0.25, 0.25])
    out = np.exp(penalised(np.log(p) + 3, [1, 1], 2.0))
    np.testing.assert_allclose(out, [0.5, 0.0625, 0.25])


def test_options_go_to_the_request_and_back():
    options = {
        "bars": 3,
        "seed": 5,
        "temperature": 0.5,
        "key": "C:minor",
        "temperatures": {"pitch": 1.2},
    }
    request = Request.of(None, options)
    assert options.items() <= request.to_dict().items()
    assert Request.of(None, request.to_dict()) == request
    with pytest.raises(TypeError, match="unexpected option 'tempo'"):
        Request.of(None, {"tempo": 3})
    with pytest.raises(ConfigError, match="must have a primer"):
        Request.of(None, {"key": "auto"})
    assert Request.of(None, {"seed": None}).seed != Request.of(None, {}).seed


@pytest.mark.parametrize("name", ["line", "parts"])
@given(
    seed=st.integers(0, 10**6),
    temperature=st.sampled_from([0.01, 0.3, 1.0, 10.0]),
    primer=st.sampled_from([None, *PRIMERS.values()]),
)
@settings(max_examples=12, deadline=None)
def test_no_piece_goes_in_circles(composers, name, seed, temperature, primer):
    made = composers[name].composition(primer, bars=24, seed=seed, temperature=temperature)
    assert all(backtrack.solved for backtrack in made.backtracks)
    lines = made.score.barlines()
    first = int(np.searchsorted(lines, made.start))
    assert len(lines) - 1 - first == 24 and made.score.end == lines[-1]
    drums = np.array([track.is_drum for track in made.score.tracks])
    notes = made.added[~drums[made.added["track"]]]
    bar = np.searchsorted(lines, notes["onset"], side="right") - 1
    # Of several notes of one pitch and onset, on one channel, one is written.
    bars = [
        sorted((int(n["onset"] - lines[at]), int(n["pitch"])) for n in notes[bar == at])
        for at in range(first, len(lines) - 1)
    ]
    assert not in_circles(bars)


def test_a_looped_performance_is_written_anew():
    encoder = Encoder(EncoderConfig(encoding="performance", velocities=0))
    vocabulary = encoder.vocabulary
    circle = [
        ("note_on", 60),
        ("time_shift", 39),
        ("note_off", 60),
        ("note_on", 64),
        ("time_shift", 59),
        ("note_off", 64),
    ]
    logits = np.random.default_rng(0).normal(0, 0.1, (len(vocabulary),) * 2)
    tokens = [vocabulary.token(*event) for event in circle]
    logits[tokens, np.roll(tokens, -1)] = (
        25  # so sure that no temperature tried helps: the pitch is forbidden
    )
    logits[:, vocabulary.of("note_off")] += 3
    logits[vocabulary.first["start"], tokens[0]] = 12
    one = task(vocabulary, logits, 3000, 1, temperature=0.01, guards=(RepetitionGuard(),))
    one.forbidden[:], one.rules.longest_rest = False, 400
    ((_, drawn),) = generate(Table(logits), [one])
    assert drawn.backtracks and all(backtrack.solved for backtrack in drawn.backtracks)
    assert max(backtrack.tries for backtrack in drawn.backtracks) > 3, drawn.backtracks
    rules = grammar(vocabulary).read(np.append(np.int32(vocabulary.first["start"]), drawn.tokens))
    assert not list(RepetitionGuard().violations(rules, 0)) and rules.now == 3000
