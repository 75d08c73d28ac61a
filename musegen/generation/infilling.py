"""A gap as a model hears it: the bars around it, the rules inside it, and the way back to notes for the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context import Context, View, beside
from musegen.encoding.encoder import Encoder
from musegen.encoding.gaps import LONGEST, Gap, borders
from musegen.encoding.grammar import MetricGrammar
from musegen.encoding.normalise import close_gaps, pad_pickup
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.errors import EncodingError, MidiError
from musegen.generation.primer import LONGEST_CONTEXT, Reading, continuation_start, pick
from musegen.model.engine import Engine, State
from musegen.score import Score, Table

__all__ = ["Bars", "ConditionedNetwork", "GapInPiece", "InfillGrammar", "read_gap"]

Bars = tuple[int, int]
"""The first and the last bar, as musicians count: from 1, both included; a pickup is bar 0."""


@dataclass(frozen=True)
class GapInPiece:
    """Bars of a piece that are to be filled.

    Attributes:
        reading: The piece as the model hears it, without the notes that begin in the bars; its
            `start` is the barline where they begin.
        gap: Where the bars are in `reading.tokens`.
        end: Tick of the barline where they end.
        kept: Notes of the piece that stay: all but those of the read tracks that begin in the bars.
    """

    reading: Reading
    gap: Gap
    end: int
    kept: Table

    def notes(self, decoded: Score, encoder: Encoder) -> Table:
        """Return what is new in a decoded piece that was filled, `NOTE[N]` for the file; nothing sounds after `end`."""
        return _apart(self.reading.add(decoded, encoder, self.end), self.kept, self.reading.primer)


def read_gap(primer: Score, bars: Bars, encoder: Encoder) -> GapInPiece:
    """Return bars of a piece (of `merge_programs`, if it is from a file) as the model of `encoder` hears them.

    What stood in the bars is not heard: it has no influence on what is put there.

    Raises:
        MidiError: There are no such bars, or no notes outside of them.
        EncodingError: The model knows no bars, or cannot read the tracks.
    """
    if encoder.config.encoding != "metric":
        raise EncodingError(
            "a gap is filled by a model of bars, with the encoding metric. Use another checkpoint."
        )
    if not len(primer):
        raise MidiError("the primer has no notes to read around the bars. Give a file with notes.")
    finish = continuation_start(primer)
    start, end = _edges(primer, bars, finish)
    onset = primer.notes["onset"]
    inside = (onset >= start) & (onset < end)
    around = replace(primer, notes=primer.notes[~inside], end=finish)
    if not len(around):
        raise MidiError(
            f"there must be notes outside of the bars that are filled. Received: {bars[0]}-{bars[1]}, and all notes "
            "begin there. Fill fewer bars, or compose from nothing: --new."
        )
    picked, left_out = pick(around, encoder.config)
    heard, moved = _heard(around, picked, finish)
    tokens, gap, steps = _located(heard, start + moved, end + moved, encoder)
    if gap.opens > LONGEST_CONTEXT:  # of a longer piece the last bars before the gap are heard
        lines = borders(tokens, encoder.vocabulary)
        first = int(np.searchsorted(lines, gap.opens - LONGEST_CONTEXT))
        moved -= int(heard.barlines()[first])
        heard = heard[first:]
        tokens, gap, steps = _located(heard, start + moved, end + moved, encoder)
    reading = Reading(around, start, heard, tokens, steps, tuple(picked), left_out)
    return GapInPiece(
        reading, gap, end, primer.notes[~(inside & np.isin(primer.notes["track"], picked))]
    )


def _edges(primer: Score, bars: Bars, finish: int) -> tuple[int, int]:
    """Return the ticks at which the bars begin and end."""
    lines = primer.barlines()
    lines = lines[lines <= finish]
    pickup = int(pad_pickup(primer) is not primer)
    lowest, highest = 1 - pickup, len(lines) - 1 - pickup
    if not lowest <= bars[0] <= bars[1] <= highest:
        raise MidiError(
            f"bars to fill must be among the piece's, {lowest} to {highest}. Received: {bars[0]}-{bars[1]}. "
            "Bars are counted from 1, a pickup being 0; to go on after the last, leave out --fill."
        )
    return int(lines[bars[0] - lowest]), int(lines[bars[1] - lowest + 1])


def _heard(around: Score, picked: list[int], finish: int) -> tuple[Score, int]:
    """Return the tracks that are read, pickup filled up and gaps closed, and by how many ticks they moved."""
    chosen = close_gaps(around.select(picked))
    padded = pad_pickup(chosen)
    moved = padded.end - chosen.end
    notes = padded.notes.copy()
    notes["duration"] = np.minimum(
        notes["duration"], np.maximum(finish + moved - notes["onset"], 1)
    )
    heard = replace(padded, notes=notes, end=0)
    return replace(heard, end=finish + moved), moved


def _located(heard: Score, start: int, end: int, encoder: Encoder) -> tuple[Tokens, Gap, int]:
    """Return the tokens of what is heard, where the bars between two ticks are in them, and the gap's first step."""
    tokens, vocabulary = encoder.encode(heard), encoder.vocabulary
    lines = borders(tokens, vocabulary)
    steps = _steps(tokens, lines, vocabulary)
    wanted = np.array([start, end]) * encoder.config.steps_per_quarter / heard.ticks_per_quarter
    opens, closes = np.abs(steps[:, None] - wanted).argmin(axis=0).tolist()
    opens = min(opens, len(lines) - 2)
    return tokens, Gap(int(lines[opens]), int(lines[max(closes, opens + 1)])), int(steps[opens])


def _steps(tokens: Tokens, lines: NDArray[np.int64], vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the step at which each bar begins, and the piece ends: meters are said right after `bar`."""
    kinds = vocabulary.kinds[tokens]
    said = kinds[lines[:-1] + 1] == vocabulary.kind("time_signature")
    latest = np.maximum.accumulate(np.where(said, np.arange(len(said)), 0))
    lengths = vocabulary.meter_steps[vocabulary.values[tokens[lines[:-1] + 1]][latest]]
    return np.concatenate([[0], lengths.cumsum()])


class InfillGrammar(MetricGrammar):
    """The rules inside a gap: its bars have the meters that they had, and lead to the token that closes it.

    A note that rings in may ring on over the end; what begins in the gap ends in it.
    """

    def __init__(self, vocabulary: Vocabulary, tokens: Tokens, gap: Gap) -> None:
        """Stand at the beginning of the gap, after the `bar` that opens it."""
        super().__init__(vocabulary)
        self.read(tokens[: gap.opens + 1])
        lines = borders(tokens, vocabulary)
        opens, closes = np.searchsorted(lines, gap).tolist()
        self.length = self.bar + closes - opens
        self.heard.foresee(tokens[gap.closes :], closes - opens)
        self._closing = int(tokens[gap.closes])
        self._stop = int(_steps(tokens, lines, vocabulary)[closes])
        self.latest_off = min(self.latest_off, self._stop)
        after = tokens[lines[opens:closes] + 1]
        meters = vocabulary.of("time_signature")[after]
        self._meters = dict(
            zip((self.bar + meters.nonzero()[0]).tolist(), after[meters].tolist(), strict=True)
        )

    @property
    def left(self) -> int:
        """Bars left to fill, the one that this is in included, as the network is told."""
        assert self.length is not None
        return min(self.length - self.bar, LONGEST)

    @property
    def finished(self) -> bool:
        """Whether the token that closes the gap was taken."""
        return self.kind == "end" or self.bar == self.length

    @property
    def room(self) -> int:
        """How many steps the note that is being said may still last."""
        return self._stop - self.now - self.writing[1]

    @classmethod
    def allowed_in(cls, rows: Sequence[Self]) -> NDArray[np.bool_]:
        """Return `bool[B, V]`: the tokens that may come next in each row."""
        out = super().allowed_in(rows)
        meters, end = rows[0].vocabulary.of("time_signature"), rows[0].vocabulary.first["end"]
        for rules, mask in zip(rows, out, strict=True):
            mask[meters] = False
            if rules.kind == "bar" and rules.bar in rules._meters:
                mask[:] = False
                mask[rules._meters[rules.bar]] = True
            elif rules._closing != end:
                mask[rules._closing] |= mask[end]
                mask[end] = False
        return out


class ConditionedNetwork:
    """A network that fills one gap, as the token loop takes one: it is told what comes behind, and how much is left."""

    def __init__(self, engine: Engine, future: Tokens, rules: InfillGrammar) -> None:
        """Read the future, as `musegen.encoding.gaps.ahead` gives it."""
        self.widths = engine.widths[:1]
        self.rows = engine.rows
        self._engine, self._rules = engine.conditioned_on(future[None]), rules

    def step(
        self, tokens: Tokens, state: State, context: Context | None = None
    ) -> tuple[NDArray[np.float32], State]:
        """Hear a token; the rules have taken it already, and know how many bars are left."""
        return self._engine.step(
            tokens, state, context, np.full(len(tokens), self._rules.left, np.int32)
        )

    def listen(self, tokens: Tokens) -> tuple[NDArray[np.float32], State]:
        """Hear what stands before the gap, `int32[T]`; return logits for the next token and the state."""
        left = np.array([[0] * (len(tokens) - 1) + [self._rules.left]], np.int32)
        context = beside(tokens[None], self._rules.vocabulary, View.of(self._engine.config))
        logits, state = self._engine.forward(
            tokens[None], self._engine.initial_state(), context, left
        )
        return logits[0, -1], state


def _apart(added: Table, kept: Table, score: Score) -> Table:
    """Return the notes without those, and the ends of those, that meet another of their channel's pitch that stays."""
    channels = np.array(
        [t.channel if t.channel >= 0 else 16 + i for i, t in enumerate(score.tracks)]
    )

    def voices(notes: Table) -> Any:
        return channels[notes["track"]] * 128 + notes["pitch"]

    mine, theirs = voices(added), voices(kept)
    begins = kept["onset"].astype(np.int64)
    ends = begins + kept["duration"]
    stays = np.ones(len(added), bool)
    out: Table = added.copy()
    for index, (voice, (onset, duration, *_)) in enumerate(
        zip(mine.tolist(), added.tolist(), strict=True)
    ):
        meets = (theirs == voice) & (begins < onset + duration) & (ends > onset)
        if meets.any():
            first = int(begins[meets].min())
            stays[index] = first > onset
            out["duration"][index] = max(first - onset, 1)
    return out[stays]
