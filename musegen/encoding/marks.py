"""Locate the tokens of a score in time, for pictures of the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musegen.encoding.rows import latest
from musegen.score.display.layout import Marks

if TYPE_CHECKING:
    from musegen.encoding.encoder import Encoder
    from musegen.score import Score

__all__ = ["token_marks"]


def token_marks(score: Score, encoder: Encoder) -> Marks:
    """Return the tokens of a score, counted by time and kind; the encoding must be metric.

    Raises:
        MusegenError: The encoding cannot carry this score.
    """
    vocabulary = encoder.vocabulary
    tokens = encoder.encode(score)
    kind = vocabulary.kinds[tokens].astype(np.int64)
    value = vocabulary.values[tokens].astype(np.int64)
    is_bar = kind == vocabulary.kind("bar")
    is_meter = kind == vocabulary.kind("time_signature")
    is_position = kind == vocabulary.kind("position")

    # Bars count from 1; 0 is before the first. Each is as long as the last time signature says.
    bar = np.cumsum(is_bar)
    lengths = np.zeros(int(bar[-1]) + 1, np.int64)
    lengths[bar[is_meter]] = vocabulary.meter_steps[value[is_meter]]
    lengths = lengths[latest(lengths > 0)]
    starts = np.concatenate([[0, 0], np.cumsum(lengths[1:-1])])[: len(lengths)]

    # A token is at the last position since its bar began, or at the start of the bar.
    last = latest(is_bar | is_position)
    steps = starts[bar] + np.where(is_position, value, 0)[last]
    steps[kind == vocabulary.kind("end")] = lengths[1:].sum()

    used, place = np.unique(kind, return_inverse=True)
    marks, count = np.unique(steps * len(used) + place, return_counts=True)
    ticks = marks // len(used) * (score.ticks_per_quarter / encoder.config.steps_per_quarter)
    return Marks(tuple(vocabulary.names[k] for k in used), ticks, marks % len(used), count)
