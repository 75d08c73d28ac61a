"""Write the MIDI files of `midi_data/seeds/`, each from the score text that stands here.

    python midi_data/make_seeds.py

A seed is a short piece to continue, written here in ABC notation. What ABC has no sign for is
added in Python: accents, swing, drums, the pedal, a hairpin and a ritardando. Nothing is drawn at
random; the same versions of the libraries give the same bytes.

Pickups stand in the two forms that people meet: in `auld_lang_syne` as notation programs export
them, a short first bar of its own meter (1/4, then 4/4); in the others as in sequencers, a whole
first bar that begins with rests.

Each entry of `SEEDS` says where its piece comes from and what it is good for; the same table
stands in `midi_data/README.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from musegen import Score, Track
from musegen.score import NOTE, PEDAL, TEMPO, midi
from musegen.score.notation import parse_abc

SEEDS_FOLDER = Path(__file__).parent / "seeds"
NEW = "new, written for musegen (MIT)"
DOWNBEAT, BEAT, OFFBEAT = 96, 88, 76  # velocities

# A character is a sixteenth, a row of 16 a bar: X struck hard, x struck, o a ghost note.
DRUMS = {
    36: "X.....x.X.x.....X.....x.X.x.....X.....x.X.x.....X.....x.X...x...",  # bass drum
    38: "....X..o....X.......X..o....X.......X..o....X.......X..o..x.xxXX",  # snare
    42: "x.o.x.o.x.o.x...x.o.x.o.x.o.x...x.o.x.o.x.o.x...x.o.x.o.x.......",  # closed hi-hat
    46: "..............x...............x...............x.................",  # open hi-hat
}
STRENGTH = {"X": 110, "x": 90, "o": 55}


@dataclass(frozen=True)
class Seed:
    """One file.

    Attributes:
        name: File name, without its ending.
        title: What the piece is called.
        origin: Where it comes from, and so why it is free.
        exercises: What it has that others lack.
        tracks: Name and General MIDI program of each voice, in their order.
        groups: The groups in which a bar's beats are felt, in units of the meter's denominator.
        abc: Header fields from `M:` on, and the music.
        finish: Adds what ABC has no sign for.
    """

    name: str
    title: str
    origin: str
    exercises: str
    tracks: tuple[Track, ...]
    groups: tuple[int, ...]
    abc: str
    finish: Callable[[Score], Score] = lambda score: score

    def score(self) -> Score:
        """Return the piece."""
        written = parse_abc(f"X:1\nT:{self.title}\n{self.abc.strip()}\n")
        return replace(self.finish(with_accents(written, self.groups)), tracks=self.tracks)


def with_accents(score: Score, groups: tuple[int, ...]) -> Score:
    """Return the score with strong downbeats, lighter starts of groups, and soft notes between."""
    meter = score.meters[-1]
    unit = 4 * score.ticks_per_quarter // int(meter["denominator"])
    bar = unit * int(meter["numerator"])
    starts = unit * np.cumsum((0, *groups[:-1]))
    notes, lines = score.notes.copy(), score.barlines()
    ends = lines[np.searchsorted(lines, notes["onset"], side="right")]
    place = (
        notes["onset"] - ends
    ) % bar  # counted from the bar's end, so that short pickups are weak
    notes["velocity"] = np.select([place == 0, np.isin(place, starts)], [DOWNBEAT, BEAT], OFFBEAT)
    return replace(score, notes=notes)


def swung(score: Score) -> Score:
    """Return the score with each beat's second eighth on the last third of the beat."""
    beat = score.ticks_per_quarter

    def late(ticks: np.ndarray) -> np.ndarray:
        return ticks // beat * beat + np.interp(
            ticks % beat, (0, beat / 2, beat), (0, beat * 2 / 3, beat)
        )

    notes = score.notes.copy()
    notes["onset"] = late(score.notes["onset"])
    notes["duration"] = late(score.offsets) - notes["onset"]
    return replace(score, notes=notes)


def with_drums(score: Score) -> Score:
    """Return the score with the drums as one more track."""
    step = score.ticks_per_quarter // 4
    rows = [
        (place * step, step, key, STRENGTH[stroke], len(score.tracks))
        for key, strokes in DRUMS.items()
        for place, stroke in enumerate(strokes)
        if stroke != "."
    ]
    drums = np.array(rows, NOTE)
    tracks = (*score.tracks, Track(is_drum=True))
    return replace(score, notes=np.concatenate([score.notes, drums]), tracks=tracks)


def as_pianist(score: Score) -> Score:
    """Return two voices as one track: melody above accompaniment, pedal, hairpin, ritardando."""
    notes, beat = score.notes.copy(), score.ticks_per_quarter
    hairpin = np.interp(notes["onset"] / (4 * beat), (0, 5, 8), (0, 28, -12))
    notes["velocity"] = np.round(np.where(notes["track"] == 0, 68, 46) + hairpin)
    notes["track"] = 0
    changes = beat * np.array([0, 4, 8, 12, 16, 20, 24, 26, 28, 32])  # of harmony
    pedals = np.zeros(len(changes) - 1, PEDAL)
    pedals["onset"] = changes[:-1] + beat // 16
    pedals["duration"] = np.diff(changes) - beat // 8
    slower = np.array([(24 * beat, round(60e6 / 66)), (28 * beat, round(60e6 / 54))], TEMPO)
    return replace(score, notes=notes, pedals=pedals, tempos=np.concatenate([score.tempos, slower]))


SEEDS = (
    Seed(
        "ode_to_joy",
        "Ode to Joy",
        "L. van Beethoven, Symphony No. 9, 1824",
        "4/4, one low voice, steps, a half cadence answered by a full one",
        (Track("Cello", 42),),
        (2, 2),
        """
M:4/4
L:1/4
Q:1/4=120
K:D
F,F,G,A, | A,G,F,E, | D,D,E,F, | F,>E,E,2 | F,F,G,A, | A,G,F,E, | D,D,E,F, | E,>D,D,2 |]
""",
    ),
    Seed(
        "greensleeves",
        "Greensleeves",
        "England, 16th century",
        "6/8, minor, raised sixth and seventh, dotted rhythm; pickup after rests",
        (Track("Recorder", 74),),
        (3, 3),
        """
M:6/8
L:1/8
Q:3/8=56
K:Am
A | c2d e>fe | d2B G>AB | c2A A>^GA | B2^G E2A | c2d e>fe | d2B G>AB | c>BA ^G>^F^G | A3 A2z |]
""",
    ),
    Seed(
        "amazing_grace",
        "Amazing Grace (New Britain)",
        "United States, 1829",
        "3/4, five notes only, a tie over a barline; pickup after rests",
        (Track("Viola", 41),),
        (3,),
        """
M:3/4
L:1/8
Q:1/4=88
K:G
D2 | G4BG | B4A2 | G4E2 | D4D2 | G4BG | B4A2 | d6- | d4B2 |
d4BG | B4A2 | G4E2 | D4D2 | G4BG | B4A2 | G6- | G4z2 |]
""",
    ),
    Seed(
        "auld_lang_syne",
        "Auld Lang Syne",
        "Scotland, 18th century; printed 1799",
        "4/4, dotted rhythm; pickup as a short first bar (1/4, then 4/4)",
        (Track("Accordion", 21),),
        (2, 2),
        """
M:1/4
L:1/8
Q:1/4=104
K:F
C2 | [M:4/4] F3F F2A2 | G3F G2A2 | F3F A2c2 | d6d2 | c3A A2F2 | G3F G2A2 | F3D D2C2 | F6d2 |
c3A A2F2 | G3F G2d2 | c3A A2c2 | d6d2 | c3A A2F2 | G3F G2A2 | F3D D2C2 | F6z2 |]
""",
    ),
    Seed(
        "frere_jacques",
        "Frère Jacques",
        "France, 18th century",
        "4/4, two voices in canon, both ending together",
        (Track("Flute", 73), Track("Clarinet", 71)),
        (2, 2),
        """
M:4/4
L:1/4
Q:1/4=108
K:F
V:1
FGAF | FGAF | ABc2 | ABc2 | c/d/c/B/ AF | c/d/c/B/ AF | FCF2 | FCF2 |]
V:2
z4 | z4 | FGAF | FGAF | ABc2 | ABc2 | c/d/c/B/ AF | c/d/c/B/ AF |]
""",
    ),
    Seed(
        "irish_washerwoman",
        "The Irish Washerwoman",
        "Ireland or England, 18th century",
        "6/8 jig, both parts, running eighths, leaps over a repeated note; pickup after rests",
        (Track("Fiddle", 110),),
        (3, 3),
        """
M:6/8
L:1/8
Q:3/8=112
K:G
d/c/ | BGG DGG | BGB dcB | cAA EAA | cAc edc | BGG DGG | BGB dcB | cBc Adc | BGG G2d |
gdg gdg | gdg bag | fdf fdf | fdf agf | egg dgg | cgg Bgg | cBc Adc | BGG G3 |]
""",
    ),
    Seed(
        "drowsy_maggie",
        "Drowsy Maggie",
        "Ireland, traditional reel, printed by 1903",
        "4/4 reel, Dorian, running eighths, a first part played twice and a second part",
        (Track("Flute", 73),),
        (2, 2),
        """
M:4/4
L:1/8
Q:1/2=96
K:Edor
E2BE dEBE | E2BE AFDF | E2BE dEBE | BABc dAFD | E2BE dEBE | E2BE AFDF | E2BE dEBE | BABc dAFA |
d2fd c2ec | defg afge | d2fd c2ec | BABc dAFA | d2fd c2ec | defg afge | afge fdec | BABc dAFD |]
""",
    ),
    Seed(
        "jesu_joy",
        "Jesu, Joy of Man's Desiring",
        "J. S. Bach, BWV 147, 1723",
        "9/8, one flowing line that begins with a rest on the downbeat",
        (Track("Oboe", 68),),
        (3, 3, 3),
        """
M:9/8
L:1/8
Q:3/8=66
K:G
zGA Bdc ced | dgf gdB GAB | cde dcB ABG | FGA DFA cBA |
BGA Bdc ced | dgf gdB GAB | Edc BAG DGF | G6z3 |]
""",
    ),
    Seed(
        "balkan_seven",
        "Seven by the River",
        NEW,
        "7/8 as 3+2+2, Hijaz scale on D with its augmented second",
        (Track("Clarinet", 71),),
        (3, 2, 2),
        """
M:7/8
L:1/8
Q:1/4=132
K:Gm
A3 BA G2 | ^F2G A2 A2 | B2A G^F E2 | ^F2E D2 D2 | A3 BA G2 | ^F2G A2 d2 | c2B AG ^FE | D3 D4 |]
""",
    ),
    Seed(
        "five_four",
        "Five Steps",
        NEW,
        "5/4 as 3+2, Dorian on D, dotted rhythm",
        (Track("Alto saxophone", 65),),
        (3, 2),
        """
M:5/4
L:1/8
Q:1/4=144
K:Ddor
A3G F2 E2D2 | F3G A2 c4 | d3c A2 G2F2 | G3A G2 E4 |
A3G F2 E2D2 | F3G A2 c2d2 | e3d c2 A2G2 | F3E C2 D4 |]
""",
    ),
    Seed(
        "old_hundredth",
        "Old Hundredth",
        "melody L. Bourgeois, Geneva 1551; harmony new, for musegen (MIT)",
        "four voices in four tracks, long and short notes, four cadences",
        (Track("Soprano", 52), Track("Alto", 52), Track("Tenor", 52), Track("Bass", 52)),
        (2, 2),
        """
M:4/4
L:1/4
Q:1/4=84
K:G
V:1
G2GF | EDG2 | A2B2 | B2BB | AGc2 | B2A2 | G2AB | AGE2 | F2G2 | d2BG | AcB2 | A2G2 |]
V:2
D2DD | B,B,B,2 | D2D2 | G2GG | FEG2 | G2F2 | D2DD | DB,C2 | C2B,2 | G2GD | DDD2 | D2B,2 |]
V:3
B,2B,A, | G,F,G,2 | F,2G,2 | D2DD | DB,E2 | D2D2 | B,2A,G, | F,G,A,2 | A,2G,2 | B,2DB, |
A,A,G,2 | F,2G,2 |]
V:4
G,2G,D, | E,B,,E,2 | D,2G,,2 | G,2G,G, | D,E,C,2 | G,2D,2 | G,2F,G, | D,E,C,2 | D,2G,,2 | G,2G,G, |
F,F,G,2 | D,2G,,2 |]
""",
    ),
    Seed(
        "minuet_in_g",
        "Minuet in G, first strain",
        "C. Petzold, BWV Anh. 114, by 1725",
        "3/4, two hands in two tracks, a chord, counterpoint of eighths and long notes",
        (Track("Right hand", 0), Track("Left hand", 0)),
        (3,),
        """
M:3/4
L:1/8
Q:1/4=126
K:G
V:1
d2GABc | d2G2G2 | e2cdef | g2G2G2 | c2dcBA | B2cBAG | F2GABG | A6 |
d2GABc | d2G2G2 | e2cdef | g2G2G2 | c2dcBA | B2cBAG | A2BAGF | G6 |]
V:2
[G,B,D]4A,2 | B,6 | C6 | B,6 | A,6 | G,6 | D2B,2G,2 | D2D,CB,A, |
B,4A,2 | G,2B,2G,2 | C6 | B,2CB,A,G, | A,4F,2 | G,4B,2 | C2D2D,2 | G,4G,,2 |]
""",
    ),
    Seed(
        "drum_and_bass",
        "Basement Groove",
        NEW,
        "drums on channel 10 with ghost notes and a fill, syncopated bass, sixteenths",
        (Track("Bass", 33), Track("Drums", 0, is_drum=True)),
        (1, 1, 1, 1),
        """
M:4/4
L:1/16
Q:1/4=100
K:Em
E,,,3E,,, z2G,,,2 A,,,2z2 B,,,2D,,2 | E,,,3E,,, z2G,,,2 A,,,2z2 G,,,2F,,,2 |
C,,3C,, z2E,,2 D,,2z2 A,,,2D,,2 | E,,,3E,,, z2G,,,2 B,,,2A,,,2 G,,,2F,,,2 |]
""",
        with_drums,
    ),
    Seed(
        "tempo_and_pedal",
        "Evening, with Pedal",
        NEW,
        "piano in one track, broken chords, sustain pedal, hairpin, two steps of a ritardando",
        (Track("Piano", 0),),
        (2, 2),
        """
M:4/4
L:1/8
Q:1/4=76
K:F
V:1
c4A2c2 | f4d4 | d3cB2d2 | c6z2 | c4A2c2 | f3ed4 | B3AG2E2 | F8 |]
V:2
F,,C,F,A, CA,F,C, | D,,A,,D,F, A,F,D,A,, | B,,,F,,B,,D, F,D,B,,F,, | C,,G,,C,E, G,E,C,G,, |
F,,C,F,A, CA,F,C, | D,,A,,D,F, A,F,D,A,, | G,,D,G,B, C,,G,,C,E, | F,,C,F,A, C4 |]
""",
        as_pianist,
    ),
    Seed(
        "swing_blues",
        "Porch Light Blues",
        NEW,
        "twelve bars, swung eighths on triplets, blue thirds",
        (Track("Tenor saxophone", 66),),
        (2, 2),
        """
M:4/4
L:1/8
Q:1/4=112
K:F
F2FG _A=Ac2 | d2cA c4 | F2FG _A=Ac2 | d2cA F4 | F2FG _A2c2 | d2c_A c4 | F2FG _A=Ac2 | d2cA F4 |
g2ge c2e2 | f2fd B2_A2 | A2cA F2DC | F4 z4 |]
""",
        swung,
    ),
)


def write_seeds(folder: Path = SEEDS_FOLDER) -> None:
    """Write every seed to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        midi.write(seed.score(), folder / f"{seed.name}.mid", force=True)


if __name__ == "__main__":
    write_seeds()
