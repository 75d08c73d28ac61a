"""Follow the channels of a file: what each note sounds with, and when it and the pedals end.

A state belongs to a channel of a port, whichever track chunk sets it (MIDI 1.0; Standard MIDI Files
1.0, RP-001). `ordering.in_order` gives the events of all chunks in the order in which they count.

==============  ====================================================================================
program         that of the channel at the note's onset. If several chunks set it at one tick, each
                keeps its own until the next one: so write programs that give many instruments one
                channel
drum kit        channel 10; or by bank (controller 0): 126 and 127 in XG, none in GS, and 120 (GM2),
                126 and 127 elsewhere; or by GS "use for rhythm part" and XG "part mode". A bank
                acts at once, as in FluidSynth
end of a note   a note-off of its chunk; controller 120 or 123 to 127 of its channel in any chunk; a
                reset; or the end of its chunk
reset           GM, GM2, GS or XG "system on": all channels of all ports return to their defaults
MPE             registered parameter 6 on channel 1 or 16 makes a zone, whose other channels have
                the state of this one, but for notes and bends (MPE 1.1, M1-100-UM)
==============  ====================================================================================
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from musegen.score.general_midi import DRUM_CHANNEL, SUSTAIN
from musegen.score.midi.channel_state import (
    BANK,
    DATA_ENTRY,
    DEFAULTS,
    EXPRESSION,
    MPE_CONFIGURATION,
    NO_PARAMETER,
    NOTE_ENDERS,
    OTHER_PARAMETER,
    PARAMETER,
    RESET_CONTROLLERS,
    RESET_VALUES,
    VOLUME,
    ChannelState,
    Place,
)
from musegen.score.midi.ordering import Moment
from musegen.score.midi.system_exclusive import rhythm_part, system_turned_on

__all__ = ["KIT_BANKS", "MELODIC_BANK", "Played", "Tracker", "Voice"]

KIT_BANKS = {"GM": (120, 126, 127), "XG": (126, 127)}
"""System in force → banks of drum kits."""
MELODIC_BANK = 121  # of GM2


class Voice(NamedTuple):
    """What notes sound with, and where they come from.

    Attributes:
        chunk: Index of their track chunk.
        place: Their channel.
        home: Their channel, or the one that governs it in an MPE zone.
        program: General MIDI program.
        is_drum: Whether it is a drum kit.
    """

    chunk: int
    place: Place
    home: Place
    program: int
    is_drum: bool


Played: TypeAlias = tuple[int, int, int, int, int, int]
"""A note that has ended: its serial number (how many began before it), onset, end, pitch, velocity,
and the index of its voice."""


class Tracker:
    """Follows the state of all channels of a file.

    >>> from musegen import Score, Track
    >>> from musegen.score.midi.ordering import in_order
    >>> tracker = Tracker()
    >>> for moment in in_order(Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()]).to_mido()):
    ...     tracker.take(moment)
    >>> tracker.notes
    [(0, 0, 480, 60, 80, 0)]

    Attributes:
        channels: The state of each channel that occurs.
        notes: The notes that have ended, those without length left out.
        hanging: (chunk, channel, pitch) of the notes that ended with their chunk alone.
        pedals: (channel, first tick, last tick) of each time that a sustain pedal was down.
        voices: What the notes sound with.
        zones: Channel of an MPE zone → the one that governs it.
    """

    def __init__(self) -> None:
        """Begin before the first event."""
        self.channels: dict[Place, ChannelState] = defaultdict(ChannelState)
        self.notes: list[Played] = []
        self.hanging: list[tuple[int, Place, int]] = []
        self.pedals: list[tuple[Place, int, int]] = []
        self.voices: list[Voice] = []
        self._index: dict[Voice, int] = {}
        self._current: dict[tuple[Place, int], int] = {}  # (channel, chunk) → voice, if known
        self._serial = 0
        self._system = "GM"
        self._places: dict[int, set[Place]] = defaultdict(set)  # chunk → where it plays
        self._changed: set[Place] = set()  # channels that are not as after a reset
        self.zones: dict[Place, Place] = {}

    def home(self, place: Place) -> Place:
        """Return the channel that governs a channel: itself, unless it is in an MPE zone."""
        return self.zones.get(place, place)

    def take(self, moment: Moment) -> None:
        """Take the next event of `in_order`."""
        tick, _, chunk, port, event = moment
        if event is None:
            self._end_chunk(chunk, tick)
            return
        match event.type:
            case "note_on" if event.velocity:
                self._begin_note(tick, chunk, Place(port, event.channel), event)
            case "note_on" | "note_off":
                self._end_note(tick, Place(port, event.channel), (chunk, event.note))
            case "control_change":
                self._control(tick, chunk, Place(port, event.channel), event)
            case "program_change":
                self._set_sound(tick, chunk, Place(port, event.channel), program=event.program)
            case "pitchwheel":
                place = Place(port, event.channel)
                self.channels[place].bend = event.pitch
                self._changed.add(place)
            case "sysex":
                self._system_exclusive(tick, chunk, port, event.data)

    # Notes

    def _begin_note(self, tick: int, chunk: int, place: Place, event: Any) -> None:
        voice = self._current.get((place, chunk))
        if voice is None:
            voice = self._current[place, chunk] = self._voice(place, chunk)
            self._places[chunk].add(place)
            self._changed.add(place)
        note = (self._serial, tick, event.velocity, voice)
        self._serial += 1
        held, key = self.channels[place].held, (chunk, event.note)
        if key in held:
            held[key].append(note)
        else:
            held[key] = deque((note,))

    def _voice(self, place: Place, chunk: int) -> int:
        """Return the index of what a chunk's notes sound with on a channel."""
        home = self.home(place)
        program, kit = self.channels[home].sound(chunk)
        is_drum = home.channel == DRUM_CHANNEL if kit is None else kit
        voice = Voice(chunk, place, home, program, is_drum)
        if voice not in self._index:
            self._index[voice] = len(self.voices)
            self.voices.append(voice)
        return self._index[voice]

    def _end_note(self, tick: int, place: Place, key: tuple[int, int]) -> None:
        """End the oldest sounding note of a chunk and pitch, if any."""
        held = self.channels[place].held
        if key in held:
            serial, onset, velocity, voice = held[key].popleft()
            if not held[key]:
                del held[key]
            if tick > onset:
                self.notes.append((serial, onset, tick, key[1], velocity, voice))

    def _end_notes(self, tick: int, place: Place) -> None:
        """End all notes of a channel."""
        held = self.channels[place].held
        while held:
            self._end_note(tick, place, next(iter(held)))

    def _end_chunk(self, chunk: int, tick: int) -> None:
        """End all notes of a chunk."""
        for place in self._places.pop(chunk, ()):
            for pitch in range(128):
                while (chunk, pitch) in self.channels[place].held:
                    self.hanging.append((chunk, place, pitch))
                    self._end_note(tick, place, (chunk, pitch))

    # State

    def _set_sound(self, tick: int, chunk: int, place: Place, **changes: Any) -> None:
        home = self.home(place)
        self.channels[home].set_sound(tick, chunk, **changes)
        self._changed.add(home)
        self._current.clear()

    def _control(self, tick: int, chunk: int, place: Place, event: Any) -> None:
        control, value = event.control, event.value
        home = self.home(place)
        state = self.channels[home]
        state.controls[control] = value
        self._changed |= {place, home}
        if control == SUSTAIN:
            self._pedal(home, tick, value >= 64)
        elif control == BANK:
            self._bank(tick, chunk, home, value)
        elif control in (VOLUME, EXPRESSION):
            state.levels.append((tick, control, value))
        elif control in NOTE_ENDERS:
            for each in (place, *(p for p, home in self.zones.items() if home == place)):
                self._end_notes(tick, each)
        elif control == RESET_CONTROLLERS:
            self._reset_controllers(home, tick)
        else:
            self._parameter(place, control, value)

    def _pedal(self, place: Place, tick: int, down: bool) -> None:
        """Press or release the sustain pedal of a channel."""
        state = self.channels[place]
        if down and state.pedal_since < 0:
            state.pedal_since = tick
        elif not down and state.pedal_since >= 0:
            if tick > state.pedal_since:
                self.pedals.append((place, state.pedal_since, tick))
            state.pedal_since = -1

    def _bank(self, tick: int, chunk: int, place: Place, bank: int) -> None:
        """Choose a drum kit, or a melodic voice, by its bank."""
        if self._system != "GS":
            kit: bool | None = bank in KIT_BANKS[self._system]
            if not kit and self._system == "GM" and bank != MELODIC_BANK:
                kit = None
            self._set_sound(tick, chunk, place, kit=kit)

    def _reset_controllers(self, place: Place, tick: int) -> None:
        """Reset the controllers that "reset all controllers" resets (RP-015)."""
        state = self.channels[place]
        self._pedal(place, tick, False)
        state.controls |= RESET_VALUES
        state.levels.append((tick, EXPRESSION, 127))
        state.parameter = NO_PARAMETER
        state.bend = 0

    def _parameter(self, place: Place, control: int, value: int) -> None:
        """Choose or set a registered parameter; one of them makes an MPE zone."""
        state = self.channels[place]
        if control in PARAMETER:
            high, low = state.parameter
            state.parameter = (value, low) if control == PARAMETER[0] else (high, value)
        elif control in OTHER_PARAMETER:
            state.parameter = NO_PARAMETER
        elif control == DATA_ENTRY and state.parameter != NO_PARAMETER:
            state.parameters[state.parameter] = value
            if state.parameter == MPE_CONFIGURATION and place.channel in (0, 15):
                step = 1 if place.channel == 0 else -1
                self.zones = {p: home for p, home in self.zones.items() if home != place}
                for number in range(1, min(value, 15) + 1):
                    self.zones[Place(place.port, place.channel + step * number)] = place
                self._current.clear()

    def _system_exclusive(self, tick: int, chunk: int, port: int, data: Sequence[int]) -> None:
        """Reset all channels, or make a channel a drum kit, if this is what an event means."""
        if system := system_turned_on(data):
            self._system = system
            self.zones = {}
            self._current.clear()
            for place in self._changed:
                state = self.channels[place]
                self._end_notes(tick, place)
                self._pedal(place, tick, False)
                state.reset()
                state.levels += [(tick, level, DEFAULTS[level]) for level in (VOLUME, EXPRESSION)]
            self._changed.clear()
        elif rhythm := rhythm_part(data):
            channel, kit = rhythm
            self._set_sound(tick, chunk, Place(port, channel), kit=kit)
