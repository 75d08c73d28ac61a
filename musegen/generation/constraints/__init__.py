"""Musical constraints: which of the tokens that the grammar allows a continuation may use.

A constraint does not know tokens. It narrows what the next note may be: its pitch, when it begins,
how long it lasts. Each encoding has one translator that turns it into a mask of tokens, and looks
ahead so that what is asked stays within reach. If no legal token meets all constraints, the least
important are relaxed.
"""

from __future__ import annotations

from musegen.generation.constraints.constraints import Constraints
from musegen.generation.constraints.fading import faded
from musegen.generation.constraints.next_note import ConstraintContext
from musegen.generation.constraints.texts import (
    check,
    read_density,
    read_note_value,
    read_pitch,
    read_range,
)

__all__ = [
    "ConstraintContext",
    "Constraints",
    "check",
    "faded",
    "read_density",
    "read_note_value",
    "read_pitch",
    "read_range",
]
