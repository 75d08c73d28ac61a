"""Read MusicXML, plain or compressed (.mxl), in its partwise or its timewise form.

=======================  ===========================================================================
module                   does
=======================  ===========================================================================
`archive`                finds the document in a file
`elements`               parses it, a measure at a time
`instruments`            reads the list of parts
`signs`                  reads time signatures, keys, tempos, dynamics, chord symbols
`parts`                  reads the measures of a part
`layout`                 lays out the measures of all parts on one time line
`scores`                 makes a `Score` of them
=======================  ===========================================================================

Source: MusicXML 4.0, https://www.w3.org/2021/06/musicxml40/.
"""

from __future__ import annotations

from typing import NamedTuple
from xml.etree.ElementTree import Element

from musegen.errors import MidiError
from musegen.score.notation.musicxml.archive import document
from musegen.score.notation.musicxml.elements import Parser
from musegen.score.notation.musicxml.instruments import PartInfo, parts_of
from musegen.score.notation.musicxml.parts import Part
from musegen.score.notation.musicxml.scores import MOST_TRACKS, score_of
from musegen.score.score import Score

__all__ = ["Work", "read_musicxml"]


class Work(NamedTuple):
    """A piece of written music.

    Attributes:
        score: The music.
        metadata: What its header says: name and text, such as `("composer", "Clara Schumann")`.
    """

    score: Score
    metadata: list[tuple[str, str]]


def read_musicxml(data: bytes) -> Work:
    """Read the content of a MusicXML file.

    >>> note = "<note><pitch><step>C</step><octave>4</octave></pitch><duration>2</duration></note>"
    >>> measure = f"<measure><attributes><divisions>1</divisions></attributes>{note}</measure>"
    >>> document = f"<score-partwise><part id='P1'>{measure}</part></score-partwise>"
    >>> read_musicxml(document.encode()).score.notes[["duration", "pitch"]].tolist()
    [(960, 60)]

    Raises:
        MidiError: It cannot be read; the message says where and why.
    """
    parser = Parser(document(data))
    parts: dict[str, Part] = {}
    infos: dict[str, PartInfo] = {}
    for measure in parser.measures():
        if measure.part not in parts:
            if len(parts) == MOST_TRACKS:
                raise MidiError(f"at most {MOST_TRACKS:,} parts were expected. Divide the score.")
            infos = infos or parts_of(parser.root)
            parts[measure.part] = Part(infos.get(measure.part, PartInfo("", {})))
        parts[measure.part].read(measure)
    return Work(score_of(list(parts.values())), _metadata(parser.root))


HEADER = {
    "work/work-title": "title",
    "movement-title": "movementName",
    "identification/rights": "copyright",
    "identification/encoding/encoder": "electronicEncoder",
    "identification/encoding/software": "software",
}
"""Path of an element → name of what it says, as in music21's metadata."""


def _metadata(root: Element) -> list[tuple[str, str]]:
    """Return what the header says."""
    creators = [(each.get("type", ""), each) for each in root.iterfind("identification/creator")]
    others = [(name, each) for path, name in HEADER.items() for each in root.iterfind(path)]
    stated = [(name, " ".join((each.text or "").split())) for name, each in others + creators]
    return [(name, text) for name, text in stated if text]
