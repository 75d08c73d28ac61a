"""The grammar of bars and positions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context import Context, View, metric_columns, row, until
from musegen.encoding.grammar.common import Grammar, Mask, Note, Tables, looked_up, stacked
from musegen.encoding.vocabulary import Vocabulary

__all__ = ["MetricGrammar"]

IN_NOTE = ("pitch", "drum", "velocity", "hold")  # after these a note is not yet said in full
AT_ONSET = ("position", "tempo", "part", "program", "duration")  # after these a note may begin


class MetricGrammar(Grammar):
    """The rules of the metric encoding.

    Bars and positions go forward; parts and pitches ascend within a position; no pitch is struck
    in a part where it still sounds.

    Attributes:
        bar: Index of the current bar; -1 before the first.
        bar_start: Step at which it begins.
        position: Step in the bar; -1 while none was said.
        meter: Index of the meter in force in `METERS`; -1 while none was said.
        part: That is spoken of; -1 for none.
        chord: Part and pitch of the last note at this position.
        writing: Pitch of the note that is being said, and its length so far.
        off: Step where each pitch ends, `int64[parts, 128]`; 0 if it was not struck.
        latest_off: The last of them.
    """

    MUTABLE = (*Grammar.MUTABLE, "off", "_drum", "_over")

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Stand before `start`."""
        super().__init__(vocabulary)
        self.bar = self.position = self.meter = self._tempo = -1
        self.bar_start = 0
        self.bar_length = 4 * vocabulary.config.steps_per_quarter
        self.part = -1 if "part" in vocabulary.blocks else 0
        self.chord: tuple[int, int] | None = None
        self.writing = (0, 0)
        self.off = np.zeros((vocabulary.config.parts, 128), np.int64)
        self._over = np.zeros(
            vocabulary.config.parts, np.int64
        )  # end · 128 + pitch of notes whose pitch came again
        self.latest_off = 0
        self._last_note = -1  # bar in which the last note began
        self._drum: dict[
            int, bool
        ] = {}  # parts that have declared themselves, and whether as drums
        self._tables = _tables(vocabulary)

    @property
    def bars(self) -> int:
        """How many bars have begun."""
        return self.bar + 1

    @property
    def room(self) -> int | None:
        """How many steps the note that is being said may still last; None for any number."""
        if self.length is None:
            return None
        return (
            self.bar_start + (self.length - self.bar) * self.bar_length - self.now - self.writing[1]
        )

    @classmethod
    def allowed_in(cls, rows: Sequence[Self]) -> Mask:
        """Return `bool[B, V]`: the tokens that may come next in each row."""
        tables = rows[0]._tables
        followers, position, meter, tempo, part, chord, first, duration, lowest, bar, end, now = (
            zip(*(rules._places() for rules in rows), strict=True)
        )
        out: Mask = looked_up(tables.followers, followers) & looked_up(tables.position, position)
        out &= looked_up(tables.meter, meter)
        if tables.tempo is not None:
            out &= looked_up(tables.tempo, tempo)
        if tables.part is not None:
            out &= looked_up(tables.part, part)
            out &= looked_up(tables.chord, chord)
        if tables.first is not None:
            out &= looked_up(tables.first, first)
        out &= looked_up(tables.duration, duration)
        out[:, tables.slices["bar"].start] &= bar
        out[:, tables.slices["end"].start] &= end
        silent = stacked([rules.off[rules.part] for rules in rows]) <= np.array(now)[:, None]
        silent &= looked_up(tables.lowest, lowest)
        for kind in tables.struck:
            out[:, tables.slices[kind]] &= silent
        for index, rules in enumerate(rows):
            if rules.kind == "bar" and rules.length is not None and rules.meter >= 0:
                # A shorter meter must not move the end before the end of a note that is held
                # already.
                ends = rules.bar_start + (rules.length - rules.bar) * rules.vocabulary.meter_steps
                out[index, tables.slices["time_signature"]] &= ends >= rules.latest_off
        return out

    def _places(self) -> tuple[int, int, int, int, int, int, int, int, int, bool, bool, int]:
        """Return the rows of the tables that say what may come next, whether `bar` and `end` may, and the step."""
        tables, kind, here = self._tables, self.kind, self.chord[0] if self.chord else -1
        bar, end = self._may_turn()
        room = self.room if kind in IN_NOTE else None
        return (
            tables.opening if kind == "bar" and self.meter < 0 else tables.codes[kind],
            self.position + 1,
            self.meter + 1,
            self._tempo + 1,
            self.part + 1,
            here + 1,
            self._first() if tables.first is not None and kind in AT_ONSET else 0,
            tables.free if room is None or room >= tables.free else max(room, 0),
            self.chord[1] + 1 if self.chord and here == self.part else 0,
            bar,
            end,
            self.now,
        )

    def _may_turn(self) -> tuple[bool, bool]:
        """Return whether the bar may end, and whether the piece may."""
        if self.longest_rest is not None and self.bar - self._last_note >= self.longest_rest:
            return False, False
        end = (
            self.latest_off <= self.bar_start + self.bar_length
        )  # else a note is held over the barline
        if self.length is None:
            return True, end
        more = self.bar + 1 < self.length
        return more, end and not more

    def _first(self) -> int:
        """Return which of the kinds that a note begins with are forbidden: 4 for program, 2 for drum, 1 for pitch."""
        drum = self._drum.get(self.part)
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
        """Let a note too long for the end count as one that lasts until there, in logits `float32[B, V]`, in place.

        And where it is told where to end, let the barline that must be the last count as the end,
        and an end before that as a barline. Merely forbidding these would leave their probability
        to the shortest notes and to more notes at the last place of the bar, and pieces would end
        in a splutter.
        """
        tables = rows[0]._tables
        turns = [tables.slices[kind].start for kind in ("bar", "end")]
        told = [index for index, rules in enumerate(rows) if rules.length is not None]
        logits[np.ix_(told, turns)] = np.logaddexp.reduce(
            logits[np.ix_(told, turns)], axis=1, keepdims=True
        )
        block, hold = tables.slices["duration"], tables.slices["hold"].start
        for rules, mine in zip(rows, logits, strict=True):
            room = rules.room if rules.kind in IN_NOTE else None
            if room is not None and room < tables.free:
                last = block.start + room - 1
                mine[last] = np.logaddexp.reduce([*mine[last : block.stop], mine[hold]])

    @classmethod
    def contexts(cls, rows: Sequence[Self], view: View) -> Context:
        """Return what `musegen.encoding.context` knows after the last token of each row, `uint16[B, F]`."""
        quarter = rows[0].vocabulary.config.steps_per_quarter
        facts = np.array(
            [(r.bar, r.position, r.meter, r.bar_length, r.part, r.now) for r in rows]
        ).T
        bar, position, meter, length, part, now = facts
        off = stacked([rules.off[: view.parts] for rules in rows])
        left = off - now[:, None, None]
        over = np.where((left <= 0) & (off > 0), (off << 7) + np.arange(128), 0).max(axis=-1)
        over = np.maximum(over, stacked([rules._over[: view.parts] for rules in rows]))
        columns = metric_columns(bar, position, meter, length, part, quarter)
        ended = ((over & 127) + 1) * (over > 0)
        return row(
            columns, left > 0, until(left, quarter), ended, [rules.heard for rules in rows], view
        )

    def take(self, kind: str, value: int) -> None:
        """Take an event that was allowed."""
        previous, self.kind = self.kind, kind
        match kind:
            case "bar":
                self.bar_start += self.bar_length if previous != "start" else 0
                self.now = self.bar_start
                self.bar, self.position, self.chord = self.bar + 1, -1, None
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
                self._drum[self.part] = drum
                self.writing, self.chord = (value, 0), (self.part, value)
                self._last_note = self.bar
                self.notes.append(Note(self.now, self.part, value, drum, -1))
            case "hold":
                self.writing = (
                    self.writing[0],
                    self.writing[1] + self.vocabulary.blocks["duration"],
                )
            case "duration":
                pitch, held = self.writing
                end = self.now + held + value + 1
                if before := int(self.off[self.part, pitch]):
                    self._over[self.part] = max(int(self._over[self.part]), (before << 7) + pitch)
                self.off[self.part, pitch] = end
                self.latest_off = max(self.latest_off, end)
                self.notes[-1] = Note(*self.notes[-1][:4], end)


class _Tables(Tables):
    """What may come next, by each thing that it depends on; None where the vocabulary has no such thing."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(vocabulary)
        blocks = vocabulary.blocks
        self.opening = len(self.followers)  # the first bar says its meter
        self.followers = np.vstack([self.followers, vocabulary.of("time_signature")])
        self.position = self.from_on("position", blocks["position"] + 1)
        lengths = np.append(4 * vocabulary.config.steps_per_quarter, vocabulary.meter_steps)
        self.meter = (
            self.other_than("time_signature")
            & self.below("position", blocks["position"] + 1)[lengths]
        )
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
