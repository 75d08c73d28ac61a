"""Turn what the next note may be into tokens of the performance encoding."""

from __future__ import annotations

import numpy as np

from musegen.encoding.grammar import Mask, PerformanceGrammar
from musegen.encoding.vocabulary import MAX_SHIFT, Vocabulary
from musegen.generation.constraints.metric import last_strong_beat
from musegen.generation.constraints.next_note import NEVER, ConstraintContext, NextNote, pitch_mask

__all__ = ["PerformanceTokens"]


class PerformanceTokens:
    """Finds the tokens that can lead to a wanted note in the performance grammar.

    Bars are counted from the start of the new music, all of one length. It looks ahead so that
    time passes no further than to where a note must end or begin, and only to where something can
    happen.
    """

    def __init__(self, vocabulary: Vocabulary, context: ConstraintContext) -> None:
        """Set the vocabulary and the context."""
        self._context = context
        self._pitches = context.pitches
        slices = {
            kind: slice(first, first + vocabulary.blocks[kind])
            for kind, first in vocabulary.first.items()
        }
        self._on = slices["note_on"]
        self._off = slices["note_off"]
        self._shift = slices["time_shift"]
        self._velocity = slices.get("velocity")

    def begin(self, rules: PerformanceGrammar) -> NextNote | None:
        """Return the next note before any constraint, or None if the grammar leaves no choice."""
        now, context = rules.now, self._context
        stop = context.stop if rules.length is None else rules.length
        if now >= stop or rules.kind == "end":
            return None

        # The current bar.
        bars = max(1, round((stop - context.start) / context.bar)) if stop < NEVER else 0
        length = (stop - context.start) / bars if bars else context.bar
        bar = int((now - context.start + 0.5) // length)
        begin, end = (round(context.start + line * length) for line in (bar, bar + 1))

        rest = rules.longest_rest
        wanted = NextNote(
            now=now,
            bar=begin,
            bar_length=end - begin,
            stop=stop,
            strong=self._strong(stop, length, rest),
            part=0,
            until=stop,
            pitches=self._pitches,
        )
        if rest is not None:
            last_onset = rules.notes[-1].onset if rules.notes else 0
            if last_onset + rest < stop:
                wanted.latest = max(last_onset + rest, now)
        return wanted

    def _strong(self, stop: int, length: float, rest: int | None) -> int:
        """Return the last strong beat from which the end is near enough for a rest."""
        if stop >= NEVER:
            return NEVER
        quarters = round(self._context.bar / self._context.quarter)
        strong = round(stop - length) + last_strong_beat(round(length), quarters, quarters)
        while rest is not None and stop - strong > rest:
            strong = (strong + stop + 1) // 2
        return strong

    def mask(self, wanted: NextNote, rules: PerformanceGrammar, legal: Mask) -> Mask:
        """Return the legal tokens that can lead to the wanted note, `bool[V]`."""
        out = legal.copy()
        note_offs = out[self._off]
        now, start = wanted.now, self._context.start
        at_cadence = wanted.closing and now == wanted.strong

        # Which sounding notes may or must end now, and when the next one may or must.
        sounding = rules.sounding.nonzero()[0]
        sounding_set = 0
        may_end: list[int] = []
        must, can_end = min(wanted.due, wanted.stop), NEVER
        for pitch, since in zip(sounding.tolist(), rules.since[sounding].tolist(), strict=True):
            sounding_set |= 1 << pitch
            closes = at_cadence and since < now
            is_new = since >= start  # notes of the primer may end at any time
            earliest_end = now if closes or not is_new else since + wanted.shortest
            latest_end = now if closes else since + wanted.longest if is_new else NEVER
            if latest_end <= now:  # it ends before anything else happens, or a lower note does
                may_end.append(pitch)
                kept = note_offs[may_end]
                out[:] = False
                note_offs[may_end] = kept
                return out
            must, can_end = min(must, latest_end), min(can_end, earliest_end)
            if earliest_end <= now:
                may_end.append(pitch)
            else:
                note_offs[pitch] = False

        # If a voice must become silent, the lower notes end first: leave enough above them.
        has_voice = not wanted.voices or len(sounding) < wanted.voices
        if must <= now and not has_voice:
            surplus = len(sounding) - wanted.voices
            note_offs[may_end[max(len(may_end) - surplus, 0) :]] = False

        # Begin notes, or let time pass.
        free = wanted.pitches & ~sounding_set if has_voice else 0
        self._limit_notes(wanted, rules, free, out)
        if must <= now:
            out[self._shift] = False
        elif rules.kind != "velocity":
            can_begin = max(wanted.earliest, now + 1) if free else NEVER
            self._limit_shifts(wanted, must, can_end, can_begin, out)
        return out

    def _limit_notes(
        self, wanted: NextNote, rules: PerformanceGrammar, free: int, out: Mask
    ) -> None:
        """Forbid pitches that may not begin now, and velocities if none may."""
        if free and wanted.earliest <= wanted.now <= wanted.last:
            out[self._on] &= pitch_mask(wanted.pitches)
        else:
            out[self._on] = False
            free = 0
        if self._velocity:
            above = rules.last[1] + 1 if rules.last and rules.last[0] == "note_on" else 0
            if not free >> above:
                out[self._velocity] = False

    def _limit_shifts(
        self, wanted: NextNote, must: int, can_end: int, can_begin: int, out: Mask
    ) -> None:
        """Forbid time shifts beyond what must happen, and short ones to where nothing can.

        Args:
            wanted: The next note.
            must: The step where something must happen.
            can_end: The first step where a note can end.
            can_begin: The first step where one can begin, up to `wanted.last`.
            out: The mask.
        """
        now = wanted.now
        lands = np.zeros(MAX_SHIFT + 1, bool)  # by steps from now
        lands[MAX_SHIFT] = True
        lands[max(can_end - now, 0) :] = True
        lands[max(can_begin - now, 0) : max(wanted.last + 1 - now, 0)] = True
        for step in (wanted.stop, wanted.final):
            if step - now <= MAX_SHIFT:
                lands[step - now] = True
        lands[max(must + 1 - now, 0) :] = False
        out[self._shift] &= lands[1:]
