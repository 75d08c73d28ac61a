"""Draws have the probabilities that the settings ask for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from musegen.config import SamplerConfig
from musegen.errors import ConfigError
from musegen.generation.sampling import Sampler
from musegen.model.likelihood import log_softmax

P = np.array([0.5, 0.25, 0.15, 0.07, 0.03])
ALL = np.ones(5, bool)


def probabilities(logits, allowed, config):
    p = Sampler([config]).probabilities(logits[None], allowed[None])[0]
    return p / p.sum()


def test_log_softmax_of_logits_up_to_a_constant():
    np.testing.assert_allclose(log_softmax(np.log(P) + 700), np.log(P), atol=1e-12)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (SamplerConfig(), P),
        (SamplerConfig(temperature=0.5), P**2 / (P**2).sum()),
        (SamplerConfig(top_k=2), [2 / 3, 1 / 3, 0, 0, 0]),
        (SamplerConfig(top_p=0.6), [2 / 3, 1 / 3, 0, 0, 0]),
        (SamplerConfig(top_p=0.5), [1, 0, 0, 0, 0]),
        (SamplerConfig(min_p=0.25), [5 / 9, 2.5 / 9, 1.5 / 9, 0, 0]),
        (SamplerConfig(top_k=3, top_p=0.8), [2 / 3, 1 / 3, 0, 0, 0]),
    ],
    ids=str,
)
def test_filters(config, expected):
    np.testing.assert_allclose(probabilities(np.log(P), ALL, config), expected, atol=1e-12)


def test_forbidden_tokens_are_gone_before_the_filters_look():
    allowed = np.array([False, True, True, True, True])
    out = probabilities(np.log(P), allowed, SamplerConfig(top_k=1))
    np.testing.assert_allclose(out, [0, 1, 0, 0, 0])


@given(
    logits=hnp.arrays(np.float32, 20, elements=st.floats(-1e4, 1e4, width=32)),
    allowed=hnp.arrays(bool, 20).filter(np.any),
    temperature=st.sampled_from([0.01, 0.5, 1.0, 10.0]),
    top_k=st.integers(0, 25),
    top_p=st.floats(0.01, 1),
    min_p=st.floats(0, 1),
)
def test_whatever_the_settings_an_allowed_token_is_drawn(
    logits, allowed, temperature, top_k, top_p, min_p
):
    config = SamplerConfig(temperature, top_k, top_p, min_p)
    p = probabilities(logits, allowed, config)
    assert p.sum() == pytest.approx(1) and not p[~allowed].any()
    for uniform in (0.0, 0.3, 1 - 2**-53):
        (token,) = Sampler([config]).draw(logits[None], allowed[None], np.array([uniform]))
        assert allowed[token] and p[token] > 0


def test_draws_follow_the_distribution():
    rng = np.random.default_rng(0)
    rows = Sampler([SamplerConfig()] * 100)
    logits, allowed = np.tile(np.log(P), (100, 1)), np.tile(ALL, (100, 1))
    drawn = np.concatenate([rows.draw(logits, allowed, rng.random(100)) for _ in range(200)])
    np.testing.assert_allclose(np.bincount(drawn, minlength=5) / 20_000, P, atol=0.01)


@pytest.mark.parametrize("bad", [{"temperature": 0}, {"top_k": -1}, {"top_p": 0}, {"min_p": 1.5}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ConfigError, match=f"{next(iter(bad))} must be"):
        SamplerConfig(**bad)
