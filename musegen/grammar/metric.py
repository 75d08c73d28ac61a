"""The grammar of bars and positions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.context import metric_columns, until
from musegen.grammar.common import Common, Mask
from musegen.vocabulary import Vocabulary

__all__ = ["MetricGrammar"]


class MetricGrammar(Common):
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

    def _known(self, parts: int) -> tuple[Any, Mask, NDArray[np.int64], NDArray[np.int64]]:
        quarter = self.vocabulary.config.steps_per_quarter
        of_piece = metric_columns(self.bar, self.position, self._meter, self.bar_length, self.part, quarter)
        off = self._off[:parts]
        left = off - self.now
        latest = 127 - off[:, ::-1].argmax(axis=1)  # of several that ended together the highest
        return of_piece, left > 0, until(left, quarter), (latest + 1) * off.any(axis=1)

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
