"""Notes in memory, as columns.

A `Score` holds everything in a few NumPy structured arrays, in integer ticks, so that encoding,
slicing and measuring are array operations and never loops over note objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musegen.errors import MidiError

if TYPE_CHECKING:
    import pretty_midi

__all__ = ["KEY", "METER", "NOTE", "PEDAL", "TEMPO", "Score", "Track"]

Table: TypeAlias = NDArray[np.void]
"""A one-dimensional NumPy structured array."""

NOTE = np.dtype([("onset", "<i4"), ("duration", "<i4"), ("pitch", "u1"), ("velocity", "u1"), ("track", "<u2")])
TEMPO = np.dtype([("tick", "<i4"), ("microseconds", "<i4")])
METER = np.dtype([("tick", "<i4"), ("numerator", "<u2"), ("denominator", "<u2")])
KEY = np.dtype([("tick", "<i4"), ("fifths", "i1"), ("minor", "?")])
PEDAL = np.dtype([("onset", "<i4"), ("duration", "<i4"), ("track", "<u2")])

DEFAULT_TEMPO = 500_000  # microseconds per quarter: the MIDI file standard's default, 120 bpm
MAX_BARS = 1_000_000  # a meter of 1/64 under a stray event hours away must not fill memory


@dataclass(frozen=True)
class Track:
    """One instrument's line: a name, a General MIDI program, or drums.

    `channel` (0 to 15) and `chunk` (index of the MIDI file's track chunk) say where the notes came
    from in a file; they are -1 where that is not known and do not take part in comparisons.
    """

    name: str = ""
    program: int = 0
    is_drum: bool = False
    channel: int = field(default=-1, compare=False)
    chunk: int = field(default=-1, compare=False)


def table(dtype: np.dtype[np.void], rows: Any = ()) -> Table:
    """Return `rows` (tuples, or columns already in `dtype`) as a structured array of `dtype`."""
    return np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), dtype=dtype)


def columns(dtype: np.dtype[np.void], **fields: Any) -> Table:
    """Return a structured array of `dtype` built from one array or scalar per field."""
    length = max((len(v) for v in fields.values() if np.ndim(v)), default=1)
    out = np.zeros(length, dtype)
    for name, values in fields.items():
        out[name] = values
    return out


@dataclass(frozen=True, eq=False)
class Score:
    """Music in memory: notes and the time they live in. Immutable; sorted; validated.

    Attributes:
        notes: `NOTE[N]`, sorted by onset, track, pitch, duration. `onset` and `duration` in ticks
            (duration > 0), `pitch` 0–127, `velocity` 1–127, `track` an index into `tracks`.
        tracks: The instruments, in file order.
        ticks_per_quarter: Ticks in a quarter note, > 0.
        tempos: `TEMPO[...]`: microseconds per quarter from `tick` on. Empty means 120 bpm.
        meters: `METER[...]`: time signatures. Empty means 4/4. One inside a bar cuts that bar short.
        keys: `KEY[...]`: key signatures; `fifths` −7 (flats) to 7 (sharps).
        pedals: `PEDAL[...]`: sustain pedal held down, per track.
        end: The tick where the music ends, rests included; never before the last note's end.

    Raises:
        MidiError: A column is out of range.
    """

    notes: Table = field(default_factory=lambda: table(NOTE))
    tracks: tuple[Track, ...] = ()
    ticks_per_quarter: int = 480
    tempos: Table = field(default_factory=lambda: table(TEMPO))
    meters: Table = field(default_factory=lambda: table(METER))
    keys: Table = field(default_factory=lambda: table(KEY))
    pedals: Table = field(default_factory=lambda: table(PEDAL))
    end: int = 0

    def __post_init__(self) -> None:
        """Bring the columns into canonical order and check them."""
        put = object.__setattr__
        notes = table(NOTE, self.notes)
        order = np.lexsort((notes["duration"], notes["pitch"], notes["track"], notes["onset"]))
        put(self, "notes", notes[order])
        for name, dtype in (("tempos", TEMPO), ("meters", METER), ("keys", KEY)):
            rows = table(dtype, getattr(self, name))
            put(self, name, rows[np.argsort(rows["tick"], kind="stable")])
        put(self, "pedals", table(PEDAL, self.pedals))
        put(self, "tracks", tuple(self.tracks))
        last = int((notes["onset"].astype(np.int64) + notes["duration"]).max(initial=0))
        put(self, "end", max(int(self.end), last))
        self._check()

    def _check(self) -> None:
        notes = self.notes
        problems = {
            "ticks_per_quarter must be > 0": self.ticks_per_quarter <= 0,
            "every onset must be >= 0": bool((notes["onset"] < 0).any()),
            "every duration must be > 0": bool((notes["duration"] <= 0).any()),
            "every pitch must be 0 to 127": bool((notes["pitch"] > 127).any()),
            "every velocity must be 1 to 127": bool(((notes["velocity"] < 1) | (notes["velocity"] > 127)).any()),
            "every note's track must be in tracks": bool((notes["track"] >= len(self.tracks)).any()),
            "every meter must have a numerator >= 1 and a denominator that is a power of two": bool(
                ((self.meters["numerator"] < 1) | (np.bitwise_count(self.meters["denominator"]) != 1)).any()
            ),
            "every tempo must be 1 to 16777215 microseconds per quarter": bool(
                ((self.tempos["microseconds"] <= 0) | (self.tempos["microseconds"] >= 2**24)).any()
            ),
            "every key must have -7 to 7 fifths": bool((np.abs(self.keys["fifths"]) > 7).any()),
            "the music must end before tick 2147483647": self.end >= 2**31 - 1,
        }
        for expected, broken in problems.items():
            if broken:
                raise MidiError(f"{expected}. Received: {self!r}.")

    def __repr__(self) -> str:
        """Say how much music this is."""
        return (
            f"Score({len(self.notes)} notes, {len(self.tracks)} tracks, {self.end} ticks at "
            f"{self.ticks_per_quarter} per quarter)"
        )

    def __len__(self) -> int:
        """Return the number of notes."""
        return len(self.notes)

    def __eq__(self, other: object) -> bool:
        """Compare every column; names and programs of tracks too, but not their channels."""
        if not isinstance(other, Score):
            return NotImplemented
        scalars = ("ticks_per_quarter", "tracks", "end")
        arrays = ("notes", "tempos", "meters", "keys", "pedals")
        return all(getattr(self, n) == getattr(other, n) for n in scalars) and all(
            np.array_equal(getattr(self, n), getattr(other, n)) for n in arrays
        )

    __hash__ = None  # type: ignore[assignment]  # arrays inside: comparable, not hashable

    @property
    def offsets(self) -> NDArray[np.int32]:
        """Ticks where the notes end, `int32[N]`."""
        out: NDArray[np.int32] = self.notes["onset"] + self.notes["duration"]
        return out

    def with_default_meter(self) -> Table:
        """Return `meters` with a row at tick 0 (4/4 where the score says nothing), one per tick."""
        meters = self.meters
        if not len(meters) or meters["tick"][0] > 0:
            meters = np.concatenate([table(METER, [(0, 4, 4)]), meters])
        last_of_tick = np.append(np.diff(meters["tick"]) > 0, True)
        out: Table = meters[last_of_tick]
        return out

    def barlines(self) -> NDArray[np.int64]:
        """Return the ticks of all barlines, `int64[bars + 1]`: each bar's start, then the end of the last.

        The bars cover the music up to `end`. A bar whose length is not a whole number of ticks
        starts at the tick before; a meter change inside a bar cuts that bar short.

        Raises:
            MidiError: More than a million bars, which no piece of music has.
        """
        meters = self.with_default_meter()
        starts = meters["tick"].astype(np.int64)
        stops = np.append(starts[1:], max(self.end, int(starts[-1])))
        whole = 4 * self.ticks_per_quarter
        parts = []
        total = 0
        for start, stop, row in zip(starts, stops, meters, strict=True):
            length, per = whole * int(row["numerator"]), int(row["denominator"])
            count = -(-(int(stop) - int(start)) * per // length)
            total += count
            if total > MAX_BARS:
                raise MidiError(
                    f"the music spans more than {MAX_BARS} bars (meter {row['numerator']}/"
                    f"{row['denominator']} up to tick {stop}). Remove the stray event far behind the music."
                )
            parts.append(start + np.arange(count, dtype=np.int64) * length // per)
        last = meters[-1]
        length, per = whole * int(last["numerator"]), int(last["denominator"])
        final = starts[-1] + (len(parts[-1]) * length) // per
        return np.append(np.concatenate(parts), final)

    def seconds(self, ticks: NDArray[Any]) -> NDArray[np.float64]:
        """Convert ticks to seconds through the tempo map.

        Args:
            ticks: Any integer or float array.

        Returns:
            `float64` of the same shape.
        """
        starts, per_tick, at = self._tempo_map()
        index = np.searchsorted(starts, ticks, side="right") - 1
        out: NDArray[np.float64] = at[index] + (ticks - starts[index]) * per_tick[index]
        return out

    def ticks(self, seconds: NDArray[Any]) -> NDArray[np.float64]:
        """Convert seconds to ticks (not rounded): the inverse of `seconds`."""
        starts, per_tick, at = self._tempo_map()
        index = np.searchsorted(at, seconds, side="right") - 1
        out: NDArray[np.float64] = starts[index] + (seconds - at[index]) / per_tick[index]
        return out

    def _tempo_map(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return segment starts (ticks), seconds per tick, and segment starts (seconds)."""
        tempos = self.tempos
        if not len(tempos) or tempos["tick"][0] > 0:
            tempos = np.concatenate([table(TEMPO, [(0, DEFAULT_TEMPO)]), tempos])
        tempos = tempos[np.append(np.diff(tempos["tick"]) > 0, True)]
        starts = tempos["tick"].astype(np.int64)
        per_tick = tempos["microseconds"] / 1e6 / self.ticks_per_quarter
        at = np.concatenate([[0.0], np.cumsum(np.diff(starts) * per_tick[:-1])])
        return starts, per_tick, at

    @property
    def duration(self) -> float:
        """Length in seconds, to `end`."""
        return float(self.seconds(np.asarray([self.end]))[0])

    def select(self, tracks: list[int]) -> Score:
        """Return a score of these tracks alone, in this order, with the same time."""
        new_index = np.full(len(self.tracks), -1)
        new_index[tracks] = np.arange(len(tracks))
        kept = {}
        for name in ("notes", "pedals"):
            rows = getattr(self, name)[new_index[getattr(self, name)["track"]] >= 0].copy()
            rows["track"] = new_index[rows["track"]]
            kept[name] = rows
        return replace(self, tracks=tuple(self.tracks[i] for i in tracks), **kept)

    def shift(self, ticks: int) -> Score:
        """Return the score with everything moved by `ticks`; what governs tick 0 stays there."""
        moved: dict[str, Any] = {}
        for name, key in (
            ("notes", "onset"), ("pedals", "onset"), ("tempos", "tick"), ("meters", "tick"), ("keys", "tick"),
        ):  # fmt: skip
            rows = getattr(self, name).copy()
            rows[key] = np.maximum(rows[key] + ticks, 0) if key == "tick" else rows[key] + ticks
            if key == "tick" and len(rows) and getattr(self, name)[key][0] == 0:
                rows[key][0] = 0
            moved[name] = rows
        return replace(self, end=max(self.end + ticks, 0), **moved)

    def __getitem__(self, bars: slice) -> Score:
        """Return bars `start` to `stop`, counted from 0, as a score that begins at tick 0.

        Notes belong to the bar in which they begin; what governs the first bar is kept.

        Raises:
            MidiError: `bars` is not a slice of step 1.
        """
        if not isinstance(bars, slice) or bars.step not in (None, 1):
            raise MidiError(f"a score is cut by bars, as in score[8:16]. Received: {bars!r}.")
        lines = self.barlines()
        start, stop, _ = bars.indices(len(lines) - 1)
        first, last = int(lines[start]), int(lines[max(stop, start)])
        changes = {}
        for name in ("tempos", "meters", "keys"):
            rows = getattr(self, name)
            governing = np.flatnonzero(rows["tick"] <= first)[-1:]
            within = np.flatnonzero((rows["tick"] > first) & (rows["tick"] < last))
            rows = rows[np.concatenate([governing, within])]
            rows["tick"] = np.maximum(rows["tick"] - first, 0)
            changes[name] = rows
        for name in ("notes", "pedals"):
            rows = getattr(self, name)
            rows = rows[(rows["onset"] >= first) & (rows["onset"] < last)]
            rows["onset"] -= first
            changes[name] = rows
        return replace(self, end=last - first, **changes)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write a MIDI file. See `musegen.midi.write`."""
        from musegen.midi import write

        write(self, path, force=force)

    def to_pretty_midi(self) -> pretty_midi.PrettyMIDI:
        """Return this score as a `pretty_midi.PrettyMIDI`. See `musegen.midi.to_pretty_midi`."""
        from musegen.midi import to_pretty_midi

        return to_pretty_midi(self)

    @classmethod
    def from_pretty_midi(cls, midi: pretty_midi.PrettyMIDI) -> Score:
        """Return the music of a `pretty_midi.PrettyMIDI`. See `musegen.midi.from_pretty_midi`."""
        from musegen.midi import from_pretty_midi

        return from_pretty_midi(midi)
