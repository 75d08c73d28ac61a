"""A primer as some of the parts of an ensemble: which of them its tracks are, to the model's ear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from musegen.config import SamplerConfig
from musegen.encoding.context import View
from musegen.encoding.encoder import Encoder
from musegen.encoding.normalise import close_gaps, pad_pickup
from musegen.encoding.transposing import transposed
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.errors import CheckpointError, EncodingError, MidiError
from musegen.generation.accompaniment.primer_constraint import (
    AccompanimentGrammar,
    PrimerConstraint,
)
from musegen.generation.continuation import Prefilled
from musegen.generation.loop import generate
from musegen.generation.primer import continuation_start, pick, track_name
from musegen.generation.tasks import Generated, Task, TokenConstraint
from musegen.model.checkpoint import Checkpoint
from musegen.model.engine import Engine
from musegen.model.likelihood import row_nats
from musegen.score import Score, Track

__all__ = ["PartAssignment", "accompaniment_task", "assign_parts", "ensemble_for", "octaves"]

OCTAVES = (-3, -2, -1, 0, 1, 2, 3)
OCTAVE_TOKENS = 512  # of a primer, from its beginning, that the octave is chosen by
OCTAVE_NATS = 0.1  # nats per note that hearing a primer an octave away must save
AWAY_NATS = 2.5  # the same where other parts are moved along: they would be mud, or squeak
TRIAL_BARS = 4
# Of each way to give parts to tracks, in each of two octaves: the primer's own, and the likeliest
# other
TRIALS = 2
MOST_WAYS = 12


@dataclass(frozen=True)
class PartAssignment:
    """A primer as a model hears it beside the parts that are added.

    Attributes:
        primer: The whole primer.
        heard: The tracks that are read, each as the track with its part's number, pickup filled up,
            gaps closed.
        moved: Ticks by which `heard` is later than the primer, for the pickup.
        end: Tick of the primer where it ends: a barline.
        parts: The parts that its tracks are, ascending.
        free: The other parts of the ensemble.
        sources: The primer's tracks that are read.
        left_out: (name, reason) of the tracks that are not.
        tokens: `int32[T]`: the encoding of `heard`, moved by `shift`, from `start` to `end`.
        shift: In semitones.
    """

    primer: Score
    heard: Score
    moved: int
    end: int
    parts: tuple[int, ...]
    free: tuple[int, ...]
    sources: tuple[int, ...]
    left_out: tuple[tuple[str, str], ...]
    tokens: Tokens
    shift: int

    @property
    def size(self) -> int:
        """How many parts there are in all."""
        return len(self.parts) + len(self.free)

    def stop(self, encoder: Encoder) -> int:
        """Return the step where the last note of its tokens ends."""
        notes = encoder.decode(self.tokens).notes
        return int((notes["onset"] + notes["duration"]).max())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tracks that are read."""
        return tuple(track_name(self.primer, index) for index in self.sources)


def assign_parts(
    primer: Score, prefilled: Prefilled, checkpoint: Checkpoint, encoder: Encoder, engine: Engine
) -> PartAssignment:
    """Return a primer (of `merge_programs`, if it is from a file) as parts of a model's ensemble.

    All ways to give parts to its tracks in ascending order are tried: the other parts are written
    for its first bars, and that way is taken in which the model finds the primer's own notes least
    surprising beside them. So a bass line becomes the bass. (By itself it would not: a model that
    was trained with some of the parts left out knows every lone voice as its first part.) Drums
    become drums where the ensemble has them. If there are more than `MOST_WAYS`, the tracks are the
    first parts. The octave is chosen along with the parts.

    Args:
        primer: The music.
        prefilled: The prefix of a new piece.
        checkpoint: Whose ensemble it is.
        encoder: The checkpoint's.
        engine: Its network.

    Raises:
        MidiError: The primer has no notes.
        EncodingError: The model knows no bars, or cannot read the tracks.
        CheckpointError: The ensemble has no more parts than the primer has tracks.
    """
    ensemble, picked, left_out = ensemble_for(primer, checkpoint, encoder)
    heard, moved, end = _heard(primer, picked)
    ways = _ways(heard, ensemble)
    first = encoder.encode(_as_parts(heard, ways[0]))
    known = [shift for _, shift in octaves(engine, first, encoder.vocabulary)]
    tried = [0, *(shift for shift in known if shift)][: 2 if len(ways) > 1 else 1]
    choices = [(way, shift) for way in ways for shift in tried]

    def assigned(music: Score, way: tuple[int, ...], shift: int) -> PartAssignment:
        score = _as_parts(music, way)
        tokens = transposed(encoder.encode(score), shift, encoder.vocabulary)
        free = tuple(part for part in range(len(ensemble)) if part not in way)
        return PartAssignment(
            primer, score, moved, end, way, free, tuple(picked), left_out, tokens, shift
        )

    if len(choices) == 1:
        return assigned(heard, ways[0], known[0])
    bar = int(np.searchsorted(heard.barlines(), heard.notes["onset"][0], side="right")) - 1
    beginning = heard[bar : bar + TRIAL_BARS]
    costs = _costs(
        [assigned(beginning, *choice) for choice in choices], prefilled, checkpoint, encoder, engine
    )
    return assigned(heard, *choices[int(costs.argmin())])


def _costs(
    assignments: Sequence[PartAssignment],
    prefilled: Prefilled,
    checkpoint: Checkpoint,
    encoder: Encoder,
    engine: Engine,
) -> NDArray[np.float64]:
    """Return what each assignment costs in nats per note of the primer, beside parts that are written for trial."""
    tasks = (
        accompaniment_task(assignment, prefilled, SamplerConfig(), seed, encoder)
        for assignment in assignments
        for seed in range(TRIALS)
    )
    nats = np.zeros(len(assignments) * TRIALS)
    for index, drawn in generate(engine, tasks, View.of(checkpoint.model)):
        nats[index] = _surprise(drawn, assignments[index // TRIALS], encoder.vocabulary)
    away = [AWAY_NATS * abs(assignment.shift) / 12 for assignment in assignments]
    out: NDArray[np.float64] = nats.reshape(-1, TRIALS).mean(axis=1) + away
    return out


def accompaniment_task(
    assignment: PartAssignment,
    prefilled: Prefilled,
    sampler: SamplerConfig,
    seed: int,
    encoder: Encoder,
    others: TokenConstraint | None = None,
) -> Task:
    """Return the task of writing the free parts of a assignment.

    Args:
        assignment: The primer as parts.
        prefilled: The prefix of a new piece.
        sampler: How tokens are drawn.
        seed: Of the random numbers.
        encoder: The model's.
        others: What else is asked of the free parts.
    """
    vocabulary = encoder.vocabulary
    rules = AccompanimentGrammar(vocabulary, assignment.stop(encoder))
    rules.read(prefilled.prefix.tokens)
    sounding = vocabulary.values - assignment.shift
    forbidden = vocabulary.transposable & ((sounding < 0) | (sounding > 127))
    constraint = PrimerConstraint(
        assignment.tokens, assignment.parts, assignment.free, encoder, others
    )
    rng = np.random.default_rng(seed)
    return Task(
        prefilled.logits, prefilled.state, rules, sampler, rng, forbidden, constraint=constraint
    )


def octaves(engine: Engine, tokens: Tokens, vocabulary: Vocabulary) -> list[tuple[float, int]]:
    """Return octaves in which a model may hear music, the best first: cost in nats per note, and semitones up.

    An octave away must save `OCTAVE_NATS` to be better.

    Args:
        engine: The network.
        tokens: The music, `int32[T]`.
        vocabulary: What they mean.
    """
    pitches = vocabulary.values[tokens[vocabulary.transposable[tokens]]]
    low, high = (int(pitches.min()), int(pitches.max())) if len(pitches) else (0, 127)
    shifts = [
        12 * octave for octave in OCTAVES if low + 12 * octave >= 0 and high + 12 * octave <= 127
    ]
    rows = np.stack([transposed(tokens[:OCTAVE_TOKENS], shift, vocabulary) for shift in shifts])
    notes = int(vocabulary.notes[rows[0]].sum())
    nats = row_nats(engine, rows, vocabulary).sum(axis=1) / max(notes, 1)
    costs = nats + OCTAVE_NATS * np.abs(shifts) / 12
    return sorted(zip(costs.tolist(), shifts, strict=True))


def _surprise(drawn: Generated, assignment: PartAssignment, vocabulary: Vocabulary) -> float:
    """Return the nats per note of the primer's own notes among what was drawn: pitches, loudness, lengths."""
    tokens = drawn.tokens
    parts = vocabulary.of("part")[tokens]
    part = vocabulary.values[tokens][
        np.maximum.accumulate(np.where(parts, np.arange(len(tokens)), 0))
    ]
    own = np.isin(part, assignment.parts)
    said = own & vocabulary.of("pitch", "drum", "velocity", "hold", "duration")[tokens]
    return float(drawn.nats[said].sum()) / int((own & vocabulary.notes[tokens]).sum())


def ensemble_for(
    primer: Score, checkpoint: Checkpoint, encoder: Encoder
) -> tuple[tuple[Track, ...], list[int], tuple[tuple[str, str], ...]]:
    """Return the ensemble, the tracks of the primer that can be its parts, and (name, reason) of the others.

    Raises:
        MidiError: The primer has no notes.
        EncodingError: The model knows no bars, or cannot read the tracks.
        CheckpointError: The ensemble has no more parts than the primer has tracks.
    """
    config = encoder.config
    if config.encoding != "metric":
        raise EncodingError(
            "a model of bars, with the encoding metric, was expected to play beside a primer. "
            f"Received: {checkpoint.name}, with the encoding {config.encoding}. Use another checkpoint."
        )
    if not len(primer):
        raise MidiError(
            "the primer has no notes to play beside. Give a file with notes, or compose from nothing: --new."
        )
    picked, left_out = pick(primer, config)
    ensemble = checkpoint.ensemble[: config.parts] or tuple(
        Track(f"Part {n + 1}") for n in range(config.parts)
    )
    if len(picked) >= len(ensemble):
        names = ", ".join(track_name(primer, index) for index in picked)
        raise CheckpointError(
            f"a model of more parts than the primer has tracks was expected, to play beside it. Received: "
            f"{checkpoint.name} with {len(ensemble)} part(s), and {len(picked)} track(s) with notes: {names}. "
            "Use a checkpoint of a larger ensemble, or a file with fewer tracks."
        )
    return ensemble, picked, left_out


def _heard(primer: Score, picked: list[int]) -> tuple[Score, int, int]:
    """Return the tracks that are read, pickup filled up and gaps closed, by how much they moved, and the end."""
    end = continuation_start(primer)
    chosen = close_gaps(primer.select(picked))
    padded = pad_pickup(chosen)
    moved = padded.end - chosen.end
    notes = padded.notes[padded.notes["onset"] < end + moved].copy()
    notes["duration"] = np.minimum(notes["duration"], end + moved - notes["onset"])
    heard = replace(padded, notes=notes, end=0)
    return replace(heard, end=end + moved), moved, end


def _ways(heard: Score, ensemble: Sequence[Track]) -> list[tuple[int, ...]]:
    """Return the ways to give parts to the tracks: drums to drums, if the ensemble has as many."""
    tracks = heard.tracks
    every = (
        list(combinations(range(len(ensemble)), len(tracks)))
        if comb(len(ensemble), len(tracks)) < 10_000
        else []
    )
    alike = [
        way
        for way in every
        if all(
            ensemble[part].is_drum == track.is_drum for part, track in zip(way, tracks, strict=True)
        )
    ]
    ways = alike or every
    return ways if 0 < len(ways) <= MOST_WAYS else [tuple(range(len(tracks)))]


def _as_parts(heard: Score, parts: tuple[int, ...]) -> Score:
    """Return the score with each track at the index of its part."""
    tracks = [Track()] * (parts[-1] + 1)
    for part, track in zip(parts, heard.tracks, strict=True):
        tracks[part] = track
    notes = heard.notes.copy()
    notes["track"] = np.array(parts, np.uint16)[notes["track"]]
    return replace(heard, notes=notes, tracks=tuple(tracks), pedals=heard.pedals[:0])
