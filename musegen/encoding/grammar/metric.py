"""The grammar of the metric encoding: bars, positions and notes in canonical order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context import Context, View, metric_columns, row, until
from musegen.encoding.grammar.common import Grammar, Mask, Note, Tables, looked_up, stacked
from musegen.encoding.rows import PITCH_MASK, with_pitch
from musegen.encoding.vocabulary import Vocabulary

__all__ = ["IN_NOTE", "MetricGrammar"]

IN_NOTE = ("pitch", "drum", "velocity", "hold")
"""After these kinds the duration of the current note is still to come."""
AT_ONSET = ("position", "tempo", "part", "program", "duration")
"""After these kinds a note may begin."""

Value = TypeVar("Value")


class _Lookup(NamedTuple, Generic[Value]):
    """Rows to look up in `_Tables`: integers for one grammar, tuples of B for B grammars."""

    followers: Value
    position: Value
    meter: Value
    tempo: Value
    part: Value
    chord: Value
    first: Value
    duration: Value
    lowest: Value
    bar: Value
    """Whether the next bar may begin."""
    end: Value
    """Whether the piece may end."""
    now: Value
    """The current step."""


class MetricGrammar(Grammar):
    """The rules of the metric encoding.

    Bars and positions only move forward, parts and pitches ascend within a position, and no pitch
    begins in a part where it still sounds.

    Attributes:
        bar: Index of the current bar; -1 before the first.
        bar_start: Step at which it begins.
        position: Step in the bar; -1 before the bar's first position.
        meter: Index of the meter in force in `METERS`; -1 before the first.
        part: The part selected last; -1 before the first.
        chord: Part and pitch of the last note at this position.
        writing: Pitch of the current note, and its length so far.
        off: Step where each pitch ends, `int64[parts, 128]`; 0 if it never began.
        latest_off: The largest value in `off`.
    """

    MUTABLE = (*Grammar.MUTABLE, "off", "_drums", "_over")

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Begin before `start`."""
        super().__init__(vocabulary)
        parts = vocabulary.config.parts
        self.bar = -1
        self.bar_start = 0
        self.bar_length = 4 * vocabulary.config.steps_per_quarter
        self.position = -1
        self.meter = -1
        self.part = -1 if "part" in vocabulary.blocks else 0
        self.chord: tuple[int, int] | None = None
        self.writing = (0, 0)
        self.off = np.zeros((parts, 128), np.int64)
        self.latest_off = 0
        self.last_note = -1
        self._tempo = -1
        # Per part, the latest `with_pitch(end, pitch)` of notes whose pitch has begun again.
        self._over = np.zeros(parts, np.int64)
        self._drums: dict[int, bool] = {}
        self._tables = _tables(vocabulary)

    @property
    def bars(self) -> int:
        """Number of bars that have begun."""
        return self.bar + 1

    @property
    def room(self) -> int | None:
        """Steps that the current note may still last; None: no limit."""
        if self.length is None:
            return None
        end = self.bar_start + (self.length - self.bar) * self.bar_length
        return end - self.now - self.writing[1]

    def is_drum(self, part: int) -> bool | None:
        """Return whether a part plays drums; None before its first note."""
        return self._drums.get(part)

    @classmethod
    def allowed_in(cls, rows: Sequence[Self]) -> Mask:
        """Return the tokens that may come next in each row, `bool[B, V]`."""
        tables = rows[0]._tables
        at = _Lookup(*zip(*(rules._lookup() for rules in rows), strict=True))
        out: Mask = looked_up(tables.followers, at.followers)
        out = out & looked_up(tables.position, at.position)
        out &= looked_up(tables.meter, at.meter)
        if tables.tempo is not None:
            out &= looked_up(tables.tempo, at.tempo)
        if tables.part is not None:
            out &= looked_up(tables.part, at.part)
            out &= looked_up(tables.chord, at.chord)
        if tables.first is not None:
            out &= looked_up(tables.first, at.first)
        out &= looked_up(tables.duration, at.duration)
        out[:, tables.slices["bar"].start] &= at.bar
        out[:, tables.slices["end"].start] &= at.end

        # A pitch may begin only where it does not sound, and above the last of its chord.
        silent = stacked([rules.off[rules.part] for rules in rows]) <= np.array(at.now)[:, None]
        silent &= looked_up(tables.lowest, at.lowest)
        for kind in tables.struck:
            out[:, tables.slices[kind]] &= silent

        # A shorter meter must not move the end of the piece before the end of a held note.
        for index, rules in enumerate(rows):
            if rules.kind == "bar" and rules.length is not None and rules.meter >= 0:
                ends = rules.bar_start + (rules.length - rules.bar) * rules.vocabulary.meter_steps
                out[index, tables.slices["time_signature"]] &= ends >= rules.latest_off
        return out

    def _lookup(self) -> _Lookup[int]:
        """Return the rows of the tables for the current state."""
        tables, kind = self._tables, self.kind
        chord_part = self.chord[0] if self.chord else -1
        bar, end = self._may_turn()
        room = self.room if kind in IN_NOTE else None
        return _Lookup(
            tables.opening if kind == "bar" and self.meter < 0 else tables.codes[kind],
            self.position + 1,
            self.meter + 1,
            self._tempo + 1,
            self.part + 1,
            chord_part + 1,
            self._first() if tables.first is not None and kind in AT_ONSET else 0,
            tables.free if room is None or room >= tables.free else max(room, 0),
            self.chord[1] + 1 if self.chord and chord_part == self.part else 0,
            bar,
            end,
            self.now,
        )

    def _may_turn(self) -> tuple[bool, bool]:
        """Return whether the next bar may begin, and whether the piece may end."""
        if self.longest_rest is not None and self.bar - self.last_note >= self.longest_rest:
            return False, False
        # No note may be held over the final barline.
        end = self.latest_off <= self.bar_start + self.bar_length
        if self.length is None:
            return True, end
        more = self.bar + 1 < self.length
        return more, end and not more

    def _first(self) -> int:
        """Return which kinds may not begin a note: the sum of 4 (program), 2 (drum), 1 (pitch)."""
        drum = self._drums.get(self.part)
        if self.part < 0:
            return 7
        needs_program = (
            drum is None and "program" in self.vocabulary.blocks and self.kind != "program"
        )
        return (
            4 * (drum is not None or self.kind == "duration")
            + 2 * (drum is False or self.kind == "program")
            + 1 * bool(drum or needs_program)
        )

    @classmethod
    def merge_mass(cls, rows: Sequence[Self], logits: NDArray[np.float32]) -> None:
        """Count notes that are too long as notes up to the end, in place.

        With a `length`, also count the last barline as the end, and an earlier `end` as a barline.
        Merely forbidding these would give their probability to the shortest notes and to further
        notes at the end of the bar, so that pieces would end in a flurry of short notes.

        Args:
            rows: B grammars.
            logits: `float32[B, V]`.
        """
        tables = rows[0]._tables
        turns = [tables.slices[kind].start for kind in ("bar", "end")]
        bounded = [index for index, rules in enumerate(rows) if rules.length is not None]
        logits[np.ix_(bounded, turns)] = np.logaddexp.reduce(
            logits[np.ix_(bounded, turns)], axis=1, keepdims=True
        )
        block, hold = tables.slices["duration"], tables.slices["hold"].start
        for rules, own in zip(rows, logits, strict=True):
            room = rules.room if rules.kind in IN_NOTE else None
            if room is not None and room < tables.free:
                last = block.start + room - 1
                own[last] = np.logaddexp.reduce([*own[last : block.stop], own[hold]])

    @classmethod
    def contexts(cls, rows: Sequence[Self], view: View) -> Context:
        """Return the row of `musegen.encoding.context` after each last token, `uint16[B, F]`."""
        quarter = rows[0].vocabulary.config.steps_per_quarter
        facts = [(r.bar, r.position, r.meter, r.bar_length, r.part, r.now) for r in rows]
        bar, position, meter, length, part, now = np.array(facts).T
        off = stacked([rules.off[: view.parts] for rules in rows])
        left = off - now[:, None, None]

        # The note that ended last in each part: of those in `off`, or of those begun again since.
        ended = np.where((left <= 0) & (off > 0), with_pitch(off, np.arange(128)), 0).max(axis=-1)
        ended = np.maximum(ended, stacked([rules._over[: view.parts] for rules in rows]))
        ended = ((ended & PITCH_MASK) + 1) * (ended > 0)

        columns = metric_columns(bar, position, meter, length, part, quarter)
        histories = [rules.history for rules in rows]
        return row(columns, left > 0, until(left, quarter), ended, histories, view)

    def take(self, kind: str, value: int) -> None:
        """Advance by an event, which must be allowed."""
        previous, self.kind = self.kind, kind
        match kind:
            case "bar":
                self.bar_start += self.bar_length if previous != "start" else 0
                self.now = self.bar_start
                self.bar += 1
                self.position, self.chord = -1, None
            case "time_signature":
                self.meter = value
                self.bar_length = int(self.vocabulary.meter_steps[value])
            case "position":
                self.position, self.chord = value, None
                self.now = self.bar_start + value
            case "tempo":
                self._tempo = value
            case "part":
                self.part = value
            case "pitch" | "drum":
                drum = kind == "drum"
                self._drums[self.part] = drum
                self.writing, self.chord = (value, 0), (self.part, value)
                self.last_note = self.bar
                self.notes.append(Note(self.now, self.part, value, drum, -1))
            case "hold":
                pitch, held = self.writing
                self.writing = (pitch, held + self.vocabulary.blocks["duration"])
            case "duration":
                self._end_note(value + 1)

    def _end_note(self, rest: int) -> None:
        """Record the end of the current note, which lasts `rest` steps more than its holds."""
        pitch, held = self.writing
        end = self.now + held + rest
        if before := int(self.off[self.part, pitch]):
            self._over[self.part] = max(int(self._over[self.part]), with_pitch(before, pitch))
        self.off[self.part, pitch] = end
        self.latest_off = max(self.latest_off, end)
        self.notes[-1] = Note(*self.notes[-1][:4], end)


class _Tables(Tables):
    """Masks for each state variable; None where the vocabulary has no such kind.

    Attributes:
        opening: Row of `followers` after the first `bar`, which states its meter.
        position: By 1 + the current position.
        meter: By 1 + the meter: other meters, and positions inside the bar.
        tempo: By 1 + the tempo.
        part: By 1 + the part.
        chord: By 1 + the part of the last note at this position.
        first: By the sum that `MetricGrammar._first` returns.
        duration: By the room left for the note, up to `free`, which is no limit.
        struck: The kinds that begin a note.
        lowest: `bool[129, 128]`: by the lowest pitch that may begin.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(vocabulary)
        blocks = vocabulary.blocks
        self.opening = len(self.followers)
        self.followers = np.vstack([self.followers, vocabulary.of("time_signature")])
        self.position = self.from_on("position", blocks["position"] + 1)
        lengths = np.append(4 * vocabulary.config.steps_per_quarter, vocabulary.meter_steps)
        inside = self.below("position", blocks["position"] + 1)[lengths]
        self.meter = self.other_than("time_signature") & inside
        self.tempo = self.other_than("tempo") if "tempo" in blocks else None
        self.part = self.other_than("part") if "part" in blocks else None
        self.chord = self.from_on("part", blocks["part"] + 1) if "part" in blocks else self.all(1)
        self.first = self._first() if {"part", "program", "drum"} & set(blocks) else None
        self.free = blocks["duration"] + 1
        self.duration = self.below("duration", self.free + 1)
        self.duration[: self.free, self.slices["hold"]] = False
        self.struck = [kind for kind in ("pitch", "drum") if kind in blocks]
        self.lowest = np.arange(128) >= np.arange(129)[:, None]

    def _first(self) -> Mask:
        out = self.all(8)
        for bit, kind in enumerate(("pitch", "drum", "program")):
            if kind in self.slices:
                out[np.arange(8) >> bit & 1 == 1, self.slices[kind]] = False
        return out


_tables = lru_cache(maxsize=16)(_Tables)
