"""Draw tokens from logits: a row for each piece that is being written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musegen.config import SamplerConfig
from musegen.encoding.vocabulary import Vocabulary

__all__ = ["Sampler", "penalised"]

Mask = NDArray[np.bool_]


def penalised(
    logits: NDArray[np.floating], tokens: Sequence[int], penalty: float
) -> NDArray[np.floating]:
    """Lower the logits `float[V]` of some tokens: their log p is multiplied by the penalty.

    After Keskar et al. 2019, who multiply or divide the logits themselves, by their sign; which
    means something else with every constant that is added to them. log p is never above 0.
    """
    out: NDArray[np.floating] = logits - np.logaddexp.reduce(logits)
    out[np.unique(np.array(tokens, np.int64))] *= penalty
    return out


class Sampler:
    """Draws the next token of each row, by the row's own settings.

    Args:
        configs: Of the rows.
        vocabulary: The meaning of the tokens; needed where kinds of events have temperatures of
            their own.
    """

    def __init__(
        self, configs: Sequence[SamplerConfig], vocabulary: Vocabulary | None = None
    ) -> None:
        """Lay the settings out as columns."""
        self.temperature = np.array([[config.temperature] for config in configs], np.float32)
        self.temperature_scale = np.ones((len(configs), 1), np.float32)
        """A factor on the temperatures, `float32[B, 1]`, which the token loop changes."""
        self._top_k = np.array([config.top_k for config in configs])
        self._top_p = np.array([config.top_p for config in configs])
        self._min_p = np.array([[config.min_p] for config in configs], np.float32)
        self._kinds = [
            (row, _by_kind(config, vocabulary))
            for row, config in enumerate(configs)
            if config.temperatures and vocabulary is not None
        ]
        filters = {
            self._keep_top_k: self._top_k.any(),
            self._keep_top_p: (self._top_p < 1).any(),
            self._keep_min_p: self._min_p.any(),
        }
        self._filters = [keep for keep, is_wanted in filters.items() if is_wanted]
        self._blocks = np.array([*vocabulary.first.values()] if vocabulary is not None else [], int)

    def probabilities(self, logits: NDArray[np.floating], allowed: Mask) -> NDArray[np.floating]:
        """Return the probabilities of tokens, `float[B, V]`, not yet divided by their sum.

        Forbidden tokens have probability 0 before any filter looks; the filters apply in the order
        of `SamplerConfig`'s fields. At least one allowed token always keeps a probability above 0.

        Args:
            logits: `float[B, V]`.
            allowed: `bool[B, V]` with at least one true in each row.
        """
        temperature = self.temperature * self.temperature_scale
        x = np.where(allowed, logits, logits.dtype.type(-np.inf))
        x -= x.max(axis=1, keepdims=True)
        x /= temperature
        for row, (kinds, own) in self._kinds:
            x[row] = _tempered(x[row], kinds, own, self._blocks)
        p = np.exp(x, out=x)
        for keep in self._filters:
            keep(p)
        return p

    def draw(
        self, logits: NDArray[np.floating], allowed: Mask, uniform: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Draw a token for each row, `int64[B]`, by one number in [0, 1) for each, `float64[B]`."""
        cumulative = self.probabilities(logits, allowed).cumsum(axis=1, dtype=np.float64)
        total = cumulative[:, -1]
        # Below the total, however it was rounded.
        drawn = np.minimum(uniform * total, np.nextafter(total, 0))
        return (cumulative <= drawn[:, None]).sum(axis=1)

    def _keep_top_k(self, p: NDArray[np.floating]) -> None:
        """Ties with the k-th stay: which of equals comes first must not depend on their order."""
        k = np.where(self._top_k > 0, np.minimum(self._top_k, p.shape[1]), p.shape[1])
        least = np.take_along_axis(np.sort(p, axis=1), p.shape[1] - k[:, None], axis=1)
        p[p < least] = 0

    def _keep_top_p(self, p: NDArray[np.floating]) -> None:
        order = np.argsort(-p, axis=1, kind="stable")
        sorted_ = np.take_along_axis(p, order, axis=1).astype(np.float64)
        before = sorted_.cumsum(axis=1) - sorted_
        # A row that keeps all must not lose its smallest to rounding.
        least = np.where(self._top_p < 1, self._top_p, np.inf)[:, None] * sorted_.sum(
            axis=1, keepdims=True
        )
        np.put_along_axis(p, order, np.where(before < least, sorted_, 0), axis=1)

    def _keep_min_p(self, p: NDArray[np.floating]) -> None:
        p[p < self._min_p * p.max(axis=1, keepdims=True)] = 0


def _by_kind(
    config: SamplerConfig, vocabulary: Vocabulary
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return each token's kind, and each kind's temperature relative to the general one."""
    own = [
        config.temperatures.get(name, config.temperature) / config.temperature
        for name in vocabulary.names
    ]
    return vocabulary.kinds, np.array(own, np.float32)


def _tempered(
    x: NDArray[np.floating],
    kinds: NDArray[np.int8],
    own: NDArray[np.float32],
    blocks: NDArray[np.int64],
) -> NDArray[np.floating]:
    """Divide logits `float[V]` by their kinds' temperatures; whole kinds stay as likely."""

    def log_mass(values: NDArray[np.floating]) -> NDArray[np.floating]:
        most = np.maximum.reduceat(values, blocks)
        most[np.isinf(most)] = 0  # of what is forbidden
        with np.errstate(divide="ignore"):
            return np.log(np.add.reduceat(np.exp(values - most[kinds]), blocks)) + most

    warm = x / own[kinds]
    with np.errstate(invalid="ignore"):
        shift = log_mass(x) - log_mass(warm)
        out = np.where(np.isfinite(x), warm + shift[kinds], -np.inf).astype(x.dtype)
    out -= out.max()
    return out
