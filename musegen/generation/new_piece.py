"""Plan a new piece, without a primer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from musegen.data.novelty import Index
from musegen.encoding.grammar import BAR, MetricGrammar
from musegen.generation.constraints import faded
from musegen.generation.continuation import guards_for
from musegen.generation.plan import Model, Plan, Prefilled, make_task
from musegen.generation.request import Composition, Request
from musegen.generation.tasks import Generated
from musegen.score import TEMPO, Score, Track, table
from musegen.score.timing import DEFAULT_TEMPO

__all__ = ["plan"]


def plan(request: Request, prefilled: Prefilled, model: Model, index: Index | None = None) -> Plan:
    """Plan a piece from nothing, for the instruments that the checkpoint names.

    Args:
        request: What is requested.
        prefilled: From `plan.before_anything`.
        model: The model.
        index: The training pieces, if new music must not copy them.
    """
    ensemble = model.checkpoint.ensemble or (Track(),)
    rules = prefilled.prefix.rules.copy()
    rules.length = request.bars * (1 if isinstance(rules, MetricGrammar) else BAR)

    def finish(drawn: Generated) -> Composition:
        score = model.encoder.decode(np.append(prefilled.prefix.tokens, drawn.tokens))
        if request.constraints.end == "fade":
            score = replace(score, notes=faded(score.notes, 0, score.end, score.end / request.bars))
        score = _named(score, ensemble, keeps_programs=model.encoder.config.programs)
        return Composition(
            score=score,
            start=0,
            added=score.notes,
            nats=float(drawn.nats.sum()),
            checkpoint=model.checkpoint.name,
            seed=request.seed,
            backtracks=drawn.backtracks,
            relaxed=drawn.relaxed,
        )

    guards = guards_for(request, rules, index)
    return Plan(make_task(prefilled, rules, request, len(ensemble), guards), finish)


def _named(score: Score, ensemble: tuple[Track, ...], keeps_programs: bool) -> Score:
    """Give the tracks the ensemble's names, and its programs unless the tokens say programs."""
    # A piece may use fewer parts than the ensemble has.
    tracks = tuple(
        replace(
            known, program=track.program if keeps_programs else known.program, is_drum=track.is_drum
        )
        for known, track in zip(ensemble, score.tracks, strict=False)
    )
    tempos = score.tempos if len(score.tempos) else table(TEMPO, [(0, DEFAULT_TEMPO)])
    return replace(score, tracks=tracks, tempos=tempos)
