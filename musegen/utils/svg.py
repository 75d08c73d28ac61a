"""Write SVG: elements, text, legends and axes.

The functions return markup as `str`. Attribute values and texts are escaped, so that names from
anybody's files are safe. The arguments called content are markup and are not escaped.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from html import escape
from itertools import pairwise
from typing import NamedTuple
from unicodedata import east_asian_width

__all__ = [
    "INK",
    "PALETTE",
    "Entry",
    "Scale",
    "document",
    "element",
    "escaped",
    "legend",
    "paragraph",
    "printable",
    "text",
    "text_width",
    "title",
]

INK = "currentColor"
"""The text colour of the surrounding page."""

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6bb1")
"""Colours that colour-blind readers can distinguish, on light and dark backgrounds.

Okabe and Ito (2008), with a violet in place of yellow and black.
"""

LETTER_WIDTH = 0.56  # as a share of the font size; generous, since browsers choose the font
MAX_PARAGRAPH_LINES = 5


def element(name: str, *content: str, **attributes: object) -> str:
    """Return an element with its attributes; underscores in their names become hyphens.

    >>> element("path", d="M0 0h8", stroke_width=2)
    '<path d="M0 0h8" stroke-width="2"/>'
    """
    listed = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(str(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{listed}>{''.join(content)}</{name}>" if content else f"<{name}{listed}/>"


def document(content: str, size: tuple[int, int], label: str, **attributes: object) -> str:
    """Return a whole picture, which inherits the text colour of its page.

    Args:
        content: The elements in it.
        size: Width and height in user units.
        label: A description for screen readers.
        attributes: Further attributes of the root element.
    """
    return element(
        "svg",
        content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {size[0]} {size[1]}",
        style="max-width:100%;height:auto",
        role="img",
        aria_label=label,
        fill=INK,
        font_family="sans-serif",
        **attributes,
    )


def text(words: str, x: float, y: float, **attributes: object) -> str:
    """Return one line of text with its baseline at `y`.

    >>> text("Mary & Martha", 8, 20)
    '<text x="8" y="20">Mary &amp; Martha</text>'
    """
    return element("text", escaped(words), x=f"{x:.6g}", y=f"{y:.6g}", **attributes)


def title(words: str) -> str:
    """Return the tooltip of the element that contains it."""
    return element("title", escaped(words))


def paragraph(words: str, top: int, width: int, size: int = 20) -> tuple[str, int]:
    """Return text broken into lines of at most `width`, and the y below them."""
    columns = int(width / (LETTER_WIDTH * size))
    rows = textwrap.wrap(words, columns, max_lines=MAX_PARAGRAPH_LINES, placeholder=" …")
    height = size * 3 // 2
    lines = (
        text(row, 8, top + height * i - size // 2, font_size=size) for i, row in enumerate(rows, 1)
    )
    return "".join(lines), top + height * len(rows)


class Entry(NamedTuple):
    """One entry of a legend.

    Attributes:
        label: Its text.
        swatch: Markup drawn before the text, with the middle of its left end at the origin.
    """

    label: str
    swatch: str = ""


def legend(
    entries: Iterable[Entry], left: int, top: int, right: int, size: int = 20, indent: int = 24
) -> tuple[str, int]:
    """Return legend entries in rows from left to right, and the y below them.

    Args:
        entries: The entries.
        left: x where rows begin.
        top: y of the top of the first row.
        right: x where rows end at the latest, unless one entry alone is longer.
        size: Font size.
        indent: Distance from the left end of a swatch to its text.
    """
    drawn: list[str] = []
    x, row = left, size * 3 // 2
    for label, swatch in entries:
        width = indent + round(text_width(label) * LETTER_WIDTH * size)
        if x > left and x + width > right:
            x, top = left, top + row
        place = f"translate({x} {top + size - size // 3})"
        drawn.append(element("g", swatch, text(label, indent, size // 3), transform=place))
        x += width + row
    return "".join(drawn), top + row if drawn else top


class Scale(NamedTuple):
    """A linear or logarithmic map from values to coordinates.

    >>> Scale(1, 100, 0, 500, logarithmic=True)(10)
    250.0

    Attributes:
        low: The value drawn at `start`; > 0 on a logarithmic scale.
        high: The value drawn at `stop`.
        start: A coordinate.
        stop: A coordinate.
        logarithmic: Whether equal ratios rather than equal differences are equally far apart.
    """

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the coordinate of a value."""
        values = (self.low, self.high, value)
        low, high, at = map(math.log, values) if self.logarithmic else values
        return self.start + (at - low) / ((high - low) or 1.0) * (self.stop - self.start)

    def ticks(self, least: float) -> list[float]:
        """Return the densest series of round values on the scale with `least` units between ticks.

        >>> Scale(0, 10, 0, 100).ticks(15)
        [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
        """
        if self.logarithmic:
            return self._logarithmic_ticks(least)
        gap = least * ((self.high - self.low) or 1.0) / abs(self.stop - self.start)
        decade = 10.0 ** math.floor(math.log10(gap))
        step = next(decade * factor for factor in (1, 2, 5, 10) if decade * factor >= gap)
        multiples = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [float(f"{step * multiple:.12g}") for multiple in multiples]

    def _logarithmic_ticks(self, least: float) -> list[float]:
        """Return the densest choice of round values of each decade."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5), (1, 2, 5), (1,)):
            values = (float(f"{digit}e{decade}") for decade in decades for digit in digits)
            inside = [value for value in values if self.low <= value <= self.high]
            if all(abs(self(b) - self(a)) >= least for a, b in pairwise(inside)):
                return inside
        return []


def printable(words: str) -> str:
    """Replace control characters, surrogates and direction overrides by spaces."""
    return "".join(c if c.isprintable() else " " for c in words)


def text_width(words: str) -> int:
    """Return the width of a text in letters; East Asian wide characters count as two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in words)


def escaped(words: str) -> str:
    """Return text as content of an element or an attribute, without unprintable characters."""
    return escape(printable(words))
