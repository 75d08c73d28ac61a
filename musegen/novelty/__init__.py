"""Novelty: does a composed piece copy the pieces that its model was trained on?

What is compared is voices: the highest notes of each track by itself, drums left out, as intervals
and the time from onset to onset. So key and tempo make no difference. An `Index` finds the longest
run of consecutive notes that stands in a training piece, too.
"""

from musegen.novelty.index import Index
from musegen.novelty.keeping import FILE
from musegen.novelty.runs import Copied

__all__ = ["FILE", "Copied", "Index"]
