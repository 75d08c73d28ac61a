"""`musegen novelty`: what music has in common with the pieces that a model was trained on."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.errors import MusegenError

if TYPE_CHECKING:
    from musegen.data.novelty import Copied, Index
    from musegen.evaluation.novelty import Bars, Examined

__all__ = ["novelty"]

WIDE = 200  # columns: of a table that no terminal limits
TITLES = ("file", "run", "bar", "stands in", "bar there", "also in")
TEXTS = ("file", "stands in")


@click.command(short_help="Say whether music copies training pieces.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="FILES...")
@click.option(
    "--against",
    "-a",
    required=True,
    metavar="STORE|CHECKPOINT",
    help="The training pieces: a token store, or a checkpoint by name or path.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "all"]),
    help="Which pieces of a store; all are the held-out ones, too.  [default: train]",
)
@click.option(
    "--from-bar",
    type=click.IntRange(0),
    help="Only notes from this bar on count; a pickup is bar 0.",
)
@click.option("--to-bar", type=click.IntRange(0), help="Only notes up to the end of this bar.")
@click.option("--whole", is_flag=True, help="All notes count, the primer of a continuation, too.")
@click.option(
    "--at-least",
    default=12,
    show_default=True,
    type=click.IntRange(2),
    help="List all runs of so many notes; the longest is always said.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line for each file.")
@click.option(
    "--index",
    "checkpoint",
    metavar="CHECKPOINT",
    help="Write the store's training pieces into this checkpoint, so that it can be asked.",
)
@click.option("--force", is_flag=True, help="Replace the checkpoint's index if it has one.")
def novelty(
    files: tuple[Path, ...],
    against: str,
    split: str | None,
    from_bar: int | None,
    to_bar: int | None,
    whole: bool,
    at_least: int,
    as_json: bool,
    checkpoint: str | None,
    force: bool,
) -> None:
    """Say which runs of notes of FILES, MIDI or written music, stand in training pieces, too.

    A run is consecutive notes of one voice, the highest of each track without drums, with the same
    intervals and rhythm, in any key and tempo. Runs of at most two different pairs of interval and
    rhythm, such as scales and repeated notes, do not count. Of a file that musegen has continued
    only the continuation counts, unless --whole or bars are given.
    """
    if bool(files) == (checkpoint is not None):
        raise click.UsageError("give FILES to look at, or --index to write an index, and not both.")
    if whole and (from_bar, to_bar) != (None, None):
        raise click.UsageError(
            "--whole means all bars: leave out --from-bar and --to-bar, or --whole."
        )
    if checkpoint is not None:
        if split == "all":
            raise click.UsageError("an index has the pieces of training alone: leave out --split.")
        return _keep(checkpoint, against, force)
    from musegen.evaluation.novelty import against as opened

    index = opened(against, split)
    if index.partial:
        click.echo(f"the index has {len(index.names)} of {index.in_all} training pieces.", err=True)
    outcomes = [_outcome(file, index, (from_bar, to_bar), whole, at_least) for file in files]
    if as_json:
        for file, outcome in zip(files, outcomes, strict=True):
            click.echo(
                json.dumps(
                    {"file": str(file), "against": against, **_plain(outcome)}, ensure_ascii=False
                )
            )
    else:
        _print(
            [
                (file, outcome)
                for file, outcome in zip(files, outcomes, strict=True)
                if not isinstance(outcome, MusegenError)
            ],
            at_least,
        )
    click.get_current_context().exit(
        1 if any(isinstance(outcome, MusegenError) for outcome in outcomes) else 0
    )


def _keep(checkpoint: str, store: str, force: bool) -> None:
    """Write the index of a store into a checkpoint."""
    from musegen.evaluation.novelty import index_checkpoint

    made, doubt = index_checkpoint(checkpoint, store, force=force)
    if doubt:
        click.echo(f"warning: {doubt} If that is other music, the index is of no use.", err=True)
    click.echo(
        f"{checkpoint}: {len(made.names)} of {made.in_all} training pieces, {len(made)} notes"
    )


def _outcome(
    file: Path, index: Index, bars: Bars, whole: bool, at_least: int
) -> Examined | MusegenError:
    """Return what a file has in common with training pieces, or why that cannot be said."""
    from musegen.evaluation.novelty import examine

    try:
        return examine(file, index, bars, whole=whole, at_least=at_least)
    except MusegenError as error:
        click.echo(f"Error: {error}", err=True)
        return error


def _plain(outcome: Examined | MusegenError) -> dict[str, Any]:
    """Return an outcome as JSON has it."""
    if isinstance(outcome, MusegenError):
        return {"error": str(outcome)}
    return {
        "continuation": outcome.continued,
        "from_tick": outcome.start,
        "from_bar": outcome.bar,
        "notes": outcome.notes,
        "longest": asdict(outcome.longest),
        "runs": [asdict(run) for run in outcome.runs],
    }


def _print(found: list[tuple[Path, Examined]], at_least: int) -> None:
    """Print a table of the longest runs, and one of all others that are long."""
    rows = [[*_cells(file, outcome.longest), str(outcome.notes)] for file, outcome in found]
    _table((*TITLES, "of notes"), rows)
    others = [
        _cells(file, run)
        for file, outcome in found
        for run in outcome.runs
        if run != outcome.longest
    ]
    if others:
        click.echo(f"\nother runs of at least {at_least} notes:")
        _table(TITLES, others)
    if any(outcome.continued for _, outcome in found):
        click.echo(
            "\nof continuations only what is behind the primer counted; --whole counts all.",
            err=True,
        )


def _cells(file: Path, run: Copied) -> list[str]:
    """Return a run's row, by `TITLES`."""
    where = (
        [str(run.bar_here), run.piece, str(run.bar_there), str(run.pieces - 1)]
        if run
        else ["–"] * 4
    )
    return [click.format_filename(file), str(run.notes), *where]


def _table(titles: tuple[str, ...], rows: list[list[str]]) -> None:
    """Print a table, as wide as it takes where no terminal limits it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=WIDE, highlight=False, markup=False, emoji=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(
            title,
            justify="left" if title in TEXTS else "right",
            overflow="fold",
            no_wrap=title not in TEXTS,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
