"""Read Humdrum files with `**kern` spines."""

from musegen.score.notation.kern.reading import parse_kern
from musegen.score.notation.kern.records import reference_records

__all__ = ["parse_kern", "reference_records"]
