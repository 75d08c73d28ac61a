"""Compare two sets of pieces: mean differences of pairs, and distances between histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from musegen.config import require
from musegen.evaluation.resampling import AT_ONCE, PERCENTILES, RESAMPLES
from musegen.score import Score
from musegen.score.measures.overlapping import histograms
from musegen.utils.arrays import Floats

__all__ = ["FEATURES", "Closeness", "Difference", "closeness", "features", "log_density", "paired"]

FEATURES = ("pitch_class", "interval", "duration")
"""Histograms that `features` returns, in this order."""

MIN_BANDWIDTH = 1e-3  # for sets whose distances are all the same; distances are 0 to √2
POINTS_PER_BANDWIDTH = 16  # of the grid on which densities are computed
MIN_POINTS, MAX_POINTS = 512, 2**15
TAIL = 6  # bandwidths between the outermost distance and the end of the grid


class Difference(NamedTuple):
    """Means of paired real and generated pieces, and the interval of their difference."""

    real: float
    """Mean of the real pieces."""
    made: float
    """Mean of the generated pieces."""
    difference: float
    """`made` − `real`."""
    low: float
    """2.5th percentile of the resampled difference."""
    high: float
    """97.5th percentile."""
    pieces: int
    """Number of pairs with both values; the others are left out."""


class Closeness(NamedTuple):
    """How similar two sets of pieces are in one feature, after Yang and Lerch (2020)."""

    area: float
    """Overlapping area of the two densities of distances: 0 to 1, 1 if they are the same."""
    divergence: float
    """Kullback-Leibler divergence in nats: ≥ 0, 0 if they are the same."""


def paired(
    real: Sequence[float | None],
    made: Sequence[float | None],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Difference | None:
    """Return the mean difference of paired values, with its percentile bootstrap interval.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13. Whole pairs
    are resampled.

    Args:
        real: A value of each real piece; None if it has none.
        made: The same of the generated pieces, in the same order.
        seed: Of the resampling.
        resamples: Number of resamples.

    Returns:
        None if no pair has both values.

    >>> found = paired([1.0, 2.0, 4.0, None], [2.0, 2.0, 6.0, 6.0])
    >>> found.difference, found.low, found.high, found.pieces
    (1.0, 0.0, 2.0, 3)
    """
    known = [(a, b) for a, b in zip(real, made, strict=True) if a is not None and b is not None]
    if not known:
        return None
    first, second = np.array(known, np.float64).T
    each, rng = second - first, np.random.default_rng(seed)
    at_once = max(1, AT_ONCE // len(each))
    means = [
        each[rng.integers(len(each), size=(min(at_once, resamples - done), len(each)))].mean(axis=1)
        for done in range(0, resamples, at_once)
    ]
    low, high = np.percentile(np.concatenate(means), PERCENTILES).tolist()
    return Difference(
        real=float(first.mean()),
        made=float(second.mean()),
        difference=float(each.mean()),
        low=low,
        high=high,
        pieces=len(each),
    )


def features(score: Score) -> dict[str, Floats]:
    """Return the histograms of a piece, each normalised to a sum of 1; all 0 if it is empty.

    =============  =============================================================  =============
    pitch_class    of the notes                                                   `float64[12]`
    interval       from each highest note of a track to the next, −24 to 24       `float64[49]`
                   semitones
    duration       of the notes, in twelfths of a quarter, up to 8 quarters       `float64[97]`
    =============  =============================================================  =============

    Drums are left out of pieces that have other notes.
    """
    return {
        name: count / max(int(count.sum()), 1)
        for name, count in zip(FEATURES, histograms(score), strict=False)
    }


def closeness(real: Floats, made: Floats) -> Closeness:
    """Return how close a set of generated pieces is to a set of real ones, in one feature.

    Yang and Lerch (2020, "On the evaluation of generative models in music", section 3) compare two
    distributions of Euclidean distances: from each real piece to each other real piece (intra-set),
    and from each real piece to each generated piece (inter-set). Each is smoothed by Gaussian
    kernels of Scott's bandwidth, σ · n^(−1/5). `area` is ∫ min(p, q), and `divergence`
    ∫ p log(p / q), of intra-set p and inter-set q.

    This function differs in three ways. Pieces with the same index have a primer in common, so they
    are not compared: the real set, in the same order, has area 1 and divergence 0. Both integrals
    cover the whole densities, not only the range of the distances. Both densities are computed at
    the same points.

    Args:
        real: A histogram for each piece, `float64[N, F]`.
        made: The same of the generated pieces.

    Raises:
        ConfigError: There are fewer than two pieces, or the sets differ in size.

    >>> real = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    >>> found = closeness(real, real)
    >>> round(found.area, 6), found.divergence
    (1.0, 0.0)
    """
    require(
        len(real) == len(made) >= 2,
        "both sets must have the same number of pieces, 2 or more",
        (len(real), len(made)),
        "Distances are between pieces.",
    )
    within, across = _distances(real, real), _distances(real, made)

    # A grid that covers both densities, and resolves the narrower kernel
    bands = [_bandwidth(within), _bandwidth(across)]
    low = min(within.min(), across.min()) - TAIL * max(bands)
    high = max(within.max(), across.max()) + TAIL * max(bands)
    points = int(np.clip(POINTS_PER_BANDWIDTH * (high - low) / min(bands), MIN_POINTS, MAX_POINTS))
    at, width = np.linspace(low, high, points, retstep=True)

    log_p, log_q = log_density(within, at), log_density(across, at)
    p, q = np.exp(log_p), np.exp(log_q)
    divergence = float((p * (log_p - log_q)).sum() * width)
    return Closeness(min(float(np.minimum(p, q).sum() * width), 1.0), max(divergence, 0.0))


def log_density(samples: Floats, at: Floats) -> Floats:
    """Return the logarithm of a kernel density estimate, `float64[G]`, finite everywhere.

    Kernels are Gaussian, with the bandwidth of Scott (1992, "Multivariate Density Estimation"),
    σ · n^(−1/5).

    Args:
        samples: `float64[N]`.
        at: Points to evaluate it at, `float64[G]`.
    """
    band = _bandwidth(samples)
    values, counts = np.unique(samples, return_counts=True)
    out = np.full(len(at), -np.inf)
    at_once = max(1, AT_ONCE // len(at))
    for first in range(0, len(values), at_once):
        part = slice(first, first + at_once)
        logs = np.log(counts[part]) - np.square((at[:, None] - values[part]) / band) / 2
        most = logs.max(axis=1)
        out = np.logaddexp(out, most + np.log(np.exp(logs - most[:, None]).sum(axis=1)))
    return out - np.log(len(samples) * band * np.sqrt(2 * np.pi))


def _distances(a: Floats, b: Floats) -> Floats:
    """Return the distances between pieces of different index in two sets, `float64[N · (N − 1)]`.

    They are rounded, so that equal distances are equal numbers.
    """
    distances = np.stack([np.sqrt(np.square(row - b).sum(axis=1)) for row in a])
    return np.round(distances[~np.eye(len(a), dtype=bool)], 12)


def _bandwidth(samples: Floats) -> float:
    return max(float(samples.std(ddof=1) * np.power(len(samples), -0.2)), MIN_BANDWIDTH)
