"""What a model writes, beside what the pieces themselves go on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from musegen.config import SamplerConfig, require
from musegen.data.novelty import Index
from musegen.data.store import Store
from musegen.encoding.encoder import Encoder
from musegen.errors import CheckpointError, MusegenError
from musegen.evaluation.comparing import (
    FEATURES,
    Closeness,
    Difference,
    closeness,
    features,
    paired,
)
from musegen.evaluation.cutting import Cut, cuts_of
from musegen.evaluation.likelihoods import COUNTED, PARTS, Progress, opened, split_of
from musegen.evaluation.ngram_composer import NGramComposer
from musegen.generation.composer import Composer
from musegen.generation.request import Request, derived_seed
from musegen.model import checkpoint as checkpoints
from musegen.model.checkpoint import Checkpoint
from musegen.score import Score
from musegen.score.keys import find_key
from musegen.score.measures import MEASURES, measures, overlaps

__all__ = ["BARS", "OF_PAIRS", "Generation", "Written", "check_generating", "generated"]

BARS = 8  # of the primer, and of the continuation

OF_PAIRS = ("pitch_classes_as_primer", "key_of_primer", "longest_run")
"""What is measured beside `MEASURES`, in this order."""


@dataclass(frozen=True)
class Written:
    """What continuations by one writer are like, beside the real ones.

    Attributes:
        name: `model` or `n-gram`.
        order: Of the n-gram; None of the model.
        measures: Name of `MEASURES` or `OF_PAIRS` → the mean of the real continuations and of
            these, over pieces.
        closeness: Feature of `FEATURES` → how close they are to the real ones.
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
        part: Which pieces of it were drawn from.
        pieces: Names of those that were continued, in the order in which they were drawn.
        drawn: Pieces that were drawn until there were so many; the others were too short, …
        there: Pieces to draw from.
        bars: Of each primer, and of each continuation.
        temperature: All were written at.
        seed: What the draw, the music and the resamples come from.
        real: Feature of `FEATURES` → how close the primers are to the real continuations: what real
            music, of other bars, reaches.
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
    """Return how continuations by a model compare with what the pieces themselves go on with.

    Pieces are drawn, cut after some bars, and continued as `Composer.compositions` does it. An
    n-gram continues them by the same rules.

    Args:
        checkpoint: A model that continues music, or its name or path.
        data: A token store that was encoded with its settings; or a folder of music, which is
            encoded.
        pieces: How many to continue, 2 or more.
        part: `test`, `validation`, `train`, or `all`, for which there is no n-gram.
        bars: Of each primer, and of each continuation.
        temperature: Of both writers.
        order: Of the n-gram, 1 to 8; by default the one that predicts the validation pieces best.
        by_folder: Split a folder by what the folders in it are called.
        seed: Which pieces are drawn, what is written, and the resamples come from it alone.
        split_seed: Seeds the split of a folder.
        workers: Processes that encode a folder.
        on_pieces: Called with (continuations written, continuations in all).

    Raises:
        CheckpointError: There is no such model, it is damaged, or it fills gaps.
        ConfigError: An argument is out of range, or the encoding knows no bars.
        MusegenError: The store has other settings, it cannot be split, or too few pieces are long
            enough.
    """
    made = checkpoint if isinstance(checkpoint, Checkpoint) else checkpoints.load(checkpoint)
    check_generating(made, pieces, part, bars, temperature)
    with opened(
        data, made, Encoder(made.encoder), by_folder, split_seed, workers, lambda *_: None
    ) as store:
        named = str(data.path if isinstance(data, Store) else data)
        chosen = np.random.default_rng(seed).permutation(split_of(store, part, named))
        cuts, drawn = cuts_of(store, chosen, pieces, bars, named)
        composers: list[Composer] = [Composer(made)]
        if part != "all":
            composers.append(_by_ngram(made, store, order))
    total = len(composers) * pieces
    done = count(1)
    scores = [
        list(
            _continued(
                composer, cuts, bars, temperature, seed, lambda: on_pieces(next(done), total)
            )
        )
        for composer in composers
    ]
    return Generation(
        checkpoint=made.name,
        data=named,
        part=part,
        pieces=tuple(one.name for one in cuts),
        drawn=drawn,
        there=len(chosen),
        bars=bars,
        temperature=temperature,
        seed=seed,
        real=_closeness([one.real for one in cuts], [one.primer for one in cuts]),
        writers=tuple(
            _written(composer, cuts, mine, composers[0].index, seed)
            for composer, mine in zip(composers, scores, strict=True)
        ),
    )


def check_generating(
    made: Checkpoint, pieces: int, part: str, bars: int, temperature: float
) -> None:
    """Refuse what cannot be done, before any work is.

    Raises:
        CheckpointError: The model fills gaps.
        ConfigError: A number is out of range, or the encoding knows no bars.
    """
    if made.fills:
        raise CheckpointError(
            f"a model that continues music was expected. Received: {made.name}, which fills gaps. Leave out "
            "--generate, or use another checkpoint."
        )
    require(
        pieces >= 2,
        "pieces to continue must be 2 or more",
        pieces,
        "Use 50: differences are between pieces.",
    )
    require(part in PARTS, f"part must be one of {', '.join(PARTS)}", part, "Use test.")
    require(
        made.encoder.encoding == "metric",
        "pieces are cut at barlines, which only a metric encoding knows",
        made.encoder.encoding,
        "Leave out --generate.",
    )
    Request(None, bars=bars, sampler=SamplerConfig(temperature=temperature))


def _by_ngram(made: Checkpoint, store: Store, order: int | None) -> NGramComposer:
    """Return the n-gram of the training pieces: of very many pieces, of the same ones as in an evaluation."""
    drawn = np.random.default_rng(0).permutation(store.split("train"))
    some = drawn[: max(1, int((store.lengths[drawn].cumsum() <= COUNTED).sum()))].tolist()
    best = (
        [store.tokens(index) for index in store.split("validation").tolist()]
        if order is None
        else []
    )
    return NGramComposer(made, (store.tokens(index) for index in some), order, best)


def _continued(
    composer: Composer,
    cuts: Sequence[Cut],
    bars: int,
    temperature: float,
    seed: int,
    on_done: Callable[[], None],
) -> Iterator[Score]:
    """Yield what a composer goes on with, piece by piece, for as many bars and from tick 0."""
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
    yield from (found[index] for index in range(len(cuts)))


def _written(
    composer: Composer, cuts: Sequence[Cut], scores: Sequence[Score], index: Index | None, seed: int
) -> Written:
    """Return how what was written compares with what is there."""
    real = [_measured(one.real, one.primer, index) for one in cuts]
    made = [_measured(score, one.primer, index) for score, one in zip(scores, cuts, strict=True)]
    found = {
        name: paired([row.get(name) for row in real], [row.get(name) for row in made], seed)
        for name in (*MEASURES, *OF_PAIRS)
    }
    known = {name: difference for name, difference in found.items() if difference is not None}
    ngram = composer.order if isinstance(composer, NGramComposer) else None
    return Written(
        "model" if ngram is None else "n-gram",
        ngram,
        known,
        _closeness([one.real for one in cuts], scores),
    )


def _measured(score: Score, primer: Score, index: Index | None) -> dict[str, float]:
    """Return the measures of a continuation."""
    out = measures(score)
    out["pitch_classes_as_primer"] = overlaps(score, primer)["pitch_class"]
    out["key_of_primer"] = float(find_key(score) == find_key(primer))
    if index is not None:
        out["longest_run"] = float(index.longest(score).notes)
    return out


def _closeness(real: Sequence[Score], made: Sequence[Score]) -> dict[str, Closeness]:
    """Return by each feature how close pieces are to real ones."""
    sets = [[features(score) for score in scores] for scores in (real, made)]
    return {
        name: closeness(*(np.stack([piece[name] for piece in pieces]) for pieces in sets))
        for name in FEATURES
    }
