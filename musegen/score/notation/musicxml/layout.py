"""Lay out the measures of all parts on one time line.

A column is a bar of the whole score: one measure of each part, or in a part with barlines of its
own, all its measures up to the next barline of the whole score. It begins at one tick in every part
and is as long as the longest of these:

- the notes in it, in any part;
- what every part has written in it, if anything: notes, rests, forwards;
- the longest rest, but not beyond a bar of the time signature. In a measure that the page does not
  count, such as a pickup, this does not hold: a part that rests there may have a rest for a whole
  bar.

Time signatures come in where the files disagree, or nothing is written. A length that differs from
that of the time signature by less than a sixty-fourth note, as sums of rounded tuplets do, is taken
for it.

Columns are matched by their order. A part with fewer measures is matched by their numbers, if all
of them occur in this order in the longest part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, TypeAlias, TypeVar

from musegen.errors import MidiError
from musegen.score.general_midi import MAX_TICK
from musegen.score.notation.bars import TICKS_PER_QUARTER
from musegen.score.notation.musicxml.parts import Part
from musegen.score.notation.musicxml.signs import MAX_NUMERATOR
from musegen.score.notation.musicxml.written import Sign, Written

__all__ = ["Layout", "first", "lay_out"]

Meter: TypeAlias = tuple[int, int]
Key = TypeVar("Key")

TOLERANCE = 1 / 16  # quarters


class Layout(NamedTuple):
    """Where measures are.

    Attributes:
        starts: For each part, where each of its measures begins, in quarters.
        bars: First tick and length in ticks of each column.
        meters: Tick → time signature.
        may_have_pickup: Whether a short first bar is a pickup, rather than a short piece.
    """

    starts: list[list[float]]
    bars: list[tuple[int, int]]
    meters: dict[int, Meter]
    may_have_pickup: bool

    def tick(self, part: int, measure: int, position: float) -> int:
        """Return the tick of a position, in quarters, in a measure of a part.

        Raises:
            MidiError: It is too late for a score.
        """
        tick = _tick(self.starts[part][measure] + position)
        if tick > MAX_TICK:
            raise _too_long(f"a note or sign that reaches to quarter {tick // TICKS_PER_QUARTER:,}")
        return tick

    def at_ticks(self, part: int, signs: Iterable[Sign]) -> Iterator[tuple[int, Any]]:
        """Yield the tick and the value of signs of a part."""
        for sign in signs:
            yield self.tick(part, sign.measure, sign.position), sign.value


def first(pairs: Iterable[tuple[Key, Any]]) -> dict[Key, Any]:
    """Return a dictionary in which the first value of each key counts."""
    found: dict[Key, Any] = {}
    for key, value in pairs:
        found.setdefault(key, value)
    return found


def lay_out(parts: Sequence[Part]) -> Layout:
    """Lay out the measures of parts.

    Raises:
        MidiError: The music is too long.
    """
    columns = _columns([part.written for part in parts])
    offsets = [_offsets(part.written) for part in parts]
    meters = first(
        (own[sign.measure], sign.value)
        for part, own in zip(parts, columns, strict=True)
        for sign in part.meters
    )
    lengths = _lengths(parts, columns, offsets, meters)
    barlines = list(accumulate(lengths, initial=0.0))
    if barlines[-1] * TICKS_PER_QUARTER > MAX_TICK:
        longest = max(range(len(lengths)), key=lengths.__getitem__)
        raise _too_long(
            f"{barlines[-1]:,.0f}, of them {lengths[longest]:,.0f} in bar {longest + 1}"
        )
    starts = [
        [barlines[column] + offset for column, offset in zip(own, inside, strict=True)]
        for own, inside in zip(columns, offsets, strict=True)
    ]
    ticks = [_tick(barline) for barline in barlines]
    layout = Layout(
        starts=starts,
        bars=[(start, stop - start) for start, stop in pairwise(ticks) if stop > start],
        meters=_free_meters(lengths, ticks, meters),
        may_have_pickup=len(lengths) > 1 or any(part.written[0].implicit for part in parts),
    )
    stated = (pair for i, part in enumerate(parts) for pair in layout.at_ticks(i, part.meters))
    layout.meters.update(first((tick, meter) for tick, meter in stated if meter))
    return layout


def _too_long(what: str) -> MidiError:
    return MidiError(
        f"music of at most {MAX_TICK // TICKS_PER_QUARTER:,} quarters was expected; received: "
        f"{what}. Correct its durations."
    )


def _tick(quarters: float) -> int:
    """Return the nearest tick: the same for times that differ only by rounding errors."""
    return int(quarters * TICKS_PER_QUARTER + 0.501)


def _columns(parts: Sequence[Sequence[Written]]) -> list[list[int]]:
    """Return the column of each measure of each part."""
    numbers = [
        [measure.number for index, measure in enumerate(part) if measure.controlling or not index]
        for part in parts
    ]
    longest = max(numbers, key=len, default=[])
    columns: list[list[int]] = []
    for part, own in zip(parts, numbers, strict=True):
        matched = _subsequence(own, longest) if len(own) < len(longest) else range(len(own))
        current = -1
        columns.append([])
        for index, measure in enumerate(part):
            current += measure.controlling or not index
            columns[-1].append(matched[current])
    return columns


def _subsequence(some: Sequence[str], all_of_them: Sequence[str]) -> Sequence[int]:
    """Return where the numbers of a part are among those of another, or else the first indices."""
    found = []
    candidates = iter(enumerate(all_of_them))
    for number in some:
        index = next((index for index, other in candidates if other == number), None)
        if index is None:
            return range(len(some))
        found.append(index)
    return found


def _offsets(part: Sequence[Written]) -> list[float]:
    """Return where each measure begins within its column, in quarters."""
    offsets = []
    now = 0.0
    for measure in part:
        now = 0.0 if measure.controlling else now
        offsets.append(now)
        now += measure.length
    return offsets


def _lengths(
    parts: Sequence[Part],
    columns: list[list[int]],
    offsets: list[list[float]],
    meters: dict[int, Meter | None],
) -> list[float]:
    """Return the length of each column in quarters."""
    count = 1 + max((own[-1] for own in columns if own), default=-1)
    notes = [0.0] * count  # to the end of the last note of any part
    shortest = [math.inf] * count  # of what the parts have written
    longest = [0.0] * count
    is_counted = [True] * count
    for part, own, inside in zip(parts, columns, offsets, strict=True):
        lengths = dict.fromkeys(own, 0.0)
        for measure, column, offset in zip(part.written, own, inside, strict=True):
            notes[column] = max(notes[column], offset + measure.notes)
            lengths[column] = offset + measure.length
            is_counted[column] &= not measure.implicit
        for column, length in lengths.items():
            shortest[column] = min(shortest[column], length or math.inf)
            longest[column] = max(longest[column], length)

    out = []
    bar = 4.0
    for column in range(count):
        if meter := meters.get(column):
            bar = 4 * meter[0] / meter[1]
        length = max(notes[column], min(shortest[column], longest[column]))
        if is_counted[column]:
            length = max(length, min(longest[column], bar))
        out.append(bar if not length or abs(length - bar) < TOLERANCE else length)
    return out


def _free_meters(
    lengths: list[float], ticks: list[int], meters: dict[int, Meter | None]
) -> dict[int, Meter]:
    """Return tick → time signature of bars without one, as long as each bar is."""
    found: dict[int, Meter] = {}
    is_free = True
    for column, (length, tick) in enumerate(zip(lengths, ticks, strict=False)):
        if column in meters:
            is_free = meters[column] is None
        wholes = Fraction(length / 4).limit_denominator(64)
        denominator = max(wholes.denominator, 4)
        is_power_of_two = denominator & (denominator - 1) == 0
        if is_free and is_power_of_two and 0 < wholes * denominator <= MAX_NUMERATOR:
            found[tick] = int(wholes * denominator), denominator
    return found
