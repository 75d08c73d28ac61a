"""What a store knows of files: one row of columns for each.

A row holds its numbers in columns of one element a row, and its text, melody and tokens in columns
that run on from row to row, with a column of lengths beside each. So rows are joined by joining
every column, and a shard on disk is these arrays and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "KEPT",
    "RUNS_ON",
    "SAME",
    "STATUSES",
    "Entries",
    "Outcome",
    "Texts",
    "joined",
    "offsets",
    "pick",
    "pointing",
    "table",
]

STATUSES = ("kept", "duplicate", "empty", "too long", "unencodable", "broken")
"""What becomes of a file; the number of each is its place here."""

KEPT = STATUSES.index("kept")
SAME = 255
"""In a shard alone: the content is that of another row, with the same SHA-256."""

ROWS_AT_ONCE = 4096  # gathering takes eight times the memory of what is gathered


class Entries(NamedTuple):
    """Rows of files."""

    identity: NDArray[np.bytes_]
    """`S16[N]`: hash of path, size and time of change: the same if nothing has happened to the file."""
    sha256: NDArray[np.bytes_]
    """`S32[N]`: of the content, or empty if it could not be read."""
    status: NDArray[np.uint8]
    """`uint8[N]`: index into `STATUSES`, or `SAME`."""
    notes: NDArray[np.int32]
    """`int32[N]`: how many the encoding keeps."""
    signature: NDArray[np.uint64]
    """`uint64[N]`: the same for the same music in another key or tempo. See `likeness.signatures`."""
    name_length: NDArray[np.int64]
    reason_length: NDArray[np.int64]
    tracks_length: NDArray[np.int64]
    melody_length: NDArray[np.int64]
    tokens_length: NDArray[np.int64]
    name: NDArray[np.uint8]
    """`uint8[...]`: what people call the file."""
    reason: NDArray[np.uint8]
    """`uint8[...]`, UTF-8: why it has no tokens."""
    tracks: NDArray[np.uint8]
    """`uint8[...]`, UTF-8: a line per track: program, 1 for drums, name."""
    melody: NDArray[np.int8]
    """`int8[...]`: intervals between the highest notes."""
    tokens: NDArray[np.uint16]
    """`uint16[...]`."""


RUNS_ON = ("name", "reason", "tracks", "melody", "tokens")
"""The columns that run on; the length of each row's stretch is in `<column>_length`."""

_DTYPES = {
    "identity": "S16",
    "sha256": "S32",
    "status": "u1",
    "notes": "i4",
    "signature": "u8",
    "name": "u1",
    "reason": "u1",
    "tracks": "u1",
    "melody": "i1",
    "tokens": "u2",
    **{f"{column}_length": "i8" for column in RUNS_ON},
}


class Outcome(NamedTuple):
    """One file's row, while it is being made."""

    identity: bytes
    name: bytes
    sha256: bytes = b""
    status: int = STATUSES.index("broken")
    reason: bytes = b""
    notes: int = 0
    signature: int = 0
    tracks: bytes = b""
    melody: NDArray[np.int8] = np.zeros(0, np.int8)
    tokens: NDArray[Any] = np.zeros(0, np.uint16)


def table(outcomes: Sequence[Outcome]) -> Entries:
    """Return the columns of some rows."""
    columns: dict[str, Any] = {}
    for field in Outcome._fields:
        values = [getattr(outcome, field) for outcome in outcomes]
        if field in RUNS_ON:
            columns[f"{field}_length"] = np.array([*map(len, values)], "i8")
            values = [np.frombuffer(v, np.uint8) if isinstance(v, bytes) else v for v in values]
            columns[field] = np.concatenate(
                [np.zeros(0, _DTYPES[field]), *values], dtype=_DTYPES[field]
            )
        else:
            columns[field] = np.array(values, _DTYPES[field])
    return Entries(**columns)


def joined(tables: Sequence[Entries]) -> Entries:
    """Return the rows of some tables, at least one, as one."""
    return Entries(*map(np.concatenate, zip(*tables, strict=True)))


def pointing(rows: Entries, known: NDArray[np.bool_]) -> Entries:
    """Return the rows with those whose content is `known` without any of their own, but pointing at it."""
    if not known.any():
        return rows
    columns = rows._asdict()
    others = (~known).nonzero()[0]
    for column in RUNS_ON:
        if column != "name":
            lengths = columns[f"{column}_length"]
            columns[column] = pick(columns[column], lengths, others)
            columns[f"{column}_length"] = np.where(known, 0, lengths)
    columns["status"] = np.where(known, SAME, rows.status).astype(np.uint8)
    columns["notes"] = np.where(known, 0, rows.notes)
    columns["signature"] = np.where(known, 0, rows.signature)
    return Entries(**columns)


def offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each row's stretch begins, and where the last ends: `int64[N + 1]`."""
    out = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def pick(values: NDArray[Any], lengths: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return the stretches of some rows of a column that runs on, one after the other."""
    starts = offsets(lengths)
    out = [values[:0]]
    for at in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[at : at + ROWS_AT_ONCE]
        chosen = lengths[some]
        where = np.repeat(starts[some] - offsets(chosen)[:-1], chosen)
        where += np.arange(len(where))
        out.append(values[where])
    return np.concatenate(out)


class Texts:
    """A column of text that runs on, row by row."""

    def __init__(self, values: NDArray[np.uint8], lengths: NDArray[np.int64]) -> None:
        """Take a column and the lengths of its stretches."""
        self._values, self._starts = values, offsets(lengths)

    def __getitem__(self, row: int) -> str:
        """Return the text of a row."""
        return self._values[self._starts[row] : self._starts[row + 1]].tobytes().decode()
