"""Pictures of a score: an SVG for notebooks, and a matplotlib plot."""

from musegen.score.display.piano_roll import Picture, svg
from musegen.score.display.plotting import plot

__all__ = ["Picture", "plot", "svg"]
