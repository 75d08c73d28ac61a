"""The pieces of the SVG picture: text that flows, and paths.

A path's strokes are relative moves in whole numbers, `m dx dy h width`, each from the end of the
last: about eight bytes a note.
"""

from __future__ import annotations

import textwrap
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.score.display.colours import INK, KIND_COLOURS, OTHER_KIND, PALETTE, VELOCITY_OPACITIES
from musegen.score.display.labels import printable, text_width
from musegen.score.display.layout import (
    GROUPS,
    LEFT,
    NUMBERS,
    TOKEN_ROW,
    WIDTH,
    Marks,
    Page,
    Strokes,
)

__all__ = ["Entry", "bar_numbers", "escaped", "grid", "legend", "notes", "prose", "token_strip"]

LETTER = 0.56  # width of a letter, in sizes: wide enough for the fonts that browsers take
MAX_LINES = 5
NUMBER_EVERY, LINE_EVERY = 60, 8  # least distance between bar numbers, and between barlines
STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
TICK_WIDTHS = np.array([5, 8, 10, 12])  # for one token, two, three, more


class Entry(NamedTuple):
    """One entry of a legend: its text, the colour of its swatch, and whether that is a dot."""

    text: str
    colour: str
    dot: bool = False


def escaped(text: str) -> str:
    """Return text as it may stand in an element or an attribute."""
    return escape(printable(text))


def prose(text: str, top: int, size: int = 20) -> tuple[str, int]:
    """Return text broken into lines, and the y below it."""
    rows = textwrap.wrap(text, int(WIDTH / (LETTER * size)), max_lines=MAX_LINES, placeholder=" …")
    out = ""
    for row in rows:
        top += size * 3 // 2
        out += f'<text x="8" y="{top - size // 2}" font-size="{size}">{escaped(row)}</text>'
    return out, top


def legend(entries: list[Entry], top: int, size: int = 20) -> tuple[str, int]:
    """Return entries from left to right, in as many lines as they need, and the y below them."""
    if not entries:
        return "", top
    out, x, y = "", 8, top + size
    for text, colour, dot in entries:
        width = round(text_width(text) * LETTER * size)
        if x > 8 and x + 28 + width > WIDTH:
            x, y = 8, y + size * 3 // 2
        middle = y - size // 3
        shape = f"M{x + 8} {middle}h0" if dot else f"M{x} {middle}h16"
        cap = ' stroke-linecap="round"' if dot else ""
        out += f'<path d="{shape}" stroke="{colour}" stroke-width="12"{cap}/>'
        out += f'<text x="{x + 24}" y="{y}">{escaped(text)}</text>'
        x += width + 56
    return out, y + size // 2


def grid(page: Page) -> str:
    """Return barlines, octave lines with their names, and the names of the lanes."""
    low, high = page.pitches
    octaves = [pitch for pitch in range(low, high + 1) if pitch % 12 == 0]
    bars = octave_lines = names = ""
    for system, top in enumerate(page.tops.tolist()):
        roll = top + NUMBERS
        x = page.x(page.lines, system)[page.bars[system] : page.bars[system + 1] + 1]
        x = np.append(x[:-1][:: _every(x, LINE_EVERY)], x[-1])
        bars += "".join(f"M{at} {roll}v{page.strip_bottom - NUMBERS}" for at in x.tolist())
        for pitch in octaves:
            y = roll + (high - pitch + 1) * page.row
            octave_lines += f"M{LEFT} {y}H{x[-1]}"
            names += _label(f"C{pitch // 12 - 1}", y)
        if len(page.drums):
            names += _label("drums", roll + page.roll_height + page.lane_height // 2 + 10)
        if page.token_rows:
            names += _label("tokens", top + page.strip_top + page.token_rows * TOKEN_ROW // 2 + 6)
    return (
        f'<path d="{octave_lines}" stroke="{INK}" stroke-width="2" opacity=".18"/>'
        f'<path d="{bars}" stroke="{INK}" stroke-width="2" opacity=".4"/>'
        f'<g font-size="18" text-anchor="end" opacity=".7">{names}</g>'
    )


def _label(text: str, y: int) -> str:
    return f'<text x="{LEFT - 10}" y="{y}">{text}</text>'


def _every(x: NDArray[np.int64], least: int) -> int:
    """Return how many bars apart marks at `x` must be to stand at least so far apart on average."""
    bar = (int(x[-1]) - int(x[0])) / max(len(x) - 1, 1)
    return next((step for step in STEPS if step * bar >= least), STEPS[-1])


def bar_numbers(page: Page) -> str:
    """Return the numbers of the bars, from 1, above their barlines."""
    out = ""
    for system, top in enumerate(page.tops.tolist()):
        x = page.x(page.lines, system)[page.bars[system] : page.bars[system + 1] + 1]
        room = 0  # from where there is room for the next number: bars may differ in length
        for offset in range(0, len(x) - 1, _every(x, NUMBER_EVERY)):
            if x[offset] < room:
                continue
            room = int(x[offset]) + NUMBER_EVERY
            out += f'<text x="{x[offset]}" y="{top + NUMBERS - 8}">{page.bars[system] + offset + 1}</text>'
    return f'<g font-size="18" opacity=".7">{out}</g>'


def notes(page: Page, drawn: Strokes, titles: dict[int, str]) -> str:
    """Return the notes: for each group and loudness one path, the group's tracks as its tooltip."""
    out = ""
    for group in np.unique(drawn.group).tolist():
        drums = group == GROUPS
        colour = INK if drums else PALETTE[group % len(PALETTE)]
        height = page.lane if drums else max(page.row - 1, 3)
        cap = ' stroke-linecap="round"' if drums else ""
        paths = ""
        for level, opacity in enumerate(VELOCITY_OPACITIES):
            chosen = (drawn.group == group) & (drawn.level == level)
            if chosen.any():
                d = _path(drawn.x[chosen], drawn.y[chosen], drawn.width[chosen])
                paths += f'<path opacity="{opacity}" d="{d}"/>'
        title = f"<title>{escaped(titles[group])}</title>" if group in titles else ""
        out += f'<g stroke="{colour}" stroke-width="{height}"{cap}>{title}{paths}</g>'
    return out


def token_strip(page: Page, marks: Marks, cell: int) -> str:
    """Return the token strips: a row for each kind, a tick where tokens stand, the wider the more they are.

    Args:
        page: Where they go.
        marks: The tokens.
        cell: Ticks are brought to multiples of this many units from the left.
    """
    out = ""
    for kind, name in enumerate(marks.kinds):
        d, before = "", (0, 0)
        for system, top in enumerate(page.tops.tolist()):
            x, count = _tokens_in(page, marks, kind, system, cell)
            width = TICK_WIDTHS[np.minimum(count, len(TICK_WIDTHS)) - 1]
            y = np.full(len(x), top + page.strip_top + kind * TOKEN_ROW + TOKEN_ROW // 2)
            d += _path(x, y, width, before)
            before = (int(x[-1] + width[-1]), int(y[-1])) if len(x) else before
        colour = KIND_COLOURS.get(name, OTHER_KIND)
        out += f'<path stroke="{colour}" d="{d}"><title>{escaped(name)}</title></path>'
    return f'<g stroke-width="{TOKEN_ROW - 1}">{out}</g>'


def _tokens_in(
    page: Page, marks: Marks, kind: int, system: int, cell: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return x and number of the tokens of a kind in a system; in the last one of all, those at its end too."""
    start, stop = (page.lines[page.bars[system + i]] for i in (0, 1))
    last = page.complete and system == len(page.tops) - 1
    chosen = (marks.kind == kind) & (marks.ticks >= start) & ((marks.ticks < stop) | last)
    x = (page.x(marks.ticks[chosen], system) - LEFT) // cell * cell + LEFT
    at, place = np.unique(x, return_inverse=True)
    return at, np.bincount(place, marks.counts[chosen], len(at)).astype(np.int64)


def _path(
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    width: NDArray[np.int64],
    before: tuple[int, int] = (0, 0),
) -> str:
    """Return the path of horizontal strokes, going on from the point `before`."""
    dx = np.diff(x, prepend=before[0])
    dx[1:] -= width[:-1]
    dy = np.diff(y, prepend=before[1])
    moves = zip(dx.tolist(), dy.tolist(), width.tolist(), strict=True)
    return "".join(f"m{a}{'' if b < 0 else ' '}{b}h{w}" for a, b, w in moves)
