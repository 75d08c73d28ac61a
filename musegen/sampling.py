"""Logits to a token."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musegen.config import SamplerConfig

__all__ = ["log_softmax", "probabilities", "sample"]


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return log-probabilities in nats, `float64`, over the last axis."""
    x = logits.astype(np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    out: NDArray[np.float64] = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return out


def probabilities(
    logits: NDArray[np.floating], allowed: NDArray[np.bool_], config: SamplerConfig
) -> NDArray[np.float64]:
    """Return the distribution that a token is drawn from, `float64[V]`.

    Forbidden tokens have probability 0 before any filter looks; the filters apply in the order of
    `SamplerConfig`'s fields. At least one allowed token always keeps a probability above 0.

    Args:
        logits: `float[V]`.
        allowed: `bool[V]` with at least one true.
        config: Temperature and filters.
    """
    x = np.where(allowed, logits.astype(np.float64), -np.inf)
    x = (x - x.max()) / config.temperature
    p = np.exp(x)
    p /= p.sum()
    if config.top_k and config.top_k < len(p):
        # Ties with the k-th stay: which of equals comes first must not depend on their order.
        p[p < np.partition(p, -config.top_k)[-config.top_k]] = 0
    if config.top_p < 1:
        p /= p.sum()
        order = np.argsort(-p, kind="stable")
        before = np.cumsum(p[order]) - p[order]
        p[order[before >= config.top_p]] = 0
    if config.min_p:
        p[p < config.min_p * p.max()] = 0
    out: NDArray[np.float64] = p / p.sum()
    return out


def sample(
    logits: NDArray[np.floating], allowed: NDArray[np.bool_], config: SamplerConfig, rng: np.random.Generator
) -> int:
    """Draw one token, using exactly one number from `rng`."""
    cumulative = np.cumsum(probabilities(logits, allowed, config))
    drawn = np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")
    return int(drawn)
