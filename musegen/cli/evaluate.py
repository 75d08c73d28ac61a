"""`musegen evaluate`."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.options import given
from musegen.errors import MusegenError

if TYPE_CHECKING:
    from musegen.evaluating import Evaluation, Predicted, Rate

__all__ = ["evaluate"]

WIDE = 120  # columns of a table that no terminal limits
HEADINGS = ("", "by", "all pieces", "95 %", "mean of pieces", "95 %")
WORDS = (0, 1)  # columns that hold words; others hold numbers, and stand to the right


class _NoteValue(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """A share of a whole note."""

    name = "note value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
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
@click.option("--part", type=click.Choice(["test", "validation", "train", "all"]), default="test", show_default=True,
              help="Which pieces; all needs no split, and has no n-gram beside it.")  # fmt: skip
@click.option("--split", type=click.Choice(["tunes", "folders"]), default="tunes", show_default=True,
              help="Of a folder: drawn, versions of a tune together; or as folders in it called train, validation (or "
              "valid) and test say.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seeds the split of a folder.")
@click.option("--frame", type=_NoteValue(), metavar="1/16", help="Count by frames of this length, too.")
@click.option("--voices", type=click.IntRange(1), help="Count by cells, too: so many in a frame.")
@click.option("--order", type=click.IntRange(1, 8),
              help="Of the n-gram.  [default: the one that predicts the validation pieces best]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--csv", "table", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write a line for each piece.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the file of --csv if it exists.")
def evaluate(
    checkpoint: str, data: Path, part: str, split: str, seed: int, frame: Fraction | None, voices: int | None,
    order: int | None, as_json: bool, table: Path | None, force: bool,
) -> None:  # fmt: skip
    """Say how well CHECKPOINT predicts the music in DATA, in nats: the fewer, the better.

    DATA is a store of `musegen encode` with the model's encoding, or a folder of music. Beside the
    model stand an n-gram and a unigram of DATA's training pieces, and the uniform distribution. The
    95 % say how much the figures depend on which pieces these happen to be.
    """
    from rich.console import Console

    from musegen.cli.progress import FilesDisplay
    from musegen.evaluating import evaluated
    from musegen.parallel import cores

    _check(data, part, frame, voices, order)
    if table is not None and table.exists() and not force:
        raise MusegenError(
            f"{table} exists already and is not overwritten. Choose another name for --csv, or pass --force."
        )
    console = Console(file=sys.stderr, highlight=False)
    with FilesDisplay(console, "encoding and measuring") as display:
        found = evaluated(
            checkpoint, data, part, frame=frame, voices=voices, order=order, by_folder=split == "folders", seed=seed,
            workers=max(2, cores()), on_files=display.files, on_pieces=display.files,
        )  # fmt: skip
    if table is not None:
        _write(found, table)
    click.echo(json.dumps(plain(found), ensure_ascii=False) + "\n" if as_json else shown(found, order), nl=False)


def _check(data: Path, part: str, frame: Fraction | None, voices: int | None, order: int | None) -> None:
    """Refuse options that mean nothing together."""
    from musegen.store import is_store

    if voices is not None and frame is None:
        raise click.UsageError("--voices goes with --frame, as --frame 1/16.")
    if order is not None and part == "all":
        raise click.UsageError("--part all has no n-gram: leave --order out, or name another part.")
    said = given({"split": None, "seed": None})
    if said and (part == "all" or is_store(data)):
        why = "--part all needs no split" if part == "all" else f"{data} is a store, which is split already"
        raise click.UsageError(f"{why}: leave out {' and '.join(f'--{name}' for name in said)}.")


def plain(found: Evaluation) -> dict[str, Any]:
    """Return an evaluation as JSON has it; the pieces' rows are for `--csv`."""
    return {
        "checkpoint": found.checkpoint,
        "data": click.format_filename(found.data),
        "part": found.part,
        "fills_gaps": found.fills,
        "frame": None if found.frame is None else str(found.frame),
        "voices": found.voices,
        "sha256": found.sha256,
        "files": dict(found.files),
        "overlap": asdict(found.overlap) | {"runs": _runs(found)},
        "ngrams_counted_in": None if found.counted is None else dict(zip(("pieces", "of"), found.counted, strict=True)),
        "pieces": len(found.rows),
        **{f"{unit}s": total if total is None or unit == "second" else int(total)
           for unit, total in found.totals.items()},
        "predictors": [
            {"name": by.name, "order": by.order, "nats": by.nats,
             "nats_per": {unit: None if rate is None else asdict(rate) for unit, rate in by.per.items()},
             "bits_per_note": asdict(_bits(by))}
            for by in found.predictors
        ],
    }  # fmt: skip


def shown(found: Evaluation, order: int | None = None) -> str:
    """Return the table, and what is to be said above and below it, as wide as the terminal.

    Args:
        found: What to show.
        order: That of the n-gram, if somebody chose it.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, markup=False, emoji=False)
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, heading in enumerate(HEADINGS):
        out.add_column(Text(heading), justify="left" if index in WORDS else "right", no_wrap=True)
    for cells in _lines(found):
        out.add_row(*cells, style="bold" if cells[1] == "model" else "")
    totals = (f"{total:,.0f} {unit}s" for unit, total in found.totals.items() if total is not None)
    with console.capture() as captured:
        console.print(f"{found.checkpoint} on {click.format_filename(found.data)}, {found.part}: "
                      f"{len(found.rows):,} pieces, {', '.join(totals)}\n", soft_wrap=True)  # fmt: skip
        console.print(out)
        console.line()
        for said in (*_ngram(found, order), *_doubts(found), *_seen(found)):
            console.print(said, soft_wrap=True)
    return "".join(line.rstrip() + "\n" for line in captured.get().splitlines())


def _lines(found: Evaluation) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the table: the predictors for each unit, one below the other."""
    for unit, total in found.totals.items():
        for measure in ("nats", "bits") if unit == "note" else ("nats",):
            for index, by in enumerate(found.predictors if total is not None else ()):
                rate = _bits(by) if measure == "bits" else by.per[unit]
                name = by.name if by.name != "n-gram" else f"{by.order}-gram"
                if rate is not None:
                    yield "" if index else f"{measure} per {unit}", name, *_cells(rate)


def _cells(rate: Rate) -> tuple[str, ...]:
    return (
        f"{rate.value:.3f}", f"{rate.low:.3f} to {rate.high:.3f}",
        f"{rate.mean:.3f}", f"{rate.mean_low:.3f} to {rate.mean_high:.3f}",
    )  # fmt: skip


def _bits(by: Predicted) -> Rate:
    """Return what a note takes in bits."""
    rate = by.per["note"]
    assert rate is not None  # notes are always known
    return replace(rate, **{name: value / math.log(2) for name, value in asdict(rate).items()})


def _ngram(found: Evaluation, order: int | None) -> Iterator[str]:
    """Yield what the n-grams are, or why there are none."""
    if found.counted is None:
        yield "no n-gram and no unigram: with --part all there are no training pieces to count in"
        return
    of = next(by.order for by in found.predictors if by.name == "n-gram")
    pieces, there = found.counted
    some = f"{there:,}" if pieces == there else f"{pieces:,} of {there:,}"
    why = "was asked for" if order else "predicts the validation pieces best"
    yield f"n-gram: order {of} {why}; counted in {some} training pieces of these data"


def _doubts(found: Evaluation) -> Iterator[str]:
    """Yield what a reader of the table must know."""
    if found.fills:
        yield (
            f"warning: {found.checkpoint} fills gaps: each 8 bars were predicted from all that stands before and after "
            "them. Its figures are no likelihood of a piece, and not to be compared with the others here"
        )
    if found.part == "train" and found.counted:
        yield "warning: n-gram and unigram were counted in these very pieces"
    left_out = [f"{count:,} {status}" for status, count in found.files.items() if count and status != "kept"]
    if left_out:
        yield f"files left out of these data: {', '.join(left_out)}"
    if found.totals["second"] is None:
        yield "seconds are not known: the encoding carries no tempo"


def _seen(found: Evaluation) -> Iterator[str]:
    """Yield what the model has seen of the pieces."""
    seen, name = found.overlap, found.checkpoint
    yield f"SHA-256 of these pieces, names and tokens: {found.sha256}"
    yield {
        None: f"{name} does not say what it was trained on",
        True: f"these are the data that {name} was trained on",
        False: f"these are not the data that {name} was trained on",
    }[seen.same_data]
    held_out = f"{seen.validation:,} were held out for validation, {seen.test:,} for test"
    if seen.trained is None:
        yield f"by their names, {held_out}; what was trained on is not known (musegen novelty --index lists it)"
    else:
        listed = "" if seen.listed == seen.in_all else f" ({seen.listed:,} of those {seen.in_all:,} are listed)"
        warning = "warning: " if seen.trained else ""
        yield f"{warning}by their names, {seen.trained:,} of the pieces were trained on{listed}, {held_out}"
    if runs := _runs(found):
        yield (
            f"longest run of notes that stands in a training piece, too: {runs['median']:g} (median of the pieces), "
            f"{runs['most']} at most"
        )


def _runs(found: Evaluation) -> dict[str, float] | None:
    """Return the median and the greatest of the pieces' longest runs, if they are known."""
    runs = found.overlap.runs
    return None if runs is None else {"median": median(runs), "most": max(runs)}


def _write(found: Evaluation, path: Path) -> None:
    """Write a line for each piece."""
    from musegen.files import atomic_path

    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(found.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found.rows)
