"""Hold music in memory as a few NumPy tables.

Times are integer ticks, and every part of a `Score` is a structured array, so that encoding,
cutting and measuring are array operations without a loop over notes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from musegen.errors import MidiError
from musegen.score import display, editing
from musegen.score.columns import CHORD, KEY, METER, NOTE, PEDAL, TEMPO, Table, Track, table
from musegen.score.export import audio, dataframe, midi, music21, objects
from musegen.score.general_midi import MAX_TEMPO, MAX_TICK
from musegen.score.timing import (
    DEFAULT_METER,
    DEFAULT_TICKS_PER_QUARTER,
    barlines,
    in_force,
    tempo_map,
)
from musegen.utils.arrays import Floats, Ints
from musegen.utils.deprecation import replacement

if TYPE_CHECKING:
    import matplotlib.axes
    import mido
    import pandas as pd
    import pretty_midi
    import symusic
    from IPython.display import Audio

__all__ = ["Score"]


@dataclass(frozen=True, eq=False)
class Score:
    """Music: notes, and the tempos, meters, keys, pedals and chord symbols that go with them.

    A score is immutable, sorted and valid.

    >>> notes = [(0, 480, 60, 80, 0), (480, 480, 64, 80, 0)]
    >>> score = Score(notes=notes, tracks=[Track("Flute", program=73)])
    >>> score
    Score(2 notes, 1 tracks, 960 ticks at 480 per quarter)
    >>> score.notes["pitch"].tolist()
    [60, 64]
    >>> score.duration  # seconds, at 120 bpm
    1.0

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
        end: The tick where the music ends, rests included; at least the last note's end.
        chords: `CHORD[...]`: chord symbols of written music, each in force until the next one.
            They are no notes: writers leave them out, and scores are compared without them.

    Raises:
        MidiError: A column is out of range.
    """

    notes: Table = field(default_factory=lambda: table(NOTE))
    tracks: tuple[Track, ...] = ()
    ticks_per_quarter: int = DEFAULT_TICKS_PER_QUARTER
    tempos: Table = field(default_factory=lambda: table(TEMPO))
    meters: Table = field(default_factory=lambda: table(METER))
    keys: Table = field(default_factory=lambda: table(KEY))
    pedals: Table = field(default_factory=lambda: table(PEDAL))
    end: int = 0
    chords: Table = field(default_factory=lambda: table(CHORD))

    def __post_init__(self) -> None:
        """Sort the columns and check them."""
        put = object.__setattr__
        notes = table(NOTE, self.notes)
        order = np.lexsort((notes["duration"], notes["pitch"], notes["track"], notes["onset"]))
        put(self, "notes", notes[order])
        for name in ("tempos", "meters", "keys", "chords"):
            dtype = _EMPTY[name].dtype
            rows = table(dtype, getattr(self, name))
            put(self, name, rows[np.argsort(rows["tick"], kind="stable")])
        put(self, "pedals", table(PEDAL, self.pedals))
        put(self, "tracks", tuple(self.tracks))
        last = int((notes["onset"].astype(np.int64) + notes["duration"]).max(initial=0))
        put(self, "end", max(int(self.end), last))
        if broken := _broken_rules(self):
            raise MidiError(f"{broken[0]}. Received: {self!r}.")

    @classmethod
    def of_valid(cls, **values: Any) -> Self:
        """Return a score of columns that are already sorted and valid, as those of a decoder are.

        It skips the checks, which take longer than decoding a tune.
        """
        score = object.__new__(cls)
        for name, value in {**_EMPTY, **values}.items():
            object.__setattr__(score, name, value)
        return score

    def __repr__(self) -> str:
        """Return the size of the score in words."""
        return (
            f"Score({len(self.notes)} notes, {len(self.tracks)} tracks, {self.end} ticks at "
            f"{self.ticks_per_quarter} per quarter)"
        )

    def __len__(self) -> int:
        """Return the number of notes."""
        return len(self.notes)

    def __eq__(self, other: object) -> bool:
        """Compare what a MIDI file carries: not channels, chunks and chord symbols."""
        if not isinstance(other, Score):
            return NotImplemented
        scalars = ("ticks_per_quarter", "tracks", "end")
        arrays = ("notes", "tempos", "meters", "keys", "pedals")
        return all(getattr(self, n) == getattr(other, n) for n in scalars) and all(
            np.array_equal(getattr(self, n), getattr(other, n)) for n in arrays
        )

    __hash__ = None  # type: ignore[assignment]  # arrays inside: comparable, not hashable

    # Time

    @property
    def offsets(self) -> NDArray[np.int32]:
        """Ticks where the notes end, `int32[N]`."""
        return self.notes["onset"] + self.notes["duration"]

    @property
    def duration(self) -> float:
        """Length in seconds, to `end`."""
        return float(self.seconds(np.asarray([self.end]))[0])

    def with_default_meter(self) -> Table:
        """Return `meters` with one row per tick and a row at tick 0 (by default 4/4)."""
        return in_force(self.meters, DEFAULT_METER)

    def barlines(self) -> Ints:
        """Return the ticks of all barlines, `int64[bars + 1]`: the starts, and the last bar's end.

        The bars cover the music up to `end`. A bar whose length is not a whole number of ticks
        starts at the tick before; a meter change inside a bar cuts that bar short.

        >>> Score(meters=[(0, 3, 4)], end=2000).barlines().tolist()
        [0, 1440, 2880]

        Raises:
            MidiError: There are more than a million bars, which no piece of music has.
        """
        return barlines(self.meters, self.ticks_per_quarter, self.end)

    def seconds(self, ticks: NDArray[Any]) -> Floats:
        """Convert ticks (any numeric array) to seconds: `float64`, same shape."""
        return tempo_map(self.tempos, self.ticks_per_quarter).seconds(ticks)

    def ticks(self, seconds: NDArray[Any]) -> Floats:
        """Convert seconds to ticks, without rounding: the inverse of `seconds`."""
        return tempo_map(self.tempos, self.ticks_per_quarter).ticks(seconds)

    # Parts and sums

    def select(self, tracks: list[int]) -> Score:
        """Return a score of the given tracks, in this order, with the same time.

        >>> duo = Score(tracks=[Track("Flute"), Track("Cello")])
        >>> [track.name for track in duo.select([1]).tracks]
        ['Cello']

        Args:
            tracks: Indices into `tracks`; negative ones count from the end.

        Raises:
            MidiError: A track does not exist or is listed twice.
        """
        return editing.select(self, tracks)

    def shift(self, ticks: int) -> Score:
        """Return the score with everything moved by `ticks`.

        The tempo, meter and key at tick 0 stay there; a chord symbol moves with the notes.
        """
        return editing.shift(self, ticks)

    def __getitem__(self, bars: slice) -> Score:
        """Return bars `start` to `stop` (exclusive), from 0, as a score that begins at tick 0.

        A note belongs to the bar in which it begins, and ends at the last barline at the latest.
        So the slice ends on a barline, and `score[:k] + score[k:]` has every note where it was. A
        pedal that is down at the beginning is down from tick 0; tempo, meter, key and chord symbol
        in force at the first barline are kept.

        >>> score = Score(notes=[(0, 480, 60, 80, 0), (1920, 480, 67, 80, 0)], tracks=[Track()])
        >>> score[1:].notes["pitch"].tolist()
        [67]

        Raises:
            MidiError: `bars` is not a slice of step 1.
        """
        return editing.cut(self, bars)

    def transpose(self, semitones: int) -> Score:
        """Return the score transposed: notes, keys and chord symbols; drums stay as they are.

        >>> score = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()], keys=[(0, 0, False)])
        >>> up = score.transpose(2)
        >>> up.notes["pitch"].tolist(), up.keys["fifths"].tolist()
        ([62], [2])

        Args:
            semitones: How far; negative is down.

        Raises:
            MidiError: A pitch would leave 0 to 127.
        """
        return editing.transpose(self, semitones)

    def __add__(self, other: Score) -> Score:
        """Return this score followed by `other` at tick `end`.

        `other` sounds as before, and its first bar begins at the seam. Its notes continue in the
        track of the same name, program and kind if there is one. Ticks per quarter become the least
        common multiple of both.

        >>> bar = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Flute")], end=1920)
        >>> (bar + bar.transpose(7)).notes[["onset", "pitch"]].tolist()
        [(0, 60), (1920, 67)]

        At the seam, a pedal is released, and a tempo, meter or chord symbol that differs is stated.
        If the seam is on a barline, cutting the sum there gives back the notes, pedals (up to
        `end`), tempos and meters of both. The halves then have the tracks and resolution of the
        sum, end on a barline, and state the default tempo and meter at tick 0. A key continues
        until `other` has one.

        Raises:
            MidiError: The common ticks per quarter do not fit a MIDI file, or the sum is too long.
        """
        return editing.join(self, other) if isinstance(other, Score) else NotImplemented

    # Tables

    def to_dataframe(self) -> pd.DataFrame:
        """Return the notes as a `pandas.DataFrame`, in order, one row per note.

        ====================================  ================================================
        onset, duration                       in ticks
        onset_quarters, duration_quarters     in quarter notes
        onset_seconds, duration_seconds       in seconds
        bar                                   where the note begins, from 0, as in `score[bar:]`
        pitch, velocity                       MIDI numbers
        track, track_name, program, is_drum   index into `tracks`, and its fields
        ====================================  ================================================

        >>> score = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Flute", program=73)])
        >>> score.to_dataframe()[["onset_quarters", "pitch", "track_name"]].values.tolist()
        [[0.0, 60, 'Flute']]

        Raises:
            MusegenError: pandas is not installed.
        """
        return dataframe.to_frame(self)

    @classmethod
    def from_dataframe(
        cls, frame: pd.DataFrame, ticks_per_quarter: int | None = None, **fields: Any
    ) -> Score:
        """Return the notes of a table with the columns of `to_dataframe`.

        >>> import pandas as pd
        >>> table = {"onset_quarters": [0, 1], "duration_quarters": [1, 0.5], "pitch": [60, 64]}
        >>> Score.from_dataframe(pd.DataFrame(table)).notes["duration"].tolist()
        [480, 240]

        Args:
            frame: It needs `pitch`, and `onset` and `duration` in ticks or in quarters. For the
                defaults of other columns see `musegen.score.export.dataframe.from_frame`.
            ticks_per_quarter: By default that of `frame.attrs` or of the columns; else 480.
            fields: Further fields of the score: `tempos`, `meters`, `keys`, `pedals`, `end`,
                `tracks`.

        Raises:
            MidiError: A column is missing, duplicate or invalid; or the ticks per quarter differ
                between rows.
        """
        return cls(**{**dataframe.from_frame(frame, ticks_per_quarter), **fields})

    # Pictures and sound

    def plot(self, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Draw a piano roll with matplotlib, in `ax` or in new axes, and return the axes.

        Raises:
            MusegenError: matplotlib is not installed.
        """
        return display.plot(self, ax)

    def _repr_html_(self) -> str:
        """Return an SVG piano roll for notebooks. `Encoder.draw` adds the tokens."""
        return display.svg(self)

    def audio(self, sample_rate: int = 44_100) -> Audio:
        """Return a player for notebooks. See `musegen.score.export.audio.audio`.

        Raises:
            MusegenError: The renderer is not installed, or there is no SoundFont.
            MidiError: The score has no length, or lasts more than an hour.
        """
        return audio.audio(self, sample_rate)

    # Files and objects of other libraries

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write a MIDI file of type 1. Missing folders are created.

        >>> from tempfile import TemporaryDirectory
        >>> score = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Flute", program=73)])
        >>> with TemporaryDirectory() as folder:
        ...     score.save(f"{folder}/note.mid")

        Args:
            path: Where to write.
            force: Whether an existing file may be replaced.

        Raises:
            MusegenError: `path` exists and `force` is false, or it cannot be written.
        """
        midi.write(self, path, force=force)

    def to_mido(self) -> mido.MidiFile:
        """Return a `mido.MidiFile`. See `musegen.score.export.midi.to_mido`."""
        return midi.to_mido(self)

    def to_pretty_midi(self) -> pretty_midi.PrettyMIDI:
        """Return a `pretty_midi.PrettyMIDI`. See `musegen.score.export.objects.to_pretty_midi`."""
        return objects.to_pretty_midi(self)

    def to_symusic(self) -> symusic.core.ScoreTick:
        """Return a `symusic` score in ticks. See `musegen.score.export.objects.to_symusic`."""
        return objects.to_symusic(self)

    def to_music21(self) -> Any:
        """Return a `music21.stream.Score`. See `musegen.score.export.music21.to_music21`."""
        return music21.to_music21(self)

    @classmethod
    def from_pretty_midi(cls, midi: pretty_midi.PrettyMIDI) -> Score:
        """Return the music of a `PrettyMIDI`. Deprecated: use `musegen.read`."""
        read = replacement("Score.from_pretty_midi(midi)", "musegen.read(midi)", "read")
        return read(midi)


_EMPTY = {
    "tempos": table(TEMPO),
    "meters": table(METER),
    "keys": table(KEY),
    "pedals": table(PEDAL),
    "chords": table(CHORD),
}


def _broken_rules(score: Score) -> list[str]:
    """Return the rules that the columns of a score break."""
    notes, velocity = score.notes, score.notes["velocity"]
    numerator, denominator = score.meters["numerator"], score.meters["denominator"]
    tempo = score.tempos["microseconds"]
    chords = score.chords
    is_chord = (chords["root"] >= 0) & (chords["bass"] >= 0) & (chords["pitch_classes"] > 0)
    is_no_chord = (chords["root"] == -1) & (chords["bass"] == -1) & (chords["pitch_classes"] == 0)
    in_octave = (chords["root"] < 12) & (chords["bass"] < 12) & (chords["pitch_classes"] < 4096)
    is_power_of_two = np.bitwise_count(denominator) == 1
    rules = {
        "ticks_per_quarter must be > 0": score.ticks_per_quarter > 0,
        "every onset must be >= 0": (notes["onset"] >= 0).all(),
        "every duration must be > 0": (notes["duration"] > 0).all(),
        "every pitch must be 0 to 127": (notes["pitch"] <= 127).all(),
        "every velocity must be 1 to 127": ((velocity >= 1) & (velocity <= 127)).all(),
        "every note's track must be in tracks": (notes["track"] < len(score.tracks)).all(),
        "every meter must have a numerator >= 1 and a denominator that is a power of two": (
            (numerator >= 1) & is_power_of_two
        ).all(),
        f"every tempo must be 1 to {MAX_TEMPO} microseconds per quarter": (
            (tempo > 0) & (tempo <= MAX_TEMPO)
        ).all(),
        "every key must have -7 to 7 fifths": (np.abs(score.keys["fifths"]) <= 7).all(),
        "every chord must have a root and a bass of 0 to 11 and pitch classes, or be no chord": (
            in_octave & (is_chord | is_no_chord)
        ).all(),
        f"the music must end before tick {MAX_TICK + 1}": score.end <= MAX_TICK,
    }
    return [rule for rule, holds in rules.items() if not holds]
