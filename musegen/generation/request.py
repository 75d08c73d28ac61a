"""What is asked of a piece, and what came of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from musegen.config import ConstraintConfig, SamplerConfig, require
from musegen.generation.tasks import Backtrack
from musegen.score import Score, Table
from musegen.utils.deprecation import deprecated

__all__ = ["SEEDS", "Composition", "Request", "derived_seed"]

SEEDS = 2**31


@dataclass(frozen=True)
class Request:
    """What is asked of one piece.

    Attributes:
        primer: The music to continue (of `musegen.generation.composer.whole`); None for a new
            piece.
        bars: Bars to add.
        seed: Of the random numbers.
        primer_bars: How many of the primer's last bars the model hears; 0 for all.
        inject: Play beside the primer, in other parts, instead of going on after it.
        max_copied: Notes in a row that may be as in a training piece; 0 for any number.
        sampler: How tokens are drawn.
        constraints: What the music must keep to.
    """

    primer: Score | None
    bars: int = 16
    seed: int = 0
    primer_bars: int = 0
    inject: bool = False
    max_copied: int = 0
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    constraints: ConstraintConfig = field(default_factory=ConstraintConfig)

    def __post_init__(self) -> None:
        """Check the numbers."""
        require(
            1 <= self.bars <= 10_000,
            "bars must be 1 to 10000",
            self.bars,
            "Compose in several runs for more.",
        )
        require(self.seed >= 0, "seed must be >= 0", self.seed, "Use 0 or any larger whole number.")
        require(
            self.primer_bars >= 0,
            "primer_bars must be >= 0",
            self.primer_bars,
            "Use 0 to hear all of the primer.",
        )
        require(
            self.max_copied == 0 or self.max_copied >= 3,
            "max_copied must be at least 3, or 0",
            self.max_copied,
            "Two notes in a row stand in every piece; use 0 for any number.",
        )
        require(
            not self.inject or self.primer is not None,
            "inject must have a primer",
            "none",
            "Give one.",
        )
        require(
            not (self.inject and self.primer_bars),
            "inject must come without primer_bars",
            self.primer_bars,
            "All of the primer is heard.",
        )
        require(
            not (self.inject and self.max_copied),
            "inject must come without max_copied",
            self.max_copied,
            "What is beside a primer is not written anew.",
        )
        require(
            self.constraints.key != "auto" or self.primer is not None,
            "the key `auto` must have a primer",
            "key=auto without one",
            "Name the key, as C:minor.",
        )

    @classmethod
    def of(cls, primer: Score | None, options: Mapping[str, Any]) -> Self:
        """Return a request with options by name: its own, and those of `SamplerConfig` and `ConstraintConfig`.

        Without a seed it gets one that nobody has chosen.

        Raises:
            ConfigError: One is out of range.
            TypeError: There is no option of that name.
        """
        options = {
            name: value for name, value in options.items() if (name, value) != ("seed", None)
        }
        options.setdefault("seed", secrets.randbelow(2**31))
        parts: dict[str, Any] = {}
        for name, kind in _PARTS.items():
            names = {f.name for f in fields(kind)}
            parts[name] = kind(**{key: options.pop(key) for key in names & options.keys()})
        own = {f.name for f in fields(cls)} - {"primer", *_PARTS}
        if unknown := sorted(options.keys() - own):
            raise TypeError(
                f"unexpected option {unknown[0]!r}; there are {', '.join(sorted(own | set(OPTIONS)))}"
            )
        return cls(primer, **options, **parts)

    def to_dict(self) -> dict[str, Any]:
        """Return all options by name, as `of` takes them, but for the primer: plain values that JSON can hold."""
        own = {
            f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"primer", *_PARTS}
        }
        return own | {
            key: value for name in _PARTS for key, value in getattr(self, name).to_dict().items()
        }


_PARTS: dict[str, type[SamplerConfig | ConstraintConfig]] = {
    "sampler": SamplerConfig,
    "constraints": ConstraintConfig,
}
OPTIONS = tuple(f.name for kind in _PARTS.values() for f in fields(kind))
"""Names of the options that are fields of configs."""


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
        end: Tick of the barline where what was filled in ends, or where the primer does beside
            which parts play; None where a piece was continued.
        tracks: Indices in the score of the tracks in `read`, where bars were filled.
        backtracks: Bars that were written anew, because the piece had begun to repeat itself.
        relaxed: How many tokens had to be chosen against what was asked, because nothing else was
            left.
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
    backtracks: tuple[Backtrack, ...] = ()
    relaxed: int = 0

    @property
    def rewinds(self) -> tuple[Backtrack, ...]:
        """Deprecated: use `backtracks`."""
        deprecated("Composition.rewinds", "backtracks")
        return self.backtracks

    @property
    def gave_way(self) -> int:
        """Deprecated: use `relaxed`."""
        deprecated("Composition.gave_way", "relaxed")
        return self.relaxed

    @property
    def nats_per_note(self) -> float:
        """How surprising the continuation is to the model that wrote it."""
        return self.nats / max(len(self.added), 1)

    def only_continuation(self) -> Score:
        """Return the continuation alone, from tick 0, in the meter, key and tempo in force there."""
        first_bar = int(np.searchsorted(self.score.barlines(), self.start))
        return replace(self.score, notes=self.added)[first_bar:]


def derived_seed(seed: int, index: int) -> int:
    """Return the seed of a piece: (a + b·index) mod 2³¹, below 2³¹.

    a and b are the two 32-bit words that `numpy.random.SeedSequence(seed)` gives, b made odd. So it
    depends on the batch's seed and the piece's number alone, and the first 2³¹ pieces all have
    different ones.

    Args:
        seed: Of the batch, at least 0.
        index: Of the piece, from 0.
    """
    a, b = np.random.SeedSequence(seed).generate_state(2).tolist()
    return int((a + (b | 1) * index) % SEEDS)
