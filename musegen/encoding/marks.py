"""Where in time the tokens of a score stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musegen.score.display.layout import Marks

if TYPE_CHECKING:
    from musegen.encoding.encoder import Encoder
    from musegen.score import Score

__all__ = ["token_marks"]


def token_marks(score: Score, encoder: Encoder) -> Marks:
    """Return the tokens of `score` by time and kind; the encoding must be metric.

    Raises:
        MusegenError: The encoding cannot carry this score.
    """
    vocabulary = encoder.vocabulary
    tokens = encoder.encode(score)
    kind, value = (
        vocabulary.kinds[tokens].astype(np.int64),
        vocabulary.values[tokens].astype(np.int64),
    )
    is_bar, is_meter, is_position = (
        kind == vocabulary.kind(k) for k in ("bar", "time_signature", "position")
    )
    bar = np.cumsum(is_bar)  # 0 for what stands before the first
    lengths = np.zeros(int(bar[-1]) + 1, np.int64)
    lengths[bar[is_meter]] = vocabulary.meter_steps[value[is_meter]]
    said = np.maximum.accumulate(np.where(lengths > 0, np.arange(len(lengths)), 0))
    lengths = lengths[said]
    starts = np.concatenate([[0, 0], np.cumsum(lengths[1:-1])])[: len(lengths)]
    # A token stands at the last position said since its bar began, or else at the bar's start.
    moves = is_bar | is_position
    last = np.maximum.accumulate(np.where(moves, np.arange(len(tokens)), 0))
    steps = starts[bar] + np.where(is_position, value, 0)[last]
    steps[kind == vocabulary.kind("end")] = lengths[1:].sum()
    used, place = np.unique(kind, return_inverse=True)
    marks, count = np.unique(steps * len(used) + place, return_counts=True)
    ticks = marks // len(used) * (score.ticks_per_quarter / encoder.config.steps_per_quarter)
    return Marks(tuple(vocabulary.names[k] for k in used), ticks, marks % len(used), count)
