"""Combine the constraints on one piece."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from musegen.config import ConstraintConfig
from musegen.encoding.grammar import IN_NOTE, Grammar, Mask
from musegen.encoding.vocabulary import Vocabulary
from musegen.generation.constraints.cadence import Cadence
from musegen.generation.constraints.metric import MetricTokens
from musegen.generation.constraints.next_note import ConstraintContext
from musegen.generation.constraints.performance import PerformanceTokens
from musegen.generation.constraints.rules import (
    Constraint,
    Density,
    InKey,
    InRange,
    Lengths,
    NoParallels,
    Polyphony,
)
from musegen.generation.constraints.texts import check, read_density, read_note_value, read_range

__all__ = ["Constraints"]


class Constraints:
    """The constraints on one piece, as a mask of tokens.

    Attributes:
        relaxed: For how many tokens some constraint was ignored, because no legal token met all.
    """

    def __init__(
        self, wanted: ConstraintConfig, vocabulary: Vocabulary, context: ConstraintContext
    ) -> None:
        """Parse the constraints.

        Raises:
            ConfigError: A text cannot be read.
        """
        check(wanted)
        self.relaxed = 0
        kind = PerformanceTokens if vocabulary.config.encoding == "performance" else MetricTokens
        self._tokens: MetricTokens | PerformanceTokens = kind(vocabulary, context)
        self._constraints = tuple(_constraints(wanted, vocabulary, context))
        self._notes = vocabulary.notes
        self._lengths: tuple[slice, int] | None = None
        if "duration" in vocabulary.blocks:
            first = vocabulary.first["duration"]
            self._lengths = (
                slice(first, first + vocabulary.blocks["duration"]),
                vocabulary.first["hold"],
            )

    @classmethod
    def of(
        cls, wanted: ConstraintConfig, vocabulary: Vocabulary, context: ConstraintContext
    ) -> Constraints | None:
        """Return the constraints, or None if none of them concerns tokens.

        Raises:
            ConfigError: A text cannot be read.
        """
        out = cls(wanted, vocabulary, context)
        return out if out._constraints else None

    def mask(self, rules: Grammar, legal: Mask) -> Mask:
        """Return the legal tokens that meet the constraints, `bool[V]`.

        If no token meets them all, one constraint is relaxed: the least important that helps, in
        the order range, polyphony, lengths, cadence, key, parallels, density. If that does not
        help, more are.

        Args:
            rules: The grammar after everything so far.
            legal: The tokens that it allows, `bool[V]`, or some of them.
        """
        for count, kept in enumerate(self._choices()):
            note = self._tokens.begin(rules)  # type: ignore[arg-type]
            if note is None:
                return legal
            for constraint in kept:
                constraint.restrict(note, rules)
            out = self._tokens.mask(note, rules, legal)  # type: ignore[arg-type]
            if np.count_nonzero(out):
                self.relaxed += bool(count or (note.crossed and np.any(out & self._notes)))
                return out
        self.relaxed += 1
        return legal

    def merge_mass(self, rules: Grammar, narrowed: Mask, logits: NDArray[np.float32]) -> None:
        """Add the probability of lengths that are ruled out to the nearest one left, in place.

        Merely forbidding a long note would share its probability among all shorter ones, the
        shortest too. Metric music only: what a wait in a performance will be part of is not yet
        said.

        Args:
            rules: As for `narrow`.
            narrowed: What that returned.
            logits: `float32[V]`, of which a token is drawn.
        """
        if rules.kind in IN_NOTE and self._lengths is not None:
            block, hold = self._lengths
            left = narrowed[block].nonzero()[0] + block.start
            if not len(left):
                return
            low, high = int(left[0]), int(left[-1])
            if low > block.start:
                logits[low] = np.logaddexp.reduce(logits[block.start : low + 1])
            if not narrowed[hold]:
                logits[high] = np.logaddexp.reduce([*logits[high : block.stop], logits[hold]])

    def _choices(self) -> Iterator[tuple[Constraint, ...]]:
        """Yield the constraints; then all but one, from the last; then ever fewer."""
        every = self._constraints
        yield every
        for index in range(len(every) - 1, -1, -1):
            yield every[:index] + every[index + 1 :]
        for count in range(len(every) - 2, -1, -1):
            yield every[:count]


def _constraints(
    wanted: ConstraintConfig, vocabulary: Vocabulary, context: ConstraintContext
) -> Iterator[Constraint]:
    """Yield what is wanted, the most important first."""
    if wanted.range:
        yield InRange(*read_range(wanted.range), context)
    if wanted.max_polyphony:
        yield Polyphony(wanted.max_polyphony)
    if wanted.min_note or wanted.max_note:
        shortest, longest = (
            read_note_value(text) if text else None for text in (wanted.min_note, wanted.max_note)
        )
        yield Lengths(shortest, longest, context)
    if wanted.end == "cadence":
        yield Cadence(context)
    if wanted.key != "none" and context.key is not None:
        yield InKey(context.key, context)
    if not wanted.parallels and "part" in vocabulary.blocks:
        yield NoParallels()
    if wanted.density:
        config = vocabulary.config
        chords = (
            config.encoding == "performance" or min(config.parts, context.parts or config.parts) > 1
        )
        yield Density(*read_density(wanted.density), chords, context)
