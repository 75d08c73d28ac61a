"""Novelty: find passages that a composed piece shares with the training pieces of its model.

The comparison is between voices: the highest notes of each track, without drums, as intervals and
times from onset to onset. So key and tempo make no difference. An `Index` finds the longest run of
consecutive notes that also occurs in a training piece.
"""

from musegen.data.novelty.index import Index
from musegen.data.novelty.runs import Copied
from musegen.data.novelty.storage import FILE

__all__ = ["FILE", "Copied", "Index"]
