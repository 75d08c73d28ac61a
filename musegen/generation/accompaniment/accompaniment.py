"""Parts beside a primer as a task for the token loop, and the way back: from what was drawn to notes for the file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import ConstraintConfig
from musegen.encoding.encoder import Encoder
from musegen.encoding.grammar import Mask
from musegen.encoding.metric import to_steps, without_overlaps
from musegen.encoding.normalise import close_gaps
from musegen.encoding.transposing import transposed
from musegen.encoding.vocabulary import Tokens
from musegen.generation.accompaniment.part_assignment import PartAssignment, accompaniment_task
from musegen.generation.constraints import ConstraintContext, Constraints, faded
from musegen.generation.continuation import Plan, Prefilled
from musegen.generation.primer import bar_ticks
from musegen.generation.request import Composition, Request
from musegen.generation.tasks import Generated
from musegen.model.checkpoint import Checkpoint
from musegen.score import Score, Table, Track
from musegen.score.keys import Key, find_key

__all__ = ["accompaniment"]

SOFTER = 0.85  # share of the primer's mean velocity, where the model knows no loudness


def accompaniment(
    prefilled: Prefilled,
    assignment: PartAssignment,
    request: Request,
    checkpoint: Checkpoint,
    encoder: Encoder,
) -> Plan:
    """Return the plan of parts beside a primer, over its own bars.

    Args:
        prefilled: The prefix of a new piece.
        assignment: The primer as parts of the ensemble.
        request: What is asked.
        checkpoint: The model.
        encoder: The model's.
    """
    vocabulary = encoder.vocabulary
    others = _constraints(assignment, request, encoder)
    task = accompaniment_task(assignment, prefilled, request.sampler, request.seed, encoder, others)

    def finish(drawn: Generated) -> Composition:
        tokens = np.append(prefilled.prefix.tokens, drawn.tokens)
        decoded = encoder.decode(transposed(tokens, -assignment.shift, vocabulary))
        tracks = _tracks(assignment, decoded, checkpoint, encoder)
        notes = _added(assignment, decoded, encoder)
        notes["track"] = len(assignment.primer.tracks) + np.searchsorted(
            sorted(tracks), notes["track"]
        )
        if request.constraints.end == "fade":
            notes = faded(
                notes, 0, assignment.end, bar_ticks(assignment.primer, assignment.end - 1)
            )
        score = replace(
            assignment.primer,
            notes=np.concatenate([assignment.primer.notes, notes]),
            tracks=(*assignment.primer.tracks, *(tracks[part] for part in sorted(tracks))),
            end=max(assignment.primer.end, assignment.end),
        )
        nats = float(drawn.nats[_chosen(tokens, decoded, assignment, encoder)[1:]].sum())
        return Composition(
            score,
            0,
            notes,
            nats,
            checkpoint.name,
            request.seed,
            assignment.names,
            assignment.left_out,
            assignment.end,
            relaxed=drawn.relaxed,
        )

    return Plan(task, finish)


def _constraints(
    assignment: PartAssignment, request: Request, encoder: Encoder
) -> Constraints | None:
    """Return what is asked of the added parts; None for nothing."""
    wanted = request.constraints
    if wanted == ConstraintConfig():
        return None
    key = find_key(assignment.primer) if wanted.key in ("none", "auto") else Key.parse(wanted.key)
    stop, quarter = assignment.stop(encoder), float(encoder.config.steps_per_quarter)
    place = ConstraintContext(
        key=key,
        shift=assignment.shift,
        stop=stop,
        quarter=quarter,
        bar=4 * quarter,
        parts=assignment.size,
    )
    return Constraints.of(wanted, encoder.vocabulary, place)


def _tracks(
    assignment: PartAssignment, decoded: Score, checkpoint: Checkpoint, encoder: Encoder
) -> dict[int, Track]:
    """Return the track of each part that was added."""
    out = {}
    for part in np.unique(decoded.notes["track"]).tolist():
        if part in assignment.free:
            heard = decoded.tracks[part]
            known = checkpoint.ensemble[part] if checkpoint.ensemble else Track(f"Part {part + 1}")
            program = heard.program if encoder.config.programs else known.program
            out[part] = replace(known, program=program, is_drum=heard.is_drum)
    return out


def _added(assignment: PartAssignment, decoded: Score, encoder: Encoder) -> Table:
    """Return the notes of the added parts, `NOTE[N]`, in the primer's ticks; `track` is still the part.

    A note that begins or ends with one of the primer's begins or ends at its very tick, however
    freely that is played; and it is as much shorter than written as the primer's are.
    """
    primer = assignment.primer
    per_quarter, steps = primer.ticks_per_quarter, encoder.config.steps_per_quarter
    out: Table = decoded.notes[np.isin(decoded.notes["track"], assignment.free)].copy()
    heard = assignment.heard.notes["onset"].astype(np.int64)
    played, where = np.unique(to_steps(heard, per_quarter, steps), return_index=True)

    def ticks(at: NDArray[Any]) -> NDArray[np.int64]:
        nearest = np.minimum(np.searchsorted(played, at), len(played) - 1)
        grid = np.round(at * (per_quarter / steps)).astype(np.int64)
        out: NDArray[np.int64] = (
            np.where(played[nearest] == at, heard[where[nearest]], grid) - assignment.moved
        )
        return out

    begins = out["onset"].astype(np.int64)
    onset = np.maximum(ticks(begins), 0)
    offset = np.minimum(ticks(begins + out["duration"]), assignment.end)
    mine = np.isin(primer.notes["track"], assignment.sources)
    share = float(
        np.median((primer.notes["duration"] / close_gaps(primer).notes["duration"])[mine])
    )
    out["onset"] = onset
    out["duration"] = np.maximum(np.round((offset - onset) * share), 1)
    if not encoder.config.velocities:
        out["velocity"] = max(round(SOFTER * float(primer.notes["velocity"][mine].mean())), 1)
    out = out[onset < assignment.end]
    out = out[np.lexsort((out["pitch"], out["track"], out["onset"]))]
    voice = out["track"].astype(np.int64) * 128 + out["pitch"]
    stays, lasts = without_overlaps(
        voice, out["onset"].astype(np.int64), out["duration"].astype(np.int64)
    )
    out["duration"] = lasts
    return out[stays]


def _chosen(tokens: Tokens, decoded: Score, assignment: PartAssignment, encoder: Encoder) -> Mask:
    """Return which tokens say the added notes, `bool[T]`, and the positions where nothing of the primer stands."""
    vocabulary, primer = encoder.vocabulary, encoder.decode(assignment.tokens)
    kinds, values = vocabulary.kinds[tokens], vocabulary.values[tokens]
    parts = vocabulary.of("part")[tokens]
    part = values[np.maximum.accumulate(np.where(parts, np.arange(len(tokens)), 0))]
    out = vocabulary.of("part", "program", "pitch", "drum", "velocity", "hold", "duration")[tokens]
    out &= np.isin(part, assignment.free)
    positions = kinds == vocabulary.kind("position")
    bar = vocabulary.of("bar")[tokens].cumsum()[positions] - 1
    taken = np.append(primer.notes["onset"], primer.tempos["tick"])
    out[positions] = ~np.isin(decoded.barlines()[bar] + values[positions], taken)
    mask: Mask = out
    return mask
