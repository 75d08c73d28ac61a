"""`musegen novelty`: which runs of notes also occur in the training pieces of a model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.options import (
    ANY_PATH,
    flag,
    flag_name,
    force_option,
    given,
    json_option,
    refuse_together,
    value,
)
from musegen.cli.tables import Column, plural, print_json, show, table
from musegen.errors import MusegenError

if TYPE_CHECKING:
    from musegen.data.novelty import Copied, Index
    from musegen.evaluation.novelty import Bars, Examined

__all__ = ["novelty"]

COLUMNS = (
    Column("file", text=True, fold=True),
    "run",
    "bar",
    Column("training piece", text=True, fold=True),
    "its bar",
    "other pieces",
)


@click.command(short_help="Find passages that also occur in training pieces.")
@click.argument("files", nargs=-1, type=ANY_PATH, metavar="FILES...")
@value(
    "-a, --against STORE|CHECKPOINT",
    str,
    "Training pieces: a token store, or a checkpoint by name or path.",
    required=True,
)
@value(
    "--split",
    click.Choice(["train", "all"]),
    "With a store: compare with the training pieces, or with all, including the held-out ones.",
    shown="train",
)
@value("--from-bar BAR", click.IntRange(0), "Ignore notes before this bar; a pickup is bar 0.")
@value("--to-bar BAR", click.IntRange(0), "Ignore notes after the end of this bar.")
@flag("--whole", "Compare all notes, including the primer of a continuation.")
@value(
    "--at-least NOTES",
    click.IntRange(2),
    "List every run of at least this many notes; the longest is always listed.",
    default=12,
)
@json_option("Print one JSON object per line for each file.")
@value(
    "--index CHECKPOINT",
    str,
    "Instead of comparing, store the training pieces of a store in this checkpoint, so that "
    "--against can name it.",
    name="checkpoint",
)
@force_option("Replace the index of the checkpoint if it has one.")
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
    """Find runs of notes in FILES (MIDI or scores) that also occur in training pieces.

    A run is a sequence of consecutive notes with the same intervals and rhythm, in any key and
    tempo. One voice per track is compared, the highest notes; drums are not. Runs with at most two
    different pairs of interval and rhythm, such as scales and repeated notes, are ignored. In
    files that musegen has continued, only the continuation is compared, unless --whole, --from-bar
    or --to-bar is given.
    """
    if bool(files) == (checkpoint is not None):
        raise click.UsageError(
            "expected either FILES to compare, or --index to write an index. "
            f"Received: {'both' if files else 'neither'}."
        )
    if whole:
        names = map(flag_name, given({"from_bar": from_bar, "to_bar": to_bar}))
        refuse_together("--whole", names, "It compares all bars.")
    if checkpoint is not None:
        if split == "all":
            refuse_together("--index", ["--split all"], "An index holds training pieces only.")
        return _write_index(checkpoint, against, force)
    from musegen.evaluation.novelty import against as opened

    index = opened(against, split)
    if index.partial:
        pieces = f"{len(index.names):,} of {plural(index.in_all, 'training piece')}"
        click.echo(f"note: the index holds {pieces}", err=True)
    outcomes = [
        (file, _outcome(file, index, (from_bar, to_bar), whole, at_least)) for file in files
    ]
    if as_json:
        for file, outcome in outcomes:
            print_json({"file": str(file), "against": against, **_facts(outcome)})
    else:
        _print(
            [(file, each) for file, each in outcomes if not isinstance(each, MusegenError)],
            at_least,
        )
    failed = any(isinstance(outcome, MusegenError) for _, outcome in outcomes)
    click.get_current_context().exit(1 if failed else 0)


def _write_index(checkpoint: str, store: str, force: bool) -> None:
    """Write the index of a store's training pieces into a checkpoint."""
    from musegen.evaluation.novelty import index_checkpoint

    index, doubt = index_checkpoint(checkpoint, store, force=force)
    if doubt:
        click.echo(f"warning: {doubt} If the music differs, this index is useless.", err=True)
    click.echo(
        f"{checkpoint}: indexed {len(index.names):,} of {plural(index.in_all, 'training piece')} "
        f"({plural(len(index), 'note')})"
    )


def _outcome(
    file: Path, index: Index, bars: Bars, whole: bool, at_least: int
) -> Examined | MusegenError:
    """Return the comparison of a file, or the error, which is printed."""
    from musegen.evaluation.novelty import examine

    try:
        return examine(file, index, bars, whole=whole, at_least=at_least)
    except MusegenError as error:
        click.echo(f"Error: {error}", err=True)
        return error


def _facts(outcome: Examined | MusegenError) -> dict[str, Any]:
    """Return the facts about a file, as `--json` prints them."""
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


def _print(outcomes: list[tuple[Path, Examined]], at_least: int) -> None:
    """Print a table of the longest runs, and one of the other long ones."""
    if not outcomes:
        return
    longest = [[*_cells(file, each.longest), each.notes] for file, each in outcomes]
    show(table([*COLUMNS, "notes"], longest))
    others = [
        _cells(file, run)
        for file, outcome in outcomes
        for run in outcome.runs
        if run != outcome.longest
    ]
    if others:
        show("", f"other runs of at least {at_least} notes:", table(COLUMNS, others))
    if any(outcome.continued for _, outcome in outcomes):
        note = "\nIn continuations, only the notes after the primer were compared (all: --whole)."
        click.echo(note, err=True)


def _cells(file: Path, run: Copied) -> list[Any]:
    """Return a run's row, by `COLUMNS`."""
    found = [run.bar_here, run.piece, run.bar_there, run.pieces - 1] if run else ["–"] * 4
    return [click.format_filename(file), run.notes, *found]
