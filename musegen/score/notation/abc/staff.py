"""Parse clefs, transpositions and other properties of `K:` and `V:` fields (4.6, 7.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from musegen.score.notation.abc.errors import Fault

__all__ = ["CLEF", "Staff", "parse_staff", "parse_voice"]

PROPERTY = re.compile(r'([A-Za-z][\w:-]*)[ \t]*=[ \t]*("[^"]*"|[^\s"]+)|(\S+)')
CLEF = re.compile(
    r"""(?P<clef>(?i:treble|alto|tenor|bass|baritone|mezzosoprano|soprano|perc|none|auto)[a-z]*
    | [GCFP](?=[-1-5+^_]|$))
    [1-5]?(?P<octaves>[-+^_](?:8|15))?\S*""",
    re.VERBOSE,
)
OCTAVES = {"+8": 1, "^8": 1, "+15": 2, "^15": 2, "-8": -1, "_8": -1, "-15": -2, "_15": -2}
SILENT = re.compile(r"up|down|merge|[-+]\d+v[ab]|.*:.*")
"""Words that change no pitch; `-8va` is printed only."""


@dataclass
class Staff:
    """What a field says of clef and transposition. A value that is None was not given.

    Attributes:
        clef: Its name.
        clef_octaves: Octaves that the clef transposes by: −1 for `treble-8`.
        octaves: From `octave=`.
        semitones: From `transpose=`.
        name: From `name=`.
        unknown: Words that are none of these.
    """

    clef: str | None = None
    clef_octaves: int = 0
    octaves: int | None = None
    semitones: int | None = None
    name: str | None = None
    unknown: list[str] = field(default_factory=list)


def parse_voice(text: str) -> tuple[str, str]:
    """Return the identifier of a `V:` field, and the text of its properties (7).

    >>> parse_voice('T1 clef=treble-8 name="Tenor I"')
    ('T1', 'clef=treble-8 name="Tenor I"')
    """
    voice, _, properties = text.strip().replace("\t", " ").partition(" ")
    if not voice:
        raise Fault("a voice must have a name, as in V:1 or V:Tenor. Received: none")
    return voice, properties


def parse_staff(text: str) -> Staff:
    """Return clef, transposition and name. Other properties, `middle=` too, change no pitch.

    >>> staff = parse_staff("bass octave=1 middle=d")
    >>> staff.clef, staff.octaves, staff.semitones
    ('bass', 1, None)
    """
    staff = Staff()
    for key, value, word in PROPERTY.findall(text):
        value = value.strip('"')
        if match := CLEF.fullmatch(value if key == "clef" else word):
            staff.clef = match["clef"].lower()
            staff.clef_octaves = OCTAVES.get(match["octaves"] or "", 0)
        elif key == "octave":
            staff.octaves = _integer(key, value)
        elif key in ("transpose", "t"):
            staff.semitones = _integer(key, value)
        elif key in ("name", "nm"):
            staff.name = value.replace("\\n", " ").strip()
        elif key[:1].isupper() or (word and not SILENT.fullmatch(word)):
            staff.unknown.append(word or key)
    return staff


def _integer(name: str, text: str) -> int:
    """Return a number of octaves or semitones."""
    if not re.fullmatch(r"[-+]?\d{1,3}", text):
        raise Fault(f"{name}= must be a whole number, as in {name}=-1. Received: {text!r:.40}")
    return int(text)
