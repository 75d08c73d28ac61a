"""Which pieces of a batch are kept: the best by some number, without those that nearly repeat a better one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musegen.batch.manifest import Manifest, Row
from musegen.batch.rows import unpacked
from musegen.errors import ConfigError, MusegenError
from musegen.score.measures import MEASURES, near_duplicates

__all__ = ["RANKS", "Rank", "Selection", "select", "unchosen"]

LOW, HIGH = "low", "high"
RANKS = {
    "likelihood": (("nats_per_note",), LOW),
    "novelty": (("novelty", "notes"), LOW),
    "similarity-to-primer": (("similarity_to_primer",), HIGH),
    **{name: (("measures", name), HIGH) for name in MEASURES},
}
"""Name → where the number is in a row, and which one is best if nothing is said."""
AT_ONCE = 256  # pieces whose notes are compared at once


@dataclass(frozen=True)
class Rank:
    """What pieces are ranked by: a number of their rows, and whether a high or a low one is best."""

    name: str
    best: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what `NAME`, `NAME:low` or `NAME:high` means.

        Raises:
            ConfigError: There is no such name, or something else behind the colon.
        """
        name, colon, best = text.strip().partition(":")
        plain = (
            name.replace("_", "-") if name.replace("_", "-") in RANKS else name.replace("-", "_")
        )
        if plain not in RANKS or (colon and best not in (LOW, HIGH)):
            raise ConfigError(
                f"a rank must be one of {', '.join(RANKS)}, and may have :low or :high behind it, for which is best. "
                f"Received: {text!r}."
            )
        return cls(plain, best or RANKS[plain][1])

    def __str__(self) -> str:
        """Return a text that `parse` reads."""
        return f"{self.name}:{self.best}"

    def value(self, row: Row) -> float:
        """Return the number of a row; NaN where it has none."""
        found = row
        for key in RANKS[self.name][0]:
            found = (found or {}).get(key)  # type: ignore[assignment]
        return float("nan") if found is None else float(found)  # type: ignore[arg-type]


class Selection:
    """What becomes of each piece.

    Attributes:
        kept: Numbers of the pieces that are kept, the best first.
        duplicate_of: Piece → the better one that it nearly repeats. Only pieces down to the last
            one that is kept were compared.
        ranks: `int64[count]`: 1 is the best; 0 for pieces that there are none of.
    """

    def __init__(self, count: int) -> None:
        """Begin without pieces."""
        self.kept: list[int] = []
        self.duplicate_of: dict[int, int] = {}
        self.ranks = np.zeros(count, np.int64)

    def change(self, row: Row) -> Row:
        """Return a row with what became of its piece."""
        plain = unchosen(row)
        index = row["index"]
        if row["sha256"] is None:
            return plain
        verdict = {
            "rank": int(self.ranks[index]),
            "kept": index in self.kept_set,
            "duplicate_of": self.duplicate_of.get(index),
        }
        return plain | verdict

    @cached_property
    def kept_set(self) -> frozenset[int]:
        """The same pieces, in no order."""
        return frozenset(self.kept)


def unchosen(row: Row) -> Row:
    """Return a row as it was before pieces were chosen."""
    return {
        name: value for name, value in row.items() if name not in ("rank", "kept", "duplicate_of")
    }


def select(manifest: Manifest, places: NDArray[np.int64], keep: int, rank: Rank) -> Selection:
    """Choose the best pieces. Only numbers of all are held in memory, and the notes of some hundred at a time.

    Args:
        manifest: Of the batch.
        places: Where the rows are.
        keep: How many.
        rank: By what; of equal pieces the likelier one is better, and then the one with the lower
            number.

    Raises:
        MusegenError: No piece has such a number.
    """
    out = Selection(len(places))
    order = _order(manifest, places, rank)
    if not len(order):
        return out
    out.ranks[order] = np.arange(1, len(order) + 1)
    prints: list[NDArray[np.uint64]] = []
    for at in range(0, len(order), AT_ONCE):
        some = order[at : at + AT_ONCE].tolist()
        new = [unpacked(row["fingerprint"]) for row in manifest.at(places[some])]
        pieces, first = [*out.kept, *some], len(prints)
        found = near_duplicates([*prints, *new])[first:]
        for index, like, its in zip(some, found, new, strict=True):
            if like >= 0:
                out.duplicate_of[index] = pieces[like]
                continue
            out.kept.append(index)
            prints.append(its)
            if len(out.kept) == keep:
                return out
    return out


def _order(manifest: Manifest, places: NDArray[np.int64], rank: Rank) -> NDArray[np.int64]:
    """Return the numbers of the pieces that were made, the best first; those without the number that counts last."""
    values, nats = np.full(len(places), np.nan), np.full(len(places), np.nan)
    made = np.zeros(len(places), bool)
    for row in manifest.at(places):
        if row["sha256"] is not None:
            made[row["index"]] = True
            values[row["index"]], nats[row["index"]] = rank.value(row), row["nats_per_note"]
    if made.any() and np.isnan(values[made]).all():
        raise MusegenError(
            f"pieces must have a number to be ranked by, and no piece has {rank.name}. Received: {int(made.sum())} "
            "pieces. All were kept: choose another --rank."
        )
    values = -values if rank.best == HIGH else values
    order = np.lexsort((nats, values))  # stable; NaN is behind all numbers
    out: NDArray[np.int64] = order[made[order]]
    return out
