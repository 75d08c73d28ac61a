"""An evaluation from beginning to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import differences, require
from musegen.data.store import Store, ingest, is_store
from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.errors import MusegenError, TrainingError
from musegen.evaluation.overlap import Overlap, overlap, sha256
from musegen.evaluation.resampling import Rate, rates
from musegen.evaluation.units import UNITS, amounts
from musegen.model import checkpoint as checkpoints
from musegen.model.checkpoint import Checkpoint
from musegen.model.engine import Engine
from musegen.model.likelihood import piece_nats
from musegen.model.ngrams import HIGHEST, NGrams

__all__ = ["PARTS", "Evaluation", "Predicted", "evaluated"]

PARTS = ("test", "validation", "train", "all")
COUNTED = 2**24  # tokens that n-grams are counted in, at most: they must fit into memory

Progress = Callable[[int, int], None]
Nats = dict[str, NDArray[np.float64]]
"""Predictor → nats of each piece, `float64[P]`."""


@dataclass(frozen=True)
class Predicted:
    """What one predictor makes of the pieces.

    Attributes:
        name: `model`, `n-gram`, `unigram` or `uniform`.
        order: Of an n-gram, 1 of the unigram; None of the others.
        nats: −log p of all tokens.
        per: Unit of `UNITS` → nats by it; None where it is not known how many there are.
    """

    name: str
    order: int | None
    nats: float
    per: Mapping[str, Rate | None]


@dataclass(frozen=True)
class Evaluation:
    """How well a model predicts some pieces.

    Attributes:
        checkpoint: The model's name.
        data: The store or folder.
        part: Which pieces of it, of `PARTS`.
        fills: The model fills gaps, and each eight bars were predicted from all others: no
            likelihood of a piece.
        frame: The grid, as a share of a whole note.
        voices: Cells in a frame.
        sha256: Hash of the pieces' names and tokens, as a checkpoint has it of its training data.
        files: What became of the files of `data`: see `Store.report`.
        overlap: Which of the pieces the model has seen.
        counted: Pieces that the n-grams were counted in, and how many training pieces there are;
            None for no n-grams.
        predictors: The model first.
        totals: Unit → how many there are; None where that is not known.
        rows: A row for each piece: its name, its amount of each unit that is known, its longest run
            (see `Overlap`), and nats by predictor.
    """

    checkpoint: str
    data: str
    part: str
    fills: bool
    frame: Fraction | None
    voices: int | None
    sha256: str
    files: Mapping[str, int]
    overlap: Overlap
    counted: tuple[int, int] | None
    predictors: tuple[Predicted, ...]
    totals: Mapping[str, float | None]
    rows: tuple[Mapping[str, Any], ...]


def evaluated(
    checkpoint: str | Path | Checkpoint,
    data: str | Path | Store,
    part: str = "test",
    *,
    frame: Fraction | None = None,
    voices: int | None = None,
    order: int | None = None,
    by_folder: bool = False,
    seed: int = 0,
    workers: int = 1,
    on_files: Progress = lambda done, total: None,
    on_pieces: Progress = lambda done, total: None,
) -> Evaluation:
    """Return how well a model predicts music.

    Args:
        checkpoint: A model, or its name or path.
        data: A token store that was encoded with its settings; or a folder of music, which is
            encoded.
        part: `test`, `validation`, `train`, or `all`, for which there are no n-grams.
        frame: Count by frames of this share of a whole note, too; metric encodings alone.
        voices: Count by cells, too, of which a frame has so many.
        order: Of the n-gram, 1 to 8; by default the one that predicts the validation pieces best.
        by_folder: Split a folder by what the folders in it are called.
        seed: Seeds the split of a folder.
        workers: Processes that encode a folder.
        on_files: Called with (files encoded, files in all).
        on_pieces: Called with (pieces predicted, pieces in all).

    Raises:
        CheckpointError: There is no such model, or it is damaged.
        ConfigError: An argument is out of range, or frames are asked for of a performance.
        MusegenError: The store has other settings, there is no music, or it cannot be split.
    """
    made = checkpoint if isinstance(checkpoint, Checkpoint) else checkpoints.load(checkpoint)
    encoder = Encoder(made.encoder)
    _check(encoder, part, frame, voices, order)
    with opened(data, made, encoder, by_folder, seed, workers, on_files) as store:
        named = str(data.path if isinstance(data, Store) else data)
        chosen = split_of(store, part, named)
        pieces = [store.tokens(index) for index in chosen]
        names = [store.names[index] for index in chosen]
        nats = {"model": _by_model(made, encoder.vocabulary, pieces, on_pieces)}
        counted = None
        if part != "all":
            order, counted = _by_ngrams(store, pieces, order, nats)
        scores = encoder.decode_many(pieces)
        units = amounts(encoder, pieces, scores, frame, voices)
        seen = overlap(made, store, names, scores)
        nats["uniform"] = units["token"] * np.log(len(encoder.vocabulary))
        return Evaluation(
            checkpoint=made.name,
            data=named,
            part=part,
            fills=made.fills,
            frame=frame,
            voices=voices,
            sha256=sha256(store, [(part, index) for index in chosen]),
            files=store.report,
            overlap=seen,
            counted=counted,
            predictors=_predicted(nats, units, {"n-gram": order, "unigram": 1}),
            totals={unit: float(units[unit].sum()) if unit in units else None for unit in UNITS},
            rows=_rows(names, units, nats, seen.runs),
        )


def _check(
    encoder: Encoder, part: str, frame: Fraction | None, voices: int | None, order: int | None
) -> None:
    """Refuse arguments that are out of range, before any work is done."""
    require(
        part in PARTS, f"part must be one of {', '.join(PARTS)}", part, "Most pieces are in train."
    )
    require(
        frame is None or frame > 0,
        "a frame must be longer than nothing",
        frame,
        "Use 1/16 for sixteenths.",
    )
    require(
        frame is None or encoder.config.encoding == "metric",
        "frames are parts of a bar, which only a metric encoding knows",
        encoder.config.encoding,
        "Leave the frame out: seconds are known here.",
    )
    require(voices is None or voices >= 1, "voices must be >= 1", voices, "Use 4 for chorales.")
    require(
        voices is None or frame is not None,
        "cells are voices of frames, so there must be a frame",
        frame,
        "Use 1/16 for sixteenths.",
    )
    require(
        order is None or 1 <= order <= HIGHEST,
        f"order must be 1 to {HIGHEST}",
        order,
        "Leave it out for the best on the validation pieces.",
    )


@contextmanager
def opened(
    data: str | Path | Store,
    made: Checkpoint,
    encoder: Encoder,
    by_folder: bool,
    seed: int,
    workers: int,
    on_files: Progress,
) -> Iterator[Store]:
    """Give the store that the data are, or one of a folder for as long as it is needed."""
    if not isinstance(data, Store) and not is_store(Path(data)):
        with TemporaryDirectory(prefix="musegen-", ignore_cleanup_errors=True) as folder:
            yield ingest(
                [data],
                Path(folder) / "store",
                encoder,
                workers=workers,
                seed=seed,
                by_folder=by_folder,
                on_progress=on_files,
            )
        return
    store = data if isinstance(data, Store) else Store(data)
    if changed := differences(store.encoder.config, made.encoder):
        raise MusegenError(
            f"{store.path} must have been encoded with the settings of {made.name}. Received: {changed}. Give the "
            "folder of music itself: it is then encoded as the model needs it."
        )
    yield store


def split_of(store: Store, part: str, data: str) -> list[int]:
    """Return the pieces to predict."""
    found: list[int] = []
    with suppress(TrainingError):  # they could not be split
        found = list(range(len(store))) if part == "all" else store.split(part).tolist()
    if not found:
        left_out = store.skipped()
        why = (
            f"; the first of {len(left_out)} files left out: {': '.join(left_out[0]).rstrip('.')}"
            if left_out
            else ""
        )
        raise MusegenError(
            "at least one piece was expected, or three different tunes for a split. Received: "
            f"{len(store)} piece(s) in {data}{why}. Give more music, or --part all, which needs no split."
        )
    return found


def _by_model(
    made: Checkpoint, vocabulary: Vocabulary, pieces: Sequence[Tokens], on_pieces: Progress
) -> NDArray[np.float64]:
    """Return the nats of each piece by the model, `float64[P]`."""
    out = np.zeros(len(pieces))
    done = piece_nats(Engine(made.model, made.weights()), pieces, vocabulary)
    for number, (index, nats) in enumerate(done, 1):
        out[index] = nats.sum()
        on_pieces(number, len(pieces))
    return out


def _by_ngrams(
    store: Store, pieces: Sequence[Tokens], order: int | None, nats: Nats
) -> tuple[int, tuple[int, int]]:
    """Add the nats by the n-gram and the unigram.

    Returns:
        The n-gram's order; in how many pieces it was counted, and how many there are.
    """
    train, validation = ([*store.split(part).tolist()] for part in ("train", "validation"))
    drawn = np.random.default_rng(0).permutation(
        train
    )  # of very many pieces, the same ones each time
    some = drawn[: max(1, int((store.lengths[drawn].cumsum() <= COUNTED).sum()))].tolist()
    grams = NGrams(
        (store.tokens(index) for index in some), len(store.encoder.vocabulary), order or HIGHEST
    )
    order = order or grams.best([store.tokens(index) for index in validation])
    borders = np.cumsum([0, *(len(tokens) - 1 for tokens in pieces[:-1])])
    sums = np.add.reduceat(grams.nats(pieces), borders, axis=1)
    nats |= {"n-gram": sums[order - 1], "unigram": sums[0]}
    return order, (len(some), len(train))


def _predicted(
    nats: Nats, units: dict[str, NDArray[np.float64]], orders: dict[str, int | None]
) -> tuple[Predicted, ...]:
    """Return what each predictor makes of the pieces."""
    found = rates(np.stack([*nats.values()]), np.stack([*units.values()]))
    return tuple(
        Predicted(
            name,
            orders.get(name),
            float(mine.sum()),
            dict.fromkeys(UNITS) | dict(zip(units, row, strict=True)),
        )
        for (name, mine), row in zip(nats.items(), found, strict=True)
    )


def _rows(
    names: list[str], units: dict[str, NDArray[np.float64]], nats: Nats, runs: Sequence[int] | None
) -> tuple[dict[str, Any], ...]:
    """Return a row for each piece."""
    columns: dict[str, list[Any]] = {"name": names}
    for unit, values in units.items():
        columns[f"{unit}s"] = (
            values.tolist() if unit == "second" else values.astype(np.int64).tolist()
        )
    if runs is not None:
        columns["longest_run"] = [*runs]
    columns |= {f"nats_{name}": values.tolist() for name, values in nats.items()}
    return tuple(
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    )
