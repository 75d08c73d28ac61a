"""Differences of pairs, densities, and the closeness of sets."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import ConfigError
from musegen.evaluation import FEATURES, closeness, comparison, paired
from musegen.evaluation.comparison import features, log_density
from tests.evaluation.helpers import tune


def histograms(count, seed, sharpness=1.0):
    return np.random.default_rng(seed).dirichlet([sharpness] * 12, count)


def test_a_difference_by_hand():
    there = paired([1, 2], [2, 5])
    # The differences are 1 and 3: a quarter of the resamples has twice the one, a quarter twice the
    # other.
    assert there == (1.5, 3.5, 2, 1, 3, 2)


def test_pairs_that_are_not_known_are_left_out():
    assert paired([1, None, 7, 2], [2, 5, None, 2]) == (1.5, 2, 0.5, 0, 1, 2)
    assert paired([None, 1], [1, None]) is None
    assert paired([3], [5]) == (3, 5, 2, 2, 2, 1)


def test_pairs_count_not_sets():
    """Pieces are far apart, and each only a little above its own pair: that is certain."""
    real = np.random.default_rng(0).normal(0, 100, 40)
    there = paired(real.tolist(), (real + 1).tolist())
    assert (there.difference, there.low, there.high) == pytest.approx((1, 1, 1))


def test_resamples_are_seeded_and_cover():
    real, made = np.random.default_rng(1).normal(0, 1, (2, 80))
    there = paired(real.tolist(), made.tolist(), seed=3)
    assert (
        there
        == paired(real.tolist(), made.tolist(), seed=3)
        != paired(real.tolist(), made.tolist(), seed=4)
    )
    error = (made - real).std() / math.sqrt(80)
    assert there.low == pytest.approx(there.difference - 1.96 * error, abs=0.15 * error)
    assert there.high == pytest.approx(there.difference + 1.96 * error, abs=0.15 * error)


def test_resamples_do_not_depend_on_how_many_are_drawn_at_once(monkeypatch):
    numbers = np.random.default_rng(0).random((2, 30)).tolist()
    whole = paired(*numbers)
    monkeypatch.setattr(comparison, "AT_ONCE", 1000)
    assert paired(*numbers) == whole


def test_a_density_by_hand():
    band = math.sqrt(2) * 2**-0.2  # of 0 and 2 the standard deviation is √2
    middle = math.exp(-((1 / band) ** 2) / 2) / (band * math.sqrt(2 * math.pi))
    first = (1 + math.exp(-((2 / band) ** 2) / 2)) / 2 / (band * math.sqrt(2 * math.pi))
    there = np.exp(log_density(np.array([0.0, 2.0]), np.array([1.0, 0.0, 2.0])))
    assert there == pytest.approx([middle, first, first])


@settings(deadline=None)  # what takes how long depends on the machine
@given(st.lists(st.floats(0, 1.5), min_size=2, max_size=40))
def test_densities_integrate_to_one(values):
    samples = np.array(values)
    band = max(samples.std(ddof=1) * len(samples) ** -0.2, comparison.MIN_BANDWIDTH)
    at = np.arange(samples.min() - 7 * band, samples.max() + 7 * band, band / 8)
    assert np.exp(log_density(samples, at)).sum() * band / 8 == pytest.approx(1, abs=1e-6)


def test_a_density_far_away_is_small_and_not_nothing():
    (there,) = log_density(np.array([0.0, 0.1, 0.2]), np.array([1000.0]))
    assert np.isfinite(there) and there < -1e6


def test_densities_do_not_depend_on_how_many_are_computed_at_once(monkeypatch):
    samples, at = np.random.default_rng(0).random(50), np.linspace(-1, 2, 40)
    whole = log_density(samples, at)
    monkeypatch.setattr(comparison, "AT_ONCE", 100)
    assert log_density(samples, at) == pytest.approx(whole, rel=1e-12)


def test_the_same_set_is_as_close_as_can_be():
    real = histograms(20, 0)
    assert closeness(real, real) == pytest.approx((1, 0), abs=1e-6)


def test_sets_that_have_nothing_in_common():
    """Real pieces are nearly the same; the others are all far from them."""
    real, made = np.zeros((2, 10, 12))
    real[:, 0], made[:, 5] = 1, 1
    real[:, 1] = np.linspace(0, 0.01, 10)
    there = closeness(real, made)
    assert there.area < 1e-6 and there.divergence > 100


def test_closeness_by_another_way():
    real, made = histograms(9, 1), histograms(9, 2, 0.3)

    def density(values, x):
        band = np.std(values, ddof=1) * len(values) ** -0.2
        return sum(math.exp(-(((x - v) / band) ** 2) / 2) for v in values) / (
            len(values) * band * math.sqrt(2 * math.pi)
        )

    within = [math.dist(a, b) for i, a in enumerate(real) for j, b in enumerate(real) if i != j]
    across = [math.dist(a, b) for i, a in enumerate(real) for j, b in enumerate(made) if i != j]
    at = np.linspace(-1.5, 3, 3001)
    p, q = (np.array([density(values, x) for x in at]) for values in (within, across))
    area = np.minimum(p, q).sum() * (at[1] - at[0])
    here = (p > 1e-290) & (q > 1e-290)
    divergence = (p[here] * np.log(p[here] / q[here])).sum() * (at[1] - at[0])
    assert closeness(real, made) == pytest.approx((area, divergence), abs=1e-3)
    assert 0.2 < area < 0.95 and divergence > 0.02  # so that both could be wrong


@settings(deadline=None)
@given(st.integers(2, 12), st.integers(0, 1000), st.floats(0.05, 5))
def test_closeness_is_in_range(count, seed, sharpness):
    there = closeness(histograms(count, seed), histograms(count, seed + 1, sharpness))
    assert 0 <= there.area <= 1 and 0 <= there.divergence < math.inf


@pytest.mark.parametrize("first, second", [(1, 1), (3, 2), (0, 0)])
def test_sets_must_have_pairs(first, second):
    with pytest.raises(ConfigError, match="same number of pieces, 2 or more"):
        closeness(np.ones((first, 3)), np.ones((second, 3)))


def test_features_by_hand():
    there = features(tune((0, 480, 60), (480, 240, 64), (720, 240, 72), (960, 480, 60)))
    assert tuple(there) == FEATURES
    assert {at: there["pitch_class"][at] for at in there["pitch_class"].nonzero()[0]} == {
        0: 0.75,
        4: 0.25,
    }
    leaps = there["interval"] * 3
    assert {at - 24: leaps[at] for at in leaps.nonzero()[0]} == pytest.approx({4: 1, 8: 1, -12: 1})
    assert {at: there["duration"][at] for at in there["duration"].nonzero()[0]} == {12: 0.5, 6: 0.5}
    assert not features(tune((0, 480, 60)))["interval"].any()
