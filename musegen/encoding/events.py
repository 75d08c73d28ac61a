"""Events: readable tokens."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

__all__ = ["MAX_BAR_QUARTERS", "METERS", "Event", "Events"]

MAX_BAR_QUARTERS = 8  # longest bar and longest duration token, in quarters

METERS: tuple[tuple[int, int], ...] = tuple(
    (numerator, denominator)
    for denominator in (1, 2, 4, 8, 16)
    for numerator in range(1, 2 * denominator + 1)
)
"""Meters of at most 8 quarters, with a bar that is a whole number of sixteenths."""


class Event(NamedTuple):
    """The meaning of a token.

    >>> str(Event("pitch", 60)), str(Event("duration", 11))
    ('pitch 60', 'duration 12')

    Attributes:
        kind: A kind of event of the vocabulary.
        value: Its value, from 0.
    """

    kind: str
    value: int

    def __str__(self) -> str:
        """Write the event in words: `pitch 60`, `bar`; durations and time shifts in steps."""
        if self.kind in ("bar", "hold", "start", "end"):
            return self.kind
        if self.kind == "time_signature":
            return "time_signature {}/{}".format(*METERS[self.value])
        steps = 1 if self.kind in ("duration", "time_shift") else 0
        return f"{self.kind} {self.value + steps}"


class Events(list[Event]):
    """A list of events that prints one line for each moment of the music.

    >>> kinds = ("start", "bar", "position", "pitch")
    >>> print(Events(Event(kind, 60 if kind == "pitch" else 0) for kind in kinds))
    start
    bar
      position 0, pitch 60
    """

    def __str__(self) -> str:
        """Write one line for each moment."""
        lines: list[list[str]] = [[]]
        for event in self:
            if event.kind in ("bar", "position", "time_shift", "end") and lines[-1]:
                lines.append([])
            indent = "  " if event.kind in ("position", "time_shift") else ""
            lines[-1].append(indent + str(event))
        return "\n".join(", ".join(line) for line in lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        style = "line-height:1.3;max-height:30em;overflow:auto"
        return f'<pre style="{style}">{escape(str(self))}</pre>'
