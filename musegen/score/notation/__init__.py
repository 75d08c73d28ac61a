"""Read written music (MusicXML, ABC, Humdrum) as a `Score`, through music21.

===================  =====================================================================
on the page          in the score
===================  =====================================================================
part                 one `Track`: its name, its instrument's General MIDI program
chord                its notes, separately
tied notes           one note
grace note           left out: it has no length of its own
chord symbol         left out: it is a label, not notes
repeat sign, ending  left out: the bars are played once, in the order of the page
pickup               a whole bar, padded with a rest on the left
short bar            a bar cut short by a time signature at the next barline, unless the
                     following short bars complete it (the end of one section and the
                     pickup of the next)
tempo in words       left out: only a number is a tempo
===================  =====================================================================

music21 is imported by the functions that need it, so that importing this package is cheap.
"""

from musegen.score.export.music21 import to_music21
from musegen.score.notation.abc import parse_abc, split_abc
from musegen.score.notation.files import (
    NOTATION_SUFFIXES,
    is_notation,
    load_notation,
    parse_file,
    read_text,
)
from musegen.score.notation.music21_reader import from_music21

__all__ = [
    "NOTATION_SUFFIXES",
    "from_music21",
    "is_notation",
    "load_notation",
    "parse_abc",
    "parse_file",
    "read_text",
    "split_abc",
    "to_music21",
]
