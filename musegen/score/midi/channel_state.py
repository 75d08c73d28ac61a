"""What a MIDI channel has: program, drum kit, controllers, bend and sounding notes.

A state belongs to a channel of a port, whichever track chunk sets it (MIDI 1.0; Standard MIDI Files
1.0, RP-001). If several chunks set the program at one tick, each keeps its own until the next one:
so write programs that give many instruments one channel.
"""

from __future__ import annotations

import copy
from collections import deque
from typing import Any, NamedTuple

import numpy as np

from musegen.score.general_midi import SUSTAIN
from musegen.utils.arrays import Ints

__all__ = [
    "BANK",
    "BANKS",
    "DATA_ENTRY",
    "DEFAULTS",
    "EXPRESSION",
    "MPE_CONFIGURATION",
    "NOTE_ENDERS",
    "NO_PARAMETER",
    "OTHER_PARAMETER",
    "PARAMETER",
    "PARAMETERS",
    "PEDALS",
    "RESET_CONTROLLERS",
    "RESET_VALUES",
    "VOLUME",
    "ChannelState",
    "Place",
    "Sound",
]

# Controllers (MIDI 1.0, table III)
BANK = 0
BANKS = (BANK, 32)  # most and least significant byte
DATA_ENTRY = 6
VOLUME = 7
EXPRESSION = 11
PEDALS = (SUSTAIN, 66, 69)  # sustain, sostenuto, hold 2
OTHER_PARAMETER = (98, 99)
PARAMETER = (101, 100)  # registered parameter: most and least significant byte
PARAMETERS = (DATA_ENTRY, 38, 96, 97, *OTHER_PARAMETER, *PARAMETER)  # all that set parameters
RESET_CONTROLLERS = 121
NOTE_ENDERS = (120, 123, 124, 125, 126, 127)  # all sound off, all notes off, mode messages

DEFAULTS = {VOLUME: 100, 8: 64, 10: 64, EXPRESSION: 127}  # General MIDI 1; the others begin at 0
RESET_VALUES = {1: 0, EXPRESSION: 127, 65: 0, 67: 0} | dict.fromkeys(PEDALS, 0)  # RP-015

MPE_CONFIGURATION = (0, 6)
NO_PARAMETER = (127, 127)


class Place(NamedTuple):
    """A channel of a port, both from 0."""

    port: int
    channel: int


class Sound(NamedTuple):
    """What a channel sounds with: a program, and whether it is a drum kit (None: on channel 10)."""

    program: int = 0
    kit: bool | None = None


class ChannelState:
    """State of one channel of a port.

    Attributes:
        controls: Controller → its value.
        levels: (tick, controller, value) of each change of volume or expression.
        parameters: Registered parameter → its value (data entry).
        parameter: The registered parameter that data entry sets.
        bend: −8192 to 8191; 0 is the centre.
        held: (chunk, pitch) → the notes that sound, oldest first: serial number, onset, velocity,
            voice.
        pedal_since: Tick since when the sustain pedal is down; −1 if it is up.
    """

    def __init__(self) -> None:
        """Begin with the default state."""
        self.held: dict[tuple[int, int], deque[tuple[int, int, int, int]]] = {}
        self.levels: list[tuple[int, int, int]] = []
        self.pedal_since = -1
        self._set_at = -1
        self.reset()

    def reset(self) -> None:
        """Return to the state of a device that was switched on; notes and pedals are left to do."""
        self.controls: dict[int, int] = {}
        self.parameters: dict[tuple[int, int], int] = {}
        self.parameter = NO_PARAMETER
        self.bend = 0
        self._sound = Sound()
        self._of_chunk: dict[int, Sound] = {}

    def copy(self) -> ChannelState:
        """Return the state as it is now, without the notes."""
        out = copy.copy(self)
        out.controls, out._of_chunk, out.held = dict(self.controls), dict(self._of_chunk), {}
        return out

    def control(self, number: int) -> int:
        """Return the value of a controller."""
        return self.controls.get(number, DEFAULTS.get(number, 0))

    def usual(self, number: int, ticks: Ints) -> int:
        """Return the volume or expression that was in force at most of some ticks: the median."""
        changes = [(tick, value) for tick, control, value in self.levels if control == number]
        at = np.array([tick for tick, _ in changes], np.int64).searchsorted(ticks, side="right")
        values = np.array([DEFAULTS[number], *(value for _, value in changes)])[at]
        return int(np.percentile(values, 50, method="higher"))

    def sound(self, chunk: int) -> Sound:
        """Return what a chunk's notes sound with: the latest sound, of equals the chunk's own."""
        return self._of_chunk.get(chunk, self._sound)

    def set_sound(self, tick: int, chunk: int, **changes: Any) -> None:
        """Set the program, or whether it is a drum kit."""
        sound = self.sound(chunk)._replace(**changes)
        if tick > self._set_at:
            self._set_at, self._of_chunk = tick, {}
        self._sound = self._of_chunk[chunk] = sound
