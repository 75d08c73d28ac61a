"""Rank the pieces of a batch, and choose the best without near duplicates."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musegen.batch.manifest import Manifest, Row, unpack
from musegen.errors import ConfigError, MusegenError
from musegen.score.measures import MEASURES, near_duplicates
from musegen.utils.arrays import Ints

__all__ = ["RANKS", "Rank", "Selection", "select", "unchosen"]

LOW, HIGH = "low", "high"
RANKS = {
    "likelihood": (("nats_per_note",), LOW),
    "novelty": (("novelty", "notes"), LOW),
    "similarity-to-primer": (("similarity_to_primer",), HIGH),
    **{name: (("measures", name), HIGH) for name in MEASURES},
}
"""Name → keys of the number in a row, and whether a low or a high one is best by default."""
VERDICT = ("rank", "kept", "duplicate_of")  # fields that a choice adds to a row
AT_ONCE = 256  # pieces whose fingerprints are compared together


@dataclass(frozen=True)
class Rank:
    """A number in the rows to rank pieces by, and whether the lowest or the highest is best.

    Attributes:
        name: A key of `RANKS`.
        best: `low` or `high`.
    """

    name: str
    best: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `NAME`, `NAME:low` or `NAME:high`.

        Raises:
            ConfigError: The name is unknown, or the text after the colon is neither.

        >>> Rank.parse("novelty")
        Rank(name='novelty', best='low')
        >>> Rank.parse("pitch_entropy:low").value({"measures": {"pitch_entropy": 2.5}})
        2.5
        """
        name, colon, best = text.strip().partition(":")
        dashed, underscored = name.replace("_", "-"), name.replace("-", "_")
        name = dashed if dashed in RANKS else underscored
        if name not in RANKS or (colon and best not in (LOW, HIGH)):
            raise ConfigError(
                f"a rank must be one of {', '.join(RANKS)}, optionally followed by :low or :high, "
                f"whichever is best. Received: {text!r}."
            )
        return cls(name, best or RANKS[name][1])

    def __str__(self) -> str:
        """Return a text that `parse` reads."""
        return f"{self.name}:{self.best}"

    def value(self, row: Row) -> float:
        """Return the number in a row; NaN if the row has none."""
        found: Any = row
        for key in RANKS[self.name][0]:
            found = (found or {}).get(key)
        return float("nan") if found is None else float(found)


@dataclass
class Selection:
    """The chosen pieces of a batch.

    Attributes:
        ranks: `int64[count]`, from 1, the best; 0 for pieces that were not made.
        kept: Numbers of the chosen pieces, the best first.
        duplicate_of: Piece → the better one that it nearly repeats. Pieces that rank below the last
            chosen one were not compared.
    """

    ranks: Ints
    kept: list[int] = field(default_factory=list)
    duplicate_of: dict[int, int] = field(default_factory=dict)

    @cached_property
    def _chosen(self) -> frozenset[int]:
        return frozenset(self.kept)

    def change(self, row: Row) -> Row:
        """Return a row with the fields of `VERDICT`."""
        plain, index = unchosen(row), row["index"]
        if row["sha256"] is None:
            return plain
        verdict = (int(self.ranks[index]), index in self._chosen, self.duplicate_of.get(index))
        return plain | dict(zip(VERDICT, verdict, strict=True))


def unchosen(row: Row) -> Row:
    """Return a row without the fields of `VERDICT`."""
    return {name: value for name, value in row.items() if name not in VERDICT}


def select(manifest: Manifest, offsets: Ints, keep: int, rank: Rank) -> Selection:
    """Choose the best pieces, and leave out those that nearly repeat a better one.

    Memory holds a few numbers for each piece, and the fingerprints of the chosen pieces and of a
    few hundred others.

    Args:
        manifest: Of the batch.
        offsets: Of the rows, from `Manifest.offsets`.
        keep: Number of pieces to choose.
        rank: What to rank by. Ties are broken by likelihood, then by the lower number.

    Raises:
        MusegenError: No piece has the number to rank by.
    """
    order = _order(manifest, offsets, rank)
    ranks = np.zeros(len(offsets), np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    out = Selection(ranks)
    prints: list[NDArray[np.uint64]] = []
    for at in range(0, len(order), AT_ONCE):
        indices = order[at : at + AT_ONCE].tolist()
        new = [unpack(row["fingerprint"]) for row in manifest.at(offsets[indices])]
        pieces, first = [*out.kept, *indices], len(prints)
        similar = near_duplicates([*prints, *new])[first:]
        for index, other, its in zip(indices, similar, new, strict=True):
            if other >= 0:
                out.duplicate_of[index] = pieces[other]
                continue
            out.kept.append(index)
            prints.append(its)
            if len(out.kept) == keep:
                return out
    return out


def _order(manifest: Manifest, offsets: Ints, rank: Rank) -> Ints:
    """Return the numbers of the pieces made, the best first, those without a value last."""
    values, nats = np.full((2, len(offsets)), np.nan)
    made = np.zeros(len(offsets), bool)
    for row in manifest.at(offsets):
        if row["sha256"] is not None:
            index = row["index"]
            made[index] = True
            values[index], nats[index] = rank.value(row), row["nats_per_note"]
    if made.any() and np.isnan(values[made]).all():
        raise MusegenError(
            f"pieces must have a number to be ranked by, and no piece has {rank.name}. Received: "
            f"{int(made.sum())} pieces. All were kept: choose another --rank."
        )
    values = -values if rank.best == HIGH else values
    order = np.lexsort((nats, values))  # stable; NaN sorts after all numbers
    return order[made[order]]
