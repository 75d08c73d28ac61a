"""Find out which evaluated pieces a model was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from musegen.data.novelty import FILE, Index
from musegen.data.store import Store
from musegen.errors import TrainingError
from musegen.model.checkpoint import Checkpoint
from musegen.score import Score

__all__ = ["Overlap", "overlap", "sha256"]

SPLIT = ("train", "validation", "test")


@dataclass(frozen=True)
class Overlap:
    """Which of the pieces a model was trained on.

    Pieces are recognised by name, which works if files have the same names as in training. The same
    music under other names shows in `runs`.

    Attributes:
        trained: Number of pieces that the model was trained on, by name; None if the checkpoint has
            no novelty index.
        listed: Number of training pieces in the index.
        in_all: Number of training pieces in all.
        validation: Number of pieces that were held out to select the weights, by name.
        test: Number of pieces that were held out as test pieces, by name.
        same_data: Whether the data are those of the training, with the same names and tokens; None
            if the checkpoint does not describe its data.
        runs: For each piece, the number of notes in its longest run that also occurs in a training
            piece, as in `musegen novelty`; None if the checkpoint has no novelty index.
    """

    trained: int | None
    listed: int
    in_all: int
    validation: int
    test: int
    same_data: bool | None
    runs: tuple[int, ...] | None


def overlap(checkpoint: Checkpoint, store: Store, names: list[str], scores: list[Score]) -> Overlap:
    """Return which pieces of a store a model was trained on.

    Args:
        checkpoint: The model.
        store: The data.
        names: Of the pieces.
        scores: Their notes.

    Raises:
        CheckpointError: The novelty index of the checkpoint is damaged.
    """
    data: Mapping[str, Any] = checkpoint.provenance.get("data", {})
    held_out = data.get("held_out", {})
    index = Index.load(checkpoint.path) if (checkpoint.path / FILE).exists() else None
    trained, runs = None, None
    listed, in_all = 0, data.get("train", {}).get("pieces", 0)
    if index is not None:
        one_line = [name.replace("\n", " ") for name in names]  # as the index stores them
        trained = _among(one_line, index.names)
        runs = tuple(index.longest(score).notes for score in scores)
        listed, in_all = len(index.names), index.in_all
    return Overlap(
        trained=trained,
        listed=listed,
        in_all=in_all,
        validation=_among(names, held_out.get("validation", ())),
        test=_among(names, held_out.get("test", ())),
        same_data=_is_same(data, store),
        runs=runs,
    )


def _among(names: Iterable[str], others: Iterable[str]) -> int:
    """Return how many names are among others."""
    known = set(others)
    return sum(name in known for name in names)


def _is_same(data: Mapping[str, Any], store: Store) -> bool | None:
    """Return whether a store is the data that a checkpoint describes; None if it describes none."""
    if "sha256" not in data:
        return None
    try:
        parts = {part: store.split(part).tolist() for part in SPLIT}
    except TrainingError:  # data that cannot be split cannot have been trained on
        return False
    # The numbers of pieces first, which needs no reading of tokens
    if any(data.get(part, {}).get("pieces") != len(pieces) for part, pieces in parts.items()):
        return False
    pieces = [(part, index) for part, indices in parts.items() for index in indices]
    return bool(data["sha256"] == sha256(store, pieces))


def sha256(store: Store, pieces: Iterable[tuple[str, int]]) -> str:
    """Return the hash of pieces' names and tokens, in the order of their names, as in training.

    Args:
        store: The data.
        pieces: Part of the split and index of each; pieces with the same name are in order of
            these.
    """
    digest = hashlib.sha256()
    for name, _, index in sorted((store.names[index], part, index) for part, index in pieces):
        digest.update(name.encode() + store.tokens(index).tobytes())
    return digest.hexdigest()
