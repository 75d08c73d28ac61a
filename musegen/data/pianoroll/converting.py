"""Frames to scores, and back."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np

from musegen.config import EncoderConfig, require
from musegen.data.pianoroll.kinds import Frames, Kind, Rows, kind_of
from musegen.errors import EncodingError
from musegen.score import METER, NOTE, Score, Track, columns, table

__all__ = ["TICKS_PER_QUARTER", "encoder_config", "frame_ticks", "to_frames", "to_score", "trimmed"]

TICKS_PER_QUARTER = 480
VELOCITY = 80  # where nobody says how loud


def to_score(frames: Frames, grid: Fraction) -> Score:
    """Return the score of a piece in frames, in 4/4 from the first frame on; `to_frames` gives them back.

    Args:
        frames: `int16[T, V]` or `bool[T, 128]`; their type says which kind they are.
        grid: Quarters in a frame: `Fraction(1, 4)` for sixteenths.

    Raises:
        ConfigError: A frame has no whole number of ticks.
        EncodingError: The array holds no frames.
        MidiError: There are too many frames.
    """
    kind, ticks = kind_of(frames), frame_ticks(grid, TICKS_PER_QUARTER)
    rows = kind.notes(frames)
    notes = columns(
        NOTE,
        onset=rows.onset * ticks,
        duration=rows.duration * ticks,
        pitch=rows.pitch,
        velocity=VELOCITY,
        track=rows.track,
    )
    tracks = tuple(
        Track(f"{kind.name} {number}" if kind.parts > 1 else kind.name)
        for number in range(1, kind.parts + 1)
    )
    return Score(
        notes, tracks, TICKS_PER_QUARTER, meters=table(METER, [(0, 4, 4)]), end=len(frames) * ticks
    )


def to_frames(score: Score, grid: Fraction, kind: Kind) -> Frames:
    """Return what sounds in each frame of a score, up to `score.end`: exactly what `to_score` made it from.

    Of other scores it is less than they say: voices cannot tell a repeated note from a held one,
    nor chords a held one from a repeated one. Loudness, tempo and meter are no part of frames.

    Args:
        score: Notes on the grid.
        grid: Quarters in a frame.
        kind: `Voices(4)` or `Chords()`.

    Raises:
        ConfigError: A frame has no whole number of ticks.
        EncodingError: A note begins or ends between frames, is on a track beyond the kind's, or a
            voice has two at once.
    """
    ticks = frame_ticks(grid, score.ticks_per_quarter)
    notes = score.notes
    track = notes["track"].astype(np.int64)
    onset, duration = (notes[name].astype(np.int64) for name in ("onset", "duration"))
    off = (onset % ticks != 0) | (duration % ticks != 0)
    if off.any():
        raise EncodingError(
            f"every note must begin and end on the grid of {grid} quarters, {ticks} ticks. Received: onset "
            f"{onset[off][0]}, duration {duration[off][0]}, and {off.sum()} of {len(off)} notes off the grid. Choose a "
            "finer grid, or quantise the score with an Encoder."
        )
    if track.max(initial=0) >= kind.parts:
        raise EncodingError(
            f"{kind.name} of {kind.parts} track(s) were expected. Received: notes on track {track.max()}, counted from "
            "0. Pick tracks with score.select([...])."
        )
    count = duration // ticks
    nth = np.arange(count.sum()) - (count.cumsum() - count).repeat(count)
    onset, pitch, track = (
        (onset // ticks).repeat(count) + nth,
        notes["pitch"].repeat(count),
        track.repeat(count),
    )
    return kind.filled(
        -(-score.end // ticks), Rows(onset, np.ones_like(onset), pitch.astype(np.int64), track)
    )


def trimmed(frames: Frames) -> Frames:
    """Return a piece without the frames of silence at its end, of which tokens say whole bars at most."""
    heard = np.flatnonzero(kind_of(frames).sounding(frames).any(axis=1))
    return frames[: heard[-1] + 1] if len(heard) else frames[:0]


def encoder_config(kind: Kind, grid: Fraction) -> EncoderConfig:
    """Return the coarsest encoding that carries frames of a kind and nothing else.

    Raises:
        ConfigError: No metric encoding has such a grid.
    """
    return EncoderConfig(
        steps_per_quarter=lcm(4, grid.denominator),
        parts=kind.parts,
        programs=False,
        drums=False,
        velocities=0,
        tempos=0,
    )


def frame_ticks(grid: Fraction, ticks_per_quarter: int) -> int:
    """Return the ticks of a frame of `grid` quarters.

    Raises:
        ConfigError: It has no whole number of them.
    """
    ticks = ticks_per_quarter * Fraction(grid)
    fits = ticks >= 1 and ticks.denominator == 1
    require(
        fits,
        f"a frame must be a whole number of ticks, of which a quarter has {ticks_per_quarter}",
        str(grid),
        "Use Fraction(1, 4) for sixteenths, Fraction(1) for quarters.",
    )
    return int(ticks)
