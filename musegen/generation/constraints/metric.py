"""Turn what the next note may be into tokens of the metric encoding."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

from musegen.encoding.grammar import IN_NOTE, Mask, MetricGrammar
from musegen.encoding.vocabulary import METERS, Vocabulary
from musegen.generation.constraints.next_note import NEVER, ConstraintContext, NextNote, pitch_mask

__all__ = ["MetricTokens", "last_strong_beat"]

Sounding: TypeAlias = tuple[int, int, int]
"""A sounding note: the step where it ends, its part and pitch."""

SAMPLE = 16  # recent notes by which a melody is distinguished from chords
SHORTEST_HALVED = 3  # quarters: from 6/8 on, an even number of beats has a strong middle


def last_strong_beat(bar: int, numerator: int, quarters: float) -> int:
    """Return the step of the last strong beat in a bar.

    It is the middle of 4/4, 2/2, 6/8 and 12/8, and the beginning of 2/4, 3/4, 5/4 and 9/8.

    Args:
        bar: Steps of the bar.
        numerator: Of the time signature.
        quarters: Length of the bar in quarter notes.
    """
    return bar // 2 if numerator % 2 == 0 and quarters >= SHORTEST_HALVED else 0


class MetricTokens:
    """Finds the tokens that can lead to a wanted note in the metric grammar.

    It looks ahead so that a pitch is free and a voice silent where the next note begins, that there
    is room for its length, and that notes end in time for the next.
    """

    def __init__(self, vocabulary: Vocabulary, context: ConstraintContext) -> None:
        """Set the vocabulary and the context."""
        config, blocks = vocabulary.config, vocabulary.blocks
        self._context = context
        self._pitches = context.pitches
        self._parts = min(context.parts or config.parts, config.parts)
        self._quarter = config.steps_per_quarter
        self._longest = blocks["duration"]
        self._before_velocity = ("pitch", "drum") if "velocity" in blocks else ()

        # Where the tokens of each kind are.
        slices = {
            kind: slice(first, first + blocks[kind]) for kind, first in vocabulary.first.items()
        }
        self._bar = slices["bar"]
        self._end = slices["end"]
        self._meter = slices["time_signature"]
        self._position = slices["position"]
        self._pitch = slices["pitch"]
        self._duration = slices["duration"]
        self._hold = slices["hold"]
        self._part = slices.get("part")
        self._program = slices.get("program")
        self._drum = slices.get("drum")

    def begin(self, rules: MetricGrammar) -> NextNote | None:
        """Return the next note before any constraint, or None if the grammar leaves no choice."""
        if rules.bar < 0 or rules.meter < 0:
            return None
        if rules.kind in self._before_velocity or rules.kind == "end":
            return None

        # Where the music ends, and its last strong beat.
        bar, length = rules.bar_start, rules.bar_length
        left = NEVER if rules.length is None else rules.length - rules.bar
        stop = self._context.stop if rules.length is None else bar + left * length
        numerator, _ = METERS[rules.meter]
        strong = stop - length + last_strong_beat(length, numerator, length / self._quarter)
        wanted = NextNote(
            now=rules.now,
            bar=bar,
            bar_length=length,
            stop=stop,
            strong=strong,
            part=rules.part,
            until=stop,
            pitches=self._pitches,
        )

        # How many bars may pass until one must have a note.
        if rules.longest_rest is not None:
            rest = max(rules.last_note + rules.longest_rest - rules.bar, 0)
            if rest < left:
                wanted.latest = bar + (rest + 1) * length - 1
        return wanted

    def mask(self, wanted: NextNote, rules: MetricGrammar, legal: Mask) -> Mask:
        """Return the legal tokens that can lead to the wanted note, `bool[V]`."""
        out = legal.copy()
        kind, now = rules.kind, wanted.now
        sounding = _sounding(rules, now) if rules.latest_off > now else []
        if kind in IN_NOTE:
            self._limit_length(wanted, rules, sounding, out)
            return out

        # When a pitched note, and a drum, may begin.
        first = max(wanted.earliest, now)
        if sounding:
            first = max(wanted.earliest, self._free_from(wanted, rules, sounding))
        pitched = first <= now <= wanted.last and wanted.pitches != 0
        drummed = self._drum is not None and wanted.drums

        in_part = kind in ("part", "program")
        if not in_part:
            drums_too = drummed and self._has_drums(rules)
            self._limit_moves(wanted, wanted.earliest if drums_too else first, out)
        if rules.position >= 0:
            drummed = drummed and wanted.earliest <= now <= wanted.last
            self._limit_notes(wanted, pitched, drummed, out)
            if self._part and not in_part:
                self._limit_parts(wanted, rules, sounding, pitched, drummed, out)
        return out

    def _has_drums(self, rules: MetricGrammar) -> bool:
        """Return whether some part has drums, or may have."""
        return any(rules.is_drum(part) is not False for part in range(self._parts))

    def _free_from(self, wanted: NextNote, rules: MetricGrammar, sounding: list[Sounding]) -> int:
        """Return the first step from now on where a pitch is free and a voice is silent."""
        first = wanted.now
        if wanted.voices and len(sounding) >= wanted.voices:
            first = sorted(sounding)[len(sounding) - wanted.voices][0]
        if 0 < wanted.pitches.bit_count() <= len(sounding):
            if not self._has_free(wanted, rules, sounding):
                ends = (end for end, _, pitch in sounding if wanted.pitches >> pitch & 1)
                first = max(first, min(ends, default=NEVER))
        return first

    def _has_free(self, wanted: NextNote, rules: MetricGrammar, sounding: list[Sounding]) -> bool:
        """Return whether one of the pitches is silent in one of the parts."""
        busy = _busy(sounding)
        return any(
            wanted.pitches & ~busy.get(part, 0)
            for part in range(self._parts)
            if not rules.is_drum(part)
        )

    def _limit_moves(self, wanted: NextNote, first: int, out: Mask) -> None:
        """Forbid positions where no note may begin, and leaving a bar where one must."""
        bar = wanted.bar
        positions = out[self._position]
        final = wanted.final - bar
        ends = wanted.final <= wanted.latest and final < len(positions) and positions[final]
        positions[: max(first - bar, 0)] = False
        positions[max(wanted.last + 1 - bar, 0) :] = False
        if ends:
            positions[final] = True
        if wanted.latest < bar + wanted.bar_length:
            out[self._bar] = out[self._end] = False
        out[self._meter] = False  # a continuation keeps its meter

    def _limit_notes(self, wanted: NextNote, pitched: bool, drummed: bool, out: Mask) -> None:
        """Forbid pitches and drums that may not begin at the current position."""
        if pitched:
            out[self._pitch] &= pitch_mask(wanted.pitches)
        else:
            out[self._pitch] = False
            if self._program:
                out[self._program] = False
        if self._drum and not drummed:
            out[self._drum] = False

    def _limit_parts(
        self,
        wanted: NextNote,
        rules: MetricGrammar,
        sounding: list[Sounding],
        pitched: bool,
        drummed: bool,
        out: Mask,
    ) -> None:
        """Forbid parts that may begin nothing at the current position, or whose turn it is not."""
        assert self._part is not None
        parts = out[self._part]
        parts[self._parts :] = False
        if wanted.turn is not None:
            parts[: max(wanted.turn, 0)] = False
            parts[wanted.turn + 1 :] = False
        elif pitched:
            for part, pitches in _busy(sounding).items():
                if not wanted.pitches & ~pitches:
                    parts[part] = False
        if wanted.turn is None and not (pitched and drummed):
            for part in range(self._parts):
                drums = rules.is_drum(part)  # None: not yet known
                if not ((pitched and not drums) or (drummed and drums is not False)):
                    parts[part] = False

    def _limit_length(
        self, wanted: NextNote, rules: MetricGrammar, sounding: list[Sounding], out: Mask
    ) -> None:
        """Forbid lengths that are too short or too long, or leave the next note no room."""
        now, so_far = wanted.now, rules.writing[1]
        low, high = wanted.shortest, min(wanted.longest, wanted.until - now)

        # End where the next note is due, if it could not begin otherwise.
        due = wanted.due
        if low <= due - now < high and self._in_the_way(wanted, rules, sounding, due):
            high = due - now

        # A melody keeps the pace, and lasts until something else may begin.
        rest = min(wanted.earliest - now, high)
        keeps_pace = low <= wanted.pace - now < high
        if self._parts == 1 and (keeps_pace or rest > low) and _one_by_one(rules):
            high = max(min(high, wanted.pace - now), low)
            low = max(low, min(rest, high))

        # A long note takes several tokens; these are for what is left of it.
        low, high = low - so_far, max(high, 1) - so_far
        durations = out[self._duration]
        durations[: max(low - 1, 0)] = False
        durations[max(high, 0) :] = False
        if high <= self._longest:
            out[self._hold] = False

    def _in_the_way(
        self, wanted: NextNote, rules: MetricGrammar, sounding: list[Sounding], due: int
    ) -> bool:
        """Return whether the current note, if held, would block the next when it is due."""
        if rules.is_drum(rules.part):
            return False
        sounding = [note for note in sounding if note[0] > due]
        if wanted.voices and len(sounding) == wanted.voices - 1:
            return True
        if wanted.pitches.bit_count() > len(sounding) + 1:
            return False
        if not self._has_free(wanted, rules, sounding):
            return False
        current = (due, rules.part, rules.writing[0])
        return not self._has_free(wanted, rules, [*sounding, current])


def _one_by_one(rules: MetricGrammar) -> bool:
    """Return whether most recent notes ended before the next began: a melody, not chords."""
    notes = rules.notes[-SAMPLE:]
    return 4 * sum(note.end > following.onset for note, following in pairwise(notes)) <= len(notes)


def _sounding(rules: MetricGrammar, now: int) -> list[Sounding]:
    """Return the notes that sound beyond a step, without drums."""
    off = rules.off.ravel()
    where = (off > now).nonzero()[0]
    return [
        (end, at >> 7, at & 127)
        for at, end in zip(where.tolist(), off[where].tolist(), strict=True)
        if not rules.is_drum(at >> 7)
    ]


def _busy(sounding: list[Sounding]) -> dict[int, int]:
    """Return the set of pitches that sound in each part."""
    out: dict[int, int] = {}
    for _, part, pitch in sounding:
        out[part] = out.get(part, 0) | 1 << pitch
    return out
