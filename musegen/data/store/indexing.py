"""Finish a run: mark duplicates, group tunes, split the pieces, and write the index and report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.data.store.entries import KEPT, SAME, STATUSES, Columns, Texts, offsets, pick
from musegen.data.store.likeness import tunes
from musegen.data.store.settings import INDEX, REPORT, read_settings, write_settings
from musegen.data.store.shards import Shards, load_columns
from musegen.data.store.splitting import PARTS, folder_part, split
from musegen.errors import MusegenError, TrainingError
from musegen.utils.arrays import Ints
from musegen.utils.files import atomic_path

__all__ = ["write_index"]

LINES_AT_ONCE = 4096
_OF_A_FILE = ("identity", "name_length")
_OF_CONTENT = ("status", "notes", "signature", "reason_length", "tokens_length")
_WHITE_SPACE = {ord(character): " " for character in "\t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"}


def write_index(
    store: Path, order: bytes, seed: int, held_out: float, by_folder: bool = False
) -> int:
    """Write `index.npz` and `report.tsv` from what the shards record about some files.

    In memory a file takes a row of numbers and its name, half a kilobyte in all.

    Args:
        store: The store's folder.
        order: The identities of the files, 16 bytes each.
        seed: Seeds the split.
        held_out: Share of the pieces in validation, and again in test.
        by_folder: Split by the names of the files' folders, and keep duplicates.

    Returns:
        The number of pieces in the previous index whose files are no longer among these.
    """
    shards = Shards(store)
    index = _files(shards, order)
    count = len(index["status"])
    index["duplicate_of"] = np.full(count, -1)
    if not by_folder:
        _mark_duplicates(index)
    kept = _pieces(index)
    index["group"] = np.full(count, -1)
    index["group"][kept] = tunes(_melodies(shards, index, kept), len(kept))
    index["part"] = np.zeros(count, np.uint8)
    if by_folder:
        names = Texts(index["name"], index["name_length"])
        index["part"][kept] = [folder_part(names[file]) for file in kept.tolist()]
    else:
        with suppress(TrainingError):  # too few tunes to split are still encoded
            for part, members in enumerate(split(index["group"][kept], held_out, seed), 1):
                index["part"][kept[members]] = part
    del index["signature"]

    dropped = _dropped(store / INDEX, index)
    _write_report(store / REPORT, index)
    settings, _ = read_settings(store)
    counts = np.bincount(index["status"], minlength=len(STATUSES)).tolist()
    totals = dict(zip(STATUSES, counts, strict=True))
    how = {"folders": True} if by_folder else {"seed": seed, "held_out": held_out}
    write_settings(store, {**settings, "split": how, "totals": totals})
    arrays: dict[str, Any] = {name: index[name] for name in sorted(index)}
    with atomic_path(store / INDEX) as temporary:
        np.savez(temporary, **arrays)
    return dropped


def _files(shards: Shards, order: bytes) -> Columns:
    """Return a row for each file, in order: its name, and where in the shards its content is."""
    rows, shard_tokens = _shard_rows(shards)
    wanted = np.frombuffer(order, "S16")
    wanted = wanted[np.sort(np.unique(wanted, return_index=True)[1])]  # a file counts once
    # The last of several rows for a file counts: earlier ones are from when it was unreadable.
    sort = rows["identity"].argsort(kind="stable")
    entry = sort[rows["identity"][sort].searchsorted(wanted, side="right") - 1]
    # Where an entry points at another row's content, take that row.
    content = entry.copy()
    own = ((rows["status"] != SAME) & (rows["sha256"] != b"")).nonzero()[0]
    own = own[rows["sha256"][own].argsort(kind="stable")]
    same = (rows["status"][entry] == SAME).nonzero()[0]
    content[same] = own[rows["sha256"][own].searchsorted(rows["sha256"][entry[same]])]

    index = {name: rows[name][content] for name in (*_OF_CONTENT, "shard", "row", "start")}
    index |= {name: rows[name][entry] for name in _OF_A_FILE}
    index["name"] = pick(rows["name"], rows["name_length"], entry)
    index["reason"] = pick(rows["reason"], rows["reason_length"], content)
    index["shard_tokens"] = shard_tokens
    return index


def _shard_rows(shards: Shards) -> tuple[Columns, Ints]:
    """Return all rows of all shards without melodies and tokens, and each shard's tokens or −1."""
    names = ("sha256", "name", "reason", *_OF_A_FILE, *_OF_CONTENT)
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in (*names, "shard", "row", "start")}
    numbers = shards.numbers()
    shard_tokens = np.full(max(numbers, default=-1) + 1, -1)
    for number in numbers:
        columns: Columns = dict(zip(names, shards.columns(number, *names), strict=True))
        starts = offsets(columns["tokens_length"])
        shard_tokens[number] = starts[-1]
        columns["start"] = starts[:-1]
        columns["row"] = np.arange(len(starts) - 1, dtype=np.int32)
        columns["shard"] = np.full(len(starts) - 1, number, np.int32)
        for name, part in parts.items():
            part.append(columns[name])
    return {name: np.concatenate(parts.pop(name)) for name in list(parts)}, shard_tokens


def _pieces(index: Columns) -> Ints:
    """Return the files that are pieces."""
    return (index["status"] == KEPT).nonzero()[0]


def _mark_duplicates(index: Columns) -> None:
    """Mark the pieces with the same notes as an earlier piece."""
    kept = _pieces(index)
    _, first, number = np.unique(index["signature"][kept], return_index=True, return_inverse=True)
    original = kept[first[number]]
    copies = kept != original
    index["duplicate_of"][kept[copies]] = original[copies]
    index["status"][kept[copies]] = STATUSES.index("duplicate")


def _melodies(
    shards: Shards, index: Columns, kept: Ints
) -> Iterator[tuple[NDArray[np.int8], Ints, Ints]]:
    """Yield per shard the melodies of its kept files, their lengths, and their places in `kept`."""
    shard = index["shard"][kept]
    for number in np.unique(shard).tolist():
        pieces = (shard == number).nonzero()[0]
        rows = index["row"][kept[pieces]].astype(np.int64)
        melody, lengths = shards.columns(number, "melody", "melody_length")
        yield pick(melody, lengths, rows), lengths[rows], pieces


def _dropped(before: Path, index: Columns) -> int:
    """Return how many pieces of the previous index are gone: not moved, nor changed in place."""
    names = ("identity", "status", "shard", "row", "name", "name_length")
    try:
        old: Columns = dict(zip(names, load_columns(before, names), strict=True))
    except MusegenError:
        return 0  # the first run, or one that restores the index
    gone = (old["status"] == KEPT) & ~np.isin(old["identity"], index["identity"])
    gone &= ~np.isin(_places(old), _places(index))
    if not gone.any():
        return 0
    names_now = Texts(index["name"], index["name_length"])
    present = {names_now[file] for file in range(len(index["status"]))}
    names_before = Texts(old["name"], old["name_length"])
    return sum(names_before[file] not in present for file in gone.nonzero()[0].tolist())


def _places(index: Columns) -> Ints:
    """Pack the shard and row of each file's content into one number."""
    return index["shard"].astype(np.int64) << 32 | index["row"].astype(np.int64)


def _write_report(path: Path, index: Columns) -> None:
    """Write a line for each file, for people and their spreadsheets."""
    names = Texts(index["name"], index["name_length"])
    reasons = Texts(index["reason"], index["reason_length"])
    fields = ("status", "notes", "tokens_length", "duplicate_of", "group", "part")
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.write("path\tstatus\treason\tnotes\ttokens\tduplicate of\tgroup\tsplit\n")
        for at in range(0, len(index["status"]), LINES_AT_ONCE):
            columns = [index[field][at : at + LINES_AT_ONCE].tolist() for field in fields]
            for number, row in enumerate(zip(*columns, strict=True), at):
                status, notes, tokens, original, group, part = row
                cells = (
                    *(names[number], STATUSES[status], reasons[number], notes, tokens),
                    names[original] if original >= 0 else "",
                    group if group >= 0 else "",
                    PARTS[part] if part else "",
                )
                file.write("\t".join(str(cell).translate(_WHITE_SPACE) for cell in cells) + "\n")
