"""A score as an SVG picture: a piano roll in systems, and tokens below where some are given.

The picture is text of under 50 kB for any music, without scripts, styles or ids, so that many can
stand on one page; colours of text and lines are those of the page. A notebook puts it into its HTML
as it is, and track names come from files of strangers: every text is escaped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musegen.errors import MusegenError
from musegen.score.display.colours import INK, KIND_COLOURS, OTHER_KIND, PALETTE
from musegen.score.display.elements import (
    Entry,
    bar_numbers,
    escaped,
    grid,
    legend,
    notes,
    prose,
    token_strip,
)
from musegen.score.display.labels import summary, track_label
from musegen.score.display.layout import GROUPS, WIDTH, Marks, Page, lay_out, merged, strokes

if TYPE_CHECKING:
    from musegen.score.score import Score

__all__ = ["Picture", "svg"]

MAX_BYTES = 50_000
ATTEMPTS = ((4, 0), (3, 0), (2, 0), (1, 0), *((1, cell) for cell in (4, 8, 16, 32, 64, 128)))
"""Systems, and width of the cells to which notes are brought (0: each is drawn), until the picture is small enough."""
BYTES_PER_STROKE = 6  # at the least: m1 1h1
LEGEND_TRACKS = 16
NO_MARKS = Marks((), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))


class Picture(str):
    """An SVG picture as text, which a notebook draws."""

    def _repr_html_(self) -> str:
        return str(self)


def svg(score: Score, marks: Marks = NO_MARKS, notice: str = "") -> Picture:
    """Return the picture, less than 50,000 bytes in UTF-8.

    Args:
        score: The music.
        marks: Tokens to show below the notes.
        notice: A sentence to show at the foot.
    """
    try:
        lines = score.barlines()
    except MusegenError as error:  # more bars than anyone could draw
        return Picture(f"<pre>{escaped(repr(score))}: {escaped(str(error))}</pre>")
    out = ""
    for systems, cell in ATTEMPTS:
        out = _picture(score, lines, marks, [notice] if notice else [], systems, cell)
        if out and len(out.encode()) < MAX_BYTES:
            break
    return Picture(out)


def _picture(
    score: Score,
    lines: NDArray[np.int64],
    marks: Marks,
    notices: list[str],
    systems: int,
    cell: int,
) -> str:
    """Return one attempt; empty if it would surely be too long."""
    about = summary(score, len(lines) - 1, int(marks.counts.sum()))
    head, top = prose(about, 0, size=24)
    tracks, top = legend(_track_entries(score), top + 8)
    page = lay_out(score, lines, systems, top, len(marks.kinds))
    drawn = strokes(score, page)
    if cell:
        drawn = merged(drawn, cell)
    elif len(drawn.x) * BYTES_PER_STROKE > MAX_BYTES:
        return ""
    kinds = [Entry(kind, KIND_COLOURS.get(kind, OTHER_KIND)) for kind in marks.kinds]
    foot, bottom = legend(
        [Entry("tokens, from top to bottom:", "none"), *kinds] if kinds else [], page.bottom
    )
    for notice in [*notices, *_left_out(lines, page, cell)]:
        text, bottom = prose(notice, bottom)
        foot += text
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 8}" width="{WIDTH // 2}" '
        f'style="max-width:100%;height:auto" role="img" aria-label="{escaped(f"Piano roll: {about}")}" fill="{INK}" '
        f'font-family="sans-serif" font-size="20">{head}{tracks}{grid(page)}{bar_numbers(page)}'
        f"{notes(page, drawn, _titles(score, page))}{token_strip(page, marks, max(cell, 1))}{foot}</svg>"
    )


def _sounding(score: Score) -> list[int]:
    """Return the tracks that have notes."""
    out: list[int] = np.unique(score.notes["track"]).tolist()
    return out


def _track_entries(score: Score) -> list[Entry]:
    """Return the legend of the tracks: the first ones, and how many more there are."""
    entries, rank = [], 0
    sounding = _sounding(score)
    for index in sounding[:LEGEND_TRACKS]:
        track = score.tracks[index]
        entries.append(
            Entry(
                track_label(track),
                INK if track.is_drum else PALETTE[rank % len(PALETTE)],
                track.is_drum,
            )
        )
        rank += not track.is_drum
    more = len(sounding) - LEGEND_TRACKS
    return entries + ([Entry(f"and {more} more", "none")] if more > 0 else [])


def _titles(score: Score, page: Page) -> dict[int, str]:
    """Return for each group of tracks what a tooltip says: the names of the first few."""
    names: dict[int, list[str]] = {}
    for index in _sounding(score):
        group = names.setdefault(int(page.groups[index]), [])
        if len(group) < 3:
            group.append(track_label(score.tracks[index]))
    return {group: ", ".join(tracks) for group, tracks in names.items() if group <= GROUPS}


def _left_out(lines: NDArray[np.int64], page: Page, cell: int) -> list[str]:
    """Return what the picture does not show, and how to see it."""
    out = []
    drawn, bars = int(page.bars[-1]), len(lines) - 1
    if cell:
        out.append(
            "More notes than can be drawn one by one: loudness is left out, and where tracks meet one is seen."
        )
    if drawn < bars:
        which = f"bar {bars}" if drawn + 1 == bars else f"bars {drawn + 1:,} to {bars:,}"
        more = f"score[{drawn}:{min(2 * drawn, bars)}]"
        out.append(f"{which[0].upper()}{which[1:]} not drawn; {more} shows more.")
    return out
