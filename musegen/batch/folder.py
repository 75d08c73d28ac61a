"""`batch.json`: what the batch in a folder is, and whether a run may go on with it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from musegen.batch.manifest import MANIFEST
from musegen.batch.plan import Plan
from musegen.errors import MusegenError
from musegen.utils.files import atomic_path

__all__ = [
    "BATCH",
    "LOCK",
    "clear",
    "differences",
    "read",
    "refuse_foreign",
    "refuse_other",
    "tidy",
    "write",
]

BATCH, LOCK = "batch.json", ".lock"
FORMAT = 1
PIECE = re.compile(r"\d{5,}-.*\.mid", re.DOTALL)
HALF_WRITTEN = re.compile(
    rf"\.[a-z0-9_]+-({PIECE.pattern}|{re.escape(MANIFEST)}|{re.escape(BATCH)})", re.DOTALL
)
AT_MOST = 5  # differences that are named


def read(folder: Path) -> Plan | None:
    """Return the plan of the batch in a folder; None if there is none.

    Raises:
        MusegenError: The file is damaged, or of another version.
    """
    path = folder / BATCH
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}")
        return Plan.from_dict(folder, values["plan"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MusegenError(
            f"{path} must be what `musegen batch` wrote, format {FORMAT}. Received: {error!r:.200}. Choose another "
            "--output-dir, or remove the file and its batch yourself."
        ) from error


def write(plan: Plan) -> None:
    """Write `batch.json`."""
    values = {"format": FORMAT, "plan": plan.to_dict()}
    with atomic_path(plan.folder / BATCH) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def differences(there: Plan, here: Plan) -> list[str]:
    """Return in what two plans differ, for people; nothing if they are the same.

    A primer that could not be read there may have changed: its pieces are to be tried again.
    """
    old, new = there.to_dict(), here.to_dict()
    before, after = {p.path: p for p in there.primers}, {p.path: p for p in here.primers}
    out = [f"the primer {path} is there and not here" for path in before if path not in after]
    out += [f"the primer {path} is here and not there" for path in after if path not in before]
    if not out and list(before) != list(after):
        out.append("the primers are in another order")
    for path, primer in before.items():
        other = after.get(path, primer)
        if primer.problem or primer == other:
            continue
        changed = (
            "has changed" if other.sha256 != primer.sha256 else "is continued by another checkpoint"
        )
        out.append(f"the primer {path} {changed}")
    for name, sha256 in there.checkpoints.items():
        if here.checkpoints.get(name, sha256) != sha256:
            out.append(f"the checkpoint {name} has changed")
    flat = [{**plan, **plan["options"]} for plan in (old, new)]
    for name in dict.fromkeys([*flat[0], *flat[1]]):
        values = [plan.get(name) for plan in flat]
        if name not in ("primers", "checkpoints", "options") and values[0] != values[1]:
            out.append(f"{name} is {values[0]!r} there and {values[1]!r} here")
    return out


def refuse_other(there: Plan, here: Plan) -> None:
    """Raise unless a run of a plan goes on with what is in its folder.

    Raises:
        MusegenError: It is another batch; the message says what differs.
    """
    found = differences(there, here)
    if found:
        more = f"; and {len(found) - AT_MOST} more" if len(found) > AT_MOST else ""
        raise MusegenError(
            f"{here.folder} has another batch, and the same was expected. Received: "
            f"{'; '.join(found[:AT_MOST])}{more}. Give the same command, choose another "
            "--output-dir, or start anew with --force."
        )


def refuse_foreign(folder: Path) -> None:
    """Raise if a folder without a batch has files that a batch would write.

    Raises:
        MusegenError: It has.
    """
    found = [
        path.name
        for path in folder.iterdir()
        if path.name == MANIFEST or PIECE.fullmatch(path.name)
    ]
    if found:
        raise MusegenError(
            f"{folder} has no batch ({BATCH}), but files that one could overwrite: {', '.join(sorted(found)[:3])}. "
            "Choose another --output-dir, or move them away."
        )


def clear(plan: Plan) -> None:
    """Remove the files of a batch, and nothing else that may be in the folder.

    Raises:
        MusegenError: One cannot be removed.
    """
    try:
        for path in plan.folder.iterdir():
            index = int(path.name.partition("-")[0]) if PIECE.fullmatch(path.name) else plan.count
            if index < plan.count and plan.file(index) == path.name:
                path.unlink()
        for name in (MANIFEST, BATCH):  # the plan last: until then it says what is the batch's
            (plan.folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise MusegenError(
            f"cannot remove {error.filename}: {error.strerror or error}. Choose another --output-dir."
        ) from error


def tidy(folder: Path) -> None:
    """Remove what a killed run left half-written."""
    for path in folder.glob(".*-*"):
        if HALF_WRITTEN.fullmatch(path.name):
            path.unlink(missing_ok=True)
