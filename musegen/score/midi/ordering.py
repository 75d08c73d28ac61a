"""Bring the events of all track chunks into the order in which they take effect.

Channels are shared by the chunks of a file, so the chunks are read together, tick by tick. Within a
tick, the chunks follow one another and each keeps its order, but

1. tempos and other meta events, and resets of all channels, come first;
2. then what a chunk sets before its first note of the tick, such as programs and pedals;
3. then that note and what follows it in its chunk.

So a program holds for the notes of its tick, whichever chunk it is in.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from musegen.errors import MidiError
from musegen.score.general_midi import MAX_TICK
from musegen.score.midi.system_exclusive import system_turned_on

if TYPE_CHECKING:
    import mido

__all__ = ["Moment", "in_order", "port_after", "port_message", "ports_of"]

_FIRST, _BEFORE_NOTES, _NOTES, _END = range(4)
_PHASE = itemgetter(1)


Moment: TypeAlias = tuple[int, int, int, int, Any]
"""An event with its place in a file: tick, phase, chunk, port, event.

Its phase is 0 to 2 as above, or 3 for the end of the chunk, where the event is None; else it is a
`mido` message. The port is the one in force in the chunk: from `FF 21`; in a file without any, the
names of devices (`FF 09`, RP-019) are numbered as they appear. It is 0 before the first.
"""


def in_order(midi: mido.MidiFile) -> Iterator[Moment]:
    """Yield the events of a file in the order in which they take effect, and the ends of chunks.

    >>> from musegen import Score, Track
    >>> midi = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Flute", 73)]).to_mido()
    >>> [(tick, event.type) for tick, _, chunk, _, event in in_order(midi) if chunk and event][1:]
    [(0, 'program_change'), (0, 'note_on'), (480, 'note_off')]

    Raises:
        MidiError: A chunk is too long.
    """
    ports = ports_of(midi)
    # Moments of different chunks differ in their first three fields.
    yield from merge(*(_chunk(events, index, ports) for index, events in enumerate(midi.tracks)))


def port_message(midi: mido.MidiFile, port: int) -> mido.MetaMessage | None:
    """Return the event that puts a chunk of this file on a port; None if the file has none."""
    ports = ports_of(midi)
    return next((event for event in _port_events(midi) if ports[_value(event)] == port), None)


def _port_events(midi: mido.MidiFile) -> list[mido.MetaMessage]:
    """Return the events that mean ports."""
    metas = [event for chunk in midi.tracks for event in chunk if event.is_meta]
    ports = [event for event in metas if event.type == "midi_port"]
    return ports or [event for event in metas if event.type == "device_name"]


def _value(event: mido.MetaMessage) -> Any:
    return event.port if event.type == "midi_port" else event.name


def ports_of(midi: mido.MidiFile) -> dict[Any, int]:
    """Return the port that the value of each port event of a file stands for."""
    events = _port_events(midi)
    values = dict.fromkeys(map(_value, events))
    by_name = bool(events) and events[0].type == "device_name"
    return {value: number if by_name else value for number, value in enumerate(values)}


def port_after(event: Any, port: int, ports: dict[Any, int]) -> int:
    """Return the port in force after an event.

    Args:
        event: A `mido` message.
        port: The port before it.
        ports: `ports_of` the file.
    """
    if event.type in ("midi_port", "device_name"):
        return ports.get(_value(event), port)
    return port


def _chunk(events: mido.MidiTrack, chunk: int, ports: dict[Any, int]) -> Iterator[Moment]:
    """Yield the events of a chunk, sorted."""
    tick = port = 0
    phase = _BEFORE_NOTES
    now: list[Moment] = []  # the events of this tick
    for event in events:
        if event.time:
            yield from now if len(now) == 1 else sorted(now, key=_PHASE)
            now.clear()
            tick, phase = tick + event.time, _BEFORE_NOTES
            if tick > MAX_TICK:
                break
        kind = event.type
        if kind == "end_of_track":
            continue
        if kind == "note_on" and event.velocity:
            phase = _NOTES
        port = port_after(event, port, ports)
        is_first = event.is_meta or (kind == "sysex" and system_turned_on(event.data))
        now.append((tick, _FIRST if is_first else phase, chunk, port, event))
    if tick > MAX_TICK:
        raise MidiError(
            f"track {chunk + 1}: music before tick {MAX_TICK + 1:,} was expected; "
            f"received {tick:,}."
        )
    yield from sorted(now, key=_PHASE)
    yield tick, _END, chunk, port, None
