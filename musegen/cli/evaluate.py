"""`musegen evaluate`."""

from __future__ import annotations

import csv
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli import generated_table
from musegen.cli.evaluate_table import plain, shown
from musegen.cli.options import given
from musegen.config import SamplerConfig
from musegen.errors import MusegenError

if TYPE_CHECKING:
    from musegen.evaluation import Evaluation, Generation

__all__ = ["evaluate"]

BARS = 8  # of primers and continuations, if nothing is said


class _NoteValue(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """A share of a whole note."""

    name = "note value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        """Read `1/16`."""
        try:
            found = Fraction(value)
        except (ValueError, ZeroDivisionError):
            found = Fraction(0)
        if found <= 0:
            self.fail(f"a note value such as 1/16 was expected. Received: {value!r}.", param, ctx)
        return found


@click.command(short_help="Say how well a model predicts music, beside baselines.")
@click.argument("checkpoint")
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--part",
    type=click.Choice(["test", "validation", "train", "all"]),
    default="test",
    show_default=True,
    help="Which pieces; all needs no split, and has no n-gram beside it.",
)
@click.option(
    "--split",
    type=click.Choice(["tunes", "folders"]),
    default="tunes",
    show_default=True,
    help="Of a folder: drawn, versions of a tune together; or as folders in it called train, validation (or "
    "valid) and test say.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seeds the split of a folder; and with --generate which pieces are drawn, and what is written.",
)
@click.option(
    "--frame", type=_NoteValue(), metavar="1/16", help="Count by frames of this length, too."
)
@click.option("--voices", type=click.IntRange(1), help="Count by cells, too: so many in a frame.")
@click.option(
    "--order",
    type=click.IntRange(1, 8),
    help="Of the n-gram.  [default: the one that predicts the validation pieces best]",
)
@click.option(
    "--generate",
    "pieces",
    type=click.IntRange(2),
    metavar="N",
    help="Continue N of the pieces, too, and compare with what they go on with themselves.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0.001, 1000),
    default=SamplerConfig().temperature,
    show_default=True,
    help="With --generate: what continuations are written at.",
)
@click.option(
    "--bars",
    type=click.IntRange(1, 10_000),
    default=BARS,
    show_default=True,
    help="With --generate: bars of each primer, and of each continuation.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--csv",
    "table",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a line for each piece.",
)
@click.option("--force", is_flag=True, help="Replace the file of --csv if it exists.")
def evaluate(
    checkpoint: str,
    data: Path,
    part: str,
    split: str,
    seed: int,
    frame: Fraction | None,
    voices: int | None,
    order: int | None,
    pieces: int | None,
    temperature: float,
    bars: int,
    as_json: bool,
    table: Path | None,
    force: bool,
) -> None:
    """Say how well CHECKPOINT predicts the music in DATA, in nats: the fewer, the better.

    DATA is a store of `musegen encode` with the model's encoding, or a folder of music. Beside the
    model stand an n-gram and a unigram of DATA's training pieces, and the uniform distribution. The
    95 % say how much the figures depend on which pieces these happen to be.

    With --generate the model continues pieces from a barline, and a second table has what its music
    is like, and the n-gram's, beside what the pieces themselves go on with.
    """
    from rich.console import Console

    from musegen.cli.progress import FilesDisplay
    from musegen.evaluation import check_generating, evaluated, generated
    from musegen.model.checkpoint import load
    from musegen.utils.parallel import cores

    _check(data, part, frame, voices, order, pieces is not None)
    if table is not None and table.exists() and not force:
        raise MusegenError(
            f"{table} exists already and is not overwritten. Choose another name for --csv, or pass --force."
        )
    made = None
    console = Console(file=sys.stderr, highlight=False)
    with FilesDisplay(console, "encoding and measuring") as display:
        settings: dict[str, Any] = {"by_folder": split == "folders", "workers": max(2, cores())}
        loaded = load(checkpoint)
        if pieces is not None:
            check_generating(loaded, pieces, part, bars, temperature)
        found = evaluated(
            loaded,
            data,
            part,
            frame=frame,
            voices=voices,
            order=order,
            seed=seed,
            on_files=display.files,
            on_pieces=display.files,
            **settings,
        )
        if pieces is not None:
            made = generated(
                loaded,
                data,
                pieces,
                part,
                bars=bars,
                temperature=temperature,
                seed=seed,
                split_seed=seed,
                order=next((by.order for by in found.predictors if by.name == "n-gram"), None),
                on_pieces=display.files,
                **settings,
            )
    if table is not None:
        _write(found, table)
    click.echo(_json(found, made) if as_json else _text(found, made, order), nl=False)


def _json(found: Evaluation, made: Generation | None) -> str:
    """Return what was found as one JSON object."""
    facts = plain(found) | ({} if made is None else {"generated": generated_table.plain(made)})
    return json.dumps(facts, ensure_ascii=False) + "\n"


def _text(found: Evaluation, made: Generation | None, order: int | None) -> str:
    """Return the tables."""
    return shown(found, order) + ("" if made is None else "\n" + generated_table.shown(made))


def _check(
    data: Path,
    part: str,
    frame: Fraction | None,
    voices: int | None,
    order: int | None,
    generates: bool,
) -> None:
    """Refuse options that mean nothing together."""
    from musegen.data.store import is_store

    if voices is not None and frame is None:
        raise click.UsageError("--voices goes with --frame, as --frame 1/16.")
    if order is not None and part == "all":
        raise click.UsageError("--part all has no n-gram: leave --order out, or name another part.")
    if not generates and (said := given({"temperature": None, "bars": None})):
        raise click.UsageError(
            f"{' and '.join(f'--{name}' for name in said)} goes with --generate."
        )
    said = given({"split": None} if generates else {"split": None, "seed": None})
    if said and (part == "all" or is_store(data)):
        why = (
            "--part all needs no split"
            if part == "all"
            else f"{data} is a store, which is split already"
        )
        raise click.UsageError(f"{why}: leave out {' and '.join(f'--{name}' for name in said)}.")


def _write(found: Evaluation, path: Path) -> None:
    """Write a line for each piece."""
    from musegen.utils.files import atomic_path

    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(found.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found.rows)
