"""Musical constraints: which of the tokens that the grammar allows a continuation may use.

A constraint does not know tokens. It narrows a wish about the next note: its pitch, when it begins, how long
it lasts. Each encoding has one translator that turns the wish into a mask, and looks ahead so that what is
wished stays within reach. If nothing that is legal meets all constraints, the least important give way.
"""

from __future__ import annotations

from musegen.constraints.fading import faded
from musegen.constraints.texts import check, read_density, read_note_value, read_pitch, read_range
from musegen.constraints.together import Constraints
from musegen.constraints.wish import Place

__all__ = [
    "Constraints", "Place", "check", "faded", "read_density", "read_note_value", "read_pitch", "read_range",
]  # fmt: skip
