"""Measure the amount of music in pieces, in units that mostly do not depend on the encoding."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Tokens
from musegen.score import Score
from musegen.utils.arrays import Floats

__all__ = ["UNITS", "amounts"]

UNITS = ("token", "note", "bar", "second", "frame", "cell")
"""Units that nats are divided by."""


def amounts(
    encoder: Encoder,
    pieces: Sequence[Tokens],
    scores: Sequence[Score],
    frame: Fraction | None = None,
    voices: int | None = None,
) -> dict[str, Floats]:
    """Return the amount of each unit in each piece, `float64[P]`; unknown units are left out.

    ========  ================================================================  ====================
    unit      amount                                                            known
    ========  ================================================================  ====================
    `token`   tokens after `start`                                              always
    `note`    notes that begin                                                  always
    `bar`     bars, pickup and rests included                                   metric
    `second`  from the first onset to the last offset                           performance; metric
                                                                                with tempos > 0
    `frame`   grid steps, from that of the first onset to that of the           metric, with `frame`
              last offset
    `cell`    frames times voices                                               with `voices`, too
    ========  ================================================================  ====================

    Args:
        encoder: The encoder of the tokens.
        pieces: `int32[T]` each, with a note or more.
        scores: The decoded pieces.
        frame: Length of a frame, as a fraction of a whole note.
        voices: Number of cells in a frame.

    >>> from musegen import Track
    >>> score = Score(notes=[(0, 480, 60, 80, 0), (480, 480, 64, 80, 0)], tracks=[Track()])
    >>> encoder = Encoder()
    >>> tokens = encoder.encode(score)
    >>> found = amounts(encoder, [tokens], [encoder.decode(tokens)], frame=Fraction(1, 16))
    >>> {unit: values.tolist() for unit, values in found.items()}
    {'token': [13.0], 'note': [2.0], 'bar': [1.0], 'second': [1.0], 'frame': [8.0]}
    """
    vocabulary, config = encoder.vocabulary, encoder.config
    metric = config.encoding == "metric"
    found = {
        "token": [len(tokens) - 1 for tokens in pieces],
        "note": [int(vocabulary.notes[tokens].sum()) for tokens in pieces],
    }
    if metric:
        found["bar"] = [int((tokens == vocabulary.first["bar"]).sum()) for tokens in pieces]
    out = {unit: np.array(values, np.float64) for unit, values in found.items()}

    spans = [(int(score.notes["onset"].min()), int(score.offsets.max())) for score in scores]
    if not metric or config.tempos:
        seconds = [score.seconds(np.array(span)) for score, span in zip(scores, spans, strict=True)]
        out["second"] = np.array([end - first for first, end in seconds])
    if metric and frame is not None:
        first, end = np.array(spans).T
        steps = 4 * config.steps_per_quarter * frame  # may be a fraction
        last = -(-end * steps.denominator // steps.numerator)
        out["frame"] = 0.0 + last - first * steps.denominator // steps.numerator
        if voices is not None:
            out["cell"] = out["frame"] * voices
    return out
