"""A plan: a task for the token loop, and the function that turns its tokens into a composition.

`continuation`, `new_piece`, `infilling` and `accompaniment` each have a function `plan`, which
returns one. A `Prefix` is what precedes the first token to be drawn; prefilling it computes the
network's state once, and all variations of a primer begin from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import ConstraintConfig
from musegen.encoding.context import View, context_of
from musegen.encoding.encoder import Encoder
from musegen.encoding.grammar import BAR, Grammar, MetricGrammar, grammar
from musegen.encoding.metric import supported_meter
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.generation.constraints import ConstraintContext, Constraints
from musegen.generation.expression import Expression
from musegen.generation.guards import Guard
from musegen.generation.primer import EncodedPrimer, Reading, bar_ticks, meter_at
from musegen.generation.request import Composition, Request
from musegen.generation.tasks import Generated, Task
from musegen.model.checkpoint import Checkpoint
from musegen.model.interface import Network, SequenceNetwork
from musegen.score import Score
from musegen.score.keys import Key, find_key
from musegen.utils.arrays import Bools

__all__ = [
    "Model",
    "Plan",
    "Prefilled",
    "Prefix",
    "after_primer",
    "before_anything",
    "make_task",
    "prefill",
    "unplayable",
]

LONGEST_REST = 2  # bars: a note begins in every second
LONGEST_REST_STEPS = 400  # of 10 ms, in performances


@dataclass(frozen=True)
class Model:
    """A checkpoint with the encoder it was trained with and its network."""

    checkpoint: Checkpoint
    encoder: Encoder
    engine: SequenceNetwork

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of the encoder."""
        return self.encoder.vocabulary

    @property
    def view(self) -> View:
        """What the network sees besides the tokens."""
        return View.of(self.checkpoint.model)


@dataclass(frozen=True)
class Prefix:
    """What precedes the first token to be drawn.

    Attributes:
        tokens: The network's input, `int32[T]`.
        shift: Semitones by which the tokens are transposed.
        rules: The grammar after these tokens.
        reading: What is read of the primer; None for a new piece.
        expression: How the primer is played; None for a new piece.
    """

    tokens: Tokens
    shift: int
    rules: Grammar
    reading: Reading | None = None
    expression: Expression | None = None


@dataclass(frozen=True)
class Prefilled:
    """A prefix that the network has processed.

    Attributes:
        prefix: The prefix.
        logits: For the next token, `float32[V]`.
        state: The network's state, of one row.
    """

    prefix: Prefix
    logits: NDArray[np.float32]
    state: Any


@dataclass(frozen=True)
class Plan:
    """A task for the token loop, and what makes a composition of what it draws.

    Attributes:
        task: The task.
        finish: Turns what was drawn into a composition.
        network: The network to draw with, if it is not the model's own.
    """

    task: Task
    finish: Callable[[Generated], Composition]
    network: Network | None = None


def before_anything(vocabulary: Vocabulary) -> Prefix:
    """Return the prefix of a new piece: `start`."""
    rules = grammar(vocabulary)
    start = np.array([vocabulary.first["start"]], np.int32)
    return Prefix(start, 0, rules.read(start))


def after_primer(encoded: EncodedPrimer, encoder: Encoder) -> Prefix:
    """Return the prefix of a continuation: the primer, and in metric music the next bar's opening.

    Args:
        encoded: The primer's tokens, up to and with `end`.
        encoder: The model's.
    """
    reading, vocabulary = encoded.reading, encoder.vocabulary
    rules = grammar(vocabulary)
    tokens = encoded.tokens[:-1]
    rules.read(tokens)
    if isinstance(rules, MetricGrammar):
        first = vocabulary.first
        rules.advance(first["bar"])
        opening = [first["bar"]]
        meter = first["time_signature"] + supported_meter(*meter_at(reading.primer, reading.start))
        if rules.allowed()[meter]:  # the meter changes on this very barline
            rules.advance(meter)
            opening.append(meter)
        tokens = np.append(tokens, np.array(opening, np.int32))
    return Prefix(tokens, encoded.shift, rules, reading, Expression(reading, encoder))


def prefill(prefix: Prefix, model: Model) -> Prefilled:
    """Run the network over a prefix."""
    tokens = prefix.tokens[None]
    context = context_of(tokens, model.vocabulary, model.view)
    logits, state = model.engine.forward(tokens, model.engine.initial_state(), context)
    return Prefilled(prefix, logits[0, -1], state)


def make_task(
    prefilled: Prefilled, rules: Grammar, request: Request, parts: int, guards: Sequence[Guard] = ()
) -> Task:
    """Make the task of writing on after a prefix.

    Args:
        prefilled: The prefix.
        rules: The grammar after it; its `length` says where the music ends.
        request: What is requested.
        parts: How many parts may be used.
        guards: Checks at every barline.
    """
    assert rules.length is not None
    if isinstance(rules, MetricGrammar):
        left, rest = rules.length - max(rules.bar, 0), LONGEST_REST
    else:
        left, rest = rules.length - max(rules.now, 0), LONGEST_REST_STEPS
    rules.longest_rest = min(rest, left)

    prefix, vocabulary = prefilled.prefix, rules.vocabulary
    constraint = None
    if request.constraints != ConstraintConfig():
        context = _constraint_context(prefix, rules, request, parts)
        constraint = Constraints.of(request.constraints, vocabulary, context)
    return Task(
        logits=prefilled.logits,
        state=prefilled.state,
        rules=rules,
        sampler=request.sampler,
        rng=np.random.default_rng(request.seed),
        forbidden=_foreign(vocabulary, parts) | unplayable(vocabulary, prefix.shift),
        constraint=constraint,
        guards=guards,
    )


def _foreign(vocabulary: Vocabulary, parts: int) -> Bools:
    """Return tokens that would change tempo, meter or the parts that play, `bool[V]`."""
    of_part = vocabulary.of("part")
    return vocabulary.of("tempo", "time_signature") | (of_part & (vocabulary.values >= parts))


def unplayable(vocabulary: Vocabulary, shift: int) -> Bools:
    """Return tokens of pitches that leave MIDI's range when they are transposed back, `bool[V]`."""
    sounding = vocabulary.values - shift
    return vocabulary.transposable & ((sounding < 0) | (sounding > 127))


def _constraint_context(
    prefix: Prefix, rules: Grammar, request: Request, parts: int
) -> ConstraintContext:
    """Return what constraints must know of the piece."""
    quarter, bar = _quarter_and_bar(prefix, rules)
    return ConstraintContext(
        key=_key(request),
        shift=prefix.shift,
        start=rules.now,
        quarter=quarter,
        bar=bar,
        parts=parts,
    )


def _key(request: Request) -> Key | None:
    """Return the key that the music must keep to."""
    match request.constraints.key:
        case "none":
            return None
        case "auto":
            return find_key(request.primer or Score())
        case text:
            return Key.parse(text)


def _quarter_and_bar(prefix: Prefix, rules: Grammar) -> tuple[float, float]:
    """Return the lengths of a quarter note and of a bar, in steps, where new music begins."""
    if isinstance(rules, MetricGrammar):
        return float(rules.vocabulary.config.steps_per_quarter), rules.bar_length
    if prefix.reading is None:
        return BAR / 4, BAR
    primer, start = prefix.reading.primer, prefix.reading.start
    edges = np.array([start, start + primer.ticks_per_quarter, start + bar_ticks(primer, start)])
    seconds = primer.seconds(edges)
    quarter, bar = (100 * (seconds[1:] - seconds[0])).tolist()
    return quarter, bar
