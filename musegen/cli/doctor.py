"""`musegen doctor`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.options import encoder_options, given, of
from musegen.config import EncoderConfig
from musegen.errors import MidiError, MusegenError

if TYPE_CHECKING:
    from musegen.encoding.report import Report
    from musegen.encoding.report.rendering import Worded

__all__ = ["doctor"]


@click.command(short_help="Say what an encoding would lose on a file.")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option("--checkpoint", metavar="NAME", help="Use the encoding of a model, by name or path.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line for each file.")
@encoder_options
def doctor(files: tuple[Path, ...], checkpoint: str | None, as_json: bool, **settings: Any) -> None:
    """Say what an encoding would lose on each FILE, and which settings would lose less.

    FILE is MIDI, written music, or a folder, in which every MIDI file counts. Errors of onsets,
    durations and velocities are means, medians and maxima over the notes that are kept.
    """
    said = given(settings)
    if checkpoint is not None and said:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in said)
        raise click.UsageError(
            f"--checkpoint sets the encoding: leave out {options}, or --checkpoint."
        )
    from musegen.encoding.encoder import Encoder
    from musegen.encoding.report.rendering import settings as arguments
    from musegen.model.checkpoint import load

    encoder = Encoder(
        of(EncoderConfig, settings) if checkpoint is None else load(checkpoint).encoder
    )
    # No option goes with a checkpoint: what would lose less is another model's encoding.
    worded = as_options if checkpoint is None else arguments
    failed = False
    for path in files:
        for file, outcome in _outcomes(path, encoder.report):
            failed |= isinstance(outcome, MusegenError)
            _show(file, outcome, as_json, worded)
    click.get_current_context().exit(1 if failed else 0)


def _outcomes(
    path: Path, report: Callable[[Path], Report]
) -> Iterator[tuple[Path, Report | MusegenError]]:
    """Yield each file of a path with its report, or with the reason why there is none."""
    from musegen.data.store.walking import MIDI_SUFFIXES

    files = [path]
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in MIDI_SUFFIXES and file.is_file()
        )
        if not files:
            endings = ", ".join(MIDI_SUFFIXES)
            yield (
                path,
                MidiError(
                    f"{path}: no MIDI files in this folder. Expected names that end in {endings}."
                ),
            )
    for file in files:
        try:
            yield file, report(file)
        except MusegenError as error:
            yield file, error


def as_options(change: Mapping[str, Any]) -> str:
    """Say a change of settings as options of this command, to be pasted."""
    return " ".join(_option(setting.replace("_", "-"), value) for setting, value in change.items())


def _option(name: str, value: Any) -> str:
    return f"--{'' if value else 'no-'}{name}" if isinstance(value, bool) else f"--{name} {value}"


def _show(file: Path, outcome: Report | MusegenError, as_json: bool, worded: Worded) -> None:
    """Print a report to stdout, an error to stderr; JSON says either on stdout, too."""
    is_error = isinstance(outcome, MusegenError)
    if is_error:
        click.echo(f"Error: {outcome}", err=True)
    if as_json:
        said = {"error": str(outcome)} if is_error else {"report": outcome.to_dict()}  # type: ignore[union-attr]
        click.echo(json.dumps({"file": str(file), **said}))
    elif not isinstance(outcome, MusegenError):
        _print(file, outcome, worded)


def _print(file: Path, report: Report, worded: Worded) -> None:
    """Print a table on a terminal, and lines that are easy to search elsewhere."""
    name = click.format_filename(file)
    if not sys.stdout.isatty():
        from musegen.encoding.report.rendering import text

        click.echo(f"{name}: {text(report, worded)}\n")
        return
    from rich.console import Console

    console = Console(highlight=False)
    for part in (*tables(name, report, worded), ""):
        console.print(part)


def tables(name: str, report: Report, worded: Worded = as_options) -> list[Any]:
    """Return what `rich` shows of a report: the verdict, and a table below it."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for what, much in report.rows(worded):
        table.add_row(Text(what, style="green" if what == "try" else ""), Text(much))
    return [Text.assemble((f"{name}: ", "bold"), report.verdict), Padding(table, (0, 0, 0, 2))]
