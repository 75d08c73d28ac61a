"""Adapts docstrings to Markdown for the documentation site: examples, tables and literal blocks.

mkdocstrings renders docstrings as Markdown. Three things in ours are not Markdown: examples that
begin with `>>>`, tables in the simple form of reStructuredText, and blocks after `::`.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

__all__ = ["Markdown", "markdown"]

_BORDER = re.compile(r"^\s*=+( +=+)+\s*$")


class Markdown(griffe.Extension):
    """Rewrites each docstring once, before its sections are parsed."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """Return a docstring with its examples fenced and its tables in Markdown."""
    lines = text.splitlines()
    out: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if _BORDER.match(line):
            end = _end_of_table(lines, at)
            out += _table(lines[at : end + 1])
            at = end + 1
        elif line.lstrip().startswith(">>> "):
            end = at
            while end < len(lines) and lines[end].strip():
                end += 1
            indent = line[: len(line) - len(line.lstrip())]
            out += [f"{indent}```pycon", *lines[at:end], f"{indent}```"]
            at = end
        elif line.strip() == "::":
            at += 1
        else:
            out.append(re.sub(r"::$", ":", line))
            at += 1
    return "\n".join(out)


def _end_of_table(lines: list[str], at: int) -> int:
    """Return the index of a table's last border: the third, or the second where no header is."""
    borders = [i for i in range(at, len(lines)) if _BORDER.match(lines[i])]
    return borders[min(2, len(borders) - 1)]


def _table(lines: list[str]) -> list[str]:
    """Return a table of reStructuredText as one of Markdown."""
    starts = [match.start() for match in re.finditer(r"=+", lines[0])]
    spans = [slice(a, b) for a, b in zip(starts, [*starts[1:], None], strict=True)]
    indent = " " * starts[0]
    rows: list[list[str]] = []
    for line in lines:
        if _BORDER.match(line) or not line.strip():
            continue
        cells = [line[span].strip().replace("|", "\\|") for span in spans]
        # A line without a first cell continues the row above it.
        if rows and not cells[0]:
            rows[-1] = [f"{old} {new}".strip() for old, new in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    head, *body = [f"{indent}| {' | '.join(row)} |" for row in rows]
    return [head, f"{indent}|{'---|' * len(spans)}", *body, ""]
