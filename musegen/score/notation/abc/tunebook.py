"""Split an ABC file into tunes (sections 2.2 and 10.5 of the ABC standard 2.1)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from musegen.errors import MidiError

__all__ = ["MAX_LETTERS", "Line", "Tune", "split_abc"]

MAX_LETTERS = 2**19
"""Characters of a tune that can be read."""
MAX_TUNES = 100_000

X_FIELD = r"[ \t]*X:(?![|:])(?P<number>[^%\n]*)"
BLOCK = r"%%[ \t]*begin(?P<block>\w+)"
OUTSIDE = re.compile(rf"^(?:{X_FIELD}|{BLOCK})", re.MULTILINE)
INSIDE = re.compile(rf"^(?:{X_FIELD}|{BLOCK}|(?P<blank>[ \t]*$))", re.MULTILINE)
FIELD = re.compile(r"^(?:[ \t]*[A-Za-z+]:|%%|%abc-).*", re.MULTILINE)


class Line(NamedTuple):
    """A line of a file: its number, from 1, and its text."""

    number: int
    text: str


@dataclass(frozen=True)
class Tune:
    """One tune of an ABC file.

    Attributes:
        label: Its number in the `X:` field, by which it is chosen: `book.abc#12`. A second tune
            of the same number is `12-2`; one without a number is `0`.
        header: The fields and directives of the file header.
        body: The tune, from its `X:` line on.
        line: The number of that line in the file.
    """

    label: str
    header: str
    body: str
    line: int

    @property
    def text(self) -> str:
        """The tune with the file header, as ABC text of its own."""
        return self.header + self.body

    def lines(self) -> Iterator[Line]:
        """Yield the lines, without blocks such as `%%begintext` to `%%endtext`.

        Lines of the file header have the number of the tune's first line.
        """
        numbered = [Line(self.line, text) for text in self.header.splitlines()]
        numbered += [Line(self.line + i, text) for i, text in enumerate(self.body.split("\n"))]
        block = None
        for line in numbered:
            if block:
                block = None if re.match(rf"%%[ \t]*end{block}\b", line.text) else block
            elif match := re.match(BLOCK, line.text):
                block = match["block"]
            else:
                yield line


def split_abc(text: str) -> list[Tune]:
    r"""Return the tunes of an ABC file.

    A tune is from its `X:` line to the next blank line. Fields and directives before the first
    `X:` line are the file header, which is a part of each tune; other text between tunes is left
    out. A file without an `X:` line is one tune.

    >>> tunes = split_abc("M:3/4\n\nX:1\nK:C\nCDE\n\nThat was one.\n\nX:2\nK:G\nGAB\n")
    >>> [(tune.label, tune.text) for tune in tunes]
    [('1', 'M:3/4\nX:1\nK:C\nCDE\n'), ('2', 'M:3/4\nX:2\nK:G\nGAB\n')]

    Raises:
        MidiError: A block has no end, or there are too many tunes.
    """
    tunes: list[Tune] = []
    header = ""
    seen: Counter[str] = Counter()
    line = counted = 0
    for start, end, number in _spans(text):
        if not tunes:
            header = "".join(f"{match[0]}\n" for match in FIELD.finditer(text, 0, start))
        line += text.count("\n", counted, start)
        counted = start
        seen[number] += 1
        label = number if seen[number] == 1 else f"{number}-{seen[number]}"
        tunes.append(Tune(label, header, text[start:end], line + 1))
        if len(tunes) > MAX_TUNES:
            raise MidiError(f"line {line + 1}: more than {MAX_TUNES:,} tunes. Split the file.")
    return tunes or [_fragment(text)]


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield first and last character and the number of each tune."""
    start, number = None, ""
    at = 0
    while match := (OUTSIDE if start is None else INSIDE).search(text, at):
        if match["block"]:
            at = _end_of_block(text, match)
            continue
        if start is not None:
            yield start, match.start(), number
        start = None
        if match["number"] is not None:
            start = match.start()
            number = re.sub(r"[^\w.-]+", "-", match["number"].strip()) or "0"
        at = match.end()
    if start is not None:
        yield start, len(text), number


def _end_of_block(text: str, begin: re.Match[str]) -> int:
    """Return where the line that ends a block begins."""
    end = re.compile(rf"^%%[ \t]*end{begin['block']}\b", re.MULTILINE).search(text, begin.end())
    if end is None:
        line = text.count("\n", 0, begin.start()) + 1
        raise MidiError(
            f"line {line}: %%begin{begin['block']} must be followed by %%end{begin['block']}. "
            "Received: the end of the file. Close the block."
        )
    return end.end()


def _fragment(text: str) -> Tune:
    """Return the tune of a text without `X:`: from its first field to the next blank line."""
    first = FIELD.search(text)
    start = first.start() if first else 0
    blank = re.compile(r"^[ \t]*$", re.MULTILINE).search(text, start)
    end = blank.start() if blank else len(text)
    return Tune("0", "", text[start:end], text.count("\n", 0, start) + 1)
