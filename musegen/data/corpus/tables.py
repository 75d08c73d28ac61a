"""Read the records of an export, and write the two tables made from them."""

from __future__ import annotations

import json
from operator import itemgetter
from pathlib import Path
from typing import Any

from musegen.utils.files import atomic_path

__all__ = ["PROVENANCE", "SKIPPED", "read_record", "write_tables"]

PROVENANCE = "provenance.tsv"
SKIPPED = "skipped.tsv"
COLUMNS = tuple(
    "file title composer transcriber source notes bars cut_bars key meter terms".split()
)
SKIPPED_COLUMNS = ("source", "title", "reason")


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the record of a task; None if it does not exist or is damaged."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and {"written", "skipped"} <= record.keys() else None


def write_tables(output_dir: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Write both tables from the records of all finished tasks; return their rows."""
    records = [r for p in sorted((output_dir / ".export").glob("*.json")) if (r := read_record(p))]
    written = [row for record in records for row in record["written"]]
    skipped = [row for record in records for row in record["skipped"]]
    written.sort(key=itemgetter("file"))
    skipped.sort(key=itemgetter("source", "title"))
    _write_table(output_dir / PROVENANCE, COLUMNS, written)
    _write_table(output_dir / SKIPPED, SKIPPED_COLUMNS, skipped)
    return written, skipped


def _write_table(path: Path, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Write rows as tab-separated values; white space in a cell becomes single spaces."""
    cells = [[" ".join(str(row.get(name, "")).split()) for name in columns] for row in rows]
    text = "".join("\t".join(line) + "\n" for line in [columns, *cells])
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
