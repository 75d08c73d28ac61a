"""Music from anything that holds some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musegen.errors import MidiError
from musegen.score import midi, notation
from musegen.score.score import Score

__all__ = ["read"]


def read(source: Any) -> Score:
    """Return the music of a file, or of an object of another library.

    >>> read(Score(end=480))
    Score(0 notes, 0 tracks, 480 ticks at 480 per quarter)

    Args:
        source: A path to a MIDI file or to written music (MusicXML, ABC), the bytes of a MIDI file,
            a `Score`, `pretty_midi.PrettyMIDI`, `mido.MidiFile`, `symusic` score or music21 stream.

    Raises:
        MidiError: There is no such file, or it cannot be read; the message says where it is at
            fault.
    """
    # music21 has many classes of streams, and users make their own; it is not imported to ask for
    # them.
    if any(base.__module__.startswith("music21.") for base in type(source).__mro__):
        return notation.from_music21(source)
    if isinstance(source, str | Path) and str(source).lower().endswith(
        tuple(notation.NOTATION_SUFFIXES)
    ):
        if Path(source).is_dir():
            raise MidiError(
                f"cannot read {source}: it is a folder, not a file. Give the path of a file in it."
            )
        return notation.load_notation(source)
    return midi.read(source)
