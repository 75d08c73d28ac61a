"""Prepare a file for new music that begins where its own ends, at the seam.

At the seam no note and no pedal is held down and no bend is left, and the channels that play on
have the program and bank of their last note, and the volume and expression that most of their notes
have if the file fades out.

What the file changes between the seam and the end of the new music takes no effect there:

==============================================  ====================================================
tempo, program, bend, controller                is undone at its tick: what held at the seam follows
meter on a barline of the new music, key        is undone likewise
meter elsewhere, first key                      is moved to the end of the new music
all notes off, all controllers off, reset       is moved to the end of the new music
==============================================  ====================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.score.export.midi import Timed
from musegen.score.general_midi import KEY_NAMES
from musegen.score.midi.channel_state import (
    BANKS,
    EXPRESSION,
    NOTE_ENDERS,
    PARAMETERS,
    PEDALS,
    RESET_CONTROLLERS,
    VOLUME,
    ChannelState,
    Place,
)
from musegen.score.midi.ordering import in_order, port_after, ports_of
from musegen.score.midi.settling import undoable, value_at
from musegen.score.midi.system_exclusive import rhythm_part, system_turned_on
from musegen.score.midi.tracker import Tracker
from musegen.score.score import Score

if TYPE_CHECKING:
    import mido

__all__ = ["Seam"]

_CHANGES = ("control_change", "program_change", "pitchwheel")
_MODES = (*NOTE_ENDERS, RESET_CONTROLLERS)
_FADED = 0.5  # a volume below this share of the usual one is a fade-out


class Seam:
    """What the chunks of a file need for new music.

    Args:
        midi: The file.
        score: What `from_mido` read from it, with one track per instrument.
        tracks: The tracks that play on.
        start: First tick of the new music: a barline at the end of the file's own.
        end: Where it ends.
    """

    def __init__(
        self, midi: mido.MidiFile, score: Score, tracks: Sequence[int], start: int, end: int
    ) -> None:
        """Follow the channels up to the seam."""
        self._midi, self._score, self._start, self._end = midi, score, start, end
        played = score.notes["track"]
        self._last = {i: int(score.notes["onset"][played == i].max(initial=0)) for i in tracks}
        self._ports = ports_of(midi)
        self._follow()
        # Channels that play on → the first chunk that does.
        self._chunk_of: dict[Place, int] = {}
        for index in sorted(tracks, key=lambda i: score.tracks[i].chunk):
            self._chunk_of.setdefault(self._place(index), score.tracks[index].chunk)
        # What the messages at the seam set, and the programs of channels that play on.
        self._controls: dict[Place, dict[int, int]] = defaultdict(dict)
        self._programs = {self._home(self._place(i)): score.tracks[i].program for i in tracks}

    def _follow(self) -> None:
        """Keep the states of all channels at the seam, and at the last notes of tracks."""
        self._tracker = Tracker()
        self._states: dict[int, dict[Place, ChannelState]] = {}
        # Channel → tick and chunk of its last change up to the seam.
        self._latest: dict[Place, tuple[int, int]] = {}
        ticks = sorted({self._start, *self._last.values()}, reverse=True)
        for moment in in_order(self._midi):
            tick, _, chunk, port, event = moment
            while ticks and tick > ticks[-1]:
                self._keep(ticks.pop())
            self._tracker.take(moment)
            if tick <= self._start and event and event.type in _CHANGES:
                self._latest[Place(port, event.channel)] = tick, chunk
        for tick in reversed(ticks):
            self._keep(tick)

    def _keep(self, tick: int) -> None:
        """Keep the states as they are at a tick."""
        channels = self._tracker.channels.items()
        self._states[tick] = {place: state.copy() for place, state in channels}
        self._zones = dict(self._tracker.zones)  # the last time at the seam

    def _place(self, index: int) -> Place:
        track = self._score.tracks[index]
        return Place(track.port, track.channel)

    def _home(self, place: Place) -> Place:
        return self._zones.get(place, place)

    def _where(self, place: Place) -> int:
        """Return the chunk for messages at the seam: before new notes, and after other changes."""
        tick, chunk = self._latest.get(place, (-1, -1))
        return chunk if tick == self._start else self._chunk_of.get(place, chunk)

    # At the seam

    def releases(self) -> Iterator[tuple[int, Timed]]:
        """Yield the ends of notes that the file does not end, each with the index of its chunk."""
        from mido import Message

        for chunk, place, pitch in self._tracker.hanging:
            # In players the chunks of a tick follow one another: it must not end a new note.
            early = chunk > self._chunk_of.get(place, chunk)
            release = Message("note_off", note=pitch, channel=place.channel)
            yield chunk, (self._start - early, release)

    def messages(self) -> Iterator[tuple[int, Any]]:
        """Yield the messages at the seam, each with the index of its chunk."""
        from mido import Message

        for place, state in self._states[self._start].items():
            for control in PEDALS:
                if state.controls.get(control, 0) >= 64:
                    yield self._where(place), self._control(place, control, 0)
            if state.bend:
                yield self._where(place), Message("pitchwheel", channel=place.channel)
        for index in self._last:
            place = self._place(index)
            for message in self._restored(index, place, self._home(place)):
                yield self._where(place), message

    def _control(self, place: Place, control: int, value: int) -> Any:
        from mido import Message

        self._controls[place][control] = value
        return Message("control_change", control=control, value=value, channel=place.channel)

    def _restored(self, index: int, place: Place, home: Place) -> Iterator[Any]:
        """Yield messages that give a track the sound and the volume of its notes."""
        from mido import Message

        track = self._score.tracks[index]
        then, now = self._states[self._last[index]][home], self._states[self._start][home]
        banks = [
            self._control(home, bank, then.control(bank))
            for bank in BANKS
            if then.control(bank) != now.control(bank)
        ]
        yield from banks
        if banks or now.sound(track.chunk).program != track.program:
            yield Message("program_change", program=track.program, channel=home.channel)
        onsets = self._score.notes["onset"][self._score.notes["track"] == index]
        for control in (VOLUME, EXPRESSION):
            usual = self._tracker.channels[home].usual(control, onsets)
            if now.control(control) < _FADED * usual:
                yield self._control(home, control, usual)

    # Behind the seam

    def events(self, chunk: int) -> list[Timed]:
        """Return the events of a chunk, without its end of track, undone or moved behind the seam.

        Call it after `messages`.
        """
        out: list[Timed] = []
        tick = port = 0
        for event in self._midi.tracks[chunk]:
            tick, port = tick + event.time, port_after(event, port, self._ports)
            if event.type == "end_of_track":
                continue
            if not self._start < tick < self._end:
                out.append((tick, event))
            elif self._is_moved(tick, port, event):
                out.append((self._end, event))
            else:
                out.append((tick, event))
                if (undo := self._undo(chunk, port, event)) is not None:
                    out.append((tick, undo))
        return out

    def _is_moved(self, tick: int, port: int, event: Any) -> bool:
        """Return whether an event cannot be undone where it is."""
        match event.type:
            case "time_signature" | "key_signature":
                name = "meters" if event.type == "time_signature" else "keys"
                ticks = np.array([tick])
                return not undoable(self._score, name, ticks, self._start, self._end)[0]
            case "control_change" if event.control in _MODES:
                return self._home(Place(port, event.channel)) in self._programs
            case "sysex":
                return bool(system_turned_on(event.data) or rhythm_part(event.data))
        return False

    def _value(self, name: str) -> tuple[Any, ...]:
        return value_at(self._score, name, self._start) or ()

    def _undo(self, chunk: int, port: int, event: Any) -> Any:
        """Return the message that undoes an event; None if it changes nothing that lasts."""
        from mido import Message, MetaMessage

        match event.type:
            case "set_tempo":
                (tempo,) = self._value("tempos")
                return MetaMessage("set_tempo", tempo=tempo)
            case "time_signature":
                numerator, denominator = self._value("meters")
                return MetaMessage("time_signature", numerator=numerator, denominator=denominator)
            case "key_signature":
                fifths, minor = self._value("keys")
                return MetaMessage("key_signature", key=KEY_NAMES[fifths, minor])
        if event.is_meta or not hasattr(event, "channel"):
            return None
        place = Place(port, event.channel)
        home = self._home(place)
        state = self._states[self._start].get(home, ChannelState())
        match event.type:
            case "program_change":
                number = self._programs.get(home, state.sound(chunk).program)
                return Message("program_change", program=number, channel=place.channel)
            case "pitchwheel":
                return Message("pitchwheel", channel=place.channel)
            case "control_change" if event.control not in (*_MODES, *PARAMETERS):
                value = self._controls[home].get(event.control, state.control(event.control))
                return event.copy(value=value, time=0)
        return None
