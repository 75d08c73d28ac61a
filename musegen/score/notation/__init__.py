"""Written music (MusicXML, ABC, Humdrum) as a `Score`, read through music21, and back to its streams.

What is on the page and what is in the score:

===================  =====================================================================
on the page          in the score
===================  =====================================================================
part                 one `Track`: its name, its instrument's General MIDI program
chord                its notes, each on its own
tied notes           one note
grace note           nothing: it has no length of its own
chord symbol         nothing: it is a label, not notes
repeat sign, ending  nothing: the bars are played once, in the order of the page
pickup               filled up to a whole bar with a rest on the left
short bar            a bar cut short by a time signature at the next barline, unless the
                     following short bars complete it (the end of one section and the
                     pickup of the next)
tempo in words       nothing: only a number is a tempo
===================  =====================================================================

music21 is imported when a function needs it, so that importing this package costs nothing.
"""

from musegen.score.export.music21 import to_music21
from musegen.score.notation.abc import parse_abc, split_abc
from musegen.score.notation.files import NOTATION_SUFFIXES, load_notation, parse_file, read_text
from musegen.score.notation.music21_reader import from_music21

__all__ = [
    "NOTATION_SUFFIXES",
    "from_music21",
    "load_notation",
    "parse_abc",
    "parse_file",
    "read_text",
    "split_abc",
    "to_music21",
]
