"""Musical measures of one piece, or of an excerpt of it."""

from __future__ import annotations

import numpy as np

from musegen.score.columns import Table
from musegen.score.keys import Key, find_key, is_drum, pitch_class_histogram
from musegen.score.measures.lines import STEPS_PER_QUARTER, excerpt, steps
from musegen.score.score import Score
from musegen.utils.arrays import Ints

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
"""The names in the result of `measures`, in its order."""

SOUNDS = 256  # 128 pitches and 128 drums
LAGS = range(1, 9)  # in bars; a phrase of eight recurs at the longest of them
DUPLE, TRIPLE = STEPS_PER_QUARTER // 4, STEPS_PER_QUARTER // 3
# The natural minor scales are the same twelve.
SCALES = np.array([Key(tonic).scale for tonic in range(12)])


def measures(
    score: Score, start: int = 0, end: int | None = None, key: Key | None = None
) -> dict[str, float]:
    """Return the measures of the notes that begin from `start` to `end`, by name.

    ==========================  ===================================================================
    pitch_range                 semitones from the lowest to the highest note
    n_pitches_used              number of different pitches
    n_pitch_classes_used        number of different pitch classes
    pitch_entropy               entropy of the histogram of pitches, in bits
    pitch_class_entropy         entropy of the histogram of pitch classes, in bits
    pitch_in_scale_rate         share of the notes in the scale of `key`
    scale_consistency           the greatest share of the notes in any major or minor scale
    polyphony                   number of sounding pitches, averaged over the time when any sounds
    polyphony_rate              share of the time when two or more pitches sound
    mean_duration               mean duration of a note, in quarters
    notes_per_bar               number of notes per bar, drums included
    empty_beat_rate             share of the quarters, counted from `start`, in which nothing sounds
    empty_measure_rate          share of the bars in which nothing sounds
    groove_consistency          share of the steps at which neighbouring bars agree on whether a
                                note begins
    self_similarity             share of the notes (pitch and position) that bars 1 to 8 bars apart
                                have in common, among those that either has; mean over all pairs
    drum_in_pattern_rate        share of the drum notes on sixteenths
    drum_pattern_consistency    share of the drum notes on sixteenths or triplets, whichever is more
    ==========================  ===================================================================

    The measures down to `mean_duration` ignore drums. A measure that is undefined for the music is
    absent, and no value is ever NaN: pitches and durations without notes (though 0 are used), bars
    compared where there is only one, patterns without drums. The definitions are those of MusPy
    (Dong et al. 2020), except for `mean_duration`, `notes_per_bar` and `self_similarity`;
    `docs/measures.md` says where they differ, and why.

    >>> import musegen
    >>> scale = [(480 * i, 480, 60 + i, 80, 0) for i in range(8)]
    >>> score = musegen.Score(notes=scale, tracks=[musegen.Track()])
    >>> found = measures(score)
    >>> found["pitch_range"], found["pitch_entropy"], found["notes_per_bar"]
    (7.0, 3.0, 4.0)

    Args:
        score: The music.
        start: A tick, preferably on a barline: a bar that it cuts counts as a bar.
        end: A tick at which notes are cut off; None for the end of the score, rests included.
        key: The key for `pitch_in_scale_rate`; by default the one that `find_key` finds.

    Raises:
        ConfigError: `start` and `end` are not in order, or not inside the score.
        MidiError: The score has more than a million bars.
    """
    notes, end = excerpt(score, score.notes, start, end)
    drum = is_drum(score, notes)
    pitched = notes[~drum]
    found = {
        **_pitch_measures(pitched, key),
        **_polyphony_measures(pitched, start, end, score.ticks_per_quarter),
        **_bar_measures(score, notes, start, end),
    }
    if drum.any():
        found |= _drum_measures(steps(notes["onset"][drum], score))
    return {name: float(found[name]) for name in MEASURES if name in found}


def _pitch_measures(notes: Table, key: Key | None) -> dict[str, float]:
    """Return the measures of pitches, from notes without drums."""
    # Rows are octaves, columns pitch classes.
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


def _entropy(counts: Ints) -> float:
    """Return Shannon's entropy of a histogram that is not empty, in bits."""
    share = counts[counts > 0] / counts.sum()
    return float(np.abs(share @ np.log2(share)))  # abs: 0, not −0


def _polyphony_measures(
    notes: Table, start: int, end: int, ticks_per_quarter: int
) -> dict[str, float]:
    """Return the measures of sounding time, from notes without drums."""
    if not len(notes):
        return {"polyphony_rate": 0.0} if end > start else {}
    begins, stops = _sounding_spans(notes)
    ticks = np.concatenate([begins, stops])
    order = ticks.argsort(kind="stable")
    changes = np.concatenate([np.ones_like(begins), -np.ones_like(stops)])
    sounding = changes[order].cumsum()[:-1]
    time = np.diff(ticks[order])
    return {
        "polyphony": (sounding @ time) / time[sounding > 0].sum(),
        "polyphony_rate": time[sounding > 1].sum() / (end - start),
        "mean_duration": notes["duration"].mean() / ticks_per_quarter,
    }


def _sounding_spans(notes: Table) -> tuple[Ints, Ints]:
    """Return where each pitch begins and stops to sound, `int64[M]` each, in ticks.

    Overlapping notes of one pitch are joined.
    """
    notes = notes[np.lexsort((notes["onset"], notes["pitch"]))]
    begin = _tick_by_pitch(notes["pitch"], notes["onset"])
    stop = np.maximum.accumulate(begin + notes["duration"])
    first = np.append(True, begin[1:] > stop[:-1])
    last = np.append(first[1:], True)
    base = _tick_by_pitch(notes["pitch"], 0)
    return (begin - base)[first], (stop - base)[last]


def _tick_by_pitch(pitch: Ints, tick: Ints | int) -> Ints:
    """Return numbers that sort by pitch, then tick: each pitch has a range of 2**31 of its own."""
    return (pitch.astype(np.int64) << 31) + tick


def _bar_measures(score: Score, notes: Table, start: int, end: int) -> dict[str, float]:
    """Return the measures of bars and beats; bars that the excerpt cuts count."""
    if end <= start:
        return {}
    barlines = np.unique(score.barlines())  # leaves out bars without a tick
    first = max(int(barlines.searchsorted(start, side="right")) - 1, 0)
    barlines = barlines[first : int(barlines.searchsorted(end)) + 1]
    bars = len(barlines) - 1
    beats = -(-(end - start) // score.ticks_per_quarter)

    # Beats and bars with sound: from a note's first tick to its last one.
    begin = notes["onset"].astype(np.int64)
    last = begin + notes["duration"] - 1
    beats_with_sound = _covered(
        (begin - start) // score.ticks_per_quarter, (last - start) // score.ticks_per_quarter
    )
    bars_with_sound = _covered(
        barlines.searchsorted(begin, side="right") - 1,
        barlines.searchsorted(last, side="right") - 1,
    )
    found = {
        "notes_per_bar": len(notes) / bars,
        "empty_beat_rate": 1 - beats_with_sound / beats,
        "empty_measure_rate": 1 - bars_with_sound / bars,
    }
    onset = steps(notes["onset"], score)
    return found | _repetition_measures(steps(barlines, score), onset, _sounds(score, notes))


def _repetition_measures(barlines: Ints, onset: Ints, sound: Ints) -> dict[str, float]:
    """Return the measures of what bars have in common.

    Args:
        barlines: Steps where bars begin, and where the last one ends.
        onset: Steps where notes begin.
        sound: Pitch or drum of each note, below `SOUNDS`.
    """
    bars = len(barlines) - 1
    lengths = np.maximum(np.diff(barlines), 1)
    longest = int(lengths.max())
    bar = np.clip(barlines.searchsorted(onset, side="right") - 1, 0, bars - 1)
    # An onset that is rounded up to the next barline stays in its bar.
    position = np.minimum(onset - barlines[bar], lengths[bar] - 1)
    place = bar * longest + position
    found = {}
    if bars > 1:
        both, either = _shared(place, longest, 1, bars)
        compared = np.maximum(lengths[1:], lengths[:-1]).sum()
        found["groove_consistency"] = 1 - (either - both).sum() / compared
    notes, kinds = place * SOUNDS + sound, longest * SOUNDS
    pairs = [_shared(notes, kinds, lag, bars) for lag in LAGS if lag < bars]
    alike = [both[either > 0] / either[either > 0] for both, either in pairs]
    if any(map(len, alike)):
        found["self_similarity"] = np.concatenate(alike).mean()
    return found


def _covered(first: Ints, last: Ints) -> int:
    """Return the size of the union of the integer ranges `first` (ascending) to `last`."""
    reached = np.maximum.accumulate(last)
    before = np.append(-1, reached)[: len(first)]
    return int(np.maximum(reached - np.maximum(before, first - 1), 0).sum())


def _shared(symbols: Ints, kinds: int, lag: int, bars: int) -> tuple[Ints, Ints]:
    """Return how many symbols bars `lag` apart share and have in all, `int64[bars − lag]` each.

    Args:
        symbols: bar × `kinds` + kind of each symbol.
        kinds: The number of different symbols.
        lag: In bars.
        bars: The number of bars.
    """
    symbols = np.unique(symbols)
    count = np.bincount(symbols // kinds, minlength=bars)
    repeated = symbols[np.isin(symbols + lag * kinds, symbols, assume_unique=True)]
    both = np.bincount(repeated // kinds, minlength=bars)[: bars - lag]
    return both, count[:-lag] + count[lag:] - both


def _sounds(score: Score, notes: Table) -> Ints:
    """Return the pitch of each note, or 128 + its drum, `int64[N]`."""
    return notes["pitch"].astype(np.int64) + 128 * is_drum(score, notes)


def _drum_measures(step: Ints) -> dict[str, float]:
    """Return the regularity of drum notes at these steps."""
    duple, triple = (float(np.mean(step % period == 0)) for period in (DUPLE, TRIPLE))
    return {"drum_in_pattern_rate": duple, "drum_pattern_consistency": max(duple, triple)}
