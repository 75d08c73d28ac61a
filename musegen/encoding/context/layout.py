"""Which columns there are, and how many values each has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musegen.config import ModelConfig
from musegen.encoding.vocabulary import METERS

__all__ = ["ALIKE", "ALONE", "LONGEST", "LOOKBACKS", "MOST", "OF_PART", "WIDTH", "View"]

WIDTH = 16
"""How wide the network's embedding of a column is: room for the pitch class (11 dimensions) and the height."""

LONGEST = 96
"""The last of the values of a time."""
MOST = 15
"""The last of the values of a count."""
ALIKE = (1, 2, 4, 8, 16, 32)
"""How many tokens must be the same for the values from 1 on of how much alike two places are."""

LOOKBACKS = {"bars": (1, 2, 4, 8), "tokens": (16, 6)}
"""Where is looked back to: the same place so many bars ago, and where the last so many tokens were heard before."""

_OF_PIECE = {"bar": 9, "quarter": 9, "phase": 97, "left": 9, "meter": len(METERS) + 1, "part": 65}
OF_PART = {"pitch": (129, 3), "time": (LONGEST + 1, 2), "count": (MOST + 1, 1)}
"""Kind of a column → how many values it has, and how many columns each part has of it."""


@dataclass(frozen=True)
class View:
    """What a network sees beside the tokens.

    Attributes:
        parts: How many parts have columns of their own; 0 for no columns at all.
        tokens: How many there are, of a network that looks back; 0 of one that does not.
    """

    parts: int = 0
    tokens: int = 0

    @classmethod
    def of(cls, config: ModelConfig) -> View:
        """Return what a network of this shape sees."""
        return cls(config.context, config.vocabulary_size * config.lookback)

    def __bool__(self) -> bool:
        """Return whether there are any columns."""
        return self.parts > 0

    @cached_property
    def lookbacks(self) -> int:
        """How many places are looked back to; the last so many columns are 1 + the token that came next there."""
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
        """How many values each column has."""
        return tuple(self._kinds[kind] for kind in self._columns)

    @cached_property
    def rows(self) -> int:
        """Rows of the one table in which every column has its values; columns of one kind share theirs."""
        return sum(self._kinds.values())

    @cached_property
    def offsets(self) -> NDArray[np.int32]:
        """Where in the table each column's values begin, `int32[F]`."""
        first = dict(zip(self._kinds, np.cumsum([0, *self._kinds.values()]).tolist(), strict=False))
        return np.array([first[kind] for kind in self._columns], np.int32)


ALONE = View()
"""The tokens alone."""
