"""Pictures of a score: an SVG for notebooks, made of text alone, and a matplotlib plot."""

from musegen.score.display.drawing import Picture, svg
from musegen.score.display.plotting import plot

__all__ = ["Picture", "plot", "svg"]
