"""Quantise pieces: return what the metric encoding keeps of them."""

from __future__ import annotations

import numpy as np

from musegen.encoding.bundle import Bundle, Notes, Pedals, Tempos, Tracks, take
from musegen.encoding.metric.grid import LONGEST, loud, of_rows, only, to_steps, without_overlaps
from musegen.encoding.metric.meters import quantised_meters
from musegen.encoding.rows import (
    NUMBER_BITS,
    NUMBER_MASK,
    PITCH_BITS,
    PITCH_MASK,
    STEP_MASK,
    changes,
    finals,
    last_of_piece,
    note_keys,
    with_pitch,
)
from musegen.encoding.vocabulary import Vocabulary
from musegen.utils.arrays import Ints

__all__ = ["quantise"]


def quantise(bundle: Bundle, vocabulary: Vocabulary) -> Bundle:
    """Return what the encoding keeps of the pieces, in steps.

    The result has as many ticks per quarter as the encoding has steps per quarter.

    Raises:
        Unencodable: At least one piece has too many tracks, steps or bars.
    """
    config = vocabulary.config
    spq = config.steps_per_quarter
    per_quarter = only(bundle.ticks_per_quarter)
    end = to_steps(bundle.end, per_quarter, spq)
    bundle.refuse(
        end >= LONGEST,
        lambda piece: (
            f"the music must be shorter than {LONGEST} steps. Received: {bundle.end[piece]} ticks "
            f"at {bundle.ticks_per_quarter[piece]} per quarter. Remove the stray event far behind "
            "the music."
        ),
    )
    notes = _quantised_notes(bundle, vocabulary, per_quarter)
    end = last_of_piece(notes.piece, notes.onset + notes.duration, end)
    meters, end = quantised_meters(bundle, vocabulary, per_quarter, end)
    tempos = _quantised_tempos(bundle, vocabulary, per_quarter, end)
    tracks, track = _quantised_tracks(bundle.tracks, notes, config.programs)
    return Bundle(
        ticks_per_quarter=np.full(len(end), spq),
        end=end,
        notes=notes._replace(track=track),
        tracks=tracks,
        tempos=tempos,
        meters=meters,
        pedals=Pedals.none(),
    )


def _quantised_notes(bundle: Bundle, vocabulary: Vocabulary, per_quarter: Ints | int) -> Notes:
    config = vocabulary.config
    notes, tracks = bundle.notes, bundle.tracks
    if not config.drums and tracks.drum.any():
        notes = take(notes, ~tracks.drum[notes.track])
    if len(tracks.number) > config.parts and tracks.number.max() >= config.parts:
        _refuse_more_parts(bundle, notes, config.parts)

    per_quarter = of_rows(per_quarter, notes.piece)
    onset = to_steps(notes.onset, per_quarter, config.steps_per_quarter)
    offset = to_steps(notes.onset + notes.duration, per_quarter, config.steps_per_quarter)
    duration = np.maximum(offset - onset, 1)

    # Sort the notes as a score does. Two integers hold a note, the key and the rest; the pieces
    # stay where they are.
    number = tracks.number[notes.track]
    first_track = notes.track - number
    key = note_keys(notes.piece, onset, number, notes.pitch)
    rest = (duration << 7) + loud(notes.velocity, vocabulary)
    order = key.argsort(kind="stable")
    key, rest = key[order], rest[order]
    onset, pitch = (key >> (NUMBER_BITS + PITCH_BITS)) & STEP_MASK, key & PITCH_MASK
    track = first_track + ((key >> PITCH_BITS) & NUMBER_MASK)

    stays, duration = without_overlaps(with_pitch(track, pitch), onset, rest >> 7)
    out = Notes(notes.piece, onset, duration, pitch, rest & 127, track)
    return out if stays.all() else take(out, stays)


def _refuse_more_parts(bundle: Bundle, notes: Notes, parts: int) -> None:
    """Raise `Unencodable` if notes are on tracks beyond the encoding's parts."""
    number = bundle.tracks.number[notes.track]
    last = last_of_piece(notes.piece, number, np.zeros(len(bundle.end), np.int64))
    bundle.refuse(
        last >= parts,
        lambda piece: (
            f"the encoding has {parts} part(s), the highest used track must be below that. "
            f"Received: notes on {len(np.unique(number[notes.piece == piece]))} track(s), the last "
            f"with index {last[piece]}. Pick tracks with score.select([...]), or use an "
            "EncoderConfig with more parts."
        ),
    )


def _quantised_tracks(tracks: Tracks, notes: Notes, programs: bool) -> tuple[Tracks, Ints]:
    """Return each piece's tracks up to its last used one, and the track of each note among them.

    Unused tracks and drums have program 0.
    """
    used = np.zeros(len(tracks.piece), bool)
    used[notes.track] = True
    track = notes.track
    if not used.all():
        last = np.full(tracks.piece[-1] + 1, -1)
        last[tracks.piece[used]] = used.nonzero()[0]  # the last assignment to a piece stays
        kept = np.arange(len(used)) <= last[tracks.piece]
        tracks = take(tracks, kept)
        used = used[kept]
        track = (kept.cumsum() - 1)[track]
    drum = tracks.drum & used
    return tracks._replace(program=tracks.program * (used & ~drum & programs), drum=drum), track


def _quantised_tempos(
    bundle: Bundle, vocabulary: Vocabulary, per_quarter: Ints | int, end: Ints
) -> Tempos:
    """Return tempos of the vocabulary, where they change."""
    piece, tick, microseconds = bundle.tempos
    if not vocabulary.config.tempos:
        return Tempos(piece[:0], tick[:0], microseconds[:0])
    step = to_steps(tick, of_rows(per_quarter, piece), vocabulary.config.steps_per_quarter)
    counts = step < end[piece]
    several = not changes(piece).all()
    if several:
        counts &= finals(piece, step)  # the last on each step
    piece, step = piece[counts], step[counts]
    nearest = vocabulary.tempo_bins(microseconds[counts])
    if not several:
        return Tempos(piece, step, vocabulary.tempo_values[nearest])
    new = changes(piece, nearest)
    return Tempos(piece[new], step[new], vocabulary.tempo_values[nearest[new]])
