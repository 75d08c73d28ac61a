"""The table that `musegen evaluate` shows, and what it says in JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from statistics import median
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from musegen.evaluation import Evaluation, Predicted, Rate

__all__ = ["WIDE", "plain", "shown"]

WIDE = 120  # columns of a table that no terminal limits
HEADINGS = ("", "by", "all pieces", "95 %", "mean of pieces", "95 %")
WORDS = (0, 1)  # columns that hold words; others hold numbers, and stand to the right


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
        "ngrams_counted_in": None
        if found.counted is None
        else dict(zip(("pieces", "of"), found.counted, strict=True)),
        "pieces": len(found.rows),
        **{
            f"{unit}s": total if total is None or unit == "second" else int(total)
            for unit, total in found.totals.items()
        },
        "predictors": [
            {
                "name": by.name,
                "order": by.order,
                "nats": by.nats,
                "nats_per": {
                    unit: None if rate is None else asdict(rate) for unit, rate in by.per.items()
                },
                "bits_per_note": asdict(_bits(by)),
            }
            for by in found.predictors
        ],
    }


def shown(found: Evaluation, order: int | None = None) -> str:
    """Return the table, and what is to be said above and below it, as wide as the terminal.

    Args:
        found: What to show.
        order: That of the n-gram, if somebody chose it.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(
        width=None if sys.stdout.isatty() else WIDE, highlight=False, markup=False, emoji=False
    )
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, heading in enumerate(HEADINGS):
        out.add_column(Text(heading), justify="left" if index in WORDS else "right", no_wrap=True)
    for cells in _lines(found):
        out.add_row(*cells, style="bold" if cells[1] == "model" else "")
    totals = (f"{total:,.0f} {unit}s" for unit, total in found.totals.items() if total is not None)
    with console.capture() as captured:
        console.print(
            f"{found.checkpoint} on {click.format_filename(found.data)}, {found.part}: "
            f"{len(found.rows):,} pieces, {', '.join(totals)}\n",
            soft_wrap=True,
        )
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
        f"{rate.value:.3f}",
        f"{rate.low:.3f} to {rate.high:.3f}",
        f"{rate.mean:.3f}",
        f"{rate.mean_low:.3f} to {rate.mean_high:.3f}",
    )


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
    left_out = [
        f"{count:,} {status}" for status, count in found.files.items() if count and status != "kept"
    ]
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
        listed = (
            ""
            if seen.listed == seen.in_all
            else f" ({seen.listed:,} of those {seen.in_all:,} are listed)"
        )
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
