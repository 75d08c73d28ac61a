"""`musegen runs`: list training runs and draw their curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.options import FILE, force_option, json_option, value
from musegen.cli.tables import Column, print_json, show, stdout, table, write
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
ROOMY = 110  # columns of a terminal from which on curves are long and complete

COLUMNS = (
    Column("run", text=True, fold=True),
    Column("state", text=True),
    Column("epochs"),
    Column("best"),
    Column("in"),
    Column("time"),
    Column("validation", text=True),
    Column("train", text=True),
    Column("model", text=True, fold=True),
)
ROOMY_ONLY = {"time", "train"}


@click.command(short_help="List training runs and draw their curves.")
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@value(
    "--sort",
    click.Choice(list(SORTS)),
    "Last written first; best validation likelihood first, for runs of one encoding; or by name.",
    default="recent",
)
@value("--svg FILE", FILE, "Draw the curves of all listed runs in one picture.", name="picture")
@force_option("Replace the picture if it exists.")
@json_option("Print one JSON object for each run.")
def runs(
    folders: tuple[Path, ...], sort: str, picture: Path | None, force: bool, as_json: bool
) -> None:
    """List the training runs in FOLDERS and below, finished or not.

    Without FOLDERS: in the current folder, and in the folders of checkpoints that have names. The
    curves are those of validation and of training, on one logarithmic scale for each run;
    likelihoods are in nats per token.
    """
    from musegen.model.checkpoint import roots
    from musegen.training.curves import svg
    from musegen.training.runs import find
    from musegen.utils.files import refuse_to_overwrite

    if picture is not None:
        refuse_to_overwrite(picture, force, "--svg")
    listed = sorted(find(folders or (Path(), *roots())), key=SORTS[sort])

    # The list.
    if as_json:
        for run in listed:
            print_json(_plain(run))
    elif listed:
        _show(listed)
    else:
        where = ", ".join(map(str, folders)) or "the current folder"
        click.echo(f"no training runs in {where}. `musegen train` makes them.", err=True)

    # The picture.
    if picture is not None:
        drawn = sum(bool(run.log) for run in listed)
        if not drawn:
            raise MusegenError(
                "no curves to draw: expected a run that has finished an epoch. Received: none."
            )
        write(picture, svg(listed, [_name(run) for run in listed]))
        click.echo(f"curves of {drawn} runs: {picture}", err=True)


def _name(run: Run) -> str:
    """Return a run's folder, relative to the current one where that is shorter."""
    path, here = run.path.resolve(), Path.cwd()
    if path == here:
        return path.name
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(run.path)


def _show(listed: list[Run]) -> None:
    """Print a table, and below it what is damaged and why."""
    roomy = stdout().width >= ROOMY
    columns = [column for column in COLUMNS if roomy or column.title not in ROOMY_ONLY]
    cells = [_cells(run, 20 if roomy else 10) for run in listed]
    rows = [[row[column.title] for column in columns] for row in cells]
    problems = [f"{_name(run)}: {run.problem}" for run in listed if run.problem]
    show(table(columns, rows), *problems)


def _cells(run: Run, blocks: int) -> Mapping[str, Any]:
    """Return a run's cells by column; its curves are `blocks` characters long."""
    from rich.text import Text

    from musegen.training.curves import sparkline
    from musegen.training.runs import in_words

    best, epochs = run.best, run.training.get("epochs")
    done = f"{len(run.log)}/{epochs}" if epochs else str(len(run.log))
    validation, train = run.curve("validation"), run.curve("train")
    finite = [nats for nats in validation + train if math.isfinite(nats)] or [1.0]
    scale = (min(finite), max(finite), blocks)
    return {
        "run": _name(run),
        "state": Text(run.state, style=COLOURS.get(run.state, "yellow")),
        "epochs": f"{done} + {run.step} steps" if run.step else done,
        "best": f"{best['validation_nats']:.4f}" if best else "–",
        "in": f"{best['epoch']:g}" if best else "–",
        "time": duration(run.seconds) if run.log else "–",
        "validation": Text(sparkline(validation, *scale), style="bold"),
        "train": Text(sparkline(train, *scale), style="dim"),
        "model": in_words(run.model) if run.model else "?",
    }


def duration(seconds: float) -> str:
    """Return a duration in its largest one or two units: `50 s`, `3 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _plain(run: Run) -> dict[str, Any]:
    """Return a run as values that JSON can hold."""
    best, modified = run.best, datetime.fromtimestamp(run.modified, UTC)
    known = _training_fields()
    return {
        "name": run.name,
        "path": str(run.path),
        "state": run.state,
        "problem": run.problem or None,
        "modified": modified.isoformat(timespec="seconds"),
        "model": run.model.to_dict() if run.model else None,
        "training": {name: value for name, value in run.training.items() if name in known},
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
    """Return the names of the training settings."""
    from musegen.config import TrainingConfig

    return set(TrainingConfig.__dataclass_fields__)
