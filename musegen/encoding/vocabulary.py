"""Map events to tokens and back.

A vocabulary is a list of blocks, one for each kind of event, with a range of values each. Tokens
are numbered consecutively through the blocks. Nothing is learned from data: the vocabulary follows
from the `EncoderConfig` alone, so it always agrees with the weights trained on it.

Metric (`steps_per_quarter` = S):

========================  =============  ==========================================================
kind                      values         meaning
========================  =============  ==========================================================
bar                       0              a bar begins
time_signature            index          `METERS[value]` from this bar on
position                  0 … 8S − 1     steps from the bar's start
tempo                     index          `tempo_values[value]` from this position on
part                      0 … parts − 1  the notes that follow belong to this track
program                   0 … 127        the part's General MIDI program, before its first note
pitch, drum               0 … 127        a note begins (`drum`: in a drum part)
velocity                  index          velocity bin of the note
hold                      0              the note lasts 8S steps and …
duration                  0 … 8S − 1     … value + 1 steps more
start, end                0              the piece begins and ends
========================  =============  ==========================================================

Performance (the table of Oore et al. 2018, ids 0 to 387, then start and end):

========================  =============  ==========================================================
note_on, note_off         0 … 127        a pitch begins, ends
time_shift                0 … 99         value + 1 steps of 10 ms pass
velocity                  0 … 31         velocity bin of the notes that follow
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
from musegen.utils.arrays import Bools, Floats, Ints

__all__ = [
    "MAX_BAR_QUARTERS",
    "METERS",
    "Event",
    "Tokens",
    "Vocabulary",
    "transposed",
]

Tokens = NDArray[np.int32]

MAX_SHIFT = 100  # longest time_shift, in steps of 10 ms


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
"""Metric: kind → kinds that may follow. `musegen.encoding.grammar` has the other rules."""

PERFORMANCE_FOLLOWS: dict[str, str] = {
    "start": "note_on time_shift velocity end",
    "note_on": "note_on time_shift velocity",
    "note_off": "note_off note_on time_shift velocity end",
    "time_shift": "note_off note_on time_shift velocity end",
    "velocity": "note_on",
    "end": "",
}
"""Performance: kind → kinds that may follow."""


class Vocabulary:
    """Maps events to tokens and back.

    >>> vocabulary = Vocabulary(EncoderConfig(encoding="performance"))
    >>> len(vocabulary), str(vocabulary.event(60)), vocabulary.token("note_off", 60)
    (390, 'note_on 60', 188)

    Attributes:
        config: The settings that it follows from.
        blocks: kind → number of values, in the order of the tokens.
        first: kind → its first token.
        names: The kinds, in the order of the tokens.
        kinds: `int8[V]`: the kind of each token, as an index into `names`.
        values: `int16[V]`: the value of each token.
    """

    def __init__(self, config: EncoderConfig) -> None:
        """Lay out the blocks for `config`; kinds without values are left out."""
        self.config = config
        played = config.encoding == "performance"
        sizes = _performance_blocks(config) if played else _metric_blocks(config)
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
        """Return the index of a kind in `names`, or -1 if this vocabulary does not have it.

        >>> Vocabulary(EncoderConfig()).kind("bar"), Vocabulary(EncoderConfig()).kind("note_on")
        (0, -1)
        """
        return self.names.index(name) if name in self.blocks else -1

    def token(self, kind: str, value: int = 0) -> int:
        """Return the token of an event.

        >>> Vocabulary(EncoderConfig(encoding="performance")).token("time_shift", 49)
        305

        Raises:
            EncodingError: This vocabulary has no such event.
        """
        if not 0 <= value < self.blocks.get(kind, 0):
            raise EncodingError(
                f"this vocabulary's events are {self.blocks} (kind: number of values). "
                f"Received: {kind} {value}."
            )
        return self.first[kind] + value

    def event(self, token: int) -> Event:
        """Return the event of a token.

        >>> Vocabulary(EncoderConfig(encoding="performance")).event(188)
        Event(kind='note_off', value=60)

        Raises:
            EncodingError: `token` is not in the vocabulary.
        """
        if not 0 <= token < len(self):
            raise EncodingError(f"tokens must be 0 to {len(self) - 1}. Received: {token}.")
        return Event(self.names[self.kinds[token]], int(self.values[token]))

    def of(self, *kinds: str) -> Bools:
        """Return which tokens are of one of `kinds`, `bool[V]`.

        >>> Vocabulary(EncoderConfig()).of("pitch", "drum").sum()
        np.int64(256)
        """
        return np.isin(self.kinds, [self.kind(k) for k in kinds if k in self.blocks])

    @cached_property
    def notes(self) -> Bools:
        """`bool[V]`: the tokens that begin a note, exactly one per note."""
        return self.of("pitch", "drum", "note_on")

    @cached_property
    def transposable(self) -> Bools:
        """`bool[V]`: the tokens that name a pitch of a melodic part."""
        return self.of("pitch", "note_on", "note_off")

    @cached_property
    def follows(self) -> Bools:
        """`bool[kinds, kinds]`: `follows[a, b]` tells whether kind b may directly follow kind a."""
        rules = PERFORMANCE_FOLLOWS if self.config.encoding == "performance" else FOLLOWS
        out = np.zeros((len(self.names),) * 2, bool)
        for kind in self.names:
            for other in rules[kind].split():
                if other in self.blocks:
                    out[self.kind(kind), self.kind(other)] = True
        if "velocity" in self.blocks and "pitch" in self.blocks:
            # An encoding with velocities states one for every note.
            for kind in {"pitch", "drum"} & set(self.blocks):
                out[self.kind(kind)] = False
                out[self.kind(kind), self.kind("velocity")] = True
        return out

    @cached_property
    def meter_steps(self) -> Ints:
        """`int64[len(METERS)]`: length of a bar of each meter, in steps."""
        spq = self.config.steps_per_quarter
        return np.array([4 * spq * n // d for n, d in METERS], np.int64)

    @cached_property
    def tempo_values(self) -> Ints:
        """`int64[tempos]`: microseconds per quarter, from 20 to 300 bpm in equal ratios."""
        return np.round(6e7 / np.geomspace(20, 300, self.config.tempos)).astype(np.int64)

    def tempo_bins(self, microseconds: NDArray[Any]) -> Ints:
        """Return the index in `tempo_values` of the tempo with the nearest ratio, `int64[N]`.

        Args:
            microseconds: Per quarter, `[N]` of any number type.
        """
        return self._tempo_borders.searchsorted(-microseconds)

    @cached_property
    def _tempo_borders(self) -> Floats:
        """Negated microseconds at which the nearest tempo changes, ascending."""
        return -np.sqrt(self.tempo_values[1:] * self.tempo_values[:-1])

    def velocity_bins(self, velocities: NDArray[Any]) -> Ints:
        """Return the bin of each MIDI velocity (1 to 127), `int64[N]`."""
        return velocities.astype(np.int64) * self.config.velocities // 128

    @cached_property
    def velocity_values(self) -> Ints:
        """`int64[velocities]`: the MIDI velocity in the middle of each bin."""
        velocities = np.arange(1, 128)
        bins = self.velocity_bins(velocities)
        members = (velocities[bins == b] for b in range(self.config.velocities))
        return np.array([m[len(m) // 2] for m in members], np.int64)

    @cached_property
    def kept_velocities(self) -> Ints:
        """`int64[128]`: MIDI velocity → the velocity that represents its bin."""
        return self.velocity_values[self.velocity_bins(np.arange(128))]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the table in hexadecimal; equal for equal vocabularies only."""
        table = repr((sorted(self.config.to_dict().items()), list(self.blocks.items()), METERS))
        return hashlib.sha256(table.encode()).hexdigest()

    def ids(self, tokens: NDArray[Any]) -> NDArray[Any]:
        """Return `tokens` as an integer array, `[T]`, after checking that all are in the table.

        Raises:
            EncodingError: A token is not in the table or not an integer.
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
        """Return `tokens` as `int32[T]` after checking the ids and the order of kinds.

        Raises:
            EncodingError: An id is outside the vocabulary, or an event cannot be where it is.
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

    def joined(self, sequences: Sequence[NDArray[Any]]) -> tuple[Tokens, Ints]:
        """Return checked sequences end to end, `int32[T]`, and where each starts, `int64[N]`.

        Raises:
            EncodingError: As `check` does.
        """
        starts = np.cumsum([0, *(tokens.size for tokens in sequences[:-1])])
        # Check all sequences at once. If any fails, `check` finds the fault below.
        try:
            out = np.concatenate(sequences)
            if not np.issubdtype(out.dtype, np.integer):
                raise TypeError
            # As unsigned integers, negative ids are too large, too.
            wrong = self._misplaced(self.kinds[out.astype(np.uint64)])
            begun = (out[starts] == self.first["start"]).all()
            # Any kind may follow the last of a sequence: the next sequence begins there.
            if begun and (not wrong.size or np.isin(wrong + 1, starts).all()):
                return out.astype(np.int32), starts
        except (IndexError, TypeError, ValueError):
            pass
        return np.concatenate([self.check(tokens) for tokens in sequences]), starts

    def _misplaced(self, kinds: NDArray[np.int8]) -> Ints:
        """Return the indices of kinds that the next kind may not follow."""
        return (~self.follows[kinds[:-1], kinds[1:]]).nonzero()[0]


def transposed(tokens: Tokens, semitones: int, vocabulary: Vocabulary) -> Tokens:
    """Return the tokens transposed by `semitones`; drums keep their pitches.

    If a pitch would leave 0 to 127, all are transposed by the largest interval that is possible.

    >>> vocabulary = Vocabulary(EncoderConfig())
    >>> up = transposed(np.array([vocabulary.token("pitch", 60)], np.int32), 7, vocabulary)
    >>> str(vocabulary.event(up[0]))
    'pitch 67'
    """
    melodic = vocabulary.transposable[tokens]
    if not melodic.any():
        return tokens
    pitches = vocabulary.values[tokens[melodic]]
    semitones = int(np.clip(semitones, -pitches.min(), 127 - pitches.max()))
    return tokens + np.int32(semitones) * melodic.astype(np.int32)


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
