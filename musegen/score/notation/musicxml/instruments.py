"""Read the list of parts: names, programs, and the keys of drum kits."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from xml.etree.ElementTree import Element

from musegen.errors import MidiError
from musegen.score.general_midi import DRUM_CHANNEL, PROGRAMS

__all__ = ["Instrument", "PartInfo", "drum_key", "parts_of", "program_of", "text_of"]


class Instrument(NamedTuple):
    """A `score-instrument` with its `midi-instrument`.

    Attributes:
        name: As written; may be empty.
        program: General MIDI program, 0 to 127.
        is_drum: Whether it plays on General MIDI's drum channel.
        key: The drum key of its unpitched notes, 0 to 127; −1 if the file does not say.
        has_midi: Whether the file says how it sounds in MIDI.
    """

    name: str = ""
    program: int = 0
    is_drum: bool = False
    key: int = -1
    has_midi: bool = False


class PartInfo(NamedTuple):
    """A `score-part`: its name, and its instruments by id."""

    name: str
    instruments: dict[str, Instrument]


def _numbers(text: str) -> dict[str, int]:
    """Return name → number from lines of a number and names."""
    rows = [line.split(maxsplit=1) for line in text.strip().splitlines()]
    return {name: int(number) for number, names in rows for name in names.split(", ")}


ALIASES = _numbers("""
0 piano, klavier, pianoforte, fortepiano
6 cembalo, clavecin
14 bell, chime, glocken
19 organ, orgel
21 accordion, akkordeon
24 guitar, gitarre, lute, laute
27 electric guitar
33 bass guitar, electric bass
40 violin, violine, violino
41 viola, bratsche
42 violoncello, cello
43 contrabass, contrabasso, kontrabass, double bass
46 harp, harfe, arpa
47 timpani, pauken
48 strings, streicher
52 voice, vocals, choir, chor, chorus, soprano, sopran, mezzo, alto, tenor, baritone, bariton
56 trumpet, trompete, cornet
57 trombone, posaune
58 tuba, euphonium
60 horn, tenor horn
65 sax, saxophone, alto sax
64 soprano sax
66 tenor sax
67 baritone sax
68 oboe
69 english horn, cor anglais
70 bassoon, fagott, contrabassoon, kontrafagott
71 clarinet, klarinette, bass clarinet
73 flute, flöte, alto flute
74 recorder, blockflöte
""")
PROGRAM_NAMES = {name.lower(): program for program, name in enumerate(PROGRAMS)} | ALIASES
"""Names of instruments → General MIDI program."""

DRUM_NAMES = _numbers("""
36 bass drum, kick, grosse caisse, große trommel
37 side stick, rim, cross stick
38 snare, side drum, kleine trommel
39 clap
41 low floor tom
42 hi hat, hihat, closed hi hat
43 floor tom, high floor tom
44 pedal hi hat
45 tom, low tom
46 open hi hat
47 mid tom, low mid tom
48 high mid tom
49 crash, cymbal, becken
50 high tom
51 ride
52 gong, tam tam, tamtam, chinese cymbal
53 ride bell
54 tambourine
55 splash
56 cowbell
60 bongo
63 conga
65 timbale
67 agogo
69 cabasa
70 maracas
73 guiro
75 claves
76 wood block, woodblock, temple block
81 triangle
82 shaker
85 castanets
""")
"""Names of percussion instruments → key of General MIDI's drum kit."""

DRUM_PLACES = {
    **{"D4": 44, "E4": 36, "F4": 36, "G4": 41, "A4": 43, "B4": 45},
    **{"C5": 38, "D5": 47, "E5": 50, "F5": 51, "G5": 42, "A5": 49},
}
"""Place on the staff, as in a treble clef → drum key, as drum kits are usually notated.

Source: N. Weinberg, Guidelines for Drumset Notation, Percussive Notes 32 (1994).
"""
DEFAULT_DRUM = 38  # acoustic snare
MOST_ENTRIES = 20_000  # names, instruments and so on in a list of parts


def parts_of(root: Element) -> dict[str, PartInfo]:
    """Return part id → name and instruments, from the root of a document.

    Raises:
        MidiError: There are more instruments than any score has.
    """
    count = sum(1 for _ in root.iterfind("part-list/score-part/"))
    if count > MOST_ENTRIES:
        raise MidiError(
            f"part-list: at most {MOST_ENTRIES:,} entries were expected; received: {count:,}. "
            "Divide the score."
        )
    return {part.get("id", ""): _part(part) for part in root.iterfind("part-list/score-part")}


def _part(part: Element) -> PartInfo:
    """Read a `score-part`."""
    midi = {each.get("id", ""): each for each in part.iterfind("midi-instrument")}
    scored = {each.get("id", ""): each for each in part.iterfind("score-instrument")}
    instruments = {
        name: _instrument(scored.get(name), midi.get(name)) for name in {**scored, **midi}
    }
    display = "".join(text.text or "" for text in part.iterfind("part-name-display/display-text"))
    candidates = [text_of(part, "part-name"), display, *(i.name for i in instruments.values())]
    names = (" ".join(name.split()) for name in candidates)
    return PartInfo(next(filter(None, names), ""), instruments)


def _instrument(scored: Element | None, midi: Element | None) -> Instrument:
    """Read an instrument of a part."""
    programs = (program_of(midi), program_of(scored))
    return Instrument(
        name=text_of(scored, "instrument-name"),
        # Some programs write that everything is a piano.
        program=next((program for program in programs if program > 0), 0),
        is_drum=_midi_number(midi, "midi-channel") == DRUM_CHANNEL,
        key=_midi_number(midi, "midi-unpitched"),
        has_midi=midi is not None,
    )


def program_of(element: Element | None) -> int:
    """Return the General MIDI program that an element states, by number or name; −1 if none.

    Args:
        element: A `midi-instrument`, `score-instrument` or `instrument-change`.
    """
    # Such as "wind.reed.oboe"; a "voice.bass" is a voice.
    family, _, sound = text_of(element, "instrument-sound").partition(".")
    sound = family if family == "voice" else sound
    named = _named(text_of(element, "instrument-name"), PROGRAM_NAMES, -1)
    program = _midi_number(element, "midi-program")
    return program if program >= 0 else _named(sound, PROGRAM_NAMES, named)


def text_of(element: Element | None, tag: str) -> str:
    """Return the text of a child; empty if there is none."""
    return ("" if element is None else element.findtext(tag) or "").strip()


def _midi_number(element: Element | None, tag: str) -> int:
    """Return a MIDI channel, program or key counted from 0, as the file counts from 1; else −1."""
    text = text_of(element, tag)
    # Some programs count from 0.
    return max(int(text) - 1, 0) if text.isdecimal() and len(text) < 4 and int(text) <= 128 else -1


def _named(text: str, numbers: dict[str, int], default: int) -> int:
    """Return the number of the longest name that a text contains."""
    words = " ".join(["", *re.findall(r"[^\W\d_]+", text.lower()), ""])
    found = [name for name in numbers if f" {name} " in words or f" {name}s " in words]
    return numbers[max(found, key=len)] if found else default


@lru_cache(maxsize=1024)
def drum_key(instrument: Instrument, part: str, step: str, octave: str) -> int:
    """Return the drum key of an unpitched note.

    It is that of its own instrument; else it is found by the instrument's name, by the name of the
    part, or by its place on the staff.

    >>> drum_key(Instrument("Snare", key=37), "", "C", "5"), drum_key(Instrument(), "Kit", "F", "4")
    (37, 36)

    Args:
        instrument: The note's instrument.
        part: Name of the part.
        step: Letter of its place on the staff.
        octave: Octave of its place on the staff.
    """
    if instrument.key >= 0:
        return instrument.key
    placed = DRUM_PLACES.get(step + octave, DEFAULT_DRUM)
    return _named(instrument.name, DRUM_NAMES, _named(part, DRUM_NAMES, placed))
