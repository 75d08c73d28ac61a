"""The shards of a store on disk: flat tokens, and beside them the rows of the files they are of.

`00000.npy` is written before `00000.npz`, each under another name first; so a shard without its
`.npz` is one that a run was stopped at, and does not count.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.data.store.entries import Entries
from musegen.errors import MusegenError
from musegen.utils.files import atomic_path

__all__ = ["SHARD", "Shards", "damaged", "load_columns"]

SHARD = re.compile(r"[0-9]{5,}\.np[yz]")
"""What the files of shards are called."""


class Shards:
    """The shards of one store."""

    def __init__(self, store: Path) -> None:
        """Take the store's folder; nothing is read."""
        self.folder = store / "shards"

    def tokens_path(self, number: int) -> Path:
        """Return where a shard's tokens are."""
        return self.folder / f"{number:05}.npy"

    def rows_path(self, number: int) -> Path:
        """Return where a shard's rows are."""
        return self.folder / f"{number:05}.npz"

    def numbers(self) -> list[int]:
        """Return the numbers of the shards that are whole, ascending."""
        names = sorted(
            path.stem for path in self.folder.glob("*.npz") if SHARD.fullmatch(path.name)
        )
        return [number for name in names if self._is_whole(number := int(name))]

    def _is_whole(self, number: int) -> bool:
        try:
            return len(self.tokens(number)) == int(self.columns(number, "tokens_length")[0].sum())
        except MusegenError:
            return False

    def clear(self) -> None:
        """Remove all shards, whole or not, and nothing else that may be beside them."""
        for path in self.folder.glob("*"):
            if SHARD.fullmatch(path.name):
                path.unlink()
        with suppress(OSError):  # something else is in it, or it is not there
            self.folder.rmdir()

    def free(self) -> Iterator[int]:
        """Yield the numbers that no whole shard has, ascending, without end."""
        taken = set(self.numbers())
        number = 0
        while True:
            if number not in taken:
                yield number
            number += 1

    def columns(self, number: int, *names: str) -> list[NDArray[Any]]:
        """Return columns of a shard's rows.

        Raises:
            MusegenError: The file is missing or damaged.
        """
        return load_columns(self.rows_path(number), names)

    def tokens(self, number: int) -> NDArray[np.uint16]:
        """Return a shard's tokens, `uint16[...]`, read from the disk as they are needed.

        Raises:
            MusegenError: The file is missing or damaged.
        """
        path = self.tokens_path(number)
        try:
            out: NDArray[np.uint16] = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise damaged(path, str(error)) from error
        if out.dtype != np.uint16 or out.ndim != 1:
            raise damaged(path, f"expected uint16[T], received {out.dtype}{list(out.shape)}")
        return out

    def write(self, number: int, rows: Entries) -> None:
        """Write a shard.

        Raises:
            MusegenError: The disk is full, or the like.
        """
        # One that is not whole must not become so by halves.
        self.rows_path(number).unlink(missing_ok=True)
        with atomic_path(self.tokens_path(number)) as temporary:
            np.save(temporary, rows.tokens)
        columns = rows._asdict()
        del columns["tokens"]
        with atomic_path(self.rows_path(number)) as temporary:
            np.savez(temporary, **columns)


def load_columns(path: Path, names: tuple[str, ...]) -> list[NDArray[Any]]:
    """Return arrays of a `.npz` file.

    Raises:
        MusegenError: The file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise damaged(path, str(error)) from error


def damaged(path: Path, why: str) -> MusegenError:
    """Return the error for a file of a store that is not as it was written."""
    return MusegenError(
        f"{path} is missing or damaged: {why}. Give the same `musegen encode` command again: it makes anew what is "
        "missing, and keeps the rest. If it does not help, start anew with --force."
    )
