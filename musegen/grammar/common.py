"""What every grammar has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musegen.context import Context, row
from musegen.vocabulary import Vocabulary

__all__ = ["Common", "Grammar", "Mask"]

Mask = NDArray[np.bool_]


class Grammar(Protocol):
    """What generation needs to know of an encoding."""

    length: int | None
    """Where the music must end, in bars (metric) or steps of 10 ms (performance); None: anywhere."""
    longest_rest: int | None
    """In the same unit, how long at most no note may begin; None: for ever."""

    def allowed(self) -> Mask:
        """Return `bool[V]`: the tokens that may come next. Never all false before the end."""

    def fold(self, logits: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return logits `float[V]` in which what reaches past the end counts for what ends there."""

    def advance(self, token: int) -> None:
        """Take a token that was allowed."""

    def context(self, parts: int) -> Context:
        """Return what `musegen.context` knows after the last token, `uint8[F]`."""

    @property
    def finished(self) -> bool:
        """Whether `end` was taken."""


class Common(ABC):
    """What both grammars do alike: the last kind of event, and the table of what may follow it."""

    length: int | None = None
    longest_rest: int | None = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Stand before `start`."""
        self.vocabulary = vocabulary
        # Row k: the tokens whose kind may follow kind k.
        self._after = vocabulary.follows[:, vocabulary.kinds]
        self._slices = {kind: slice(first, first + vocabulary.blocks[kind]) for kind, first in vocabulary.first.items()}
        self._kind: str | None = None

    @property
    def finished(self) -> bool:
        """Whether `end` was taken."""
        return self._kind == "end"

    def context(self, parts: int) -> Context:
        """Return what `musegen.context` knows after the last token, `uint8[F]`: see there."""
        return row(*self._known(parts), parts)

    @abstractmethod
    def _known(self, parts: int) -> tuple[Any, Mask, NDArray[np.int64], NDArray[np.int64]]:
        """Return what `row` makes a row from."""

    def fold(self, logits: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return `logits` as they are: nothing in this encoding reaches past the end."""
        return logits

    def _followers(self) -> Mask:
        if self._kind is None:
            return self.vocabulary.of("start")
        out: Mask = self._after[self.vocabulary.kind(self._kind)].copy()
        return out

    def _forbid(self, allowed: Mask, kind: str, values: slice | int | None = None) -> None:
        """Forbid the given values of a kind, all if none are given, none if there is no such kind."""
        if kind in self._slices:
            allowed[self._slices[kind]][values if values is not None else slice(None)] = False
