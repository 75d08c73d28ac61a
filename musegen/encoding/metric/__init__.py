"""The metric encoding: bars, positions in them, and notes with durations, on a grid.

Every function works on whole arrays, with one row for each note, bar or token of many pieces.
"""

from musegen.encoding.metric.decoding import decode
from musegen.encoding.metric.encoding import encode
from musegen.encoding.metric.grid import (
    DEFAULT_VELOCITY,
    loud,
    of_rows,
    only,
    to_steps,
    without_overlaps,
)
from musegen.encoding.metric.layout import Slot, lay_out
from musegen.encoding.metric.meters import supported_meter
from musegen.encoding.metric.quantising import quantise

__all__ = [
    "DEFAULT_VELOCITY",
    "Slot",
    "decode",
    "encode",
    "lay_out",
    "loud",
    "of_rows",
    "only",
    "quantise",
    "supported_meter",
    "to_steps",
    "without_overlaps",
]
