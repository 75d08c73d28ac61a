"""Measures of one piece, similarity of two, and near-duplicates among many.

Everything is plain NumPy on a `Score`; `docs/measures.md` lists the definitions. Onsets are
compared in steps of a twelfth of a quarter note: sixteenths and triplets are exact, and a played
note counts at the step it was meant for.
"""

from musegen.score.measures.duplicates import THRESHOLD, fingerprint, likeness, near_duplicates
from musegen.score.measures.musical import MEASURES, measures
from musegen.score.measures.overlapping import OVERLAPS, overlaps, similarity

__all__ = [
    "MEASURES",
    "OVERLAPS",
    "THRESHOLD",
    "fingerprint",
    "likeness",
    "measures",
    "near_duplicates",
    "overlaps",
    "similarity",
]
