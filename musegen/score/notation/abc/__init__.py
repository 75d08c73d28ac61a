"""Read ABC music notation."""

from musegen.score.notation.abc.reader import parse_abc
from musegen.score.notation.abc.tunebook import Tune, split_abc

__all__ = ["Tune", "parse_abc", "split_abc"]
