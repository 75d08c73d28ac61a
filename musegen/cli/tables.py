"""Write tables, JSON, CSV and files in one way for every command.

A command collects plain values and passes them on; nothing else in `musegen.cli` creates a Rich
console or table. The usual calls:

==================================  ============================================================
`show(table(columns, rows), line)`  print a table, and a line of text below it, to stdout
`render(table(columns, rows))`      return the same as text
`print_json(facts)`                 print one JSON object on a line of its own
`csv_text(rows)`                    return dictionaries as CSV
`write(path, text)`                 write a file atomically
`stdout()`, `stderr()`, `plain()`   return a console, where its width or encoding is needed
==================================  ============================================================

Columns hold numbers, aligned to the right, unless they say otherwise:

>>> rows = [("amazing_grace.mid", 17, 3.25), ("greensleeves.mid", 120, 2.5)]
>>> print(render(table([Column("file", text=True), "notes", "bits"], rows), "", "2 files"), end="")
file               notes  bits
amazing_grace.mid     17  3.25
greensleeves.mid     120   2.5
<BLANKLINE>
2 files

Rich is imported when something is printed, so importing this module costs nothing.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

__all__ = [
    "GAP",
    "WIDTH",
    "Column",
    "csv_text",
    "json_text",
    "plain",
    "plural",
    "print_json",
    "printable",
    "render",
    "show",
    "stderr",
    "stdout",
    "table",
    "write",
]

WIDTH = 200  # columns of output that goes to a pipe or a file
GAP = 2  # spaces between two columns of a table


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: Its heading.
        text: Whether it holds text, aligned to the left, rather than numbers.
        fold: Whether long cells may continue on the next line of a narrow terminal; other cells are
            cut, with an ellipsis.
    """

    title: str
    text: bool = False
    fold: bool = False


def table(
    columns: Sequence[Column | str], rows: Iterable[Sequence[Any]], styles: Iterable[str] = ()
) -> Table:
    """Return a table without lines, as `show` and `render` take it.

    Args:
        columns: Its columns; a string is the title of a column of numbers.
        rows: A cell for each column. Control characters and markup in a cell are not interpreted; a
            Rich `Text` keeps its style.
        styles: Rich style of each row, as `"bold"`; empty if all rows look the same.
    """
    from rich.table import Table

    out = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column in columns:
        title, text, fold = column if isinstance(column, Column) else Column(column)
        out.add_column(
            _cell(title),
            justify="left" if text else "right",
            no_wrap=not fold,
            overflow="fold" if fold else "ellipsis",
        )
    style = iter(styles)
    for cells in rows:
        out.add_row(*map(_cell, cells), style=next(style, ""))
    return out


def _cell(value: Any) -> Text:
    from rich.text import Text

    return value if isinstance(value, Text) else Text(printable(str(value)))


def stdout() -> Console:
    """Return a console for stdout, as wide as the terminal, or `WIDTH` where there is none."""
    return _console(sys.stdout)


def stderr() -> Console:
    """Return a console for stderr, where progress and warnings go; long lines are not broken."""
    return _console(sys.stderr, soft_wrap=True)


def plain() -> Console:
    """Return a console for text that goes to a file, `WIDTH` wide and without styles."""
    return _console(io.StringIO())


def _console(stream: Any, **settings: Any) -> Console:
    from rich.console import Console

    literal: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False, **settings}
    console = Console(file=stream, **literal)
    return console if console.is_terminal else Console(file=stream, width=WIDTH, **literal)


def render(*parts: RenderableType, console: Console | None = None) -> str:
    """Return parts of a report below each other as text, without spaces at the ends of lines.

    Args:
        parts: Tables and other Rich objects; strings are lines that are never broken.
        console: Where the text will go; stdout if it is left out.
    """
    console = console or stdout()
    with console.capture() as captured:
        for part in parts:
            console.print(part, soft_wrap=isinstance(part, str))
    text = "".join(line.rstrip() + "\n" for line in captured.get().splitlines())
    return text.encode(console.encoding, "replace").decode(console.encoding)


def show(*parts: RenderableType) -> None:
    """Print parts of a report below each other to stdout; see `render`."""
    console = stdout()
    click.echo(render(*parts, console=console), nl=False, color=console.is_terminal or None)


def json_text(facts: Mapping[str, Any]) -> str:
    """Return an object as one line of JSON; characters that stdout cannot show are escaped."""
    text = json.dumps(facts, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(facts)
    return text


def print_json(facts: Mapping[str, Any]) -> None:
    """Print an object as one line of JSON to stdout."""
    click.echo(json_text(facts))


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return dictionaries as CSV with a header; the first row names the columns."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write(path: Path, text: str) -> None:
    """Write a text file in UTF-8; nothing half-written is ever left behind.

    Call `musegen.utils.files.refuse_to_overwrite` before the work that the text takes.

    Raises:
        MusegenError: The disk is full, the folder is read-only, or the like.
    """
    from musegen.utils.files import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def printable(text: str) -> str:
    """Return a text from a file without the characters that would control the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "bar"), plural(1200, "piece")
    ('1 bar', '1,200 pieces')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
