"""Which pieces to learn from, and which to hold back."""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from musegen.errors import TrainingError

__all__ = ["PARTS", "folder_part", "split"]

PARTS = ("none", "train", "validation", "test")
"""Which part of the split a file is in; the number of each is its place here."""

_FOLDERS = {
    **{part: number for number, part in enumerate(PARTS) if number},
    "valid": PARTS.index("validation"),
}


def folder_part(name: str) -> int:
    """Return the part that a file's innermost folder of such a name says it is in; 0 if none does."""
    return next(
        (
            _FOLDERS[folder]
            for folder in reversed(PurePosixPath(name).parts[:-1])
            if folder in _FOLDERS
        ),
        0,
    )


def split(
    groups: NDArray[np.int64], held_out: float, seed: int
) -> tuple[list[int], list[int], list[int]]:
    """Return the indices of the train, validation and test pieces; no group is divided.

    Groups are drawn in random order; validation and test are filled first, each up to
    `held_out` of the pieces (at least one), by groups small enough to fit.

    Raises:
        TrainingError: There are too few different groups.
    """
    rng = np.random.default_rng(seed)
    wanted = max(1, int(held_out * len(groups)))
    _, first, number, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    members = np.split(number.argsort(kind="stable"), np.cumsum(sizes)[:-1])
    held: tuple[list[int], list[int]] = ([], [])
    train: list[int] = []
    for group in rng.permutation(first.argsort()):
        mine = members[group].tolist()
        for bucket in held:
            if len(bucket) + len(mine) <= wanted:
                bucket.extend(mine)
                break
        else:
            train.extend(mine)
    if not train or not all(held):
        # A handful of files that are all one tune: an honest split does not exist.
        raise TrainingError(
            f"the pieces must be of at least 3 different tunes to be split. Received: {len(sizes)} different tune(s) "
            f"in {len(groups)} files. Add other music."
        )
    return sorted(train), sorted(held[0]), sorted(held[1])
