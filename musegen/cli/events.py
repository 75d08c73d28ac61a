"""`--json`: what happens in a training run as lines of JSON on stdout."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from musegen.data.dataset import Dataset
    from musegen.training.recording import EpochReport, StepReport

__all__ = ["Events"]

SECONDS = 1.0  # between two steps that are reported, at least


class Events:
    """Prints an object a line, with its kind as `event`; the methods are callbacks of `musegen.train`.

    Numbers that JSON does not have, such as infinity, are null.
    """

    def __init__(self, wanted: bool) -> None:
        """Begin; what is not wanted is not printed."""
        self.wanted = wanted
        self._last: dict[str, float] = {}

    def say(self, event: str, **fields: Any) -> None:
        """Print an event."""
        if self.wanted:
            click.echo(json.dumps({"event": event, **_finite(fields)}, ensure_ascii=False))

    def files(self, done: int, total: int) -> None:
        """Say how many files are read, now and then."""
        if self._due("files") or done == total:
            self.say("files", done=done, total=total)

    def data(self, data: Dataset) -> None:
        """Say what there is to train on."""
        parts = {"train": data.train, "validation": data.validation, "test": data.test}
        counts = {
            name: {"pieces": len(p), "tokens": int(p.lengths.sum())} for name, p in parts.items()
        }
        self.say("data", **counts, left_out=len(data.skipped))

    def step(self, report: StepReport) -> None:
        """Say how a step went, unless another did just now."""
        if self._due("step"):
            self.say("step", **asdict(report))

    def epoch(self, report: EpochReport) -> None:
        """Say how an epoch went."""
        self.say("epoch", **asdict(report))

    def _due(self, event: str) -> bool:
        now = time.monotonic()
        if now - self._last.get(event, -math.inf) < SECONDS:
            return False
        self._last[event] = now
        return True


def _finite(value: Any) -> Any:
    """Return a value in which every number is one of JSON's."""
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
