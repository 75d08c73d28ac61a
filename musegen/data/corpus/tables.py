"""The records of an export, and the two tables that are made of them."""

from __future__ import annotations

import json
from operator import itemgetter
from pathlib import Path
from typing import Any

from musegen.utils.files import atomic_path

__all__ = ["PROVENANCE", "SKIPPED", "read_record", "write_tables"]

PROVENANCE, SKIPPED = "provenance.tsv", "skipped.tsv"
COLUMNS = tuple(
    "file title composer transcriber source notes bars cut_bars key meter terms".split()
)
SKIPPED_COLUMNS = ("source", "title", "reason")


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the record of a task; None if there is none, or it is damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and {"written", "skipped"} <= record.keys() else None


def write_tables(output_dir: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Write both tables from the records of all finished tasks; return their rows."""
    records = [r for p in sorted((output_dir / ".export").glob("*.json")) if (r := read_record(p))]
    written = sorted((row for r in records for row in r["written"]), key=itemgetter("file"))
    skipped = sorted(
        (row for r in records for row in r["skipped"]), key=itemgetter("source", "title")
    )
    for name, names, rows in ((PROVENANCE, COLUMNS, written), (SKIPPED, SKIPPED_COLUMNS, skipped)):
        lines = [names, *([" ".join(str(row.get(n, "")).split()) for n in names] for row in rows)]
        with atomic_path(output_dir / name) as temporary:
            temporary.write_text(
                "".join("\t".join(line) + "\n" for line in lines), encoding="utf-8"
            )
    return written, skipped
