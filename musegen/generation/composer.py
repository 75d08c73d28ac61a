"""Checkpoint + encoder + generation = "continue this piece"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from musegen.config import require
from musegen.data.novelty import FILE, Copied, Index
from musegen.encoding.context import View, beside
from musegen.encoding.encoder import Encoder
from musegen.encoding.gaps import ahead
from musegen.encoding.normalise import merge_programs
from musegen.encoding.transposing import transposed
from musegen.encoding.vocabulary import Tokens
from musegen.errors import CheckpointError, MusegenError
from musegen.generation.accompaniment.accompaniment import accompaniment
from musegen.generation.accompaniment.part_assignment import PartAssignment, assign_parts, octaves
from musegen.generation.continuation import (
    Plan,
    Prefilled,
    Prefix,
    continuation,
    make_task,
    new_piece,
    prefix_of,
)
from musegen.generation.infilling import Bars, ConditionedNetwork, InfillGrammar, read_gap
from musegen.generation.loop import generate
from musegen.generation.primer import Reading, read_primer
from musegen.generation.request import Composition, Request
from musegen.generation.tasks import Task
from musegen.model import checkpoint as checkpoints
from musegen.model import likelihood
from musegen.model.blas import one_thread
from musegen.model.checkpoint import Checkpoint
from musegen.model.engine import Engine
from musegen.score import Score, midi, notation

__all__ = ["ENGINES", "Composer", "Composition", "load", "whole"]

ENGINES = ("auto", "numpy", "keras")
KEPT = 8  # primers that stay heard: variations of one are written without hearing it again


@dataclass
class Composer:
    """A trained model that continues music.

    Args:
        checkpoint: Which model.
        computed_by: `numpy`; or `keras`, on the device that it finds, which is for GPUs and many
            pieces. From one seed each makes the same piece again, but not always the other's: they
            round differently. `auto` is `numpy`.

    Raises:
        ConfigError: `computed_by` is something else.
    """

    checkpoint: Checkpoint
    computed_by: str = "auto"
    encoder: Encoder = field(init=False)
    _known: list[tuple[Score | None, int, Prefilled]] = field(
        init=False, default_factory=list, repr=False
    )
    _assignments: list[PartAssignment] = field(init=False, default_factory=list, repr=False)

    def __post_init__(self) -> None:
        """Build the encoder that the model was trained with."""
        require(
            self.computed_by in ENGINES,
            f"an engine must be one of {', '.join(ENGINES)}",
            self.computed_by,
            "Use keras where there is a GPU.",
        )
        self.encoder = Encoder(self.checkpoint.encoder)

    @cached_property
    def engine(self) -> Engine:
        """The network, read from disk when first needed."""
        if self.computed_by == "keras":
            from musegen.model.keras_engine import KerasEngine

            return KerasEngine(self.checkpoint)
        return Engine(self.checkpoint.model, self.checkpoint.weights())

    @cached_property
    def index(self) -> Index | None:
        """The training pieces, if the checkpoint brings them."""
        path = self.checkpoint.path / FILE
        return Index.load(path) if path.exists() else None

    def nats_per_note(self, primer: midi.MidiSource) -> float:
        """Return how surprising the model finds music: −log p in nats, divided by its notes.

        It is heard in the octave that the model knows best, as when it is continued.

        Raises:
            MusegenError: The music cannot be read by this model.
        """
        return self.surprise(read_primer(whole(primer), self.encoder))

    def surprise(self, reading: Reading) -> float:
        """Return the nats per note of what is read of a primer."""
        tokens, _ = self.hear(reading)
        return likelihood.evaluate(
            likelihood.model(self.engine), [tokens], self.encoder.vocabulary
        ).per_note

    def hear(self, reading: Reading) -> tuple[Tokens, int]:
        """Return the tokens in the octave that the model knows best, and by how many semitones they moved.

        A model of fiddle tunes can continue a cello's melody, if it may hear it where fiddles play.
        """
        shift = octaves(self.engine, reading.tokens, self.encoder.vocabulary)[0][1]
        return transposed(reading.tokens, shift, self.encoder.vocabulary), shift

    def compose(self, primer: midi.MidiSource | None = None, **options: Any) -> Score:
        """Return the primer with its continuation, or a new piece. See `composition` for the options."""
        return self.composition(primer, **options).score

    def composition(
        self,
        primer: midi.MidiSource | None = None,
        *,
        bars: int = 16,
        seed: int | None = None,
        **options: Any,
    ) -> Composition:
        """Continue a primer from the barline after its last note, or compose from nothing.

        Args:
            primer: A path, `Score`, `PrettyMIDI` or `mido.MidiFile`; None for a new piece.
            bars: Bars to add, in the meter in force at the primer's end.
            seed: Integer ≥ 0 for the random numbers; None draws one.
            **options: The other fields of `Request`, and those of `SamplerConfig` (temperature …)
                and of `ConstraintConfig` (key …).

        Raises:
            MusegenError: The primer cannot be read or has nothing to continue; an option is out of
                range.
        """
        piece = None if primer is None else whole(primer)
        request = Request.of(piece, {"bars": bars, "seed": seed, **options})
        ((_, made),) = self.compositions([request])
        if isinstance(made, MusegenError):
            raise made
        return made

    def compositions(
        self, requests: Iterable[Request]
    ) -> Iterator[tuple[int, Composition | MusegenError]]:
        """Compose many pieces side by side: in much less time, and each the same as by itself.

        Args:
            requests: What is asked of each; they are taken when there is room for another.

        Yields:
            Pieces as they are finished, with their numbers in `requests`; or why there is none.

        Raises:
            MusegenError: This model continues no music.
        """
        self._must_fill(False)
        plans: dict[int, tuple[int, Plan]] = {}
        failed: list[tuple[int, MusegenError]] = []

        def tasks() -> Iterator[Task]:
            number = 0
            for index, request in enumerate(requests):
                try:
                    plan = self._plan(request)
                except MusegenError as error:
                    failed.append((index, error))
                else:
                    plans[number] = (index, plan)
                    number += 1
                    yield plan.task

        drawn = generate(self.engine, tasks(), View.of(self.checkpoint.model))
        while True:
            with one_thread():
                written = next(drawn, None)
            yield from failed
            failed.clear()
            if written is None:
                return
            index, plan = plans.pop(written[0])
            yield index, plan.finish(written[1])

    def _plan(self, request: Request) -> Plan:
        kinds = self.encoder.vocabulary.names
        require(
            request.sampler.temperatures.keys() <= set(kinds),
            f"kinds of events that have temperatures of their own must be among {', '.join(kinds)}",
            ", ".join(request.sampler.temperatures),
            f"These are what {self.checkpoint.name} knows.",
        )
        index = self.index if request.max_copied else None
        if request.max_copied and index is None:
            raise CheckpointError(
                f"max_copied must have a model that knows its training pieces. Received: {self.checkpoint.name}, which "
                "has no novelty.npz. Make one with `musegen novelty --index`, or leave max_copied out."
            )
        if request.inject and request.primer is not None:
            beginning = self._prefilled(Request(None))
            return accompaniment(
                beginning, self._assigned(request.primer), request, self.checkpoint, self.encoder
            )
        make = new_piece if request.primer is None else continuation
        return make(self._prefilled(request), request, self.checkpoint, self.encoder, index)

    def copied(self, made: Composition) -> Copied | None:
        """Return the longest run of new notes that stands in a training piece; None if these are not known."""
        if self.index is None:
            return None
        new = made.score if made.end is None else replace(made.score, notes=made.added)
        return self.index.longest(new, made.start, made.end)

    def _prefilled(self, request: Request) -> Prefilled:
        """Return what the network has made of a primer; the last few are remembered."""
        primer, bars = request.primer, request.primer_bars
        for known, count, prefilled in self._known:
            if known is primer and count == bars:
                return prefilled
        reading = None if primer is None else read_primer(primer, self.encoder, bars)
        tokens, shift = (np.zeros(0, np.int32), 0) if reading is None else self.hear(reading)
        prefilled = self._prefill(prefix_of(reading, tokens, shift, self.encoder))
        self._known = [(primer, bars, prefilled), *self._known[: KEPT - 1]]
        return prefilled

    def _assigned(self, primer: Score) -> PartAssignment:
        """Return a primer as parts of the ensemble; the last few are remembered."""
        for known in self._assignments:
            if known.primer is primer:
                return known
        new = assign_parts(
            primer, self._prefilled(Request(None)), self.checkpoint, self.encoder, self.engine
        )
        self._assignments = [new, *self._assignments[: KEPT - 1]]
        return new

    def _prefill(self, prefix: Prefix) -> Prefilled:
        tokens = prefix.tokens[None]
        context = beside(tokens, self.encoder.vocabulary, View.of(self.checkpoint.model))
        logits, state = self.engine.forward(tokens, self.engine.initial_state(), context)
        return Prefilled(prefix, logits[0, -1], state)

    def infilling(
        self, primer: midi.MidiSource, bars: Bars, *, seed: int | None = None, **options: Any
    ) -> Composition:
        """Put new music into bars of a primer, made of what stands on both sides of them.

        Notes of the tracks that the model reads that begin in these bars are replaced; all else
        stays.

        Args:
            primer: A path, `Score`, `PrettyMIDI` or `mido.MidiFile`.
            bars: The first and the last to fill, counted from 1 as musicians do; a pickup is bar 0.
            seed: As for `composition`.
            **options: The fields of `SamplerConfig` (temperature …).

        Raises:
            MusegenError: This model fills no gaps, the primer cannot be read, has no such bars or
                nothing outside of them, or an option is out of range.
        """
        self._must_fill(True)
        piece, vocabulary = whole(primer), self.encoder.vocabulary
        request = Request.of(piece, {"seed": seed, **options})
        space = read_gap(piece, bars, self.encoder)
        reading, gap = space.reading, space.gap
        with one_thread():
            heard, shift = self.hear(reading)
            rules = InfillGrammar(vocabulary, heard, gap)
            network = ConditionedNetwork(self.engine, ahead(heard[gap.closes :], vocabulary), rules)
            prefix = Prefix(reading, heard[: gap.opens + 1], shift, rules)
            prefilled = Prefilled(prefix, *network.listen(prefix.tokens))
            task = make_task(prefilled, rules, request, len(reading.sources))
            ((_, drawn),) = generate(network, [task], View.of(self.checkpoint.model))
        tokens = np.append(prefix.tokens, drawn.tokens[:-1])
        tokens = transposed(np.append(tokens, vocabulary.first["end"]), -shift, vocabulary)
        notes = space.notes(self.encoder.decode(tokens), self.encoder)
        score = replace(piece, notes=np.concatenate([space.kept, notes]))
        return Composition(
            score,
            reading.start,
            notes,
            float(drawn.nats.sum()),
            self.checkpoint.name,
            request.seed,
            reading.names,
            reading.left_out,
            space.end,
            reading.sources,
        )

    def _must_fill(self, gaps: bool) -> None:
        if gaps != self.checkpoint.fills:
            kinds = ("continues music", "fills gaps")
            raise CheckpointError(
                f"a model that {kinds[gaps]} was expected. Received: {self.checkpoint.name}, which {kinds[not gaps]}. "
                f"Use another checkpoint{', or make one with `musegen train --future 128`' if gaps else ''}."
            )


def load(name_or_path: str | Path) -> Composer:
    """Return the composer of a checkpoint, by name (`folk`, `chorales`) or path.

    Raises:
        CheckpointError: There is none, or it is damaged.
    """
    return Composer(checkpoints.load(name_or_path))


def whole(primer: Any) -> Score:
    """Return the music of a primer, one track per instrument.

    A path may name a MIDI file or written music (MusicXML, ABC).

    Raises:
        MidiError: It cannot be read.
    """
    if isinstance(primer, str | Path):
        if Path(primer).suffix.lower() in notation.NOTATION_SUFFIXES:
            return merge_programs(notation.load_notation(primer))
        primer = midi.load_mido(primer)
    if type(primer).__module__.startswith("music21."):
        primer = notation.from_music21(primer)
    return merge_programs(midi.read(primer))
