"""Read a MIDI track event by event, and repair it: exact, and slow (2 µs an event).

Grammar (Standard MIDI Files 1.0, RP-001)::

    chunk   = (delta event)* delta FF 2F 00
    event   = [status] data data?       channel message; the status may be left out where it repeats
            | FF type length byte*      meta event
            | (F0 | F7) length byte*    system exclusive
    delta, length = (80…FF){0,3} (00…7F)

It is as lenient as common files and readers are: a chunk may lack its end of track, zeros and more
ends of track may follow it, and running status continues after a meta event.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from musegen.errors import MidiError
from musegen.score.general_midi import END_OF_TRACK, MAX_TICK
from musegen.score.midi.meta import MIDO_KINDS, mend

__all__ = ["Chunk", "walk"]

_DATA_BYTES = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}
"""High nibble of a status byte → how many data bytes follow."""
_UNCHECKED = {0xA, 0xD, 0xE}  # aftertouch and pitch bends, which a score does not keep
_NAMES = {0x8: "a note-off", 0x9: "a note-on", 0xB: "a control change", 0xC: "a program change"}


class Chunk(NamedTuple):
    """Content of a track chunk.

    Attributes:
        events: The bytes up to the end of track, its delta time included, repaired so that symusic
            and mido read them as the standard means them.
        end: Tick of the end of the track.
        hanging: (channel, pitch) → number of notes that are never released.
    """

    events: bytes
    end: int
    hanging: Counter[tuple[int, int]]


def walk(data: bytes, start: int, end: int, number: int, name: str) -> Chunk:
    """Return the content of a track chunk.

    >>> walk(bytes.fromhex("00 90 3c 40 60 3c 00 00 ff 2f 00"), 0, 11, 1, "two events").end
    96

    Args:
        data: The whole file.
        start: First byte of the chunk's events.
        end: End of the chunk. Exclusive.
        number: Number of the chunk, from 1, for messages.
        name: Name of the file, for messages.

    Raises:
        MidiError: The chunk is invalid. The message gives the byte, track and tick of the first
            fault, and what was expected there.
    """
    return _Walk(data, start, end, f"track {number}", name).run()


class _Walk:
    """One pass over one chunk."""

    def __init__(self, data: bytes, start: int, end: int, track: str, name: str) -> None:
        self._data = data
        self._start = start
        self._end = end
        self._track = track
        self._name = name
        # Position: byte, tick, last delta time, and status byte in force (0: none).
        self._at = start
        self._tick = 0
        self._delta = 0
        self._running = 0
        self._hanging: Counter[tuple[int, int]] = Counter()
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
            else:
                raise self._fault(
                    event,
                    "an event was expected; status bytes 0xf1 to 0xfe have no place in a file",
                )
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
        return Chunk(b"".join(parts), self._tick, +self._hanging)

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
        kind, channel = status >> 4, status & 0xF
        values = []
        for _ in range(_DATA_BYTES[kind]):
            byte = self._byte("a data byte")
            if byte >= 0x80:
                if kind not in _UNCHECKED:
                    what = f"a data byte of {_NAMES[kind]}, 0 to 127, was expected"
                    raise self._fault(self._at - 1, what)
                self._mended[self._at - 1 - self._start] &= 0x7F
            values.append(byte)
        if kind == 0x9 and values[1]:
            self._hanging[channel, values[0]] += 1
        elif kind in (0x8, 0x9) and self._hanging[channel, values[0]]:
            self._hanging[channel, values[0]] -= 1

    def _system_exclusive(self, event: int, status: int) -> None:
        """Read a system exclusive event."""
        self._payload("a system exclusive")
        self._running = 0
        # F7 holds raw bytes. symusic takes it for an event of one byte, mido for a system
        # exclusive event; so it becomes a sequencer-specific meta event.
        if status == 0xF7:
            self._splices.append((event - self._start, 1, b"\xff\x7f"))

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
        try:
            self._mended[event + 1 - self._start], content = mend(kind, payload)
        except ValueError as error:
            remedy = "Correct it in the program that made the file, and export it again."
            raise self._fault(event, str(error), "", remedy) from None
        if content is not None:
            length = event + 2
            self._splices.append(
                (length - self._start, self._at - length, bytes((len(content),)) + content)
            )
        elif kind not in MIDO_KINDS and self._delta:
            # mido 1.3 forgets the delta time of an unknown event: give it to another one before.
            self._splices.append((event - self._start, 0, b"\xff\x7f\0\0"))
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
