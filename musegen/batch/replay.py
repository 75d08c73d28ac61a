"""Make pieces again from their rows in a manifest, and compare them bit for bit."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from musegen._version import __version__
from musegen.batch.manifest import Manifest, Row
from musegen.batch.plan import Item, Plan
from musegen.batch.primers import Primer, checked_checkpoint, checked_primer, sha256_of
from musegen.batch.runner import SIDE_BY_SIDE
from musegen.batch.worker import make
from musegen.errors import MidiError, MusegenError
from musegen.utils.files import refuse_to_overwrite
from musegen.utils.parallel import Crash, each

__all__ = ["Replayed", "replay"]

NEEDED = {
    "file": str,
    "seed": int,
    "options": dict,
    "checkpoint": str,
    "checkpoint_sha256": str,
    "sha256": str,
    "only_continuation": bool,
    "version": str,
}
"""Fields that a row must have, and their types."""
COMMON = ("checkpoint", "checkpoint_sha256", "only_continuation", "version")
"""Fields in which rows agree that are replayed together."""
MAX_NAMED = 10  # missing pieces named in a message


@dataclass(frozen=True)
class Replayed:
    """The result of making a piece again.

    Attributes:
        index: Its number; None for a damaged line of the manifest.
        path: Its file; None if it was not made.
        error: Why not; empty if the piece was made and is the same, bit for bit.
        was_there: The same file existed before.
    """

    index: int | None
    path: Path | None
    error: str = ""
    was_there: bool = False


class _Target(NamedTuple):
    """Where to write pieces."""

    folder: Path
    name: str
    """Of the only piece; empty for the names in the rows."""
    force: bool

    def path(self, row: Row) -> Path:
        return self.folder / (self.name or str(row.get("file")))


def replay(
    manifest: str | Path,
    only: Collection[int] | None = None,
    output: str | Path | None = None,
    *,
    workers: int = 1,
    force: bool = False,
) -> Iterator[Replayed]:
    """Make pieces again from their rows in a manifest, and compare them with the originals.

    Args:
        manifest: A `manifest.jsonl`. Paths of primers and checkpoints in it are relative to its
            folder.
        only: Numbers of the pieces; None for all that were made.
        output: A folder, or for one piece the name of a MIDI file; by default the folder of the
            manifest.
        workers: Number of processes.
        force: Replace existing files that differ.

    Yields:
        The pieces, sorted by checkpoint. One that did not come out the same is not written.

    Raises:
        MusegenError: There is no such manifest, or it has no row of a piece.

    >>> from musegen.batch import planned, run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run(planned([], folder, count=2, seed=7, bars=1, checkpoint="folk"))
    ...     again = Path(folder, "again")
    ...     [(one.path.name, one.error) for one in replay(f"{folder}/manifest.jsonl", {1}, again)]
    [('00001-folk.mid', '')]
    """
    manifest = Path(manifest).resolve()
    rows = _rows(manifest, only)
    target = _target(manifest, output, len(rows), force)
    for line in Manifest(manifest).damaged() if only is None else []:
        problem = f"line {line} of {manifest.name} is damaged. Expected: a row of musegen batch."
        yield Replayed(None, None, problem)

    groups: dict[str, list[Row]] = {}
    for row in rows:
        problem = _problem(row, manifest.parent)
        if problem:
            yield Replayed(row["index"], None, problem)
        elif sha256_of(target.path(row)) == row["sha256"]:
            yield Replayed(row["index"], target.path(row), was_there=True)
        else:
            groups.setdefault(json.dumps([row[name] for name in COMMON]), []).append(row)
    if not groups:
        return
    target.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".replay-", dir=target.folder) as temporary:
        for group in groups.values():
            yield from _replayed(group, manifest.parent, Path(temporary), target, workers)


def _rows(manifest: Path, only: Collection[int] | None) -> list[Row]:
    """Return the last row of each requested piece, by number.

    Raises:
        MusegenError: There is no manifest, or one of the rows is missing.
    """
    if not manifest.is_file():
        raise MusegenError(f"{manifest}: no such manifest. Give the manifest.jsonl of a batch.")
    found = {
        row["index"]: row for row in Manifest(manifest) if only is None or row["index"] in only
    }
    if only is None:
        made = {i: row for i, row in found.items() if row.get("sha256") or not row.get("error")}
        if not made:
            raise MusegenError(f"{manifest} has no rows. Give the manifest.jsonl of a batch.")
        found = made
    elif missing := sorted(set(only) - found.keys()):
        raise MusegenError(
            f"{manifest} has no row of piece {', '.join(map(str, missing[:MAX_NAMED]))}. "
            "Expected: numbers as in its `index`. Look them up there."
        )
    return [found[index] for index in sorted(found)]


def _target(manifest: Path, output: str | Path | None, count: int, force: bool) -> _Target:
    """Return where to write pieces.

    Raises:
        MidiError: Several pieces would be written to one file.
    """
    folder = manifest.parent if output is None else Path(output)
    if output is None or folder.is_dir() or folder.suffix.lower() not in (".mid", ".midi"):
        return _Target(folder, "", force)
    if count > 1:
        raise MidiError(
            f"several pieces need a folder. Received: {folder} for {count} pieces. Name a folder."
        )
    return _Target(folder.parent, folder.name, force)


def _problem(row: Row, base: Path) -> str:
    """Return why a piece cannot be made again; empty if it can. Paths are relative to `base`."""
    if row.get("error"):
        return f"it could not be made then, either: {row['error']}"
    bad = [name for name, kind in NEEDED.items() if type(row.get(name)) is not kind]
    if not bad and Path(row["file"]).name != row["file"]:
        bad = ["file"]
    if bad:
        return f"the row is damaged: {', '.join(bad)}. Expected: a row of musegen batch."
    try:
        if row.get("primer") is not None:
            checked_primer(_item(row).primer, base)
        checked_checkpoint(row["checkpoint"], row["checkpoint_sha256"], base)
    except MusegenError as error:
        return str(error)
    return ""


def _replayed(
    rows: list[Row], base: Path, temporary: Path, target: _Target, workers: int
) -> Iterator[Replayed]:
    """Make pieces that agree in `COMMON` again."""
    first = rows[0]
    plan = Plan(
        folder=base,
        primers=(),
        count=0,
        seed=0,
        options={},
        asked=first["checkpoint"],
        checkpoints={first["checkpoint"]: first["checkpoint_sha256"]},
        only_continuation=first["only_continuation"],
        version=__version__,
    )
    items = sorted(map(_item, rows), key=lambda item: (item.primer.path or "", item.index))
    chunks = (items[at : at + SIDE_BY_SIDE] for at in range(0, len(items), SIDE_BY_SIDE))
    originals = {row["index"]: row for row in rows}
    for chunk, made in each(partial(make, plan, temporary), chunks, workers):
        if isinstance(made, Crash):
            died = "the process that made it died."
            yield from (Replayed(item.index, None, died) for item in chunk)
            continue
        for row in made:
            path = target.path(row)
            problem = row.get("error") or _difference(row, originals[row["index"]])
            if not problem:
                try:
                    refuse_to_overwrite(path, target.force)
                    (temporary / row["file"]).replace(path)
                except (MusegenError, OSError) as error:
                    problem = str(error)
            yield Replayed(row["index"], None if problem else path, problem)


def _item(row: Row) -> Item:
    primer = Primer(row.get("primer"), row.get("primer_sha256"), row["checkpoint"])
    return Item(row["index"], row["file"], primer, row["seed"], row["options"])


def _difference(now: Row, then: Row) -> str:
    """Return how a piece differs from the original and the likely cause; empty if equal."""
    if now["sha256"] == then["sha256"]:
        return ""
    if now["version"] != then["version"]:
        cause = (
            f"It was made by musegen {then['version']}, and this is {now['version']}: "
            "use that version."
        )
    else:
        cause = (
            "Primer, checkpoint and version are the same: the row was changed, or another "
            "processor or version of NumPy rounds otherwise."
        )
    return (
        f"the piece differs: SHA-256 {then['sha256']} was expected. "
        f"Received: {now['sha256']}. {cause}"
    )
