"""Convert piano rolls to scores and back."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np

from musegen.config import EncoderConfig, require
from musegen.data.pianoroll.kinds import Frames, Kind, kind_of
from musegen.errors import EncodingError
from musegen.score import METER, NOTE, Score, Track, columns, table

__all__ = ["encoder_config", "frame_ticks", "to_frames", "to_score", "trimmed"]

TICKS_PER_QUARTER = 480
VELOCITY = 80  # piano rolls have no dynamics


def to_score(frames: Frames, grid: Fraction) -> Score:
    """Convert frames to a score in 4/4, which begins with the first frame on a barline.

    `to_frames` inverts it.

    >>> chord = np.zeros((2, 128), bool)
    >>> chord[:, [60, 64]] = True
    >>> to_score(chord, Fraction(1)).notes[["onset", "duration", "pitch"]].tolist()
    [(0, 480, 60), (0, 480, 64), (480, 480, 60), (480, 480, 64)]

    Args:
        frames: `int16[T, V]` or `bool[T, 128]`; the dtype determines the kind.
        grid: Quarters per frame: `Fraction(1, 4)` for sixteenths.

    Raises:
        ConfigError: A frame is no whole number of ticks.
        EncodingError: The array does not hold frames.
        MidiError: There are too many frames.
    """
    kind = kind_of(frames)
    ticks = frame_ticks(grid)
    rows = kind.notes(frames)
    notes = columns(
        NOTE,
        onset=rows.onset * ticks,
        duration=rows.duration * ticks,
        pitch=rows.pitch,
        velocity=VELOCITY,
        track=rows.track,
    )
    numbers = [f" {number}" for number in range(1, kind.parts + 1)] if kind.parts > 1 else [""]
    tracks = tuple(Track(kind.name + number) for number in numbers)
    meters = table(METER, [(0, 4, 4)])
    return Score(notes, tracks, TICKS_PER_QUARTER, meters=meters, end=len(frames) * ticks)


def to_frames(score: Score, grid: Fraction, kind: Kind) -> Frames:
    """Convert a score to frames, up to `score.end`: the inverse of `to_score`.

    Other scores lose information: voices cannot tell a repeated note from a held one, nor chords a
    held one from a repeated one. Velocity, tempo and meter are not part of frames.

    >>> score = Score([(0, 960, 60, 80, 0), (960, 480, 62, 80, 0)], [Track()])
    >>> from musegen.data.pianoroll import Voices
    >>> to_frames(score, Fraction(1), Voices(1)).ravel().tolist()
    [60, 60, 62]

    Args:
        score: Notes on the grid.
        grid: Quarters per frame.
        kind: `Voices(4)` or `Chords()`.

    Raises:
        ConfigError: A frame is no whole number of ticks.
        EncodingError: A note begins or ends between frames, is on a track beyond the kind's, or a
            voice has two at once.
    """
    ticks = frame_ticks(grid, score.ticks_per_quarter)
    onset = score.notes["onset"].astype(np.int64)
    duration = score.notes["duration"].astype(np.int64)
    track = score.notes["track"].astype(np.int64)
    off_grid = (onset % ticks != 0) | (duration % ticks != 0)
    if off_grid.any():
        raise EncodingError(
            f"every note must begin and end on the grid of {grid} quarters, {ticks} ticks. "
            f"Received: onset {onset[off_grid][0]}, duration {duration[off_grid][0]}, and "
            f"{off_grid.sum()} of {len(onset)} notes off the grid. Choose a finer grid, or "
            "quantise the score with an Encoder."
        )
    if track.max(initial=0) >= kind.parts:
        raise EncodingError(
            f"{kind.name} of {kind.parts} track(s) were expected. Received: notes on track "
            f"{track.max()}, counted from 0. Pick tracks with score.select([...])."
        )
    # One row for each frame in which each note sounds.
    length = duration // ticks
    within_note = np.arange(length.sum()) - (length.cumsum() - length).repeat(length)
    frame = (onset // ticks).repeat(length) + within_note
    pitch = score.notes["pitch"].astype(np.int64).repeat(length)
    return kind.filled(-(-score.end // ticks), frame, pitch, track.repeat(length))


def trimmed(frames: Frames) -> Frames:
    """Remove the silent frames at the end of a piece; tokens keep its length in whole bars only.

    >>> trimmed(np.array([[60], [-1], [62], [-1]])).ravel().tolist()
    [60, -1, 62]
    """
    sounding = np.flatnonzero(kind_of(frames).sounding(frames).any(axis=1))
    return frames[: sounding[-1] + 1] if len(sounding) else frames[:0]


def encoder_config(kind: Kind, grid: Fraction) -> EncoderConfig:
    """Return the coarsest encoding that carries all that frames of a kind express.

    >>> from musegen.data.pianoroll import Voices
    >>> config = encoder_config(Voices(4), Fraction(1, 4))
    >>> config.parts, config.steps_per_quarter, config.velocities
    (4, 4, 0)

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


def frame_ticks(grid: Fraction, ticks_per_quarter: int = TICKS_PER_QUARTER) -> int:
    """Return the ticks of a frame of `grid` quarters.

    Raises:
        ConfigError: It is no whole number of ticks.
    """
    ticks = ticks_per_quarter * Fraction(grid)
    require(
        ticks >= 1 and ticks.denominator == 1,
        f"a frame must be a whole number of ticks, of which a quarter has {ticks_per_quarter}",
        str(grid),
        "Use Fraction(1, 4) for sixteenths, Fraction(1) for quarters.",
    )
    return int(ticks)
