"""From a row of a manifest to the same file again, bit for bit."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from musegen._version import __version__
from musegen.batch.making import make
from musegen.batch.manifest import Manifest, Row
from musegen.batch.plan import SIDE_BY_SIDE, Item, Plan, Primer
from musegen.batch.primers import located, placed, sha256_of, weights_sha256
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


@dataclass(frozen=True)
class Replayed:
    """What became of a piece that was made again.

    Attributes:
        index: Its number; None if a line of the manifest does not say which piece it is of.
        path: Its file; None if it was not made.
        error: Why not; empty if it was, and is the same to the bit.
        was_there: The file was there already, and is the same.
    """

    index: int | None
    path: Path | None
    error: str = ""
    was_there: bool = False


def replay(
    manifest: str | Path,
    only: Collection[int] | None = None,
    output: str | Path | None = None,
    *,
    workers: int = 1,
    force: bool = False,
) -> Iterator[Replayed]:
    """Make pieces again as the rows of a manifest say, and compare them with what was made then.

    Args:
        manifest: A `manifest.jsonl`. Its paths of primers and checkpoints are relative to where it
            is.
        only: Numbers of the pieces; None for all that there are.
        output: A folder, or for one piece the name of a MIDI file; by default the folder of the
            manifest.
        workers: Processes to share the work.
        force: Replace files that are there and are others.

    Yields:
        The pieces, sorted by checkpoint. One that did not come out the same is not written.

    Raises:
        MusegenError: There is no such manifest, or it has no row of a piece.
    """
    manifest = Path(manifest).resolve()
    rows = _rows(manifest, only)
    damaged = Manifest(manifest).damaged() if only is None else []
    folder, name = _output(manifest, output, len(rows))
    plans: dict[str, list[Row]] = {}
    for line in damaged:
        yield Replayed(
            None,
            None,
            f"line {line} of {manifest.name} is damaged. Expected: what musegen batch wrote.",
        )
    for row in rows:
        problem = _problem(row, manifest.parent)
        there = folder / (name or str(row.get("file")))
        if problem:
            yield Replayed(row["index"], None, problem)
        elif sha256_of(there) == row["sha256"]:
            yield Replayed(row["index"], there, was_there=True)
        else:
            key = json.dumps(
                [
                    row[k]
                    for k in ("checkpoint", "checkpoint_sha256", "only_continuation", "version")
                ]
            )
            plans.setdefault(key, []).append(row)
    if not plans:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".replay-", dir=folder) as temporary:
        for some in plans.values():
            yield from _again(some, manifest.parent, Path(temporary), folder, name, workers, force)


def _rows(manifest: Path, only: Collection[int] | None) -> list[Row]:
    """Return the last row of each piece that is wanted, by number."""
    if not manifest.is_file():
        raise MusegenError(f"{manifest}: no such manifest. Give the manifest.jsonl of a batch.")
    found = {
        row["index"]: row for row in Manifest(manifest) if only is None or row["index"] in only
    }
    if only is None:
        found = {
            index: row for index, row in found.items() if row.get("sha256") or not row.get("error")
        }
    missing = sorted(set(only or ()) - found.keys())
    if missing or not found:
        raise MusegenError(
            f"{manifest} has no row of piece {', '.join(map(str, missing[:10]))}. Expected: numbers as in its "
            "`index`. Look them up there."
            if missing
            else f"{manifest} has no rows. Give the manifest.jsonl of a batch."
        )
    return [found[index] for index in sorted(found)]


def _output(manifest: Path, output: str | Path | None, count: int) -> tuple[Path, str]:
    """Return the folder to write to, and the name if there is one for the only piece."""
    if output is None:
        return manifest.parent, ""
    output = Path(output)
    if output.is_dir() or output.suffix.lower() not in (".mid", ".midi"):
        return output, ""
    if count > 1:
        raise MidiError(
            f"several pieces must go to a folder. Received: {output} for {count} pieces. Name a folder."
        )
    return output.parent, output.name


def _problem(row: Row, base: Path) -> str:
    """Return why a piece cannot be made again; nothing if it can. Paths are relative to `base`."""
    if row.get("error"):
        return f"it could not be made then, either: {row['error']}"
    bad = [name for name, kind in NEEDED.items() if type(row.get(name)) is not kind]
    if bad or Path(row["file"]).name != row["file"]:
        return (
            f"the row is damaged: {', '.join(bad or ['file'])}. Expected: what musegen batch wrote."
        )
    primer, expected = row.get("primer"), row.get("primer_sha256")
    if primer is not None and sha256_of(placed(primer, base)) != expected:
        received = sha256_of(placed(primer, base)) or "no file that can be read"
        return f"the primer {primer} has changed: SHA-256 {expected} was expected. Received: {received}. Put it back."
    try:
        received = weights_sha256(located(row["checkpoint"], base))
    except MusegenError as error:
        return str(error)
    if received != row["checkpoint_sha256"]:
        return (
            f"the checkpoint {row['checkpoint']} has changed: weights with SHA-256 {row['checkpoint_sha256']} were "
            f"expected. Received: {received}. Put the old ones back."
        )
    return ""


def _again(
    rows: list[Row], base: Path, temporary: Path, folder: Path, name: str, workers: int, force: bool
) -> Iterator[Replayed]:
    """Make pieces with one checkpoint again."""
    first = rows[0]
    plan = Plan(
        base,
        (),
        0,
        0,
        {},
        asked=first["checkpoint"],
        checkpoints={first["checkpoint"]: first["checkpoint_sha256"]},
        only_continuation=first["only_continuation"],
        version=__version__,
    )
    items = sorted(map(_item, rows), key=lambda item: (item.primer.path or "", item.index))
    chunks = (items[at : at + SIDE_BY_SIDE] for at in range(0, len(items), SIDE_BY_SIDE))
    then = {row["index"]: row for row in rows}
    for some, made in each(partial(make, plan, temporary), chunks, workers):
        if isinstance(made, Crash):
            yield from (
                Replayed(item.index, None, "the process that made it died.") for item in some
            )
            continue
        for row in made:
            path = folder / (name or row["file"])
            problem = row.get("error") or _other(row, then[row["index"]])
            if not problem:
                try:
                    refuse_to_overwrite(path, force)
                    (temporary / row["file"]).replace(path)
                except (MusegenError, OSError) as error:
                    problem = str(error)
            yield Replayed(row["index"], None if problem else path, problem)


def _item(row: Row) -> Item:
    primer = Primer(row["primer"], row["primer_sha256"], row["checkpoint"])
    options: dict[str, Any] = row["options"]
    return Item(row["index"], row["file"], primer, row["seed"], options)


def _other(now: Row, then: Row) -> str:
    """Return why a piece did not come out as it was; nothing if it did."""
    if now["sha256"] == then["sha256"]:
        return ""
    cause = (
        f"It was made by musegen {then['version']}, and this is {now['version']}: use that version."
        if now["version"] != then["version"]
        else "Primer, checkpoint and version are the same: the row was changed, or another processor or version of "
        "NumPy rounds otherwise."
    )
    return f"it came out otherwise: SHA-256 {then['sha256']} was expected. Received: {now['sha256']}. {cause}"
