"""The table that `musegen surprisal` shows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console

    from musegen.evaluation.surprisal import Surprisal

__all__ = ["BETWEEN", "graph", "show"]

BETWEEN = "bars and end"  # what belongs to no note
GAP = 2  # columns between two of the table's
CELL, LONGEST_HEADING = 5, 12  # width of a track's column in the table by bar, at least and at most
LONGEST_NAME = 30  # where a track has a line
TOTALS = 21 + 3 * GAP  # width of the columns that are there with any tracks
LONGEST_GRAPH, SHORTEST_GRAPH = 24, 8
STANDS_OUT = 1.5  # standard deviations above the mean
EIGHTHS = " ▏▎▍▌▋▊▉█"
PITCHES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


class _Layout(NamedTuple):
    """A table but for its graph.

    Attributes:
        headings: One for each column.
        words: Which columns hold words; others hold numbers, and stand to the right.
        lines: Their cells.
        values: What the graph shows of each line.
        feet: Lines without a graph.
        hidden: Tracks for which there is no room.
    """

    headings: list[str]
    words: set[int]
    lines: list[list[str]]
    values: list[float]
    feet: list[list[str]]
    hidden: int = 0


def show(console: Console, name: str, found: Surprisal, by: str) -> None:
    """Print the table of a piece, and what is to be said below it.

    Args:
        console: Where to print; the table is as wide as that allows.
        name: What to call the piece.
        found: Its surprisal.
        by: What has a line: `bar`, `note` or `track`.
    """
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    encoding = console.encoding
    names = dict(
        zip(found.sources, (_printable(name, encoding) for name in found.names), strict=True)
    )
    layout = {"bar": _by_bar, "note": _by_note, "track": _by_track}[by](found, names, console.width)
    widths = [
        max(map(cell_len, column))
        for column in zip(layout.headings, *layout.lines, *layout.feet, strict=True)
    ]
    room = console.width - sum(widths) - GAP * len(widths)
    room = min(LONGEST_GRAPH, max(room, 0))
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for index, heading in enumerate(layout.headings):
        justify: Any = "left" if index in layout.words else "right"
        table.add_column(
            Text(heading, justify=justify), justify=justify, no_wrap=True, overflow="crop"
        )
    table.add_column(no_wrap=True, overflow="crop")
    loud, most = _stands_out(layout.values), max(layout.values)
    for cells, value in zip(layout.lines, layout.values, strict=True):
        blocks = graph(value / most if most else 0, room, console.options.ascii_only)
        table.add_row(*cells, blocks, style="bold yellow" if value > loud else "")
    for cells in layout.feet:
        table.add_row(*cells, style="dim" if cells[0] == BETWEEN else "bold")
    console.print(
        f"{_printable(name, encoding)}: bits per note, as {found.checkpoint} hears it\n",
        soft_wrap=True,
    )
    console.print(table)
    console.line()
    for said in _below(found, layout.hidden):
        console.print(_printable(said, encoding), soft_wrap=True)


def graph(share: float, width: int, ascii_only: bool = False) -> str:
    """Return a bar of blocks.

    Args:
        share: How much of the width it fills, 0 to 1.
        width: In columns.
        ascii_only: Whether nothing but ASCII can be printed.
    """
    if ascii_only:
        return "#" * round(share * width)
    whole, rest = divmod(round(share * width * 8), 8)
    return (EIGHTHS[-1] * whole + EIGHTHS[rest]).rstrip()


def _by_bar(found: Surprisal, names: dict[int, str], width: int) -> _Layout:
    """Lay out a line for each bar that notes begin in, and a column of bits per note for each track."""
    headings, hidden = _fitting(found, names, width)
    lines, values = [], []
    for bar, rows in groupby(found.bars.tolist(), key=lambda row: row[0]):
        mine = list(rows)
        notes, bits = sum(row[2] for row in mine), sum(row[3] for row in mine)
        of_track = {row[1]: f"{row[4]:.1f}" for row in mine}
        lines.append(
            [str(bar), *(of_track.get(track, "") for track in headings), *_totals(notes, bits)]
        )
        values.append(bits / notes)
    sums = {row[0]: f"{row[3]:.1f}" for row in found.tracks.tolist()}
    feet = _feet(found, [sums[track] for track in headings])
    return _Layout(
        ["bar", *headings.values(), "notes", "bits", "bits/note"],
        set(),
        lines,
        values,
        feet,
        hidden,
    )


def _by_note(found: Surprisal, names: dict[int, str], width: int) -> _Layout:
    """Lay out a line for each note."""
    several = len(names) > 1
    lines = [
        [
            str(bar),
            f"{beat:.2f}".rstrip("0").rstrip("."),
            *[_short(names[track], LONGEST_NAME)] * several,
            f"{PITCHES[pitch % 12]}{pitch // 12 - 1}",
            f"{bits:.1f}",
        ]
        for _, track, bar, beat, _, _, pitch, bits in found.notes.tolist()
    ]
    nothing = [""] * (3 if several else 2)
    feet = [[BETWEEN, *nothing, f"{found.between:.1f}"], ["all", *nothing, f"{found.bits:.1f}"]]
    headings = ["bar", "beat", *["track"] * several, "note", "bits"]
    return _Layout(headings, {2, 3} if several else {2}, lines, found.notes["bits"].tolist(), feet)


def _by_track(found: Surprisal, names: dict[int, str], width: int) -> _Layout:
    """Lay out a line for each track that is heard."""
    rows = found.tracks.tolist()
    lines = [
        [_short(names[track], LONGEST_NAME), *_totals(notes, bits)]
        for track, notes, bits, _ in rows
    ]
    values = [row[3] for row in rows]
    return _Layout(["track", "notes", "bits", "bits/note"], {0}, lines, values, _feet(found, []))


def _totals(notes: int, bits: float) -> list[str]:
    return [str(notes), f"{bits:.1f}", f"{bits / notes:.1f}"]


def _feet(found: Surprisal, tracks: list[str]) -> list[list[str]]:
    """Return what belongs to no note, and all there is."""
    between = [BETWEEN, *[""] * len(tracks), "", f"{found.between:.1f}", ""]
    return [between, ["all", *tracks, *_totals(len(found.notes), found.bits)]]


def _fitting(found: Surprisal, names: dict[int, str], width: int) -> tuple[dict[int, str], int]:
    """Return the tracks to show side by side, with headings that fit, and how many there is no room for.

    Those of most bits stay. One track needs no column of its own.
    """
    from rich.cells import cell_len

    rows = found.tracks.tolist()
    if len(rows) == 1:
        return {}, 0
    room = width - len(BETWEEN) - GAP - TOTALS - SHORTEST_GRAPH
    most = sorted(rows, key=lambda row: -row[2])[: max(room // (CELL + GAP), 1)]
    shown = {row[0]: names[row[0]] for row in sorted(most)}
    cell = LONGEST_HEADING
    while (
        cell > CELL
        and sum(min(max(cell_len(name), CELL), cell) + GAP for name in shown.values()) > room
    ):
        cell -= 1
    return {track: _short(name, cell) for track, name in shown.items()}, len(rows) - len(most)


def _below(found: Surprisal, hidden: int) -> Iterator[str]:
    """Yield what is to be said below the table."""
    yield (
        f"checkpoint {found.checkpoint}: {found.nats_per_token:.3f} nats per token, {found.bits_per_note:.2f} bits "
        f"per note, {found.bits_per_second:.1f} bits per second"
    )
    if found.shift:
        octaves = abs(found.shift) // 12
        yield (
            f"heard {octaves} octave{'s' * (octaves > 1)} {'higher' if found.shift > 0 else 'lower'}, "
            "where the model knows it best"
        )
    if found.doubled:
        are = "note is" if found.doubled == 1 else "notes are"
        yield f"{found.doubled} {are} not heard apart: another of the same pitch begins at the same time"
    if hidden:
        yield f"no room for {hidden} more track{'s' * (hidden > 1)}: use --by track, --format csv, or a wider window"
    for name, reason in found.left_out:
        yield f"not heard: {name} ({reason})"


def _stands_out(values: list[float]) -> float:
    """Return the value above which a line is picked out."""
    return fmean(values) + STANDS_OUT * pstdev(values)


def _short(name: str, width: int) -> str:
    """Return a name, cut to so many columns, with a point in place of what is gone."""
    from rich.cells import cell_len, set_cell_size

    return name if cell_len(name) <= width else set_cell_size(name, width - 1).rstrip() + "."


def _printable(text: str, encoding: str) -> str:
    """Return a text of a file without what would steer the terminal, or what it cannot show."""
    seen = "".join(character if character.isprintable() else " " for character in text)
    return seen.encode(encoding, "replace").decode(encoding)
