"""Notes in memory, and everything that needs no tokens: files in and out, notation, sound, pictures, measures.

==================  ================================================================================
module              what it does
==================  ================================================================================
`score`             `Score`: notes, tempos, meters, keys and pedals as columns
`columns`           the columns, and `Track`
`timing`            ticks ↔ bars and seconds
`editing`           the bodies of `Score`'s slices and sums
`export/`           writers: MIDI, objects of other libraries, sound, notation, tables
`display/`          pictures
`reading`           music from anything that holds some
`midi/`             MIDI files: reading, and changes that keep everything else in them
`notation/`         MusicXML, ABC and Humdrum, through music21
`keys`              key finding
`measures/`         musical measures, likeness, near-duplicates
`general_midi`      numbers and names of the MIDI standard
==================  ================================================================================
"""

from musegen.score.columns import KEY, METER, NOTE, PEDAL, TEMPO, Table, Track, columns, table
from musegen.score.score import Score

__all__ = ["KEY", "METER", "NOTE", "PEDAL", "TEMPO", "Score", "Table", "Track", "columns", "table"]
