"""The tables and the JSON of `musegen evaluate --generate`: continuations and real music."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.tables import Column, plural, render, table

if TYPE_CHECKING:
    from rich.table import Table

    from musegen.evaluation import Difference, Generation, Written

__all__ = ["facts", "shown"]


def facts(found: Generation) -> dict[str, Any]:
    """Return a comparison as `--json` prints it."""
    return {
        "part": found.part,
        "pieces": len(found.pieces),
        "drawn": found.drawn,
        "of": found.there,
        "bars": found.bars,
        "temperature": found.temperature,
        "seed": found.seed,
        "names": [click.format_filename(name) for name in found.pieces],
        "primers": {feature: close._asdict() for feature, close in found.real.items()},
        "writers": [_writer_facts(writer) for writer in found.writers],
    }


def _writer_facts(writer: Written) -> dict[str, Any]:
    return {
        "name": writer.name,
        "order": writer.order,
        "measures": {name: value._asdict() for name, value in writer.measures.items()},
        "closeness": {feature: close._asdict() for feature, close in writer.closeness.items()},
    }


def shown(found: Generation) -> str:
    """Return the tables, and the notes above and below them."""
    bars = plural(found.bars, "bar")
    return render(
        f"{plural(len(found.pieces), 'piece')} continued for {bars} after their first {bars}, at "
        f"temperature {found.temperature:g}, compared with their real continuations",
        "",
        _measures(found),
        "",
        _closeness(found),
        "",
        *_below(found),
    )


def _measures(found: Generation) -> Table:
    """Return the table of measures: their means, and how far they are from real music."""
    columns: list[Column | str] = [Column("mean of pieces", text=True), "real"]
    for writer in found.writers:
        columns += [_name(writer), "difference", "95 % interval"]
    rows = []
    for name, of_model in found.writers[0].measures.items():
        cells = [cell for writer in found.writers for cell in _cells(writer.measures.get(name))]
        rows.append([name, f"{of_model.real:.3f}", *cells])
    return table(columns, rows)


def _cells(value: Difference | None) -> tuple[str, str, str]:
    if value is None:
        return "", "", ""
    interval = f"{value.low:+.3f} to {value.high:+.3f}"
    return f"{value.made:.3f}", f"{value.difference:+.3f}", interval


def _closeness(found: Generation) -> Table:
    """Return the table of how close distributions are to those of real music."""
    columns: list[Column | str] = [Column("compared with real", text=True), "primers"]
    columns += map(_name, found.writers)
    rows = []
    for feature, of_primers in found.real.items():
        values = [of_primers, *(writer.closeness[feature] for writer in found.writers)]
        rows.append([f"{feature}: overlap", *(f"{value.area:.3f}" for value in values)])
        rows.append([f"{feature}: divergence", *(f"{value.divergence:.3f}" for value in values)])
    return table(columns, rows)


def _name(writer: Written) -> str:
    return writer.name if writer.order is None else f"{writer.order}-gram"


def _below(found: Generation) -> Iterator[str]:
    """Yield what a reader of the tables must know."""
    skipped = found.drawn - len(found.pieces)
    yield (
        f"pieces: {found.drawn:,} of {found.there:,} drawn with seed {found.seed}; {skipped:,} of "
        f"these left out (shorter than {plural(2 * found.bars, 'bar')}, silent in one half, or "
        "with a change of meter)"
    )
    known = found.writers[0].measures
    fewer = {value.pieces for value in known.values() if value.pieces < len(found.pieces)}
    if fewer:
        yield (
            "a pair for which a measure is undefined is left out of its mean: "
            f"at least {plural(min(fewer), 'pair')} remain"
        )
    if "longest_run" not in known:
        yield (
            "longest runs are not known: the checkpoint has no novelty.npz "
            "(musegen novelty --index writes it)"
        )
    if len(found.writers) == 1:
        yield "no n-gram: with --part all, no training pieces are left to count"
