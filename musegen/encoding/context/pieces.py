"""The context of whole pieces at once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context.columns import (
    Context,
    metric_columns,
    performance_columns,
    since,
    until,
)
from musegen.encoding.context.layout import MOST, View
from musegen.encoding.context.lookback import latest, lookback
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.errors import EncodingError

__all__ = ["beside", "context"]

Integers = NDArray[np.int64]

STRETCH = 1 << 15  # tokens worked on at once: what they need fits in a processor's cache
_TIME = 32  # bits; far more than the steps of a piece


def context(tokens: Tokens, vocabulary: Vocabulary, view: View) -> Context:
    """Return what is known beside each token of pieces that stand end to end.

    Args:
        tokens: `int[T]`: pieces, or beginnings of pieces, each from its `start`.
        vocabulary: What they mean.
        view: Which columns are wanted.

    Returns:
        `uint16[T, F]`, F = `len(view.sizes)`: row t follows from the piece's tokens up to and with
        t.

    Raises:
        EncodingError: The first token is not `start`.
    """
    out = np.empty((len(tokens), len(view.sizes)), np.uint16)
    starts = np.flatnonzero(tokens == vocabulary.first["start"])
    if len(tokens) and not (len(starts) and starts[0] == 0):
        raise EncodingError(
            f"the first event must be start. Received: {vocabulary.event(int(tokens[0]))}."
        )
    columns = _performance if vocabulary.config.encoding == "performance" else _metric
    borders = starts[np.unique(starts // STRETCH, return_index=True)[1]]
    for first, stop in pairwise([*borders.tolist(), len(tokens)]):
        some, mine = tokens[first:stop], out[first:stop]
        of_piece, of_parts = columns(some, vocabulary, view.parts)
        for index, column in enumerate(of_piece):
            mine[:, index] = column
        back = len(of_piece) + len(of_parts)
        mine[:, len(of_piece) : back] = of_parts.T
        if view.lookbacks:
            mine[:, back:] = lookback(some, vocabulary)
    return out


def beside(tokens: Tokens, vocabulary: Vocabulary, view: View) -> Context | None:
    """Return the context of rows of tokens, each from its `start`: `int[B, T]` → `uint16[B, T, F]`; of no view None."""
    if not view:
        return None
    return context(tokens.ravel(), vocabulary, view).reshape(*tokens.shape, len(view.sizes))


class _Notes(NamedTuple):
    """Notes of pieces end to end; `int64[N]` each."""

    first: Integers
    """Token with which it sounds."""
    stop: Integers
    """Token with which it does so no more."""
    part: Integers
    pitch: Integers
    mark: Integers
    """The time that says how long: of its end where that is known, else of its beginning."""
    end: Integers
    """Piece (from 1) << _TIME, + time of its end."""


def _metric(tokens: Tokens, vocabulary: Vocabulary, parts: int) -> tuple[Any, NDArray[np.uint8]]:
    """Return the columns before the parts', and the parts', `uint8[6 · parts, T]`."""
    quarter, longest = vocabulary.config.steps_per_quarter, vocabulary.blocks["duration"]
    values = vocabulary.values[tokens].astype(np.int64)
    of = _by_kind(tokens, vocabulary)
    start = of("start")

    def said(kind: str, *ends: str) -> Integers:
        """Return the last value of a kind in this piece, since the last event of `ends`; −1 for none."""
        return np.where(of(kind), values, -1)[latest(of(kind, "start", *ends))]

    position, meter = said("position", "bar"), said("time_signature")
    part = said("part") if "part" in vocabulary.blocks else np.zeros(len(tokens), np.int64)
    length = np.append(vocabulary.meter_steps, 4 * quarter)[meter]
    begun, piece = latest(start), start.cumsum()
    bars = of("bar").cumsum()
    bar = bars - bars[begun] - 1
    # With a bar, the one before it is over; its own meter is said only after it.
    clock = np.where(of("bar") & (bar > 0), length, 0).cumsum()
    now = clock - clock[begun] + np.maximum(position, 0)
    last = of("duration").nonzero()[0]
    head = latest(of("pitch", "drum", "start"))[last]
    holds = of("hold").cumsum()
    off = now[last] + (holds[last] - holds[head]) * longest + values[last] + 1
    end = (piece[last] << _TIME) + off
    moves = of("position", "bar", "start").nonzero()[0]
    stop = np.append(moves, len(tokens))[((piece[moves] << _TIME) + now[moves]).searchsorted(end)]
    notes = _Notes(last, stop, part[last], values[head], off, end)
    of_parts = _sounding(notes, piece, parts, lambda off: until(off - now, quarter))
    return metric_columns(bar, position, meter, length, part, quarter), of_parts


def _performance(
    tokens: Tokens, vocabulary: Vocabulary, parts: int
) -> tuple[Any, NDArray[np.uint8]]:
    """Return the columns before the parts', and the parts', `uint8[6 · parts, T]`."""
    values = vocabulary.values[tokens].astype(np.int64)
    of = _by_kind(tokens, vocabulary)
    start, is_on = of("start"), of("note_on")
    begun, piece = latest(start), start.cumsum()
    elapsed = np.where(of("time_shift"), values + 1, 0).cumsum()
    now = elapsed - elapsed[begun]
    struck = latest(is_on | start)
    rest = np.where(is_on[struck], since(now - now[struck]), 0)
    events = of("note_on", "note_off").nonzero()[0]
    voice = (piece[events] << 7) + values[events]
    order = voice.argsort(kind="stable")  # the events of each pitch stay in order of time
    events, voice = events[order], voice[order]
    stop = np.append(start.nonzero()[0], len(tokens))[piece[events]]  # the end of the piece
    np.copyto(stop[:-1], events[1:], where=voice[1:] == voice[:-1])
    ons = is_on[events]
    first, stop = events[ons], stop[ons]
    end = (piece[first] << _TIME) + now[stop - 1]
    notes = _Notes(first, stop, 0 * first, values[first], now[first], end)
    return performance_columns(rest), _sounding(notes, piece, parts, lambda on: since(now - on))


def _by_kind(tokens: Tokens, vocabulary: Vocabulary) -> Callable[..., NDArray[np.bool_]]:
    """Return a function that says which tokens, `bool[T]`, are of some kinds."""
    kinds = vocabulary.kinds[tokens]

    def of(*names: str) -> NDArray[np.bool_]:
        out: NDArray[np.bool_] = kinds == vocabulary.kind(names[0])
        for name in names[1:]:
            if name in vocabulary.blocks:
                out |= kinds == vocabulary.kind(name)
        return out

    return of


def _sounding(
    notes: _Notes, piece: Integers, parts: int, time: Callable[[Integers], Any]
) -> NDArray[np.uint8]:
    """Return the columns of the parts, `uint8[6 · parts, T]`."""
    size = len(piece)
    keep = notes.part < parts
    first, stop, part, pitch, mark, end = (column[keep] for column in notes)
    lasts = stop - first
    at = part * size + first
    # Every token that a note sounds beside, one after the other.
    beside = np.arange(lasts.sum()) + (at - (lasts.cumsum() - lasts)).repeat(lasts)
    high, low, ended = np.zeros((3, parts, size), np.int64)
    np.maximum.at(high.reshape(-1), beside, ((pitch + 1 << _TIME) + mark).repeat(lasts))
    np.maximum.at(low.reshape(-1), beside, ((128 - pitch << _TIME) + mark).repeat(lasts))
    count = np.bincount(beside, minlength=parts * size).reshape(parts, size)
    over = stop < size
    np.maximum.at(ended.reshape(-1), (part * size + stop)[over], ((end << 7) + pitch)[over])
    ended = np.maximum.accumulate(ended, axis=1)
    sounds, times = high > 0, (1 << _TIME) - 1
    before = np.where(ended >> (_TIME + 7) == piece, (ended & 127) + 1, 0)
    columns = [
        np.where(sounds, high >> _TIME, before),
        np.where(sounds, 129 - (low >> _TIME), 0),
        before,
        np.where(sounds, time(np.where(sounds, high & times, 0)), 0),
        np.where(sounds, time(np.where(sounds, low & times, 0)), 0),
        np.minimum(count, MOST),
    ]
    return np.concatenate(columns).astype(np.uint8)
