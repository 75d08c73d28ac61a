"""Rates and their intervals."""

import math
from itertools import chain

import numpy as np
import pytest

from musegen.evaluation import Rate, rates


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
