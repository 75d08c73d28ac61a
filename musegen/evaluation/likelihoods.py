"""Evaluate how well a model predicts pieces, compared with n-gram baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from musegen.config import require
from musegen.data.store import Store
from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.evaluation.pieces import PARTS, Progress, for_ngrams, open_store, pieces_of
from musegen.evaluation.resampling import Rate, rates
from musegen.evaluation.training_overlap import Overlap, overlap, sha256
from musegen.evaluation.units import UNITS, amounts
from musegen.model import checkpoint as checkpoints
from musegen.model.checkpoint import Checkpoint
from musegen.model.engine import Engine
from musegen.model.likelihood import piece_nats
from musegen.model.ngrams import HIGHEST, NGrams
from musegen.utils.arrays import Floats

__all__ = ["Evaluation", "Predicted", "evaluated"]

Nats = dict[str, Floats]
"""Predictor → nats of each piece, `float64[P]`."""


@dataclass(frozen=True)
class Predicted:
    """The likelihood of the pieces under one predictor.

    Attributes:
        name: `model`, `n-gram`, `unigram` or `uniform`.
        order: Of an n-gram, 1 of the unigram; None of the others.
        nats: −log p of all tokens.
        per: Unit of `UNITS` → nats per unit; None if the amount is unknown.
    """

    name: str
    order: int | None
    nats: float
    per: Mapping[str, Rate | None]


@dataclass(frozen=True)
class Evaluation:
    """The likelihood of pieces under a model, compared with baselines.

    Attributes:
        checkpoint: The model's name.
        data: The store or folder.
        part: Which pieces of it, of `PARTS`.
        fills: Whether the model fills gaps. Then every eight bars were predicted from all others,
            and the result is not the likelihood of a piece.
        frame: Length of a frame, as a fraction of a whole note.
        voices: Cells in a frame.
        sha256: Hash of the pieces' names and tokens, as checkpoints store it of their data.
        files: Status of the files of `data` → number of files: see `Store.report`.
        overlap: Which of the pieces the model was trained on.
        counted: Number of pieces in which the n-grams were counted, and of training pieces; None
            without n-grams.
        predictors: The model first.
        totals: Unit → amount in all pieces; None if unknown.
        rows: A row for each piece: its name, its amount of each known unit, its longest run (see
            `Overlap`), and its nats under each predictor.
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
    """Evaluate how well a model predicts music.

    Every token after `start` counts: bars, positions, durations and `end`, too.

    Args:
        checkpoint: A model, or its name or path.
        data: A token store with the model's encoding, or a folder of music, which is encoded.
        part: `test`, `validation`, `train`, or `all`, for which there are no n-grams.
        frame: Also compute nats per frame of this fraction of a whole note; metric encodings only.
        voices: Also compute nats per cell, of which a frame has this number.
        order: Of the n-gram, 1 to 8; by default the one that predicts the validation pieces best.
        by_folder: Split a folder by the names of its subfolders.
        seed: Of the split of a folder.
        workers: Number of processes that encode a folder.
        on_files: Called with (files encoded, files in all).
        on_pieces: Called with (pieces predicted, pieces in all).

    Raises:
        CheckpointError: There is no such model, or it is damaged.
        ConfigError: An argument is out of range, or the encoding has no frames.
        MusegenError: The store has other settings, there is no music, or it cannot be split.

    >>> from tempfile import TemporaryDirectory
    >>> from musegen import Score, Track
    >>> with TemporaryDirectory() as folder:
    ...     notes = [(0, 480, 74, 80, 0), (480, 480, 69, 80, 0)]
    ...     Score(notes=notes, tracks=[Track()]).save(f"{folder}/two.mid")
    ...     found = evaluated("folk", folder, "all")
    >>> [predicted.name for predicted in found.predictors]
    ['model', 'uniform']
    >>> model, uniform = (predicted.per["note"].value for predicted in found.predictors)
    >>> found.totals["note"], model < uniform
    (2.0, True)
    """
    made = checkpoint if isinstance(checkpoint, Checkpoint) else checkpoints.load(checkpoint)
    encoder = Encoder(made.encoder)
    _check(encoder, part, frame, voices, order)
    with open_store(data, made, encoder, by_folder, seed, workers, on_files) as store:
        name = str(data.path if isinstance(data, Store) else data)
        chosen = pieces_of(store, part, name)
        pieces = [store.tokens(index) for index in chosen]
        names = [store.names[index] for index in chosen]
        scores = encoder.decode_many(pieces)
        units = amounts(encoder, pieces, scores, frame, voices)

        nats = {"model": _by_model(made, encoder.vocabulary, pieces, on_pieces)}
        counted = None
        if part != "all":
            order, counted = _by_ngrams(store, pieces, order, nats)
        nats["uniform"] = units["token"] * np.log(len(encoder.vocabulary))
        seen = overlap(made, store, names, scores)
        return Evaluation(
            checkpoint=made.name,
            data=name,
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
    parts = f"part must be one of {', '.join(PARTS)}"
    require(part in PARTS, parts, part, "Most pieces are in train.")
    if frame is not None:
        encoding = encoder.config.encoding
        require(frame > 0, "a frame must have a length > 0", frame, "Use 1/16 for sixteenths.")
        require(
            encoding == "metric",
            "frames are parts of a bar, which only metric encodings have",
            encoding,
            "Leave the frame out: seconds are known here.",
        )
    if voices is not None:
        require(voices >= 1, "voices must be >= 1", voices, "Use 4 for chorales.")
        cells = "cells are voices of frames, so there must be a frame"
        require(frame is not None, cells, frame, "Use 1/16 for sixteenths.")
    if order is not None:
        expected = f"order must be 1 to {HIGHEST}"
        best = "Leave it out for the best on the validation pieces."
        require(1 <= order <= HIGHEST, expected, order, best)


def _by_model(
    made: Checkpoint, vocabulary: Vocabulary, pieces: Sequence[Tokens], on_pieces: Progress
) -> Floats:
    """Return the nats of each piece under the model, `float64[P]`."""
    out = np.zeros(len(pieces))
    done = piece_nats(Engine(made.model, made.weights()), pieces, vocabulary)
    for number, (index, nats) in enumerate(done, 1):
        out[index] = nats.sum()
        on_pieces(number, len(pieces))
    return out


def _by_ngrams(
    store: Store, pieces: Sequence[Tokens], order: int | None, nats: Nats
) -> tuple[int, tuple[int, int]]:
    """Add the nats of the pieces under the n-gram and the unigram.

    Returns:
        The n-gram's order; the number of pieces in which it was counted, and of training pieces.
    """
    counted = for_ngrams(store)
    tokens = (store.tokens(index) for index in counted)
    grams = NGrams(tokens, len(store.encoder.vocabulary), order or HIGHEST)
    if order is None:
        order = grams.best([store.tokens(index) for index in store.split("validation").tolist()])
    starts = np.cumsum([0, *(len(piece) - 1 for piece in pieces[:-1])])
    sums = np.add.reduceat(grams.nats(pieces), starts, axis=1)
    nats |= {"n-gram": sums[order - 1], "unigram": sums[0]}
    return order, (len(counted), len(store.split("train")))


def _predicted(
    nats: Nats, units: dict[str, Floats], orders: dict[str, int | None]
) -> tuple[Predicted, ...]:
    """Return the likelihood of the pieces under each predictor."""
    found = rates(np.stack([*nats.values()]), np.stack([*units.values()]))
    out = []
    for (name, values), row in zip(nats.items(), found, strict=True):
        per = dict.fromkeys(UNITS) | dict(zip(units, row, strict=True))
        out.append(Predicted(name, orders.get(name), float(values.sum()), per))
    return tuple(out)


def _rows(
    names: list[str], units: dict[str, Floats], nats: Nats, runs: Sequence[int] | None
) -> tuple[dict[str, Any], ...]:
    """Return a row for each piece."""
    columns: dict[str, list[Any]] = {"name": names}
    for unit, values in units.items():
        whole = unit != "second"
        columns[f"{unit}s"] = (values.astype(np.int64) if whole else values).tolist()
    if runs is not None:
        columns["longest_run"] = [*runs]
    columns |= {f"nats_{name}": values.tolist() for name, values in nats.items()}
    return tuple(
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    )
