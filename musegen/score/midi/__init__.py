"""Read, edit and write MIDI files.

symusic (C++) reads files in bulk, a hundred times faster than the others. mido is used where every
event and its channel matter: to edit files and to write them. pretty_midi is the type that other
tools exchange.
"""

from musegen.score.export.audio import audio, render
from musegen.score.export.midi import save, to_mido, write
from musegen.score.export.objects import to_pretty_midi, to_symusic
from musegen.score.midi import structs
from musegen.score.midi.editing import append, overdub, refill
from musegen.score.midi.parsing import Parsed
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
from musegen.score.midi.symusic_reader import to_parsed

__all__ = [
    "MidiSource",
    "Parsed",
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
    "structs",
    "to_mido",
    "to_parsed",
    "to_pretty_midi",
    "to_symusic",
    "write",
]
