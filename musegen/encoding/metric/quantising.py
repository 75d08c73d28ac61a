"""What the encoding keeps of pieces."""

from __future__ import annotations

import numpy as np

from musegen.encoding.bundle import (
    STEP_BITS,
    Bundle,
    Column,
    Notes,
    Pedals,
    Tempos,
    Tracks,
    changes,
    finals,
    last_of_piece,
    moments,
    take,
)
from musegen.encoding.metric.grid import LONGEST, loud, of_rows, only, to_steps, without_overlaps
from musegen.encoding.metric.meters import quantised_meters
from musegen.encoding.vocabulary import Vocabulary

__all__ = ["quantise"]


def quantise(bundle: Bundle, vocabulary: Vocabulary) -> Bundle:
    """Return what the encoding keeps of some pieces, in steps (`ticks_per_quarter` = steps per quarter).

    Raises:
        Unencodable: Some have too many tracks, steps or bars.
    """
    config = vocabulary.config
    spq = config.steps_per_quarter
    per_quarter = only(bundle.ticks_per_quarter)
    end = to_steps(bundle.end, per_quarter, spq)
    bundle.refuse(
        end >= LONGEST,
        lambda piece: (
            f"the music must be shorter than {LONGEST} steps. Received: {bundle.end[piece]} ticks at "
            f"{bundle.ticks_per_quarter[piece]} per quarter. Remove the stray event far behind the music."
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


def _quantised_notes(bundle: Bundle, vocabulary: Vocabulary, per_quarter: Column | int) -> Notes:
    config, notes, tracks = vocabulary.config, bundle.notes, bundle.tracks
    if not config.drums and tracks.drum.any():
        notes = take(notes, ~tracks.drum[notes.track])
    if len(tracks.number) > config.parts and tracks.number.max() >= config.parts:
        _refuse_more_parts(bundle, notes, config.parts)
    per_quarter = of_rows(per_quarter, notes.piece)
    onset = to_steps(notes.onset, per_quarter, config.steps_per_quarter)
    offset = to_steps(notes.onset + notes.duration, per_quarter, config.steps_per_quarter)
    duration = np.maximum(offset - onset, 1)
    # Two integers hold a note: one that sorts notes as a score has them, and what comes along. The
    # pieces stay where they are. (At most 64 parts: 6 bits for a track's number.)
    number = tracks.number[notes.track]
    first_track = notes.track - number
    sorts = (moments(notes.piece, onset) << 13) + (number << 7) + notes.pitch
    comes_along = (duration << 7) + loud(notes.velocity, vocabulary)
    order = sorts.argsort(kind="stable")
    sorts, comes_along = sorts[order], comes_along[order]
    onset, pitch = (sorts >> 13) & (2**STEP_BITS - 1), sorts & 127
    track = first_track + ((sorts >> 7) & 63)
    stays, duration = without_overlaps((track << 7) + pitch, onset, comes_along >> 7)
    out = Notes(notes.piece, onset, duration, pitch, comes_along & 127, track)
    return out if stays.all() else take(out, stays)


def _refuse_more_parts(bundle: Bundle, notes: Notes, parts: int) -> None:
    """Raise `Unencodable` if notes are on tracks beyond the encoding's parts."""
    number = bundle.tracks.number[notes.track]
    last = last_of_piece(notes.piece, number, np.zeros(len(bundle.end), np.int64))
    bundle.refuse(
        last >= parts,
        lambda piece: (
            f"the encoding has {parts} part(s), the highest used track must be below that. Received: notes "
            f"on {len(np.unique(number[notes.piece == piece]))} track(s), the last with index {last[piece]}. "
            "Pick tracks with score.select([...]), or use an EncoderConfig with more parts."
        ),
    )


def _quantised_tracks(tracks: Tracks, notes: Notes, programs: bool) -> tuple[Tracks, Column]:
    """Return bare tracks up to the last of each piece that has notes, and the track of each note among them.

    Unused ones and drums have program 0.
    """
    used = np.zeros(len(tracks.piece), bool)
    used[notes.track] = True
    track = notes.track
    if not used.all():
        last = np.full(tracks.piece[-1] + 1, -1)
        last[tracks.piece[used]] = used.nonzero()[
            0
        ]  # of several for one piece the last is written last
        kept = np.arange(len(used)) <= last[tracks.piece]
        tracks, used, track = take(tracks, kept), used[kept], (kept.cumsum() - 1)[track]
    drum = tracks.drum & used
    return tracks._replace(program=tracks.program * (used & ~drum & programs), drum=drum), track


def _quantised_tempos(
    bundle: Bundle, vocabulary: Vocabulary, per_quarter: Column | int, end: Column
) -> Tempos:
    """Return the tempos that the vocabulary has, where they change."""
    piece, tick, microseconds = bundle.tempos
    if not vocabulary.config.tempos:
        return Tempos(piece[:0], tick[:0], microseconds[:0])
    step = to_steps(tick, of_rows(per_quarter, piece), vocabulary.config.steps_per_quarter)
    counts = step < end[piece]
    several = not changes(piece).all()
    if several:
        counts &= finals(piece, step)  # the last of each step
    piece, step, nearest = piece[counts], step[counts], vocabulary.tempo_bins(microseconds[counts])
    if not several:
        return Tempos(piece, step, vocabulary.tempo_values[nearest])
    new = changes(piece, nearest)
    return Tempos(piece[new], step[new], vocabulary.tempo_values[nearest[new]])
