"""MIDI files to `Score` and back. The only package that knows a MIDI library.

symusic reads in bulk (C++, two orders of magnitude faster than the others), mido reads and writes
where every event and its channel matter, pretty_midi is the type people exchange.
"""

from musegen.midi.appending import append
from musegen.midi.exchange import to_pretty_midi, to_symusic
from musegen.midi.gathering import gather
from musegen.midi.overdubbing import overdub
from musegen.midi.reading import (
    MidiSource,
    from_mido,
    from_pretty_midi,
    from_symusic,
    load_mido,
    parse,
    read,
    read_bytes,
)
from musegen.midi.replacing import refill
from musegen.midi.sound import audio, render
from musegen.midi.writing import save, to_mido, write

__all__ = [
    "MidiSource",
    "append",
    "audio",
    "from_mido",
    "from_pretty_midi",
    "from_symusic",
    "gather",
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
