"""Plan a continuation: new bars after the primer's last."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from musegen.data.novelty import Index
from musegen.encoding.grammar import BAR, Grammar, MetricGrammar
from musegen.encoding.vocabulary import transposed
from musegen.generation.constraints import faded
from musegen.generation.guards import CopyGuard, Guard, RepetitionGuard
from musegen.generation.plan import Model, Plan, Prefilled, make_task
from musegen.generation.primer import bar_ticks
from musegen.generation.request import Composition, Request
from musegen.generation.tasks import Generated
from musegen.score import Score
from musegen.score.midi.settling import settled

__all__ = ["guards_for", "plan"]


def plan(request: Request, prefilled: Prefilled, model: Model, index: Index | None = None) -> Plan:
    """Plan a piece that continues its primer.

    Args:
        request: What is requested.
        prefilled: The primer, from `plan.after_primer`.
        model: The model.
        index: The training pieces, if new music must not copy them.
    """
    prefix, primer = prefilled.prefix, request.primer
    reading, expression = prefix.reading, prefix.expression
    assert reading is not None and expression is not None and primer is not None
    start, bar = reading.start, bar_ticks(primer, reading.start)
    end = start + round(request.bars * bar)

    # The grammar counts bars, or steps of 10 ms.
    rules = prefix.rules.copy()
    if isinstance(rules, MetricGrammar):
        steps = (end - start) * model.encoder.config.steps_per_quarter / primer.ticks_per_quarter
        rules.length = rules.bar + max(1, round(steps / rules.bar_length))
    else:
        seconds = float(np.diff(reading.primer.seconds(np.array([start, end])))[0])
        rules.length = reading.steps + max(1, round(100 * seconds))

    def finish(drawn: Generated) -> Composition:
        tokens = np.append(prefix.tokens, drawn.tokens)
        decoded = model.encoder.decode(transposed(tokens, -prefix.shift, model.vocabulary))
        notes = expression.new_notes(decoded, end)
        if request.constraints.end == "fade":
            notes = faded(notes, start, end, bar)
        piece = settled(primer, start, end)
        return Composition(
            score=replace(piece, notes=np.concatenate([primer.notes, notes]), end=end),
            start=start,
            added=notes,
            nats=float(drawn.nats.sum()),
            checkpoint=model.checkpoint.name,
            seed=request.seed,
            read=reading.names,
            left_out=reading.left_out,
            backtracks=drawn.backtracks,
            relaxed=drawn.relaxed,
            undone=_behind(primer, start, end),
        )

    guards = guards_for(request, rules, index)
    return Plan(make_task(prefilled, rules, request, len(reading.sources), guards), finish)


def _behind(primer: Score, start: int, end: int) -> tuple[tuple[str, int], ...]:
    """Return what the primer changes among the new bars, and how often."""
    marks = {"tempo": primer.tempos, "meter": primer.meters, "key": primer.keys}
    counts = {
        name: int(((rows["tick"] > start) & (rows["tick"] < end)).sum())
        for name, rows in marks.items()
    }
    return tuple((name, count) for name, count in counts.items() if count)


def guards_for(request: Request, rules: Grammar, index: Index | None) -> tuple[Guard, ...]:
    """Return the checks that new music must pass at every barline."""
    if index is None or not request.max_copied:
        return (RepetitionGuard(),)
    scale = 1 if isinstance(rules, MetricGrammar) else 4 * index.steps_per_quarter / BAR
    return RepetitionGuard(), CopyGuard(index.run_lengths, scale, request.max_copied)
