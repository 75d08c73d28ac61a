"""MIDI files to `Score`, and changes to MIDI files that keep everything else in them.

symusic reads in bulk (C++, two orders of magnitude faster than the others), mido reads and writes
where every event and its channel matter, pretty_midi is the type people exchange.
"""

from musegen.score.export.audio import audio, render
from musegen.score.export.midi import save, to_mido, write
from musegen.score.export.objects import to_pretty_midi, to_symusic
from musegen.score.midi.appending import append
from musegen.score.midi.overdubbing import overdub
from musegen.score.midi.reading import (
    MidiSource,
    from_mido,
    from_pretty_midi,
    from_symusic,
    load_mido,
    parse,
    read,
    read_bytes,
)
from musegen.score.midi.replacing import refill

__all__ = [
    "MidiSource",
    "append",
    "audio",
    "from_mido",
    "from_pretty_midi",
    "from_symusic",
    "load_mido",
    "overdub",
    "parse",
    "read",
    "read_bytes",
    "refill",
    "render",
    "save",
    "to_mido",
    "to_pretty_midi",
    "to_symusic",
    "write",
]
