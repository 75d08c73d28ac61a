"""What a piece, or a stretch of one, is like."""

from __future__ import annotations

import numpy as np

from musegen.score.columns import Table
from musegen.score.keys import Key, find_key, is_drum, pitch_class_histogram
from musegen.score.measures.lines import STEPS_PER_QUARTER, Column, steps, stretch
from musegen.score.score import Score

__all__ = ["MEASURES", "measures"]

MEASURES = (
    "pitch_range",
    "n_pitches_used",
    "n_pitch_classes_used",
    "pitch_entropy",
    "pitch_class_entropy",
    "pitch_in_scale_rate",
    "scale_consistency",
    "polyphony",
    "polyphony_rate",
    "mean_duration",
    "notes_per_bar",
    "empty_beat_rate",
    "empty_measure_rate",
    "groove_consistency",
    "self_similarity",
    "drum_in_pattern_rate",
    "drum_pattern_consistency",
)
"""The names that `measures` can give, in its order."""

SOUNDS = 256  # 128 pitches and 128 drums
LAGS = range(1, 9)  # bars: a phrase of eight comes back at the longest of them
SCALES = np.array(
    [Key(tonic).scale for tonic in range(12)]
)  # those of the minor keys are the same twelve
DUPLE, TRIPLE = STEPS_PER_QUARTER // 4, STEPS_PER_QUARTER // 3


def measures(
    score: Score, start: int = 0, end: int | None = None, key: Key | None = None
) -> dict[str, float]:
    """Return the measures of the notes that begin from `start` to `end`, by name.

    ==========================  =================================================================
    pitch_range                 semitones from the lowest to the highest note
    n_pitches_used              different pitches
    n_pitch_classes_used        different pitch classes
    pitch_entropy               of the pitches' histogram, in bits
    pitch_class_entropy         of the pitch classes' histogram, in bits
    pitch_in_scale_rate         share of the notes in the scale of `key`
    scale_consistency           the same of the scale that most are in
    polyphony                   pitches that sound at once, on average while any does
    polyphony_rate              share of the time when two or more do
    mean_duration               of a note, in quarters
    notes_per_bar               drums too
    empty_beat_rate             share of the quarters, from `start` on, when nothing sounds
    empty_measure_rate          share of the bars when nothing does
    groove_consistency          share of the steps where neighbouring bars agree on whether a note begins
    self_similarity             notes (pitch and position) that bars 1 to 8 bars apart have in common,
                                as a share of those that either has; the mean over all such pairs
    drum_in_pattern_rate        share of the drum notes on sixteenths
    drum_pattern_consistency    the same of sixteenths or triplets, whichever are more
    ==========================  =================================================================

    Those down to `mean_duration` leave drums out. What the music has no answer for is left out, and
    nothing is ever NaN: pitches and durations where there are none (but 0 are used), bars compared
    where there is but one, patterns without drums. The definitions are those of MusPy (Dong et al.
    2020) but for `mean_duration`, `notes_per_bar` and `self_similarity`; `docs/measures.md` says
    where they differ, and why.

    Args:
        score: The music.
        start: A tick, best on a barline: a bar that it cuts counts as a bar.
        end: A tick; None for where the score ends, rests included. Notes end here at the latest.
        key: That the notes should be in; by default the one that `find_key` finds for them.

    Raises:
        ConfigError: `start` and `end` are not in order, or not inside the score.
        MidiError: The score has more than a million bars.
    """
    notes, end = stretch(score, score.notes, start, end)
    drum = is_drum(score, notes)
    pitched = notes[~drum]
    out = {
        **_of_pitches(pitched, key),
        **_of_sounding(pitched, start, end, score.ticks_per_quarter),
        **_of_bars(score, notes, start, end),
    }
    if drum.any():
        out |= _of_drums(steps(notes["onset"][drum], score))
    return {name: float(out[name]) for name in MEASURES if name in out}


def _of_pitches(notes: Table, key: Key | None) -> dict[str, float]:
    """Return the measures of which pitches there are, of notes without drums."""
    pitches = np.bincount(notes["pitch"], minlength=132).reshape(11, 12)
    classes = pitches.sum(0)
    used = {
        "n_pitches_used": float((pitches > 0).sum()),
        "n_pitch_classes_used": float((classes > 0).sum()),
    }
    if not len(notes):
        return used
    key = key or find_key(pitch_class_histogram(notes))
    return used | {
        "pitch_range": float(notes["pitch"].max()) - float(notes["pitch"].min()),
        "pitch_entropy": _entropy(pitches.ravel()),
        "pitch_class_entropy": _entropy(classes),
        "pitch_in_scale_rate": classes[key.scale].sum() / len(notes),
        "scale_consistency": (SCALES @ classes).max() / len(notes),
    }


def _entropy(counts: Column) -> float:
    """Return Shannon's entropy of a histogram that is not empty, in bits."""
    share = counts[counts > 0] / counts.sum()
    return float(np.abs(share @ np.log2(share)))  # abs: 0, not −0


def _of_sounding(notes: Table, start: int, end: int, per_quarter: int) -> dict[str, float]:
    """Return the measures of what sounds when, of notes without drums that begin from `start` to `end`."""
    if not len(notes):
        return {"polyphony_rate": 0.0} if end > start else {}
    begins, stops = _united(notes)
    at = np.concatenate([begins, stops])
    order = at.argsort(kind="stable")
    sounding = np.concatenate([np.ones_like(begins), -np.ones_like(stops)])[order].cumsum()[:-1]
    time = np.diff(at[order])
    return {
        "polyphony": (sounding @ time) / time[sounding > 0].sum(),
        "polyphony_rate": time[sounding > 1].sum() / (end - start),
        "mean_duration": notes["duration"].mean() / per_quarter,
    }


def _united(notes: Table) -> tuple[Column, Column]:
    """Return from where to where each pitch sounds, `int64[M]` each: notes of one pitch that overlap are one."""
    notes = notes[np.lexsort((notes["onset"], notes["pitch"]))]
    begin = notes["onset"].astype(np.int64)
    stop = begin + notes["duration"]
    base = (
        notes["pitch"].astype(np.int64) << 31
    )  # so that the end of one pitch is before the next pitch's beginning
    reached = np.maximum.accumulate(base + stop)
    first = np.append(True, (base + begin)[1:] > reached[:-1])
    last = np.append(first[1:], True)
    return begin[first], (reached - base)[last]


def _of_bars(score: Score, notes: Table, start: int, end: int) -> dict[str, float]:
    """Return the measures of bars and beats. A bar belongs to the stretch if any of it does."""
    if end <= start:
        return {}
    quarter = score.ticks_per_quarter
    barlines = np.unique(score.barlines())  # a bar that no tick is long holds nothing
    barlines = barlines[max(int(barlines.searchsorted(start, side="right")) - 1, 0) :]
    barlines = barlines[: int(barlines.searchsorted(end)) + 1]
    bars = len(barlines) - 1
    begin = notes["onset"].astype(np.int64)
    last = begin + notes["duration"] - 1
    beats = -(-(end - start) // quarter)
    bar = barlines.searchsorted(begin, side="right") - 1
    out = {
        "notes_per_bar": len(notes) / bars,
        "empty_beat_rate": 1
        - _covered((begin - start) // quarter, (last - start) // quarter) / beats,
        "empty_measure_rate": 1
        - _covered(bar, barlines.searchsorted(last, side="right") - 1) / bars,
    }
    return out | _of_repetition(
        steps(barlines, score), steps(notes["onset"], score), _sounds(score, notes)
    )


def _of_repetition(barlines: Column, onset: Column, sound: Column) -> dict[str, float]:
    """Return the measures of what bars have in common.

    Args:
        barlines: Steps where bars begin, and where the last one ends.
        onset: Steps where notes begin.
        sound: What each note is, below `SOUNDS`.
    """
    bars, lengths = len(barlines) - 1, np.maximum(np.diff(barlines), 1)
    bar = np.clip(barlines.searchsorted(onset, side="right") - 1, 0, bars - 1)
    span = int(lengths.max())
    place = bar * span + np.minimum(
        onset - barlines[bar], lengths[bar] - 1
    )  # one that is rounded up into the end
    out = {}
    if bars > 1:
        both, either = _shared(place, span, 1, bars)
        out["groove_consistency"] = (
            1 - (either - both).sum() / np.maximum(lengths[1:], lengths[:-1]).sum()
        )
    pairs = [
        _shared(place * SOUNDS + sound, span * SOUNDS, lag, bars) for lag in LAGS if lag < bars
    ]
    alike = [both[either > 0] / either[either > 0] for both, either in pairs]
    if sum(map(len, alike)):
        out["self_similarity"] = np.concatenate(alike).mean()
    return out


def _covered(first: Column, last: Column) -> int:
    """Return how many numbers are in any of the ranges `first` (which rises) to `last`, inclusive."""
    reached = np.maximum.accumulate(last)
    before = np.append(-1, reached)[: len(first)]
    return int(np.maximum(reached - np.maximum(before, first - 1), 0).sum())


def _shared(symbol: Column, span: int, lag: int, bars: int) -> tuple[Column, Column]:
    """Return how many symbols bars `lag` apart have both, and how many either has, `int64[bars − lag]` each.

    Args:
        symbol: What is in the bars: below `span`, plus the bar × `span`.
        span: How many different symbols there can be.
        lag: In bars.
        bars: How many there are.
    """
    symbol = np.unique(symbol)
    count = np.bincount(symbol // span, minlength=bars)
    again = symbol[np.isin(symbol + lag * span, symbol, assume_unique=True)]
    both = np.bincount(again // span, minlength=bars)[: bars - lag]
    return both, count[:-lag] + count[lag:] - both


def _sounds(score: Score, notes: Table) -> Column:
    """Return what each note is, `int64[N]`: its pitch, or 128 + its drum."""
    out: Column = notes["pitch"].astype(np.int64) + 128 * is_drum(score, notes)
    return out


def _of_drums(step: Column) -> dict[str, float]:
    """Return how regular drum notes at these steps are."""
    duple, triple = (float(np.mean(step % every == 0)) for every in (DUPLE, TRIPLE))
    return {"drum_in_pattern_rate": duple, "drum_pattern_consistency": max(duple, triple)}
