"""The events of a MIDI file that no encoding carries, counted by kind."""

from __future__ import annotations

from collections import Counter

from musegen.encoding.report.report import NotCarried
from musegen.score import Score
from musegen.score.general_midi import END_OF_TRACK, SUSTAIN
from musegen.score.midi.container import layout_of

__all__ = ["CONTROLLERS", "of_file", "of_score"]

CONTROLLERS = {
    0: "bank",
    1: "modulation",
    2: "breath",
    4: "foot pedal",
    5: "portamento time",
    6: "data entry",
    7: "volume",
    8: "balance",
    10: "pan",
    11: "expression",
    32: "bank, fine",
    33: "modulation, fine",
    38: "data entry, fine",
    39: "volume, fine",
    42: "pan, fine",
    43: "expression, fine",
    65: "portamento",
    66: "sostenuto pedal",
    67: "soft pedal",
    68: "legato pedal",
    69: "hold 2",
    71: "resonance",
    72: "release time",
    73: "attack time",
    74: "brightness",
    75: "decay time",
    76: "vibrato rate",
    77: "vibrato depth",
    78: "vibrato delay",
    84: "portamento control",
    91: "reverb",
    92: "tremolo",
    93: "chorus",
    94: "detune",
    95: "phaser",
    96: "data increment",
    97: "data decrement",
    98: "NRPN, fine",
    99: "NRPN",
    100: "RPN, fine",
    101: "RPN",
    120: "all sound off",
    121: "reset controllers",
    122: "local control",
    123: "all notes off",
    124: "omni off",
    125: "omni on",
    126: "mono",
    127: "poly",
}
"""Number of each common controller → its name (MIDI 1.0, table 3). 64, the sustain pedal, is music."""

_META = {
    0x00: "sequence number",
    0x01: "text",
    0x02: "copyright",
    0x03: "track name",
    0x04: "instrument name",
    0x05: "lyrics",
    0x06: "marker",
    0x07: "cue point",
    0x08: "program name",
    0x09: "device name",
    0x20: "channel prefix",
    0x21: "port",
    0x54: "SMPTE offset",
    0x59: "key signature",
    0x7F: "sequencer-specific",
}
"""Type of each meta event → its name. Tempos, time signatures and ends of track are music."""
_MUSICAL_META = {0x2F, 0x51, 0x58}

_NOTE_OFF, _NOTE_ON, _PRESSURE, _CONTROLLER, _PROGRAM, _CHANNEL_PRESSURE, _BEND = range(0x8, 0xF)
_MESSAGES = {_PRESSURE: "key pressure", _CHANNEL_PRESSURE: "channel pressure", _BEND: "pitch bend"}
"""High nibble of a status byte → its name. Program changes are music: notes behind one are a track of their own."""


def of_score(score: Score) -> tuple[NotCarried, ...]:
    """Return what a score holds and no encoding carries."""
    counts = {
        "track name": sum(bool(track.name) for track in score.tracks),
        "key signature": len(score.keys),
    }
    return tuple(NotCarried("meta", None, name, count) for name, count in counts.items() if count)


def of_file(data: bytes, name: str, score: Score) -> tuple[NotCarried, ...]:
    """Return what a file holds and no encoding carries: the most frequent of each kind first.

    Args:
        data: The whole file.
        name: What messages call it.
        score: The same file, read.

    Raises:
        MidiError: It is not one.
    """
    seen = _Events()
    for start, end in layout_of(data, name).chunks:
        seen.scan(data[start:end])
    channels = {status & 15 for status in seen.statuses if status >> 4 == _NOTE_ON}
    messages = {
        **{name: seen.messages[kind] for kind, name in _MESSAGES.items()},
        "system exclusive": seen.exclusives,
        "note of no length": max(seen.note_ons - len(score), 0),
        "release velocity": seen.releases.total() - max(seen.releases.values(), default=0),
    }
    found = [
        NotCarried("controller", n, CONTROLLERS.get(n, ""), c)
        for n, c in seen.controllers.items()
        if c
    ]
    found += [NotCarried("message", None, name, count) for name, count in messages.items() if count]
    found += [
        NotCarried("meta", None, _META.get(k, f"meta event {k:#04x}"), c)
        for k, c in seen.meta.items()
        if c
    ]
    if channels:
        found.append(NotCarried("meta", None, "channel", len(channels)))
    return tuple(
        sorted(found, key=lambda event: (event.kind, -event.count, event.number or 0, event.name))
    )


class _Events:
    """Counts events. mido would take twenty times as long: it makes an object of each."""

    def __init__(self) -> None:
        self.statuses: set[int] = set()
        self.controllers: Counter[int] = Counter()
        self.messages: Counter[int] = Counter()
        self.meta: Counter[int] = Counter()
        self.releases: Counter[int] = (
            Counter()
        )  # velocity of note-offs; the most frequent is none that anybody played
        self.exclusives = self.note_ons = 0

    def scan(self, events: bytes) -> None:
        """Count the events of a track chunk that a reader has taken in (`score.midi.structure` has the grammar)."""
        at, kind, size = 0, 0, len(events)
        while at < size:
            while events[at] > 0x7F:  # the delta time
                at += 1
            at += 1
            if at >= size or events[at : at + 2] == END_OF_TRACK[:2]:
                return
            status = events[at]
            if status >= 0xF0:
                at = self._long(events, at, status)
                continue
            if status >= 0x80:
                kind = status >> 4
                self.statuses.add(status)
                at += 1
            if kind == _NOTE_ON:
                self.note_ons += events[at + 1] > 0
            elif kind == _NOTE_OFF:
                self.releases[events[at + 1]] += 1
            elif kind == _CONTROLLER:
                self.controllers[events[at]] += events[at] != SUSTAIN
            else:
                self.messages[kind] += 1
            at += 1 if kind in (_PROGRAM, _CHANNEL_PRESSURE) else 2

    def _long(self, events: bytes, at: int, status: int) -> int:
        """Count an event that says its length, and return where the next begins."""
        if status == 0xFF:
            at += 1
            self.meta[events[at]] += events[at] not in _MUSICAL_META
        else:
            self.exclusives += 1
        length = 0
        while True:
            at += 1
            length = length << 7 | events[at] & 0x7F
            if events[at] < 0x80:
                return at + 1 + length
