"""Read music from a file, from bytes, or from an object of another library."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from musegen.errors import MidiError
from musegen.score import midi, notation
from musegen.score.score import Score

__all__ = ["merge_programs", "read", "read_parts"]


def read(source: Any) -> Score:
    """Read the music of a file, or of an object of another library.

    >>> from musegen import Score, Track, read
    >>> midi = Score(notes=[(0, 480, 69, 80, 0)], tracks=[Track("Flute", 73)]).to_pretty_midi()
    >>> read(midi)
    Score(1 notes, 1 tracks, 480 ticks at 480 per quarter)

    Args:
        source: A path to a MIDI file or to written music (MusicXML, ABC, Humdrum; `book.abc#12` is
            tune 12 of an ABC file), the bytes of a MIDI file, a `Score` (returned as it is),
            `pretty_midi.PrettyMIDI`, `mido.MidiFile`, `symusic` score or music21 stream, or an
            object of a class derived from one of these.

    Raises:
        MidiError: There is no such file, or it cannot be read; the message says where it is at
            fault.
    """
    if _is_music21(source):
        return notation.from_music21(source)
    if notation.is_notation(source):
        if Path(source).is_dir():
            raise MidiError(
                f"cannot read {source}: it is a folder, not a file. Give the path of a file in it."
            )
        return notation.load_notation(source)
    return midi.read(source)


def read_parts(source: Any) -> Score:
    """Read music with one track per instrument.

    As `read`, but a program change inside a line does not begin a new track, and the tracks of a
    MIDI file know their channels.

    Args:
        source: As for `read`.

    Raises:
        MidiError: There is no such file, or it cannot be read.
    """
    if isinstance(source, str | Path) and not notation.is_notation(source):
        source = midi.load_mido(source)
    return merge_programs(read(source))


def _is_music21(source: Any) -> bool:
    """Return whether this is a music21 stream, of one of its classes or a class derived from one.

    music21 takes long to import, so its classes are recognised by the names of their modules.
    """
    return any(base.__module__.startswith("music21.") for base in type(source).__mro__)


def merge_programs(score: Score) -> Score:
    """Merge tracks of one chunk and channel, named and voiced as at its end.

    Readers start a new track at each program change; to a musician it is one instrument's line. A
    drum kit stays apart.
    """
    places = [
        (t.chunk, t.port, t.channel, t.is_drum) if t.channel >= 0 else (-1, -1, -1 - i, False)
        for i, t in enumerate(score.tracks)
    ]
    kept = list(dict.fromkeys(places))
    if len(kept) == len(places):
        return score
    new_index = np.array([kept.index(place) for place in places], np.uint16)

    # The program in force at the end is that of the note that begins last; notes are in that order.
    last = dict(zip(new_index.tolist(), score.tracks, strict=True))
    last |= {int(new_index[old]): score.tracks[old] for old in score.notes["track"].tolist()}

    notes, pedals = score.notes.copy(), score.pedals.copy()
    notes["track"], pedals["track"] = new_index[notes["track"]], new_index[pedals["track"]]
    tracks = tuple(last[index] for index in range(len(kept)))
    return replace(score, notes=notes, pedals=pedals, tracks=tracks)
