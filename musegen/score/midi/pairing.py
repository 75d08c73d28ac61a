"""Find where notes and pedals end, with array operations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musegen.score.general_midi import SUSTAIN
from musegen.score.midi.channel_state import NOTE_ENDERS, RESET_CONTROLLERS
from musegen.score.midi.effective import Rows
from musegen.utils.arrays import Bools, Ints

__all__ = ["Pedals", "note_ends", "pedals_down"]


class Pedals(NamedTuple):
    """When sustain pedals are down, one row each."""

    place: Ints
    """Port × 16 + channel."""
    onset: Ints
    end: Ints


def note_ends(rows: Rows, ends: Ints) -> tuple[Ints, Ints]:
    """Return the row of each note's beginning, and the tick of its end.

    An end belongs to the oldest note of its chunk, channel and pitch that sounds; without one it
    has no effect. A note also ends where all notes of its channel do, and with its chunk.
    """
    at = (rows.is_on | rows.is_off).nonzero()[0]
    place, chunk, pitch = (
        rows.place[at],
        rows.events.chunk[at].astype(np.int64),
        rows.events.first[at],
    )
    tick = rows.events.tick.astype(np.int64)

    # Events that end all notes of a channel divide its notes into segments.
    rank = len(tick) + 1
    cuts = _cuts(rows, rank)
    segment = cuts.searchsorted(place * rank + at)
    following = np.append(cuts, -1)[segment]
    limit = ends[chunk]
    cut = (following // rank == place).nonzero()[0]
    limit[cut] = np.minimum(limit[cut], tick[following[cut] % rank])

    # In each group, the k-th end that counts belongs to the k-th beginning.
    places = int(place.max(initial=0)) + 1
    key = ((segment * places + place) * len(ends) + chunk) * 128 + pitch
    order = key.argsort(kind="stable")
    at, key, limit = at[order], key[order], limit[order]
    begins = rows.is_on[at]
    new = np.ones(len(key), bool)
    new[1:] = key[1:] != key[:-1]
    counts = ~begins & _has_a_note(begins, new)
    starts, stops = begins.nonzero()[0], counts.nonzero()[0]
    matching = _nth(begins, new)[starts].searchsorted(_nth(counts, new)[stops])
    end = limit[starts]
    end[matching] = tick[at[stops]]
    in_order = at[starts].argsort()
    return at[starts][in_order], end[in_order]


def _cuts(rows: Rows, rank: int) -> Ints:
    """Return where all notes of a channel end: place × `rank` + row, ascending."""
    ends = (rows.is_control & np.isin(rows.events.first, NOTE_ENDERS)).nonzero()[0]
    cuts = [rows.place[ends] * rank + ends]
    resets = rows.is_reset.nonzero()[0]
    cuts += [place * rank + resets for place in np.unique(rows.place[rows.is_on]).tolist()]
    return np.sort(np.concatenate(cuts))


def _has_a_note(begins: Bools, new: Bools) -> Bools:
    """Return whether a note sounds before each row, where `new` rows begin a group.

    If every end ended a note, `depth` would be the number of sounding notes. Where it sinks to a
    new low, there was none to end.
    """
    size = len(begins) + 1
    steps = np.where(begins, 1, -1)
    total = steps.cumsum()
    group = new.cumsum() - 1
    depth = total - (total - steps)[new][group]
    # Each group lies below the one before, so that its lows are its own.
    low = np.minimum.accumulate(np.minimum(depth, 0) - group * size) + group * size
    before = np.append(0, low[:-1])[: len(low)]
    return low == np.where(new, 0, before)


def _nth(marks: Bools, new: Bools) -> Ints:
    """Return a key of each row that ascends with its group, then with the marks up to it in it."""
    total = marks.cumsum()
    group = new.cumsum() - 1
    return group * (len(marks) + 1) + total - (total - marks)[new][group]


def pedals_down(rows: Rows) -> Pedals:
    """Return when pedals are down. A reset of the controllers or of all channels releases them."""
    events = rows.events
    at = (rows.is_control & np.isin(events.first, (SUSTAIN, RESET_CONTROLLERS))).nonzero()[0]
    place, down = rows.place[at], (events.first[at] == SUSTAIN) & (events.second[at] >= 64)
    resets = rows.is_reset.nonzero()[0]
    for each in np.unique(place).tolist() if len(resets) else ():
        at, place = np.append(at, resets), np.append(place, np.full(len(resets), each))
        down = np.append(down, np.zeros(len(resets), bool))
    order = np.lexsort((at, place))
    at, place, down = at[order], place[order], down[order]

    # The first of several presses, and the release after it.
    before = np.append(False, down[:-1])[: len(down)]
    before[1:] &= place[1:] == place[:-1]
    changes = down != before
    at, place, down = at[changes], place[changes], down[changes]
    released = down[:-1] & ~down[1:] & (place[1:] == place[:-1])
    start, stop = at[:-1][released], at[1:][released]
    onset, end = events.tick[start].astype(np.int64), events.tick[stop].astype(np.int64)
    lasts = end > onset
    return Pedals(place[:-1][released][lasts], onset[lasts], end[lasts])
