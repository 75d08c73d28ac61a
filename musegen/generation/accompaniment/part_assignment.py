"""Assign the primer's tracks to parts of the model's ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np

from musegen.config import SamplerConfig
from musegen.encoding.encoder import Encoder
from musegen.encoding.rows import latest
from musegen.encoding.vocabulary import Tokens, Vocabulary, transposed
from musegen.errors import CheckpointError, EncodingError, MidiError
from musegen.generation.accompaniment.primer_constraint import (
    AccompanimentGrammar,
    PrimerConstraint,
)
from musegen.generation.loop import generate
from musegen.generation.plan import Model, Prefilled, unplayable
from musegen.generation.primer import (
    Prepared,
    continuation_start,
    pick_tracks,
    prepare,
    rank_octaves,
    track_name,
)
from musegen.generation.tasks import Generated, Task, TokenConstraint
from musegen.score import Score, Track
from musegen.utils.arrays import Floats, Ints

__all__ = ["PartAssignment", "accompaniment_task", "assign_parts", "ensemble_for", "parts_of"]

TRANSPOSED_NATS = 2.5  # nats per note that an octave must save: the added parts move along
TRIAL_BARS = 4
TRIALS = 2  # of each assignment, in two octaves: the primer's own, and the likeliest other
MOST_ASSIGNMENTS = 12  # more are not tried out
LONGEST = 12_000  # tokens of a primer: about 4,000 notes, and 10 s

Parts = tuple[int, ...]
"""The part of each of the primer's tracks, ascending."""


@dataclass(frozen=True)
class PartAssignment:
    """A primer as some of the parts of an ensemble.

    Attributes:
        primer: The whole primer.
        music: The tracks that are read, each at the index of its part, as `prepare` returns them.
        moved: Ticks by which `music` is later than the primer, because of the pickup.
        end: Tick of the primer where it ends: a barline.
        parts: The parts that its tracks are, ascending.
        free: The other parts of the ensemble.
        sources: The primer's tracks that are read.
        left_out: (name, reason) of the tracks that are not.
        tokens: `int32[T]`: the encoding of `music`, transposed by `shift`, from `start` to `end`.
        shift: Semitones of the transposition.
    """

    primer: Score
    music: Score
    moved: int
    end: int
    parts: Parts
    free: tuple[int, ...]
    sources: tuple[int, ...]
    left_out: tuple[tuple[str, str], ...]
    tokens: Tokens
    shift: int

    @property
    def size(self) -> int:
        """Number of parts of the ensemble."""
        return len(self.parts) + len(self.free)

    def stop(self, encoder: Encoder) -> int:
        """Return the step where the last note of its tokens ends."""
        notes = encoder.decode(self.tokens).notes
        return int((notes["onset"] + notes["duration"]).max())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tracks that are read."""
        return tuple(track_name(self.primer, index) for index in self.sources)


def assign_parts(primer: Score, prefilled: Prefilled, model: Model) -> PartAssignment:
    """Assign a primer's tracks to parts of the model's ensemble.

    All ways to give parts to the tracks in ascending order are tried: the other parts are written
    for its first bars, and the way is taken in which the model finds the primer's own notes
    likeliest in their company. So a bass line becomes the bass. (By itself it would not: a model
    that was trained with some of the parts left out reads every lone voice as its first part.)
    Drums become drums where the ensemble has them. Where there are more than `MOST_ASSIGNMENTS`
    ways, the tracks are the first parts. The octave is chosen along with the parts.

    Args:
        primer: The music, with one track per instrument.
        prefilled: The prefix of a new piece.
        model: The model whose ensemble it is.

    Raises:
        MidiError: The primer has no notes.
        EncodingError: The model has no bars, or cannot read the tracks; or the primer is longer
            than `LONGEST`.
        CheckpointError: The ensemble has no more parts than the primer has tracks.
    """
    encoder = model.encoder
    ensemble, picked, left_out = ensemble_for(primer, model)
    end = continuation_start(primer)
    prepared = prepare(primer, picked, end)

    def assigned(music: Score, parts: Parts, shift: int) -> PartAssignment:
        score = _as_parts(music, parts)
        return PartAssignment(
            primer=primer,
            music=score,
            moved=prepared.moved,
            end=end,
            parts=parts,
            free=tuple(part for part in range(len(ensemble)) if part not in parts),
            sources=tuple(picked),
            left_out=left_out,
            tokens=transposed(encoder.encode(score), shift, encoder.vocabulary),
            shift=shift,
        )

    # What there is to choose from: parts, and two octaves if there are several ways.
    ways = _ways(prepared.score, ensemble)
    tokens = encoder.encode(_as_parts(prepared.score, ways[0]))
    if len(tokens) > LONGEST:
        raise EncodingError(
            f"a primer of at most {LONGEST:,} tokens was expected: all of it is accompanied. "
            f"Received: {len(tokens):,}, with {len(prepared.score):,} notes in "
            f"{len(prepared.score.barlines()) - 1:,} bars. Accompany it in pieces."
        )
    octaves = [shift for _, shift in rank_octaves(model.engine, tokens, encoder.vocabulary)]
    if len(ways) == 1:
        return assigned(prepared.score, ways[0], octaves[0])
    octaves = [0, *(shift for shift in octaves if shift)][:2]
    choices = [(parts, shift) for parts in ways for shift in octaves]

    # Write the other parts to the first bars, for trial.
    beginning = _beginning(prepared)
    trials = [assigned(beginning, *choice) for choice in choices]
    best = int(_costs(trials, prefilled, model).argmin())
    return assigned(prepared.score, *choices[best])


def _beginning(prepared: Prepared) -> Score:
    """Return the first bars with notes."""
    music = prepared.score
    first = int(np.searchsorted(music.barlines(), music.notes["onset"][0], side="right")) - 1
    return music[first : first + TRIAL_BARS]


def _costs(trials: Sequence[PartAssignment], prefilled: Prefilled, model: Model) -> Floats:
    """Return the cost of each assignment: nats per note of the primer, with parts on trial."""
    tasks = (
        accompaniment_task(trial, prefilled, SamplerConfig(), seed, model.encoder)
        for trial in trials
        for seed in range(TRIALS)
    )
    nats = np.zeros(len(trials) * TRIALS)
    for index, drawn in generate(model.engine, tasks, model.view):
        nats[index] = _nats_of_primer(drawn, trials[index // TRIALS], model.vocabulary)
    moved = [TRANSPOSED_NATS * abs(trial.shift) / 12 for trial in trials]
    return nats.reshape(-1, TRIALS).mean(axis=1) + moved


def _nats_of_primer(drawn: Generated, assignment: PartAssignment, vocabulary: Vocabulary) -> float:
    """Return nats per note of the primer's own notes: their pitches, velocities, durations."""
    tokens = drawn.tokens
    own = np.isin(parts_of(tokens, vocabulary), assignment.parts)
    counted = own & vocabulary.of("pitch", "drum", "velocity", "hold", "duration")[tokens]
    return float(drawn.nats[counted].sum()) / int((own & vocabulary.notes[tokens]).sum())


def parts_of(tokens: Tokens, vocabulary: Vocabulary) -> Ints:
    """Return the part that each token belongs to, `int64[T]`: that of the last `part` token."""
    return vocabulary.values[tokens][latest(vocabulary.of("part")[tokens])]


def accompaniment_task(
    assignment: PartAssignment,
    prefilled: Prefilled,
    sampler: SamplerConfig,
    seed: int,
    encoder: Encoder,
    others: TokenConstraint | None = None,
) -> Task:
    """Make the task of writing the free parts of an assignment.

    Args:
        assignment: The primer as parts.
        prefilled: The prefix of a new piece.
        sampler: Temperature and filters.
        seed: Of the random numbers.
        encoder: The model's.
        others: Further constraints on the free parts.
    """
    rules = AccompanimentGrammar(encoder.vocabulary, assignment.stop(encoder))
    rules.read(prefilled.prefix.tokens)
    return Task(
        logits=prefilled.logits,
        state=prefilled.state,
        rules=rules,
        sampler=sampler,
        rng=np.random.default_rng(seed),
        forbidden=unplayable(encoder.vocabulary, assignment.shift),
        constraint=PrimerConstraint(
            assignment.tokens, assignment.parts, assignment.free, encoder, others
        ),
    )


def ensemble_for(
    primer: Score, model: Model
) -> tuple[tuple[Track, ...], list[int], tuple[tuple[str, str], ...]]:
    """Check that a model can accompany a primer.

    Returns:
        The ensemble, the tracks of the primer that can be its parts, and (name, reason) of the
        others.

    Raises:
        MidiError: The primer has no notes.
        EncodingError: The model has no bars, or cannot read the tracks.
        CheckpointError: The ensemble has no more parts than the primer has tracks.
    """
    config, name = model.encoder.config, model.checkpoint.name
    if config.encoding != "metric":
        raise EncodingError(
            "a model of bars, with the encoding metric, is needed to accompany a primer. "
            f"Received: {name}, with the encoding {config.encoding}. Use another checkpoint."
        )
    if not len(primer):
        raise MidiError(
            "the primer has no notes to accompany. Give a file with notes, or compose from "
            "nothing: --new."
        )
    picked, left_out = pick_tracks(primer, config)
    unnamed = tuple(Track(f"Part {n + 1}") for n in range(config.parts))
    ensemble = model.checkpoint.ensemble[: config.parts] or unnamed
    if len(picked) >= len(ensemble):
        names = ", ".join(track_name(primer, index) for index in picked)
        raise CheckpointError(
            "a model of more parts than the primer has tracks is needed to accompany it. "
            f"Received: {name} with {len(ensemble)} part(s), and {len(picked)} track(s) with notes:"
            f" {names}. Use a checkpoint of a larger ensemble, or a file with fewer tracks."
        )
    return ensemble, picked, left_out


def _ways(music: Score, ensemble: Sequence[Track]) -> list[Parts]:
    """Return the ways to give parts to the tracks: drums to drums, if the ensemble has as many."""
    tracks = music.tracks
    first_parts = tuple(range(len(tracks)))
    if comb(len(ensemble), len(tracks)) >= 10_000:
        return [first_parts]
    every = list(combinations(range(len(ensemble)), len(tracks)))
    drums = [track.is_drum for track in tracks]
    alike = [parts for parts in every if [ensemble[part].is_drum for part in parts] == drums]
    ways = alike or every
    return ways if 0 < len(ways) <= MOST_ASSIGNMENTS else [first_parts]


def _as_parts(music: Score, parts: Parts) -> Score:
    """Return the score with each track at the index of its part."""
    tracks = [Track()] * (parts[-1] + 1)
    for part, track in zip(parts, music.tracks, strict=True):
        tracks[part] = track
    notes = music.notes.copy()
    notes["track"] = np.array(parts, np.uint16)[notes["track"]]
    return replace(music, notes=notes, tracks=tuple(tracks), pedals=music.pedals[:0])
