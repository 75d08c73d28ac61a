"""Read a MIDI track event by event, and repair it: exact, and slow (2 µs an event).

Grammar (Standard MIDI Files 1.0, RP-001)::

    chunk   = (delta event)* delta FF 2F 00
    event   = [status] data data?       channel message; the status may be left out where it repeats
            | FF type length byte*      meta event
            | (F0 | F7) length byte*    system exclusive
            | F8…FE                     realtime message
    delta, length = (80…FF){0,3} (00…7F)

It is as lenient as common files and readers are: a chunk may lack its end of track, zeros and more
ends of track may follow it, running status continues after a meta event, and realtime messages (F8
to FE) are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from musegen.errors import MidiError
from musegen.score.general_midi import END_OF_TRACK, MAX_TICK
from musegen.score.midi.meta import SEQUENCER_SPECIFIC, for_mido, wrong_music

if TYPE_CHECKING:
    import mido

__all__ = ["Chunk", "Foreign", "restored", "walk"]

_DATA_BYTES = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}
"""High nibble of a status byte → how many data bytes follow."""
_NOTHING = bytes((0xFF, SEQUENCER_SPECIFIC, 0))  # an empty meta event
_UNCHECKED = {0xA, 0xD, 0xE}  # aftertouch and pitch bends, which a score does not keep
_NAMES = {0x8: "a note-off", 0x9: "a note-on", 0xB: "a control change", 0xC: "a program change"}


class Foreign(NamedTuple):
    """An event that mido cannot represent, or would misread.

    Attributes:
        number: Its number among the events of its chunk, from 0.
        delta: Its delta time.
        kind: The type of a meta event; −1 for a realtime message, which has no place in a file.
        payload: The content of a meta event.
    """

    number: int
    delta: int
    kind: int
    payload: bytes


class Chunk(NamedTuple):
    """Content of a track chunk.

    Attributes:
        events: The bytes up to the end of track, its delta time included, in a form that mido reads
            as the standard means it.
        foreign: The events that are empty sequencer-specific ones in `events`.
        length: How many events there are, without the end of track.
    """

    events: bytes
    foreign: list[Foreign]
    length: int


def walk(
    data: bytes,
    start: int,
    end: int,
    number: int,
    name: str,
    *,
    tick: int = 0,
    running: int = 0,
) -> Chunk:
    """Return the content of a track chunk.

    >>> walk(bytes.fromhex("00 90 3c 40 60 3c 00 00 ff 2f 00"), 0, 11, 1, "two notes").foreign
    []

    Args:
        data: The whole file.
        start: First byte of the chunk's events.
        end: End of the chunk. Exclusive.
        number: Number of the chunk, from 1, for messages.
        name: Name of the file, for messages.
        tick: The tick before the first event, to begin inside a chunk.
        running: The running status there; 0 for none.

    Raises:
        MidiError: The chunk is invalid. The message gives the byte, track and tick of the first
            fault, and what was expected there.
    """
    return _Walk(data, start, end, f"track {number}", name, tick, running).run()


def restored(track: mido.MidiTrack, foreign: list[Foreign]) -> mido.MidiTrack:
    """Return a track that mido has read from `Chunk.events` with its foreign events.

    Meta events get their bytes; realtime messages are left out.
    """
    import mido

    if not foreign:
        return track
    by_number = {event.number: event for event in foreign}
    out = mido.MidiTrack()
    waits = 0  # ticks of left-out messages since the last event
    for number, message in enumerate(track):
        if number in by_number:
            _, delta, kind, payload = by_number[number]
            if kind < 0:
                waits += delta
                continue
            message = mido.UnknownMetaMessage(kind, payload, time=delta)
        if waits:
            message.time, waits = message.time + waits, 0
        out.append(message)
    return out


class _Walk:
    """One pass over one chunk."""

    def __init__(
        self, data: bytes, start: int, end: int, track: str, name: str, tick: int, running: int
    ) -> None:
        self._data = data
        self._start = start
        self._end = end
        self._track = track
        self._name = name
        # Position: byte, tick, last delta time, and status byte in force (0: none).
        self._at = start
        self._tick = tick
        self._delta = 0
        self._running = running
        self._number_of_event = 0
        self._foreign: list[Foreign] = []
        # A copy of the chunk with bytes changed in place, and (position in it, number of bytes to
        # drop, bytes to insert) of each further change.
        self._mended = bytearray(data[start:end])
        self._splices: list[tuple[int, int, bytes]] = []

    def run(self) -> Chunk:
        while self._at < self._end:
            self._delta = self._number("delta time")
            self._tick += self._delta
            if self._tick > MAX_TICK:
                raise self._fault(self._at, f"music before tick {MAX_TICK + 1:,} was expected", "")
            event = self._at
            status = self._byte("an event")
            if status == 0xFF:
                if self._meta(event):
                    return self._chunk(event)
            elif status in (0xF0, 0xF7):
                self._system_exclusive(event, status)
            elif status < 0xF0:
                self._channel(event, status)
            elif status >= 0xF8:
                self._replace(event, 1, _NOTHING)
                self._add_foreign(-1)
            else:
                raise self._fault(
                    event,
                    "an event was expected; status bytes 0xf1 to 0xf6 have no place in a file",
                )
            self._number_of_event += 1
        self._mended.append(0)  # delta time of the missing end of track
        return self._chunk(self._end + 1)

    def _chunk(self, end: int) -> Chunk:
        """Return the repaired events up to a byte of the file."""
        parts: list[bytes | bytearray] = []
        done = 0
        for at, dropped, new in self._splices:
            parts += (self._mended[done:at], new)
            done = at + dropped
        parts.append(self._mended[done : end - self._start])
        return Chunk(b"".join(parts), self._foreign, self._number_of_event)

    def _replace(self, at: int, size: int, new: bytes) -> None:
        """Put other bytes in the place of some."""
        self._splices.append((at - self._start, size, new))

    def _add_foreign(self, kind: int, payload: bytes = b"") -> None:
        self._foreign.append(Foreign(self._number_of_event, self._delta, kind, payload))

    def _byte(self, expected: str) -> int:
        """Read a byte."""
        if self._at >= self._end:
            raise self._fault(
                self._at, f"{expected} was expected, and the track chunk ends here", ""
            )
        self._at += 1
        return self._data[self._at - 1]

    def _number(self, what: str) -> int:
        """Read a variable-length number: 7 bits a byte, the highest bit set in all but the last."""
        first, value = self._at, 0
        for _ in range(4):
            byte = self._byte(f"a {what}")
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        raise self._fault(first, f"a {what} of at most 4 bytes was expected")

    def _payload(self, what: str) -> bytes:
        """Read a length and that many bytes."""
        length = self._number("length")
        if length > self._end - self._at:
            raise self._fault(
                self._at,
                f"{length:,} bytes of {what} were expected, and the track chunk ends after "
                f"{self._end - self._at:,}",
                "",
            )
        self._at += length
        return self._data[self._at - length : self._at]

    def _channel(self, event: int, status: int) -> None:
        """Read a channel event; `status` is its first byte, a data byte in running status."""
        if status < 0x80:
            if not self._running:
                raise self._fault(
                    event, "a status byte was expected, because no running status is in force"
                )
            self._at, status = event, self._running
        self._running = status
        kind = status >> 4
        for _ in range(_DATA_BYTES[kind]):
            byte = self._byte("a data byte")
            if byte >= 0x80:
                if kind not in _UNCHECKED:
                    what = f"a data byte of {_NAMES[kind]}, 0 to 127, was expected"
                    raise self._fault(self._at - 1, what)
                self._mended[self._at - 1 - self._start] &= 0x7F

    def _system_exclusive(self, event: int, status: int) -> None:
        """Read a system exclusive event."""
        self._payload("a system exclusive")
        self._running = 0
        # F7 holds raw bytes, which mido takes for a system exclusive event; so it becomes a
        # sequencer-specific one.
        if status == 0xF7:
            self._replace(event, 1, b"\xff\x7f")

    def _meta(self, event: int) -> bool:
        """Read a meta event; return whether it ends the track."""
        kind = self._byte("the type of a meta event")
        payload = self._payload("a meta event")
        if kind == END_OF_TRACK[1]:
            rest = self._data[self._at : self._end].replace(b"\0" + END_OF_TRACK, b"")
            if rest.strip(b"\0"):
                raise self._fault(
                    self._at,
                    "the track has ended, and no more events were expected in its chunk; "
                    f"{len(rest):,} bytes follow",
                    "",
                    "Export it again, or remove the end-of-track event there.",
                )
            return True
        if problem := wrong_music(kind, payload):
            remedy = "Correct it in the program that made the file, and export it again."
            raise self._fault(event, problem, "", remedy)
        content = for_mido(kind, payload)
        if content is None:
            self._replace(event, self._at - event, _NOTHING)
            self._add_foreign(kind, payload)
        elif len(content) < len(payload):
            length = event + 2
            self._replace(length, self._at - length, bytes((len(content),)) + content)
        return False

    def _fault(
        self, at: int, expected: str, received: str | None = None, remedy: str = "Export it again."
    ) -> MidiError:
        """Return the error about a byte.

        Args:
            at: Position of the byte in the file.
            expected: What was expected there.
            received: What was received; None for the byte itself, empty to leave it out.
            remedy: What to do.
        """
        if received is None:
            received = f"{self._data[at]:#04x}"
        received = f"; received {received}" if received else ""
        place = f"byte {at:,} ({self._track}, tick {self._tick:,})"
        return MidiError(
            f"{self._name} is not a readable MIDI file: {place}: {expected}{received}. {remedy}"
        )
