"""Where everything in the picture of a score goes.

All coordinates are whole numbers of half pixels, so that paths stay short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from musegen.score.score import Score

__all__ = ["LEFT", "RIGHT", "WIDTH", "Marks", "Page", "Strokes", "lay_out", "merged", "strokes"]

WIDTH = 2000
LEFT, RIGHT = 92, 1984  # of the music
SYSTEM_QUARTERS = 32  # longest system, unless a bar is longer
SHORTEST_QUARTERS = 16  # a shorter one does not fill the line
NUMBERS, GAP = 28, 30  # room for the bar numbers above a system, and below it
ROLL, LANE = 420, 100  # heights to aim at
TOKEN_ROW = 8
GROUPS = 28  # of tracks, each with its paths: a multiple of the number of colours


class Marks(NamedTuple):
    """The tokens of a score, counted by time and kind.

    Attributes:
        kinds: Names of the kinds there are, in the order of the vocabulary.
        ticks: `float64[M]`: where the tokens of a mark stand.
        kind: `int64[M]`: their kind, an index into `kinds`.
        counts: `int64[M]`: how many they are.
    """

    kinds: tuple[str, ...]
    ticks: NDArray[np.float64]
    kind: NDArray[np.int64]
    counts: NDArray[np.int64]


class Page(NamedTuple):
    """Systems from top to bottom.

    Attributes:
        bars: `int64[S + 1]`: each system's first bar, then the first bar that is not drawn.
        lines: `int64[...]`: ticks of the barlines on the page, the final one included.
        tops: `int64[S]`: y of each system's top.
        scale: Units a tick.
        row: Height of a pitch's row.
        pitches: Lowest and highest pitch drawn; (0, -1) if there is none.
        lane: Height of a drum's row.
        drums: `int64[D]`: the drum pitches that occur, ascending.
        groups: `int64[tracks]`: the group in which each track is drawn; drums: `GROUPS`.
        token_rows: Rows of the token strip.
        bottom: y below the last system.
        complete: Whether all of the music is on the page.
    """

    bars: NDArray[np.int64]
    lines: NDArray[np.int64]
    tops: NDArray[np.int64]
    scale: float
    row: int
    pitches: tuple[int, int]
    lane: int
    drums: NDArray[np.int64]
    groups: NDArray[np.int64]
    token_rows: int
    bottom: int
    complete: bool

    @property
    def roll_height(self) -> int:
        """Height of the pitches."""
        return (self.pitches[1] - self.pitches[0] + 1) * self.row

    @property
    def lane_height(self) -> int:
        """Height of the drums below the pitches."""
        return len(self.drums) * self.lane + 8 if len(self.drums) else 0

    @property
    def strip_top(self) -> int:
        """From a system's top to its token strip, below the drums."""
        return NUMBERS + self.roll_height + self.lane_height + 8

    @property
    def strip_bottom(self) -> int:
        """From a system's top to the end of its token strip, or of its notes if it has none."""
        return (
            self.strip_top + self.token_rows * TOKEN_ROW if self.token_rows else self.strip_top - 8
        )

    def x(self, ticks: NDArray[np.float64] | NDArray[np.int64], system: int) -> NDArray[np.int64]:
        """Return the x of ticks in a system; of those outside it, its edge."""
        start, stop = self.lines[self.bars[system]], self.lines[self.bars[system + 1]]
        out: NDArray[np.int64] = (
            np.rint((np.clip(ticks, start, stop) - start) * self.scale).astype(np.int64) + LEFT
        )
        return out


class Strokes(NamedTuple):
    """Horizontal strokes: notes, or cells of them.

    Attributes:
        x: `int64[N]`: left end.
        y: `int64[N]`: middle.
        width: `int64[N]`: 0 for drums, which are dots.
        group: `int64[N]`: see `Page.groups`.
        level: `int64[N]`: index of the opacity.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    width: NDArray[np.int64]
    group: NDArray[np.int64]
    level: NDArray[np.int64]


def lay_out(
    score: Score, lines: NDArray[np.int64], systems: int, top: int, token_rows: int
) -> Page:
    """Return the layout of the first systems of `score`.

    Args:
        score: The music.
        lines: `score.barlines()`.
        systems: How many systems at most.
        top: y where the first may begin.
        token_rows: Rows of the token strip.
    """
    longest = SYSTEM_QUARTERS * score.ticks_per_quarter
    bars = [0]
    while len(bars) <= systems and bars[-1] < len(lines) - 1:
        first = bars[-1]
        count = max(
            int(np.searchsorted(lines, lines[first] + longest, side="right")) - 1 - first, 1
        )
        bars.append(
            first + (count if count < 8 or first + count == len(lines) - 1 else count // 4 * 4)
        )
    drawn = score.notes[score.notes["onset"] < lines[bars[-1]]]
    is_drum = np.array([t.is_drum for t in score.tracks], bool)[drawn["track"]]
    drums = np.unique(drawn["pitch"][is_drum]).astype(np.int64)
    pitches = _pitch_range(drawn["pitch"][~is_drum].astype(np.int64))
    spans = np.diff(lines[bars])
    unit = (RIGHT - LEFT) / max(
        int(spans.max(initial=0)), SHORTEST_QUARTERS * score.ticks_per_quarter
    )
    page = Page(
        bars=np.array(bars),
        lines=lines[: bars[-1] + 1],
        tops=np.zeros(0, np.int64),
        scale=unit,
        row=int(np.clip(ROLL // (pitches[1] - pitches[0] + 1) // 2 * 2, 4, 12))
        if pitches[1] >= 0
        else 0,
        pitches=pitches,
        lane=int(np.clip(LANE // max(len(drums), 1) // 2 * 2, 4, 12)),
        drums=drums,
        groups=_groups(score),
        token_rows=token_rows,
        bottom=0,
        complete=bars[-1] == len(lines) - 1,
    )
    height = page.strip_top + token_rows * TOKEN_ROW + GAP
    tops = top + height * np.arange(len(bars) - 1)
    return page._replace(tops=tops, bottom=top + height * len(tops))


def _pitch_range(pitches: NDArray[np.int64]) -> tuple[int, int]:
    """Return the lowest and highest pitch to draw: an octave at least; (0, -1) if there are none."""
    if not len(pitches):
        return 0, -1
    low, high = int(pitches.min()), int(pitches.max())
    missing = max(11 - (high - low), 0)
    low = max(low - missing // 2 - 1, 0)
    return low, min(max(high + missing - missing // 2, low) + 1, 127)


def _groups(score: Score) -> NDArray[np.int64]:
    """Return the group of each track: tracks with notes are dealt to groups in turn."""
    sounding = np.zeros(len(score.tracks), bool)
    sounding[score.notes["track"]] = True
    is_drum = np.array([t.is_drum for t in score.tracks], bool)
    rank = np.cumsum(sounding & ~is_drum) - 1
    return np.where(is_drum, GROUPS, rank % GROUPS)


def strokes(score: Score, page: Page) -> Strokes:
    """Return a stroke for each note, or for each system that it sounds in."""
    parts = []
    onsets, offsets = score.notes["onset"].astype(np.int64), score.offsets.astype(np.int64)
    for system, top in enumerate(page.tops.tolist()):
        start, stop = (int(page.lines[bar]) for bar in page.bars[system : system + 2])
        drum = page.groups[score.notes["track"]] == GROUPS
        here = (onsets < stop) & (offsets > start) & ~(drum & (onsets < start))
        notes, drum = score.notes[here], drum[here]
        left, right = page.x(onsets[here], system), page.x(offsets[here], system)
        pitch = notes["pitch"].astype(np.int64)
        roll = (page.pitches[1] - pitch) * page.row + page.row // 2
        lane = (
            len(page.drums) - 1 - np.searchsorted(page.drums, pitch)
        ) * page.lane + page.lane // 2
        parts.append(
            Strokes(
                x=left,
                y=top + NUMBERS + np.where(drum, page.roll_height + 8 + lane, roll),
                width=np.where(drum, 0, np.maximum(right - left - 1, 2)),  # a gap before the next
                group=page.groups[notes["track"]],
                level=notes["velocity"].astype(np.int64) // 32,
            )
        )
    return (
        Strokes(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        if parts
        else _NOTHING
    )


_NOTHING = Strokes(*(np.zeros(0, np.int64) for _ in Strokes._fields))


def merged(drawn: Strokes, cell: int) -> Strokes:
    """Return the strokes brought to cells and joined: a bounded number, whatever the music.

    Where several groups meet in a cell, the last is seen.

    Args:
        drawn: The strokes.
        cell: Width of a cell.
    """
    rows, row = np.unique(drawn.y, return_inverse=True)
    count = -(-(RIGHT - LEFT) // cell)
    grid = np.full((len(rows), count + 1), -1, np.int64)
    for group in np.unique(drawn.group).tolist():
        mine = drawn.group == group
        edges = np.zeros(grid.shape, np.int64)
        first = (drawn.x[mine] - LEFT) // cell
        last = (drawn.x[mine] - LEFT + drawn.width[mine]) // cell
        np.add.at(edges, (row[mine], np.minimum(first, count - 1)), 1)
        np.add.at(edges, (row[mine], np.minimum(last, count - 1) + 1), -1)
        grid[np.cumsum(edges, axis=1) > 0] = group
    flat = grid.ravel()  # the last cell of a row is empty, so runs end with their row
    starts = np.flatnonzero(np.diff(flat, prepend=-1))
    stops = np.append(starts[1:], flat.size)
    filled = flat[starts] >= 0
    starts, stops = starts[filled], stops[filled]
    return Strokes(
        x=LEFT + starts % (count + 1) * cell,
        y=rows[starts // (count + 1)],
        width=(stops - starts) * cell,
        group=flat[starts],
        level=np.full(len(starts), 2, np.int64),
    )
