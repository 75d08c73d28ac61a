"""Follow one voice of an ABC tune: its notes, bars and signs."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from musegen.score.chords import Chord
from musegen.score.general_midi import MAX_TICK
from musegen.score.notation.abc.errors import Fault
from musegen.score.notation.abc.pitches import Layer, Note, on_staff
from musegen.score.notation.abc.rhythm import Rhythm, length_of, scaled
from musegen.score.notation.abc.settings import WHOLE, Settings
from musegen.score.notation.abc.staff import Staff
from musegen.score.notation.bars import TICKS_PER_QUARTER

__all__ = ["HANDLERS", "Voice"]

MAX_BARS = 2**15
MAX_LAYERS = 16
LATEST = MAX_TICK * WHOLE // (4 * TICKS_PER_QUARTER)


class Voice:
    """A voice. Times are in units, of which `WHOLE` are a whole note.

    Attributes:
        name: Name of its track.
        settings: What fields have set.
        time: Where the next note begins.
        bars: Where each bar begins.
        notes: The notes so far.
        instruments: Program and whether it is a drum kit, of each instrument of `notes`.
        meters: Time → the time signature that begins there. Likewise `keys` (fifths, minor),
            `tempos` (microseconds per quarter) and `chords`.
    """

    def __init__(self, settings: Settings) -> None:
        """Begin with the settings of the tune header."""
        self.name = ""
        self.settings = replace(settings)
        self.time = 0
        self.bars = [0]
        self.notes: list[Note] = []
        self.instruments: list[tuple[int, bool]] = []
        self.meters: dict[int, tuple[int, int]] = {}
        self.keys: dict[int, tuple[int, bool]] = {}
        self.tempos: dict[int, tuple[int]] = {}
        self.chords: dict[int, Chord] = {}
        self._layers = [Layer()]  # the voice itself, and its overlays
        self._layer = self._layers[0]
        self._rhythm = Rhythm()
        # The last note, chord or rest: place on the staff and note of each part, and its length.
        self._last: list[tuple[int, Note]] = []
        self._last_length = 0
        self._chord: list[tuple[int, Note]] | None = None
        self._chord_ties: list[tuple[int, Note]] = []
        self._chord_length = 0
        self._overlaid = 0  # bars until the overlay ends
        self._frontier = 0  # where the voice itself has come to, during an overlay

    @property
    def end(self) -> int:
        """Where the voice ends."""
        return max(self.time, self._frontier)

    # Signs

    def describe(self, name: str, staff: Staff) -> None:
        """Take over what a `V:` field says (7.1)."""
        self.name = staff.name or self.name or name
        self.settings.apply(staff)
        self.state_key()

    def state_meter(self) -> None:
        """State the time signature here; free meter has none."""
        if self.settings.meter:
            self.meters[self.time] = self.settings.meter

    def state_key(self) -> None:
        """State the key signature here; none, after another, is that of C."""
        signature = self.settings.signature
        if signature or self.keys:
            self.keys[self.time] = signature or (0, False)

    def state_chord(self, chord: Chord) -> None:
        """State a chord symbol here, as it sounds."""
        self.chords[self.time] = chord.transpose(self.settings.transposition)

    # Notes

    def note(self, match: re.Match[str]) -> None:
        """Add a note (4.1 to 4.3)."""
        place = on_staff(match["letter"], match["octave"])
        accidental = match["accidental"]
        pitch = self._layer.pitch(accidental, place, self.settings)
        length = length_of(match["length"], self.settings.unit)
        note = None
        if self._layer.ties:
            note = self._layer.tied(place, pitch, self.time, accidental is not None)
        if note is None:
            if not 0 <= pitch <= 127:
                raise Fault(f"a pitch must be 0 to 127. Received: {match[0]!r}, which is {pitch}")
            note = [self.time, 0, pitch, self.settings.velocity, self._instrument()]
            self.notes.append(note)
        if self._chord is None:
            self._place([(place, note)], length)
        else:
            self._chord_length = self._chord_length or length
            self._chord.append((place, note))

    def _instrument(self) -> int:
        """Return the index of the instrument that is set."""
        instrument = (self.settings.program, self.settings.is_drum)
        if instrument not in self.instruments:
            self.instruments.append(instrument)
        return self.instruments.index(instrument)

    def _place(self, parts: list[tuple[int, Note]], length: int) -> None:
        """Let a note, the notes of a chord or a rest sound from now on, and move on."""
        length = self._rhythm.next_length(length)
        if self._layer.ties:
            self._layer.forget_ties(self.time)
        for _, note in parts:
            note[1] = self.time - note[0] + length
        self._last, self._last_length = parts, length
        self._move(self.time + length)

    def _move(self, time: int) -> None:
        if time > LATEST:
            raise Fault(f"the music must end before tick {MAX_TICK + 1}. Received: a longer tune")
        self.time = time

    def rest(self, match: re.Match[str]) -> None:
        """Add a rest (4.5)."""
        if self._chord is not None:
            raise Fault(f"a chord must have notes only. Received: {match[0]!r}")
        self._place([], length_of(match["rest_length"], self.settings.unit))

    def bar_rest(self, match: re.Match[str]) -> None:
        """Add bars of rest (4.5)."""
        if self.settings.meter is None:
            raise Fault(f"a rest of whole bars needs a meter (M: field). Received: {match[0]!r}")
        if self.time != self.bars[-1] and not self._overlaid:
            raise Fault(f"a rest of whole bars must begin a bar. Received: {match[0]!r}")
        numerator, denominator = self.settings.meter
        for number in range(int(match["bars"] or 1)):
            if number:
                self.bar(match)
            self._place([], WHOLE * numerator // denominator)

    def begin_chord(self, match: re.Match[str]) -> None:
        """Begin a chord (4.17)."""
        self.check_chord()
        self._chord, self._chord_ties, self._chord_length = [], [], 0

    def end_chord(self, match: re.Match[str]) -> None:
        """End a chord: its notes have the length of the first, times that after the bracket."""
        parts, self._chord = self._chord, None
        if not parts:
            raise Fault(f"expected the notes of a chord before ]. Received: {match[0]!r}")
        unit = self.settings.unit
        factor = Fraction(length_of(match["chord_length"], unit), unit)
        self._place(parts, scaled(self._chord_length, factor))
        self._layer.ties.update(self._chord_ties)

    def tie(self, match: re.Match[str]) -> None:
        """Tie the last note or chord to what follows (4.11)."""
        if self._chord is None:
            self._layer.ties.update(self._last)
        else:
            self._chord_ties += self._chord[-1:]

    def broken(self, match: re.Match[str]) -> None:
        """Lengthen one note and shorten the next, or the other way round (4.4)."""
        if not self._last_length or self._chord is not None:
            raise Fault(f"a broken rhythm must stand behind a note. Received: {match[0]!r}")
        factor = self._rhythm.break_after(match[0])
        change = scaled(self._last_length, factor) - self._last_length
        for _, note in self._last:
            note[1] += change
        self._last_length = 0
        self._move(self.time + change)

    def tuplet(self, match: re.Match[str]) -> None:
        """Begin a tuplet (4.13)."""
        self._rhythm.begin_tuplet(match, self.settings.meter)

    # Bars

    def bar(self, match: re.Match[str]) -> None:
        """End a bar (4.8)."""
        self.check_complete()
        for layer in self._layers:
            layer.accidentals.clear()
        if self._overlaid > 1:
            self._overlaid -= 1
            self.time = self.bars[min(bisect_left(self.bars, self.time), len(self.bars) - 1)]
            return
        self._end_overlay()
        self._last_length = 0
        if self.time > self.bars[-1]:
            if len(self.bars) >= MAX_BARS:
                raise Fault(f"a voice must have at most {MAX_BARS:,} bars. Received: more")
            self.bars.append(self.time)

    def overlay(self, match: re.Match[str]) -> None:
        """Go back a bar for each `&`, to add notes that sound at the same time (7.4)."""
        self.check_complete()
        count = len(match[0])
        begun = [at for at in self.bars[-count - 1 :] if at < self.time]
        if len(begun) < count:
            raise Fault(f"{match[0]} must follow the bars that it goes back to. Expected: {count}")
        self._frontier = max(self._frontier, self.time)
        self.time = begun[-count]
        self._overlaid = count
        self._layer = self._next_layer()
        self._last, self._last_length = [], 0

    def refuse_group(self, match: re.Match[str]) -> None:
        """Refuse overlays in parentheses, which the standard does not have."""
        raise Fault(
            f"an overlay must begin with one & for each bar that it has. Received: {match[0]!r}"
        )

    def _next_layer(self) -> Layer:
        """Return the next overlay of the voice."""
        index = next(i for i, layer in enumerate(self._layers, 1) if layer is self._layer)
        if index == MAX_LAYERS:
            raise Fault(f"a bar must have at most {MAX_LAYERS - 1} overlays. Received: more")
        if index == len(self._layers):
            self._layers.append(Layer())
        return self._layers[index]

    def _end_overlay(self) -> None:
        self.time = max(self.time, self._frontier)
        self._overlaid = self._frontier = 0
        self._layer = self._layers[0]

    def check_chord(self) -> None:
        """Make sure that no chord is open."""
        if self._chord is not None:
            raise Fault("a chord must end with ] on its line, before a bar line or another chord")

    def check_complete(self) -> None:
        """Make sure that nothing is open at the end of a bar."""
        self.check_chord()
        self._rhythm.check_complete()


HANDLERS: dict[str, Callable[[Voice, re.Match[str]], None]] = {
    "note": Voice.note,
    "rest": Voice.rest,
    "bar_rest": Voice.bar_rest,
    "chord": Voice.begin_chord,
    "chord_end": Voice.end_chord,
    "tie": Voice.tie,
    "broken": Voice.broken,
    "tuplet": Voice.tuplet,
    "bar": Voice.bar,
    "overlay": Voice.overlay,
    "overlay_group": Voice.refuse_group,
}
"""Name of a token → what it does to the voice."""
