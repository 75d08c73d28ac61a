"""`musegen corpus`: export music21's corpus as MIDI files."""

from __future__ import annotations

from pathlib import Path

import click

from musegen.cli.options import flag, value, workers_option

__all__ = ["corpus"]


@click.command(short_help="Export public-domain music to train on.")
@click.argument("name", required=False)
@value("-o, --output FOLDER", click.Path(file_okay=False, path_type=Path), "Folder to write.")
@workers_option(at_least=1)
@value(
    "--without TEXT",
    str,
    "Leave out pieces with TEXT in a header, e.g. title or transcriber. Can be repeated.",
    multiple=True,
)
@flag("--list", "List the corpora with their terms of use, and exit.", name="show_list")
def corpus(
    name: str | None,
    output: Path | None,
    workers: int,
    without: tuple[str, ...],
    show_list: bool,
) -> None:
    """Write the pieces of corpus NAME, which is installed with music21, as MIDI files.

    provenance.tsv in the folder lists the origin and terms of each file; skipped.tsv lists what was
    left out and why. An interrupted run continues where it stopped.

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
    from musegen.cli.counter import Counter
    from musegen.data.corpus import export

    with Counter() as counter:
        on_progress = counter.phase(name, "pieces")
        report = export(name, output, workers=workers, without=without, on_progress=on_progress)
    click.echo(f"{output}: {report.files} MIDI files, listed with their terms in provenance.tsv")
    if report.skipped or report.left_out:
        left_out = f", {report.left_out} left out by --without" if report.left_out else ""
        click.echo(f"{report.skipped} pieces not usable{left_out}: see skipped.tsv")


def _print_corpora() -> None:
    from musegen.data.corpus import CORPORA

    width = max(map(len, CORPORA))
    for name, entry in CORPORA.items():
        click.echo(f"{name:{width}}  {entry.description}\n{'':{width}}  {entry.terms}")
