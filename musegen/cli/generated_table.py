"""The tables of `musegen evaluate --generate`: what a model writes, beside real music."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.evaluate_table import WIDE

if TYPE_CHECKING:
    from rich.table import Table

    from musegen.evaluation import Closeness, Difference, Generation, Written

__all__ = ["plain", "shown"]

GAP = 2  # columns between two of the table's


def plain(found: Generation) -> dict[str, Any]:
    """Return a comparison as JSON has it."""
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
        "writers": [
            {
                "name": by.name,
                "order": by.order,
                "measures": {
                    name: difference._asdict() for name, difference in by.measures.items()
                },
                "closeness": {feature: close._asdict() for feature, close in by.closeness.items()},
            }
            for by in found.writers
        ],
    }


def shown(found: Generation) -> str:
    """Return the tables, and what is to be said above and below them, as wide as the terminal."""
    from rich.console import Console

    console = Console(
        width=None if sys.stdout.isatty() else WIDE, highlight=False, markup=False, emoji=False
    )
    with console.capture() as captured:
        console.print(
            f"{len(found.pieces):,} pieces continued by {found.bars} bars from their first {found.bars}, at "
            f"temperature {found.temperature:g}, beside the {found.bars} bars that they go on with themselves\n",
            soft_wrap=True,
        )
        console.print(_table(_measured(found)))
        console.line()
        console.print(_table(_close(found)))
        console.line()
        for said in _below(found):
            console.print(said, soft_wrap=True)
    return "".join(line.rstrip() + "\n" for line in captured.get().splitlines())


def _table(rows: Iterator[Sequence[str]]) -> Table:
    """Return a table with its headings in the first row; but for the first column all hold numbers."""
    from rich.table import Table
    from rich.text import Text

    out = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for index, heading in enumerate(next(rows)):
        out.add_column(Text(heading), justify="right" if index else "left", no_wrap=True)
    for cells in rows:
        out.add_row(*cells)
    return out


def _measured(found: Generation) -> Iterator[list[str]]:
    """Yield headings, and a row for each measure."""
    yield [
        "mean of pieces",
        "real",
        *(heading for by in found.writers for heading in (_name(by), "less real", "95 %")),
    ]
    for name, of_model in found.writers[0].measures.items():
        cells = [cell for by in found.writers for cell in _cells(by.measures.get(name))]
        yield [name, f"{of_model.real:.3f}", *cells]


def _cells(there: Difference | None) -> tuple[str, str, str]:
    if there is None:
        return "", "", ""
    return f"{there.made:.3f}", f"{there.difference:+.3f}", f"{there.low:+.3f} to {there.high:+.3f}"


def _close(found: Generation) -> Iterator[list[str]]:
    """Yield headings, and a row for each feature and each way to say how close two sets are."""
    yield ["distances from real", "primers", *(_name(by) for by in found.writers)]
    for feature, of_primers in found.real.items():
        close: list[Closeness] = [of_primers, *(by.closeness[feature] for by in found.writers)]
        yield [f"{feature}: overlap", *(f"{each.area:.3f}" for each in close)]
        yield [f"{feature}: divergence", *(f"{each.divergence:.3f}" for each in close)]


def _name(by: Written) -> str:
    return by.name if by.order is None else f"{by.order}-gram"


def _below(found: Generation) -> Iterator[str]:
    """Yield what a reader of the tables must know."""
    skipped = found.drawn - len(found.pieces)
    yield (
        f"pieces: {found.drawn:,} of the {found.there:,} were drawn with seed {found.seed}; {skipped:,} of these were "
        f"left out, shorter than {2 * found.bars} bars, silent in one half, or of changing meter"
    )
    known = found.writers[0].measures
    less = {there.pieces for there in known.values() if there.pieces < len(found.pieces)}
    if less:
        yield f"where a piece has no answer to a measure, that pair is left out: at least {min(less):,} are compared"
    if "longest_run" not in known:
        yield "longest runs are not known: the checkpoint has no novelty.npz (musegen novelty --index)"
    if len(found.writers) == 1:
        yield "no n-gram: with --part all there are no training pieces to count in"
