"""Novelty: does a composed piece copy the pieces that its model was trained on?

What is compared is voices: the highest notes of each track by itself, drums left out, as intervals
and the time from onset to onset. So key and tempo make no difference. An `Index` finds the longest
run of consecutive notes that stands in a training piece, too.
"""

from musegen.data.novelty.index import Index
from musegen.data.novelty.runs import Copied
from musegen.data.novelty.storage import FILE

__all__ = ["FILE", "Copied", "Index"]
