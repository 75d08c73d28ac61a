"""Say where ABC text is at fault."""

from __future__ import annotations

from musegen.errors import MidiError

__all__ = ["Fault", "located"]


class Fault(Exception):
    """What is wrong on a line, and at which character of it (from 0) if that is known."""

    def __init__(self, what: str, at: int | None = None) -> None:
        """Take what is wrong and where."""
        super().__init__(what)
        self.at = at


def located(fault: Fault, line: int, at: int | None = None) -> MidiError:
    """Return the error of a fault on a line of a file.

    Args:
        fault: The fault.
        line: Number of the line, from 1.
        at: Character of the line, from 0, where the fault does not say it.
    """
    at = fault.at if fault.at is not None else at
    column = "" if at is None else f", column {at + 1}"
    return MidiError(f"line {line}{column}: {fault}.")
