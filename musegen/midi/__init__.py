"""MIDI files to `Score` and back. The only package that knows a MIDI library.

symusic reads in bulk (C++, two orders of magnitude faster than the others), mido reads and writes
where every event and its channel matter, pretty_midi is the type people exchange.
"""

from musegen.midi.appending import append
from musegen.midi.reading import MidiSource, from_mido, from_pretty_midi, from_symusic, load_mido, read
from musegen.midi.writing import save, to_mido, to_pretty_midi, write

__all__ = [
    "MidiSource",
    "append",
    "from_mido",
    "from_pretty_midi",
    "from_symusic",
    "load_mido",
    "read",
    "save",
    "to_mido",
    "to_pretty_midi",
    "write",
]
