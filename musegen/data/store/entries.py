"""Rows of a store: what it records about each file, as columns.

A table of rows is a dictionary of arrays. Numbers are in columns of one element per row. Text,
melody and tokens are in *ragged* columns: the values of all rows end to end, with a column of
lengths, `<column>_length` (`int64[N]`). So tables are concatenated column by column, and a shard on
disk is these arrays and nothing else.

============  ============  ======================================================================
column        dtype         content
============  ============  ======================================================================
`identity`    `S16[N]`      hash of path, size and modification time; unchanged as the file is
`sha256`      `S32[N]`      hash of the content, or empty if it could not be read
`status`      `uint8[N]`    index into `STATUSES`, or `SAME`
`notes`       `int32[N]`    number of notes that the encoding keeps
`signature`   `uint64[N]`   equal for the same music in another key or tempo: `likeness.signatures`
`name`        `uint8[...]`  ragged, UTF-8: the name of the file in reports
`reason`      `uint8[...]`  ragged, UTF-8: why it has no tokens
`tracks`      `uint8[...]`  ragged, UTF-8: a line per track: program, 1 for drums, name
`melody`      `int8[...]`   ragged: intervals between the highest notes
`tokens`      `uint16[...]` ragged
============  ============  ======================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.utils.arrays import Bools, Ints

__all__ = [
    "KEPT",
    "SAME",
    "STATUSES",
    "Columns",
    "Outcome",
    "Texts",
    "among",
    "joined",
    "offsets",
    "pick",
    "pointing",
    "table",
]

Columns: TypeAlias = dict[str, NDArray[Any]]

STATUSES = ("kept", "duplicate", "empty", "too long", "unencodable", "broken")
"""What becomes of a file; a status is stored as its index here."""

KEPT = STATUSES.index("kept")
SAME = 255
"""Status in a shard only: the content is that of another row, which has the same SHA-256."""

ROWS_AT_ONCE = 4096  # gathering needs eight times the memory of what is gathered
_NUMBERS = {"identity": "S16", "sha256": "S32", "status": "u1", "notes": "i4", "signature": "u8"}
_RAGGED = {"name": "u1", "reason": "u1", "tracks": "u1", "melody": "i1", "tokens": "u2"}


class Outcome(NamedTuple):
    """One row while it is made; text is in UTF-8."""

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


def table(outcomes: Sequence[Outcome]) -> Columns:
    """Return rows as columns."""
    values = {name: [getattr(o, name) for o in outcomes] for name in Outcome._fields}
    rows: Columns = {name: np.array(values[name], dtype) for name, dtype in _NUMBERS.items()}
    for name in _RAGGED:
        rows[f"{name}_length"] = np.array([len(value) for value in values[name]], np.int64)
    for name, dtype in _RAGGED.items():
        parts = [np.frombuffer(v, "u1") if isinstance(v, bytes) else v for v in values[name]]
        rows[name] = np.concatenate([np.zeros(0, dtype), *parts], dtype=dtype)
    return rows


def joined(tables: Sequence[Columns]) -> Columns:
    """Concatenate tables, at least one."""
    return {name: np.concatenate([rows[name] for rows in tables]) for name in tables[0]}


def pointing(rows: Columns, known: Bools) -> Columns:
    """Replace the rows whose content is `known` by pointers to it, of status `SAME`."""
    if not known.any():
        return rows
    out = dict(rows)
    new = (~known).nonzero()[0]
    for name in _RAGGED.keys() - {"name"}:
        lengths = rows[f"{name}_length"]
        out[name] = pick(rows[name], lengths, new)
        out[f"{name}_length"] = np.where(known, 0, lengths)
    for name, value in (("status", SAME), ("notes", 0), ("signature", 0)):
        out[name] = np.where(known, value, rows[name]).astype(rows[name].dtype)
    return out


def offsets(lengths: Ints) -> Ints:
    """Return where each row's values begin, and where the last end: `int64[N + 1]`."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def pick(values: NDArray[Any], lengths: Ints, rows: Ints) -> NDArray[Any]:
    """Return the values of some rows of a ragged column, end to end."""
    starts = offsets(lengths)
    parts = [values[:0]]
    for at in range(0, len(rows), ROWS_AT_ONCE):
        chunk = rows[at : at + ROWS_AT_ONCE]
        counts = lengths[chunk]
        where = np.repeat(starts[chunk] - offsets(counts)[:-1], counts)
        parts.append(values[where + np.arange(len(where))])
    return np.concatenate(parts)


def among(keys: NDArray[np.bytes_], ascending: NDArray[np.bytes_]) -> Bools:
    """Return which keys are in a sorted array, `bool[N]`."""
    if not len(ascending):
        return np.zeros(len(keys), bool)
    return ascending[ascending.searchsorted(keys) % len(ascending)] == keys


class Texts:
    """A ragged column of text, read row by row."""

    def __init__(self, values: NDArray[np.uint8], lengths: Ints) -> None:
        """Take the column and its lengths."""
        self._values = values
        self._starts = offsets(lengths)

    def __getitem__(self, row: int) -> str:
        """Return the text of a row."""
        return self._values[self._starts[row] : self._starts[row + 1]].tobytes().decode()
