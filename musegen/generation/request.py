"""A composition request and its result."""

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
    """A request for one piece.

    >>> from musegen import Request
    >>> Request.of(None, {"bars": 8, "seed": 7, "temperature": 0.9}).sampler.temperature
    0.9

    Attributes:
        primer: The music to continue or accompany, with one track per instrument; None for a new
            piece.
        bars: Bars to add.
        seed: Of the random numbers.
        primer_bars: How many of the primer's last bars are the model's context; 0 for all.
        inject: Accompany the primer with new parts instead of continuing it.
        max_copied: Longest run of notes that may match a training piece; 0 for no limit.
        sampler: Temperature and filters.
        constraints: Musical constraints.

    Raises:
        ConfigError: A value is out of range.
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
        """Check the values."""
        has_primer = self.primer is not None
        checks: list[tuple[bool, str, Any, str]] = [
            (
                1 <= self.bars <= 10_000,
                "bars must be 1 to 10000",
                self.bars,
                "Compose in several runs for more.",
            ),
            (self.seed >= 0, "seed must be >= 0", self.seed, "Use 0 or any larger whole number."),
            (
                self.primer_bars >= 0,
                "primer_bars must be >= 0",
                self.primer_bars,
                "Use 0 for all of the primer.",
            ),
            (
                self.max_copied == 0 or self.max_copied >= 3,
                "max_copied must be at least 3, or 0",
                self.max_copied,
                "Every piece shares two notes in a row with others; use 0 for no limit.",
            ),
            (not self.inject or has_primer, "inject must have a primer", "none", "Give one."),
            (
                not (self.inject and self.primer_bars),
                "inject must come without primer_bars",
                self.primer_bars,
                "An accompaniment is for the whole primer.",
            ),
            (
                not (self.inject and self.max_copied),
                "inject must come without max_copied",
                self.max_copied,
                "An accompaniment is not rewritten.",
            ),
            (
                self.constraints.key != "auto" or has_primer,
                "the key `auto` must have a primer",
                "key=auto without one",
                "Name the key, as C:minor.",
            ),
        ]
        for is_valid, rule, received, remedy in checks:
            require(is_valid, rule, received, remedy)

    @classmethod
    def of(cls, primer: Score | None, options: Mapping[str, Any]) -> Self:
        """Make a request of options by name.

        Args:
            primer: The music; None for a new piece.
            options: Fields of `Request`, `SamplerConfig` and `ConstraintConfig`. Without a seed, a
                random one is drawn.

        Raises:
            ConfigError: A value is out of range.
            TypeError: There is no option of that name.
        """
        options = dict(options)
        if options.get("seed") is None:
            options["seed"] = secrets.randbelow(SEEDS)

        # Sort the options into the configs that have them.
        parts: dict[str, Any] = {}
        for name, kind in _PARTS.items():
            names = {f.name for f in fields(kind)}
            parts[name] = kind(**{key: options.pop(key) for key in names & options.keys()})
        own = {f.name for f in fields(cls)} - {"primer", *_PARTS}
        if unknown := sorted(options.keys() - own):
            known = ", ".join(sorted(own | set(OPTIONS)))
            raise TypeError(f"unexpected option {unknown[0]!r}; there are {known}")
        return cls(primer, **options, **parts)

    def to_dict(self) -> dict[str, Any]:
        """Return all options by name, as `of` takes them, without the primer: values for JSON."""
        names = [f.name for f in fields(self) if f.name not in {"primer", *_PARTS}]
        options = {name: getattr(self, name) for name in names}
        for name in _PARTS:
            options |= getattr(self, name).to_dict()
        return options


_PARTS: dict[str, type[SamplerConfig | ConstraintConfig]] = {
    "sampler": SamplerConfig,
    "constraints": ConstraintConfig,
}
OPTIONS = tuple(f.name for kind in _PARTS.values() for f in fields(kind))
"""Names of the options that are fields of configs."""


@dataclass(frozen=True)
class Composition:
    """A piece, and how it was made.

    Attributes:
        score: The primer, if there was one, with the new music.
        start: Tick where the new music begins.
        added: The new notes, `NOTE[N]`, in the score's ticks and tracks.
        nats: −log p of the new music under the model, at temperature 1.
        checkpoint: Name of the model.
        seed: The same primer, settings and seed make the same music again.
        read: Names of the tracks that the model read.
        left_out: (name, reason) of the tracks that it did not.
        end: Tick of the barline where filled bars end, or where an accompanied primer ends; None
            for a continuation.
        tracks: Indices in the score of the tracks in `read`, where bars were filled.
        backtracks: Bars that were rewritten because a guard found repetition or copying.
        relaxed: For how many tokens no choice met the constraints.
        undone: (what, how many) of the changes of tempo, meter and key that the primer makes behind
            its end, among the new bars, where they take no effect.
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
    undone: tuple[tuple[str, int], ...] = ()

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
    def bars_of_rest(self) -> int:
        """How many whole bars of rest are between the primer's last note and the new music."""
        old = self.score.notes["onset"] < self.start
        if self.end is not None or not old.any():
            return 0
        lines = self.score.barlines()
        last = self.score.offsets[old].max()
        return max(int(((lines >= last) & (lines <= self.start)).sum()) - 1, 0)

    @property
    def nats_per_note(self) -> float:
        """−log p of the new music in nats, divided by its notes."""
        return self.nats / max(len(self.added), 1)

    def only_continuation(self) -> Score:
        """Return the new music alone, from tick 0, in the meter, key and tempo in force there."""
        first_bar = int(np.searchsorted(self.score.barlines(), self.start))
        return replace(self.score, notes=self.added)[first_bar:]


def derived_seed(seed: int, index: int) -> int:
    """Derive the seed of a piece of a batch: (a + b·index) mod 2³¹.

    a and b are the two 32-bit words that `numpy.random.SeedSequence(seed)` gives, b made odd. So it
    depends on the batch's seed and the piece's number alone, and the first 2³¹ pieces all have
    different ones.

    Args:
        seed: Of the batch, at least 0.
        index: Of the piece, from 0.
    """
    a, b = np.random.SeedSequence(seed).generate_state(2).tolist()
    return int((a + (b | 1) * index) % SEEDS)
