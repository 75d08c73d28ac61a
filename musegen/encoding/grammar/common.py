"""The interface of grammars, and the mask tables that they are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context import Context, History, View
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.utils.arrays import Bools

__all__ = ["Grammar", "Mask", "Note"]

Mask = Bools


class Note(NamedTuple):
    """A note that has begun; times are in steps from the beginning of the piece."""

    onset: int
    part: int
    pitch: int
    drum: bool
    end: int
    """Step at which it ends; -1 while its duration is unknown."""


class Grammar(ABC):
    """The rules of an encoding at one place of one sequence.

    To mask many sequences at once, use `musegen.encoding.grammar.allowed`.

    Attributes:
        vocabulary: Maps tokens to events.
        length: Where the music must end, in bars (metric) or steps of 10 ms (performance); None:
            anywhere.
        longest_rest: The longest stretch in which no note begins, in the same unit; None: no limit.
        kind: Kind of the last token; None before `start`.
        now: The current step, from the beginning of the piece.
        bar_length: Steps per bar; in a performance, which has no bars, those of 4/4 at 120 bpm.
        notes: The notes that have begun so far.
        last_note: Where the last note began: its bar, -1 before the first note (metric), or its
            step, 0 before the first note (performance). Read-only.
        history: The last tokens.
    """

    bar_length: int

    MUTABLE: tuple[str, ...] = ("notes", "history")
    """Names of the attributes that change in place and that `copy` must copy."""

    length: int | None = None
    longest_rest: int | None = None
    last_note: int

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Begin before `start`."""
        self.vocabulary = vocabulary
        self.kind: str | None = None
        self.now = 0
        self.notes: list[Note] = []
        self.history = History(vocabulary)
        self._kinds, self._values = vocabulary.kinds.tolist(), vocabulary.values.tolist()

    @property
    def finished(self) -> bool:
        """Whether the last token was `end`."""
        return self.kind == "end"

    @property
    @abstractmethod
    def bars(self) -> int:
        """Number of bars that have begun, or for a performance of complete `BAR` steps."""

    @classmethod
    @abstractmethod
    def allowed_in(cls, rows: Sequence[Self]) -> Mask:
        """Return the tokens that may come next in each of B rows, `bool[B, V]`.

        Before `end`, at least one token is allowed in each row.
        """

    @classmethod  # noqa: B027  (in some encodings there is nothing to do)
    def merge_mass(cls, rows: Sequence[Self], logits: NDArray[np.float32]) -> None:
        """Move probability from what would pass the end to what ends there, in place.

        Args:
            rows: B grammars.
            logits: `float32[B, V]`.
        """

    @classmethod
    @abstractmethod
    def contexts(cls, rows: Sequence[Self], view: View) -> Context:
        """Return the row of `musegen.encoding.context` after each last token, `uint16[B, F]`."""

    @abstractmethod
    def take(self, kind: str, value: int) -> None:
        """Advance by an event, which must be allowed."""

    def allowed(self) -> Mask:
        """Return the tokens that may come next, `bool[V]`; at least one before `end`."""
        return self.allowed_in([self])[0]

    def context(self, view: View) -> Context:
        """Return the row of `musegen.encoding.context` after the last token, `uint16[F]`."""
        return self.contexts([self], view)[0]

    def advance(self, token: int) -> None:
        """Advance by a token, which must be allowed."""
        self.history.take(token)
        self.take(self.vocabulary.names[self._kinds[token]], self._values[token])

    def read(self, tokens: Tokens) -> Self:
        """Advance by tokens, `int[T]`, all of them allowed; return this grammar."""
        for token in tokens.tolist():
            self.advance(token)
        return self

    def copy(self) -> Self:
        """Return an independent grammar at the same place."""
        out = object.__new__(type(self))
        out.__dict__ = self.__dict__ | {name: self.__dict__[name].copy() for name in self.MUTABLE}
        return out


class Tables:
    """Tables of masks over the vocabulary, with one row for each value of a state variable.

    The rows for the current state, combined with `&`, are the tokens allowed next.

    Attributes:
        slices: kind → its tokens.
        followers: `bool[kinds + 1, V]`: the tokens that may follow each kind; in the last row, the
            tokens that a piece may begin with.
        codes: kind, or None before the first token → its row in `followers`.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Make the table of followers."""
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
        """Return a table that allows everything, `bool[rows, V]`."""
        return np.ones((rows, len(self.vocabulary)), bool)

    def from_on(self, kind: str, rows: int) -> Mask:
        """Return a table whose row n forbids the first n values of a kind, `bool[rows, V]`."""
        out = self.all(rows)
        values = np.arange(self.vocabulary.blocks[kind])
        out[:, self.slices[kind]] = values >= np.arange(rows)[:, None]
        return out

    def below(self, kind: str, rows: int) -> Mask:
        """Return a table whose row n allows only the first n values of a kind, `bool[rows, V]`."""
        out = self.all(rows)
        values = np.arange(self.vocabulary.blocks[kind])
        out[:, self.slices[kind]] = values < np.arange(rows)[:, None]
        return out

    def other_than(self, kind: str) -> Mask:
        """Return a table whose row n + 1 forbids value n of a kind; row 0 forbids nothing."""
        size = self.vocabulary.blocks.get(kind, 0)
        out = self.all(size + 1)
        if size:
            out[1:, self.slices[kind]] = ~np.eye(size, dtype=bool)
        return out


def looked_up(table: Mask, rows: Sequence[int]) -> Mask:
    """Return rows of a table. A single row is a view, which takes a tenth of the time."""
    return table[rows[0] : rows[0] + 1] if len(rows) == 1 else table[list(rows)]


def stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return arrays stacked along a new first axis; a single array is not copied."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)
