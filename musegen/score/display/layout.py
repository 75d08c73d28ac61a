"""Positions in the picture of a score: systems from top to bottom, and the strokes in them.

All coordinates are whole numbers of half pixels, so that paths stay short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from musegen.score.display.style import DRUMS, track_groups
from musegen.utils.arrays import Floats, Ints

if TYPE_CHECKING:
    from musegen.score.score import Score

__all__ = ["LEFT", "NUMBERS", "TOKEN_ROW", "WIDTH", "Layout", "Marks", "Strokes"]

WIDTH = 2000
LEFT, RIGHT = 92, 1984  # of the music
SYSTEM_QUARTERS = 32  # longest system, unless a bar is longer
SHORTEST_QUARTERS = 16  # a shorter one does not fill the line
NUMBERS, GAP = 28, 30  # room for the bar numbers above a system, and below it
PITCHES_HEIGHT, DRUMS_HEIGHT = 420, 100  # to aim at
SPACE = 8  # above the drums, and above the token strip
TOKEN_ROW = 8
TICK_WIDTHS = np.array([5, 8, 10, 12])  # for one token, two, three, more
CELL_LEVEL = 2


class Marks(NamedTuple):
    """The tokens of a score, counted by time and kind.

    Attributes:
        kinds: Names of the kinds that occur, in the order of the vocabulary.
        ticks: `float64[M]`: the time of the tokens.
        kind: `int64[M]`: their kind, an index into `kinds`.
        counts: `int64[M]`: their number.
    """

    kinds: tuple[str, ...]
    ticks: Floats
    kind: Ints
    counts: Ints


class Strokes(NamedTuple):
    """Horizontal strokes: notes, cells with notes, or tokens.

    Attributes:
        x: `int64[N]`: left end.
        y: `int64[N]`: middle.
        width: `int64[N]`: 0 for drums, which are dots.
        group: `int64[N]`: group of tracks, or kind of token.
        level: `int64[N]`: level of loudness; 0 for tokens.
    """

    x: Ints
    y: Ints
    width: Ints
    group: Ints
    level: Ints

    def path(self, group: int, level: int = 0) -> str:
        """Return the strokes of a group and level as moves `m dx dy h width`, 8 bytes a stroke."""
        chosen = (self.group == group) & (self.level == level)
        x, y, width = (column[chosen] for column in (self.x, self.y, self.width))
        dx = np.diff(x, prepend=0)
        dx[1:] -= width[:-1]  # each move begins at the end of the last stroke
        dy = np.diff(y, prepend=0)
        moves = zip(dx.tolist(), dy.tolist(), width.tolist(), strict=True)
        return "".join(f"m{a}{'' if b < 0 else ' '}{b}h{w}" for a, b, w in moves)

    def in_cells(self, cell: int) -> Strokes:
        """Snap notes to cells and join them: a bounded number of strokes for any music.

        All are of one level. Where several groups share a cell, the last one is drawn.

        Args:
            cell: Width of a cell.
        """
        heights, row = np.unique(self.y, return_inverse=True)
        columns = -(-(RIGHT - LEFT) // cell)
        first = np.minimum((self.x - LEFT) // cell, columns - 1)
        last = np.minimum((self.x + self.width - LEFT) // cell, columns - 1)
        # The group in each cell, or −1. The extra column stays empty, so a run ends with its row.
        cells = np.full((len(heights), columns + 1), -1)
        for group in np.unique(self.group):
            chosen = self.group == group
            sounding = np.zeros(cells.shape, np.int64)
            np.add.at(sounding, (row[chosen], first[chosen]), 1)
            np.add.at(sounding, (row[chosen], last[chosen] + 1), -1)
            cells[sounding.cumsum(axis=1) > 0] = group
        starts = np.flatnonzero(np.diff(cells.ravel(), prepend=-1))
        lengths = np.diff(starts, append=cells.size)
        groups = cells.ravel()[starts]
        row, column = np.divmod(starts, columns + 1)
        level = np.full(len(starts), CELL_LEVEL)
        runs = Strokes(LEFT + column * cell, heights[row], lengths * cell, groups, level)
        return Strokes(*(values[groups >= 0] for values in runs))


class Layout:
    """The first systems of a score. Heights are measured from the top of a system.

    Attributes:
        score: The music.
        bars: `int64[S + 1]`: each system's first bar, then the first bar that is not drawn.
        lines: `int64[B + 1]`: ticks of the barlines drawn, the final one included.
        complete: Whether all of the music is drawn.
        scale: Units per tick.
        pitches: The pitches drawn, without a gap.
        drums: `int64[D]`: the drum pitches that occur, ascending.
        row: Height of a pitch's row.
        lane: Height of a drum's row.
        pitch_y: `int64[128]`: middle of each pitch's row.
        drum_y: `int64[128]`: middle of each drum's row.
        token_y: Top of the token strip.
        foot: Bottom of the barlines.
        tops: `int64[S + 1]`: y of each system's top, then of the bottom of the last one.
    """

    def __init__(self, score: Score, lines: Ints, systems: int, top: int, token_rows: int) -> None:
        """Compute the layout.

        Args:
            score: The music.
            lines: `score.barlines()`.
            systems: The greatest number of systems.
            top: y of the first system's top.
            token_rows: Number of rows of the token strip.
        """
        self.score = score
        self.bars = _system_breaks(lines, SYSTEM_QUARTERS * score.ticks_per_quarter, systems)
        self.lines = lines[: self.bars[-1] + 1]
        self.complete = len(self.lines) == len(lines)
        shortest = SHORTEST_QUARTERS * score.ticks_per_quarter
        self.scale = (RIGHT - LEFT) / int(np.diff(lines[self.bars]).max(initial=shortest))

        # A system has, from top to bottom: bar numbers, pitches, drums and tokens.
        drawn = score.notes[score.notes["onset"] < self.lines[-1]]
        is_drum = track_groups(score)[drawn["track"]] == DRUMS
        self.pitches = _pitch_range(drawn["pitch"][~is_drum].astype(np.int64))
        self.drums = np.unique(drawn["pitch"][is_drum]).astype(np.int64)
        self.row = _row_height(PITCHES_HEIGHT, len(self.pitches))
        self.lane = _row_height(DRUMS_HEIGHT, len(self.drums))
        foot = NUMBERS + len(self.pitches) * self.row
        self.pitch_y = foot - (np.arange(128) - self.pitches.start) * self.row - self.row // 2
        if len(self.drums):
            foot += SPACE + len(self.drums) * self.lane
        rank = np.searchsorted(self.drums, np.arange(128))
        self.drum_y = foot - rank * self.lane - self.lane // 2
        self.token_y = foot + SPACE
        self.foot = self.token_y + token_rows * TOKEN_ROW if token_rows else foot
        self.tops = top + (self.foot + GAP) * np.arange(len(self.bars))

    def x(self, ticks: Ints | Floats, system: int | Ints) -> Ints:
        """Return the x of ticks in their systems; a tick outside its system is at the edge."""
        start, stop = self.lines[self.bars[system]], self.lines[self.bars[system + 1]]
        return LEFT + np.rint((np.clip(ticks, start, stop) - start) * self.scale).astype(np.int64)

    def barlines(self, system: int) -> Ints:
        """Return the x of a system's barlines, the final one included."""
        return self.x(self.lines[self.bars[system] : self.bars[system + 1] + 1], system)

    def notes(self) -> Strokes:
        """Return a stroke for each note in each system in which it sounds; drums only begin."""
        notes = self.score.notes
        group = track_groups(self.score)[notes["track"]]
        is_drum, level = group == DRUMS, notes["velocity"] // 32
        onset = notes["onset"].astype(np.int64)
        offset = np.where(is_drum, onset + 1, self.score.offsets)
        height = np.where(is_drum, self.drum_y[notes["pitch"]], self.pitch_y[notes["pitch"]])
        systems = [np.zeros((len(Strokes._fields), 0), np.int64)]
        for system, top in enumerate(self.tops[:-1]):
            start, stop = self.lines[self.bars[system : system + 2]]
            here = (onset < stop) & (offset > start)
            left, right = self.x(onset[here], system), self.x(offset[here], system)
            # A note leaves a gap before the next one.
            width = np.where(is_drum[here], 0, np.maximum(right - left - 1, 2))
            systems.append(np.stack([left, top + height[here], width, group[here], level[here]]))
        return Strokes(*np.concatenate(systems, axis=1))

    def tokens(self, marks: Marks, cell: int) -> Strokes:
        """Return a tick of the token strip for each time and kind; more tokens make it wider.

        Args:
            marks: The tokens.
            cell: Ticks are snapped to multiples of this many units from the left.
        """
        # The tokens at the very end belong to the last system, if there is one.
        has_end = self.complete and len(self.bars) > 1
        drawn = (marks.ticks < self.lines[-1]) | has_end
        ticks, kind, counts = (each[drawn] for each in (marks.ticks, marks.kind, marks.counts))
        system = np.searchsorted(self.lines[self.bars[:-1]], ticks, side="right") - 1
        x = LEFT + (self.x(ticks, system) - LEFT) // cell * cell
        # Count the tokens that share a place.
        places = np.stack([kind, system, x])
        (kind, system, x), place = np.unique(places, axis=1, return_inverse=True)
        number = np.bincount(place.ravel(), counts, len(x)).astype(np.int64)
        width = TICK_WIDTHS[np.minimum(number, len(TICK_WIDTHS)) - 1]
        y = self.tops[system] + self.token_y + kind * TOKEN_ROW + TOKEN_ROW // 2
        return Strokes(x, y, width, kind, np.zeros_like(kind))


def _system_breaks(lines: Ints, longest: int, systems: int) -> Ints:
    """Return each system's first bar, then the first bar behind the last system, `int64[S + 1]`."""
    total = len(lines) - 1
    breaks = [0]
    while len(breaks) <= systems and breaks[-1] < total:
        first = breaks[-1]
        stop = int(np.searchsorted(lines, lines[first] + longest, side="right")) - 1
        count = max(stop - first, 1)
        if count >= 8 and first + count < total:
            count -= count % 4  # phrases of four bars stay together
        breaks.append(first + count)
    return np.array(breaks)


def _pitch_range(pitches: Ints) -> range:
    """Return the pitches to draw: at least an octave, with a margin; none if there are no notes."""
    if not len(pitches):
        return range(0)
    low, high = int(pitches.min()), int(pitches.max())
    missing = max(11 - (high - low), 0)
    low = max(low - missing // 2 - 1, 0)
    high = min(max(high + missing - missing // 2, low) + 1, 127)
    return range(low, high + 1)


def _row_height(total: int, rows: int) -> int:
    """Return an even height, such that rows come near to a total height."""
    return int(np.clip(total // max(rows, 1) // 2 * 2, 4, 12))
