"""A piece that was composed, and what chose its notes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from musegen.config import SamplerConfig, require
from musegen.score import Score, Table

__all__ = ["Composition", "Draw"]


@dataclass(frozen=True)
class Composition:
    """A piece and how it came about.

    Attributes:
        score: The primer, if there was one, and the continuation.
        start: Tick where the continuation, or what was filled in, begins.
        added: The notes of that, `NOTE[N]`, in the score's ticks and tracks.
        nats: −log p of the continuation under the model, at temperature 1.
        checkpoint: Name of the model.
        seed: With the same primer, settings and seed the same music is made again.
        read: Names of the tracks that the model read and continued.
        left_out: (name, reason) of the tracks that it did not.
        end: Tick of the barline where what was filled in ends; None where a piece was continued.
        tracks: Indices in the score of the tracks in `read`, where bars were filled.
    """

    score: Score
    start: int
    added: Table
    nats: float
    checkpoint: str
    seed: int
    read: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    end: int | None = None
    tracks: tuple[int, ...] = ()

    @property
    def nats_per_note(self) -> float:
        """How surprising the continuation is to the model that wrote it."""
        return self.nats / max(len(self.added), 1)

    def only_continuation(self) -> Score:
        """Return the continuation alone, from tick 0, in the meter, key and tempo in force there."""
        first_bar = int(np.searchsorted(self.score.barlines(), self.start))
        return replace(self.score, notes=self.added)[first_bar:]


@dataclass(frozen=True)
class Draw:
    """What chooses the tokens of one piece."""

    sampler: SamplerConfig
    seed: int
    rng: np.random.Generator

    @classmethod
    def of(cls, seed: int | None, temperature: float, top_k: int, top_p: float, min_p: float) -> Self:
        """Return what draws with these settings; without a seed, one that nobody has chosen.

        Raises:
            ConfigError: One is out of range.
        """
        sampler = SamplerConfig(temperature, top_k, top_p, min_p)
        require(seed is None or seed >= 0, "seed must be >= 0", seed, "Use 0 or any larger whole number.")
        seed = secrets.randbelow(2**31) if seed is None else seed
        return cls(sampler, seed, np.random.default_rng(seed))
