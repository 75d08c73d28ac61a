"""`musegen corpus`: music21's packaged music as MIDI files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

__all__ = ["corpus"]


@click.command(short_help="Export public-domain music to train on.")
@click.argument("name", required=False)
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="Output folder."
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes; default: one for each core."
)
@click.option(
    "--without",
    multiple=True,
    metavar="TEXT",
    help="Leave out pieces with TEXT in a header: title, transcriber. Repeatable.",
)
@click.option(
    "--list", "show_list", is_flag=True, help="List the corpora and their terms, and stop."
)
def corpus(
    name: str | None,
    output: Path | None,
    workers: int | None,
    without: tuple[str, ...],
    show_list: bool,
) -> None:
    """Write the pieces of corpus NAME, which music21 brings with it, as MIDI files.

    provenance.tsv in the folder says where each file is from and on what terms; skipped.tsv says
    what was left out and why. An interrupted run goes on where it stopped.

    \b
    musegen corpus --list
    musegen corpus ryansMammoth -o ryans
    musegen corpus oneills1850 -o oneills --without Norbeck
    """  # noqa: D301  (click takes the backspace character for "leave these lines as they are")
    if show_list:
        _print_corpora()
        return
    if name is None:
        raise click.UsageError("Missing argument 'NAME'. `musegen corpus --list` shows the names.")
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from musegen.data.corpus import export

    console = Console(file=sys.stderr)
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(name, total=None)
        report = export(
            name,
            output,
            workers=workers,
            without=without,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    click.echo(f"{output}: {report.files} MIDI files, listed with their terms in provenance.tsv")
    if report.skipped or report.left_out:
        left_out = f", {report.left_out} left out by --without" if report.left_out else ""
        click.echo(f"{report.skipped} pieces not usable{left_out}: see skipped.tsv")


def _print_corpora() -> None:
    from musegen.data.corpus import CORPORA

    width = max(map(len, CORPORA))
    for name, entry in CORPORA.items():
        click.echo(f"{name:{width}}  {entry.description}\n{'':{width}}  {entry.terms}")
