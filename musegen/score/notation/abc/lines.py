"""Tell the lines of a tune apart: fields, directives, music, comments (2.2.5, 2.2.6, 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from musegen.score.notation.abc.tunebook import Line

__all__ = ["DIRECTIVE", "MUSIC", "Content", "contents", "without_comment"]

MUSIC, DIRECTIVE = "", "%%"
FIELD = re.compile(r"[ \t]*([A-Za-z+]):(.*)")
COMMENT = re.compile(r"(?<!\\)%.*")
NOTE_LETTERS = frozenset("abcdefgxyz")
"""Letters that are music at the beginning of a line of the body, even before a colon: `e:|`."""
NOTE_CAPITALS = frozenset("ABCDEFGXYZ")
"""The same, before a colon that belongs to a bar line."""
TEXT_FIELDS = frozenset("BCDFGHNORSTWZsw")


class Content(NamedTuple):
    """What a line has, with the lines that continue it.

    Attributes:
        line: The line.
        kind: The letter of a field, or `DIRECTIVE` or `MUSIC`.
        text: The value of the field, the directive, or the music.
    """

    line: Line
    kind: str
    text: str


def contents(lines: Iterable[Line]) -> Iterator[Content]:
    """Yield what each line has, without comments and blank lines.

    Fields are joined with the lines that continue them: `+:` (3.3); in older files any line after
    `H:` in the header (10.1), and a line after a text that ends with a backslash (10.3).
    """
    field: tuple[Line, str] | None = None
    parts: list[str] = []  # of the field's text
    directives: list[Content] = []  # behind the field, which may go on behind them
    is_body = False
    for line in lines:
        text = line.text
        kind, value = _field(text, is_body)
        if text.startswith("%%"):
            directives.append(Content(line, DIRECTIVE, text[2:]))
        elif not text.strip() or text.lstrip().startswith("%"):
            continue
        elif field and kind == "+":
            parts.append(value)
        elif field and kind == MUSIC and _goes_on(field[1], parts[-1], is_body):
            parts[-1] = parts[-1].rstrip("\\")
            parts.append(without_comment(text))
        else:
            if field:
                yield Content(*field, " ".join(parts))
                is_body = is_body or field[1] == "K"
                kind, value = _field(text, is_body)
            yield from directives
            field, parts, directives = (line, kind), [value], []
            if kind == MUSIC:
                field = None
                yield Content(line, MUSIC, text)
    if field:
        yield Content(*field, " ".join(parts))
    yield from directives


def without_comment(text: str) -> str:
    """Return a text up to a comment, without space around it."""
    return COMMENT.sub("", text).strip()


def _field(text: str, is_body: bool) -> tuple[str, str]:
    """Return the letter of a field and its value, or that the line is music."""
    match = FIELD.match(text)
    if not match:
        return MUSIC, text
    letter, rest = match.groups()
    is_bar = letter in NOTE_CAPITALS and rest[:1] in ("|", ":")
    if is_body and (letter in NOTE_LETTERS or is_bar):
        return MUSIC, text
    return letter, without_comment(rest)


def _goes_on(kind: str, text: str, is_body: bool) -> bool:
    """Return whether a field goes on in the next line, which is none."""
    return (kind == "H" and not is_body) or (kind in TEXT_FIELDS and text.endswith("\\"))
