"""The grammar of played notes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Self

import numpy as np

from musegen.encoding.context import Context, View, performance_columns, row, since
from musegen.encoding.grammar.common import Grammar, Mask, Note, Tables, looked_up, stacked
from musegen.encoding.vocabulary import MAX_SHIFT, Vocabulary

__all__ = ["PerformanceGrammar"]

BAR = 200  # steps of 10 ms: a bar of 4/4 at 120 bpm, for what asks for bars where there are none


class PerformanceGrammar(Grammar):
    """Only what sounds can end; at one moment notes end before others begin, pitches ascending.

    Attributes:
        sounding: Which pitches sound, `bool[128]`.
        since: Step where each pitch began last, `int64[128]`; -1 for never.
        last: Kind and pitch of the last event at this moment.
    """

    bar_length = BAR
    MUTABLE = (*Grammar.MUTABLE, "sounding", "since", "_open")

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Stand before `start`."""
        super().__init__(vocabulary)
        self.sounding = np.zeros(128, bool)
        self.since = np.full(128, -1, np.int64)
        self.last: tuple[str, int] | None = None
        self._last_note = 0
        self._ended = 0  # 1 + the pitch that ended last
        self._velocity = -1
        self._shift = -1  # value of the time_shift just taken
        self._open: dict[int, int] = {}  # pitch → index in `notes` of what sounds
        self._tables = _tables(vocabulary)

    @property
    def bars(self) -> int:
        """How many stretches of `BAR` steps are over."""
        return self.now // BAR

    @classmethod
    def allowed_in(cls, rows: Sequence[Self]) -> Mask:
        """Return `bool[B, V]`: the tokens that may come next in each row."""
        tables = rows[0]._tables
        sounding = stacked([rules.sounding for rules in rows])
        lowest = np.where(sounding.any(axis=1), sounding.argmax(axis=1), -1)
        followers, shift, velocity, on, off, more = zip(
            *(rules._places(low) for rules, low in zip(rows, lowest.tolist(), strict=True)),
            strict=True,
        )
        out: Mask = looked_up(tables.followers, followers) & looked_up(tables.shift, shift)
        above: Mask = (
            looked_up(tables.above, on) & ~sounding
        )  # no two at one moment, and none that sounds
        out[:, tables.slices["note_on"]] &= above
        out[:, tables.slices["note_off"]] &= sounding & looked_up(tables.between, off)
        if tables.velocity is not None:
            out &= looked_up(tables.velocity, velocity)
            out[:, tables.slices["velocity"]] &= np.any(above, axis=1, keepdims=True)
        out[:, tables.slices["end"].start] &= more
        return out

    def _places(self, lowest: int) -> tuple[int, int, int, int, int, bool]:
        """Return the rows of the tables that say what may come next, and whether the piece may end.

        `lowest` is the lowest pitch that sounds; -1 if none does.
        """
        shift = 0 if self.kind == "time_shift" and self._shift < MAX_SHIFT - 1 else MAX_SHIFT
        # (a longer wait would have been written with a longer shift)
        if self.longest_rest is not None:
            shift = min(shift, self._last_note + self.longest_rest - self.now)
        on, off, over = 0, 0, False
        if self.last is not None:
            kind, pitch = self.last
            on, off = (pitch + 1, 128) if kind == "note_on" else (0, pitch + 1)
        if self.length is not None:
            room = self.length - self.now
            shift, over = min(shift, room), room <= 0
            if over:  # what still sounds ends now, one pitch after the other from the lowest
                on, off = 128, 129 + max(lowest, 0)
        followers = self._tables.codes[self.kind]
        if self._velocity < 0 and self._tables.velocity is not None:
            velocity = self._tables.unsaid
        else:
            velocity = self._velocity + 1
        if over:
            velocity = self._tables.silent
        return (
            followers,
            max(shift, 0),
            velocity,
            on,
            off,
            lowest < 0 and (over or self.length is None),
        )

    @classmethod
    def contexts(cls, rows: Sequence[Self], view: View) -> Context:
        """Return what `musegen.encoding.context` knows after the last token of each row, `uint16[B, F]`."""
        facts = [(r.now, r._last_note, r._ended, len(r.notes) > 0) for r in rows]
        now, last_note, ended, begun = np.array(facts).T
        sounding, began = (
            stacked([getattr(r, name) for r in rows])[:, None] for name in ("sounding", "since")
        )
        of_piece = performance_columns(since(now - last_note) * begun)
        times = since(now[:, None, None] - began)
        return row(of_piece, sounding, times, ended[:, None], [r.heard for r in rows], view)

    def take(self, kind: str, value: int) -> None:
        """Take an event that was allowed."""
        self.kind = kind
        match kind:
            case "time_shift":
                self.now, self._shift, self.last = self.now + value + 1, value, None
            case "velocity":
                self._velocity = value
            case "note_on":
                self.sounding[value], self.last = True, (kind, value)
                self._last_note = self.since[value] = self.now
                self._open[value] = len(self.notes)
                self.notes.append(Note(self.now, 0, value, False, -1))
            case "note_off":
                self.sounding[value], self.last = False, (kind, value)
                self._ended = value + 1
                index = self._open.pop(value)
                self.notes[index] = Note(*self.notes[index][:4], self.now)


class _Tables(Tables):
    """What may come next, by each thing that it depends on; None where the vocabulary has no such thing."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(vocabulary)
        self.shift = self.below("time_shift", MAX_SHIFT + 1)
        pitches = np.arange(128)
        self.above = pitches >= np.arange(129)[:, None]
        self.between = np.vstack(
            [self.above, pitches <= pitches[:, None]]
        )  # row 129 + n: at most pitch n
        self.velocity: Mask | None = None
        if "velocity" in vocabulary.blocks:
            unsaid, silent = self.all(1), self.all(1)
            unsaid[:, self.slices["note_on"]] = False
            silent[:, self.slices["velocity"]] = False
            self.velocity = np.vstack([self.other_than("velocity"), unsaid, silent])
            self.unsaid, self.silent = len(self.velocity) - 2, len(self.velocity) - 1
        else:
            self.unsaid = self.silent = 0


_tables = lru_cache(maxsize=16)(_Tables)
