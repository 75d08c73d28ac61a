"""Similarity of two pieces: overlap of their histograms, regardless of order."""

from __future__ import annotations

import numpy as np

from musegen.score.keys import melodic
from musegen.score.measures.lines import STEPS_PER_QUARTER, melody_lines, steps
from musegen.score.score import Score
from musegen.utils.arrays import Ints

__all__ = ["OVERLAPS", "histograms", "overlaps", "similarity"]

OVERLAPS = ("pitch_class", "interval", "duration", "inter_onset")
"""The names in the result of `overlaps`, in its order."""

LONGEST = 8 * STEPS_PER_QUARTER  # longer durations count in this bin
WIDEST = 24  # semitones; wider intervals count in this bin


def overlaps(a: Score, b: Score) -> dict[str, float]:
    """Return how far histograms of two pieces overlap: 1 if they are equal, 0 if disjoint.

    =============  ==============================================================================
    pitch_class    pitch classes of the notes
    interval       from each highest note of a track to the next, −24 to 24 semitones
    duration       durations of the notes, in twelfths of a quarter, up to 8 quarters
    inter_onset    from each highest note of a track to the next, in the same unit
    =============  ==============================================================================

    The features are some of those by which Yang and Lerch (2020, "On the evaluation of generative
    models in music") compare sets of pieces. They take the overlapping area of two smoothed
    densities; two single pieces have discrete histograms p and q, whose overlap is Σ min(p, q).
    Drums are left out, unless there is nothing else. Two empty histograms are equal.

    >>> import musegen
    >>> def melody(*pitches):
    ...     notes = [(480 * i, 480, pitch, 80, 0) for i, pitch in enumerate(pitches)]
    ...     return musegen.Score(notes=notes, tracks=[musegen.Track()])
    >>> overlaps(melody(60, 62, 64, 65), melody(60, 62, 64, 66))
    {'pitch_class': 0.75, 'interval': 0.666..., 'duration': 1.0, 'inter_onset': 1.0}

    Args:
        a: A piece. For an excerpt, slice it: `score[8:16]` has bars 8 to 15.
        b: Another piece.
    """
    pairs = zip(OVERLAPS, histograms(a), histograms(b), strict=True)
    return {name: _overlap(one, other) for name, one, other in pairs}


def similarity(a: Score, b: Score) -> float:
    """Return the mean of the `overlaps` of two pieces, 0 to 1 (equal histograms).

    >>> import musegen
    >>> scale = [(480 * i, 480, 60 + i, 80, 0) for i in range(8)]
    >>> score = musegen.Score(notes=scale, tracks=[musegen.Track()])
    >>> similarity(score, score)
    1.0
    """
    return float(np.mean(list(overlaps(a, b).values())))


def histograms(score: Score) -> tuple[Ints, ...]:
    """Return the histograms of pitch classes, intervals, durations and inter-onset intervals.

    They are in the order of `OVERLAPS`. Drums are left out, unless there is nothing else.
    """
    notes = melodic(score)
    notes = notes if len(notes) else score.notes
    _, inter_onsets, intervals = melody_lines(score).moves()
    intervals = np.clip(intervals, -WIDEST, WIDEST) + WIDEST
    durations = np.clip(steps(notes["duration"], score), 1, LONGEST)
    inter_onsets = np.clip(inter_onsets, 0, LONGEST)
    return (
        np.bincount(notes["pitch"] % 12, minlength=12),
        np.bincount(intervals, minlength=2 * WIDEST + 1),
        np.bincount(durations, minlength=LONGEST + 1),
        np.bincount(inter_onsets, minlength=LONGEST + 1),
    )


def _overlap(a: Ints, b: Ints) -> float:
    """Return the overlap of two histograms, each scaled to a sum of 1."""
    if not a.any() or not b.any():
        return float(a.any() == b.any())
    # In integers, so that equal histograms give exactly 1.
    shared = np.minimum(a * b.sum(), b * a.sum()).sum()
    return float(shared / (a.sum() * b.sum()))
