"""`manifest.jsonl`: what became of each piece, a row each; read and rewritten row by row, however many there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from musegen.errors import MusegenError
from musegen.utils.files import atomic_path

__all__ = ["MANIFEST", "Manifest", "Row"]

MANIFEST = "manifest.jsonl"
NONE = -1

Row = dict[str, Any]


class Manifest:
    """The rows of a batch.

    A row that is added replaces the one of the same piece that is there. A line that is no row is
    passed over: the last one may be torn where a run was killed. `damaged` says which others are
    none.

    Args:
        path: The file; it may be missing.
    """

    def __init__(self, path: Path) -> None:
        """Open nothing yet."""
        self.path = path
        self._file: BinaryIO | None = None

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows as they are in the file."""
        for _, row in self._placed():
            yield row

    def damaged(self) -> list[int]:
        """Return the numbers, from 1, of the lines that are no rows; but for one that is torn at the very end."""
        return [number for number, (_, row) in enumerate(self._lines(), 1) if row is None]

    def _placed(self) -> Iterator[tuple[int, Row]]:
        """Yield the rows, each behind the byte where it begins."""
        yield from ((place, row) for place, row in self._lines() if row is not None)

    def _lines(self) -> Iterator[tuple[int, Row | None]]:
        """Yield where each whole line begins, and the row that it is."""
        try:
            with self.path.open("rb") as file:
                place = 0
                for line in file:
                    if line.endswith(b"\n"):
                        yield place, _row(line)
                    place += len(line)
        except FileNotFoundError:
            return
        except OSError as error:
            raise MusegenError(
                f"cannot read {self.path}: {error.strerror or error}. Make it readable."
            ) from error

    def add(self, rows: Iterable[Row]) -> None:
        """Write rows behind the others.

        Raises:
            MusegenError: They cannot be written.
        """
        try:
            if self._file is None:
                self._file = self.path.open("ab")
            self._file.write(b"".join(map(_line, rows)))
            self._file.flush()
        except OSError as error:
            raise MusegenError(
                f"cannot write {self.path}: {error.strerror or error}. Make room, and give the same command to go on."
            ) from error

    def close(self) -> None:
        """Close the file, if rows were added."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def places(
        self, count: int, belongs: Callable[[Row], bool] = lambda row: True
    ) -> NDArray[np.int64]:
        """Return where the last row of each piece begins, `int64[count]`; −1 where there is none.

        Args:
            count: Of pieces.
            belongs: Says which rows count.
        """
        out = np.full(count, NONE, np.int64)
        for place, row in self._placed():
            if row["index"] < count and belongs(row):
                out[row["index"]] = place
        return out

    def at(self, places: NDArray[np.int64]) -> Iterator[Row]:
        """Yield the rows that begin at these bytes, `int64[M]`; −1 is passed over."""
        places = places[places != NONE]
        if not len(places):
            return
        with self.path.open("rb") as file:
            for place in places:
                file.seek(int(place))
                row = _row(file.readline())
                assert row is not None
                yield row

    def rewrite(
        self, places: NDArray[np.int64], change: Callable[[Row], Row] = lambda row: row
    ) -> None:
        """Replace the file by the rows that begin at these bytes, in order.

        Args:
            places: From `places`.
            change: Makes another row of each.

        Raises:
            MusegenError: It cannot be written.
        """
        self.close()
        with atomic_path(self.path) as temporary, temporary.open("wb") as file:
            for row in self.at(places):
                file.write(_line(change(row)))


def _line(row: Row) -> bytes:
    return json.dumps(row, allow_nan=False).encode() + b"\n"


def _row(line: bytes) -> Row | None:
    """Return the row in a line; None if there is none."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or type(row.get("index")) is not int or row["index"] < 0:
        return None
    return row
