"""The table that `musegen surprisal` prints: numbers, and a graph of the bits per note."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, NamedTuple

from musegen.cli.tables import GAP, Column, plural, printable, render, stdout, table

if TYPE_CHECKING:
    from rich.console import Console

    from musegen.evaluation.surprisal import Surprisal

__all__ = ["BETWEEN", "graph", "shown"]

BETWEEN = "bars and end"  # tokens that belong to no note
ALL = "all"
CELL = 5  # least width of the column of a track in the table by bar
LONGEST_HEADING = 12  # greatest width of that column
LONGEST_NAME = 30  # greatest width of a column of track names
TOTALS = 21 + 3 * GAP  # width of the columns of notes, bits and bits per note, with their gaps
LONGEST_GRAPH = 24
SHORTEST_GRAPH = 8
STANDS_OUT = 1.5  # standard deviations above the mean
EIGHTHS = " ▏▎▍▌▋▊▉█"
PITCHES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


class _Layout(NamedTuple):
    """A table without its graph.

    Attributes:
        columns: Its columns.
        lines: Their cells.
        values: The value of each line that the graph shows.
        totals: Lines below, without a graph.
        hidden: Number of tracks for which there is no room.
    """

    columns: list[Column]
    lines: list[list[str]]
    values: list[float]
    totals: list[list[str]]
    hidden: int = 0

    def width(self) -> int:
        """Return the width of the table, with the gap before the graph."""
        from rich.cells import cell_len

        titles = [column.title for column in self.columns]
        columns = zip(titles, *self.lines, *self.totals, strict=True)
        return sum(max(map(cell_len, cells)) + GAP for cells in columns)


def shown(name: str, found: Surprisal, by: str, console: Console | None = None) -> str:
    """Return the table of a piece, and the notes below it.

    Args:
        name: What to call the piece.
        found: Its surprisal.
        by: What each row stands for: `bar`, `note` or `track`.
        console: Where the text will go; the table is as wide as that allows. By default stdout.
    """
    console = console or stdout()
    names = dict(zip(found.sources, map(printable, found.names), strict=True))
    layout = {"bar": _by_bar, "note": _by_note, "track": _by_track}[by](found, names, console.width)
    width = min(LONGEST_GRAPH, max(console.width - layout.width(), 0))

    # A row with its graph, in yellow if it stands out; totals have no graph.
    threshold, largest = _threshold(layout.values), max(layout.values)
    ascii_only = console.options.ascii_only
    rows = [
        [*cells, graph(value / largest if largest else 0, width, ascii_only)]
        for cells, value in zip(layout.lines, layout.values, strict=True)
    ]
    rows += [[*cells, ""] for cells in layout.totals]
    styles = ["bold yellow" if value > threshold else "" for value in layout.values]
    styles += ["dim" if cells[0] == BETWEEN else "bold" for cells in layout.totals]

    return render(
        f"{printable(name)}: bits per note under checkpoint {found.checkpoint}",
        "",
        table([*layout.columns, Column("", text=True)], rows, styles),
        "",
        *map(printable, _below(found, layout.hidden)),
        console=console,
    )


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
    """Lay out a line for each bar in which notes begin, with the bits per note of each track."""
    headings, hidden = _fitting(found, names, width)
    lines, values = [], []
    for bar, group in groupby(found.bars.tolist(), key=lambda row: row[0]):
        rows = list(group)
        notes, bits = sum(row[2] for row in rows), sum(row[3] for row in rows)
        per_note = {row[1]: f"{row[4]:.1f}" for row in rows}
        cells = [per_note.get(track, "") for track in headings]
        lines.append([str(bar), *cells, *_sums(notes, bits)])
        values.append(bits / notes)
    per_note = {row[0]: f"{row[3]:.1f}" for row in found.tracks.tolist()}
    totals = _totals(found, [per_note[track] for track in headings])
    columns = [Column(title) for title in ("bar", *headings.values(), "notes", "bits", "bits/note")]
    return _Layout(columns, lines, values, totals, hidden)


def _by_note(found: Surprisal, names: dict[int, str], width: int) -> _Layout:
    """Lay out a line for each note."""
    several = len(names) > 1  # one track needs no column
    lines = []
    for _, track, bar, beat, _, _, pitch, bits in found.notes.tolist():
        track_cell = [_short(names[track], LONGEST_NAME)] * several
        place = [str(bar), f"{beat:.2f}".rstrip("0").rstrip(".")]
        lines.append([*place, *track_cell, _pitch_name(pitch), f"{bits:.1f}"])
    blank = [""] * (3 if several else 2)
    totals = [[BETWEEN, *blank, f"{found.between:.1f}"], [ALL, *blank, f"{found.bits:.1f}"]]
    columns = [Column("bar"), Column("beat"), *[Column("track", text=True)] * several]
    columns += [Column("note", text=True), Column("bits")]
    return _Layout(columns, lines, found.notes["bits"].tolist(), totals)


def _by_track(found: Surprisal, names: dict[int, str], width: int) -> _Layout:
    """Lay out a line for each track that is encoded."""
    rows = found.tracks.tolist()
    lines = [
        [_short(names[track], LONGEST_NAME), *_sums(notes, bits)] for track, notes, bits, _ in rows
    ]
    columns = [Column("track", text=True), *map(Column, ("notes", "bits", "bits/note"))]
    return _Layout(columns, lines, [row[3] for row in rows], _totals(found, []))


def _pitch_name(pitch: int) -> str:
    return f"{PITCHES[pitch % 12]}{pitch // 12 - 1}"


def _sums(notes: int, bits: float) -> list[str]:
    return [str(notes), f"{bits:.1f}", f"{bits / notes:.1f}"]


def _totals(found: Surprisal, tracks: list[str]) -> list[list[str]]:
    """Return the line of what belongs to no note, and the line of all."""
    between = [BETWEEN, *[""] * len(tracks), "", f"{found.between:.1f}", ""]
    return [between, [ALL, *tracks, *_sums(len(found.notes), found.bits)]]


def _fitting(found: Surprisal, names: dict[int, str], width: int) -> tuple[dict[int, str], int]:
    """Return the tracks that have a column, with headings that fit, and how many have none.

    The tracks with the most bits have columns. A single track needs none of its own.
    """
    from rich.cells import cell_len

    rows = found.tracks.tolist()
    if len(rows) == 1:
        return {}, 0
    room = width - len(BETWEEN) - GAP - TOTALS - SHORTEST_GRAPH
    by_bits = sorted(rows, key=lambda row: -row[2])
    chosen = by_bits[: max(room // (CELL + GAP), 1)]
    shown = {row[0]: names[row[0]] for row in sorted(chosen)}

    # Shorten the headings until the columns fit.
    cell = LONGEST_HEADING
    lengths = [max(cell_len(name), CELL) for name in shown.values()]
    while cell > CELL and sum(min(length, cell) + GAP for length in lengths) > room:
        cell -= 1
    return {track: _short(name, cell) for track, name in shown.items()}, len(rows) - len(chosen)


def _below(found: Surprisal, hidden: int) -> Iterator[str]:
    """Yield the notes below the table."""
    yield (
        f"checkpoint {found.checkpoint}: {found.nats_per_token:.3f} nats per token, "
        f"{found.bits_per_note:.2f} bits per note, {found.bits_per_second:.1f} bits per second"
    )
    if found.shift:
        direction = "up" if found.shift > 0 else "down"
        octaves = plural(abs(found.shift) // 12, "octave")
        yield f"transposed {direction} {octaves}, where the model predicts it best"
    if found.doubled:
        notes = plural(found.doubled, "note")
        yield f"{notes} left out: another note has the same pitch and onset"
    if hidden:
        tracks = plural(hidden, "more track")
        yield f"no room for {tracks}: use --by track, --format csv, or a wider window"
    for name, reason in found.left_out:
        yield f"not encoded: {name} ({reason})"


def _threshold(values: list[float]) -> float:
    """Return the value above which a line stands out."""
    return fmean(values) + STANDS_OUT * pstdev(values)


def _short(name: str, width: int) -> str:
    """Return a name, cut to this many terminal columns; a point marks the cut."""
    from rich.cells import cell_len, set_cell_size

    return name if cell_len(name) <= width else set_cell_size(name, width - 1).rstrip() + "."
