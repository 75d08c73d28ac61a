"""`musegen batch`: many pieces, from many primers."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.options import Sectioned, given
from musegen.cli.sampling import sampling_options
from musegen.errors import MusegenError

if TYPE_CHECKING:
    from rich.progress import Progress

    from musegen.batch import Plan, Report

__all__ = ["batch"]


class Numbers(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """Numbers and ranges of them: `17`, `17,20-25`."""

    name = "NUMBERS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[int]:
        """Return the numbers."""
        out: set[int] = set()
        for text in str(value).split(","):
            found = re.fullmatch(r"\s*(\d{1,10})(?:-(\d{1,10}))?\s*", text)
            first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
            if not 0 <= last - first < 1_000_000:
                self.fail(
                    f"numbers were expected, as 17 or 17,20-25. Received: {value!r}.", param, ctx
                )
            out.update(range(first, last + 1))
        return frozenset(out)


@click.command(cls=Sectioned, short_help="Make many pieces, from many primers.")
@click.argument("primers", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output-dir",
    type=click.Path(path_type=Path),
    help="Folder of the pieces. With --replay also a file.",
)
@click.option("--count", type=click.IntRange(1), help="Pieces in all, over the primers in turn.")
@click.option(
    "--per-primer",
    type=click.IntRange(1),
    help="Pieces of each primer.  [default: 1 for each point of sweeps]",
)
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="NAME=VALUES",
    help="Values of an option in turn: temperature=0.7:1.2:0.1, top_p=0.9,0.95. Repeatable.",
)
@click.option(
    "--bars", default=16, show_default=True, type=click.IntRange(1, 10_000), help="Bars to add."
)
@click.option(
    "--inject",
    is_flag=True,
    help="Play beside the primers, in other parts, instead of going on after them.",
)
@click.option(
    "--primer-bars",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Let the model hear so many of the last bars of a primer; 0 for all.",
)
@click.option(
    "--max-copied",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Notes in a row that may be as in a training piece; 0 for any number.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="The pieces' seeds are derived from it.  [default: that of the batch, or a new one]",
)
@click.option(
    "--checkpoint",
    default="auto",
    show_default=True,
    help="Name or path of a model; auto takes the one that knows each primer best.",
)
@click.option("--only-continuation", is_flag=True, help="Leave the primers out of the files.")
@click.option(
    "--keep", type=click.IntRange(1), help="Keep so many of the best, without near duplicates."
)
@click.option(
    "--rank",
    help="What is best: likelihood, novelty, similarity-to-primer or a measure; "
    "NAME:low or NAME:high.  [default: likelihood]",
)
@click.option(
    "--workers", type=click.IntRange(1), help="Processes.  [default: one for each core, at least 2]"
)
@click.option(
    "--replay",
    metavar="MANIFEST",
    type=click.Path(path_type=Path),
    help="Make pieces of a manifest.jsonl again, bit for bit.",
)
@click.option("--only", type=Numbers(), help="With --replay: which pieces, as 17,20-25.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--force", is_flag=True, help="Start anew: remove the batch that is there, and nothing else."
)
@sampling_options
def batch(
    primers: tuple[Path, ...],
    output_dir: Path | None,
    replay: Path | None,
    only: frozenset[int] | None,
    workers: int | None,
    as_json: bool,
    force: bool,
    **options: Any,
) -> None:
    """Continue PRIMERS (files, folders, patterns), or compose new pieces if there are none, many at once.

    Run again, it goes on where it was stopped. manifest.jsonl in the folder has a row for each
    piece, with all that it takes to make it again. The same seed makes the same files, with any
    --workers and --count; each is what musegen compose makes with the seed in its row.
    """
    from musegen.utils.parallel import cores

    workers = workers or max(2, cores())  # a piece that crashes its process must not end the run
    if replay is not None:
        if primers or given(options):
            raise click.UsageError(
                "--replay takes --only, -o, --workers, --json and --force, and nothing else."
            )
        _replay(replay, only, output_dir, workers, as_json, force)
    elif only is not None:
        raise click.UsageError("--only says which pieces of a --replay.")
    elif output_dir is None:
        raise click.UsageError("give a folder for the pieces with --output-dir.")
    else:
        _make(primers, output_dir, workers, as_json, force, **options)


def _make(
    primers: tuple[Path, ...],
    output_dir: Path,
    workers: int,
    as_json: bool,
    force: bool,
    *,
    sweeps: tuple[str, ...],
    temperature: tuple[dict[str, Any], ...],
    keep: int | None,
    rank: str | None,
    **options: Any,
) -> None:
    """Make a batch."""
    from musegen.batch import Rank, parse_sweeps, planned, run

    if options["count"] and options["per_primer"]:
        raise click.UsageError("give --count, pieces in all, or --per-primer, and not both.")
    if rank is not None and keep is None:
        raise click.UsageError("--rank says what --keep keeps: give both.")
    if options["inject"] and (
        not primers or options["only_continuation"] or "bars" in given(options)
    ):
        raise click.UsageError(
            "--inject plays beside primers, and cannot stand with --bars or --only-continuation."
        )
    chosen = None if rank is None else Rank.parse(rank)
    if chosen is not None and chosen.name == "similarity-to-primer" and not primers:
        raise click.UsageError("--rank similarity-to-primer needs primers.")
    sweep = parse_sweeps(sweeps)
    if both := sorted(sweep.keys() & given(options).keys()):
        raise click.UsageError(f"{both[0]} is swept, so it cannot have a value of its own, too.")
    options |= temperature[0]
    if len(temperature) > 1:
        if "temperature" in sweep:
            raise click.UsageError(
                "sweep the temperature with --temperature or with --sweep, and not with both."
            )
        sweep = {"temperature": [heat["temperature"] for heat in temperature], **sweep}
    try:
        with _display() as display:
            plan = planned(
                primers,
                output_dir,
                sweep=sweep,
                workers=workers,
                force=force,
                on_progress=_shown(display, "reading primers", "primers"),
                **options,
            )
            display.console.print(f"seed {plan.seed}")
            report = run(
                plan,
                workers=workers,
                keep=keep,
                rank=chosen,
                force=force,
                on_progress=_shown(display, "composing", "pieces"),
            )
    except KeyboardInterrupt:
        raise MusegenError(
            f"stopped. What is in {output_dir} is kept: give the same command to go on."
        ) from None
    if as_json:
        click.echo(json.dumps(facts(plan, report)))
    else:
        _print(output_dir, plan, report, chosen)
    click.get_current_context().exit(1 if report.failed else 0)


def _display() -> Progress:
    """Return a live line on how far the batch is, how fast, and how long it will take; on terminals alone."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.completed}/{task.total} {task.fields[what]}  {task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _shown(display: Progress, title: str, what: str) -> Callable[[int, int], None]:
    """Return a callback that shows how much is done; what was done before it is first called has no speed."""
    first: list[int] = []

    def on_progress(done: int, total: int) -> None:
        if not first:
            first.append(done)
            for task in display.task_ids:
                display.remove_task(task)
            display.add_task(title, total=total, completed=done, what=what, rate="")
            return
        seconds = display.tasks[0].elapsed
        rate = f"{(done - first[0]) / seconds:,.1f}/s" if seconds and done > first[0] else ""
        display.update(display.task_ids[0], completed=done, total=total, rate=rate)

    return on_progress


def facts(plan: Plan, report: Report) -> dict[str, Any]:
    """Return what a machine wants to know of a batch that is done."""
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


def _print(output_dir: Path, plan: Plan, report: Report, rank: Any) -> None:
    """Print the report for a person."""
    before = f", {report.before} were there before" if report.before else ""
    speed = f", {report.per_second:.1f} pieces/s" if report.made else ""
    click.echo(f"{output_dir}: {report.made} pieces made{before}; {report.seconds:.1f} s{speed}")
    if report.kept is not None:
        click.echo(
            f"kept {len(report.kept)} of {report.pieces - report.failed}; {report.duplicates} nearly repeat better ones"
        )
        _table(report.kept, rank)
    if report.failed:
        click.echo(f"{report.failed} pieces failed; manifest.jsonl has the reasons.", err=True)
        for index, error in report.errors[:3]:
            click.echo(f"  {index}: {error}", err=True)


def _table(rows: list[dict[str, Any]], rank: Any) -> None:
    """Print the pieces that were kept."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from musegen.batch import Rank

    rank = rank or Rank.parse("likelihood")
    table = Table(box=None, pad_edge=False, header_style="bold")
    own = (
        [rank.name] if rank.name not in ("likelihood", "novelty") else []
    )  # which have their columns
    for title in ("rank", "file", *own, "nats per note", "longest copy", "notes", "key"):
        table.add_column(
            title, justify="left" if title in ("file", "key") else "right", no_wrap=True
        )
    for row in rows:
        copied = row["novelty"]
        cells = (
            row["rank"],
            row["file"],
            *(f"{rank.value(row):.3f}" for _ in own),
            f"{row['nats_per_note']:.2f}",
            copied["notes"] if copied else "–",
            row["notes"],
            row["key"],
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    console = Console(highlight=False)
    (
        console if console.is_terminal else Console(file=sys.stdout, width=200, highlight=False)
    ).print(table)


def _replay(
    manifest: Path,
    only: frozenset[int] | None,
    output: Path | None,
    workers: int,
    as_json: bool,
    force: bool,
) -> None:
    """Make pieces again, and say of each whether it is the same."""
    from musegen.batch import replay

    wrong = 0
    done = []
    try:
        for piece in replay(manifest, only, output, workers=workers, force=force):
            wrong += bool(piece.error)
            fact = {
                "index": piece.index,
                "file": str(piece.path) if piece.path else None,
                "same": not piece.error,
            }
            done.append({**fact, "error": piece.error or None})
            if as_json:
                continue
            if piece.error:
                click.echo(
                    piece.error if piece.index is None else f"piece {piece.index}: {piece.error}",
                    err=True,
                )
            else:
                there = ", and was there" if piece.was_there else ""
                click.echo(f"{piece.path}: the same, to the bit{there}")
    except KeyboardInterrupt:
        raise MusegenError("stopped. The pieces that were named are made.") from None
    if as_json:
        click.echo(json.dumps({"manifest": str(manifest), "pieces": done}))
    click.get_current_context().exit(1 if wrong else 0)
