"""Read and write the shards of a store: flat tokens, and the rows of the files they come from.

`00000.npy` (tokens) is written before `00000.npz` (rows), each under a temporary name first. So a
shard without its `.npz` is one at which a run was stopped, and it does not count.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.data.store.entries import Columns
from musegen.errors import MusegenError
from musegen.utils.files import atomic_path, remove_files, remove_half_written

__all__ = ["Shards", "damaged", "load_columns"]

SHARD = re.compile(r"[0-9]{5,}\.np[yz]")


class Shards:
    """The shards of one store.

    Attributes:
        folder: Where they are.
    """

    def __init__(self, store: Path) -> None:
        """Take the store's folder; nothing is read."""
        self.folder = store / "shards"

    def tokens_path(self, number: int) -> Path:
        """Return the file of a shard's tokens."""
        return self.folder / f"{number:05}.npy"

    def rows_path(self, number: int) -> Path:
        """Return the file of a shard's rows."""
        return self.folder / f"{number:05}.npz"

    def numbers(self) -> list[int]:
        """Return the numbers of the complete shards, ascending by name."""
        paths = (path for path in self.folder.glob("*.npz") if SHARD.fullmatch(path.name))
        numbers = [int(name) for name in sorted(path.stem for path in paths)]
        return [number for number in numbers if self._is_complete(number)]

    def free_numbers(self) -> Iterator[int]:
        """Yield the numbers that no complete shard has, ascending, without end."""
        taken = set(self.numbers())
        return (number for number in count() if number not in taken)

    def _is_complete(self, number: int) -> bool:
        try:
            (lengths,) = self.columns(number, "tokens_length")
            return len(self.tokens(number)) == int(lengths.sum())
        except MusegenError:
            return False

    def clear(self) -> None:
        """Remove all shards, complete or not, and no other file."""
        remove_files(self.folder, SHARD)
        with suppress(OSError):  # it holds other files, or does not exist
            self.folder.rmdir()

    def prepare(self) -> None:
        """Make the folder, and remove what a killed run left half-written."""
        self.folder.mkdir(exist_ok=True)
        remove_half_written(self.folder, SHARD)

    def columns(self, number: int, *names: str) -> list[NDArray[Any]]:
        """Return columns of a shard's rows.

        Raises:
            MusegenError: The file is missing or damaged.
        """
        return load_columns(self.rows_path(number), names)

    def tokens(self, number: int) -> NDArray[np.uint16]:
        """Map a shard's tokens into memory, `uint16[...]`.

        Raises:
            MusegenError: The file is missing or damaged.
        """
        path = self.tokens_path(number)
        try:
            tokens = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise damaged(path, str(error)) from error
        if tokens.dtype != np.uint16 or tokens.ndim != 1:
            raise damaged(path, f"expected uint16[T], received {tokens.dtype}{list(tokens.shape)}")
        return tokens

    def write(self, number: int, rows: Columns) -> None:
        """Write a shard.

        Raises:
            MusegenError: The disk is full, or the like.
        """
        # New tokens beside the old rows of an incomplete shard could pass for a complete one.
        self.rows_path(number).unlink(missing_ok=True)
        columns: dict[str, Any] = dict(rows)
        with atomic_path(self.tokens_path(number)) as temporary:
            np.save(temporary, columns.pop("tokens"))
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
    """Return the error for a missing or damaged file of a store."""
    return MusegenError(
        f"{path} is missing or damaged: {why}. Run the same `musegen encode` command again: it "
        "restores what is missing and keeps the rest. If that does not help, start over with "
        "--force."
    )
