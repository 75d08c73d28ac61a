"""Which tokens may come next: the part of an encoding's rules that depends on what came before.

A grammar reads tokens one by one and says, at any moment, which tokens keep the sequence
canonical: one that `Encoder.encode` could have written. Sampling from those alone makes stuck,
overlapping or empty notes impossible by construction, whatever the weights and the temperature.

Given a `length`, it also leads to an end exactly there: no note reaches past it, and `end` is
allowed nowhere else.
"""

from __future__ import annotations

import copy
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from musegen.vocabulary import MAX_SHIFT, Vocabulary

__all__ = ["Grammar", "MetricGrammar", "PerformanceGrammar", "grammar"]

Mask = NDArray[np.bool_]


class Grammar(Protocol):
    """What generation needs to know of an encoding."""

    length: int | None
    """Where the music must end, in bars (metric) or steps of 10 ms (performance); None: anywhere."""
    longest_rest: int | None
    """In the same unit, how long at most no note may begin; None: for ever."""

    def allowed(self) -> Mask:
        """Return `bool[V]`: the tokens that may come next. Never all false before the end."""

    def fold(self, logits: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return logits `float[V]` in which what reaches past the end counts for what ends there."""

    def advance(self, token: int) -> None:
        """Take a token that was allowed."""

    @property
    def finished(self) -> bool:
        """Whether `end` was taken."""

    def copy(self) -> Self:
        """Return an independent grammar in the same state."""


def grammar(vocabulary: Vocabulary) -> MetricGrammar | PerformanceGrammar:
    """Return the grammar of a vocabulary, before `start`."""
    kind = PerformanceGrammar if vocabulary.config.encoding == "performance" else MetricGrammar
    return kind(vocabulary)


class _Common:
    """What both grammars do alike: the last kind of event, and the table of what may follow it."""

    length: int | None = None
    longest_rest: int | None = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        # Row k: the tokens whose kind may follow kind k.
        self._after = vocabulary.follows[:, vocabulary.kinds]
        self._slices = {kind: slice(first, first + vocabulary.blocks[kind]) for kind, first in vocabulary.first.items()}
        self._kind: str | None = None

    @property
    def finished(self) -> bool:
        """Whether `end` was taken."""
        return self._kind == "end"

    def fold(self, logits: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return `logits` as they are: nothing in this encoding reaches past the end."""
        return logits

    def _followers(self) -> Mask:
        if self._kind is None:
            return self.vocabulary.of("start")
        out: Mask = self._after[self.vocabulary.kind(self._kind)].copy()
        return out

    def _forbid(self, allowed: Mask, kind: str, values: slice | int | None = None) -> None:
        """Forbid the given values of a kind, all if none are given, none if there is no such kind."""
        if kind in self._slices:
            allowed[self._slices[kind]][values if values is not None else slice(None)] = False


class MetricGrammar(_Common):
    """The rules of the metric encoding.

    Bars and positions go forward; parts and pitches ascend within a position; no pitch is struck
    in a part where it still sounds.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Stand before `start`."""
        super().__init__(vocabulary)
        self.bar = -1
        """Index of the current bar."""
        self.last_note = -1
        """Index of the bar in which the last note began."""
        self.position = -1
        self.bar_start = 0
        self.bar_length = 4 * vocabulary.config.steps_per_quarter
        self._meter = self._tempo = -1
        self.part = -1 if "part" in vocabulary.blocks else 0
        self._chord: tuple[int, int] | None = None  # part and pitch of the last note at this position
        self._drum: dict[int, bool] = {}  # parts that have declared themselves, and whether as drums
        self._off = np.zeros((vocabulary.config.parts, 128), np.int64)  # step where each pitch ends
        self._note = (0, 0)  # pitch and length so far of the note being written

    @property
    def now(self) -> int:
        """The current step, from the beginning of the piece."""
        return self.bar_start + max(self.position, 0)

    def copy(self) -> Self:
        """Return an independent grammar in the same state."""
        out = copy.copy(self)
        out._off, out._drum = self._off.copy(), self._drum.copy()
        return out

    def allowed(self) -> Mask:
        """Return `bool[V]`: the tokens that may come next."""
        out = self._followers()
        kind = self._kind
        if kind in ("start", "bar", "time_signature", "position", "tempo", "duration"):
            self._restrict_time(out)
        if kind in ("position", "tempo", "part", "program", "duration"):
            self._restrict_notes(out)
        if self.length is not None and kind in ("pitch", "drum", "velocity", "hold"):
            self._restrict_durations(out)
        return out

    def _restrict_time(self, out: Mask) -> None:
        if self._kind == "bar" and self._meter < 0:
            out[:] = False
            out[self._slices["time_signature"]] = True
            return
        if self._meter >= 0:
            self._forbid(out, "time_signature", self._meter)
        self._forbid(out, "position", slice(0, self.position + 1))
        self._forbid(out, "position", slice(self.bar_length, None))
        if self._tempo >= 0:
            self._forbid(out, "tempo", self._tempo)
        if self._off.max() > self.bar_start + self.bar_length:
            self._forbid(out, "end")  # a note is held over the barline
        if self.length is not None:
            # A shorter meter must not move the end before the end of a note that is held already.
            ends = self.bar_start + (self.length - self.bar) * self.vocabulary.meter_steps
            out[self._slices["time_signature"]] &= ends >= self._off.max()
            self._forbid(out, "bar" if self.bar + 1 >= self.length else "end")
        if self.longest_rest is not None and self.bar - self.last_note >= self.longest_rest:
            self._forbid(out, "bar")
            self._forbid(out, "end")

    def _restrict_notes(self, out: Mask) -> None:
        here = self._chord[0] if self._chord else -1
        self._forbid(out, "part", slice(0, here + 1))
        if self.part >= 0:
            self._forbid(out, "part", self.part)
        drum = self._drum.get(self.part)
        if self.part < 0:
            for kind in ("pitch", "drum", "program"):
                self._forbid(out, kind)
            return
        if drum is not None or self._kind == "duration":
            self._forbid(out, "program")
        needs_program = drum is None and "program" in self._slices and self._kind != "program"
        if drum or needs_program:
            self._forbid(out, "pitch")
        if drum is False or self._kind == "program":
            self._forbid(out, "drum")
        sounding = self._off[self.part] > self.now
        lowest = self._chord[1] + 1 if self._chord and here == self.part else 0
        for kind in ("pitch", "drum"):
            if kind in self._slices:
                block = out[self._slices[kind]]
                block[:lowest] = False
                block[sounding] = False

    def _room(self) -> int:
        """Return how many steps the note that is being written may still last, given a `length`."""
        assert self.length is not None
        return self.bar_start + (self.length - self.bar) * self.bar_length - self.now - self._note[1]

    def _restrict_durations(self, out: Mask) -> None:
        room = self._room()
        self._forbid(out, "duration", slice(max(room, 0), None))
        if room <= self.vocabulary.blocks["duration"]:
            self._forbid(out, "hold")

    def fold(self, logits: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return logits in which a note too long for the end counts as one that lasts until there.

        Merely forbidding it would leave its probability to the shortest notes, and pieces would
        end in a splutter.
        """
        if self.length is None or self._kind not in ("pitch", "drum", "velocity", "hold"):
            return logits
        block, room = self._slices["duration"], self._room()
        if room > self.vocabulary.blocks["duration"]:
            return logits
        out = logits.copy()
        last = block.start + room - 1
        out[last] = np.logaddexp.reduce([*logits[last : block.stop], logits[self._slices["hold"].start]])
        return out

    def advance(self, token: int) -> None:
        """Take a token."""
        kind, value = self.vocabulary.event(token)
        previous, self._kind = self._kind, kind
        match kind:
            case "bar":
                self.bar_start += self.bar_length if previous != "start" else 0
                self.bar, self.position, self._chord = self.bar + 1, -1, None
            case "time_signature":
                self._meter = value
                self.bar_length = int(self.vocabulary.meter_steps[value])
            case "position":
                self.position, self._chord = value, None
            case "tempo":
                self._tempo = value
            case "part":
                self.part = value
            case "pitch" | "drum":
                self._drum[self.part] = kind == "drum"
                self._note, self._chord = (value, 0), (self.part, value)
                self.last_note = self.bar
            case "hold":
                self._note = (self._note[0], self._note[1] + self.vocabulary.blocks["duration"])
            case "duration":
                pitch, held = self._note
                self._off[self.part, pitch] = self.now + held + value + 1


class PerformanceGrammar(_Common):
    """Only what sounds can end; at one moment notes end before others begin, pitches ascending."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Stand before `start`."""
        super().__init__(vocabulary)
        self.now = 0
        """The current step of 10 ms."""
        self.last_note = 0
        """The step where the last note began."""
        self._sounding = np.zeros(128, bool)
        self._velocity = -1
        self._last: tuple[str, int] | None = None  # kind and pitch of the last event at this moment
        self._shift = -1  # value of the time_shift just taken

    def copy(self) -> Self:
        """Return an independent grammar in the same state."""
        out = copy.copy(self)
        out._sounding = self._sounding.copy()
        return out

    def allowed(self) -> Mask:
        """Return `bool[V]`: the tokens that may come next."""
        out = self._followers()
        if self._kind in (None, "end"):
            return out
        out[self._slices["note_on"]] &= ~self._sounding
        out[self._slices["note_off"]] &= self._sounding
        if self._last:
            kind, pitch = self._last
            self._forbid(out, kind, slice(0, pitch + 1))
            if kind == "note_on":
                self._forbid(out, "note_off")
        if self._sounding.any():
            self._forbid(out, "end")
        self._restrict_shifts(out)
        if "velocity" in self._slices:
            self._restrict_velocity(out)
        if self.length is not None:
            self._restrict_to_length(out, self.length)
        return out

    def _restrict_shifts(self, out: Mask) -> None:
        if self._kind == "time_shift" and self._shift < MAX_SHIFT - 1:
            self._forbid(out, "time_shift")  # a longer wait would have been written with a longer shift
        if self.longest_rest is not None:
            self._forbid(out, "time_shift", slice(max(self.last_note + self.longest_rest - self.now, 0), None))

    def _restrict_velocity(self, out: Mask) -> None:
        lowest = self._last[1] + 1 if self._last and self._last[0] == "note_on" else 0
        if self._sounding[lowest:].all():
            self._forbid(out, "velocity")  # no note could follow it
        if self._velocity < 0:
            self._forbid(out, "note_on")
        else:
            self._forbid(out, "velocity", self._velocity)

    def _restrict_to_length(self, out: Mask, length: int) -> None:
        room = length - self.now
        self._forbid(out, "time_shift", slice(max(room, 0), None))
        if room > 0:
            self._forbid(out, "end")
        else:
            self._forbid(out, "velocity")
            self._forbid(out, "note_on")
            # What still sounds ends now, one pitch after the other from the lowest.
            self._forbid(out, "note_off", slice(int(self._sounding.argmax()) + 1, None))

    def advance(self, token: int) -> None:
        """Take a token."""
        kind, value = self.vocabulary.event(token)
        self._kind = kind
        match kind:
            case "time_shift":
                self.now, self._shift, self._last = self.now + value + 1, value, None
            case "velocity":
                self._velocity = value
            case "note_on" | "note_off":
                self._sounding[value] = kind == "note_on"
                self._last = (kind, value)
                if kind == "note_on":
                    self.last_note = self.now
