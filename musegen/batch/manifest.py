"""Read and write `manifest.jsonl`, a row for each piece, and prepare the folder of a batch."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from musegen.batch.plan import BATCH, Plan
from musegen.errors import MusegenError
from musegen.utils.arrays import Ints
from musegen.utils.files import atomic_path, refuse_foreign, remove_half_written

__all__ = ["MANIFEST", "Manifest", "Row", "pack", "prepare", "unpack"]

MANIFEST = "manifest.jsonl"
NONE = -1
MAX_NAMED = 5  # differences named in a message

FOREIGN = re.compile(rf"\d{{5,}}-.*\.mid|{re.escape(MANIFEST)}", re.DOTALL)
WRITTEN = re.compile(f"{FOREIGN.pattern}|{re.escape(BATCH)}", re.DOTALL)

Row = dict[str, Any]


class Manifest:
    """The rows of a batch, read and rewritten one by one, so that any number fits into memory.

    A later row of a piece replaces an earlier one. Lines that are not rows are skipped: the last
    one may be incomplete if a run was killed.

    Args:
        path: The file; it may be missing.
    """

    def __init__(self, path: Path) -> None:
        """Store the path; the file is opened when it is needed."""
        self.path = path
        self._file: BinaryIO | None = None

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows in the order of the file."""
        for _, row in self._lines():
            if row is not None:
                yield row

    def damaged(self) -> list[int]:
        """Return the numbers, from 1, of the lines that are not rows, except an incomplete last."""
        return [number for number, (_, row) in enumerate(self._lines(), 1) if row is None]

    def _lines(self) -> Iterator[tuple[int, Row | None]]:
        """Yield the byte offset of each complete line, and its row or None."""
        try:
            with self.path.open("rb") as file:
                offset = 0
                for line in file:
                    if line.endswith(b"\n"):
                        yield offset, _row(line)
                    offset += len(line)
        except FileNotFoundError:
            return
        except OSError as error:
            raise MusegenError(
                f"cannot read {self.path}: {error.strerror or error}. Make it readable."
            ) from error

    def add(self, rows: Iterable[Row]) -> None:
        """Append rows.

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
                f"cannot write {self.path}: {error.strerror or error}. Make room, and give the "
                "same command to go on."
            ) from error

    def close(self) -> None:
        """Close the file if rows were added."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def offsets(self, count: int, belongs: Callable[[Row], bool] = lambda row: True) -> Ints:
        """Return the byte offset of each piece's last row, `int64[count]`; −1 where it has none.

        Args:
            count: Number of pieces.
            belongs: Says which rows count.
        """
        out = np.full(count, NONE, np.int64)
        for offset, row in self._lines():
            if row is not None and row["index"] < count and belongs(row):
                out[row["index"]] = offset
        return out

    def at(self, offsets: Ints) -> Iterator[Row]:
        """Yield the rows at byte offsets, `int64[M]`, in this order; −1 is skipped."""
        offsets = offsets[offsets != NONE]
        if not len(offsets):
            return
        with self.path.open("rb") as file:
            for offset in offsets:
                file.seek(int(offset))
                row = _row(file.readline())
                assert row is not None
                yield row

    def rewrite(self, offsets: Ints, change: Callable[[Row], Row] = lambda row: row) -> None:
        """Replace the file by the rows at byte offsets, in this order.

        Args:
            offsets: From `offsets`.
            change: Applied to each row.

        Raises:
            MusegenError: It cannot be written.
        """
        self.close()
        with atomic_path(self.path) as temporary, temporary.open("wb") as file:
            for row in self.at(offsets):
                file.write(_line(change(row)))


def _line(row: Row) -> bytes:
    return json.dumps(row, allow_nan=False).encode() + b"\n"


def _row(line: bytes) -> Row | None:
    """Return the row in a line; None if it is not a row."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or type(row.get("index")) is not int or row["index"] < 0:
        return None
    return row


def pack(fingerprint: NDArray[np.uint64]) -> str:
    """Return a fingerprint, `uint64[M]`, as base 64 of its little-endian bytes."""
    return base64.b64encode(fingerprint.astype("<u8").tobytes()).decode()


def unpack(text: str) -> NDArray[np.uint64]:
    """Return the fingerprint in a row, `uint64[M]`: the inverse of `pack`."""
    return np.frombuffer(base64.b64decode(text), "<u8").astype(np.uint64)


# --------------------------------------------------------------------------- the folder


def prepare(plan: Plan, force: bool) -> None:
    """Prepare the folder of a plan for a run, and write `batch.json`.

    Args:
        plan: The batch; its folder exists.
        force: Remove the files of a batch that the folder has, and nothing else.

    Raises:
        MusegenError: The folder has another batch, files of unknown origin that this one could
            overwrite, or it cannot be written.
    """
    earlier = Plan.load(plan.folder)
    remove_half_written(plan.folder, WRITTEN)
    if earlier and not force:
        _refuse_other(earlier, plan)
    else:
        if earlier:
            _clear(earlier)
        refuse_foreign(
            plan.folder,
            lambda path: FOREIGN.fullmatch(path.name) is not None,
            f"the folder of a batch ({BATCH}), or without files that one could overwrite",
            "Choose another --output-dir, or move them away.",
        )
    plan.save()


def _refuse_other(earlier: Plan, plan: Plan) -> None:
    """Raise if the batch in the folder is not that of the plan, and name the differences."""
    found = earlier.differences(plan)
    if found:
        more = f"; and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
        raise MusegenError(
            f"{plan.folder} has another batch, and the same was expected. Received: "
            f"{'; '.join(found[:MAX_NAMED])}{more}. Give the same command, choose another "
            "--output-dir, or start again with --force."
        )


def _clear(plan: Plan) -> None:
    """Remove the files of a batch, and nothing else in its folder."""
    try:
        # The plan last: until then it says which files are the batch's
        for name in (*map(plan.file, range(plan.count)), MANIFEST, BATCH):
            (plan.folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise MusegenError(
            f"cannot remove {error.filename}: {error.strerror or error}. "
            "Choose another --output-dir."
        ) from error
