"""Compare continuations by a model with the real continuations of the same pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from musegen.config import SamplerConfig, require
from musegen.data.novelty import Index
from musegen.data.store import Store
from musegen.encoding.encoder import Encoder
from musegen.errors import CheckpointError, MusegenError
from musegen.evaluation.comparison import (
    FEATURES,
    Closeness,
    Difference,
    closeness,
    features,
    paired,
)
from musegen.evaluation.cuts import Cut, cuts_of
from musegen.evaluation.ngram_composer import NGramComposer
from musegen.evaluation.pieces import PARTS, Progress, for_ngrams, open_store, pieces_of
from musegen.generation.composer import Composer
from musegen.generation.request import Request, derived_seed
from musegen.model import checkpoint as checkpoints
from musegen.model.checkpoint import Checkpoint
from musegen.score import Score
from musegen.score.keys import find_key
from musegen.score.measures import MEASURES, measures, overlaps

__all__ = ["BARS", "OF_PAIRS", "Generation", "Written", "check_generating", "generated"]

BARS = 8  # of the primer, and of the continuation, by default

OF_PAIRS = ("pitch_classes_as_primer", "key_of_primer", "longest_run")
"""Measures in addition to `MEASURES`, in this order."""


@dataclass(frozen=True)
class Written:
    """How continuations by the model or the n-gram compare with the real ones.

    Attributes:
        name: `model` or `n-gram`.
        order: Of the n-gram; None for the model.
        measures: Name in `MEASURES` or `OF_PAIRS` → means of the real continuations and of these,
            and their difference.
        closeness: Name in `FEATURES` → closeness to the real continuations.
    """

    name: str
    order: int | None
    measures: Mapping[str, Difference]
    closeness: Mapping[str, Closeness]


@dataclass(frozen=True)
class Generation:
    """Continuations compared with real ones.

    Attributes:
        checkpoint: The model's name.
        data: The store or folder.
        part: Part of the data from which pieces were drawn.
        pieces: Names of the continued pieces, in the order in which they were drawn.
        drawn: Number of pieces drawn to get these; the others were too short, or not suited.
        there: Number of pieces to draw from.
        bars: Length of each primer, and of each continuation.
        temperature: Of all continuations.
        seed: Of the draw, the continuations and the resampling.
        real: Name in `FEATURES` → closeness of the primers to the real continuations: a yardstick,
            as both are real music.
        writers: The model first.
    """

    checkpoint: str
    data: str
    part: str
    pieces: tuple[str, ...]
    drawn: int
    there: int
    bars: int
    temperature: float
    seed: int
    real: Mapping[str, Closeness]
    writers: tuple[Written, ...]


def generated(
    checkpoint: str | Path | Checkpoint,
    data: str | Path | Store,
    pieces: int,
    part: str = "test",
    *,
    bars: int = BARS,
    temperature: float = 1.0,
    order: int | None = None,
    by_folder: bool = False,
    seed: int = 0,
    split_seed: int = 0,
    workers: int = 1,
    on_pieces: Progress = lambda done, total: None,
) -> Generation:
    """Compare continuations by a model with the real continuations of the same pieces.

    Pieces are drawn and cut after some bars; the model and an n-gram continue them, in the same
    way, as `Composer.compositions` does.

    Args:
        checkpoint: A model that continues music, or its name or path.
        data: A token store with the model's encoding, or a folder of music, which is encoded.
        pieces: Number of pieces to continue, 2 or more.
        part: `test`, `validation`, `train`, or `all`, for which there is no n-gram.
        bars: Length of each primer, and of each continuation.
        temperature: Of the model and the n-gram.
        order: Of the n-gram, 1 to 8; by default the one that predicts the validation pieces best.
        by_folder: Split a folder by the names of its subfolders.
        seed: Of the draw, the continuations and the resampling.
        split_seed: Of the split of a folder.
        workers: Number of processes that encode a folder.
        on_pieces: Called with (continuations made, continuations in all).

    Raises:
        CheckpointError: There is no such model, it is damaged, or it fills gaps.
        ConfigError: An argument is out of range, or the encoding has no bars.
        MusegenError: The store has other settings, it cannot be split, or too few pieces are long
            enough.

    >>> from tempfile import TemporaryDirectory
    >>> from musegen import Track
    >>> with TemporaryDirectory() as folder:
    ...     for name, step in (("up", 1), ("down", -1)):
    ...         notes = [(480 * i, 480, 72 + step * i, 80, 0) for i in range(8)]
    ...         Score(notes=notes, tracks=[Track()]).save(f"{folder}/{name}.mid")
    ...     found = generated("folk", folder, 2, "all", bars=1)
    >>> found.drawn, found.writers[0].measures["notes_per_bar"].real
    (2, 4.0)
    """
    made = checkpoint if isinstance(checkpoint, Checkpoint) else checkpoints.load(checkpoint)
    check_generating(made, pieces, part, bars, temperature)
    encoder, silent = Encoder(made.encoder), lambda done, total: None
    with open_store(data, made, encoder, by_folder, split_seed, workers, silent) as store:
        name = str(data.path if isinstance(data, Store) else data)
        chosen = np.random.default_rng(seed).permutation(pieces_of(store, part, name))
        cuts, drawn = cuts_of(store, chosen, pieces, bars, name)
        composers: list[Composer] = [Composer(made)]
        if part != "all":
            composers.append(_by_ngram(made, store, order))

    total, done = len(composers) * pieces, count(1)

    def on_done() -> None:
        on_pieces(next(done), total)

    scores = [_continued(c, cuts, bars, temperature, seed, on_done) for c in composers]
    return Generation(
        checkpoint=made.name,
        data=name,
        part=part,
        pieces=tuple(one.name for one in cuts),
        drawn=drawn,
        there=len(chosen),
        bars=bars,
        temperature=temperature,
        seed=seed,
        real=_closeness([one.real for one in cuts], [one.primer for one in cuts]),
        writers=tuple(
            _compared(composer, cuts, continued, composers[0].index, seed)
            for composer, continued in zip(composers, scores, strict=True)
        ),
    )


def check_generating(
    made: Checkpoint, pieces: int, part: str, bars: int, temperature: float
) -> None:
    """Refuse arguments of `generated` that are out of range, before any work is done.

    Raises:
        CheckpointError: The model fills gaps.
        ConfigError: A number is out of range, or the encoding has no bars.
    """
    if made.fills:
        raise CheckpointError(
            f"a model that continues music was expected. Received: {made.name}, which fills gaps. "
            "Leave out --generate, or use another checkpoint."
        )
    more = "Use 50: differences are between pieces."
    require(pieces >= 2, "pieces to continue must be 2 or more", pieces, more)
    require(part in PARTS, f"part must be one of {', '.join(PARTS)}", part, "Use test.")
    encoding = made.encoder.encoding
    barlines = "pieces are cut at barlines, which only metric encodings have"
    require(encoding == "metric", barlines, encoding, "Leave out --generate.")
    Request(None, bars=bars, sampler=SamplerConfig(temperature=temperature))


def _by_ngram(made: Checkpoint, store: Store, order: int | None) -> NGramComposer:
    """Return the n-gram of the training pieces, with the same counts as in `evaluated`."""
    counted = (store.tokens(index) for index in for_ngrams(store))
    validation = [] if order else store.split("validation").tolist()
    return NGramComposer(made, counted, order, [store.tokens(index) for index in validation])


def _continued(
    composer: Composer,
    cuts: Sequence[Cut],
    bars: int,
    temperature: float,
    seed: int,
    on_done: Callable[[], None],
) -> list[Score]:
    """Return the continuations of pieces by a composer, each from tick 0."""
    sampler = SamplerConfig(temperature=temperature)
    requests = (
        Request(one.primer, bars=bars, seed=derived_seed(seed, index), sampler=sampler)
        for index, one in enumerate(cuts)
    )
    found: dict[int, Score] = {}
    for index, made in composer.compositions(requests):
        if isinstance(made, MusegenError):
            raise MusegenError(f"{cuts[index].name} cannot be continued: {made}") from made
        found[index] = made.score[-bars:]
        on_done()
    return [found[index] for index in range(len(cuts))]


def _compared(
    composer: Composer, cuts: Sequence[Cut], scores: Sequence[Score], index: Index | None, seed: int
) -> Written:
    """Compare the continuations by a composer with the real ones."""
    real = [_measured(one.real, one.primer, index) for one in cuts]
    made = [_measured(score, one.primer, index) for score, one in zip(scores, cuts, strict=True)]
    found = {
        name: paired([row.get(name) for row in real], [row.get(name) for row in made], seed)
        for name in (*MEASURES, *OF_PAIRS)
    }
    known = {name: difference for name, difference in found.items() if difference is not None}
    close = _closeness([one.real for one in cuts], scores)
    if isinstance(composer, NGramComposer):
        return Written("n-gram", composer.order, known, close)
    return Written("model", None, known, close)


def _measured(score: Score, primer: Score, index: Index | None) -> dict[str, float]:
    """Return the measures of a continuation."""
    out = measures(score)
    out["pitch_classes_as_primer"] = overlaps(score, primer)["pitch_class"]
    out["key_of_primer"] = float(find_key(score) == find_key(primer))
    if index is not None:
        out["longest_run"] = float(index.longest(score).notes)
    return out


def _closeness(real: Sequence[Score], made: Sequence[Score]) -> dict[str, Closeness]:
    """Return the closeness of pieces to real ones, by feature."""
    sets = [[features(score) for score in scores] for scores in (real, made)]
    out = {}
    for name in FEATURES:
        first, second = (np.stack([piece[name] for piece in pieces]) for pieces in sets)
        out[name] = closeness(first, second)
    return out
