"""The grammar of the performance encoding: note-ons, note-offs and time shifts in order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Generic, NamedTuple, Self, TypeVar

import numpy as np

from musegen.encoding.context import Context, View, performance_columns, row, since
from musegen.encoding.grammar.common import Grammar, Mask, Note, Tables, looked_up, stacked
from musegen.encoding.vocabulary import MAX_SHIFT, Vocabulary

__all__ = ["BAR", "PerformanceGrammar"]

BAR = 200
"""Steps of 10 ms: a bar of 4/4 at 120 bpm, where bars are asked for and there are none."""

Value = TypeVar("Value")


class _Lookup(NamedTuple, Generic[Value]):
    """Rows to look up in `_Tables`: integers for one grammar, tuples of B for B grammars."""

    followers: Value
    shift: Value
    velocity: Value
    on: Value
    off: Value
    end: Value
    """Whether the piece may end."""


class PerformanceGrammar(Grammar):
    """The rules of the performance encoding.

    Only sounding notes can end. At one moment notes end before others begin, in ascending pitch.

    Attributes:
        sounding: Which pitches sound, `bool[128]`.
        since: Step where each pitch began last, `int64[128]`; -1 for never.
        last: Kind and pitch of the last event at this moment.
    """

    bar_length = BAR
    MUTABLE = (*Grammar.MUTABLE, "sounding", "since", "_open")

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Begin before `start`."""
        super().__init__(vocabulary)
        self.sounding = np.zeros(128, bool)
        self.since = np.full(128, -1, np.int64)
        self.last: tuple[str, int] | None = None
        self.last_note = 0
        self._ended = 0  # 1 + the pitch that ended last
        self._velocity = -1
        self._shift = -1  # value of the last time_shift
        self._open: dict[int, int] = {}  # sounding pitch → index of its note in `notes`
        self._tables = _tables(vocabulary)

    @property
    def bars(self) -> int:
        """Number of complete stretches of `BAR` steps."""
        return self.now // BAR

    @classmethod
    def allowed_in(cls, rows: Sequence[Self]) -> Mask:
        """Return the tokens that may come next in each row, `bool[B, V]`."""
        tables = rows[0]._tables
        sounding = stacked([rules.sounding for rules in rows])
        lowest = np.where(sounding.any(axis=1), sounding.argmax(axis=1), -1).tolist()
        lookups = (rules._lookup(low) for rules, low in zip(rows, lowest, strict=True))
        at = _Lookup(*zip(*lookups, strict=True))
        out: Mask = looked_up(tables.followers, at.followers) & looked_up(tables.shift, at.shift)
        # No pitch begins while it sounds, or twice at one moment.
        begins: Mask = looked_up(tables.above, at.on) & ~sounding
        out[:, tables.slices["note_on"]] &= begins
        out[:, tables.slices["note_off"]] &= sounding & looked_up(tables.between, at.off)
        if tables.velocity is not None:
            out &= looked_up(tables.velocity, at.velocity)
            out[:, tables.slices["velocity"]] &= np.any(begins, axis=1, keepdims=True)
        out[:, tables.slices["end"].start] &= at.end
        return out

    def _lookup(self, lowest: int) -> _Lookup[int]:
        """Return the rows of the tables for the current state.

        Args:
            lowest: The lowest sounding pitch; -1 if none sounds.
        """
        tables = self._tables
        # A shift after one that was not the longest would have been written as one shift.
        shift = 0 if self.kind == "time_shift" and self._shift < MAX_SHIFT - 1 else MAX_SHIFT
        if self.longest_rest is not None:
            shift = min(shift, self.last_note + self.longest_rest - self.now)
        on = off = 0
        over = False
        if self.last is not None:
            kind, pitch = self.last
            on, off = (pitch + 1, 128) if kind == "note_on" else (0, pitch + 1)
        if self.length is not None:
            room = self.length - self.now
            shift, over = min(shift, room), room <= 0
            if over:  # all sounding notes end now, one at a time from the lowest pitch
                on, off = 128, 129 + max(lowest, 0)
        if over:
            velocity = tables.silent
        elif self._velocity < 0 and tables.velocity is not None:
            velocity = tables.unset
        else:
            velocity = self._velocity + 1
        end = lowest < 0 and (over or self.length is None)
        return _Lookup(tables.codes[self.kind], max(shift, 0), velocity, on, off, end)

    @classmethod
    def contexts(cls, rows: Sequence[Self], view: View) -> Context:
        """Return the row of `musegen.encoding.context` after each last token, `uint16[B, F]`."""
        facts = [(r.now, r.last_note, r._ended, len(r.notes) > 0) for r in rows]
        now, last_note, ended, begun = np.array(facts).T
        sounding = stacked([rules.sounding for rules in rows])[:, None]
        began = stacked([rules.since for rules in rows])[:, None]
        of_piece = performance_columns(since(now - last_note) * begun)
        times = since(now[:, None, None] - began)
        histories = [rules.history for rules in rows]
        return row(of_piece, sounding, times, ended[:, None], histories, view)

    def take(self, kind: str, value: int) -> None:
        """Advance by an event, which must be allowed."""
        self.kind = kind
        match kind:
            case "time_shift":
                self.now += value + 1
                self._shift, self.last = value, None
            case "velocity":
                self._velocity = value
            case "note_on":
                self.sounding[value], self.last = True, (kind, value)
                self.last_note = self.since[value] = self.now
                self._open[value] = len(self.notes)
                self.notes.append(Note(self.now, 0, value, False, -1))
            case "note_off":
                self.sounding[value], self.last = False, (kind, value)
                self._ended = value + 1
                index = self._open.pop(value)
                self.notes[index] = Note(*self.notes[index][:4], self.now)


class _Tables(Tables):
    """Masks for each state variable.

    Attributes:
        shift: By the longest time shift allowed, in steps.
        above: `bool[129, 128]`: by the lowest pitch allowed.
        between: `bool[257, 128]`: the same, then by 129 + the highest pitch allowed.
        velocity: By 1 + the velocity bin in force, `unset` or `silent`; None without velocities.
        unset: Row where no velocity was stated yet: no note may begin.
        silent: Row where no velocity may be stated.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(vocabulary)
        self.shift = self.below("time_shift", MAX_SHIFT + 1)
        pitches = np.arange(128)
        self.above = pitches >= np.arange(129)[:, None]
        self.between = np.vstack([self.above, pitches <= pitches[:, None]])
        self.velocity: Mask | None = None
        self.unset = self.silent = 0
        if "velocity" in vocabulary.blocks:
            unset, silent = self.all(1), self.all(1)
            unset[:, self.slices["note_on"]] = False
            silent[:, self.slices["velocity"]] = False
            self.velocity = np.vstack([self.other_than("velocity"), unset, silent])
            self.unset, self.silent = len(self.velocity) - 2, len(self.velocity) - 1


_tables = lru_cache(maxsize=16)(_Tables)
