"""The metric encoding: bars, positions in them, and notes with durations, on a grid.

Every function works on whole arrays: a row per token, or a row per note.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.errors import EncodingError
from musegen.score import METER, NOTE, TEMPO, Score, Table, Track, columns, table
from musegen.vocabulary import MAX_BAR_QUARTERS, METERS, Tokens, Vocabulary

__all__ = ["decode", "encode", "quantise"]

DEFAULT_VELOCITY = 80  # for encodings that leave loudness out


def quantise(score: Score, vocabulary: Vocabulary) -> Score:
    """Return what the encoding keeps of `score`, in steps (`ticks_per_quarter` = steps per quarter)."""
    config = vocabulary.config
    if score.end * config.steps_per_quarter >= score.ticks_per_quarter * 2**31:
        raise EncodingError(
            f"the music must be shorter than 2147483648 steps. Received: {score.end} ticks at "
            f"{score.ticks_per_quarter} per quarter. Remove the stray event far behind the music."
        )
    notes = _quantised_notes(score, vocabulary)
    meters, end = _quantised_bars(score, vocabulary, int((notes["onset"] + notes["duration"]).max(initial=0)))
    tempos = score.tempos[:0]
    if config.tempos:
        tempos = _quantised_tempos(score, vocabulary)
        tempos = tempos[tempos["tick"] < end]
    return Score(
        notes=notes,
        tracks=_quantised_tracks(score, notes, config.programs),
        ticks_per_quarter=config.steps_per_quarter,
        tempos=tempos,
        meters=meters,
        end=end,
    )


def to_steps(ticks: NDArray[Any], ticks_per_quarter: int, steps_per_quarter: int) -> NDArray[np.int64]:
    """Return the nearest grid step of each tick, `int64`; halves round up."""
    out: NDArray[np.int64] = (2 * ticks.astype(np.int64) * steps_per_quarter + ticks_per_quarter) // (
        2 * ticks_per_quarter
    )
    return out


def without_overlaps(notes: Table, voices: NDArray[np.int64] | None = None) -> Table:
    """Return the notes such that no pitch of a voice sounds twice at once.

    Of two that begin together the longer stays; an earlier one is cut where a later begins.

    Args:
        notes: `NOTE[N]`.
        voices: `int64[N]`: notes of one number share a voice; by default a track is a voice.
    """
    voices = notes["track"].astype(np.int64) if voices is None else voices
    key = voices * 128 + notes["pitch"]
    order = np.lexsort((-notes["duration"], notes["onset"], key))
    notes, key = notes[order], key[order]
    first = np.append(True, (np.diff(key) != 0) | (np.diff(notes["onset"]) != 0))[: len(notes)]
    notes, key = notes[first], key[first]
    room = np.where(np.diff(key) == 0, np.diff(notes["onset"]), np.iinfo(np.int32).max)
    notes["duration"][:-1] = np.minimum(notes["duration"][:-1], room)
    return notes


def _quantised_notes(score: Score, vocabulary: Vocabulary) -> Table:
    config = vocabulary.config
    notes = score.notes
    drums = np.array([t.is_drum for t in score.tracks], bool)
    if not config.drums and len(notes):
        notes = notes[~drums[notes["track"]]]
    used = np.unique(notes["track"])
    if used.size and used[-1] >= config.parts:
        raise EncodingError(
            f"the encoding has {config.parts} part(s), the highest used track must be below that. "
            f"Received: notes on {used.size} track(s), the last with index {used[-1]}. "
            "Pick tracks with score.select([...]), or use an EncoderConfig with more parts."
        )
    out = notes.copy()
    onset = to_steps(notes["onset"], score.ticks_per_quarter, config.steps_per_quarter)
    offset = to_steps(
        notes["onset"].astype(np.int64) + notes["duration"], score.ticks_per_quarter, config.steps_per_quarter
    )
    out["onset"] = onset
    out["duration"] = np.maximum(offset - onset, 1)
    if config.velocities:
        out["velocity"] = vocabulary.velocity_values[vocabulary.velocity_bins(notes["velocity"])]
    else:
        out["velocity"] = DEFAULT_VELOCITY
    return without_overlaps(out)


def _quantised_tracks(score: Score, notes: Table, programs: bool) -> tuple[Track, ...]:
    """Return bare tracks up to the last that has notes: unused ones and drums have program 0."""
    used = set(np.unique(notes["track"]).tolist())
    return tuple(
        Track(program=t.program if programs and i in used and not t.is_drum else 0, is_drum=t.is_drum and i in used)
        for i, t in enumerate(score.tracks[: max(used, default=-1) + 1])
    )


def _quantised_tempos(score: Score, vocabulary: Vocabulary) -> Table:
    values = vocabulary.tempo_values
    nearest = np.abs(np.log(score.tempos["microseconds"][:, None] / values)).argmin(1)
    steps = to_steps(score.tempos["tick"], score.ticks_per_quarter, vocabulary.config.steps_per_quarter)
    last_of_step = np.append(np.diff(steps) > 0, True)[: len(steps)]
    steps, nearest = steps[last_of_step], nearest[last_of_step]
    new = np.append(True, np.diff(nearest) != 0)[: len(steps)]
    return columns(TEMPO, tick=steps[new], microseconds=values[nearest[new]])


def _quantised_bars(score: Score, vocabulary: Vocabulary, last_off: int) -> tuple[Table, int]:
    """Return meters from the vocabulary, each at a barline of the one before, and the final barline.

    A bar that a meter change cuts short becomes a bar of its own meter, in whole sixteenths.
    """
    spq = vocabulary.config.steps_per_quarter
    meters = score.with_default_meter()
    ticks = to_steps(meters["tick"], score.ticks_per_quarter, spq)
    end = max(last_off, int(to_steps(np.asarray([score.end]), score.ticks_per_quarter, spq)[0]))
    rows: list[tuple[int, int]] = []  # step, index into METERS
    now = 0
    for index, row in enumerate(meters.tolist()):
        if now >= end:
            break
        meter = supported_meter(int(row[1]), int(row[2]))
        length = int(vocabulary.meter_steps[meter])
        stop = int(ticks[index + 1]) if index + 1 < len(ticks) else end
        stop = min(max(stop, now), end)
        whole, rest = divmod(stop - now, length)
        if stop == end and rest:
            whole, rest = whole + 1, 0
        if whole:
            rows.append((now, meter))
            now += whole * length
        if rest:
            sixteenths = -(-rest * 4 // spq)
            rows.append((now, supported_meter(sixteenths, 16)))
            now += sixteenths * spq // 4
    kept = [r for i, r in enumerate(rows) if i == 0 or rows[i - 1][1] != r[1]]
    return table(METER, [(step, *METERS[meter]) for step, meter in kept]), now


def supported_meter(numerator: int, denominator: int) -> int:
    """Return the index in `METERS` of the meter, or of the nearest that the table has.

    A bar too long becomes several equal bars (6/2 two of 3/2, 35/16 five of 7/16); a bar of
    fractional sixteenths is rounded up to whole ones.
    """
    while denominator > 16:
        numerator, denominator = -(-numerator // 2), denominator // 2
    parts = next(
        k
        for k in range(1, numerator + 1)
        if numerator % k == 0 and numerator // k * 4 <= MAX_BAR_QUARTERS * denominator
    )
    return _METER_INDEX[numerator // parts, denominator]


_METER_INDEX = {meter: index for index, meter in enumerate(METERS)}


def encode(score: Score, vocabulary: Vocabulary) -> Tokens:
    """Return the tokens of a quantised score, `int32[T]`, from `start` to `end`."""
    lines = score.barlines() if score.end else np.zeros(1, np.int64)
    starts = lines[:-1]
    meters = score.meters if score.end else score.meters[:0]
    sung = np.unique(np.concatenate([score.notes["onset"], score.tempos["tick"]]))
    sung_bar = np.searchsorted(starts, sung, side="right") - 1
    nearest_tempo = np.searchsorted(-vocabulary.tempo_values, -score.tempos["microseconds"])
    note_steps, note_tokens = _encode_notes(score, vocabulary)
    meter_index = [_METER_INDEX[n, d] for _, n, d in meters.tolist()]
    # Rows of every kind, in the order that they take within one step: a stable sort does the rest.
    steps = [starts, meters["tick"], sung, score.tempos["tick"], note_steps]
    tokens = [
        np.full(len(starts), vocabulary.first["bar"]),
        vocabulary.first["time_signature"] + np.asarray(meter_index, np.int64),
        vocabulary.first["position"] + sung - starts[sung_bar],
        vocabulary.first.get("tempo", 0) + nearest_tempo,
        note_tokens,
    ]
    order = np.argsort(np.concatenate(steps), kind="stable")
    body = np.concatenate(tokens)[order]
    edges = vocabulary.first["start"], vocabulary.first["end"]
    return np.concatenate([edges[:1], body, edges[1:]]).astype(np.int32)


def _encode_notes(score: Score, vocabulary: Vocabulary) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the steps and tokens of `[part] [program] pitch [velocity] hold* duration` of all notes."""
    notes, first, has = score.notes, vocabulary.first, vocabulary.blocks
    n = len(notes)
    track, pitch = notes["track"].astype(np.int64), notes["pitch"].astype(np.int64)
    drum = np.array([t.is_drum for t in score.tracks], bool)[track] if n else np.zeros(0, bool)
    program = np.array([t.program for t in score.tracks], np.int64)[track] if n else track
    holds, rest = np.divmod(notes["duration"].astype(np.int64) - 1, has["duration"])
    is_first = np.zeros(n, bool)
    is_first[np.unique(track, return_index=True)[1]] = True
    part_changes = np.diff(track, prepend=-1) != 0
    loud = vocabulary.velocity_bins(notes["velocity"])
    slots = [  # (how many of it in each note, which token)
        (part_changes if "part" in has else np.zeros(n), first.get("part", 0) + track),
        (is_first & ~drum if "program" in has else np.zeros(n), first.get("program", 0) + program),
        (np.ones(n), np.where(drum, first.get("drum", 0), first["pitch"]) + pitch),
        (np.full(n, "velocity" in has), first.get("velocity", 0) + loud),
        (holds, np.full(n, first["hold"])),
        (np.ones(n), first["duration"] + rest),
    ]
    counts = np.stack([c for c, _ in slots], axis=1).astype(np.int64)
    tokens = np.stack([t for _, t in slots], axis=1)
    steps = np.repeat(notes["onset"].astype(np.int64), counts.sum(1))
    return steps, np.repeat(tokens.ravel(), counts.ravel())


def token_steps(tokens: Tokens, vocabulary: Vocabulary) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the step at which each token stands, `int64[T]`, and the barlines, `int64[bars + 1]`."""
    kinds, values = vocabulary.kinds[tokens], vocabulary.values[tokens].astype(np.int64)
    is_bar = kinds == vocabulary.kind("bar")
    bar = np.cumsum(is_bar) - 1
    meter_at = np.flatnonzero(kinds == vocabulary.kind("time_signature"))
    lengths = np.full(int(is_bar.sum()), -1, np.int64)
    lengths[bar[meter_at]] = vocabulary.meter_steps[values[meter_at]]
    common_time = 4 * vocabulary.config.steps_per_quarter  # until a prefix has said its meter
    lengths = _carry(lengths, lengths >= 0, common_time)
    lines = np.concatenate([[0], np.cumsum(lengths)])
    within = _carry(np.where(is_bar, 0, values), is_bar | (kinds == vocabulary.kind("position")), 0)
    return np.where(bar >= 0, lines[np.maximum(bar, 0)] + within, 0), lines


def decode(tokens: Tokens, vocabulary: Vocabulary) -> Score:
    """Return the score of checked tokens; a note whose duration is missing at the end is left out."""
    kinds, values = vocabulary.kinds[tokens], vocabulary.values[tokens].astype(np.int64)
    steps, lines = token_steps(tokens, vocabulary)
    part = _carry(values, kinds == vocabulary.kind("part"), 0)
    ends = np.flatnonzero(kinds == vocabulary.kind("duration"))
    heads = np.flatnonzero(vocabulary.notes[tokens])[: len(ends)]
    ends = ends[: len(heads)]
    holds = np.cumsum(kinds == vocabulary.kind("hold"))
    velocity: Any = DEFAULT_VELOCITY
    if "velocity" in vocabulary.blocks and len(heads):
        velocity = vocabulary.velocity_values[values[heads + 1]]
    notes = columns(
        NOTE,
        onset=steps[heads],
        duration=values[ends] + 1 + (holds[ends] - holds[heads]) * vocabulary.blocks["duration"],
        pitch=values[heads],
        velocity=velocity,
        track=part[heads],
    )
    tempo_at = np.flatnonzero(kinds == vocabulary.kind("tempo"))
    meter_at = np.flatnonzero(kinds == vocabulary.kind("time_signature"))
    tempos = table(TEMPO)
    if len(tempo_at):
        tempos = columns(TEMPO, tick=steps[tempo_at], microseconds=vocabulary.tempo_values[values[tempo_at]])
    return Score(
        notes=notes,
        tracks=_decoded_tracks(kinds, values, part, heads, vocabulary),
        ticks_per_quarter=vocabulary.config.steps_per_quarter,
        tempos=tempos,
        meters=table(METER, [(steps[i], *METERS[values[i]]) for i in meter_at]),
        end=int(lines[-1]),
    )


def _decoded_tracks(
    kinds: NDArray[Any], values: NDArray[Any], part: NDArray[Any], heads: NDArray[Any], vocabulary: Vocabulary
) -> tuple[Track, ...]:
    used = part[heads]
    drum = np.zeros(int(used.max(initial=-1)) + 1, bool)
    drum[used[kinds[heads] == vocabulary.kind("drum")]] = True
    program = np.zeros(len(drum), np.int64)
    for at in np.flatnonzero(kinds == vocabulary.kind("program")):
        if part[at] < len(program):
            program[part[at]] = values[at]
    sung = np.isin(np.arange(len(drum)), used)
    return tuple(
        Track(program=int(p) if s else 0, is_drum=bool(d)) for p, d, s in zip(program, drum, sung, strict=True)
    )


def _carry(values: NDArray[Any], given: NDArray[np.bool_], default: int) -> NDArray[Any]:
    """Return each value, or where none is given the last that was, or `default` before any."""
    at = np.maximum.accumulate(np.where(given, np.arange(len(values)), -1))
    return np.where(at >= 0, values[np.maximum(at, 0)], default)
