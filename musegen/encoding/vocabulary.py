"""The one table of events and tokens.

A vocabulary is a list of blocks, each a kind of event with a range of values; tokens are numbered
through the blocks in order. Nothing is learned from data, so a vocabulary is known from its
`EncoderConfig` alone and can never disagree with the weights trained on it.

Metric (`steps_per_quarter` = S):

========================  =============  ==========================================================
kind                      values         meaning
========================  =============  ==========================================================
bar                       0              a bar begins
time_signature            index          `METERS[value]` from this bar on
position                  0 … 8S − 1     steps from the bar's start
tempo                     index          `tempo_values[value]` from this position on
part                      0 … parts − 1  the notes that follow belong to this track
program                   0 … 127        the part's General MIDI program, said at its first note
pitch, drum               0 … 127        a note begins (`drum`: in a drum part)
velocity                  index          how loud the note is
hold                      0              the note lasts 8S steps and …
duration                  0 … 8S − 1     … value + 1 steps more
start, end                0              the piece begins and ends
========================  =============  ==========================================================

Performance (the table of Oore et al. 2018, ids 0 to 387, then start and end):

========================  =============  ==========================================================
note_on, note_off         0 … 127        a pitch begins, ends
time_shift                0 … 99         value + 1 steps of 10 ms pass
velocity                  0 … 31         loudness of the notes that follow
========================  =============  ==========================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import EncoderConfig
from musegen.encoding.events import MAX_BAR_QUARTERS, METERS, Event
from musegen.errors import EncodingError

__all__ = ["MAX_BAR_QUARTERS", "METERS", "Event", "Tokens", "Vocabulary"]

Tokens = NDArray[np.int32]

MAX_SHIFT = 100  # Longest time_shift, in steps of 10 ms.

FOLLOWS: dict[str, str] = {
    "start": "bar end",
    "bar": "time_signature position bar end",
    "time_signature": "position bar end",
    "position": "tempo part program pitch drum",
    "tempo": "position part program pitch drum bar end",
    "part": "program pitch drum",
    "program": "pitch",
    "pitch": "velocity hold duration",
    "drum": "velocity hold duration",
    "velocity": "hold duration",
    "hold": "hold duration",
    "duration": "position part pitch drum bar end",
    "end": "",
}
"""Metric: which kinds may follow which. The rest of the grammar is in `musegen.encoding.grammar`."""

PERFORMANCE_FOLLOWS: dict[str, str] = {
    "start": "note_on time_shift velocity end",
    "note_on": "note_on time_shift velocity",
    "note_off": "note_off note_on time_shift velocity end",
    "time_shift": "note_off note_on time_shift velocity end",
    "velocity": "note_on",
    "end": "",
}


class Vocabulary:
    """Events to tokens and back.

    >>> vocabulary = Vocabulary(EncoderConfig(encoding="performance"))
    >>> len(vocabulary), str(vocabulary.event(60)), vocabulary.token("note_off", 60)
    (390, 'note_on 60', 188)

    Attributes:
        blocks: kind → number of values, in the order of the tokens.
        first: kind → its first token.
        kinds: `int8[V]`: for each token the index of its kind in `names`.
        values: `int16[V]`: for each token its value.
    """

    def __init__(self, config: EncoderConfig) -> None:
        """Lay out the blocks that `config` asks for; a kind of no values is left out."""
        self.config = config
        sizes = (
            _performance_blocks(config)
            if config.encoding == "performance"
            else _metric_blocks(config)
        )
        self.blocks = {kind: size for kind, size in sizes.items() if size}
        self.names = tuple(self.blocks)
        counts = list(self.blocks.values())
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self.first = {kind: int(start) for kind, start in zip(self.blocks, starts, strict=True)}
        self.kinds = np.repeat(np.arange(len(counts)), counts).astype(np.int8)
        self.values = (np.arange(sum(counts)) - np.repeat(starts, counts)).astype(np.int16)

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.kinds)

    def kind(self, name: str) -> int:
        """Return the index of a kind in `names`, or -1 if this vocabulary has no such kind."""
        return self.names.index(name) if name in self.blocks else -1

    def token(self, kind: str, value: int = 0) -> int:
        """Return the token of an event.

        Raises:
            EncodingError: This vocabulary has no such event.
        """
        if not 0 <= value < self.blocks.get(kind, 0):
            raise EncodingError(
                f"this vocabulary's events are {self.blocks} (kind: number of values). Received: {kind} {value}."
            )
        return self.first[kind] + value

    def event(self, token: int) -> Event:
        """Return the event of a token.

        Raises:
            EncodingError: `token` is not in the vocabulary.
        """
        if not 0 <= token < len(self):
            raise EncodingError(f"tokens must be 0 to {len(self) - 1}. Received: {token}.")
        return Event(self.names[self.kinds[token]], int(self.values[token]))

    def of(self, *kinds: str) -> NDArray[np.bool_]:
        """Return `bool[V]`: which tokens are of these kinds."""
        return np.isin(self.kinds, [self.kind(k) for k in kinds if k in self.blocks])

    @cached_property
    def notes(self) -> NDArray[np.bool_]:
        """`bool[V]`: the tokens that begin a note; there is exactly one in each note."""
        return self.of("pitch", "drum", "note_on")

    @cached_property
    def transposable(self) -> NDArray[np.bool_]:
        """`bool[V]`: the tokens that name a pitch of a melodic part."""
        return self.of("pitch", "note_on", "note_off")

    @cached_property
    def follows(self) -> NDArray[np.bool_]:
        """`bool[kinds, kinds]`: `follows[a, b]` says whether kind b may come right after kind a."""
        rules = PERFORMANCE_FOLLOWS if self.config.encoding == "performance" else FOLLOWS
        out = np.zeros((len(self.names),) * 2, bool)
        for kind in self.names:
            for other in rules[kind].split():
                if other in self.blocks:
                    out[self.kind(kind), self.kind(other)] = True
        if "velocity" in self.blocks and "pitch" in self.blocks:
            # Where loudness is carried, it is said for every note.
            for kind in {"pitch", "drum"} & set(self.blocks):
                out[self.kind(kind)] = False
                out[self.kind(kind), self.kind("velocity")] = True
        return out

    @cached_property
    def meter_steps(self) -> NDArray[np.int64]:
        """`int64[len(METERS)]`: length of a bar of each meter, in steps."""
        spq = self.config.steps_per_quarter
        return np.array([4 * spq * n // d for n, d in METERS], np.int64)

    @cached_property
    def tempo_values(self) -> NDArray[np.int64]:
        """`int64[tempos]`: microseconds per quarter, from 20 to 300 bpm in equal ratios."""
        return np.round(6e7 / np.geomspace(20, 300, self.config.tempos)).astype(np.int64)

    def tempo_bins(self, microseconds: NDArray[Any]) -> NDArray[np.int64]:
        """Return the index in `tempo_values` of the nearest ratio to each tempo (microseconds per quarter)."""
        out: NDArray[np.int64] = self._tempo_borders.searchsorted(-microseconds)
        return out

    @cached_property
    def _tempo_borders(self) -> NDArray[np.float64]:
        """Minus the microseconds at which the nearest tempo changes: ascending."""
        out: NDArray[np.float64] = -np.sqrt(self.tempo_values[1:] * self.tempo_values[:-1])
        return out

    def velocity_bins(self, velocities: NDArray[Any]) -> NDArray[np.int64]:
        """Return the loudness step of each MIDI velocity (1–127)."""
        return velocities.astype(np.int64) * self.config.velocities // 128

    @cached_property
    def velocity_values(self) -> NDArray[np.int64]:
        """`int64[velocities]`: the MIDI velocity in the middle of each loudness step."""
        velocities = np.arange(1, 128)
        bins = self.velocity_bins(velocities)
        members = (velocities[bins == b] for b in range(self.config.velocities))
        return np.array([m[len(m) // 2] for m in members], np.int64)

    @cached_property
    def kept_velocities(self) -> NDArray[np.int64]:
        """`int64[128]`: for each MIDI velocity the one that stands for its loudness step."""
        return self.velocity_values[self.velocity_bins(np.arange(128))]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the table in hexadecimal: two vocabularies are the same if these are."""
        table = repr((sorted(self.config.to_dict().items()), list(self.blocks.items()), METERS))
        return hashlib.sha256(table.encode()).hexdigest()

    def ids(self, tokens: NDArray[Any]) -> NDArray[Any]:
        """Return `tokens` as an array of integers, `[T]`, after checking that they are in the table.

        Raises:
            EncodingError: Some are not, or are no integers.
        """
        out = np.asarray(tokens)
        if out.ndim != 1 or (out.size and not np.issubdtype(out.dtype, np.integer)):
            raise EncodingError(
                f"tokens must be a one-dimensional array of integers. Received: {out!r}."
            )
        if out.size and not (0 <= out.min() and out.max() < len(self)):
            raise EncodingError(
                f"tokens must be 0 to {len(self) - 1}. Received: {out.min()} to {out.max()}. "
                "Use the encoder that made them."
            )
        return out

    def check(self, tokens: NDArray[Any]) -> Tokens:
        """Return `tokens` as `int32[T]` after checking ids and which kind follows which.

        Raises:
            EncodingError: An id is outside the vocabulary, or an event cannot stand where it does.
        """
        out = self.ids(tokens)
        if out.size and out[0] != self.first["start"]:
            raise EncodingError(
                f"the first event must be start. Received: {self.event(int(out[0]))}."
            )
        wrong = self._misplaced(self.kinds[out])
        if wrong.size:
            at = int(wrong[0])
            a, b = self.event(int(out[at])), self.event(int(out[at + 1]))
            raise EncodingError(
                f"token {at + 1}: '{b}' cannot follow '{a}'. Use the encoder that made the tokens."
            )
        return out.astype(np.int32)

    def joined(self, sequences: Sequence[NDArray[Any]]) -> tuple[Tokens, NDArray[np.int64]]:
        """Return sequences end to end after the checks of `check`, `int32[T]`, and where each starts, `int64[N]`.

        Raises:
            EncodingError: As `check` does.
        """
        starts = np.cumsum([0, *(tokens.size for tokens in sequences[:-1])])
        try:
            out = np.concatenate(sequences)
            if not np.issubdtype(out.dtype, np.integer):
                raise TypeError
            wrong = self._misplaced(
                self.kinds[out.astype(np.uint64)]
            )  # unsigned: negative ids are too large
            begun = (out[starts] == self.first["start"]).all()
            if (
                begun and np.isin(wrong + 1, starts).all()
            ):  # from one sequence to the next, anything
                return out.astype(np.int32), starts
        except (IndexError, TypeError, ValueError):
            pass  # one of them is at fault: `check` says what is wrong
        return np.concatenate([self.check(tokens) for tokens in sequences]), starts

    def _misplaced(self, kinds: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return the indices of kinds after which another than the next may come."""
        return (~self.follows[kinds[:-1], kinds[1:]]).nonzero()[0]


def _metric_blocks(config: EncoderConfig) -> dict[str, int]:
    longest = MAX_BAR_QUARTERS * config.steps_per_quarter
    return {
        "bar": 1,
        "time_signature": len(METERS),
        "position": longest,
        "tempo": config.tempos,
        "part": config.parts if config.parts > 1 else 0,
        "program": 128 * config.programs,
        "pitch": 128,
        "drum": 128 * config.drums,
        "velocity": config.velocities,
        "hold": 1,
        "duration": longest,
        "start": 1,
        "end": 1,
    }


def _performance_blocks(config: EncoderConfig) -> dict[str, int]:
    return {
        "note_on": 128,
        "note_off": 128,
        "time_shift": MAX_SHIFT,
        "velocity": config.velocities,
        "start": 1,
        "end": 1,
    }
