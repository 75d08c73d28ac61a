"""Numbers about music: what one piece is like, how alike two are, and which repeat each other.

Plain NumPy on a `Score`; `docs/measures.md` has the definitions in one table. Time is counted in
steps of a twelfth of a quarter note where onsets are compared: sixteenths and triplets are exact,
and a played note counts where it was meant.
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
