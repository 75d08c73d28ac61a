"""Any sequence that the grammar allows is one that the encoder could have written."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import Encoder
from musegen.encoding.grammar import grammar
from musegen.encoding.vocabulary import METERS
from tests.helpers import CONFIGS, by_kind, scores, walk


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(seed=st.integers(0, 10**6), length=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_every_grammatical_sequence_decodes_and_encodes_to_itself(config, seed, length):
    encoder = Encoder(config)
    rng = np.random.default_rng(seed)
    unit = 60 if config.encoding == "performance" else 1
    tokens = walk(encoder, rng, length * unit, bias=by_kind(encoder, rng))
    score = encoder.decode(tokens)
    assert np.array_equal(encoder.encode(score), tokens)
    bars = (
        score.end / unit
        if config.encoding == "performance"
        else len(score.barlines()) - 1
        if score.end
        else 0
    )
    assert bars == length


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_every_encoding_is_grammatical(config, data):
    encoder = Encoder(config)
    rules = grammar(encoder.vocabulary)
    for place, token in enumerate(
        encoder.encode(data.draw(scores(max_tracks=min(config.parts, 4))))
    ):
        assert rules.allowed()[token], (place, encoder.vocabulary.event(int(token)))
        rules.advance(int(token))
    assert rules.finished


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_longest_rest_leaves_no_silence(config):
    encoder = Encoder(config)
    silent = np.ones(len(encoder.vocabulary))
    silent[encoder.vocabulary.notes] = 1e-9  # a model that would never play a note by itself
    unit = 100 if config.encoding == "performance" else 1
    for seed in range(5):
        score = encoder.decode(
            walk(encoder, np.random.default_rng(seed), 12 * unit, rest=2 * unit, bias=silent)
        )
        lines = (
            np.arange(0, score.end, unit)
            if config.encoding == "performance"
            else score.barlines()[:-1]
        )
        bars = np.unique(np.searchsorted(lines, score.notes["onset"], side="right") - 1)
        assert len(bars) >= 5
        assert np.diff(bars).max() <= 2


def on_the_second_beat(bars):
    """Return a grammar of `bars` bars with a note begun on the second beat of a bar of 2/4."""
    rules = grammar(Encoder(CONFIGS[1]).vocabulary)
    rules.length = bars
    for kind, value in (
        ("start", 0),
        ("bar", 0),
        ("time_signature", METERS.index((2, 4))),
        ("position", 12),
        ("pitch", 60),
    ):
        rules.advance(rules.vocabulary.token(kind, value))
    return rules


@pytest.mark.parametrize(
    ("bars", "expected"),
    [(1, {"bar": 0, "end": 0.5}), (2, {"bar": 0.5, "end": 0}), (None, {"bar": 0.4, "end": 0.1})],
)
def test_a_barline_at_the_end_counts_as_the_end_and_an_end_before_it_as_a_barline(bars, expected):
    rules = on_the_second_beat(bars)
    vocabulary = rules.vocabulary
    rules.advance(vocabulary.token("duration", 0))
    turns = [vocabulary.first[kind] for kind in expected]
    p = np.full(len(vocabulary), 0.5 / (len(vocabulary) - 2))
    p[turns] = 0.4, 0.1
    folded = np.log(p)
    type(rules).merge_mass([rules], folded[None])
    result = np.exp(folded) * rules.allowed()
    assert result[turns] == pytest.approx(list(expected.values()))
    others = np.setdiff1d(np.arange(len(p)), turns)
    assert np.allclose(np.exp(folded[others]), p[others])


def test_notes_too_long_for_the_end_count_as_notes_until_the_end():
    rules = on_the_second_beat(1)
    vocabulary = rules.vocabulary
    p = np.full(len(vocabulary), 1 / len(vocabulary))
    folded = np.log(p)
    type(rules).merge_mass([rules], folded[None])
    folded = np.exp(folded) * len(vocabulary)
    block = folded[vocabulary.first["duration"] :][:96]
    assert block[:11] == pytest.approx(1)
    assert block[11] == pytest.approx(96 - 11 + 1)  # a quarter is left; the hold counts too
    assert rules.allowed()[vocabulary.of("duration")].sum() == 12
