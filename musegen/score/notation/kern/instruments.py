"""Instruments of Humdrum files by their codes, such as `*Ivioln`.

Source: D. Huron, The Humdrum Toolkit: Reference Manual (1994), appendix 2. An instrument that
General MIDI lacks has the program of the nearest one.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DRUMS", "INSTRUMENTS", "Instrument"]


class Instrument(NamedTuple):
    """A name, and the General MIDI program; in `DRUMS` the key of the drum kit."""

    name: str
    number: int


def _instruments(text: str) -> dict[str, Instrument]:
    """Return code → instrument, from lines of a number, a name and codes."""
    out: dict[str, Instrument] = {}
    for line in text.strip().splitlines():
        what, codes = line.split(":")
        number, name = what.split(maxsplit=1)
        out |= {code: Instrument(name, int(number)) for code in codes.split()}
    return out


INSTRUMENTS = _instruments("""
0 Piano: piano forte
6 Harpsichord: cemba clavi
8 Celesta: clest
9 Glockenspiel: glock
11 Vibraphone: vibra
12 Marimba: marim
13 Xylophone: xylo xylop
14 Bells: campn caril chime
15 Dulcimer: dulc psalt zithr
19 Organ: organ porta
20 Harmonium: reedo armoni
21 Accordion: accor ctina
22 Harmonica: armon
24 Guitar: guitr quitr ukule
24 Lute: liuto archl tiorb mando cetra
27 Electric guitar: eguit
33 Electric bass: bguit
40 Violin: violn violp viols rebec kit
41 Viola: viola viold violt
42 Cello: cello violb
43 Contrabass: cbass
46 Harp: arpa
47 Timpani: timpa
48 Strings: strgs
52 Soprano: soprn cant lyrsp drmsp colsp
52 Mezzo-soprano: mezzo
52 Alto: alto calto ctenor
52 Tenor: tenor lyrtn heltn
52 Baritone: barit
52 Bass: bass bspro bscan
52 Voice: vox feme male nfant recit false castr coro
56 Trumpet: tromp cornt corno clarno
57 Trombone: tromb tromt trombt
58 Tuba: tuba sxhB sxhC ophic serp
60 Horn: cor flugh sxhS sxhA sxhT sxhR
64 Soprano saxophone: saxS saxN
65 Alto saxophone: saxA
66 Tenor saxophone: saxT
67 Baritone saxophone: saxR saxB saxC
68 Oboe: oboe oboeD chlms krums
69 English horn: cangl chlma chlmt kruma
70 Bassoon: fagot fag_c rackt sarus krumt krumb
71 Clarinet: clars clarp clara clarb baset calam
72 Piccolo: picco fife
73 Flute: flt flt_a flt_b
74 Recorder: fltds fltdn fltda fltdt fltdb
75 Pan flute: panpi
77 Shakuhachi: shaku
79 Ocarina: ocari
82 Calliope: calpe
104 Sitar: sitar sarod vina
105 Banjo: banjo
106 Shamisen: shami
107 Koto: koto qin pipa biwa
109 Bagpipe: bagpS bagpI cornm hurdy
111 Shawm: piri hichi zurna
""")
"""Code → instrument with pitches."""

DRUMS = _instruments("""
35 Bass drum: bdrum
38 Drums: drum drumP perc
38 Snare drum: sdrum
45 Tom: tom
49 Cymbals: crshc piatt
51 Ride cymbal: ridec
52 Gong: gong
54 Tambourine: tambn
55 Splash cymbal: spshc
70 Maracas: marac
76 Wood block: wblks
81 Triangle: trngl
85 Castanets: casts
""")
"""Code → percussion instrument."""
