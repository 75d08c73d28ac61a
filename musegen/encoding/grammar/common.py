"""What every grammar has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context import Context, Heard, View
from musegen.encoding.vocabulary import Tokens, Vocabulary

__all__ = ["Grammar", "Mask", "Note"]

Mask = NDArray[np.bool_]


class Note(NamedTuple):
    """A note that was begun; times are steps from the beginning of the piece."""

    onset: int
    part: int
    pitch: int
    drum: bool
    end: int
    """Step at which it is over; -1 while that was not said."""


class Grammar(ABC):
    """The rules of an encoding, at one place of one piece.

    What may come next is asked of many pieces at once: see `musegen.encoding.grammar.allowed`.

    Attributes:
        vocabulary: What the tokens mean.
        length: Where the music must end, in bars (metric) or steps of 10 ms (performance); None:
            anywhere.
        longest_rest: In the same unit, how long at most no note may begin; None: for ever.
        kind: Of the last token; None before `start`.
        now: The current step, from the beginning of the piece.
        bar_length: Steps of a bar; of a performance, which has none, those of 4/4 at 120 bpm.
        notes: What was struck so far.
        heard: The last tokens.
    """

    bar_length: int

    MUTABLE: tuple[str, ...] = ("notes", "heard")
    """Names of what changes in place."""

    length: int | None = None
    longest_rest: int | None = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Stand before `start`."""
        self.vocabulary = vocabulary
        self.kind: str | None = None
        self.now = 0
        self.notes: list[Note] = []
        self.heard = Heard(vocabulary)
        self._kinds, self._values = vocabulary.kinds.tolist(), vocabulary.values.tolist()

    @property
    def finished(self) -> bool:
        """Whether `end` was taken."""
        return self.kind == "end"

    @property
    @abstractmethod
    def bars(self) -> int:
        """How many bars, or for a performance stretches of `BAR` steps, are over or have begun."""

    @classmethod
    @abstractmethod
    def allowed_in(cls, rows: Sequence[Self]) -> Mask:
        """Return `bool[B, V]`: the tokens that may come next in each row. Never all false before the end."""

    @classmethod  # noqa: B027  (in some encodings there is nothing to do)
    def merge_mass(cls, rows: Sequence[Self], logits: NDArray[np.float32]) -> None:
        """Let what reaches past the end count for what ends there, in logits `float32[B, V]`, in place."""

    @classmethod
    @abstractmethod
    def contexts(cls, rows: Sequence[Self], view: View) -> Context:
        """Return what `musegen.encoding.context` knows after the last token of each row, `uint16[B, F]`."""

    @abstractmethod
    def take(self, kind: str, value: int) -> None:
        """Take an event that was allowed."""

    def allowed(self) -> Mask:
        """Return `bool[V]`: the tokens that may come next. Never all false before the end."""
        out: Mask = self.allowed_in([self])[0]
        return out

    def context(self, view: View) -> Context:
        """Return what `musegen.encoding.context` knows after the last token, `uint16[F]`."""
        out: Context = self.contexts([self], view)[0]
        return out

    def advance(self, token: int) -> None:
        """Take a token that was allowed."""
        self.heard.take(token)
        self.take(self.vocabulary.names[self._kinds[token]], self._values[token])

    def read(self, tokens: Tokens) -> Self:
        """Take tokens that were allowed, `int[T]`; return this grammar."""
        for token in tokens.tolist():
            self.advance(token)
        return self

    def copy(self) -> Self:
        """Return the same place, which goes on by itself."""
        out = object.__new__(type(self))
        out.__dict__ = self.__dict__ | {name: self.__dict__[name].copy() for name in self.MUTABLE}
        return out


class Tables:
    """Masks of all tokens, a row for each value of something; looked up by rows, they make up `allowed`."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Make the first table: row k has what may follow kind k, the last what a piece begins with."""
        self.vocabulary = vocabulary
        self.slices = {
            kind: slice(first, first + vocabulary.blocks[kind])
            for kind, first in vocabulary.first.items()
        }
        self.followers = np.vstack(
            [vocabulary.follows[:, vocabulary.kinds], vocabulary.of("start")]
        )
        self.codes: dict[str | None, int] = {
            name: code for code, name in enumerate(vocabulary.names)
        }
        self.codes[None] = len(vocabulary.names)

    def all(self, rows: int) -> Mask:
        """Return a table of so many rows in which everything is allowed."""
        return np.ones((rows, len(self.vocabulary)), bool)

    def from_on(self, kind: str, rows: int) -> Mask:
        """Return a table of which row n forbids the first n values of a kind."""
        out = self.all(rows)
        out[:, self.slices[kind]] = (
            np.arange(self.vocabulary.blocks[kind]) >= np.arange(rows)[:, None]
        )
        return out

    def below(self, kind: str, rows: int) -> Mask:
        """Return a table of which row n forbids all values of a kind but the first n."""
        out = self.all(rows)
        out[:, self.slices[kind]] = (
            np.arange(self.vocabulary.blocks[kind]) < np.arange(rows)[:, None]
        )
        return out

    def other_than(self, kind: str) -> Mask:
        """Return a table of which row n + 1 forbids value n of a kind, and row 0 nothing."""
        size = self.vocabulary.blocks.get(kind, 0)
        out = self.all(size + 1)
        if size:
            out[1:, self.slices[kind]] = ~np.eye(size, dtype=bool)
        return out


def looked_up(table: Mask, places: Sequence[int]) -> Mask:
    """Return some rows of a table; of one row a view, which takes a tenth of the time."""
    out: Mask = table[places[0] : places[0] + 1] if len(places) == 1 else table[list(places)]
    return out


def stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return arrays as rows of one; one alone is not copied."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)
