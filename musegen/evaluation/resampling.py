"""Compute nats per unit with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musegen.model.blas import one_thread
from musegen.utils.arrays import Floats

__all__ = ["Rate", "rates"]

RESAMPLES = 2000
PERCENTILES = (2.5, 97.5)  # of the resamples
AT_ONCE = 2**22  # pieces that are drawn together, over all resamples, about


@dataclass(frozen=True)
class Rate:
    """Nats per unit, and its 95 % bootstrap interval.

    Attributes:
        value: Nats of all pieces divided by the units of all pieces (micro-average).
        low: 2.5th percentile of the resampled value.
        high: 97.5th percentile.
        mean: Mean of the pieces' own rates (macro-average).
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
    nats: Floats, units: Floats, seed: int = 0, resamples: int = RESAMPLES
) -> list[list[Rate]]:
    """Return the rate of each predictor in each unit, with percentile bootstrap intervals.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13. Whole pieces
    are resampled, because the tokens of a piece depend on each other; and the same pieces for all
    predictors and units.

    Args:
        nats: Of each piece by each predictor, `float64[K, P]`.
        units: Of each piece, `float64[U, P]`, above 0.
        seed: Of the resampling.
        resamples: Number of resamples.

    Returns:
        K lists of U rates.

    >>> ((rate,),) = rates(np.array([[6.0, 2.0]]), np.array([[2.0, 2.0]]))
    >>> rate.value, rate.low, rate.high
    (2.0, 1.0, 3.0)
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
    micro, macro = (np.concatenate(averages) for averages in zip(*parts, strict=True))
    low, high = np.percentile(micro, PERCENTILES, axis=0)
    mean_low, mean_high = np.percentile(macro, PERCENTILES, axis=0)
    table = np.stack([whole, low, high, mean, mean_low, mean_high], axis=-1)
    return [[Rate(*values) for values in of_units] for of_units in table.tolist()]


def _drawn(rng: np.random.Generator, resamples: int, pieces: int) -> Floats:
    """Draw resamples: how often each piece is in each of them, `float64[R, P]`."""
    drawn = rng.integers(pieces, size=(resamples, pieces)) + pieces * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)


def _averages(weights: Floats, nats: Floats, units: Floats, each: Floats) -> tuple[Floats, Floats]:
    """Return the micro- and macro-averages of resamples, `float64[R, K, U]` each."""
    with one_thread():  # the same bits on any number of cores
        micro = (weights @ nats.T)[:, :, None] / (weights @ units.T)[:, None]
        macro = (weights @ each.reshape(-1, each.shape[-1]).T).reshape(
            len(weights), *each.shape[:2]
        )
    return micro, macro / each.shape[-1]
