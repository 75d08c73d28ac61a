"""Bring the events of a file that matter to its notes into the order in which they take effect.

It does in bulk what `ordering` does for `mido` files, and explains.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.score.midi.events import META, SYSEX, Events
from musegen.score.midi.system_exclusive import rhythm_part, system_turned_on
from musegen.utils.arrays import Bools, Ints

__all__ = ["Rows", "effective_rows", "sysex_content"]

_PORT, _DEVICE = 0x21, 0x09  # types of meta events
_BEFORE_NOTES, _NOTES = 1, 2  # phases of a tick, see `ordering`


class Rows(NamedTuple):
    """Events in the order in which they take effect."""

    events: Events
    place: Ints
    is_on: Bools
    is_off: Bools
    is_control: Bools
    is_reset: Bools
    """Resets all channels."""


def effective_rows(events: Events, data: bytes) -> Rows:
    """Return the events that matter here; `ordering` says in which order."""
    place = _ports(events, data) * 16 + (events.status & 0xF)
    kind = events.status >> 4
    is_on = (kind == 0x9) & (events.second > 0)
    is_reset, is_rhythm = np.zeros((2, len(kind)), bool)
    for row in (events.status == SYSEX).nonzero()[0].tolist():
        content = sysex_content(events, row, data)
        is_reset[row] = system_turned_on(content) is not None
        is_rhythm[row] = rhythm_part(content) is not None
    used = (((kind >= 0x8) & (kind <= 0xC) & (kind != 0xA)) | is_reset | is_rhythm).nonzero()[0]
    tick = events.tick[used].astype(np.int64)
    phase = _phases(events.chunk[used], tick, is_on[used]) * ~is_reset[used]
    used = used[(tick * 4 + phase).argsort(kind="stable")]
    kind, is_on = kind[used], is_on[used]
    return Rows(
        events.rows(used),
        place[used],
        is_on,
        (kind <= 0x9) & ~is_on,
        kind == 0xB,
        is_reset[used],
    )


def sysex_content(events: Events, row: int, data: bytes) -> bytes:
    """Return the content of a system exclusive event, without its final F7."""
    return data[events.at[row] : events.at[row] + events.size[row]].removesuffix(b"\xf7")


def _ports(events: Events, data: bytes) -> Ints:
    """Return the port in force at each event; see `ordering.Moment.port`."""
    is_meta = events.status == META
    is_port = is_meta & (events.first == _PORT) & (events.size == 1)
    if not is_port.any():
        is_port = is_meta & (events.first == _DEVICE)
    rows = is_port.nonzero()[0]
    out = np.zeros(len(is_meta), np.int64)
    if not len(rows):
        return out
    names = [data[at : at + size] for at, size in zip(*events.rows(rows)[5:], strict=True)]
    by_name = events.first[rows[0]] == _DEVICE
    numbers = {
        name: index if by_name else name[0] for index, name in enumerate(dict.fromkeys(names))
    }
    last = is_port.cumsum() - 1
    known = (last >= 0) & (events.chunk[rows][last] == events.chunk)
    return np.where(known, np.array([numbers[name] for name in names])[last], out)


def _phases(chunk: NDArray[np.int32], tick: Ints, is_on: Bools) -> Ints:
    """Return the phase of each event of chunk after chunk: whether a note of its tick has begun."""
    if not len(chunk):
        return np.zeros(0, np.int64)
    new = np.append(True, (chunk[1:] != chunk[:-1]) | (tick[1:] != tick[:-1]))
    begun = is_on.cumsum()
    first = np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))
    before = (begun - is_on)[first]
    return np.where(begun > before, _NOTES, _BEFORE_NOTES)
