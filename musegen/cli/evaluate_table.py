"""The table and the JSON that `musegen evaluate` prints: how well a model predicts pieces."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.tables import Column, plural, render, table

if TYPE_CHECKING:
    from musegen.evaluation import Evaluation, Overlap, Predicted, Rate

__all__ = ["facts", "shown"]

COLUMNS = (
    Column("", text=True),
    Column("predictor", text=True),
    "all pieces",
    "95 % interval",
    "mean of pieces",
    "95 % interval",
)


def facts(found: Evaluation) -> dict[str, Any]:
    """Return an evaluation as `--json` prints it; the rows of the pieces are for `--csv`."""
    counted = found.counted
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
        "ngrams_counted_in": counted and {"pieces": counted[0], "of": counted[1]},
        "pieces": len(found.rows),
        **{
            f"{unit}s": total if total is None or unit == "second" else int(total)
            for unit, total in found.totals.items()
        },
        "predictors": [_predictor_facts(predicted) for predicted in found.predictors],
    }


def _predictor_facts(predicted: Predicted) -> dict[str, Any]:
    return {
        "name": predicted.name,
        "order": predicted.order,
        "nats": predicted.nats,
        "nats_per": {unit: rate and asdict(rate) for unit, rate in predicted.per.items()},
        "bits_per_note": asdict(_bits(predicted)),
    }


def shown(found: Evaluation, order: int | None = None) -> str:
    """Return the table, and the notes above and below it.

    Args:
        found: What to show.
        order: The order of the n-gram, if the user chose it.
    """
    totals = [
        plural(round(total), unit) for unit, total in found.totals.items() if total is not None
    ]
    pieces = ", ".join([plural(len(found.rows), "piece"), *totals])
    rows = list(_lines(found))
    return render(
        f"{found.checkpoint} on {click.format_filename(found.data)}, {found.part}: {pieces}",
        "",
        table(COLUMNS, rows, ["bold" if row[1] == "model" else "" for row in rows]),
        "",
        *_ngram(found, order),
        *_warnings(found),
        *_overlap(found.checkpoint, found.overlap),
        f"SHA-256 of the names and tokens of these pieces: {found.sha256}",
    )


def _lines(found: Evaluation) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table: all predictors, for each unit in turn."""
    for unit, total in found.totals.items():
        if total is None:
            continue
        for measure in ("nats", "bits") if unit == "note" else ("nats",):
            for index, predicted in enumerate(found.predictors):
                rate = _bits(predicted) if measure == "bits" else predicted.per[unit]
                name = f"{predicted.order}-gram" if predicted.name == "n-gram" else predicted.name
                if rate is not None:
                    yield "" if index else f"{measure} per {unit}", name, *_cells(rate)


def _cells(rate: Rate) -> tuple[str, ...]:
    return (
        f"{rate.value:.3f}",
        f"{rate.low:.3f} to {rate.high:.3f}",
        f"{rate.mean:.3f}",
        f"{rate.mean_low:.3f} to {rate.mean_high:.3f}",
    )


def _bits(predicted: Predicted) -> Rate:
    """Return the bits per note."""
    rate = predicted.per["note"]
    assert rate is not None  # the number of notes is always known
    return replace(rate, **{name: value / math.log(2) for name, value in asdict(rate).items()})


def _ngram(found: Evaluation, order: int | None) -> Iterator[str]:
    """Yield what the n-grams are, or why there are none."""
    if found.counted is None:
        yield "no n-gram and no unigram: with --part all, no training pieces are left to count"
        return
    chosen = next(each.order for each in found.predictors if each.name == "n-gram")
    why = "as requested" if order else "the best on the validation pieces"
    pieces, available = found.counted
    number = f"{available:,}" if pieces == available else f"{pieces:,} of {available:,}"
    yield f"n-gram: order {chosen}, {why}; counted in {number} training pieces of these data"


def _warnings(found: Evaluation) -> Iterator[str]:
    """Yield what a reader of the table must know."""
    if found.fills:
        yield (
            f"warning: {found.checkpoint} fills gaps: each 8 bars were predicted from the music "
            "before and after them, so its figures are not likelihoods of pieces and cannot be "
            "compared with the others"
        )
    if found.part == "train" and found.counted:
        yield "warning: the n-gram and the unigram were counted in the pieces they predict here"
    left_out = [
        f"{count:,} {status}" for status, count in found.files.items() if count and status != "kept"
    ]
    if left_out:
        yield f"files left out: {', '.join(left_out)}"
    if found.totals["second"] is None:
        yield "no figures per second: the encoding has no tempo"


def _overlap(name: str, overlap: Overlap) -> Iterator[str]:
    """Yield which of the pieces the model was trained on."""
    yield {
        None: f"the checkpoint {name} does not describe its training data",
        True: f"these are the data that {name} was trained on",
        False: f"these are not the data that {name} was trained on",
    }[overlap.same_data]
    held_out = f"{overlap.validation:,} for validation, {overlap.test:,} for test"
    if overlap.trained is None:
        yield (
            f"pieces in its data, by name: {held_out}; for training: unknown "
            "(musegen novelty --index lists them)"
        )
    else:
        partial = overlap.listed != overlap.in_all
        listed = f" ({overlap.listed:,} of {overlap.in_all:,} listed)" if partial else ""
        warning = "warning: " if overlap.trained else ""
        yield (
            f"{warning}pieces in its data, by name: "
            f"{overlap.trained:,} for training{listed}, {held_out}"
        )
    if overlap.runs is not None:
        yield (
            "longest run of notes shared with a training piece: "
            f"median {median(overlap.runs):g}, maximum {max(overlap.runs)}"
        )


def _runs(found: Evaluation) -> dict[str, float] | None:
    """Return the median and the maximum of the pieces' longest runs, if they are known."""
    runs = found.overlap.runs
    return None if runs is None else {"median": median(runs), "most": max(runs)}
