"""What files write in several ways, brought to the one way that models are trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import (
    STEP_BITS,
    Bundle,
    Column,
    Meters,
    changes,
    finals,
    moments,
    take,
)
from musegen.score import METER, Score, columns
from musegen.score.timing import DEFAULT_METER

__all__ = ["close_all_gaps", "close_gaps", "merge_programs", "pad_pickup", "pad_pickups"]

LARGEST_GAP = 0.2  # of the time from one onset to the next: articulation, not a rest
LARGEST_GAP_QUARTERS = 0.24  # just below a sixteenth, the shortest rest that people write
LAST_TICK = 2**31 - 1


def pad_pickup(score: Score) -> Score:
    """Return the score with a pickup written as a short first bar filled up by a rest before it.

    Notation programs export an upbeat as a bar of its own short meter (1/4, then 4/4). As music it
    is the end of a bar of the meter that follows; so it is moved there.
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
    """Return the bundle with each piece's pickup filled up, as `pad_pickup` does for one.

    Raises:
        Unencodable: The rest would push the end of a piece beyond the last tick.
    """
    meters = _in_force(bundle)
    first = changes(meters.piece).nonzero()[0]
    first = first[
        np.bincount(meters.piece, minlength=len(bundle.end)) > 1
    ]  # of the pieces with a second
    if not len(first):
        return bundle
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
            f"the music must end before tick {LAST_TICK}. Received: tick {bundle.end[piece]}, and a pickup bar to "
            f"fill up by {missing[piece]} more. Remove the stray event far behind the music."
        ),
    )
    return _shifted(bundle, missing, meters)


def _in_force(bundle: Bundle) -> Meters:
    """Return the meters, one a tick, the first of each piece at tick 0: `timing.in_force` for each piece."""
    meters = bundle.meters
    silent = np.ones(len(bundle.end), bool)
    silent[meters.piece[meters.tick == 0]] = False
    missing = silent.nonzero()[0]
    default = Meters(missing, 0 * missing, *(0 * missing + number for number in DEFAULT_METER))
    meters = Meters(*map(np.concatenate, zip(default, meters, strict=True)))
    meters = take(meters, meters.piece.argsort(kind="stable"))
    return take(meters, finals(meters.piece, meters.tick))


def _shifted(bundle: Bundle, missing: Column, meters: Meters) -> Bundle:
    """Return the bundle with each piece moved by `missing` ticks and, where that is any, without its first meter.

    Args:
        bundle: The pieces.
        missing: `int64[pieces]`.
        meters: What `_in_force` says of the bundle.
    """

    def later(piece: Column, tick: Column) -> Column:
        moved: Column = np.minimum(tick + missing[piece], LAST_TICK)
        return moved

    notes, tempos, pedals = bundle.notes, bundle.tempos, bundle.pedals
    governs = changes(tempos.piece) & (tempos.tick == 0)
    as_were = take(bundle.meters, missing[bundle.meters.piece] == 0)
    padded = take(meters, ~changes(meters.piece) & (missing[meters.piece] > 0))
    padded = padded._replace(
        tick=np.where(changes(padded.piece), 0, later(padded.piece, padded.tick))
    )
    meters = Meters(*map(np.concatenate, zip(as_were, padded, strict=True)))
    return bundle._replace(
        end=bundle.end + missing,
        notes=notes._replace(onset=later(notes.piece, notes.onset)),
        tempos=tempos._replace(tick=np.where(governs, 0, later(tempos.piece, tempos.tick))),
        meters=take(meters, meters.piece.argsort(kind="stable")),
        pedals=pedals._replace(onset=later(bundle.tracks.piece[pedals.track], pedals.onset)),
    )


def merge_programs(score: Score) -> Score:
    """Return the score with one track per chunk and channel, named and voiced as at its end.

    Readers start a new track at each program change; to a musician it is one instrument's line.
    """
    places = [
        (t.chunk, t.channel) if t.channel >= 0 else (-1, -1 - i) for i, t in enumerate(score.tracks)
    ]
    kept = list(dict.fromkeys(places))
    new_index = np.array([kept.index(place) for place in places], np.uint16)
    # The program in force at the end is that of the note that begins last; notes are in that order.
    last = dict(zip(new_index.tolist(), score.tracks, strict=True))
    last |= {int(new_index[old]): score.tracks[old] for old in score.notes["track"].tolist()}
    notes, pedals = score.notes.copy(), score.pedals.copy()
    if len(score.tracks):
        notes["track"], pedals["track"] = new_index[notes["track"]], new_index[pedals["track"]]
    return replace(
        score, notes=notes, pedals=pedals, tracks=tuple(last[i] for i in range(len(kept)))
    )


def close_gaps(score: Score) -> Score:
    """Return the score with the small gaps that articulation leaves between notes closed.

    A note that ends a little before the next note of its track begins (or before the next
    barline) was written to last until there: players and exporters shorten it. Where most notes of
    a track are, those before a rest, and the last, are lengthened by as much.
    """
    notes = score.notes.copy()
    notes["duration"] = _written(Bundle.of([score]))
    return replace(score, notes=notes)


def close_all_gaps(bundle: Bundle) -> Bundle:
    """Return the bundle with gaps closed, as `close_gaps` does for one score."""
    return bundle._replace(notes=bundle.notes._replace(duration=_written(bundle)))


def _written(bundle: Bundle) -> Column:
    """Return how long each note was written, `int64[N]`, in ticks."""
    piece, onset, duration, _, _, track = bundle.notes
    offset, per_quarter = onset + duration, bundle.ticks_per_quarter[piece]
    following = np.minimum(_next_onset(track, onset, offset), _next_barline(bundle, piece, offset))
    gap, span = following - offset, following - onset
    close = (gap > 0) & (gap < LARGEST_GAP * span) & (gap < LARGEST_GAP_QUARTERS * per_quarter)
    tracks = len(bundle.tracks.piece)
    throughout = 2 * np.bincount(track[close], minlength=tracks) > np.bincount(
        track, minlength=tracks
    )
    share = _medians(duration[close] / span[close], track[close], tracks)[track]
    as_others = np.minimum(np.round(duration / share).astype(np.int64), np.maximum(span, duration))
    written: Column = np.where(close, span, np.where(throughout[track], as_others, duration))
    return written


def _next_onset(track: Column, onset: Column, offset: Column) -> Column:
    """Return where the next note of a track begins at or after a tick; far away if none does."""
    onsets = np.unique(moments(track, onset))
    at = onsets.searchsorted(moments(track, offset))
    found = np.append(onsets, -1)[at]
    out: Column = np.where(found >> STEP_BITS == track, found & LAST_TICK, LAST_TICK)
    return out


def _next_barline(bundle: Bundle, piece: Column, tick: Column) -> Column:
    """Return the first barline at or after a tick."""
    meters = _in_force(bundle)
    begins = moments(meters.piece, meters.tick)
    at = begins.searchsorted(moments(piece, tick), side="right") - 1
    length = 4 * bundle.ticks_per_quarter[piece] * meters.numerator[at]
    per, start = meters.denominator[at], meters.tick[at]
    bars = -(-(tick - start) * per // length)
    behind = np.append(begins, -1)[at + 1]
    stop = np.where(behind >> STEP_BITS == piece, behind & LAST_TICK, LAST_TICK)
    out: Column = np.minimum(start + bars * length // per, stop)
    return out


def _medians(values: NDArray[np.float64], group: Column, groups: int) -> NDArray[np.float64]:
    """Return the median of each group's values, `float64[groups]`; 1 of a group without any."""
    ordered = np.append(values[np.lexsort((values, group))], 1.0)
    count = np.bincount(group, minlength=groups)
    first = count.cumsum() - count
    middle = (ordered[first + np.maximum(count - 1, 0) // 2] + ordered[first + count // 2]) / 2
    return np.where(count > 0, middle, 1.0)
