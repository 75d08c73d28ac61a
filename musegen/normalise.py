"""What files write in several ways, brought to the one way that models are trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from musegen.score import METER, Score, table

__all__ = ["close_gaps", "merge_programs", "pad_pickup"]

LARGEST_GAP = 0.2  # of the time from one onset to the next: articulation, not a rest
LARGEST_GAP_QUARTERS = 0.24  # just below a sixteenth, the shortest rest that people write


def pad_pickup(score: Score) -> Score:
    """Return the score with a pickup written as a short first bar filled up by a rest before it.

    Notation programs export an upbeat as a bar of its own short meter (1/4, then 4/4). As music it
    is the end of a bar of the meter that follows; so it is moved there.
    """
    meters = score.with_default_meter()
    if len(meters) < 2:
        return score
    lengths = 4 * score.ticks_per_quarter * meters["numerator"].astype(np.int64) // meters["denominator"]
    missing = int(lengths[1] - meters["tick"][1])
    if meters["tick"][1] > lengths[0] or missing <= 0:
        return score
    second = meters[1:].copy()
    second["tick"] += missing
    second["tick"][0] = 0
    return replace(score.shift(missing), meters=table(METER, second))


def merge_programs(score: Score) -> Score:
    """Return the score with one track per chunk and channel, named and voiced as at its end.

    Readers start a new track at each program change; to a musician it is one instrument's line.
    """
    places = [(t.chunk, t.channel) if t.channel >= 0 else (-1, -1 - i) for i, t in enumerate(score.tracks)]
    kept = list(dict.fromkeys(places))
    new_index = np.array([kept.index(place) for place in places], np.uint16)
    # The program in force at the end is that of the note that begins last; notes are in that order.
    last = dict(zip(new_index.tolist(), score.tracks, strict=True))
    last |= {int(new_index[old]): score.tracks[old] for old in score.notes["track"].tolist()}
    notes, pedals = score.notes.copy(), score.pedals.copy()
    if len(score.tracks):
        notes["track"], pedals["track"] = new_index[notes["track"]], new_index[pedals["track"]]
    return replace(score, notes=notes, pedals=pedals, tracks=tuple(last[i] for i in range(len(kept))))


def close_gaps(score: Score) -> Score:
    """Return the score with the small gaps that articulation leaves between notes closed.

    A note that ends a little before the next note of its track begins (or before the next
    barline) was written to last until there: players and exporters shorten it.
    """
    notes = score.notes.copy()
    lines = score.barlines()
    for index in range(len(score.tracks)):
        mine = notes["track"] == index
        onset = notes["onset"][mine].astype(np.int64)
        offset = onset + notes["duration"][mine]
        follow = np.unique(np.concatenate([onset, lines]))
        following = follow[np.minimum(np.searchsorted(follow, offset), len(follow) - 1)]
        gap, span = following - offset, following - onset
        close = (gap > 0) & (gap < LARGEST_GAP * span) & (gap < LARGEST_GAP_QUARTERS * score.ticks_per_quarter)
        written = np.where(close, span, offset - onset)
        if 2 * close.sum() > len(close):
            # So played throughout: notes before a rest, and the last, are as much shorter than written.
            share = float(np.median((offset - onset)[close] / span[close]))
            written = np.where(close, span, np.minimum(np.round(written / share), np.maximum(span, written)))
        notes["duration"][mine] = written
    return replace(score, notes=notes)
