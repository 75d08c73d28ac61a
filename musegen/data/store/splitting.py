"""Split pieces into training, validation and test."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np

from musegen.errors import TrainingError
from musegen.utils.arrays import Ints

__all__ = ["PARTS", "folder_part", "split"]

PARTS = ("none", "train", "validation", "test")
"""Parts of the split; a part is stored as its index here."""

_FOLDERS = {"train": 1, "validation": 2, "valid": 2, "test": 3}
"""Folder names and the parts that they stand for."""


def folder_part(name: str) -> int:
    """Return the part that the innermost such folder of a file name stands for, or 0.

    >>> folder_part("set/test/train/tune.mid")
    1
    """
    folders = reversed(PurePosixPath(name).parts[:-1])
    return next((_FOLDERS[folder] for folder in folders if folder in _FOLDERS), 0)


def split(groups: Ints, held_out: float, seed: int) -> tuple[list[int], list[int], list[int]]:
    """Return the indices of the train, validation and test pieces; no group is divided.

    Groups are drawn in random order. Validation and test are filled first, each up to `held_out`
    of the pieces (at least one), with groups small enough to fit.

    Args:
        groups: The group of each piece, `int64[pieces]`.
        held_out: Share of the pieces in validation, and again in test.
        seed: Seeds the order.

    Raises:
        TrainingError: There are too few different groups.
    """
    wanted = max(1, int(held_out * len(groups)))
    _, first, number, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    members = np.split(number.argsort(kind="stable"), np.cumsum(sizes)[:-1])
    train: list[int] = []
    validation: list[int] = []
    test: list[int] = []
    for group in np.random.default_rng(seed).permutation(first.argsort()):
        pieces = members[group].tolist()
        fits = [part for part in (validation, test) if len(part) + len(pieces) <= wanted]
        (fits[0] if fits else train).extend(pieces)
    if not (train and validation and test):
        # A handful of files that are all one tune: an honest split does not exist.
        raise TrainingError(
            "the pieces must be of at least 3 different tunes to be split. Received: "
            f"{len(sizes)} different tune(s) in {len(groups)} files. Add other music."
        )
    return sorted(train), sorted(validation), sorted(test)
