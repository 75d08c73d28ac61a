"""The performance encoding: note-on, note-off, velocity and 10 ms time shifts (Oore et al. 2018).

All pitched tracks become one; a score in this encoding has 100 ticks a second. Every function works
on whole arrays, with one row for each note, event or token of many pieces.
"""

from musegen.encoding.performance.clock import (
    STEPS_PER_SECOND,
    StepClock,
    step_clock,
    sustained,
)
from musegen.encoding.performance.decoding import decode
from musegen.encoding.performance.encoding import encode
from musegen.encoding.performance.quantising import quantise

__all__ = [
    "STEPS_PER_SECOND",
    "StepClock",
    "decode",
    "encode",
    "quantise",
    "step_clock",
    "sustained",
]
