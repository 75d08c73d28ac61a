"""Cutting, moving, transposing and joining scores.

These are the bodies of the methods of `musegen.score.Score`, where their names and errors are
documented. They stand below it: a new score is made with `dataclasses.replace` from one at hand.
"""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import Table, Track
from musegen.score.timing import DEFAULT_METER, DEFAULT_TEMPO, barlines, in_force

if TYPE_CHECKING:
    from musegen.score.score import Score

__all__ = ["cut", "join", "select", "shift", "transpose"]

COLUMN_OF_TIME = {
    "notes": "onset",
    "pedals": "onset",
    "tempos": "tick",
    "meters": "tick",
    "keys": "tick",
}
MAX_TICKS_PER_QUARTER = (
    32767  # the two bytes of a MIDI file's header, its highest bit kept for SMPTE
)
MAX_TICK = 2**31 - 1


def select(score: Score, tracks: list[int]) -> Score:
    """Return a score of these tracks alone, in this order, with the same time."""
    count = len(score.tracks)
    wanted = [operator.index(number) for number in tracks]
    tracks = [
        number + count if number < 0 else number for number in wanted
    ]  # from the end, as in a list
    if len(set(tracks)) < len(tracks) or not all(0 <= number < count for number in tracks):
        valid = (
            f"0 to {count - 1}, each at most once" if count else "none, as the score has no tracks"
        )
        raise MidiError(
            f"the tracks to select must be numbers of tracks: {valid}. Received: {wanted}. "
            "Leave out the others; score.tracks shows what there is."
        )
    new_index = np.full(len(score.tracks), -1)
    new_index[tracks] = np.arange(len(tracks))
    kept = {}
    for name in ("notes", "pedals"):
        rows = getattr(score, name)[new_index[getattr(score, name)["track"]] >= 0].copy()
        rows["track"] = new_index[rows["track"]]
        kept[name] = rows
    return replace(score, tracks=tuple(score.tracks[i] for i in tracks), **kept)


def shift(score: Score, ticks: int) -> Score:
    """Return the score with everything moved by `ticks`; what governs tick 0 stays there."""
    moved: dict[str, Any] = {}
    for name, key in COLUMN_OF_TIME.items():
        rows = getattr(score, name).copy()
        rows[key] = np.maximum(rows[key] + ticks, 0) if key == "tick" else rows[key] + ticks
        if key == "tick" and len(rows) and getattr(score, name)[key][0] == 0:
            rows[key][0] = 0
        moved[name] = rows
    return replace(score, end=max(score.end + ticks, 0), **moved)


def cut(score: Score, bars: slice) -> Score:
    """Return bars `start` to `stop`, counted from 0, as a score that begins at tick 0."""
    if not isinstance(bars, slice) or bars.step not in (None, 1):
        raise MidiError(f"a score is cut by bars, as in score[8:16]. Received: {bars!r}.")
    lines = score.barlines()
    start, stop, _ = bars.indices(len(lines) - 1)
    first, last = int(lines[start]), int(lines[max(stop, start)])
    changes = {}
    for name in ("tempos", "meters", "keys"):
        rows = getattr(score, name)
        governing = np.flatnonzero(rows["tick"] <= first)[-1:]
        within = np.flatnonzero((rows["tick"] > first) & (rows["tick"] < last))
        rows = rows[np.concatenate([governing, within])]
        rows["tick"] = np.maximum(rows["tick"] - first, 0)
        changes[name] = rows
    notes = score.notes[(score.notes["onset"] >= first) & (score.notes["onset"] < last)]
    changes["notes"] = _within(notes, first, last)
    changes["pedals"] = _within(score.pedals, first, last)
    return replace(score, end=last - first, **changes)


def _within(rows: Table, first: int, last: int) -> Table:
    """Return the part of what lasts (notes or pedals) between two ticks, counted from the first.

    Nothing reaches over the end: what is put behind begins at the barline.
    """
    begin = rows["onset"].astype(np.int64)  # a pedal may be held beyond what an int32 counts
    stop = np.minimum(begin + rows["duration"], last)
    begin = np.maximum(begin, first)
    inside = stop > begin
    out: Table = rows[inside]
    out["onset"], out["duration"] = (begin - first)[inside], (stop - begin)[inside]
    return out


def transpose(score: Score, semitones: int) -> Score:
    """Return the score with its melodic tracks, and the keys, moved by `semitones`."""
    semitones = operator.index(semitones)
    notes, keys = score.notes.copy(), score.keys.copy()
    melodic = ~np.array([track.is_drum for track in score.tracks], bool)[notes["track"]]
    pitches = notes["pitch"][melodic].astype(np.int64)
    lowest, highest = -int(pitches.min(initial=127)), 127 - int(pitches.max(initial=0))
    if not lowest <= semitones <= highest:
        raise MidiError(
            f"every pitch must be 0 to 127: this score can be transposed by {lowest} to {highest:+d} semitones. "
            f"Received: {semitones}. Transpose by less, or only some tracks: score.select([0])."
        )
    notes["pitch"][melodic] = pitches + semitones
    if semitones % 12:
        keys["fifths"] = (
            keys["fifths"].astype(np.int64) + 7 * semitones + 5
        ) % 12 - 5  # -5 (Db) to 6 (F#)
    return replace(score, notes=notes, keys=keys)


def join(first: Score, second: Score) -> Score:
    """Return `second` appended to `first` at its end.

    Where the second's tempo or meter is not the one in force at the seam, or the seam is inside a
    bar, they are said anew there. A pedal still down at the seam is released. Ticks per quarter
    become the least common multiple of the two. Where the first ends on a barline, cutting the sum
    there gives back the notes and pedals of both (those up to `end`), their tempos and their
    meters: each half with the tracks of both, in the sum's ticks per quarter, ending on a barline,
    and saying at tick 0 what was taken for granted. Only a key is inherited: if the second begins
    without one, the first's last goes on.

    Raises:
        MidiError: The common ticks per quarter do not fit a MIDI file, or the sum is too long.
    """
    resolution = math.lcm(first.ticks_per_quarter, second.ticks_per_quarter)
    if resolution > MAX_TICKS_PER_QUARTER:
        raise MidiError(
            f"scores are joined on a grid that holds both, of at most {MAX_TICKS_PER_QUARTER} ticks per quarter. "
            f"Received: {first.ticks_per_quarter} and {second.ticks_per_quarter}, which need {resolution}. "
            "Bring both to one grid first: encoder.quantise(score)."
        )
    first, second = _at_resolution(first, resolution), _at_resolution(second, resolution)
    seam = first.end
    _check_reach(seam + _last_tick(second))
    tracks, places = _joined_tracks(first.tracks, second.tracks)
    joined: dict[str, Any] = {}
    for name in ("notes", "pedals", "keys"):
        key = COLUMN_OF_TIME[name]
        before, after = getattr(first, name), getattr(second, name).copy()
        before = before[before[key] < seam]  # a copy; what is left out governs nothing in `first`
        if name == "pedals":
            before["duration"] = np.minimum(
                before["duration"], seam - before[key]
            )  # not into the other's music
        after[key] += seam
        if key == "onset":
            after["track"] = places[after["track"]]
        joined[name] = np.concatenate([before, after])
    # By what governs the last bar: a meter at the seam or behind it, which is left out, draws
    # barlines too.
    cut_short = seam not in barlines(first.meters[first.meters["tick"] < seam], resolution, seam)
    joined["tempos"] = _restated(first.tempos, second.tempos, seam, (DEFAULT_TEMPO,), False)
    joined["meters"] = _restated(first.meters, second.meters, seam, DEFAULT_METER, cut_short)
    return replace(first, tracks=tracks, end=seam + second.end, **joined)


def _at_resolution(score: Score, ticks_per_quarter: int) -> Score:
    """Return the score with its ticks multiplied to a finer grid."""
    factor = ticks_per_quarter // score.ticks_per_quarter
    if factor == 1:
        return score
    _check_reach(_last_tick(score) * factor)
    finer: dict[str, Any] = {name: getattr(score, name).copy() for name in COLUMN_OF_TIME}
    for name, key in COLUMN_OF_TIME.items():
        finer[name][key] *= factor
        if key == "onset":
            finer[name]["duration"] *= factor
    return replace(score, ticks_per_quarter=ticks_per_quarter, end=score.end * factor, **finer)


def _last_tick(score: Score) -> int:
    """Return the largest tick in any column, events behind the end included."""
    reach = [
        score.end,
        int((score.pedals["onset"].astype(np.int64) + score.pedals["duration"]).max(initial=0)),
    ]
    return max(
        *reach,
        *(int(getattr(score, name)[key].max(initial=0)) for name, key in COLUMN_OF_TIME.items()),
    )


def _check_reach(tick: int) -> None:
    if tick >= MAX_TICK:
        raise MidiError(
            f"the music must end before tick {MAX_TICK}. Received: tick {tick}, with both scores on one grid. "
            "Cut one, or bring both to a coarser grid: encoder.quantise(score)."
        )


def _joined_tracks(
    first: tuple[Track, ...], second: tuple[Track, ...]
) -> tuple[tuple[Track, ...], Any]:
    """Return the tracks of both, and for each of `second` its index in them, `int64[...]`.

    A track goes on in the first track equal to it that nothing has gone on in yet.
    """
    tracks, free, places = list(first), list(range(len(first))), []
    for track in second:
        place = next((i for i in free if tracks[i] == track), None)
        if place is None:
            place = len(tracks)
            tracks.append(
                replace(track, channel=-1, chunk=-1)
            )  # the channel may be another's in `first`
        else:
            free.remove(place)
        places.append(place)
    return tuple(tracks), np.array(places, np.int64)


def _restated(
    first: Table, second: Table, seam: int, default: tuple[int, ...], always: bool
) -> Table:
    """Return the rows of both, with what governs the beginning of `second` said at the seam if it is news.

    Args:
        first: `TEMPO[...]` or `METER[...]`.
        second: The same, from its own tick 0.
        seam: Tick where `second` begins.
        default: What governs before the first row of either.
        always: Say it even if it is not news: a meter begins a bar.
    """
    before, after = first[first["tick"] < seam], second.copy()
    opening = in_force(second, default)[:1].copy()
    said = len(second) > 0 and second["tick"][0] == 0
    old = in_force(before, default)[-1].tolist()[1:] if seam else default
    if not said and (always or opening[0].tolist()[1:] != old):
        after = np.concatenate([opening, after])
    after["tick"] += seam
    return np.concatenate([before, after])
