"""`musegen doctor`: what an encoding loses on a file, and which settings would lose less."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.config_options import encoder_options, of
from musegen.cli.options import flag_name, given, json_option, refuse_together, value
from musegen.cli.tables import GAP, print_json, show
from musegen.config import EncoderConfig
from musegen.errors import MidiError, MusegenError

if TYPE_CHECKING:
    from musegen.encoding.report import Report
    from musegen.encoding.report.rendering import Describe

__all__ = ["doctor"]


@click.command(short_help="Report what an encoding loses on a file.")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@value("--checkpoint MODEL", str, "Use the encoding of a model, by name or path.")
@json_option("Print one JSON object per file, each on a line of its own.")
@encoder_options
def doctor(files: tuple[Path, ...], checkpoint: str | None, as_json: bool, **settings: Any) -> None:
    """Report what an encoding loses on each FILE, and which settings would lose less.

    FILE is MIDI, a score, or a folder, in which all MIDI files are examined. Errors of onsets,
    durations and velocities are means, medians and maxima over the notes that are kept.
    """
    if checkpoint is not None:
        options = map(flag_name, given(settings))
        refuse_together("--checkpoint", options, "A model has its own encoding.")
    from musegen.encoding.encoder import Encoder
    from musegen.encoding.report.rendering import arguments
    from musegen.model.checkpoint import load

    # No option changes the encoding of a checkpoint: suggestions name the settings instead.
    if checkpoint is None:
        encoder, describe = Encoder(of(EncoderConfig, settings)), as_options
    else:
        encoder, describe = Encoder(load(checkpoint).encoder), arguments
    failed = False
    for path in files:
        for file, outcome in _outcomes(path, encoder.report):
            failed |= isinstance(outcome, MusegenError)
            _print(file, outcome, as_json, describe)
    click.get_current_context().exit(1 if failed else 0)


def _outcomes(
    path: Path, report: Callable[[Path], Report]
) -> Iterator[tuple[Path, Report | MusegenError]]:
    """Yield each file of a path with its report, or with the error that prevents one."""
    from musegen.data.store.walking import MIDI_SUFFIXES

    files = [path]
    if path.is_dir():
        inside = (file for file in path.rglob("*") if file.suffix.lower() in MIDI_SUFFIXES)
        files = sorted(file for file in inside if file.is_file())
        if not files:
            endings = ", ".join(MIDI_SUFFIXES)
            why = f"{path}: no MIDI files in this folder. Expected names that end in {endings}."
            yield path, MidiError(why)
    for file in files:
        try:
            yield file, report(file)
        except MusegenError as error:
            yield file, error


def as_options(change: Mapping[str, Any]) -> str:
    """Phrase a change of settings as options of this command.

    >>> as_options({"drums": True, "parts": 4, "programs": False})
    '--drums --parts 4 --no-programs'
    """
    return " ".join(_option(setting, value) for setting, value in change.items())


def _option(setting: str, value: Any) -> str:
    name = flag_name(setting)
    if isinstance(value, bool):
        return name if value else name.replace("--", "--no-", 1)
    return f"{name} {value}"


def _print(file: Path, outcome: Report | MusegenError, as_json: bool, describe: Describe) -> None:
    """Print a report to stdout, as JSON, text or a table, and an error to stderr.

    JSON on stdout has errors, too.
    """
    if isinstance(outcome, MusegenError):
        click.echo(f"Error: {outcome}", err=True)
        if as_json:
            print_json({"file": str(file), "error": str(outcome)})
        return
    name = click.format_filename(file)
    if as_json:
        print_json({"file": str(file), "report": outcome.to_dict()})
    elif sys.stdout.isatty():
        show(*tables(name, outcome, describe), "")
    else:
        from musegen.encoding.report.rendering import text

        click.echo(f"{name}: {text(outcome, describe)}\n")  # lines as long as they are, to search


def tables(name: str, report: Report, describe: Describe = as_options) -> list[Any]:
    """Return what a terminal shows of a report: the verdict, and below it a table of the rows."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, GAP))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for heading, row in report.rows(describe):
        table.add_row(Text(heading, style="green" if heading == "try" else ""), Text(row))
    verdict = Text.assemble((f"{name}: ", "bold"), report.verdict)
    return [verdict, Padding(table, (0, 0, 0, 2))]
