"""Plan an accompaniment: new parts that play at the same time as the primer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import ConstraintConfig
from musegen.encoding.encoder import Encoder
from musegen.encoding.metric import to_steps, without_overlaps
from musegen.encoding.normalise import close_gaps
from musegen.encoding.vocabulary import Tokens, transposed
from musegen.generation.accompaniment.part_assignment import (
    PartAssignment,
    accompaniment_task,
    parts_of,
)
from musegen.generation.constraints import ConstraintContext, Constraints, faded
from musegen.generation.plan import Model, Plan, Prefilled
from musegen.generation.primer import bar_ticks
from musegen.generation.request import Composition, Request
from musegen.generation.tasks import Generated
from musegen.score import Score, Table, Track
from musegen.score.keys import Key, find_key
from musegen.utils.arrays import Bools, Ints

__all__ = ["plan"]

SOFTER = 0.85  # share of the primer's mean velocity, where the model has no loudness


def plan(request: Request, prefilled: Prefilled, assignment: PartAssignment, model: Model) -> Plan:
    """Plan new parts over the primer's own bars.

    Args:
        request: What is requested.
        prefilled: The prefix of a new piece.
        assignment: The primer's tracks as parts of the ensemble.
        model: The model.
    """
    encoder = model.encoder
    primer, end = assignment.primer, assignment.end

    def finish(drawn: Generated) -> Composition:
        tokens = np.append(prefilled.prefix.tokens, drawn.tokens)
        decoded = encoder.decode(transposed(tokens, -assignment.shift, model.vocabulary))

        # New tracks follow those of the primer.
        tracks = _new_tracks(assignment, decoded, model)
        notes = _new_notes(assignment, decoded, encoder)
        notes["track"] = len(primer.tracks) + np.searchsorted(sorted(tracks), notes["track"])
        if request.constraints.end == "fade":
            notes = faded(notes, 0, end, bar_ticks(primer, end - 1))
        score = replace(
            primer,
            notes=np.concatenate([primer.notes, notes]),
            tracks=(*primer.tracks, *(tracks[part] for part in sorted(tracks))),
            end=max(primer.end, end),
        )

        # Only the tokens of new notes count.
        counted = _chosen(tokens, decoded, assignment, encoder)[1:]
        return Composition(
            score=score,
            start=0,
            added=notes,
            nats=float(drawn.nats[counted].sum()),
            checkpoint=model.checkpoint.name,
            seed=request.seed,
            read=assignment.names,
            left_out=assignment.left_out,
            end=end,
            relaxed=drawn.relaxed,
        )

    constraints = _constraints(assignment, request, encoder)
    task = accompaniment_task(
        assignment, prefilled, request.sampler, request.seed, encoder, constraints
    )
    return Plan(task, finish)


def _constraints(
    assignment: PartAssignment, request: Request, encoder: Encoder
) -> Constraints | None:
    """Return the constraints on the new parts; None for none."""
    wanted = request.constraints
    if wanted == ConstraintConfig():
        return None
    if wanted.key in ("none", "auto"):
        key = find_key(assignment.primer)
    else:
        key = Key.parse(wanted.key)
    quarter = float(encoder.config.steps_per_quarter)
    context = ConstraintContext(
        key=key,
        shift=assignment.shift,
        stop=assignment.stop(encoder),
        quarter=quarter,
        bar=4 * quarter,
        parts=assignment.size,
    )
    return Constraints.of(wanted, encoder.vocabulary, context)


def _new_tracks(assignment: PartAssignment, decoded: Score, model: Model) -> dict[int, Track]:
    """Return the track of each part that was added."""
    ensemble, keeps_programs = model.checkpoint.ensemble, model.encoder.config.programs
    tracks = {}
    for part in np.unique(decoded.notes["track"]).tolist():
        if part in assignment.free:
            track = decoded.tracks[part]
            known = ensemble[part] if ensemble else Track(f"Part {part + 1}")
            program = track.program if keeps_programs else known.program
            tracks[part] = replace(known, program=program, is_drum=track.is_drum)
    return tracks


def _new_notes(assignment: PartAssignment, decoded: Score, encoder: Encoder) -> Table:
    """Return the notes of the new parts, `NOTE[N]`, in the primer's ticks; `track` is the part.

    A note that begins or ends with one of the primer's begins or ends at its very tick, however
    freely that is played; and it is as much shorter than written as the primer's are.
    """
    primer, end = assignment.primer, assignment.end
    out = decoded.notes[np.isin(decoded.notes["track"], assignment.free)].copy()

    # From steps to ticks, through the primer's own onsets where there are some.
    per_step = primer.ticks_per_quarter / encoder.config.steps_per_quarter
    onsets = assignment.music.notes["onset"].astype(np.int64)
    steps = to_steps(onsets, primer.ticks_per_quarter, encoder.config.steps_per_quarter)
    played, where = np.unique(steps, return_index=True)

    def ticks(at: NDArray[Any]) -> Ints:
        nearest = np.minimum(np.searchsorted(played, at), len(played) - 1)
        on_grid = np.round(at * per_step).astype(np.int64)
        exact = np.where(played[nearest] == at, onsets[where[nearest]], on_grid)
        return exact - assignment.moved

    first = out["onset"].astype(np.int64)
    onset = np.maximum(ticks(first), 0)
    offset = np.minimum(ticks(first + out["duration"]), end)

    # The primer's articulation, and a little less than its loudness.
    mine = np.isin(primer.notes["track"], assignment.sources)
    written = close_gaps(primer).notes["duration"]
    share = float(np.median((primer.notes["duration"] / written)[mine]))
    out["onset"] = onset
    out["duration"] = np.maximum(np.round((offset - onset) * share), 1)
    if not encoder.config.velocities:
        out["velocity"] = max(round(SOFTER * float(primer.notes["velocity"][mine].mean())), 1)

    # In order, and each cut where the next of its pitch begins.
    out = out[onset < end]
    out = out[np.lexsort((out["pitch"], out["track"], out["onset"]))]
    voice = out["track"].astype(np.int64) * 128 + out["pitch"]
    stays, duration = without_overlaps(
        voice, out["onset"].astype(np.int64), out["duration"].astype(np.int64)
    )
    out["duration"] = duration
    return out[stays]


def _chosen(tokens: Tokens, decoded: Score, assignment: PartAssignment, encoder: Encoder) -> Bools:
    """Return which tokens are of new notes, or of positions for them alone, `bool[T]`."""
    vocabulary, primer = encoder.vocabulary, encoder.decode(assignment.tokens)
    kinds, values = vocabulary.kinds[tokens], vocabulary.values[tokens]
    chosen = vocabulary.of("part", "program", "pitch", "drum", "velocity", "hold", "duration")[
        tokens
    ]
    chosen &= np.isin(parts_of(tokens, vocabulary), assignment.free)

    positions = kinds == vocabulary.kind("position")
    bar = vocabulary.of("bar")[tokens].cumsum()[positions] - 1
    taken = np.append(primer.notes["onset"], primer.tempos["tick"])
    chosen[positions] = ~np.isin(decoded.barlines()[bar] + values[positions], taken)
    return chosen
