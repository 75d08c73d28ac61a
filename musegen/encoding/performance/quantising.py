"""Quantise pieces: return what the performance encoding keeps of them."""

from __future__ import annotations

import numpy as np

from musegen.encoding.bundle import Bundle, Meters, Notes, Pedals, Tempos, Tracks, take
from musegen.encoding.metric import loud, without_overlaps
from musegen.encoding.performance.clock import STEPS_PER_SECOND, step_clock, sustained
from musegen.encoding.rows import STEP_BITS, last_of_piece, moments, with_pitch
from musegen.encoding.vocabulary import Vocabulary
from musegen.utils.arrays import Ints

__all__ = ["one_track_each", "quantise"]

TICKS_PER_QUARTER = STEPS_PER_SECOND // 2  # at the default 120 bpm a quarter lasts half a second


def quantise(bundle: Bundle, vocabulary: Vocabulary) -> Bundle:
    """Return what the encoding keeps of the pieces: one track each, with a tick every 10 ms.

    Raises:
        Unencodable: At least one piece is too long.
    """
    notes, pieces = bundle.notes, np.arange(len(bundle.end))
    if bundle.tracks.drum.any():
        notes = take(notes, ~bundle.tracks.drum[notes.track])

    # Ticks to steps.
    offset = notes.onset + notes.duration
    if vocabulary.config.sustain and len(bundle.pedals.onset):
        offset = sustained(notes.track, offset, bundle)
    clock = step_clock(bundle)
    end = clock.steps(pieces, bundle.end)
    onset, offset = (clock.steps(notes.piece, ticks) for ticks in (notes.onset, offset))
    end = last_of_piece(notes.piece, np.maximum(offset, onset + 1), end)
    bundle.refuse(
        end >= 2**STEP_BITS,
        lambda piece: (
            f"the music must be shorter than {2**STEP_BITS} steps of 10 ms. "
            f"Received: {end[piece]} steps. Remove the stray event far behind the music."
        ),
    )

    # Tracks merged into one, which may sound a pitch once at a time.
    order = with_pitch(moments(notes.piece, onset), notes.pitch).argsort(kind="stable")
    velocity = loud(notes.velocity, vocabulary)
    notes = notes._replace(
        onset=onset, duration=np.maximum(offset - onset, 1), velocity=velocity, track=notes.piece
    )
    notes = take(notes, order)
    stays, duration = without_overlaps(
        with_pitch(notes.track, notes.pitch), notes.onset, notes.duration
    )
    notes = take(notes._replace(duration=duration), stays)
    return one_track_each(notes, end)


def one_track_each(notes: Notes, end: Ints) -> Bundle:
    """Return a bundle of notes with a track for each piece that has notes."""
    played, track = np.unique(notes.piece, return_inverse=True)
    zeros = 0 * played
    none = zeros[:0]
    return Bundle(
        ticks_per_quarter=np.full(len(end), TICKS_PER_QUARTER),
        end=end,
        notes=notes._replace(track=track),
        tracks=Tracks(played, zeros, zeros, zeros > 0),
        tempos=Tempos(none, none, none),
        meters=Meters(none, none, none, none),
        pedals=Pedals.none(),
    )
