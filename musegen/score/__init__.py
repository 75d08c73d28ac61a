"""Read, hold, edit, measure and write music, independently of any encoding.

==================  ==============================================================================
module              contents
==================  ==============================================================================
`score`             `Score`: notes, tempos, meters, keys, pedals and chord symbols as tables
`columns`           the tables, and `Track`
`timing`            ticks to bars and seconds
`editing`           selecting, cutting, transposing and joining scores
`export/`           writers: MIDI, objects of other libraries, sound, notation, data frames
`display/`          pictures
`reading`           reading from any supported source
`midi/`             reading and editing MIDI files
`notation/`         reading MusicXML, ABC, Humdrum and music21 streams
`keys`              keys, and key finding
`chords`            chord symbols
`measures/`         musical measures, similarity, near-duplicates
`general_midi`      numbers and names of the MIDI standard, and limits
==================  ==============================================================================
"""

from musegen.score.columns import (
    CHORD,
    KEY,
    METER,
    NOTE,
    PEDAL,
    TEMPO,
    Table,
    Track,
    columns,
    table,
)
from musegen.score.score import Score

__all__ = [
    "CHORD",
    "KEY",
    "METER",
    "NOTE",
    "PEDAL",
    "TEMPO",
    "Score",
    "Table",
    "Track",
    "columns",
    "table",
]
