"""Convert tokens to quantised pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.bundle import Bundle, Notes, take
from musegen.encoding.metric import DEFAULT_VELOCITY
from musegen.encoding.performance.quantising import one_track_each
from musegen.encoding.rows import STEP_BITS, latest, moments, with_pitch
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.utils.arrays import Ints

__all__ = ["decode"]


def decode(tokens: Tokens, starts: Ints, vocabulary: Vocabulary) -> Bundle:
    """Return the pieces of checked tokens; notes that still sound at the end are ended there.

    Args:
        tokens: `int32[T]`: pieces, or beginnings of pieces, end to end.
        starts: `int64[pieces]`: the index of each one's first token; each has at least one.
        vocabulary: Maps tokens to events.

    Raises:
        Unencodable: At least one piece is longer than any music.
    """
    kinds, values = vocabulary.kinds[tokens], vocabulary.values[tokens].astype(np.int64)
    begins = np.zeros(len(tokens), bool)
    begins[starts] = True
    piece = begins.cumsum() - 1
    elapsed = np.where(kinds == vocabulary.kind("time_shift"), values + 1, 0).cumsum()
    time = elapsed - elapsed[starts][piece]  # a start takes no time
    end = time[np.append(starts[1:], len(tokens)) - 1]
    out = one_track_each(_sounded(kinds, values, piece, time, end, vocabulary), end)
    out.refuse(
        end >= 2**STEP_BITS,
        lambda p: (
            f"these tokens are not music: they last {end[p]} steps; expected fewer than "
            f"{2**STEP_BITS}. Use tokens that an encoder made."
        ),
    )
    return out


def _sounded(
    kinds: NDArray[np.int8],
    values: Ints,
    piece: Ints,
    time: Ints,
    end: Ints,
    vocabulary: Vocabulary,
) -> Notes:
    """Return the notes: each lasts from its note-on to the next event of its pitch, or to the end.

    Their `track` is not meaningful.
    """
    # The stable sort keeps the events of a pitch in order of time.
    is_on = kinds == vocabulary.kind("note_on")
    events = (is_on | (kinds == vocabulary.kind("note_off"))).nonzero()[0]
    voice = with_pitch(piece[events], values[events])
    order = voice.argsort(kind="stable")
    events, voice = events[order], voice[order]
    stop = end[piece[events]]
    np.copyto(stop[:-1], time[events[1:]], where=voice[1:] == voice[:-1])
    sounds = is_on[events] & (stop > time[events])
    heads, stop = events[sounds], stop[sounds]

    velocity = np.full(len(heads), DEFAULT_VELOCITY)
    if "velocity" in vocabulary.blocks:
        # The last that was stated in this piece; the default if `start` comes later.
        states = kinds == vocabulary.kind("velocity")
        last = latest(states | (kinds == vocabulary.kind("start")))[heads]
        values_of_bins = np.append(vocabulary.velocity_values, DEFAULT_VELOCITY)
        velocity = values_of_bins[np.where(states[last], values[last], -1)]
    onset = time[heads]
    notes = Notes(piece[heads], onset, stop - onset, values[heads], velocity, piece[heads])
    order = with_pitch(moments(notes.piece, notes.onset), notes.pitch).argsort(kind="stable")
    return take(notes, order)
