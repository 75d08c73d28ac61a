"""The report of `musegen batch`, as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.tables import Column, plural, show, table

if TYPE_CHECKING:
    from rich.table import Table

    from musegen.batch import Plan, Rank, Replayed, Report

__all__ = ["facts", "print_replayed", "print_report", "replayed_facts"]

NAMED = 3  # pieces that failed, with their reasons


def facts(plan: Plan, report: Report) -> dict[str, Any]:
    """Return the facts about a run, as `--json` prints them."""
    kept = report.kept
    return {
        "output_dir": str(plan.folder),
        "seed": plan.seed,
        "pieces": report.pieces,
        "made": report.made,
        "there_before": report.before,
        "failed": report.failed,
        "errors": [{"index": index, "error": error} for index, error in report.errors],
        "seconds": round(report.seconds, 3),
        "pieces_per_second": round(report.per_second, 3),
        "near_duplicates": report.duplicates,
        "kept": None
        if kept is None
        else [{"index": row["index"], "file": row["file"]} for row in kept],
    }


def print_report(output_dir: Path, report: Report, rank: Rank | None) -> None:
    """Print what a run did."""
    line = f"{output_dir}: {plural(report.made, 'piece')} made in {report.seconds:.1f} s"
    if report.made:
        line += f" ({report.per_second:.1f} pieces/s)"
    if report.before:
        line += f"; {report.before:,} made before"
    click.echo(line)
    if report.kept is not None:
        pieces = report.pieces - report.failed
        click.echo(
            f"kept {len(report.kept):,} of {plural(pieces, 'piece')}; "
            f"left out {plural(report.duplicates, 'near duplicate')} of better pieces"
        )
        show(_table(report.kept, rank))
    if report.failed:
        failed = plural(report.failed, "piece")
        click.echo(f"{failed} failed, for the reasons in manifest.jsonl:", err=True)
        for index, error in report.errors[:NAMED]:
            click.echo(f"  piece {index}: {error}", err=True)


def _table(rows: list[dict[str, Any]], rank: Rank | None) -> Table:
    """Return the table of the kept pieces, with the number that ranks them."""
    # Likelihood and novelty have columns in any case.
    own = rank if rank and rank.name not in ("likelihood", "novelty") else None
    columns: list[Column | str] = [
        "rank",
        Column("file", text=True),
        *([own.name] if own else []),
        "nats per note",
        "longest copy",
        "notes",
        Column("key", text=True),
    ]
    return table(columns, (list(_cells(row, own)) for row in rows))


def _cells(row: dict[str, Any], own: Rank | None) -> Iterator[Any]:
    yield row["rank"]
    yield row["file"]
    if own:
        yield f"{own.value(row):.3f}"
    yield f"{row['nats_per_note']:.2f}"
    yield row["novelty"]["notes"] if row["novelty"] else "–"
    yield row["notes"]
    yield row["key"]


def replayed_facts(piece: Replayed) -> dict[str, Any]:
    """Return the facts about a piece that was made again."""
    return {
        "index": piece.index,
        "file": str(piece.path) if piece.path else None,
        "same": not piece.error,
        "error": piece.error or None,
    }


def print_replayed(piece: Replayed) -> None:
    """Print whether a piece that was made again is the same as before."""
    if not piece.error:
        before = " (the file existed already)" if piece.was_there else ""
        click.echo(f"{piece.path}: identical, bit for bit{before}")
    elif piece.index is None:
        click.echo(piece.error, err=True)
    else:
        click.echo(f"piece {piece.index}: {piece.error}", err=True)
