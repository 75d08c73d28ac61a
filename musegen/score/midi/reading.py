"""Read MIDI files and the objects of other MIDI libraries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from musegen.errors import MidiError
from musegen.score.midi.container import MAX_BYTES, check_header, read_bytes
from musegen.score.midi.mido_reader import from_mido, load_mido
from musegen.score.midi.parsing import parse
from musegen.score.midi.pretty_midi_reader import from_pretty_midi
from musegen.score.midi.symusic_reader import from_parsed, from_symusic
from musegen.score.score import Score

if TYPE_CHECKING:
    import mido
    import pretty_midi
    import symusic

    MidiSource: TypeAlias = (
        str
        | Path
        | bytes
        | bytearray
        | memoryview
        | Score
        | mido.MidiFile
        | pretty_midi.PrettyMIDI
        | symusic.core.ScoreTick
    )
else:
    MidiSource: TypeAlias = Any

__all__ = [
    "MAX_BYTES",
    "MidiSource",
    "check_header",
    "from_mido",
    "from_pretty_midi",
    "from_symusic",
    "load_mido",
    "parse",
    "read",
    "read_bytes",
]


def read(source: MidiSource) -> Score:
    """Return the music of a MIDI file or of an object of another MIDI library.

    A note that is never released ends where its track chunk ends.

    >>> from musegen import Track
    >>> read(Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()]).to_mido())
    Score(1 notes, 1 tracks, 480 ticks at 480 per quarter)

    Args:
        source: A path, the bytes of a file (`bytes`, `bytearray`, `memoryview`), a `Score`
            (returned as it is), a `mido.MidiFile`, a `pretty_midi.PrettyMIDI` or a `symusic` score.

    Raises:
        MidiError: There is no such file, or it is not a readable MIDI file; the message says where
            and why.
    """
    if isinstance(source, Score):
        return source
    if isinstance(source, str | Path):
        return _read(read_bytes(source), str(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return _read(bytes(source), "the given bytes")
    converters = {"mido": from_mido, "pretty_midi": from_pretty_midi, "symusic": from_symusic}
    # A subclass counts too. The libraries are known by name, as they need not be installed.
    for base in type(source).__mro__:
        convert = converters.get(base.__module__.partition(".")[0])
        if convert is not None:
            return convert(source)
    raise MidiError(
        "expected a path, bytes, Score, mido.MidiFile, PrettyMIDI, symusic score, or a music21 "
        "stream through musegen.read(stream). Received: "
        f"{type(source).__module__}.{type(source).__qualname__}."
    )


def _read(data: bytes, name: str) -> Score:
    parsed = parse(data, name)
    return parsed if isinstance(parsed, Score) else from_parsed(parsed)
