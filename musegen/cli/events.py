"""`--json`: reports the events of a training run as lines of JSON on stdout."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from musegen.cli.tables import print_json

if TYPE_CHECKING:
    from musegen.data.dataset import Dataset
    from musegen.training.recording import EpochReport, StepReport

__all__ = ["Events"]

SECONDS = 1.0  # between two reported steps, at least


class Events:
    """Prints one JSON object for each event; the methods are callbacks of `musegen.train`.

    `event` names its kind. Numbers that JSON lacks, such as infinity, become null.
    """

    def __init__(self, wanted: bool) -> None:
        """Start; unless `wanted`, nothing is printed."""
        self.wanted = wanted
        self._last: dict[str, float] = {}

    def say(self, event: str, **fields: Any) -> None:
        """Print an event."""
        if self.wanted:
            print_json({"event": event, **_finite(fields)})

    def files(self, done: int, total: int) -> None:
        """Report the number of files read, at most once a second."""
        if self._due("files") or done == total:
            self.say("files", done=done, total=total)

    def data(self, data: Dataset) -> None:
        """Report the size of the data."""
        parts = {"train": data.train, "validation": data.validation, "test": data.test}
        counts = {
            name: {"pieces": len(p), "tokens": int(p.lengths.sum())} for name, p in parts.items()
        }
        self.say("data", **counts, left_out=len(data.skipped))

    def step(self, report: StepReport) -> None:
        """Report a step, at most once a second."""
        if self._due("step"):
            self.say("step", **asdict(report))

    def epoch(self, report: EpochReport) -> None:
        """Report an epoch."""
        self.say("epoch", **asdict(report))

    def _due(self, event: str) -> bool:
        now = time.monotonic()
        if now - self._last.get(event, -math.inf) < SECONDS:
            return False
        self._last[event] = now
        return True


def _finite(value: Any) -> Any:
    """Return a value with null for every number that JSON lacks."""
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
