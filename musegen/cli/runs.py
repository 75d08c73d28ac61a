"""`musegen runs`: the training runs in some folders."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.errors import MusegenError

if TYPE_CHECKING:
    from musegen.training.runs import Run

__all__ = ["runs"]

SORTS = {
    "recent": lambda run: -run.modified,
    "validation": lambda run: run.best["validation_nats"] if run.best else math.inf,
    "name": lambda run: run.name,
}
COLOURS = {"finished": "green", "running": "cyan", "damaged": "red"}
WIDE, ROOMY = 200, 110  # columns: of a table that no terminal limits; enough for long curves


@click.command(short_help="List training runs and draw their curves.")
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--sort",
    type=click.Choice(list(SORTS)),
    default="recent",
    show_default=True,
    help="Last written first, or best validation first; that compares runs of one encoding.",
)
@click.option(
    "--svg",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the curves of all listed runs in one picture.",
)
@click.option("--force", is_flag=True, help="Replace the picture if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line for each run.")
def runs(
    folders: tuple[Path, ...], sort: str, picture: Path | None, force: bool, as_json: bool
) -> None:
    """List the training runs in FOLDERS and below, finished or not.

    Without FOLDERS: in the current folder, and where checkpoints with names lie. The curves are of
    validation and of training, on one logarithmic scale for each run; likelihoods are in nats per
    token.
    """
    from musegen.model.checkpoint import roots
    from musegen.training.curves import svg
    from musegen.training.runs import find
    from musegen.utils.files import atomic_path, refuse_to_overwrite

    if picture is not None:
        refuse_to_overwrite(picture, force)
    found = sorted(find(folders or (Path(), *roots())), key=SORTS[sort])
    if as_json:
        for run in found:
            click.echo(json.dumps(_plain(run)))
    elif found:
        _print(found)
    if not found:
        where = ", ".join(map(str, folders)) or "the current folder"
        click.echo(f"no training runs in {where}. `musegen train` makes them.", err=True)
    if picture is not None:
        if not any(run.log for run in found):
            raise MusegenError(
                "no curves to draw: expected a run that has finished an epoch. Received: none."
            )
        with atomic_path(picture) as temporary:
            temporary.write_text(svg(found, [_name(run) for run in found]), encoding="utf-8")
        click.echo(f"curves of {sum(bool(run.log) for run in found)} runs: {picture}", err=True)


def _name(run: Run) -> str:
    """Return a run's folder, as short as it can be said from here."""
    path = run.path.resolve()
    here = Path.cwd()
    if path == here:
        return path.name
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(run.path)


def _print(found: list[Run]) -> None:
    """Print a table; what is damaged below it, with its reason."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=WIDE, highlight=False, markup=False, emoji=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    roomy = console.width >= ROOMY
    rows = [_row(run, 20 if roomy else 10) for run in found]
    for title in rows[0]:
        if roomy or title not in ("time", "train"):
            table.add_column(
                title,
                justify="right" if title in ("epochs", "best", "in", "time") else "left",
                overflow="fold",
                no_wrap=title not in ("run", "model"),
            )
    for row in rows:
        table.add_row(*(row[str(column.header)] for column in table.columns))
    console.print(table)
    for run in found:
        if run.problem:
            console.print(f"{_name(run)}: {run.problem}", soft_wrap=True)


def _row(run: Run, blocks: int) -> dict[str, Any]:
    """Return what the table says of a run, by column; its curves as so many blocks."""
    from rich.text import Text

    from musegen.training.curves import sparkline
    from musegen.training.runs import in_words

    best, epochs = run.best, run.training.get("epochs")
    done = f"{len(run.log)}/{epochs}" if epochs else str(len(run.log))
    validation, train = run.curve("validation"), run.curve("train")
    both = [value for value in validation + train if math.isfinite(value)] or [1.0]
    low, high = min(both), max(both)
    return {
        "run": Text(_name(run)),
        "state": Text(run.state, style=COLOURS.get(run.state, "yellow")),
        "epochs": f"{done} + {run.step} steps" if run.step else done,
        "best": f"{best['validation_nats']:.4f}" if best else "–",
        "in": f"{best['epoch']:g}" if best else "–",
        "time": duration(run.seconds) if run.log else "–",
        "validation": Text(sparkline(validation, low, high, blocks), style="bold"),
        "train": Text(sparkline(train, low, high, blocks), style="dim"),
        "model": Text(in_words(run.model) if run.model else "?"),
    }


def duration(seconds: float) -> str:
    """Return a time in the two units that matter."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _plain(run: Run) -> dict[str, Any]:
    """Return a run as JSON has it."""
    best = run.best
    return {
        "name": run.name,
        "path": str(run.path),
        "state": run.state,
        "problem": run.problem or None,
        "modified": datetime.fromtimestamp(run.modified, UTC).isoformat(timespec="seconds"),
        "model": run.model.to_dict() if run.model else None,
        "training": {
            name: value for name, value in run.training.items() if name in _training_fields()
        },
        "epochs": len(run.log),
        "step": run.step,
        "best_epoch": int(best["epoch"]) if best else None,
        "validation_nats": best["validation_nats"] if best else None,
        "seconds": run.seconds,
        "log": [
            {name: value if math.isfinite(value) else None for name, value in row.items()}
            for row in run.log
        ],
    }


def _training_fields() -> set[str]:
    from musegen.config import TrainingConfig

    return set(TrainingConfig.__dataclass_fields__)
