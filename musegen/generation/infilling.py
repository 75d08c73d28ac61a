"""Plan new music for bars inside a piece, conditioned on what precedes and follows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context import Context, View, context_of
from musegen.encoding.gaps import LONGEST, Gap, ahead, borders
from musegen.encoding.grammar import MetricGrammar
from musegen.encoding.vocabulary import Tokens, Vocabulary, transposed
from musegen.generation.expression import Expression
from musegen.generation.gap_in_piece import Bars, bar_steps, read_gap
from musegen.generation.plan import Model, Plan, Prefilled, Prefix, make_task
from musegen.generation.primer import in_best_octave
from musegen.generation.request import Composition, Request
from musegen.generation.tasks import Generated
from musegen.model.interface import SequenceNetwork, State
from musegen.score.midi.channels import channel_keys, without_collisions
from musegen.utils.arrays import Bools

__all__ = ["ConditionedNetwork", "InfillGrammar", "plan"]


def plan(request: Request, bars: Bars, model: Model) -> Plan:
    """Plan new music for bars of the request's primer.

    Notes that begin in these bars, on the tracks that the model reads, are replaced; everything
    else stays.

    Args:
        request: What is requested; its `bars` do not count.
        bars: The first and the last bar to fill.
        model: A model that fills gaps.

    Raises:
        MidiError: There are no such bars, or no notes outside of them.
        EncodingError: The model cannot encode bars or the tracks.
    """
    assert request.primer is not None
    primer, vocabulary = request.primer, model.vocabulary
    place = read_gap(primer, bars, model.encoder)
    reading, gap = place.reading, place.gap

    # The octave is chosen by the music on both sides of the gap.
    encoded = in_best_octave(reading, model.engine, vocabulary)
    rules = InfillGrammar(vocabulary, encoded.tokens, gap)
    future = ahead(encoded.tokens[gap.closes :], vocabulary)
    network = ConditionedNetwork(model.engine, future, rules)
    expression = Expression(reading, model.encoder)
    prefix = Prefix(encoded.tokens[: gap.opens + 1], encoded.shift, rules, reading, expression)
    prefilled = Prefilled(prefix, *network.prefill(prefix.tokens))

    def finish(drawn: Generated) -> Composition:
        end_token = vocabulary.first["end"]
        tokens = np.concatenate([prefix.tokens, drawn.tokens[:-1], [end_token]])
        decoded = model.encoder.decode(transposed(tokens, -prefix.shift, vocabulary))
        notes = expression.new_notes(decoded, place.end)
        keys, kept_keys = channel_keys(primer, notes), channel_keys(primer, place.kept)
        notes = without_collisions(notes, keys, place.kept, kept_keys)
        return Composition(
            score=replace(primer, notes=np.concatenate([place.kept, notes])),
            start=reading.start,
            added=notes,
            nats=float(drawn.nats.sum()),
            checkpoint=model.checkpoint.name,
            seed=request.seed,
            read=reading.names,
            left_out=reading.left_out,
            end=place.end,
            tracks=reading.sources,
        )

    task = make_task(prefilled, rules, request, len(reading.sources))
    return Plan(task, finish, network)


class InfillGrammar(MetricGrammar):
    """The grammar inside a gap: bars keep their meters, and lead to the token that closes the gap.

    A note that rings into the gap may ring on over its end; what begins in the gap ends in it.
    """

    def __init__(self, vocabulary: Vocabulary, tokens: Tokens, gap: Gap) -> None:
        """Begin after the `bar` that opens the gap."""
        super().__init__(vocabulary)
        self.read(tokens[: gap.opens + 1])
        lines = borders(tokens, vocabulary)
        opens, closes = np.searchsorted(lines, gap).tolist()
        self.length = self.bar + closes - opens
        self.history.set_future(tokens[gap.closes :], closes - opens)
        self._closing = int(tokens[gap.closes])
        self._stop = int(bar_steps(tokens, lines, vocabulary)[closes])
        self.latest_off = min(self.latest_off, self._stop)
        after = tokens[lines[opens:closes] + 1]
        meters = vocabulary.of("time_signature")[after]
        self._meters = dict(
            zip((self.bar + meters.nonzero()[0]).tolist(), after[meters].tolist(), strict=True)
        )

    @property
    def left(self) -> int:
        """Bars left to fill, the current one included: an input of the network."""
        assert self.length is not None
        return min(self.length - self.bar, LONGEST)

    @property
    def finished(self) -> bool:
        """Whether the token that closes the gap was drawn."""
        return self.kind == "end" or self.bar == self.length

    @property
    def room(self) -> int:
        """How many steps the note that is being written may still last."""
        return self._stop - self.now - self.writing[1]

    @classmethod
    def allowed_in(cls, rows: Sequence[Self]) -> Bools:
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
    """A network for the token loop, conditioned on what follows one gap and on the bars left in it.

    Args:
        engine: An infilling network.
        future: The tokens after the gap, as `musegen.encoding.gaps.ahead` returns them.
        rules: The grammar that counts the bars left.
    """

    def __init__(self, engine: SequenceNetwork, future: Tokens, rules: InfillGrammar) -> None:
        """Encode the future once."""
        self.widths = engine.widths[:1]
        self.rows = engine.rows
        self._engine = engine.conditioned_on(future[None])
        self._rules = rules

    def step(
        self, tokens: Tokens, state: State, context: Context | None = None
    ) -> tuple[NDArray[np.float32], State]:
        """Process one token, which `rules` has taken already."""
        left = np.full(len(tokens), self._rules.left, np.int32)
        return self._engine.step(tokens, state, context, left)

    def prefill(self, tokens: Tokens) -> tuple[NDArray[np.float32], State]:
        """Process the tokens before the gap, `int32[T]`; return the next logits and the state."""
        left = np.array([[0] * (len(tokens) - 1) + [self._rules.left]], np.int32)
        context = context_of(tokens[None], self._rules.vocabulary, View.of(self._engine.config))
        state = self._engine.initial_state()
        logits, state = self._engine.forward(tokens[None], state, context, left)
        return logits[0, -1], state
