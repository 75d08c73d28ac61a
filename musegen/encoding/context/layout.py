"""Define the context columns and the number of values of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musegen.config import ModelConfig
from musegen.encoding.vocabulary import METERS

__all__ = ["ALIKE", "ALONE", "LONGEST", "LOOKBACKS", "MOST", "OF_PART", "WIDTH", "View"]

WIDTH = 16
"""Width of the embedding of a column: room for the pitch class (11 dimensions) and the height."""

LONGEST = 96
"""Largest value of a time."""
MOST = 15
"""Largest value of a count."""
ALIKE = (1, 2, 4, 8, 16, 32)
"""Numbers of equal tokens that reach levels 1, 2, … of the similarity of two places."""

LOOKBACKS = {"bars": (1, 2, 4, 8), "tokens": (16, 6)}
"""Places to look back to: the same place n bars ago; the last match of the last n tokens."""

_OF_PIECE = {"bar": 9, "quarter": 9, "phase": 97, "left": 9, "meter": len(METERS) + 1, "part": 65}
OF_PART = {"pitch": (129, 3), "time": (LONGEST + 1, 2), "count": (MOST + 1, 1)}
"""Kind of column → number of values, and number of such columns per part."""


@dataclass(frozen=True)
class View:
    """The context columns that a network receives with each token.

    Attributes:
        parts: Number of parts that have columns of their own; 0 for no columns at all.
        tokens: Size of the vocabulary, for a network that looks back; 0 for one that does not.
    """

    parts: int = 0
    tokens: int = 0

    @classmethod
    def of(cls, config: ModelConfig) -> View:
        """Return the view of a network of this configuration."""
        return cls(config.context, config.vocabulary_size * config.lookback)

    def __bool__(self) -> bool:
        """Return whether there are any columns."""
        return self.parts > 0

    @cached_property
    def lookbacks(self) -> int:
        """Number of places to look back to.

        The last columns, as many, are 1 + the token that followed each; before them, as many hold
        its similarity.
        """
        return sum(map(len, LOOKBACKS.values())) if self.tokens else 0

    @cached_property
    def _kinds(self) -> dict[str, int]:
        kinds = {**_OF_PIECE, **{kind: values for kind, (values, _) in OF_PART.items()}}
        return {**kinds, "alike": len(ALIKE) + 1, "next": self.tokens + 1} if self.tokens else kinds

    @cached_property
    def _columns(self) -> tuple[str, ...]:
        if not self:
            return ()
        of_parts = (
            kind for kind, (_, columns) in OF_PART.items() for _ in range(columns * self.parts)
        )
        return (*_OF_PIECE, *of_parts, *["alike"] * self.lookbacks, *["next"] * self.lookbacks)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each column."""
        return tuple(self._kinds[kind] for kind in self._columns)

    @cached_property
    def rows(self) -> int:
        """Rows of the embedding table of all columns; columns of one kind share theirs."""
        return sum(self._kinds.values())

    @cached_property
    def offsets(self) -> NDArray[np.int32]:
        """Row of the table at which each column's values begin, `int32[F]`."""
        first = dict(zip(self._kinds, np.cumsum([0, *self._kinds.values()]).tolist(), strict=False))
        return np.array([first[kind] for kind in self._columns], np.int32)


ALONE = View()
"""No context: the tokens alone."""
