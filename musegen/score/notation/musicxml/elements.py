"""Parse a MusicXML document one measure at a time, within bounds of memory and time.

Only one measure at a time is held as elements, and what a `Score` cannot hold (layout, beams,
lyrics) is never kept. Nothing is fetched: the address in a DOCTYPE is not followed. Entities, which
can make a short text long, are refused.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement
from xml.parsers import expat

from musegen.errors import MidiError

__all__ = ["Measure", "Parser"]

CHUNK = 2**16  # bytes parsed at a time
LONGEST_TAG = 2**20  # bytes
LONGEST_TEXT = 1000  # characters; no number or name is longer
DEEPEST = 100  # elements one in another; MusicXML needs 12
MOST = 1_500_000  # elements that are not ignored; a symphony has fewer

ROOTS = {"score-partwise": "measure", "score-timewise": "part"}
"""Name of the root → name of its grandchildren that hold the notes."""

IGNORED = frozenset(
    "accidental appearance barline beam credit defaults figured-bass grouping link listening lyric "
    "notations notehead notehead-text print stem time-modification".split()
)
"""Elements without meaning for a `Score`."""


class Measure(NamedTuple):
    """A measure of one part.

    Attributes:
        part: The part's id.
        number: As printed; any text.
        implicit: Whether the page does not count it, as it does not count a pickup.
        controlling: Whether its left barline goes through all parts, as most do.
        line: Where it begins in the file.
        content: Notes, rests, attributes and so on, in the order of the file.
    """

    part: str
    number: str
    implicit: bool
    controlling: bool
    line: int
    content: Element


class Parser:
    """Parses a document.

    Args:
        data: The whole document.

    Attributes:
        root: The root without its measures: the list of parts, titles, names.

    Raises:
        MidiError: It is in an unknown encoding.
    """

    def __init__(self, data: bytes) -> None:
        """Prepare to parse."""
        self._data = _as_utf8(data)
        self.root = Element("")
        self._open: list[Element] = []  # the element being parsed, and those around it
        self._ignored = 0  # how many of the elements around it, and it, are ignored
        self._count = 0
        self._line = 0  # of the measure
        self._parts: set[str] = set()  # the ids so far
        self._complete: list[Measure] = []
        self._expat = expat.ParserCreate("utf-8")
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text
        self._expat.EntityDeclHandler = self._declaration
        self._expat.AttlistDeclHandler = self._declaration

    def measures(self) -> Iterator[Measure]:
        """Yield the measures of all parts, in the order of the file.

        Raises:
            MidiError: It is not well-formed, not MusicXML, or exceeds a limit.
        """
        try:
            for start in range(0, len(self._data) or 1, CHUNK):
                stop = start + CHUNK
                self._expat.Parse(self._data[start:stop], stop >= len(self._data))
                if start - self._expat.CurrentByteIndex > LONGEST_TAG:
                    raise self._error(f"tags of at most {LONGEST_TAG:,} bytes were expected")
                yield from self._complete
                self._complete.clear()
        except expat.ExpatError as error:
            what = f"well-formed XML was expected; received: {expat.ErrorString(error.code)}"
            raise self._error(what) from error

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        depth = len(self._open)
        if depth + self._ignored == DEEPEST:
            raise self._error(f"at most {DEEPEST} elements one in another were expected")
        if self._ignored or (name in IGNORED and depth):
            self._ignored += 1
            return
        self._count += 1
        if self._count > MOST:
            raise self._error(f"at most {MOST:,} elements were expected")
        tag = name.rpartition(":")[2] if ":" in name else name
        if depth:
            self._open.append(SubElement(self._open[-1], tag, attributes))
        elif tag in ROOTS:
            self.root.tag = tag
            self._open.append(self.root)
        else:
            raise self._error(
                f"MusicXML was expected, whose root is {' or '.join(ROOTS)}; received: the root "
                f"{name[:80]}"
            )
        if depth == 2:
            self._line = self._expat.CurrentLineNumber
        if 0 < depth < 3:
            self._check_part(tag, attributes.get("id", ""))

    def _check_part(self, tag: str, name: str) -> None:
        """Refuse a second part of the same name, in the score or in a measure of all parts."""
        if tag == "part" and name in self._parts:
            raise self._error(f"each part once was expected; received: part {name} a second time")
        if tag == "part":
            self._parts.add(name)
        elif tag == "measure" and self.root.tag == "score-timewise":
            self._parts.clear()

    def _end(self, name: str) -> None:
        """End an element. A measure that is complete is taken out of the document."""
        if self._ignored:
            self._ignored -= 1
            return
        element = self._open.pop()
        if len(self._open) != 2 or element.tag != ROOTS[self.root.tag]:
            return
        outer = self._open[1]
        outer.remove(element)
        part, measure = (outer, element) if element.tag == "measure" else (element, outer)
        self._complete.append(
            Measure(
                part=part.get("id", ""),
                number=measure.get("number", ""),
                implicit=measure.get("implicit") == "yes",
                controlling=measure.get("non-controlling") != "yes",
                line=self._line,
                content=element,
            )
        )

    def _text(self, text: str) -> None:
        """Add to the text of the element being parsed."""
        if self._open and not self._ignored:
            element = self._open[-1]
            element.text = ((element.text or "") + text)[:LONGEST_TEXT]

    def _declaration(self, *_: object) -> None:
        raise self._error("a DOCTYPE without entities and attributes of its own was expected")

    def _error(self, problem: str) -> MidiError:
        line = self._expat.CurrentLineNumber
        return MidiError(f"line {line:,}: {problem}. Export the music as MusicXML again.")


def _as_utf8(data: bytes) -> bytes:
    """Return a document in UTF-8: from UTF-16, or from the encoding that it declares.

    One that is in fact neither in UTF-8 nor in UTF-16 is taken for Latin-1.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")):
        name = {0xFF: "utf-16", 0xFE: "utf-16", 0x3C: "utf-16-le", 0: "utf-16-be"}[data[0]]
    else:
        declared = re.match(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]+)", data)
        name = declared[1].decode("latin-1").lower() if declared else "utf-8"
        if name.startswith(("utf-16", "utf_16", "us-ascii", "ascii")):
            name = "utf-8"
    try:
        if name not in ("utf-8", "utf8"):
            return data.decode(name, "replace").encode()
        data = data.removeprefix(codecs.BOM_UTF8)
        for _ in codecs.iterdecode((data[i : i + CHUNK] for i in range(0, len(data), CHUNK)), name):
            pass
        return data
    except UnicodeDecodeError:
        return data.decode("latin-1").encode()
    except (LookupError, UnicodeError) as error:
        raise MidiError(
            f"line 1: a text encoding was expected; received: {name!r}. Save it in UTF-8."
        ) from error
