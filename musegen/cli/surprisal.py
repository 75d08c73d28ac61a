"""`musegen surprisal`."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.surprisal_table import BETWEEN, show

if TYPE_CHECKING:
    from musegen.evaluation.surprisal import Surprisal

__all__ = ["surprisal"]

DIGITS = 6  # of CSV and JSON, after the point: more than single precision can tell
WIDE = 120  # columns of a table that no terminal limits
SUFFIXES = {".csv": "csv", ".json": "json"}


@click.command(short_help="Say how surprising each note is to a model.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--checkpoint",
    default="auto",
    show_default=True,
    help="Name or path of a model; auto takes the one that knows FILE best.",
)
@click.option(
    "--by",
    type=click.Choice(["bar", "note", "track"]),
    default="bar",
    show_default=True,
    help="What has a line of its own.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    help="How to write it.  [default: what OUT ends in, or table]",
)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a file instead of printing.",
)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
def surprisal(
    file: Path, checkpoint: str, by: str, form: str | None, output: Path | None, force: bool
) -> None:
    """Say how surprising each note of FILE is to a model, in bits.

    FILE is MIDI (.mid) or written music (.musicxml, .mxl, .abc). A bit is a halving: a note of 3
    bits was expected with a probability of one in eight. Bars are counted from 1, a pickup is bar
    0. What belongs to no note has a line of its own, so that everything adds up.
    """
    from musegen.errors import MusegenError
    from musegen.evaluation import surprisal as surprising
    from musegen.utils import files

    if output is not None:
        if output.resolve() == file.resolve():
            raise MusegenError(
                f"the output must not be the piece itself. Received: {output}. Choose another -o."
            )
        files.refuse_to_overwrite(output, force)
    form = form or SUFFIXES.get(output.suffix.lower() if output else "", "table")
    found = surprising.surprisal(file, checkpoint)
    if form == "table":
        written = _shown(file, found, by, to_file=output is not None)
    else:
        written = (as_csv if form == "csv" else as_json)(file, found, by)
    if output is None:
        click.echo(written, nl=False)
    else:
        with files.atomic_path(output) as temporary:
            temporary.write_text(written, encoding="utf-8", newline="")


def rows(found: Surprisal, by: str) -> list[dict[str, Any]]:
    """Return the notes, bars or tracks as plain rows; what is an index of a track has its name beside it."""
    table = {"note": found.notes, "bar": found.bars, "track": found.tracks}[by]
    names = dict(zip(found.sources, found.names, strict=True))
    fields = table.dtype.names or ()
    out = []
    for values in table.tolist():
        row = {}
        for field, value in zip(fields, values, strict=True):
            row[field] = round(value, DIGITS) if isinstance(value, float) else value
            if field == "track":
                row["track_name"] = names[value]
        out.append(row)
    return out


def as_csv(file: Path, found: Surprisal, by: str) -> str:
    """Return the rows as CSV, and `BETWEEN` as the last."""
    mine, out = rows(found, by), io.StringIO()
    writer = csv.DictWriter(out, list(mine[0]), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(mine)
    last: dict[str, Any] = {"track_name": BETWEEN, "bits": round(found.between, DIGITS)}
    writer.writerow(last | ({} if by == "note" else {"notes": 0}))
    return out.getvalue()


def as_json(file: Path, found: Surprisal, by: str) -> str:
    """Return everything as one JSON object."""
    totals = {
        "bits": found.bits,
        "nats_per_token": found.nats_per_token,
        "bits_per_note": found.bits_per_note,
        "bits_per_second": found.bits_per_second,
        "seconds": found.score.duration,
        "bars_and_end": found.between,
    }
    facts = {
        "file": click.format_filename(file),
        "checkpoint": found.checkpoint,
        "tokens": found.tokens,
        "notes": len(found.notes),
        "notes_not_heard_apart": found.doubled,
        **{name: round(value, DIGITS) for name, value in totals.items()},
        "shift_semitones": found.shift,
        "tracks_heard": [
            {"track": t, "name": n} for t, n in zip(found.sources, found.names, strict=True)
        ],
        "tracks_left_out": [{"name": name, "reason": reason} for name, reason in found.left_out],
        "by": by,
        "rows": rows(found, by),
    }
    return json.dumps(facts, ensure_ascii=False) + "\n"


def _shown(file: Path, found: Surprisal, by: str, *, to_file: bool) -> str:
    """Return the table and what is said below it, as wide as the terminal."""
    from rich.console import Console

    if to_file:
        console = Console(
            file=io.StringIO(), width=WIDE, highlight=False, markup=False, emoji=False
        )
    else:
        console = Console(
            width=None if sys.stdout.isatty() else WIDE, highlight=False, markup=False, emoji=False
        )
    with console.capture() as captured:
        show(console, click.format_filename(file, shorten=True), found, by)
    return "".join(line.rstrip() + "\n" for line in captured.get().splitlines())
