"""The composer: a checkpoint that continues, fills and accompanies music."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from musegen.config import require
from musegen.data.novelty import FILE, Copied, Index
from musegen.encoding.encoder import Encoder
from musegen.errors import CheckpointError, MusegenError
from musegen.generation import continuation, infilling, new_piece
from musegen.generation.accompaniment import accompaniment
from musegen.generation.accompaniment.part_assignment import PartAssignment, assign_parts
from musegen.generation.gap_in_piece import Bars
from musegen.generation.loop import TokenLoop, generate
from musegen.generation.plan import (
    Model,
    Plan,
    Prefilled,
    after_primer,
    before_anything,
    prefill,
)
from musegen.generation.primer import EncodedPrimer, in_best_octave, read_primer
from musegen.generation.request import Composition, Request
from musegen.model import checkpoint as checkpoints
from musegen.model import likelihood
from musegen.model.blas import one_thread
from musegen.model.checkpoint import Checkpoint
from musegen.model.engine import Engine
from musegen.model.interface import SequenceNetwork
from musegen.score import Score
from musegen.score.midi import MidiSource
from musegen.score.reading import read_parts

__all__ = ["ENGINES", "Composer", "Composition", "load"]

ENGINES = ("auto", "numpy", "keras")
CACHE_SIZE = 8  # primers whose tokens and network states are kept for further variations

T = TypeVar("T")


class _Recent(Generic[T]):
    """Remembers the last few results, by the score (the same object) and an option."""

    def __init__(self) -> None:
        self._results: list[tuple[Score | None, int, T]] = []

    def get(self, score: Score | None, option: int, compute: Callable[[], T]) -> T:
        """Return the result of a score and an option; compute it if it is not remembered."""
        for known, its_option, result in self._results:
            if known is score and its_option == option:
                return result
        result = compute()
        self._results = [(score, option, result), *self._results[: CACHE_SIZE - 1]]
        return result


@dataclass
class Composer:
    """A trained model that continues, fills or accompanies music.

    >>> from musegen import Score, Track, load
    >>> notes = [(0, 480, 62, 80, 0), (480, 480, 69, 80, 0)]
    >>> primer = Score(notes=notes, tracks=[Track("Fiddle", 40)], end=1920)
    >>> piece = load("folk").compose(primer, bars=2, seed=1)
    >>> bool((piece.notes[:2] == primer.notes).all()), piece.end == 3 * 1920
    (True, True)

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
    _encoded: _Recent[EncodedPrimer] = field(init=False, default_factory=_Recent, repr=False)
    _states: _Recent[Prefilled] = field(init=False, default_factory=_Recent, repr=False)
    _assignments: _Recent[PartAssignment] = field(init=False, default_factory=_Recent, repr=False)

    def __post_init__(self) -> None:
        """Build the encoder that the model was trained with."""
        require(
            self.computed_by in ENGINES,
            f"an engine must be one of {', '.join(ENGINES)}",
            self.computed_by,
            "Use keras where there is a GPU.",
        )
        self.encoder = Encoder(self.checkpoint.encoder)

    def __repr__(self) -> str:
        """Name the checkpoint and what computes it."""
        return f"Composer({self.checkpoint.name}, {self.computed_by})"

    @cached_property
    def engine(self) -> SequenceNetwork:
        """The network, read from disk when first needed."""
        if self.computed_by == "keras":
            from musegen.model.keras_engine import KerasEngine

            return KerasEngine(self.checkpoint)
        return Engine(self.checkpoint.model, self.checkpoint.weights())

    @cached_property
    def model(self) -> Model:
        """The checkpoint, its encoder and its network."""
        return Model(self.checkpoint, self.encoder, self.engine)

    @cached_property
    def index(self) -> Index | None:
        """The index of the training pieces, if the checkpoint has one."""
        path = self.checkpoint.path / FILE
        return Index.load(path) if path.exists() else None

    def compose(self, primer: MidiSource | None = None, **options: Any) -> Score:
        """Return the primer with its continuation, or a new piece. See `composition`."""
        return self.composition(primer, **options).score

    def infill(self, primer: MidiSource, bars: Bars, **options: Any) -> Score:
        """Return the primer with new music in some of its bars. See `infilling`."""
        return self.infilling(primer, bars, **options).score

    def composition(
        self,
        primer: MidiSource | None = None,
        *,
        bars: int = 16,
        seed: int | None = None,
        **options: Any,
    ) -> Composition:
        """Continue a primer from the barline where it ends, or compose from nothing.

        Args:
            primer: Anything that `musegen.read` takes; None for a new piece.
            bars: Bars to add, in the meter in force at the primer's end.
            seed: Of the random numbers, an integer ≥ 0; None draws one.
            **options: The other fields of `Request`, and those of `SamplerConfig` (temperature …)
                and of `ConstraintConfig` (key …).

        Raises:
            MusegenError: The primer cannot be read or has nothing to continue; an option is out of
                range.
        """
        piece = None if primer is None else read_parts(primer)
        request = Request.of(piece, {"bars": bars, "seed": seed, **options})
        ((_, made),) = self.compositions([request])
        if isinstance(made, MusegenError):
            raise made
        return made

    def infilling(
        self, primer: MidiSource, bars: Bars, *, seed: int | None = None, **options: Any
    ) -> Composition:
        """Replace bars of a primer by new music, conditioned on the bars before and after them.

        Notes that begin in these bars, on the tracks that the model reads, are replaced; everything
        else stays.

        Args:
            primer: Anything that `musegen.read` takes.
            bars: The first and the last to fill, counted from 1 as musicians do; a pickup is bar 0.
            seed: As for `composition`.
            **options: The fields of `SamplerConfig` (temperature …).

        Raises:
            MusegenError: This model fills no gaps, the primer cannot be read, has no such bars or
                nothing outside of them, or an option is out of range.
        """
        self._require_infilling(True)
        request = Request.of(read_parts(primer), {"seed": seed, **options})
        with one_thread():
            plan = infilling.plan(request, bars, self.model)
            assert plan.network is not None
            ((_, drawn),) = generate(plan.network, [plan.task], self.model.view)
        return plan.finish(drawn)

    def compositions(
        self, requests: Iterable[Request]
    ) -> Iterator[tuple[int, Composition | MusegenError]]:
        """Compose many pieces at the same time: much faster, and each the same as by itself.

        Args:
            requests: What each piece is to be; they are taken when there is room for another.

        Yields:
            Pieces as they are finished, with their numbers in `requests`; or the error, where there
            is none.

        Raises:
            MusegenError: This model continues no music.
        """
        self._require_infilling(False)
        waiting = enumerate(requests)
        plans: dict[int, Plan] = {}
        loop = TokenLoop(self.engine, self.model.view)
        while True:
            while loop.has_room and (item := next(waiting, None)) is not None:
                number, request = item
                try:
                    with one_thread():
                        plans[number] = self.plan(request)
                except MusegenError as error:
                    yield number, error
                else:
                    loop.add(number, plans[number].task)
            if loop.is_empty:
                return
            with one_thread():
                finished = loop.advance()
            for number, drawn in finished:
                yield number, plans.pop(number).finish(drawn)

    def plan(self, request: Request) -> Plan:
        """Plan a piece: a continuation, an accompaniment, or a new piece."""
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
                "max_copied must have a model that knows its training pieces. Received: "
                f"{self.checkpoint.name}, which has no novelty.npz. Make one with `musegen novelty "
                "--index`, or leave max_copied out."
            )
        if request.primer is None:
            return new_piece.plan(request, self._prefilled(None), self.model, index)
        if request.inject:
            assignment = self.assign_parts(request.primer)
            return accompaniment.plan(request, self._prefilled(None), assignment, self.model)
        prefilled = self._prefilled(request.primer, request.primer_bars)
        return continuation.plan(request, prefilled, self.model, index)

    def nats_per_note(self, primer: MidiSource) -> float:
        """Return how surprising the model finds music: −log p in nats, divided by its notes.

        It is encoded in the octave that the model knows best, as when it is continued.

        Raises:
            MusegenError: The music cannot be read by this model.
        """
        tokens = self.encoded(read_parts(primer)).tokens
        model = likelihood.model(self.engine)
        return likelihood.evaluate(model, [tokens], self.encoder.vocabulary).per_note

    def copied(self, made: Composition) -> Copied | None:
        """Return the longest run of new notes that a training piece has too.

        None if there is no such run, or the training pieces are not known.
        """
        if self.index is None:
            return None
        new = made.score if made.end is None else replace(made.score, notes=made.added)
        return self.index.longest(new, made.start, made.end)

    def encoded(self, primer: Score, bars: int = 0) -> EncodedPrimer:
        """Return a primer's tokens, in the octave that the model knows best.

        The last few are remembered.

        Args:
            primer: The music, with one track per instrument.
            bars: How many of its last bars are read; 0 for as many as the model can use.

        Raises:
            MusegenError: The music cannot be read by this model.
        """

        def compute() -> EncodedPrimer:
            reading = read_primer(primer, self.encoder, bars)
            return in_best_octave(reading, self.engine, self.encoder.vocabulary)

        return self._encoded.get(primer, bars, compute)

    def assign_parts(self, primer: Score) -> PartAssignment:
        """Assign a primer's tracks to parts of the ensemble; the last few are remembered."""
        return self._assignments.get(
            primer, 0, lambda: assign_parts(primer, self._prefilled(None), self.model)
        )

    def _prefilled(self, primer: Score | None, bars: int = 0) -> Prefilled:
        """Return the network's state after a primer, or before a new piece."""

        def compute() -> Prefilled:
            if primer is None:
                prefix = before_anything(self.encoder.vocabulary)
            else:
                prefix = after_primer(self.encoded(primer, bars), self.encoder)
            return prefill(prefix, self.model)

        return self._states.get(primer, bars, compute)

    def _require_infilling(self, fills: bool) -> None:
        """Refuse a model that fills gaps where one that continues is needed, or the reverse."""
        if fills != self.checkpoint.fills:
            kinds = ("continues music", "fills gaps")
            train = ", or make one with `musegen train --future 128`" if fills else ""
            raise CheckpointError(
                f"a model that {kinds[fills]} was expected. Received: {self.checkpoint.name}, "
                f"which {kinds[not fills]}. Use another checkpoint{train}."
            )


def load(name_or_path: str | Path) -> Composer:
    """Load the composer of a checkpoint, by name (`folk`, `chorales`, `songs`) or path.

    >>> import musegen
    >>> musegen.load("folk")
    Composer(folk, auto)

    Raises:
        CheckpointError: There is none, or it is damaged.
    """
    return Composer(checkpoints.load(name_or_path))
