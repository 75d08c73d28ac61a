"""Read written music (MusicXML, ABC, Humdrum) and music21 streams as a `Score`.

===================  =====================================================================
on the page          in the score
===================  =====================================================================
part                 a `Track` for each staff and program: its name, its General MIDI program
chord                its notes, separately
tied notes           one note
grace note           left out: it has no length of its own
chord symbol         a row of `Score.chords`, no notes; passed over in Humdrum
repeat sign, ending  left out: the bars are played once, in the order of the page
pickup               a whole bar, padded with a rest on the left
short bar            a bar cut short by a time signature at the next barline, unless the
                     following short bars complete it (the end of one section and the
                     pickup of the next)
tempo in words       left out: only a number is a tempo
===================  =====================================================================

Files are read without music21. The functions for its streams import it, as it takes long.
"""

from musegen.score.export.music21 import to_music21
from musegen.score.notation.abc import Tune, parse_abc, split_abc
from musegen.score.notation.files import (
    MUSICXML_SUFFIXES,
    NOTATION_SUFFIXES,
    file_of,
    is_notation,
    load_musicxml,
    load_notation,
    read_text,
    read_tune,
    read_tunes,
    stem_of,
)
from musegen.score.notation.kern import parse_kern, reference_records
from musegen.score.notation.music21_reader import from_music21

__all__ = [
    "MUSICXML_SUFFIXES",
    "NOTATION_SUFFIXES",
    "Tune",
    "file_of",
    "from_music21",
    "is_notation",
    "load_musicxml",
    "load_notation",
    "parse_abc",
    "parse_kern",
    "read_text",
    "read_tune",
    "read_tunes",
    "reference_records",
    "split_abc",
    "stem_of",
    "to_music21",
]
