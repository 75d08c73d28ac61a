"""Read the measures of one part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any
from xml.etree.ElementTree import Element

from musegen.errors import MidiError
from musegen.score.notation.musicxml.elements import Measure
from musegen.score.notation.musicxml.instruments import (
    Instrument,
    PartInfo,
    drum_key,
    program_of,
    text_of,
)
from musegen.score.notation.musicxml.signs import (
    Tempo,
    chord_of,
    key_of,
    level_of,
    meter_of,
    tempo_of,
)
from musegen.score.notation.musicxml.values import (
    Number,
    decimal,
    nearest,
    number,
    velocity_of,
    written_pitch,
)
from musegen.score.notation.musicxml.written import Note, Sign, Written

__all__ = ["Part"]

NO_INSTRUMENT = Instrument()
FINEST = 2**40  # parts of a division
MOST_MEASURES = 100_000  # in a part: a day of music, at a second each
MOST_SIGNS = 100_000  # of a kind, in a part


class Part:
    """Reads the measures of a part one after another.

    Times in a measure are counted in divisions of a quarter, as in the file, and are exact.

    Args:
        info: Its name and instruments.

    Attributes:
        written: The measures so far.
        notes: The notes so far.
        meters: Signs of a time signature, or of None for senza misura.
        keys: Signs of fifths and whether it is minor, at sounding pitch.
        tempos: Signs of a `Tempo` and whether it was meant for playback.
        levels: Signs of velocity at a mark and velocity after it.
        programs: Signs of an instrument's id and its General MIDI program.
        chords: Signs of a `Chord`.
    """

    def __init__(self, info: PartInfo) -> None:
        """Begin a part."""
        self.info = info
        self.written: list[Written] = []
        self.notes: list[Note] = []
        self.meters: list[Sign] = []
        self.keys: list[Sign] = []
        self.tempos: list[Sign] = []
        self.levels: list[Sign] = []
        self.programs: list[Sign] = []
        self.chords: list[Sign] = []
        self._divisions: Number = 0
        self._transpositions: dict[str, tuple[int, int]] = {}  # by staff; "" for all
        self._percussion: set[str] = set()  # staffs with a percussion clef
        self._default = next(iter(info.instruments), "")
        self._start_measure()

    def _start_measure(self) -> None:
        self._now: Number = 0  # in divisions, as the next three
        self._onset: Number = 0  # of the last note, which a note of a chord shares
        self._length: Number = 0
        self._notes: Number = 0

    def read(self, measure: Measure) -> None:
        """Read the next measure.

        Raises:
            MidiError: Something in it cannot be read.
        """
        self._start_measure()
        try:
            if len(self.written) == MOST_MEASURES:
                raise MidiError(f"at most {MOST_MEASURES:,} measures were expected")
            for element in measure.content:
                reader = READERS.get(element.tag)
                if reader is not None:
                    reader(self, element)
        except MidiError as error:
            raise MidiError(
                f"part {measure.part}, measure {measure.number} (line {measure.line:,}): {error}. "
                "Correct it in a notation program."
            ) from error
        self.written.append(
            Written(
                measure.number,
                measure.implicit,
                measure.controlling,
                self._quarters(self._length),
                self._quarters(self._notes),
            )
        )

    def _quarters(self, time: Number) -> float:
        return float(time / self._divisions) if self._divisions else 0.0

    def _sign(self, signs: list[Sign], value: Any, offset: Number = 0) -> None:
        """Add a sign at the present place, moved by `offset`."""
        if len(signs) == MOST_SIGNS:
            raise MidiError(f"at most {MOST_SIGNS:,} signs of a kind were expected")
        signs.append(Sign(len(self.written), self._quarters(max(self._now + offset, 0)), value))

    # Time

    def _duration(self, element: Element) -> Number:
        duration = number(element, "duration")
        if duration < 0:
            raise MidiError(f"a duration of 0 or more was expected; received: {duration}")
        if duration and not self._divisions:
            raise MidiError("divisions were expected before the first duration; received: none")
        return duration

    def _forward(self, element: Element) -> None:
        self._now += self._duration(element)
        self._length = max(self._length, self._now)
        self._onset = self._now

    def _backup(self, element: Element) -> None:
        duration = self._duration(element)
        if duration > self._now:
            raise MidiError(
                f"a backup of at most {self._now} divisions was expected, to the beginning of the "
                f"measure; received: {duration}"
            )
        self._now -= duration
        self._onset = self._now

    # Notes

    def _note(self, note: Element) -> None:
        found = {child.tag: child for child in note}
        if "grace" in found:
            return
        duration = self._duration(note)
        if "chord" not in found:
            self._onset = self._now
            self._now += duration
            self._length = max(self._length, self._now)
            if "rest" not in found:
                self._notes = max(self._notes, self._now)
        if "rest" in found or "cue" in found or not duration or not _in_first_pass(note):
            return
        instrument = found["instrument"].get("id", "") if "instrument" in found else self._default
        staff = (found["staff"].text or "").strip() if "staff" in found else ""
        ties = {tie.get("type") for tie in note.iterfind("tie")} if "tie" in found else ()
        velocity = velocity_of(note.get("dynamics"))
        # A tied note of a chord lasts as long as the chord, even if its own duration differs.
        end = max(self._onset + duration, self._now if "start" in ties else 0)
        for pitch, is_drum in self._pitches(found, instrument, staff):
            self.notes.append(
                Note(
                    len(self.written),
                    self._quarters(self._onset),
                    self._quarters(end),
                    pitch,
                    velocity,
                    instrument,
                    staff or "1",
                    is_drum,
                    "stop" in ties,
                    "start" in ties,
                )
            )

    def _pitches(
        self, found: dict[str, Element], name: str, staff: str
    ) -> Iterator[tuple[int, bool]]:
        """Yield the sounding pitch of a note, or its drum key and that it is one."""
        instrument = self.info.instruments.get(name, NO_INSTRUMENT)
        prefix = "" if "pitch" in found else "display-"
        place = {child.tag: child.text for child in found.get("pitch", found.get("unpitched", ()))}
        step, octave = place.get(f"{prefix}step"), place.get(f"{prefix}octave")
        is_kit = (staff or "1") in self._percussion and not instrument.has_midi
        if "pitch" not in found or is_kit:
            yield drum_key(instrument, self.info.name, step or "", octave or ""), True
            return
        semitones, doubling = self._transposition_of(staff)
        pitch = written_pitch(step, place.get("alter"), octave) + semitones
        for sounding in (pitch, pitch + doubling) if doubling else (pitch,):
            if not 0 <= sounding <= 127:
                raise MidiError(f"a pitch of 0 to 127 was expected; received: {sounding}")
            key = instrument.key if instrument.is_drum and instrument.key >= 0 else sounding
            yield key, instrument.is_drum

    def _transposition_of(self, staff: str) -> tuple[int, int]:
        """Return the semitones from written to sounding pitch, and those to its doubling."""
        return self._transpositions.get(staff) or self._transpositions.get("", (0, 0))

    # Attributes

    def _attributes(self, attributes: Element) -> None:
        if attributes.find("divisions") is not None:
            self._change_divisions(number(attributes, "divisions"))
        for transpose in attributes.iterfind("transpose"):
            staff = transpose.get("number", "")
            if not staff:
                self._transpositions.clear()
            octaves = 12 * number(transpose, "octave-change", 0)
            double = transpose.find("double")
            doubling = 0 if double is None else 12 if double.get("above") == "yes" else -12
            semitones = number(transpose, "chromatic", 0) + octaves
            self._transpositions[staff] = nearest(semitones), doubling
        for clef in attributes.iterfind("clef"):
            is_percussion = text_of(clef, "sign") == "percussion"
            change = self._percussion.add if is_percussion else self._percussion.discard
            change(clef.get("number", "1"))
        for key in attributes.iterfind("key"):
            staff = key.get("number", "")
            concert = key_of(key, self._transposition_of(staff)[0])
            if concert and staff in ("", "1"):
                self._sign(self.keys, concert)
        for time in attributes.iterfind("time"):
            if time.get("number", "1") == "1":
                self._sign(self.meters, meter_of(time))

    def _change_divisions(self, divisions: Number) -> None:
        """Count time in other divisions from here on."""
        if divisions <= 0:
            raise MidiError(f"divisions above 0 were expected; received: {divisions}")
        if self._length:
            scale = Fraction(divisions) / self._divisions
            times = (self._now, self._onset, self._length, self._notes)
            # Rounded, as many changes in a measure would make fractions of thousands of digits.
            self._now, self._onset, self._length, self._notes = (
                Fraction(round(time * scale * FINEST), FINEST) for time in times
            )
        self._divisions = divisions

    # Directions

    def _direction(self, direction: Element) -> None:
        place = direction.find("offset")
        is_moved = place is not None and place.get("sound") == "yes"
        offset = number(direction, "offset") if is_moved else 0
        for metronome in direction.iter("metronome"):
            if tempo := tempo_of(metronome):
                self._sign(self.tempos, (tempo, False), offset)
        at = after = 0
        for dynamics in direction.iter("dynamics"):
            at, after = level_of(dynamics)
            if at:
                self._sign(self.levels, (at, after), offset)
        sound = direction.find("sound")
        if sound is not None:
            self._sound(sound, offset, after if at != after else None)

    def _sound(self, sound: Element, offset: Number = 0, after: int | None = None) -> None:
        """Read playback; of an accent, `after` is the velocity that follows it, 0 if as before."""
        if not _in_first_pass(sound):
            return
        offset += number(sound, "offset", 0)
        if text := sound.get("tempo"):
            tempo = Tempo(quarters=float(decimal(text.strip(), "tempo")))
            self._sign(self.tempos, (tempo, True), offset)
        if velocity := velocity_of(sound.get("dynamics")):
            self._sign(self.levels, (velocity, velocity if after is None else after), offset)
        for change in sound:
            program, name = program_of(change), change.get("id", "")
            if program >= 0:
                name = name if name in self.info.instruments else self._default
                self._sign(self.programs, (name, program), offset)

    def _harmony(self, harmony: Element) -> None:
        if chord := chord_of(harmony, self._transposition_of("")[0]):
            # Unlike a direction's, its offset is where it sounds.
            self._sign(self.chords, chord, number(harmony, "offset", 0))


READERS: dict[str, Callable[[Part, Element], None]] = {
    "attributes": Part._attributes,
    "backup": Part._backup,
    "direction": Part._direction,
    "forward": Part._forward,
    "harmony": Part._harmony,
    "note": Part._note,
    "sound": Part._sound,
}
"""Element of a measure → what reads it. Others have no meaning for a `Score`."""


def _in_first_pass(element: Element) -> bool:
    """Return whether it sounds the first time that a repeated passage is played."""
    passes = element.get("time-only")
    return passes is None or "1" in re.findall(r"\d+", passes)
