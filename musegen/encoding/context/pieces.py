"""Compute the context of whole pieces at once."""

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
from musegen.encoding.context.lookback import lookback
from musegen.encoding.rows import PITCH_BITS, PITCH_MASK, latest, with_pitch
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.errors import EncodingError
from musegen.utils.arrays import Bools, Ints

__all__ = ["context", "context_of"]

STRETCH = 1 << 15  # tokens processed at once, so that the arrays fit in the processor's cache
_TIME_BITS = 32  # far more than the steps of a piece need
_TIME_MASK = (1 << _TIME_BITS) - 1


def context(tokens: Tokens, vocabulary: Vocabulary, view: View) -> Context:
    """Return the context of each token of pieces that lie end to end.

    Args:
        tokens: `int[T]`: pieces, or beginnings of pieces, each from its `start`.
        vocabulary: Maps tokens to events.
        view: The columns wanted.

    Returns:
        `uint16[T, F]`, F = `len(view.sizes)`: row t follows from the piece's tokens up to and
        including t.

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
        stretch, rows = tokens[first:stop], out[first:stop]
        of_piece, of_parts = columns(stretch, vocabulary, view.parts)
        for index, column in enumerate(of_piece):
            rows[:, index] = column
        back = len(of_piece) + len(of_parts)
        rows[:, len(of_piece) : back] = of_parts.T
        if view.lookbacks:
            rows[:, back:] = lookback(stretch, vocabulary)
    return out


def context_of(tokens: Tokens, vocabulary: Vocabulary, view: View) -> Context | None:
    """Return the context of B sequences, each from its `start`, or None if the view is empty.

    Args:
        tokens: `int[B, T]`.
        vocabulary: Maps tokens to events.
        view: The columns wanted.

    Returns:
        `uint16[B, T, F]`.
    """
    if not view:
        return None
    return context(tokens.ravel(), vocabulary, view).reshape(*tokens.shape, len(view.sizes))


class _Notes(NamedTuple):
    """Notes of pieces end to end, `int64[N]` each."""

    first: Ints
    """Index of the token from which it sounds."""
    stop: Ints
    """Index of the first token at which it no longer sounds."""
    part: Ints
    pitch: Ints
    mark: Ints
    """The time that its column depends on: of its end if known at once, else of its onset."""
    end: Ints
    """`_timed(piece, time of its end)`, with pieces counted from 1."""


def _timed(number: Any, time: Any) -> Any:
    """Return keys that sort by a number, then by time in steps."""
    return (number << _TIME_BITS) + time


def _metric(tokens: Tokens, vocabulary: Vocabulary, parts: int) -> tuple[Any, NDArray[np.uint8]]:
    """Return the columns of the piece, and those of the parts, `uint8[6 · parts, T]`."""
    quarter, longest = vocabulary.config.steps_per_quarter, vocabulary.blocks["duration"]
    values = vocabulary.values[tokens].astype(np.int64)
    of = _by_kind(tokens, vocabulary)
    start = of("start")

    def last_value(kind: str, *ends: str) -> Ints:
        """Return the last value of a kind since the last `start` or `ends`; -1 for none."""
        return np.where(of(kind), values, -1)[latest(of(kind, "start", *ends))]

    position, meter = last_value("position", "bar"), last_value("time_signature")
    part = last_value("part") if "part" in vocabulary.blocks else np.zeros(len(tokens), np.int64)
    length = np.append(vocabulary.meter_steps, 4 * quarter)[meter]
    begun, piece = latest(start), start.cumsum()
    bars = of("bar").cumsum()
    bar = bars - bars[begun] - 1

    # At a `bar` token the bar before it ends; its own meter is stated only after it.
    clock = np.where(of("bar") & (bar > 0), length, 0).cumsum()
    now = clock - clock[begun] + np.maximum(position, 0)

    # Each note, at its `duration`, and the first token at or after its end that moves time.
    last = of("duration").nonzero()[0]
    head = latest(of("pitch", "drum", "start"))[last]
    holds = of("hold").cumsum()
    off = now[last] + (holds[last] - holds[head]) * longest + values[last] + 1
    end = _timed(piece[last], off)
    moves = of("position", "bar", "start").nonzero()[0]
    stop = np.append(moves, len(tokens))[_timed(piece[moves], now[moves]).searchsorted(end)]

    notes = _Notes(last, stop, part[last], values[head], off, end)
    of_parts = _sounding(notes, piece, parts, lambda off: until(off - now, quarter))
    return metric_columns(bar, position, meter, length, part, quarter), of_parts


def _performance(
    tokens: Tokens, vocabulary: Vocabulary, parts: int
) -> tuple[Any, NDArray[np.uint8]]:
    """Return the columns of the piece, and those of the parts, `uint8[6 · parts, T]`."""
    values = vocabulary.values[tokens].astype(np.int64)
    of = _by_kind(tokens, vocabulary)
    start, is_on = of("start"), of("note_on")
    begun, piece = latest(start), start.cumsum()
    elapsed = np.where(of("time_shift"), values + 1, 0).cumsum()
    now = elapsed - elapsed[begun]
    struck = latest(is_on | start)
    rest = np.where(is_on[struck], since(now - now[struck]), 0)

    # Each note stops at the next event of its pitch, or at the end of the piece. The stable sort
    # keeps the events of a pitch in order of time.
    events = of("note_on", "note_off").nonzero()[0]
    voice = with_pitch(piece[events], values[events])
    order = voice.argsort(kind="stable")
    events, voice = events[order], voice[order]
    stop = np.append(start.nonzero()[0], len(tokens))[piece[events]]
    np.copyto(stop[:-1], events[1:], where=voice[1:] == voice[:-1])
    ons = is_on[events]
    first, stop = events[ons], stop[ons]
    end = _timed(piece[first], now[stop - 1])

    notes = _Notes(first, stop, 0 * first, values[first], now[first], end)
    return performance_columns(rest), _sounding(notes, piece, parts, lambda on: since(now - on))


def _by_kind(tokens: Tokens, vocabulary: Vocabulary) -> Callable[..., Bools]:
    """Return a function from names of kinds to the tokens of these kinds, `bool[T]`."""
    kinds = vocabulary.kinds[tokens]

    def of(*names: str) -> Bools:
        out = kinds == vocabulary.kind(names[0])
        for name in names[1:]:
            if name in vocabulary.blocks:
                out |= kinds == vocabulary.kind(name)
        return out

    return of


def _sounding(
    notes: _Notes, piece: Ints, parts: int, time: Callable[[Ints], Any]
) -> NDArray[np.uint8]:
    """Return the columns of the parts, `uint8[6 · parts, T]`."""
    size = len(piece)
    keep = notes.part < parts
    first, stop, part, pitch, mark, end = (column[keep] for column in notes)
    lasts = stop - first
    at = part * size + first

    # The places (part, token) at which each note sounds, note after note.
    places = np.arange(lasts.sum()) + (at - (lasts.cumsum() - lasts)).repeat(lasts)
    high, low, ended = np.zeros((3, parts, size), np.int64)
    np.maximum.at(high.reshape(-1), places, _timed(pitch + 1, mark).repeat(lasts))
    np.maximum.at(low.reshape(-1), places, _timed(128 - pitch, mark).repeat(lasts))
    count = np.bincount(places, minlength=parts * size).reshape(parts, size)

    # The note that ended last in each part, carried forward until the piece ends.
    over = stop < size
    ends_at = (part * size + stop)[over]
    np.maximum.at(ended.reshape(-1), ends_at, with_pitch(end, pitch)[over])
    ended = np.maximum.accumulate(ended, axis=1)
    in_piece = ended >> (_TIME_BITS + PITCH_BITS) == piece
    before = np.where(in_piece, (ended & PITCH_MASK) + 1, 0)

    sounds = high > 0
    columns = [
        np.where(sounds, high >> _TIME_BITS, before),
        np.where(sounds, 129 - (low >> _TIME_BITS), 0),
        before,
        np.where(sounds, time(np.where(sounds, high & _TIME_MASK, 0)), 0),
        np.where(sounds, time(np.where(sounds, low & _TIME_MASK, 0)), 0),
        np.minimum(count, MOST),
    ]
    return np.concatenate(columns).astype(np.uint8)
