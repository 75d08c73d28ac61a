"""What a batch is: from a piece's number alone to its primer, options, seed and file name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.batch.sweeping import Sweep, grid_size, point
from musegen.generation.request import derived_seed

__all__ = ["SIDE_BY_SIDE", "Item", "Plan", "Primer", "chunks", "even"]

SIDE_BY_SIDE = 64  # pieces that a worker writes at once: what the token loop takes
STEM_BYTES = 100  # of a primer's name that are in the names of its pieces
UNUSUAL = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Primer:
    """A primer of a batch.

    Attributes:
        path: Relative to the batch's folder where possible; None for new pieces.
        sha256: Of the file; None for new pieces, and empty if it cannot be read.
        checkpoint: Name of the model that continues it, or its path, relative as `path`; empty if
            there is none.
        problem: Why it cannot be continued; empty if nothing is known against it.
    """

    path: str | None
    sha256: str | None
    checkpoint: str
    problem: str = ""

    @property
    def stem(self) -> str:
        """What the names of its pieces have behind the number."""
        name = (
            PurePosixPath(self.checkpoint).name
            if self.path is None
            else PurePosixPath(self.path).stem
        )
        return UNUSUAL.sub("_", name).encode(errors="ignore")[:STEM_BYTES].decode(errors="ignore")


@dataclass(frozen=True)
class Item:
    """A piece that is to be made."""

    index: int
    file: str
    """Name of its MIDI file."""
    primer: Primer
    seed: int
    options: dict[str, Any]
    """As `Request.of` takes them, without the seed."""


@dataclass(frozen=True)
class Plan:
    """A batch.

    Piece `i` continues primer `i mod P`, of P; with the next point of the grid of sweeps each time
    that all primers have had a piece.

    Attributes:
        folder: Absolute; where its files are.
        primers: At least one; new pieces have one with the path None.
        count: Of pieces.
        seed: That the seeds of the pieces are derived from.
        options: All that a `Request` has, but for primer and seed.
        sweep: Values of options in turn.
        asked: The checkpoint that was asked for, `auto` or as in `Primer`.
        checkpoints: Checkpoint, as in `Primer` → SHA-256 of its weights.
        only_continuation: The files have no primers in them.
        version: Of musegen.
    """

    folder: Path
    primers: tuple[Primer, ...]
    count: int
    seed: int
    options: Mapping[str, Any]
    sweep: Sweep = field(default_factory=dict)
    asked: str = "auto"
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    only_continuation: bool = False
    version: str = ""

    def item(self, index: int) -> Item:
        """Return a piece of the plan."""
        rounds, which = divmod(index, len(self.primers))
        primer = self.primers[which]
        options = {**self.options, **point(self.sweep, rounds % grid_size(self.sweep))}
        return Item(index, self.file(index), primer, derived_seed(self.seed, index), options)

    def file(self, index: int) -> str:
        """Return the name of a piece's file."""
        width = max(5, len(str(self.count - 1)))
        return f"{index:0{width}d}-{self.primers[index % len(self.primers)].stem}.mid"

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON holds it, without the folder."""
        return {
            "version": self.version,
            "seed": self.seed,
            "count": self.count,
            "checkpoint": self.asked,
            "checkpoints": dict(self.checkpoints),
            "only_continuation": self.only_continuation,
            "options": dict(self.options),
            "sweep": {name: list(values) for name, values in self.sweep.items()},
            "primers": [asdict(primer) for primer in self.primers],
        }

    @classmethod
    def from_dict(cls, folder: Path, values: Mapping[str, Any]) -> Plan:
        """Return the plan that `to_dict` made this of."""
        return cls(
            folder,
            tuple(Primer(**primer) for primer in values["primers"]),
            int(values["count"]),
            int(values["seed"]),
            dict(values["options"]),
            dict(values["sweep"]),
            values["checkpoint"],
            dict(values["checkpoints"]),
            bool(values["only_continuation"]),
            values["version"],
        )


def even(total: int, workers: int) -> int:
    """Return how many pieces a worker should write at once, so that none is idle while others have many to do."""
    rounds = -(-total // (SIDE_BY_SIDE * workers))
    return max(1, -(-total // max(rounds * workers, 1)))


def chunks(plan: Plan, wanted: NDArray[np.bool_], size: int) -> Iterator[list[Item]]:
    """Yield those pieces that are wanted, in lists of up to `size` with one checkpoint.

    Pieces of one primer come together, so that a worker hears it once for many; primers with
    problems are left out.

    Args:
        plan: The batch.
        wanted: `bool[count]`.
        size: Of a list.
    """
    waiting: dict[str, list[Item]] = {}
    turns = len(plan.primers)
    block = turns * SIDE_BY_SIDE
    for first in range(0, plan.count, block):
        end = min(first + block, plan.count)
        for which, primer in enumerate(plan.primers):
            if primer.problem:
                continue
            mine = np.arange(first + which, end, turns)
            for index in mine[wanted[mine]].tolist():
                items = waiting.setdefault(primer.checkpoint, [])
                items.append(plan.item(index))
                if len(items) == size:
                    yield waiting.pop(primer.checkpoint)
    yield from waiting.values()
