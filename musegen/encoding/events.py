"""What tokens mean, for people to read."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

__all__ = ["MAX_BAR_QUARTERS", "METERS", "Event", "Events"]

MAX_BAR_QUARTERS = 8  # Longest bar and longest duration token, in quarters.

METERS: tuple[tuple[int, int], ...] = tuple(
    (numerator, denominator)
    for denominator in (1, 2, 4, 8, 16)
    for numerator in range(1, 2 * denominator + 1)
)
"""Meters of at most 8 quarters, with a bar that is a whole number of sixteenths."""


class Event(NamedTuple):
    """What a token means."""

    kind: str
    value: int

    def __str__(self) -> str:
        """Write the event as people read it: `pitch 60`, `bar`."""
        if self.kind in ("bar", "hold", "start", "end"):
            return self.kind
        if self.kind == "time_signature":
            return "time_signature {}/{}".format(*METERS[self.value])
        steps = 1 if self.kind in ("duration", "time_shift") else 0
        return f"{self.kind} {self.value + steps}"


class Events(list[Event]):
    """Events in order; printed with a line for each moment of the music.

    >>> print(Events([Event("start", 0), Event("bar", 0), Event("position", 0), Event("pitch", 60)]))
    start
    bar
      position 0, pitch 60
    """

    def __str__(self) -> str:
        """Write a line for each moment."""
        lines: list[list[str]] = [[]]
        for event in self:
            if event.kind in ("bar", "position", "time_shift", "end") and lines[-1]:
                lines.append([])
            indent = "  " if event.kind in ("position", "time_shift") else ""
            lines[-1].append(indent + str(event))
        return "\n".join(", ".join(line) for line in lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return (
            f'<pre style="line-height:1.3;max-height:30em;overflow:auto">{escape(str(self))}</pre>'
        )
