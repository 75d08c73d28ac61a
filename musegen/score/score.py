"""Notes in memory, as columns.

A `Score` holds everything in a few NumPy structured arrays, in integer ticks, so that encoding,
slicing and measuring are array operations and never loops over note objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from musegen.errors import MidiError
from musegen.score import display, editing
from musegen.score.columns import (
    KEY,
    METER,
    NOTE,
    PEDAL,
    TEMPO,
    Table,
    Track,
    broken_rules,
    columns,
    table,
)
from musegen.score.export import audio, dataframe, midi, music21, objects
from musegen.score.timing import DEFAULT_METER, DEFAULT_TEMPO, barlines, in_force, tempo_map
from musegen.utils.deprecation import replacement

if TYPE_CHECKING:
    import matplotlib.axes
    import mido
    import pandas as pd
    import pretty_midi
    import symusic
    from IPython.display import Audio

__all__ = [
    "DEFAULT_TEMPO",
    "KEY",
    "METER",
    "NOTE",
    "PEDAL",
    "TEMPO",
    "Score",
    "Table",
    "Track",
    "columns",
    "table",
]


@dataclass(frozen=True, eq=False)
class Score:
    """Music in memory: notes and the time they live in. Immutable; sorted; validated.

    Attributes:
        notes: `NOTE[N]`, sorted by onset, track, pitch, duration. `onset` and `duration` in ticks
            (duration > 0), `pitch` 0–127, `velocity` 1–127, `track` an index into `tracks`.
        tracks: The instruments, in file order.
        ticks_per_quarter: Ticks in a quarter note, > 0.
        tempos: `TEMPO[...]`: microseconds per quarter from `tick` on. Empty means 120 bpm.
        meters: `METER[...]`: time signatures. Empty means 4/4. One inside a bar cuts that bar
            short.
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
        for rule in broken_rules(self):
            raise MidiError(f"{rule}. Received: {self!r}.")

    @classmethod
    def of_valid(cls, **values: Any) -> Self:
        """Return the score of columns that are sorted and valid already, as a decoder's are by construction.

        Checking takes longer than decoding a tune.
        """
        score = object.__new__(cls)
        for name, value in {**_EMPTY, **values}.items():
            object.__setattr__(score, name, value)
        return score

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
        return in_force(self.meters, DEFAULT_METER)

    def barlines(self) -> NDArray[np.int64]:
        """Return the ticks of all barlines, `int64[bars + 1]`: each bar's start, then the end of the last.

        The bars cover the music up to `end`. A bar whose length is not a whole number of ticks
        starts at the tick before; a meter change inside a bar cuts that bar short.

        Raises:
            MidiError: More than a million bars, which no piece of music has.
        """
        return barlines(self.meters, self.ticks_per_quarter, self.end)

    def seconds(self, ticks: NDArray[Any]) -> NDArray[np.float64]:
        """Convert ticks (any integer or float array) to seconds through the tempo map: `float64`, same shape."""
        return tempo_map(self.tempos, self.ticks_per_quarter).seconds(ticks)

    def ticks(self, seconds: NDArray[Any]) -> NDArray[np.float64]:
        """Convert seconds to ticks (not rounded): the inverse of `seconds`."""
        return tempo_map(self.tempos, self.ticks_per_quarter).ticks(seconds)

    @property
    def duration(self) -> float:
        """Length in seconds, to `end`."""
        return float(self.seconds(np.asarray([self.end]))[0])

    def select(self, tracks: list[int]) -> Score:
        """Return a score of these tracks alone, in this order, with the same time.

        Raises:
            MidiError: There is no such track, or one is named twice.
        """
        return editing.select(self, tracks)

    def shift(self, ticks: int) -> Score:
        """Return the score with everything moved by `ticks`; what governs tick 0 stays there."""
        return editing.shift(self, ticks)

    def __getitem__(self, bars: slice) -> Score:
        """Return bars `start` to `stop`, counted from 0, as a score that begins at tick 0.

        Notes belong to the bar in which they begin, and end with the slice at the latest: one that
        rings over its last barline is cut there. So the slice ends on a barline, and
        `score[:k] + score[k:]` has every note where it was. A pedal that is down at the beginning
        is down from tick 0; tempo, meter and key of the first bar are kept.

        Raises:
            MidiError: `bars` is not a slice of step 1.
        """
        return editing.cut(self, bars)

    def transpose(self, semitones: int) -> Score:
        """Return the score moved by `semitones`, up or down: notes and keys; drums stay as they are.

        Raises:
            MidiError: A pitch would leave 0 to 127.
        """
        return editing.transpose(self, semitones)

    def __add__(self, other: Score) -> Score:
        """Return this score with `other` right behind it, at tick `end`: rests at the end included.

        `other` sounds as before, its bars are its own, and its notes go on in the track of the same
        name, program and kind if there is one. Where this score ends on a barline, cutting the sum
        there gives both back. What becomes of meters, pedals and keys at the seam:
        `musegen.score.editing.join`.

        Raises:
            MidiError: The common ticks per quarter do not fit a MIDI file, or the sum is too long.
        """
        return editing.join(self, other) if isinstance(other, Score) else NotImplemented

    def to_dataframe(self) -> pd.DataFrame:
        """Return the notes as a `pandas.DataFrame`, in order, one row a note.

        ====================================  ==================================================
        onset, duration                       in ticks
        onset_quarters, duration_quarters     in quarter notes
        onset_seconds, duration_seconds       through the tempo map
        bar                                   where the note begins, from 0, as in `score[bar:]`
        pitch, velocity                       MIDI numbers
        track, track_name, program, is_drum   index into `tracks`, and what is there
        ====================================  ==================================================

        Raises:
            MusegenError: pandas is not installed.
        """
        return dataframe.to_frame(self)

    @classmethod
    def from_dataframe(
        cls, frame: pd.DataFrame, ticks_per_quarter: int | None = None, **fields: Any
    ) -> Score:
        """Return the notes of a table with the columns that `to_dataframe` gives.

        Args:
            frame: Must have `pitch`, and `onset` and `duration` in ticks, or else in quarters. The
                rest has defaults; `musegen.score.export.dataframe.from_frame` says which.
            ticks_per_quarter: If left out, what `frame.attrs` or the columns say; or 480.
            fields: More of what makes a score: `tempos`, `meters`, `keys`, `pedals`, `end`,
                `tracks`.

        Raises:
            MidiError: A column is missing, there twice, or holds what no note can have; or the
                ticks are not all of one length.
        """
        return cls(**{**dataframe.from_frame(frame, ticks_per_quarter), **fields})

    def plot(self, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Draw a piano roll with matplotlib, in `ax` or in axes of its own, and return the axes.

        Raises:
            MusegenError: matplotlib is not installed.
        """
        return display.plot(self, ax)

    def _repr_html_(self) -> str:
        """Return an SVG piano roll: what a notebook shows of a score. `Encoder.draw` adds the tokens."""
        return display.svg(self)

    def audio(self, sample_rate: int = 44_100) -> Audio:
        """Return a player for notebooks. See `musegen.score.export.audio.audio`.

        Raises:
            MusegenError: What renders it is not installed, or there is no SoundFont.
            MidiError: There is nothing to hear, or more than an hour.
        """
        return audio.audio(self, sample_rate)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write a MIDI file. See `musegen.score.export.midi.write`."""
        midi.write(self, path, force=force)

    def to_mido(self) -> mido.MidiFile:
        """Return this score as a `mido.MidiFile`. See `musegen.score.export.midi.to_mido`."""
        return midi.to_mido(self)

    def to_pretty_midi(self) -> pretty_midi.PrettyMIDI:
        """Return this score as a `pretty_midi.PrettyMIDI`. See `musegen.score.export.objects.to_pretty_midi`."""
        return objects.to_pretty_midi(self)

    def to_symusic(self) -> symusic.core.ScoreTick:
        """Return this score as a `symusic` score in ticks. See `musegen.score.export.objects.to_symusic`."""
        return objects.to_symusic(self)

    def to_music21(self) -> Any:
        """Return this score as a `music21.stream.Score`. See `musegen.score.export.music21.to_music21`."""
        return music21.to_music21(self)

    @classmethod
    def from_pretty_midi(cls, midi: pretty_midi.PrettyMIDI) -> Score:
        """Return the music of a `pretty_midi.PrettyMIDI`. Deprecated: use `musegen.read`, which takes it too."""
        score: Score = replacement("Score.from_pretty_midi(midi)", "musegen.read(midi)", "read")(
            midi
        )
        return score


_EMPTY = {
    "tempos": table(TEMPO),
    "meters": table(METER),
    "keys": table(KEY),
    "pedals": table(PEDAL),
}
