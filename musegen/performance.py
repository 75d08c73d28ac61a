"""The performance encoding: note-on, note-off, velocity and 10 ms time shifts (Oore et al. 2018).

All pitched tracks become one; a score in this encoding has 100 ticks a second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.metric import DEFAULT_VELOCITY, without_overlaps
from musegen.score import NOTE, Score, Table, Track, columns
from musegen.vocabulary import MAX_SHIFT, Tokens, Vocabulary

__all__ = ["decode", "encode", "quantise"]

STEPS_PER_SECOND = 100
TICKS_PER_QUARTER = STEPS_PER_SECOND // 2  # at the default 120 bpm a quarter lasts half a second


def quantise(score: Score, vocabulary: Vocabulary) -> Score:
    """Return what the encoding keeps of `score`: one track, a tick every 10 ms."""
    config = vocabulary.config
    drums = np.array([t.is_drum for t in score.tracks], bool)
    notes = score.notes[~drums[score.notes["track"]]] if len(score.notes) else score.notes
    offsets = notes["onset"].astype(np.int64) + notes["duration"]
    if config.sustain and len(score.pedals):
        offsets = _sustained(notes, offsets, score.pedals)
    onset, offset, end = (
        np.floor(score.seconds(ticks) * STEPS_PER_SECOND + 0.5).astype(np.int64)
        for ticks in (notes["onset"], offsets, np.asarray([score.end]))
    )
    velocity: Any = DEFAULT_VELOCITY
    if config.velocities:
        velocity = vocabulary.velocity_values[vocabulary.velocity_bins(notes["velocity"])]
    out = columns(NOTE, onset=onset, duration=np.maximum(offset - onset, 1), pitch=notes["pitch"], velocity=velocity)
    return Score(
        notes=without_overlaps(out[: len(notes)]),
        tracks=(Track(),) if len(notes) else (),
        ticks_per_quarter=TICKS_PER_QUARTER,
        end=int(end[0]),
    )


def _sustained(notes: Table, offsets: NDArray[np.int64], pedals: Table) -> NDArray[np.int64]:
    """Return offsets moved to the release of the pedal that is down when a key is let go."""
    out = offsets.copy()
    for track in np.unique(pedals["track"]):
        held = pedals[pedals["track"] == track]
        held = held[np.argsort(held["onset"], kind="stable")]
        mine = notes["track"] == track
        index = np.searchsorted(held["onset"], offsets[mine], side="right") - 1
        release = held["onset"].astype(np.int64)[index] + held["duration"][index]
        out[mine] = np.where(index >= 0, np.maximum(offsets[mine], release), offsets[mine])
    return out


def encode(score: Score, vocabulary: Vocabulary) -> Tokens:
    """Return the tokens of a quantised score, `int32[T]`, from `start` to `end`."""
    notes, first = score.notes, vocabulary.first
    n = len(notes)
    pitch = np.tile(notes["pitch"].astype(np.int64), 2)
    time = np.concatenate([notes["onset"], notes["onset"] + notes["duration"]]).astype(np.int64)
    is_on = np.arange(2 * n) < n
    order = np.lexsort((pitch, is_on, time))  # within a step notes end before others begin
    pitch, time, is_on = pitch[order], time[order], is_on[order]
    loud = np.tile(vocabulary.velocity_bins(notes["velocity"]), 2)[order]
    gap = np.diff(np.append(time, score.end), prepend=0)
    long_shifts = np.maximum(gap - 1, 0) // MAX_SHIFT
    rest = gap - long_shifts * MAX_SHIFT
    louder = np.zeros(2 * n + 1, bool)
    if "velocity" in vocabulary.blocks:
        louder[np.flatnonzero(is_on)] = np.diff(loud[is_on], prepend=-1) != 0
    last = vocabulary.first["end"]
    slots = [  # (how many of it before each event, which token); the last row is the end
        (long_shifts, np.full(2 * n + 1, first["time_shift"] + MAX_SHIFT - 1)),
        (rest > 0, first["time_shift"] + np.maximum(rest - 1, 0)),
        (louder, first.get("velocity", 0) + np.append(loud, 0)),
        (np.ones(2 * n + 1), np.append(np.where(is_on, first["note_on"], first["note_off"]) + pitch, last)),
    ]
    counts = np.stack([c for c, _ in slots], axis=1).astype(np.int64)
    body = np.repeat(np.stack([t for _, t in slots], axis=1).ravel(), counts.ravel())
    return np.insert(body, 0, first["start"]).astype(np.int32)


def token_steps(tokens: Tokens, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the 10 ms step after each token, `int64[T]`."""
    shifts = vocabulary.kinds[tokens] == vocabulary.kind("time_shift")
    return np.cumsum(np.where(shifts, vocabulary.values[tokens].astype(np.int64) + 1, 0))


def decode(tokens: Tokens, vocabulary: Vocabulary) -> Score:
    """Return the score of checked tokens; notes still sounding at the end are ended there."""
    kinds, values = vocabulary.kinds[tokens], vocabulary.values[tokens].astype(np.int64)
    time = token_steps(tokens, vocabulary)
    end = int(time[-1]) if len(time) else 0
    ons, offs = (np.flatnonzero(kinds == vocabulary.kind(k)) for k in ("note_on", "note_off"))
    events = np.concatenate([ons, offs])
    events = events[np.lexsort((events, values[events]))]  # each pitch's events in order of time
    is_on = kinds[events] == vocabulary.kind("note_on")
    heads = np.flatnonzero(is_on)
    follower = np.minimum(heads + 1, len(events) - 1)
    closed = (heads + 1 < len(events)) & (values[events[follower]] == values[events[heads]])
    stop = np.where(closed, time[events[follower]], end) if len(heads) else heads
    head_tokens = events[heads]
    velocity = np.full(len(heads), DEFAULT_VELOCITY)
    if "velocity" in vocabulary.blocks:
        given = np.maximum.accumulate(np.where(kinds == vocabulary.kind("velocity"), np.arange(len(tokens)), -1))[
            head_tokens
        ]
        velocity = np.where(given >= 0, vocabulary.velocity_values[values[given]], DEFAULT_VELOCITY)
    duration = stop - time[head_tokens]
    sounding = duration > 0
    notes = columns(
        NOTE,
        onset=time[head_tokens][sounding],
        duration=duration[sounding],
        pitch=values[head_tokens][sounding],
        velocity=velocity[sounding],
        track=np.zeros(int(sounding.sum())),
    )
    return Score(notes=notes, tracks=(Track(),) if len(notes) else (), ticks_per_quarter=TICKS_PER_QUARTER, end=end)
