"""What is wished of the next note, as tokens of the metric encoding."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

from musegen.encoding.grammar import Mask, MetricGrammar
from musegen.encoding.vocabulary import METERS, Vocabulary
from musegen.generation.constraints.next_note import NEVER, ConstraintContext, NextNote, pitch_mask

__all__ = ["IN_NOTE", "MetricTokens", "last_strong_beat"]

IN_NOTE = ("pitch", "drum", "velocity", "hold")
"""After these a note's length is not yet said."""

Ringing: TypeAlias = tuple[int, int, int]
"""Of a note that rings on: the step where it ends, its part and pitch."""

SOME = 16  # notes by which a melody is told from chords
SHORTEST_HALVED = (
    3  # quarters: bars of an even number of beats have a strong one in the middle, from 6/8 on
)


def last_strong_beat(bar: int, numerator: int, quarters: float) -> int:
    """Return the step in a bar of so many steps, beats and quarters where its last strong beat is.

    It is the middle of 4/4, 2/2, 6/8 and 12/8, and the beginning of 2/4, 3/4, 5/4 and 9/8.
    """
    return bar // 2 if numerator % 2 == 0 and quarters >= SHORTEST_HALVED else 0


class MetricTokens:
    """Says where the metric grammar stands, and which tokens can lead to a note as it is wished.

    What is looked ahead for: that a pitch will be free and a voice will be silent where the next
    note begins, that there is room for its length, and that notes end in time for the next.
    """

    def __init__(self, vocabulary: Vocabulary, place: ConstraintContext) -> None:
        """Take the vocabulary and the place."""
        blocks = vocabulary.blocks
        self._place, self._pitches = place, place.pitches
        slices = {
            kind: slice(first, first + blocks[kind]) for kind, first in vocabulary.first.items()
        }
        self._bar, self._end, self._position = slices["bar"], slices["end"], slices["position"]
        self._meter, self._pitch = slices["time_signature"], slices["pitch"]
        self._duration, self._hold = slices["duration"], slices["hold"]
        self._part, self._program, self._drum = (
            slices.get(kind) for kind in ("part", "program", "drum")
        )
        self._may_drum = "drum" in blocks
        self._parts = min(place.parts or vocabulary.config.parts, vocabulary.config.parts)
        self._longest = blocks["duration"]
        self._quarter = vocabulary.config.steps_per_quarter
        self._loudness_next = ("pitch", "drum") if "velocity" in blocks else ()
        self._numerators = [numerator for numerator, _ in METERS]

    def begin(self, rules: MetricGrammar) -> NextNote | None:
        """Return the next note before any constraint, or None if the grammar leaves no choice."""
        if (
            rules.bar < 0
            or rules.meter < 0
            or rules.kind in self._loudness_next
            or rules.kind == "end"
        ):
            return None
        bar, length, ends = rules.bar_start, rules.bar_length, rules.length
        left = NEVER if ends is None else ends - rules.bar
        stop = min(self._place.stop, NEVER) if ends is None else bar + left * length
        strong = (
            stop
            - length
            + last_strong_beat(length, self._numerators[rules.meter], length / self._quarter)
        )
        next_note = NextNote(
            rules.now, bar, length, stop, strong, rules.part, until=stop, pitches=self._pitches
        )
        if rules.longest_rest is not None:
            rest = max(
                rules._last_note + rules.longest_rest - rules.bar, 0
            )  # bars until one must have a note
            if rest < left:
                next_note.latest = bar + (rest + 1) * length - 1
        return next_note

    def mask(self, next_note: NextNote, rules: MetricGrammar, legal: Mask) -> Mask:
        """Return those tokens of `legal` that can lead to the note, `bool[V]`."""
        out = legal.copy()
        kind, now = rules.kind, next_note.now
        ringing = _ringing(rules, now) if rules.latest_off > now else []
        if kind in IN_NOTE:
            self._end_note(next_note, rules, ringing, out)
            return out
        first = (
            max(next_note.earliest, self._free_from(next_note, rules, ringing))
            if ringing
            else max(next_note.earliest, now)
        )
        pitched = first <= now <= next_note.last and next_note.pitches != 0
        drummed = self._may_drum and next_note.drums
        if kind not in ("part", "program"):
            self._move_on(
                next_note, next_note.earliest if drummed and self._has_drums(rules) else first, out
            )
        if rules.position >= 0:
            drummed = drummed and next_note.earliest <= now <= next_note.last
            self._strike(next_note, pitched, drummed, out)
            if self._part and kind not in ("part", "program"):
                self._name_part(next_note, rules, ringing, pitched, drummed, out)
        return out

    def _has_drums(self, rules: MetricGrammar) -> bool:
        """Return whether some part has drums, or may have."""
        known = rules._drum
        return any(known.get(part, True) for part in range(self._parts))

    def _free_from(self, next_note: NextNote, rules: MetricGrammar, ringing: list[Ringing]) -> int:
        """Return the first step, from now on, where one of the pitches is free and a voice is silent."""
        out = next_note.now
        if next_note.voices and len(ringing) >= next_note.voices:
            out = sorted(ringing)[len(ringing) - next_note.voices][0]
        if 0 < next_note.pitches.bit_count() <= len(ringing) and not self._has_free(
            next_note, rules, ringing
        ):
            out = max(
                out,
                min(
                    (end for end, _, pitch in ringing if next_note.pitches >> pitch & 1),
                    default=NEVER,
                ),
            )
        return out

    def _has_free(self, next_note: NextNote, rules: MetricGrammar, ringing: list[Ringing]) -> bool:
        """Return whether one of the pitches does not ring in one of the parts."""
        busy = _busy(ringing)
        return any(
            next_note.pitches & ~busy.get(part, 0)
            for part in range(self._parts)
            if not rules._drum.get(part, False)
        )

    def _move_on(self, next_note: NextNote, first: int, out: Mask) -> None:
        """Forbid positions where no note may begin, and turning the bar before one that must begin in it."""
        bar = next_note.bar
        positions = out[self._position]
        final = next_note.final - bar
        ends = next_note.final <= next_note.latest and final < len(positions) and positions[final]
        positions[: max(first - bar, 0)] = False
        positions[max(next_note.last + 1 - bar, 0) :] = False
        if ends:
            positions[final] = True
        if next_note.latest < bar + next_note.bar_length:
            out[self._bar] = out[self._end] = False
        out[self._meter] = False  # a continuation keeps its meter

    def _strike(self, next_note: NextNote, pitched: bool, drummed: bool, out: Mask) -> None:
        """Forbid pitches and drums that may not be struck at the current position."""
        if pitched:
            out[self._pitch] &= pitch_mask(next_note.pitches)
        else:
            out[self._pitch] = False
            if self._program:
                out[self._program] = False
        if self._drum and not drummed:
            out[self._drum] = False

    def _name_part(
        self,
        next_note: NextNote,
        rules: MetricGrammar,
        ringing: list[Ringing],
        pitched: bool,
        drummed: bool,
        out: Mask,
    ) -> None:
        """Forbid parts that may strike nothing at the current position, or whose turn it is not."""
        assert self._part is not None
        parts = out[self._part]
        parts[self._parts :] = False
        known = rules._drum
        if next_note.turn is not None:
            parts[: max(next_note.turn, 0)] = False
            parts[next_note.turn + 1 :] = False
        elif pitched:
            for part, pitches in _busy(ringing).items():
                if not next_note.pitches & ~pitches:
                    parts[part] = False
        if next_note.turn is None and not (pitched and drummed):
            for part in range(self._parts):
                drums = known.get(part)  # None: not yet known
                if not ((pitched and not drums) or (drummed and drums is not False)):
                    parts[part] = False

    def _end_note(
        self, next_note: NextNote, rules: MetricGrammar, ringing: list[Ringing], out: Mask
    ) -> None:
        """Forbid lengths that are too short or too long, or leave the next note no room."""
        now, said = next_note.now, rules.writing[1]
        low, high = next_note.shortest, min(next_note.longest, next_note.until - now)
        due = next_note.due
        if low <= due - now < high and self._in_the_way(next_note, rules, ringing, due):
            high = due - now
        rest = min(next_note.earliest - now, high)  # nothing else may begin so soon
        if (
            self._parts == 1
            and (low <= next_note.pace - now < high or rest > low)
            and _one_by_one(rules)
        ):
            high = max(min(high, next_note.pace - now), low)
            low = max(low, min(rest, high))
        low, high = low - said, max(high, 1) - said
        durations = out[self._duration]
        durations[: max(low - 1, 0)] = False
        durations[max(high, 0) :] = False
        if high <= self._longest:
            out[self._hold] = False

    def _in_the_way(
        self, next_note: NextNote, rules: MetricGrammar, ringing: list[Ringing], due: int
    ) -> bool:
        """Return whether the next note could not begin when it is due if the one that is being said still rang."""
        if rules._drum[rules.part]:
            return False
        ringing = [ring for ring in ringing if ring[0] > due]
        if next_note.voices and len(ringing) == next_note.voices - 1:
            return True
        if next_note.pitches.bit_count() > len(ringing) + 1 or not self._has_free(
            next_note, rules, ringing
        ):
            return False
        return not self._has_free(next_note, rules, [*ringing, (due, rules.part, rules.writing[0])])


def _one_by_one(rules: MetricGrammar) -> bool:
    """Return whether of most of the last notes each ended before the next began: a melody, not chords."""
    notes = rules.notes[-SOME:]
    return 4 * sum(note.end > following.onset for note, following in pairwise(notes)) <= len(notes)


def _ringing(rules: MetricGrammar, now: int) -> list[Ringing]:
    """Return what rings on from a step, without drums."""
    off = rules.off.ravel()
    where = (off > now).nonzero()[0]
    drums = rules._drum
    return [
        (end, at >> 7, at & 127)
        for at, end in zip(where.tolist(), off[where].tolist(), strict=True)
        if not drums[at >> 7]
    ]


def _busy(ringing: list[Ringing]) -> dict[int, int]:
    """Return the set of pitches that ring in each part."""
    out: dict[int, int] = {}
    for _, part, pitch in ringing:
        out[part] = out.get(part, 0) | 1 << pitch
    return out
