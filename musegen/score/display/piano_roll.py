"""A score as an SVG picture: a piano roll in systems, with the tokens below if there are any.

The picture is text of under 50 kB for any music, without scripts, styles or ids, so that one page
can have many. A notebook inserts it into its HTML unchanged, and track names come from anybody's
files, so every text is escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musegen.errors import MusegenError
from musegen.score.display.layout import LEFT, NUMBERS, TOKEN_ROW, WIDTH, Layout, Marks, Strokes
from musegen.score.display.style import (
    DRUMS,
    LEGEND_TRACKS,
    VELOCITY_OPACITIES,
    Look,
    kind_colour,
    looks,
    summary,
)
from musegen.utils.arrays import Ints
from musegen.utils.svg import (
    INK,
    Entry,
    document,
    element,
    escaped,
    legend,
    paragraph,
    text,
    title,
)

if TYPE_CHECKING:
    from musegen.score.score import Score

__all__ = ["Picture", "svg"]

MAX_BYTES = 50_000
BYTES_PER_STROKE = 6  # at least: m1 1h1
ATTEMPTS = ((4, 0), (3, 0), (2, 0), (1, 0), (1, 4), (1, 8), (1, 16), (1, 32), (1, 64), (1, 128))
"""(systems, width of the cells that show notes or 0 for each note), until the picture is small."""

NUMBER_EVERY, LINE_EVERY = 50, 8  # least distance between bar numbers, and between barlines
TOOLTIP_TRACKS = 3
NO_MARKS = Marks((), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))


class Picture(str):
    """An SVG picture as text, which a notebook draws."""

    def _repr_html_(self) -> str:
        return str(self)


def svg(score: Score, marks: Marks = NO_MARKS, notice: str = "") -> Picture:
    """Draw a score in less than 50,000 bytes of UTF-8.

    Args:
        score: The music.
        marks: Tokens to show below the notes.
        notice: A sentence to show at the foot.
    """
    try:
        lines = score.barlines()
    except MusegenError as error:  # more bars than anyone could draw
        return Picture(element("pre", escaped(f"{score!r}: {error}")))
    for systems, cell in ATTEMPTS:
        picture = _picture(score, lines, marks, notice, systems, cell)
        if picture and len(picture.encode()) < MAX_BYTES:
            break
    return Picture(picture)


def _picture(score: Score, lines: Ints, marks: Marks, notice: str, systems: int, cell: int) -> str:
    """Return the picture of one attempt, or nothing if it would surely be too long."""
    about = summary(score, len(lines) - 1, int(marks.counts.sum()))
    head, top = paragraph(about, 0, WIDTH, size=24)
    tracks, top = legend(_track_entries(score), 8, top + 8, WIDTH)
    layout = Layout(score, lines, systems, top, len(marks.kinds))
    strokes = layout.notes()
    if cell:
        strokes = strokes.in_cells(cell)
    elif len(strokes.x) * BYTES_PER_STROKE > MAX_BYTES:
        return ""
    notes = _notes(layout, strokes)
    tokens = _tokens(marks.kinds, layout.tokens(marks, max(cell, 1)))
    foot, bottom = legend(_kind_entries(marks.kinds), 8, int(layout.tops[-1]), WIDTH)
    content = head + tracks + _grid(layout) + notes + tokens + foot
    for sentence in [notice, *_omissions(len(lines) - 1, int(layout.bars[-1]), cell)]:
        foot, bottom = paragraph(sentence, bottom, WIDTH)
        content += foot
    size, label = (WIDTH, bottom + 8), f"Piano roll: {about}"
    return document(content, size, label, width=WIDTH // 2, font_size=20)


def _track_entries(score: Score) -> list[Entry]:
    """Return the legend of the tracks with notes: the first ones, and how many more there are."""
    tracks = looks(score)
    entries = [Entry(it.label, _swatch(it.colour, it.group == DRUMS)) for it in tracks]
    more = len(tracks) - LEGEND_TRACKS
    return [*entries[:LEGEND_TRACKS], Entry(f"and {more} more")] if more > 0 else entries


def _kind_entries(kinds: tuple[str, ...]) -> list[Entry]:
    """Return the legend of the token strip."""
    entries = [Entry(kind, _swatch(kind_colour(kind))) for kind in kinds]
    return [Entry("tokens, from top to bottom:"), *entries] if entries else []


def _swatch(colour: str, dot: bool = False) -> str:
    """Return a box, or a dot for drums."""
    look = {"d": "M8 0h0", "stroke_linecap": "round"} if dot else {"d": "M0 0h16"}
    return element("path", stroke=colour, stroke_width=12, **look)


def _grid(layout: Layout) -> str:
    """Return barlines with the bars' numbers, octave lines, and the names of rows."""
    lines: list[str] = []
    octaves: list[str] = []
    numbers: list[str] = []
    names: list[str] = []
    for system, top in enumerate(layout.tops[:-1].tolist()):
        x = layout.barlines(system)
        for at in [*x[:-1][:: _stride(x, LINE_EVERY)], x[-1]]:
            lines.append(f"M{at} {top + NUMBERS}v{layout.foot - NUMBERS}")
        for bar in range(0, len(x) - 1, _stride(x, NUMBER_EVERY)):
            numbers.append(text(str(layout.bars[system] + bar + 1), x[bar], top + NUMBERS - 8))
        for pitch in (pitch for pitch in layout.pitches if pitch % 12 == 0):
            y = top + layout.pitch_y[pitch] + layout.row // 2
            octaves.append(f"M{LEFT} {y}H{x[-1]}")
            names.append(text(f"C{pitch // 12 - 1}", LEFT - 10, y))
        if len(layout.drums):
            middle = top + layout.drum_y[layout.drums].mean()
            names.append(text("drums", LEFT - 10, middle + 6))
        if layout.foot > layout.token_y:
            middle = top + (layout.token_y + layout.foot) // 2
            names.append(text("tokens", LEFT - 10, middle + 6))
    return "".join(
        [
            element("path", d="".join(octaves), stroke=INK, stroke_width=2, opacity=0.18),
            element("path", d="".join(lines), stroke=INK, stroke_width=2, opacity=0.4),
            element("g", *names, font_size=18, opacity=0.7, text_anchor="end"),
            element("g", *numbers, font_size=18, opacity=0.7),
        ]
    )


def _stride(x: Ints, least: int) -> int:
    """Return the power of two of bars that keeps marks at every such bar `least` units apart."""
    stride = 1
    while stride < len(x) and np.diff(x[:-1:stride]).min(initial=least) < least:
        stride *= 2
    return stride


def _notes(layout: Layout, strokes: Strokes) -> str:
    """Return the notes: a path for each group and loudness, with the group's tracks as tooltip."""
    groups: dict[int, list[Look]] = {}
    for look in looks(layout.score):
        groups.setdefault(look.group, []).append(look)
    drawn = []
    for group, tracks in groups.items():
        paths = [title(", ".join(look.label for look in tracks[:TOOLTIP_TRACKS]))]
        for level, opacity in enumerate(VELOCITY_OPACITIES):
            if d := strokes.path(group, level):
                paths.append(element("path", opacity=opacity, d=d))
        pen: dict[str, object] = {"stroke_width": max(layout.row - 1, 3)}
        if group == DRUMS:
            pen = {"stroke_width": layout.lane, "stroke_linecap": "round"}
        drawn.append(element("g", *paths, stroke=tracks[0].colour, **pen))
    return "".join(drawn)


def _tokens(kinds: tuple[str, ...], strokes: Strokes) -> str:
    """Return the token strip: a path for each kind, with its name as tooltip."""
    paths = (
        element("path", title(name), stroke=kind_colour(name), d=strokes.path(kind))
        for kind, name in enumerate(kinds)
    )
    return element("g", *paths, stroke_width=TOKEN_ROW - 1)


def _omissions(bars: int, drawn: int, cell: int) -> list[str]:
    """Return sentences on what the picture does not show, and how to see it."""
    sentences = []
    if cell:
        sentences.append(
            "More notes than can be drawn one by one: loudness is left out, "
            "and where tracks overlap only one of them is visible."
        )
    if drawn < bars:
        which = f"Bar {bars}" if drawn + 1 == bars else f"Bars {drawn + 1:,} to {bars:,}"
        more = f"score[{drawn}:{min(2 * drawn, bars)}]"
        sentences.append(f"{which} not drawn; {more} shows more.")
    return sentences
