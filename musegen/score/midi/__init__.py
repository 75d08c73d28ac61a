"""Read, edit and write MIDI files.

symusic (C++) reads files in bulk, a hundred times faster than the others. mido is used where every
event and its channel matter: to edit files and to write them. pretty_midi is the type that other
tools exchange.
"""

from musegen.score.export.audio import audio, render
from musegen.score.export.midi import save, to_mido, write
from musegen.score.export.objects import to_pretty_midi, to_symusic
from musegen.score.midi.editing import append, overdub, refill
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
