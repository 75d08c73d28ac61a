"""Select, cut, move, transpose and join scores.

These functions are the bodies of `Score`'s methods, where they are documented. They make new scores
with `dataclasses.replace`, so that this module stands below `Score`.
"""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import NO_CHORD, Table, Track
from musegen.score.general_midi import MAX_TICK, MAX_TICKS_PER_QUARTER
from musegen.score.timing import DEFAULT_METER, DEFAULT_TEMPO, barlines, in_force
from musegen.utils.arrays import Ints

if TYPE_CHECKING:
    from musegen.score.score import Score

__all__ = ["cut", "join", "select", "shift", "transpose"]

TIME_OF = {
    "notes": "onset",
    "pedals": "onset",
    "tempos": "tick",
    "meters": "tick",
    "keys": "tick",
    "chords": "tick",
}
"""Table of a score → its column with the tick where a row begins."""


def select(score: Score, tracks: list[int]) -> Score:
    """Return a score of the given tracks. See `Score.select`."""
    count = len(score.tracks)
    wanted = [operator.index(number) for number in tracks]
    # Negative indices count from the end, as in a list.
    indices = [number + count if number < 0 else number for number in wanted]
    if len(set(indices)) < len(indices) or not all(0 <= index < count for index in indices):
        valid = f"0 to {count - 1}, each at most once"
        if not count:
            valid = "none, as the score has no tracks"
        raise MidiError(
            f"the tracks to select must be numbers of tracks: {valid}. Received: {wanted}. "
            "Leave out the others; score.tracks shows what there is."
        )
    new_index = np.full(count, -1)
    new_index[indices] = np.arange(len(indices))
    changes = {}
    for name in ("notes", "pedals"):
        rows = getattr(score, name)
        rows = rows[new_index[rows["track"]] >= 0]
        rows["track"] = new_index[rows["track"]]
        changes[name] = rows
    return replace(score, tracks=tuple(score.tracks[index] for index in indices), **changes)


def shift(score: Score, ticks: int) -> Score:
    """Return the score moved by `ticks`. See `Score.shift`."""
    moved: dict[str, Any] = {}
    for name, time in TIME_OF.items():
        rows = getattr(score, name).copy()
        if time == "onset":
            rows[time] += ticks
        elif len(rows):
            starts_at_0 = rows[time][0] == 0 and name != "chords"
            rows[time] = np.maximum(rows[time] + ticks, 0)
            if starts_at_0:
                rows[time][0] = 0
        moved[name] = rows
    return replace(score, end=max(score.end + ticks, 0), **moved)


def cut(score: Score, bars: slice) -> Score:
    """Return a range of bars. See `Score.__getitem__`."""
    if not isinstance(bars, slice) or bars.step not in (None, 1):
        raise MidiError(f"a score is cut by bars, as in score[8:16]. Received: {bars!r}.")
    lines = score.barlines()
    start, stop, _ = bars.indices(len(lines) - 1)
    first, last = int(lines[start]), int(lines[max(stop, start)])
    changes = {}
    # The tempo, meter, key and chord in force at the first barline, and changes after it.
    for name in ("tempos", "meters", "keys", "chords"):
        rows = getattr(score, name)
        governing = np.flatnonzero(rows["tick"] <= first)[-1:]
        within = np.flatnonzero((rows["tick"] > first) & (rows["tick"] < last))
        rows = rows[np.concatenate([governing, within])]
        rows["tick"] = np.maximum(rows["tick"] - first, 0)
        changes[name] = rows
    # The notes that begin in the bars, and the pedals that sound in them.
    notes = score.notes[(score.notes["onset"] >= first) & (score.notes["onset"] < last)]
    changes["notes"] = _clipped(notes, first, last)
    changes["pedals"] = _clipped(score.pedals, first, last)
    return replace(score, end=last - first, **changes)


def _clipped(rows: Table, first: int, last: int) -> Table:
    """Return the parts of notes or pedals between two ticks, in ticks from the first."""
    begin = rows["onset"].astype(np.int64)  # the end of a pedal may exceed 32 bits
    end = np.minimum(begin + rows["duration"], last)
    begin = np.maximum(begin, first)
    inside = end > begin
    out = rows[inside]
    out["onset"] = (begin - first)[inside]
    out["duration"] = (end - begin)[inside]
    return out


def transpose(score: Score, semitones: int) -> Score:
    """Return the score moved by `semitones`. See `Score.transpose`."""
    semitones = operator.index(semitones)
    notes, keys, chords = score.notes.copy(), score.keys.copy(), score.chords.copy()
    melodic = ~np.array([track.is_drum for track in score.tracks], bool)[notes["track"]]
    pitches = notes["pitch"][melodic].astype(np.int64)
    lowest, highest = -int(pitches.min(initial=127)), 127 - int(pitches.max(initial=0))
    if not lowest <= semitones <= highest:
        raise MidiError(
            f"every pitch must be 0 to 127: this score can be transposed by {lowest} to "
            f"{highest:+d} semitones. Received: {semitones}. Transpose by less, or only some "
            "tracks: score.select([0])."
        )
    notes["pitch"][melodic] = pitches + semitones
    if semitones % 12:
        # A semitone is 7 fifths; the result is between -5 (D♭) and 6 (F♯).
        keys["fifths"] = (keys["fifths"].astype(np.int64) + 7 * semitones + 5) % 12 - 5
    for name in ("root", "bass"):
        chords[name] = np.where(chords[name] < 0, -1, (chords[name] + semitones % 12) % 12)
    mask = chords["pitch_classes"].astype(np.int64) << semitones % 12
    chords["pitch_classes"] = mask & 0xFFF | mask >> 12
    return replace(score, notes=notes, keys=keys, chords=chords)


def join(first: Score, second: Score) -> Score:
    """Return `second` appended to `first` at its end. See `Score.__add__`."""
    # One grid for both.
    resolution = math.lcm(first.ticks_per_quarter, second.ticks_per_quarter)
    if resolution > MAX_TICKS_PER_QUARTER:
        raise MidiError(
            "scores are joined on a grid that holds both, of at most "
            f"{MAX_TICKS_PER_QUARTER} ticks per quarter. Received: {first.ticks_per_quarter} and "
            f"{second.ticks_per_quarter}, which need {resolution}. "
            "Bring both to one grid first: encoder.quantise(score)."
        )
    first, second = _at_resolution(first, resolution), _at_resolution(second, resolution)
    seam = first.end
    _check_reach(seam + _last_tick(second))

    # Notes, pedals and keys: what begins before the seam, then the second's.
    tracks, places = _joined_tracks(first.tracks, second.tracks)
    joined: dict[str, Any] = {}
    for name in ("notes", "pedals", "keys"):
        time = TIME_OF[name]
        before, after = getattr(first, name), getattr(second, name).copy()
        before = before[before[time] < seam]  # a copy
        if name == "pedals":
            before["duration"] = np.minimum(before["duration"], seam - before[time])
        after[time] += seam
        if time == "onset":
            after["track"] = places[after["track"]]
        joined[name] = np.concatenate([before, after])

    # Tempos, chord symbols and meters. If the seam is not on a barline of the first, the second's
    # meter is stated there even if it is the same, to begin a bar.
    cut_short = seam not in barlines(first.meters[first.meters["tick"] < seam], resolution, seam)
    joined["tempos"] = _restated(first.tempos, second.tempos, seam, (DEFAULT_TEMPO,), False)
    joined["chords"] = _restated(first.chords, second.chords, seam, NO_CHORD, False)
    joined["meters"] = _restated(first.meters, second.meters, seam, DEFAULT_METER, cut_short)
    return replace(first, tracks=tracks, end=seam + second.end, **joined)


def _at_resolution(score: Score, ticks_per_quarter: int) -> Score:
    """Return the score on a finer grid, of a multiple of its ticks per quarter."""
    factor = ticks_per_quarter // score.ticks_per_quarter
    if factor == 1:
        return score
    _check_reach(_last_tick(score) * factor)
    finer: dict[str, Any] = {name: getattr(score, name).copy() for name in TIME_OF}
    for name, time in TIME_OF.items():
        finer[name][time] *= factor
        if time == "onset":
            finer[name]["duration"] *= factor
    return replace(score, ticks_per_quarter=ticks_per_quarter, end=score.end * factor, **finer)


def _last_tick(score: Score) -> int:
    """Return the largest tick in any table, events after the end included."""
    pedals = score.pedals
    last = [score.end, int((pedals["onset"].astype(np.int64) + pedals["duration"]).max(initial=0))]
    last += [int(getattr(score, name)[time].max(initial=0)) for name, time in TIME_OF.items()]
    return max(last)


def _check_reach(tick: int) -> None:
    if tick > MAX_TICK:
        raise MidiError(
            f"the music must end before tick {MAX_TICK + 1}. Received: tick {tick}, with both "
            "scores on one grid. Cut one, or bring both to a coarser grid: "
            "encoder.quantise(score)."
        )


def _joined_tracks(
    first: tuple[Track, ...], second: tuple[Track, ...]
) -> tuple[tuple[Track, ...], Ints]:
    """Return the tracks of the sum, and the index of each track of `second` in them, `int64[N]`.

    A track of `second` continues the first equal track that no other one continues.
    """
    tracks = list(first)
    free = list(range(len(first)))
    places = []
    for track in second:
        place = next((index for index in free if tracks[index] == track), None)
        if place is None:
            place = len(tracks)
            tracks.append(replace(track, channel=-1, chunk=-1))  # `first` may use the channel
        else:
            free.remove(place)
        places.append(place)
    return tuple(tracks), np.array(places, np.int64)


def _restated(
    first: Table, second: Table, seam: int, default: tuple[int, ...], always: bool
) -> Table:
    """Return the rows of both, and one at the seam if the tempo, meter or chord changes there.

    Args:
        first: `TEMPO[...]`, `METER[...]` or `CHORD[...]`.
        second: The same, from its own tick 0.
        seam: Tick where `second` begins.
        default: Row in force before the first row of either, without its tick.
        always: State it even if it does not change.
    """
    before, after = first[first["tick"] < seam], second.copy()
    initial = in_force(second, default)[:1].copy()
    is_stated = len(second) > 0 and second["tick"][0] == 0
    in_force_before = in_force(before, default)[-1].tolist()[1:] if seam else default
    if not is_stated and (always or initial[0].tolist()[1:] != in_force_before):
        after = np.concatenate([initial, after])
    after["tick"] += seam
    return np.concatenate([before, after])
