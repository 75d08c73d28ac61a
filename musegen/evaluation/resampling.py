"""Nats per unit, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musegen.model.blas import one_thread

__all__ = ["Rate", "rates"]

RESAMPLES = 2000
OUTSIDE = (2.5, 97.5)  # per cent of the resamples
AT_ONCE = 2**22  # pieces of all resamples that are drawn at once, about

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    """Nats per unit, and between what they lie in 95 of 100 resamples of the pieces.

    Attributes:
        value: Nats of all pieces by the units of all pieces (micro-averaged).
        low: In 2.5 % of the resamples the value is below this.
        high: In 2.5 % it is above this.
        mean: The mean of the pieces' own rates, each counting the same (macro-averaged).
        mean_low: As `low`.
        mean_high: As `high`.
    """

    value: float
    low: float
    high: float
    mean: float
    mean_low: float
    mean_high: float


def rates(
    nats: Numbers, units: Numbers, seed: int = 0, resamples: int = RESAMPLES
) -> list[list[Rate]]:
    """Return the rate of each predictor in each unit.

    The intervals are percentile bootstrap intervals (Efron and Tibshirani 1993, "An Introduction to
    the Bootstrap", chapter 13): as many pieces are drawn as there are, with replacement, again and
    again. A piece is drawn whole, because its tokens have much in common. The same pieces are drawn
    for all predictors and units.

    Args:
        nats: Of each piece by each predictor, `float64[K, P]`.
        units: Of each piece, `float64[U, P]`, above 0.
        seed: Seeds what is drawn.
        resamples: How often it is drawn.

    Returns:
        K lists of U rates.
    """
    each = nats[:, None] / units[None]
    weights = np.full((1, nats.shape[1]), 1.0)
    whole, mean = (a[0] for a in _averages(weights, nats, units, each))
    rng = np.random.default_rng(seed)
    at_once = max(1, AT_ONCE // nats.shape[1])
    parts = [
        _averages(_drawn(rng, min(at_once, resamples - done), nats.shape[1]), nats, units, each)
        for done in range(0, resamples, at_once)
    ]
    low, high = np.percentile(np.concatenate([part[0] for part in parts]), OUTSIDE, axis=0)
    mean_low, mean_high = np.percentile(
        np.concatenate([part[1] for part in parts]), OUTSIDE, axis=0
    )
    table = np.stack([whole, low, high, mean, mean_low, mean_high], axis=-1)
    return [[Rate(*values) for values in of_units] for of_units in table.tolist()]


def _drawn(rng: np.random.Generator, resamples: int, pieces: int) -> Numbers:
    """Return how often each piece is in each resample, `float64[R, P]`."""
    drawn = rng.integers(pieces, size=(resamples, pieces)) + pieces * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)


def _averages(
    weights: Numbers, nats: Numbers, units: Numbers, each: Numbers
) -> tuple[Numbers, Numbers]:
    """Return the micro-averages and the means of resamples, `float64[R, K, U]` each."""
    with one_thread():  # the same bits on every machine's number of cores
        micro = (weights @ nats.T)[:, :, None] / (weights @ units.T)[:, None]
        macro = (weights @ each.reshape(-1, each.shape[-1]).T).reshape(
            len(weights), *each.shape[:2]
        )
    return micro, macro / each.shape[-1]
