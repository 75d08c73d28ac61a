"""Two sets of music compared: by what each piece is like, and by how far apart pieces are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.config import require
from musegen.evaluation.resampling import AT_ONCE, OUTSIDE, RESAMPLES
from musegen.score import Score
from musegen.score.measures.overlapping import histograms

__all__ = ["FEATURES", "Closeness", "Difference", "closeness", "features", "log_density", "paired"]

FEATURES = ("pitch_class", "interval", "duration")
"""What `features` gives histograms of, in its order."""

NARROWEST = 1e-3  # bandwidth where all distances are the same: they are 0 to √2
PER_BANDWIDTH, FEWEST, MOST = 16, 512, 2**15  # points of the grid that densities are computed on
TAIL = 6  # bandwidths beyond the outermost distance, where the grid ends

Numbers = NDArray[np.float64]


class Difference(NamedTuple):
    """What a set of pieces is like, beside the real pieces that it is paired with."""

    real: float
    """Mean of the real pieces."""
    made: float
    """Mean of the others."""
    difference: float
    """The second less the first."""
    low: float
    """In 2.5 % of the resamples the difference is below this."""
    high: float
    """In 2.5 % it is above this."""
    pieces: int
    """Pairs of which both are known; the others are left out."""


class Closeness(NamedTuple):
    """How far a set looks, from a piece of another, as that other does itself: after Yang and Lerch (2020)."""

    area: float
    """Overlapping area of the two densities of distances, 0 to 1 (they are the same)."""
    divergence: float
    """Kullback-Leibler divergence of the one from the other in nats, ≥ 0 (they are the same)."""


def paired(
    real: Sequence[float | None],
    made: Sequence[float | None],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Difference | None:
    """Return by how much pieces differ from those that they are paired with, and how sure that is.

    The interval is the percentile bootstrap interval of the mean difference (Efron and Tibshirani
    1993, "An Introduction to the Bootstrap", chapter 13). Pairs are drawn whole.

    Args:
        real: A number for each real piece; None if it has none.
        made: The same for the others, in the same order.
        seed: Seeds what is drawn.
        resamples: How often it is drawn.

    Returns:
        None if there is no pair of which both are known.
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
    low, high = np.percentile(np.concatenate(means), OUTSIDE).tolist()
    return Difference(
        float(first.mean()), float(second.mean()), float(each.mean()), low, high, len(each)
    )


def features(score: Score) -> dict[str, Numbers]:
    """Return histograms of a piece, each of sum 1, or 0 where there is nothing to count.

    =============  ======================================================================  =============
    pitch_class    of the notes                                                            `float64[12]`
    interval       from each highest note of a track to the next, −24 to 24 semitones      `float64[49]`
    duration       of the notes, in twelfths of a quarter, up to 8 quarters                `float64[97]`
    =============  ======================================================================  =============

    Drums are left out where there is anything else.
    """
    return {
        name: count / max(int(count.sum()), 1)
        for name, count in zip(FEATURES, histograms(score), strict=False)
    }


def closeness(real: Numbers, made: Numbers) -> Closeness:
    """Return how close a set of pieces is to a set of real ones, by one feature.

    Yang and Lerch (2020, "On the evaluation of generative models in music", section 3) compare two
    distributions of Euclidean distances: from each real piece to each other real piece (intra-set),
    and from each real piece to each of the other set (inter-set). Each is smoothed by Gaussian
    kernels of Scott's bandwidth, σ · n^(−1/5). Then `area` is ∫ min(p, q), and `divergence` ∫ p
    log(p / q), of intra-set p and inter-set q.

    Three things are done in another way. Pieces with the same index belong together (one continues
    what the other continues), so they are not compared: a set that is the real one, in the same
    order, has area 1 and divergence 0. Both integrals are over all of the densities, not from the
    least distance to the greatest. Both densities are taken at the same points.

    Args:
        real: A histogram for each piece, `float64[N, F]`.
        made: The same of the other set.

    Raises:
        ConfigError: There are fewer than two pieces, or not as many in both sets.
    """
    require(
        len(real) == len(made) >= 2,
        "both sets must have the same number of pieces, 2 or more",
        (len(real), len(made)),
        "Distances are between pieces.",
    )
    within, across = _distances(real, real), _distances(real, made)
    bands = [_bandwidth(within), _bandwidth(across)]
    low = min(within.min(), across.min()) - TAIL * max(bands)
    high = max(within.max(), across.max()) + TAIL * max(bands)
    points = int(np.clip(PER_BANDWIDTH * (high - low) / min(bands), FEWEST, MOST))
    at, width = np.linspace(low, high, points, retstep=True)
    log_p, log_q = log_density(within, at), log_density(across, at)
    p, q = np.exp(log_p), np.exp(log_q)
    divergence = float((p * (log_p - log_q)).sum() * width)
    return Closeness(min(float(np.minimum(p, q).sum() * width), 1.0), max(divergence, 0.0))


def log_density(samples: Numbers, at: Numbers) -> Numbers:
    """Return the logarithm of a smoothed density, `float64[G]`: finite however far from all samples.

    Kernels are Gaussian; their bandwidth is Scott's (1992, "Multivariate Density Estimation"), σ ·
    n^(−1/5).

    Args:
        samples: `float64[N]`.
        at: Where, `float64[G]`.
    """
    band = _bandwidth(samples)
    values, counts = np.unique(samples, return_counts=True)
    out = np.full(len(at), -np.inf)
    at_once = max(1, AT_ONCE // len(at))
    for first in range(0, len(values), at_once):
        some = slice(first, first + at_once)
        logs = np.log(counts[some]) - np.square((at[:, None] - values[some]) / band) / 2
        most = logs.max(axis=1)
        out = np.logaddexp(out, most + np.log(np.exp(logs - most[:, None]).sum(axis=1)))
    scaled: Numbers = out - np.log(len(samples) * band * np.sqrt(2 * np.pi))
    return scaled


def _distances(a: Numbers, b: Numbers) -> Numbers:
    """Return how far each piece of one set is from each of another but that of its own index, `float64[N · (N − 1)]`.

    They are rounded, so that distances that are the same are the same number.
    """
    apart = np.stack([np.sqrt(np.square(row - b).sum(axis=1)) for row in a])
    return np.round(apart[~np.eye(len(a), dtype=bool)], 12)


def _bandwidth(samples: Numbers) -> float:
    return max(float(samples.std(ddof=1) * np.power(len(samples), -0.2)), NARROWEST)
