"""What a model has seen of the pieces that it is evaluated on, as far as that can be told."""

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
    """Which pieces the model has seen.

    Names tell it only where files are called as in training. The same music under other names shows
    in `runs`.

    Attributes:
        trained: How many of the pieces it was trained on, by name; None if nobody has listed those.
        listed: How many of its training pieces are listed in its novelty index, …
        in_all: … and how many there were.
        validation: How many of the pieces were held out to choose its weights by, by name.
        test: How many were held out altogether, by name.
        same_data: Whether the data are those of its training, piece for piece and token for token;
            None if it does not say what those are.
        runs: For each piece how many notes the longest run of it has that stands in a training
            piece, too, as `musegen novelty` says it; None if nobody has listed those.
    """

    trained: int | None
    listed: int
    in_all: int
    validation: int
    test: int
    same_data: bool | None
    runs: tuple[int, ...] | None


def overlap(checkpoint: Checkpoint, store: Store, names: list[str], scores: list[Score]) -> Overlap:
    """Return which pieces of a store a model has seen.

    Args:
        checkpoint: The model.
        store: The data.
        names: What the pieces are called.
        scores: Their notes.

    Raises:
        CheckpointError: The list of its training pieces is damaged.
    """
    data: Mapping[str, Any] = checkpoint.provenance.get("data", {})
    index = Index.load(checkpoint.path) if (checkpoint.path / FILE).exists() else None
    held_out = data.get("held_out", {})
    return Overlap(
        trained=None
        if index is None
        else _among([name.replace("\n", " ") for name in names], index.names),
        listed=0 if index is None else len(index.names),
        in_all=data.get("train", {}).get("pieces", 0) if index is None else index.in_all,
        validation=_among(names, held_out.get("validation", ())),
        test=_among(names, held_out.get("test", ())),
        same_data=_is_same(data, store),
        runs=None if index is None else tuple(index.longest(score).notes for score in scores),
    )


def _among(names: Iterable[str], others: Iterable[str]) -> int:
    seen = set(others)
    return sum(name in seen for name in names)


def _is_same(data: Mapping[str, Any], store: Store) -> bool | None:
    """Return whether a store is the data that a checkpoint describes."""
    if "sha256" not in data:
        return None
    try:
        parts = {part: store.split(part).tolist() for part in SPLIT}
    except TrainingError:  # it could not be split, so nothing was trained on it
        return False
    if any(data.get(part, {}).get("pieces") != len(pieces) for part, pieces in parts.items()):
        return False  # without a look at the tokens
    return bool(
        data["sha256"]
        == sha256(store, [(part, i) for part, pieces in parts.items() for i in pieces])
    )


def sha256(store: Store, pieces: Iterable[tuple[str, int]]) -> str:
    """Return the hash of pieces' names and tokens, in the order of their names: as `musegen train` makes it.

    Args:
        store: The data.
        pieces: Part of the split and index of each; of pieces with the same name the order of these
            counts.
    """
    digest = hashlib.sha256()
    for name, _, index in sorted((store.names[index], part, index) for part, index in pieces):
        digest.update(name.encode() + store.tokens(index).tobytes())
    return digest.hexdigest()
