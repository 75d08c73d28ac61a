"""The grammar of played notes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.context import performance_columns, since
from musegen.grammar.common import Common, Mask
from musegen.vocabulary import MAX_SHIFT, Vocabulary

__all__ = ["PerformanceGrammar"]


class PerformanceGrammar(Common):
    """Only what sounds can end; at one moment notes end before others begin, pitches ascending."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Stand before `start`."""
        super().__init__(vocabulary)
        self.now = 0
        """The current step of 10 ms."""
        self.last_note = 0
        """The step where the last note began."""
        self._sounding = np.zeros(128, bool)
        self._since = np.full(128, -1, np.int64)  # step where each pitch began last
        self._ended = 0  # 1 + the pitch that ended last
        self._velocity = -1
        self._last: tuple[str, int] | None = None  # kind and pitch of the last event at this moment
        self._shift = -1  # value of the time_shift just taken

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

    def _known(self, parts: int) -> tuple[Any, Mask, NDArray[np.int64], NDArray[np.int64]]:
        begun = self._since.max() >= 0
        of_piece = performance_columns(since(self.now - self.last_note) if begun else 0)
        return of_piece, self._sounding[None], since(self.now - self._since)[None], np.array([self._ended])

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
                    self.last_note = self._since[value] = self.now
                else:
                    self._ended = value + 1
