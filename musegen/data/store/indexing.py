"""What ends a run: duplicates, tunes and the split of all pieces, and the index and report of all files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.data.store.entries import KEPT, SAME, STATUSES, Texts, offsets, pick
from musegen.data.store.likeness import tunes
from musegen.data.store.settings import INDEX, REPORT, read_settings, write_settings
from musegen.data.store.shards import Shards, load_columns
from musegen.data.store.splitting import PARTS, folder_part, split
from musegen.errors import MusegenError, TrainingError
from musegen.utils.files import atomic_path

__all__ = ["write_index"]

LINES_AT_ONCE = 4096
_OF_A_FILE = ("identity", "name_length")
_OF_CONTENT = ("status", "notes", "signature", "reason_length", "tokens_length")

Columns = dict[str, NDArray[Any]]


def write_index(
    store: Path, order: bytes, seed: int, held_out: float, by_folder: bool = False
) -> int:
    """Write what the shards hold of some files as `index.npz` and `report.tsv`.

    What a file needs in memory is a row of numbers and its name, half a kilobyte in all.

    Args:
        store: The store's folder.
        order: The identities of the files, 16 bytes each.
        seed: Seeds the split.
        held_out: Share of the pieces in validation, and again in test.
        by_folder: The split is what the files' folders are called, and every piece counts, be it a
            duplicate.

    Returns:
        How many pieces the index before had whose files are no longer among these.
    """
    shards = Shards(store)
    index = _files(shards, order)
    kept = _kept(index) if by_folder else _mark_duplicates(index)
    group = tunes(_melodies(shards, index, kept), len(kept))
    index["group"] = np.full(len(index["status"]), -1)
    index["group"][kept] = group
    index["part"] = np.zeros(len(index["status"]), np.uint8)
    if by_folder:
        names = Texts(index["name"], index["name_length"])
        index["part"][kept] = [folder_part(names[file]) for file in kept.tolist()]
    else:
        with suppress(TrainingError):  # too little music to be split may still be encoded
            for number, members in enumerate(split(group, held_out, seed), 1):
                index["part"][kept[members]] = number
    del index["signature"]
    dropped = _dropped(store / INDEX, index)
    _write_report(store / REPORT, index)
    settings, _ = read_settings(store)
    counts = np.bincount(index["status"], minlength=len(STATUSES)).tolist()
    totals = dict(zip(STATUSES, counts, strict=True))
    how = {"folders": True} if by_folder else {"seed": seed, "held_out": held_out}
    write_settings(store, {**settings, "split": how, "totals": totals})
    with atomic_path(store / INDEX) as temporary:
        np.savez(temporary, **{name: index[name] for name in sorted(index)})  # type: ignore[arg-type]
    return dropped


def _dropped(before: Path, index: Columns) -> int:
    """Return how many pieces of an index neither are in another one nor were moved or changed in place."""
    names = ("identity", "status", "shard", "row", "name", "name_length")
    try:
        old: Columns = dict(zip(names, load_columns(before, names), strict=True))
    except MusegenError:
        return 0  # the first run, or one that mends
    gone = (old["status"] == KEPT) & ~np.isin(old["identity"], index["identity"])
    gone &= ~np.isin(_places(old), _places(index))
    if not gone.any():
        return 0
    there = Texts(index["name"], index["name_length"])
    called = {there[file] for file in range(len(index["status"]))}
    were = Texts(old["name"], old["name_length"])
    return sum(were[file] not in called for file in gone.nonzero()[0].tolist())


def _places(index: Columns) -> NDArray[np.int64]:
    """Return where the content of each file is, as one number."""
    out: NDArray[np.int64] = index["shard"].astype(np.int64) << 32 | index["row"].astype(np.int64)
    return out


def _files(shards: Shards, order: bytes) -> Columns:
    """Return a row for each file, in order: what it is called, and where in the shards its content is."""
    every, shard_tokens = _entries(shards)
    wanted = np.frombuffer(order, "S16")
    wanted = wanted[
        np.sort(np.unique(wanted, return_index=True)[1])
    ]  # a file given twice counts once
    sort = every["identity"].argsort(kind="stable")
    # Of several rows for one file the last counts: the others were made when it could not be read.
    entry = sort[every["identity"][sort].searchsorted(wanted, side="right") - 1]
    content = entry.copy()
    own = ((every["status"] != SAME) & (every["sha256"] != b"")).nonzero()[0]
    own = own[every["sha256"][own].argsort(kind="stable")]
    same = (every["status"][entry] == SAME).nonzero()[0]
    content[same] = own[every["sha256"][own].searchsorted(every["sha256"][entry[same]])]
    out = {name: every[name][content] for name in (*_OF_CONTENT, "shard", "row", "start")}
    out |= {name: every[name][entry] for name in _OF_A_FILE}
    out["name"] = pick(every["name"], every["name_length"], entry)
    out["reason"] = pick(every["reason"], every["reason_length"], content)
    out["shard_tokens"] = shard_tokens
    return out


def _entries(shards: Shards) -> tuple[Columns, NDArray[np.int64]]:
    """Return all rows of all shards, but for melodies and tokens, and the number of tokens of each shard or −1."""
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


def _kept(index: Columns) -> NDArray[np.int64]:
    """Return the files that are pieces, none of them being another's duplicate yet."""
    index["duplicate_of"] = np.full(len(index["status"]), -1)
    kept: NDArray[np.int64] = (index["status"] == KEPT).nonzero()[0]
    return kept


def _mark_duplicates(index: Columns) -> NDArray[np.int64]:
    """Mark the pieces whose notes an earlier one has, and return the files that are kept."""
    kept = _kept(index)
    _, first, number = np.unique(index["signature"][kept], return_index=True, return_inverse=True)
    original = kept[first[number]]
    copies = kept != original
    index["duplicate_of"][kept[copies]] = original[copies]
    index["status"][kept[copies]] = STATUSES.index("duplicate")
    pieces: NDArray[np.int64] = kept[~copies]
    return pieces


def _melodies(
    shards: Shards, index: Columns, kept: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the melodies of the kept files, shard by shard, their lengths, and the place in `kept` of each."""
    of = index["shard"][kept]
    for number in np.unique(of).tolist():
        pieces = (of == number).nonzero()[0]
        rows = index["row"][kept[pieces]].astype(np.int64)
        melody, lengths = shards.columns(number, "melody", "melody_length")
        yield pick(melody, lengths, rows), lengths[rows], pieces


def _write_report(path: Path, index: Columns) -> None:
    """Write a line for each file, for people and their spreadsheets."""
    names, reasons = (
        Texts(index[column], index[f"{column}_length"]) for column in ("name", "reason")
    )
    fields = ("status", "notes", "tokens_length", "duplicate_of", "group", "part")
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.write("path\tstatus\treason\tnotes\ttokens\tduplicate of\tgroup\tsplit\n")
        for at in range(0, len(index["status"]), LINES_AT_ONCE):
            rows = zip(
                *(index[field][at : at + LINES_AT_ONCE].tolist() for field in fields), strict=True
            )
            for number, (status, notes, tokens, original, group, part) in enumerate(rows, at):
                twin = names[original] if original >= 0 else ""
                cells = (
                    names[number],
                    STATUSES[status],
                    reasons[number],
                    notes,
                    tokens,
                    twin,
                    group if group >= 0 else "",
                    PARTS[part] if part else "",
                )
                file.write("\t".join(str(cell).translate(_ONE_LINE) for cell in cells) + "\n")


_ONE_LINE = {ord(character): " " for character in "\t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"}
