"""A piece as a task for the token loop, and the way back: from what was drawn to notes for the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import ConstraintConfig
from musegen.data.novelty import Index
from musegen.encoding.encoder import Encoder
from musegen.encoding.grammar import BAR, Grammar, MetricGrammar, grammar
from musegen.encoding.metric import supported_meter
from musegen.encoding.transposing import transposed
from musegen.encoding.vocabulary import Tokens
from musegen.generation.constraints import ConstraintContext, Constraints, faded
from musegen.generation.guards import CopyGuard, Guard, RepetitionGuard
from musegen.generation.primer import Reading, bar_ticks, meter_at
from musegen.generation.request import Composition, Request
from musegen.generation.tasks import Generated, Task
from musegen.model.checkpoint import Checkpoint
from musegen.score import TEMPO, Score, Track, table
from musegen.score.keys import Key, find_key
from musegen.score.timing import DEFAULT_TEMPO

__all__ = ["Plan", "Prefilled", "Prefix", "continuation", "make_task", "new_piece", "prefix_of"]

LONGEST_REST = 2  # bars: a note begins in every second
LONGEST_REST_STEPS = 400  # of 10 ms, in performances


@dataclass(frozen=True)
class Prefix:
    """What stands before the first token that is to be written.

    Attributes:
        reading: What is read of the primer; None for a new piece.
        tokens: As the network hears them, `int32[T]`.
        shift: By how many semitones they were moved to where the network knows its way.
        rules: Have taken them.
    """

    reading: Reading | None
    tokens: Tokens
    shift: int
    rules: Grammar


@dataclass(frozen=True)
class Prefilled:
    """An prefix, and what the network makes of it: logits for the next token, `float32[V]`, and its state."""

    prefix: Prefix
    logits: NDArray[np.float32]
    state: Any


@dataclass(frozen=True)
class Plan:
    """A task for the token loop, and what makes a piece of what was drawn."""

    task: Task
    finish: Callable[[Generated], Composition]


def prefix_of(reading: Reading | None, heard: Tokens, shift: int, encoder: Encoder) -> Prefix:
    """Return the prefix of a continuation: the primer, and of metric music the beginning of the next bar.

    Args:
        reading: What is read of the primer; None for a new piece.
        heard: Its tokens, moved by `shift`, up to and with `end`.
        shift: In semitones.
        encoder: What made them.
    """
    vocabulary = encoder.vocabulary
    rules = grammar(vocabulary)
    if reading is None:
        start = np.array([vocabulary.first["start"]], np.int32)
        return Prefix(None, start, 0, rules.read(start))
    tokens = heard[:-1]
    rules.read(tokens)
    if isinstance(rules, MetricGrammar):
        first = vocabulary.first
        rules.advance(first["bar"])
        bar = [first["bar"]]
        meter = first["time_signature"] + supported_meter(*meter_at(reading.primer, reading.start))
        if rules.allowed()[meter]:  # the meter changes on this very barline
            rules.advance(meter)
            bar.append(meter)
        tokens = np.append(tokens, np.array(bar, np.int32))
    return Prefix(reading, tokens, shift, rules)


def continuation(
    prefilled: Prefilled,
    request: Request,
    checkpoint: Checkpoint,
    encoder: Encoder,
    index: Index | None = None,
) -> Plan:
    """Return the plan of a piece that goes on from its prefix."""
    prefix, vocabulary = prefilled.prefix, encoder.vocabulary
    reading, primer, shift = prefix.reading, request.primer, prefix.shift
    assert reading is not None and primer is not None
    end = reading.start + round(request.bars * bar_ticks(primer, reading.start))
    rules = prefix.rules.copy()
    if isinstance(rules, MetricGrammar):
        steps = (end - reading.start) * encoder.config.steps_per_quarter / primer.ticks_per_quarter
        rules.length = rules.bar + max(1, round(steps / rules.bar_length))
    else:
        seconds = float(np.diff(primer.seconds(np.array([reading.start, end])))[0])
        rules.length = reading.steps + max(1, round(100 * seconds))

    def finish(drawn: Generated) -> Composition:
        tokens = transposed(np.append(prefix.tokens, drawn.tokens), -shift, vocabulary)
        notes = reading.add(encoder.decode(tokens), encoder, end)
        if request.constraints.end == "fade":
            notes = faded(notes, reading.start, end, bar_ticks(primer, reading.start))
        score = replace(primer, notes=np.concatenate([primer.notes, notes]), end=end)
        return Composition(
            score,
            reading.start,
            notes,
            float(drawn.nats.sum()),
            checkpoint.name,
            request.seed,
            reading.names,
            reading.left_out,
            backtracks=drawn.backtracks,
            relaxed=drawn.relaxed,
        )

    return Plan(
        make_task(prefilled, rules, request, len(reading.sources), _guards(rules, request, index)),
        finish,
    )


def new_piece(
    prefilled: Prefilled,
    request: Request,
    checkpoint: Checkpoint,
    encoder: Encoder,
    index: Index | None = None,
) -> Plan:
    """Return the plan of a piece without a primer, for the instruments that the checkpoint knows."""
    known = checkpoint.ensemble or (Track(),)
    rules = prefilled.prefix.rules.copy()
    rules.length = request.bars * (1 if isinstance(rules, MetricGrammar) else BAR)

    def finish(drawn: Generated) -> Composition:
        score = encoder.decode(np.append(prefilled.prefix.tokens, drawn.tokens))
        if request.constraints.end == "fade":
            score = replace(score, notes=faded(score.notes, 0, score.end, score.end / request.bars))
        tracks = (
            replace(
                k, program=t.program if encoder.config.programs else k.program, is_drum=t.is_drum
            )
            for k, t in zip(
                known, score.tracks, strict=False
            )  # a piece may use fewer parts than are known
        )
        tempos = score.tempos if len(score.tempos) else table(TEMPO, [(0, DEFAULT_TEMPO)])
        score = replace(score, tracks=tuple(tracks), tempos=tempos)
        return Composition(
            score,
            0,
            score.notes,
            float(drawn.nats.sum()),
            checkpoint.name,
            request.seed,
            backtracks=drawn.backtracks,
            relaxed=drawn.relaxed,
        )

    return Plan(
        make_task(prefilled, rules, request, len(known), _guards(rules, request, index)), finish
    )


def make_task(
    prefilled: Prefilled, rules: Grammar, request: Request, parts: int, guards: Sequence[Guard] = ()
) -> Task:
    """Return the task of going on by some rules, with a length, for so many parts."""
    assert rules.length is not None
    here, rest = (
        (rules.bar, LONGEST_REST)
        if isinstance(rules, MetricGrammar)
        else (rules.now, LONGEST_REST_STEPS)
    )
    rules.longest_rest = min(rest, rules.length - max(here, 0))
    rng, forbidden = np.random.default_rng(request.seed), _out_of_place(prefilled.prefix, parts)
    constraint = None
    if request.constraints != ConstraintConfig():
        constraint = Constraints.of(
            request.constraints, rules.vocabulary, _place(prefilled.prefix, rules, request, parts)
        )
    return Task(
        prefilled.logits,
        prefilled.state,
        rules,
        request.sampler,
        rng,
        forbidden,
        constraint,
        guards,
    )


def _place(prefix: Prefix, rules: Grammar, request: Request, parts: int) -> ConstraintContext:
    """Return what constraints must know of the piece."""
    primer, key = request.primer, request.constraints.key
    quarter, bar = (
        float(rules.vocabulary.config.steps_per_quarter),
        4.0 * rules.vocabulary.config.steps_per_quarter,
    )
    if isinstance(rules, MetricGrammar):
        bar = rules.bar_length
    elif prefix.reading is None or primer is None:
        quarter, bar = BAR / 4, BAR
    else:
        start = prefix.reading.start
        edges = primer.seconds(
            np.array([start, start + primer.ticks_per_quarter, start + bar_ticks(primer, start)])
        )
        quarter, bar = (100 * (edges[1:] - edges[0])).tolist()
    known = (
        None if key == "none" else Key.parse(key) if key != "auto" else find_key(primer or Score())
    )
    return ConstraintContext(
        key=known,
        shift=prefix.shift,
        start=rules.now,
        quarter=quarter,
        bar=bar,
        parts=parts,
    )


def _out_of_place(prefix: Prefix, parts: int) -> NDArray[np.bool_]:
    """Return the tokens that a continuation does not use, `bool[V]`.

    It keeps the primer's tempo, meter and instruments, and to pitches that are MIDI's when they are
    moved back.
    """
    vocabulary = prefix.rules.vocabulary
    out = vocabulary.of("tempo", "time_signature", "part")
    out &= ~(vocabulary.of("part") & (vocabulary.values < parts))
    sounding = vocabulary.values - prefix.shift
    out |= vocabulary.transposable & ((sounding < 0) | (sounding > 127))
    return out


def _guards(rules: Grammar, request: Request, index: Index | None) -> tuple[Guard, ...]:
    """Return what looks back at the piece, at every barline."""
    metric = isinstance(rules, MetricGrammar)
    if index is None or not request.max_copied:
        return (RepetitionGuard(),)
    scale = 1 if metric else 4 * index.steps_per_quarter / BAR
    return RepetitionGuard(), CopyGuard(index.run_lengths, scale, request.max_copied)
