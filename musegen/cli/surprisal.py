"""`musegen surprisal`: how surprising each note of a piece is to a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.options import FILE, INPUT_FILE, checkpoint_option, force_option, value
from musegen.cli.surprisal_table import BETWEEN, shown
from musegen.cli.tables import csv_text, json_text, plain, write

if TYPE_CHECKING:
    from musegen.evaluation.surprisal import Surprisal

__all__ = ["surprisal"]

DIGITS = 6  # of CSV and JSON, after the point: more than single precision can tell
SUFFIXES = {".csv": "csv", ".json": "json"}


@click.command(short_help="Measure how surprising each note is to a model.")
@click.argument("file", type=INPUT_FILE)
@checkpoint_option("FILE")
@value("--by", click.Choice(["bar", "note", "track"]), "What each row stands for.", default="bar")
@value(
    "--format",
    click.Choice(["table", "csv", "json"]),
    "Output format.",
    name="form",
    shown="by the suffix of --output, or table",
)
@value("-o, --output OUT", FILE, "File to write instead of printing.")
@force_option("Replace OUT if it exists.")
def surprisal(
    file: Path, checkpoint: str, by: str, form: str | None, output: Path | None, force: bool
) -> None:
    """Measure how surprising each note of FILE is to a model, in bits.

    FILE is MIDI (.mid) or a score (.musicxml, .mxl, .abc, .krn). A note of n bits had a probability
    of 1/2^n: a note of 3 bits was expected with a probability of one in eight. Bars are counted
    from 1, and a pickup is bar 0. What belongs to no note, such as barlines and the end of the
    piece, has a row of its own, so that the rows add up to the total.
    """
    from musegen.errors import MusegenError
    from musegen.evaluation import surprisal as measuring
    from musegen.utils.files import refuse_to_overwrite

    if output is not None:
        if output.resolve() == file.resolve():
            raise MusegenError(
                "the output must not be the piece itself. "
                f"Received: {output}. Choose another file with -o."
            )
        refuse_to_overwrite(output, force)
    form = form or SUFFIXES.get(output.suffix.lower() if output else "", "table")
    found = measuring.surprisal(file, checkpoint)
    if form == "csv":
        text = as_csv(found, by)
    elif form == "json":
        text = as_json(file, found, by)
    else:
        console = plain() if output else None
        text = shown(click.format_filename(file, shorten=True), found, by, console)
    if output is None:
        click.echo(text, nl=False)
    else:
        write(output, text)


def rows(found: Surprisal, by: str) -> list[dict[str, Any]]:
    """Return the notes, bars or tracks as dictionaries, with the name of each track."""
    table = {"note": found.notes, "bar": found.bars, "track": found.tracks}[by]
    names = dict(zip(found.sources, found.names, strict=True))
    fields = table.dtype.names or ()
    out = []
    for values in table.tolist():
        row = {}
        for field, cell in zip(fields, values, strict=True):
            row[field] = round(cell, DIGITS) if isinstance(cell, float) else cell
            if field == "track":
                row["track_name"] = names[cell]
        out.append(row)
    return out


def as_csv(found: Surprisal, by: str) -> str:
    """Return the rows as CSV, with `BETWEEN` as the last."""
    last: dict[str, Any] = {"track_name": BETWEEN, "bits": round(found.between, DIGITS)}
    return csv_text([*rows(found, by), last | ({} if by == "note" else {"notes": 0})])


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
    tracks = zip(found.sources, found.names, strict=True)
    facts = {
        "file": click.format_filename(file),
        "checkpoint": found.checkpoint,
        "tokens": found.tokens,
        "notes": len(found.notes),
        "notes_not_heard_apart": found.doubled,
        **{name: round(value, DIGITS) for name, value in totals.items()},
        "shift_semitones": found.shift,
        "tracks_heard": [{"track": track, "name": name} for track, name in tracks],
        "tracks_left_out": [{"name": name, "reason": reason} for name, reason in found.left_out],
        "by": by,
        "rows": rows(found, by),
    }
    return json_text(facts) + "\n"
