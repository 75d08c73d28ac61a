"""Musical constraints: which of the tokens that the grammar allows a continuation may use.

A constraint does not know tokens. It narrows a wish about the next note: its pitch, when it begins, how long
it lasts. Each encoding has one translator that turns the wish into a mask, and looks ahead so that what is
wished stays within reach. If nothing that is legal meets all constraints, the least important give way.
"""

from __future__ import annotations

from musegen.generation.constraints.constraints import Constraints
from musegen.generation.constraints.fading import faded
from musegen.generation.constraints.next_note import Place
from musegen.generation.constraints.texts import check, read_density, read_note_value, read_pitch, read_range

__all__ = [
    "Constraints", "Place", "check", "faded", "read_density", "read_note_value", "read_pitch", "read_range",
]  # fmt: skip
