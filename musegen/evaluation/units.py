"""How much music there is in pieces, in units of which most do not depend on how it is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Tokens
from musegen.score import Score

__all__ = ["UNITS", "amounts"]

UNITS = ("token", "note", "bar", "second", "frame", "cell")
"""What nats are counted by."""


def amounts(
    encoder: Encoder,
    pieces: Sequence[Tokens],
    scores: Sequence[Score],
    frame: Fraction | None = None,
    voices: int | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return how many of each unit each piece has, `float64[P]`; units that are not known are left out.

    =========  =======================================================================  =================
    unit       how many there are                                                       known
    =========  =======================================================================  =================
    `token`    tokens after `start`                                                     always
    `note`     notes that begin                                                         always
    `bar`      bars, a pickup and rests included                                        metric
    `second`   from the beginning of the first note to the end of the last              performance, tempos > 0
    `frame`    places of a grid from the first note's to that which the last one ends in  metric, with `frame`
    `cell`     frames times voices                                                      with `voices`, too
    =========  =======================================================================  =================

    Args:
        encoder: What made the tokens.
        pieces: `int32[T]` each, with a note or more.
        scores: What they decode to.
        frame: Length of a frame, as a share of a whole note.
        voices: How many cells a frame has.
    """
    vocabulary, config = encoder.vocabulary, encoder.config
    found = {
        "token": [len(tokens) - 1 for tokens in pieces],
        "note": [int(vocabulary.notes[tokens].sum()) for tokens in pieces],
    }
    metric = config.encoding == "metric"
    if metric:
        found["bar"] = [int((tokens == vocabulary.first["bar"]).sum()) for tokens in pieces]
    out = {unit: np.array(values, np.float64) for unit, values in found.items()}
    spans = [
        (int(s.notes["onset"].min()), int((s.notes["onset"] + s.notes["duration"]).max()))
        for s in scores
    ]
    if not metric or config.tempos:
        seconds = [score.seconds(np.array(span)) for score, span in zip(scores, spans, strict=True)]
        out["second"] = np.array([end - first for first, end in seconds])
    if metric and frame is not None:
        first, end = np.array(spans).T
        steps = 4 * config.steps_per_quarter * frame  # whole or not
        out["frame"] = (
            0.0
            - (-end * steps.denominator // steps.numerator)
            - first * steps.denominator // steps.numerator
        )
        if voices is not None:
            out["cell"] = out["frame"] * voices
    return out
