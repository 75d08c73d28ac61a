"""What is wished of the next note, as tokens of the performance encoding."""

from __future__ import annotations

import numpy as np

from musegen.encoding.grammar import Mask, PerformanceGrammar
from musegen.encoding.vocabulary import MAX_SHIFT, Vocabulary
from musegen.generation.constraints.metric import last_strong_beat
from musegen.generation.constraints.next_note import NEVER, ConstraintContext, NextNote, pitch_mask

__all__ = ["PerformanceTokens"]


class PerformanceTokens:
    """Says where the performance grammar stands, and which tokens can lead to a note as it is wished.

    Bars are reckoned from the start of the continuation, all of one length. What is looked ahead
    for: that time passes no further than to where a note must end or begin, and only to where
    something can happen.
    """

    def __init__(self, vocabulary: Vocabulary, place: ConstraintContext) -> None:
        """Take the vocabulary and the place."""
        self._place, self._pitches = place, place.pitches
        slices = {
            kind: slice(first, first + vocabulary.blocks[kind])
            for kind, first in vocabulary.first.items()
        }
        self._on, self._off, self._shift = (
            slices[kind] for kind in ("note_on", "note_off", "time_shift")
        )
        self._velocity = slices.get("velocity")

    def begin(self, rules: PerformanceGrammar) -> NextNote | None:
        """Return the next note before any constraint, or None if the grammar leaves no choice."""
        now, place = rules.now, self._place
        stop = place.stop if rules.length is None else rules.length
        if now >= stop or rules.kind == "end":
            return None
        bars = max(1, round((stop - place.start) / place.bar)) if stop < NEVER else 0
        length = (stop - place.start) / bars if bars else place.bar
        bar = int((now - place.start + 0.5) // length)
        begins, over = (round(place.start + line * length) for line in (bar, bar + 1))
        rest = rules.longest_rest
        next_note = NextNote(
            now,
            begins,
            over - begins,
            stop,
            self._strong(stop, length, rest),
            0,
            until=stop,
            pitches=self._pitches,
        )
        if rest is not None:
            since = rules.notes[-1].onset if rules.notes else 0
            if since + rest < stop:
                next_note.latest = max(since + rest, now)
        return next_note

    def _strong(self, stop: int, length: float, rest: int | None) -> int:
        """Return the last strong beat from which no rest that is too long leads to the end."""
        if stop >= NEVER:
            return NEVER
        quarters = round(self._place.bar / self._place.quarter)
        out = round(stop - length) + last_strong_beat(round(length), quarters, quarters)
        while rest is not None and stop - out > rest:
            out = (out + stop + 1) // 2
        return out

    def mask(self, next_note: NextNote, rules: PerformanceGrammar, legal: Mask) -> Mask:
        """Return those tokens of `legal` that can lead to the note, `bool[V]`."""
        out = legal.copy()
        offs = out[self._off]
        now, start, last = (
            next_note.now,
            self._place.start,
            next_note.closing and next_note.now == next_note.strong,
        )
        sounding = rules.sounding.nonzero()[0]
        ready: list[int] = []  # pitches that may end now
        must, can_end = min(next_note.due, next_note.stop), NEVER
        sounds, due = 0, -1
        for pitch, since in zip(sounding.tolist(), rules.since[sounding].tolist(), strict=True):
            sounds |= 1 << pitch
            mine = since >= start  # notes of the primer may end whenever they like
            ends = now if (last and since < now) or not mine else since + next_note.shortest
            longest = now if last and since < now else since + next_note.longest if mine else NEVER
            if longest <= now:
                due = pitch
                ready.append(pitch)
                break
            must, can_end = min(must, longest), min(can_end, ends)
            if ends <= now:
                ready.append(pitch)
            else:
                offs[pitch] = False
        if due >= 0:  # it ends before anything else, but for the lower
            kept = offs[ready]
            out[:] = False
            offs[ready] = kept
            return out
        voice = not next_note.voices or len(sounding) < next_note.voices
        if must <= now and not voice:  # so many must end now, the lower first: leave enough above
            offs[ready[max(len(ready) - (len(sounding) - next_note.voices), 0) :]] = False
        free = next_note.pitches & ~sounds if voice else 0
        self._strike(next_note, rules, free, out)
        if must <= now:
            out[self._shift] = False
        elif rules.kind != "velocity":
            self._wait(
                next_note, must, can_end, max(next_note.earliest, now + 1) if free else NEVER, out
            )
        return out

    def _strike(self, next_note: NextNote, rules: PerformanceGrammar, free: int, out: Mask) -> None:
        """Forbid pitches that may not begin now, and loudness if none may."""
        if free and next_note.earliest <= next_note.now <= next_note.last:
            out[self._on] &= pitch_mask(next_note.pitches)
        else:
            out[self._on] = False
            free = 0
        if self._velocity:
            above = rules.last[1] + 1 if rules.last and rules.last[0] == "note_on" else 0
            if not free >> above:
                out[self._velocity] = False

    def _wait(
        self, next_note: NextNote, must: int, can_end: int, can_strike: int, out: Mask
    ) -> None:
        """Forbid to wait beyond what must happen, and for less than the longest shift where nothing can.

        Args:
            next_note: What is wished.
            must: The step where something must happen.
            can_end: The first step where a note can end.
            can_strike: The first step where one can begin, up to `next_note.last`.
            out: The mask.
        """
        now = next_note.now
        lands = np.zeros(MAX_SHIFT + 1, bool)  # by steps from now
        lands[MAX_SHIFT] = True
        lands[max(can_end - now, 0) :] = True
        lands[max(can_strike - now, 0) : max(next_note.last + 1 - now, 0)] = True
        for step in (next_note.stop, next_note.final):
            if step - now <= MAX_SHIFT:
                lands[step - now] = True
        lands[max(must + 1 - now, 0) :] = False
        out[self._shift] &= lands[1:]
