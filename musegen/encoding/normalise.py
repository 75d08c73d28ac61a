"""Normalise pickups and articulation gaps, which files write in several ways.

Models are trained on the result: every bar complete, notes as long as they are written.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from musegen.encoding.bundle import Bundle, Meters, in_force, take
from musegen.encoding.rows import STEP_BITS, STEP_MASK, changes, moments
from musegen.score import METER, Score, columns
from musegen.score.timing import DEFAULT_METER
from musegen.utils.arrays import Floats, Ints

__all__ = ["close_all_gaps", "close_gaps", "pad_pickup", "pad_pickups"]

LARGEST_GAP = 0.2  # of the time from one onset to the next: articulation, not a rest
LARGEST_GAP_QUARTERS = 0.24  # just below a sixteenth, the shortest rest that people write
LAST_TICK = STEP_MASK


def pad_pickup(score: Score) -> Score:
    """Return the score with a pickup that is a short first bar padded with a rest to a whole bar.

    Notation programs export an upbeat as a bar in a short meter of its own (1/4, then 4/4).
    Musically it is the end of a bar in the meter that follows, so it is moved there.

    >>> from musegen import Score, Track
    >>> upbeat = Score(notes=[(0, 480, 67, 90, 0), (480, 1920, 72, 90, 0)], tracks=[Track()],
    ...                meters=[(0, 1, 4), (480, 4, 4)])
    >>> pad_pickup(upbeat).notes["onset"].tolist()
    [1440, 1920]

    Raises:
        Unencodable: The rest would move the end of the piece beyond the last tick.
    """
    padded = pad_pickups(Bundle.of([score]))
    missing = int(padded.end[0]) - score.end
    if not missing:
        return score
    _, tick, numerator, denominator = padded.meters
    return replace(
        score.shift(missing),
        meters=columns(METER, tick=tick, numerator=numerator, denominator=denominator),
    )


def pad_pickups(bundle: Bundle) -> Bundle:
    """Return the bundle with every pickup padded, as `pad_pickup` does for one score.

    Raises:
        Unencodable: The rest would move the end of a piece beyond the last tick.
    """
    meters = _meters_in_force(bundle)
    has_second = np.bincount(meters.piece, minlength=len(bundle.end)) > 1
    first = changes(meters.piece).nonzero()[0][has_second]
    if not len(first):
        return bundle

    # A pickup is a first meter that ends within its first bar; it lacks the rest of the next one.
    piece, second = meters.piece[first], first + 1
    length = 4 * bundle.ticks_per_quarter[meters.piece] * meters.numerator // meters.denominator
    lacks = length[second] - meters.tick[second]
    missing = np.zeros(len(bundle.end), np.int64)
    missing[piece] = np.where(meters.tick[second] <= length[first], np.maximum(lacks, 0), 0)
    if not missing.any():
        return bundle
    bundle.refuse(
        bundle.end + missing >= LAST_TICK,
        lambda piece: (
            f"the music must end before tick {LAST_TICK}. Received: tick {bundle.end[piece]}, and "
            f"a pickup bar to fill up by {missing[piece]} more. Remove the stray event far behind "
            "the music."
        ),
    )
    return _shifted(bundle, missing, meters)


def _meters_in_force(bundle: Bundle) -> Meters:
    return in_force(bundle.meters, DEFAULT_METER, len(bundle.end))


def _shifted(bundle: Bundle, missing: Ints, meters: Meters) -> Bundle:
    """Return the bundle with pieces moved later, and without the first meter of moved pieces.

    Args:
        bundle: The pieces.
        missing: `int64[pieces]`: by how many ticks each is moved.
        meters: The meters in force.
    """

    def later(piece: Ints, tick: Ints) -> Ints:
        return np.minimum(tick + missing[piece], LAST_TICK)

    notes, pedals = bundle.notes, bundle.pedals
    tempos = bundle.tempos
    opening_tempo = changes(tempos.piece) & (tempos.tick == 0)

    unmoved = take(bundle.meters, missing[bundle.meters.piece] == 0)
    moved = take(meters, ~changes(meters.piece) & (missing[meters.piece] > 0))
    moved = moved._replace(tick=np.where(changes(moved.piece), 0, later(moved.piece, moved.tick)))
    meters = Meters(*map(np.concatenate, zip(unmoved, moved, strict=True)))
    return bundle._replace(
        end=bundle.end + missing,
        notes=notes._replace(onset=later(notes.piece, notes.onset)),
        tempos=tempos._replace(tick=np.where(opening_tempo, 0, later(tempos.piece, tempos.tick))),
        meters=take(meters, meters.piece.argsort(kind="stable")),
        pedals=pedals._replace(onset=later(bundle.tracks.piece[pedals.track], pedals.onset)),
    )


def close_gaps(score: Score) -> Score:
    """Return the score with notes as long as they are written, without articulation gaps.

    A note that ends shortly before the next note of its track, or before the next barline, was
    written to last until there: players and exporters shorten it. In a track where this holds for
    most notes, those before a rest and the last note are lengthened in the same proportion.

    >>> from musegen import Score, Track
    >>> played = Score(notes=[(0, 450, 60, 90, 0), (480, 480, 62, 90, 0)], tracks=[Track()])
    >>> close_gaps(played).notes["duration"].tolist()
    [480, 480]
    """
    notes = score.notes.copy()
    notes["duration"] = _written(Bundle.of([score]))
    return replace(score, notes=notes)


def close_all_gaps(bundle: Bundle) -> Bundle:
    """Return the bundle with gaps closed, as `close_gaps` does for one score."""
    return bundle._replace(notes=bundle.notes._replace(duration=_written(bundle)))


def _written(bundle: Bundle) -> Ints:
    """Return the written duration of each note in ticks, `int64[N]`."""
    piece, onset, duration, _, _, track = bundle.notes
    offset, per_quarter = onset + duration, bundle.ticks_per_quarter[piece]
    following = np.minimum(_next_onset(track, onset, offset), _next_barline(bundle, piece, offset))
    gap, span = following - offset, following - onset
    close = (gap > 0) & (gap < LARGEST_GAP * span) & (gap < LARGEST_GAP_QUARTERS * per_quarter)

    # Where a track has such gaps throughout, its other notes are shortened, too.
    tracks = len(bundle.tracks.piece)
    notes_of_track = np.bincount(track, minlength=tracks)
    throughout = 2 * np.bincount(track[close], minlength=tracks) > notes_of_track
    share = _medians(duration[close] / span[close], track[close], tracks)[track]
    scaled = np.minimum(np.round(duration / share).astype(np.int64), np.maximum(span, duration))
    return np.where(close, span, np.where(throughout[track], scaled, duration))


def _next_onset(track: Ints, onset: Ints, offset: Ints) -> Ints:
    """Return the first onset of each note's track at or after its offset; `LAST_TICK` for none."""
    onsets = np.unique(moments(track, onset))
    at = onsets.searchsorted(moments(track, offset))
    found = np.append(onsets, -1)[at]
    return np.where(found >> STEP_BITS == track, found & STEP_MASK, LAST_TICK)


def _next_barline(bundle: Bundle, piece: Ints, tick: Ints) -> Ints:
    """Return the first barline at or after a tick."""
    meters = _meters_in_force(bundle)
    begins = moments(meters.piece, meters.tick)
    at = begins.searchsorted(moments(piece, tick), side="right") - 1
    length = 4 * bundle.ticks_per_quarter[piece] * meters.numerator[at]
    per, start = meters.denominator[at], meters.tick[at]
    bars = -(-(tick - start) * per // length)  # rounded up
    behind = np.append(begins, -1)[at + 1]
    stop = np.where(behind >> STEP_BITS == piece, behind & STEP_MASK, LAST_TICK)
    return np.minimum(start + bars * length // per, stop)


def _medians(values: Floats, group: Ints, groups: int) -> Floats:
    """Return the median of each group's values, `float64[groups]`; 1 for an empty group."""
    ordered = np.append(values[np.lexsort((values, group))], 1.0)
    count = np.bincount(group, minlength=groups)
    first = count.cumsum() - count
    middle = (ordered[first + np.maximum(count - 1, 0) // 2] + ordered[first + count // 2]) / 2
    return np.where(count > 0, middle, 1.0)
