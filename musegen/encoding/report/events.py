"""Count the events of a MIDI file that no encoding carries, by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from musegen.encoding.report.report import NotCarried
from musegen.score import Score
from musegen.score.general_midi import END_OF_TRACK, SUSTAIN
from musegen.score.midi.container import layout_of

__all__ = ["of_file", "of_score"]


def _numbered(names: str) -> dict[int, str]:
    """Return number → name, from `number name | number name | …`."""
    pairs = (entry.split(maxsplit=1) for entry in names.split("|"))
    return {int(number, 0): name.strip() for number, name in pairs}


# The common controllers (MIDI 1.0, table 3). 64, the sustain pedal, is music.
_CONTROLLERS = _numbered("""
    0 bank | 1 modulation | 2 breath | 4 foot pedal | 5 portamento time | 6 data entry | 7 volume
    | 8 balance | 10 pan | 11 expression | 32 bank, fine | 33 modulation, fine
    | 38 data entry, fine | 39 volume, fine | 42 pan, fine | 43 expression, fine | 65 portamento
    | 66 sostenuto pedal | 67 soft pedal | 68 legato pedal | 69 hold 2 | 71 resonance
    | 72 release time | 73 attack time | 74 brightness | 75 decay time | 76 vibrato rate
    | 77 vibrato depth | 78 vibrato delay | 84 portamento control | 91 reverb | 92 tremolo
    | 93 chorus | 94 detune | 95 phaser | 96 data increment | 97 data decrement | 98 NRPN, fine
    | 99 NRPN | 100 RPN, fine | 101 RPN | 120 all sound off | 121 reset controllers
    | 122 local control | 123 all notes off | 124 omni off | 125 omni on | 126 mono | 127 poly
""")

# Meta events by type. Tempos, time signatures and ends of track are music.
_META = _numbered("""
    0x00 sequence number | 0x01 text | 0x02 copyright | 0x03 track name | 0x04 instrument name
    | 0x05 lyrics | 0x06 marker | 0x07 cue point | 0x08 program name | 0x09 device name
    | 0x20 channel prefix | 0x21 port | 0x54 SMPTE offset | 0x59 key signature
    | 0x7F sequencer-specific
""")
_MUSICAL_META = {0x2F, 0x51, 0x58}

# High nibbles of status bytes. Program changes are music: notes after one are a track of their own.
_NOTE_OFF, _NOTE_ON, _PRESSURE, _CONTROLLER, _PROGRAM, _CHANNEL_PRESSURE, _BEND = range(0x8, 0xF)
_MESSAGES = {_PRESSURE: "key pressure", _CHANNEL_PRESSURE: "channel pressure", _BEND: "pitch bend"}
_SYSTEM, _META_STATUS = 0xF0, 0xFF


def of_score(score: Score) -> tuple[NotCarried, ...]:
    """Return what a score has and no encoding carries."""
    names = sum(bool(track.name) for track in score.tracks)
    counts = {"track name": names, "key signature": len(score.keys)}
    return tuple(NotCarried("meta", None, name, count) for name, count in counts.items() if count)


def of_file(data: bytes, name: str, score: Score) -> tuple[NotCarried, ...]:
    """Return what a file has and no encoding carries, the most frequent of each kind first.

    Args:
        data: The whole file.
        name: The file's name in messages.
        score: The same file, read.

    Raises:
        MidiError: It is not a MIDI file.
    """
    chunks = layout_of(data, name).chunks
    seen = Counter(event for start, end in chunks for event in _scan(data[start:end]))
    counts: Counter[tuple[str, int | None, str]] = Counter()
    channels: set[int] = set()
    releases: Counter[int] = Counter()
    note_ons = 0
    for (status, first, second), count in seen.items():
        kind = status >> 4
        if status == _META_STATUS:
            if first not in _MUSICAL_META:
                counts["meta", None, _META.get(first, f"meta event {first:#04x}")] += count
        elif status >= _SYSTEM:
            counts["message", None, "system exclusive"] += count
        elif kind == _NOTE_ON:
            channels.add(status & 15)
            note_ons += count * (second > 0)
        elif kind == _NOTE_OFF:
            releases[second] += count
        elif kind == _CONTROLLER:
            if first != SUSTAIN:
                counts["controller", first, _CONTROLLERS.get(first, "")] += count
        elif kind in _MESSAGES:
            counts["message", None, _MESSAGES[kind]] += count
    counts["message", None, "note of no length"] = max(note_ons - len(score), 0)
    # The most frequent release velocity is a default that nobody played.
    played = releases.total() - max(releases.values(), default=0)
    counts["message", None, "release velocity"] = played
    counts["meta", None, "channel"] = len(channels)
    found = [NotCarried(*what, count) for what, count in counts.items() if count]
    return tuple(sorted(found, key=lambda e: (e.kind, -e.count, e.number or 0, e.name)))


def _scan(events: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (status, first data byte, last data byte) of each event in a track chunk.

    The chunk must be one that a reader has accepted; `musegen.score.midi.structure` has its
    grammar. Of a meta event the first data byte is its type. mido would take twenty times as long:
    it makes an object of each event.
    """
    at = status = 0
    size = len(events)
    while at < size:
        while events[at] > 0x7F:  # the delta time
            at += 1
        at += 1
        if at >= size or events[at : at + 2] == END_OF_TRACK[:2]:
            return
        if events[at] >= _SYSTEM:
            # The status byte, the type of a meta event, the length, and as many bytes.
            system, kind = events[at], 0
            if system == _META_STATUS:
                at += 1
                kind = events[at]
            length = 0
            while True:
                at += 1
                length = length << 7 | events[at] & 0x7F
                if events[at] < 0x80:
                    break
            yield system, kind, 0
            at += 1 + length
            continue
        if events[at] >= 0x80:  # else running status
            status = events[at]
            at += 1
        width = 1 if status >> 4 in (_PROGRAM, _CHANNEL_PRESSURE) else 2
        yield status, events[at], events[at + width - 1]
        at += width
