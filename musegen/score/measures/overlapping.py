"""How much two pieces are alike in what they are made of, whatever the order."""

from __future__ import annotations

import numpy as np

from musegen.score.keys import melodic
from musegen.score.measures.lines import STEPS_PER_QUARTER, Column, lines, steps
from musegen.score.score import Score

__all__ = ["OVERLAPS", "histograms", "overlaps", "similarity"]

OVERLAPS = ("pitch_class", "interval", "duration", "inter_onset")
"""The names that `overlaps` gives, in its order."""

LONGEST = 8 * STEPS_PER_QUARTER  # what is longer counts as this long
WIDEST = 24  # semitones; as do intervals that are wider


def overlaps(a: Score, b: Score) -> dict[str, float]:
    """Return how far histograms of two pieces overlap: 1 if they are the same, 0 if they have nothing in common.

    =============  ==============================================================================
    pitch_class    of the notes
    interval       from each highest note of a track to the next, −24 to 24 semitones
    duration       of the notes, in twelfths of a quarter, up to 8 quarters
    inter_onset    from each highest note of a track to the next, in the same unit
    =============  ==============================================================================

    The features are some of those that Yang and Lerch (2020, "On the evaluation of generative
    models in music") compare sets of pieces by. They take the overlapping area of two smoothed
    densities; two single pieces have discrete histograms p and q, and what overlaps is Σ min(p, q).
    Drums are left out where there is anything else. Two histograms that are empty are the same.

    Args:
        a: A piece; to take part of one: `score[8:16]`, bars 8 to 15.
        b: Another.
    """
    return {
        name: _overlap(one, other)
        for name, one, other in zip(OVERLAPS, histograms(a), histograms(b), strict=True)
    }


def similarity(a: Score, b: Score) -> float:
    """Return the mean of the `overlaps` of two pieces, 0 to 1 (the same)."""
    return float(np.mean(list(overlaps(a, b).values())))


def histograms(score: Score) -> tuple[Column, ...]:
    """Return counts per pitch class, interval, duration and inter-onset interval, in the order of `OVERLAPS`.

    Drums are left out where there is anything else.
    """
    notes = melodic(score)
    notes = notes if len(notes) else score.notes
    line = lines(score)
    inside = np.diff(line.track) == 0
    durations = np.clip(steps(notes["duration"], score), 1, LONGEST)
    return (
        np.bincount(notes["pitch"] % 12, minlength=12),
        np.bincount(
            np.clip(np.diff(line.pitch)[inside], -WIDEST, WIDEST) + WIDEST, minlength=2 * WIDEST + 1
        ),
        np.bincount(durations, minlength=LONGEST + 1),
        np.bincount(np.clip(np.diff(line.step)[inside], 0, LONGEST), minlength=LONGEST + 1),
    )


def _overlap(a: Column, b: Column) -> float:
    if not a.any() or not b.any():
        return float(a.any() == b.any())
    shared = np.minimum(
        a * b.sum(), b * a.sum()
    ).sum()  # in integers, so that the same is 1 exactly
    return float(shared / (a.sum() * b.sum()))
