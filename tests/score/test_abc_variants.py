"""Generated variants of ABC: voices, keys, ties, rests, overlays, text, faults."""

import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen.errors import MidiError
from musegen.score.keys import MODES
from musegen.score.notation import parse_abc, split_abc

HEAD = "X:1\nM:4/4\nL:1/4\nK:C\n"
FEW = settings(max_examples=60, deadline=None)

NAMES = st.text("ABCDEFGSTVabcdefgnxyz0123456789_.-", min_size=1, max_size=24)
BAR = st.lists(st.sampled_from("C D E F G A B c d e f g a b z".split()), min_size=4, max_size=4)
CHANGES = st.sampled_from(
    "[K:Eb]; [M:3/4]; [L:1/16]; [Q:1/4=33]; [K:bass-8]; [K:octave=2]; [K:D phr ^f]; ^f; _b; =c; c-;"
    "(3ccc; [V:2 transpose=3]; c & E4; Z2|; [I:MIDI transpose 5]".split(";")
)


def notes(score, track=0):
    """Onset and duration in quarters, and pitch."""
    rows = score.notes[score.notes["track"] == track].tolist()
    return [
        (Fraction(onset, 480), Fraction(length, 480), pitch) for onset, length, pitch, *_ in rows
    ]


@FEW
@given(
    names=st.lists(NAMES, min_size=2, max_size=5, unique=True),
    bars=st.lists(BAR, min_size=1, max_size=3),
    declared=st.booleans(),
    inline=st.booleans(),
    by_line=st.booleans(),
)
def test_every_voice_is_a_track_beside_the_others(names, bars, declared, inline, by_line):
    head = HEAD.replace("K:", "".join(f"V:{name} clef=bass\n" for name in names) + "K:")
    select = "[V:{}]" if inline else "V:{}\n"
    music = ["".join(bar) + "|" for bar in bars]
    if by_line:
        lines = [select.format(name) + bar for bar in music for name in names]
    else:
        lines = [select.format(name) + bar for name in names for bar in music]
    score = parse_abc((head if declared else HEAD) + "\n".join(lines))
    alone = parse_abc(HEAD + "\n".join(music))
    assert [track.name for track in score.tracks] == names
    assert all(notes(score, track) == notes(alone) for track in range(len(names)))


@FEW
@given(bars=st.lists(BAR, min_size=1, max_size=3), changes=st.lists(CHANGES, max_size=5))
def test_a_voice_reads_the_same_alone_and_second(bars, changes):
    voice = "V:1\n" + "|".join("".join(bar) for bar in bars) + "|"
    other = "V:2\nc4|" + "|".join(changes) + "|\n"
    both = parse_abc(HEAD + other + voice)
    tracks = [index for index, track in enumerate(both.tracks) if track.name == "1"]
    alone = parse_abc(HEAD + voice)
    assert [note for track in tracks for note in notes(both, track)] == notes(alone)


SHARPS = {"": 0, "#": 1, "b": -1}
SIGNS = {"^": 1, "_": -1, "=": 0, "^^": 2, "__": -2}


@FEW
@given(
    letter=st.sampled_from("CDEFGAB"),
    sharps=st.sampled_from(sorted(SHARPS)),
    mode=st.sampled_from(sorted(MODES)),
    short=st.booleans(),
    space=st.sampled_from(["", " ", "  "]),
    case=st.sampled_from([str.lower, str.upper, str.capitalize]),
    signs=st.dictionaries(st.sampled_from("CDEFGAB"), st.sampled_from(sorted(SIGNS)), max_size=3),
    clef=st.sampled_from(["", " bass", " clef=alto", " clef=tenor stafflines=3", " middle=d"]),
)
def test_every_mode_on_every_tonic(letter, sharps, mode, short, space, case, signs, clef):
    written = case(mode[:3] if short else mode)
    accidentals = "".join(f" {sign}{step}" for step, sign in signs.items())
    key = f"{letter}{sharps}{space}{written}{accidentals}{clef}"
    order = "CDEFGABCDEFGAB"
    scale = order[order.index(letter) :][:7]
    score = parse_abc(f"X:1\nM:7/4\nL:1/4\nK:{key}\n{scale}|")
    # The steps of a mode are those of the major scale from another degree on.
    naturals = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))
    major = [0, 2, 4, 5, 7, 9, 11]
    start = major.index(MODES[mode])
    intervals = [(major[(start + i) % 7] - MODES[mode]) % 12 for i in range(7)]
    tonic = naturals[letter] + SHARPS[sharps]
    expected = [(tonic + interval) % 12 for interval in intervals]
    for place, step in enumerate(scale):
        if step in signs:
            expected[place] = (naturals[step] + SIGNS[signs[step]]) % 12
    assert (score.notes["pitch"] % 12).tolist() == expected


SEPARATORS = (
    """|;||;:|;|:;|1; ;\\\n;{a};{/^ab};"Am";"^up";!f!;.;~;(;);[K:G];[L:1/8];[M:3/4];[Q:1/4=99];`"""
    ";y;$;\nw:la la\n;\nK:D\n;% no\n;\n%%text A B C\n;[r:a b];[V:2]D[V:1];\nV:2\nE|\nV:1\n;[K:bass]"
)
BETWEEN = st.lists(st.sampled_from(SEPARATORS.split(";")), max_size=6)


@FEW
@given(
    accidental=st.sampled_from(["", "^", "_", "=", "^^"]),
    letter=st.sampled_from("CFGBdfb"),
    first=st.integers(1, 4),
    second=st.integers(1, 4),
    between=BETWEEN,
    broken=st.sampled_from(["", ">", "<", ">>"]),
)
def test_a_tie_joins_two_notes_whatever_is_between(
    accidental, letter, first, second, between, broken
):
    text = re.sub(r"\n\s*\n", "\n", "".join(between))  # a blank line would end the tune
    if broken and any(bar in text for bar in ("|", ":")):
        broken = ""
    unit = Fraction(1, 2) if "[L:1/8]" in between else 1
    head = "X:1\nL:1/4\nV:1\nV:2\nK:C\n[V:1]"
    music = f"{accidental}{letter}{first}-{broken}{text}{letter}{second}"
    (note, *others) = notes(parse_abc(f"{head}{music}z|"))
    shorter = {
        "": (1, 1),
        ">": (Fraction(3, 2), Fraction(1, 2)),
        "<": (Fraction(1, 2), Fraction(3, 2)),
    }
    left, right = shorter.get(broken, (Fraction(7, 4), Fraction(1, 4)))
    assert not others
    assert note[:2] == (0, first * left + second * unit * right)


@FEW
@given(
    rests=st.lists(
        st.tuples(
            st.sampled_from([(2, 4), (3, 4), (4, 4), (6, 8), (5, 8), (2, 2)]),
            st.integers(1, 5),
            st.sampled_from("ZX"),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_rests_of_bars_follow_the_meter(rests):
    music, expected, at, count = "", [], Fraction(0), 0
    for (beats, unit), bars, letter in rests:
        length = Fraction(4 * beats, unit)
        music += f"[M:{beats}/{unit}]{letter}{'' if bars == 1 else bars}|c{length / 4}|"
        at += bars * length
        expected.append(at)
        at += length
        count += bars + 1
    score = parse_abc(f"X:1\nL:1/1\nK:C\n{music}")
    assert [onset for onset, _, _ in notes(score)] == expected
    assert score.end == at * 480 and len(score.barlines()) == count + 1


@FEW
@given(
    bars=st.lists(st.lists(BAR, min_size=1, max_size=4), min_size=1, max_size=4),
    mark=st.sampled_from(["&", " & ", "&\\\n"]),
)
def test_overlays_are_beside_their_bar(bars, mark):
    score = parse_abc(
        HEAD + "|".join(mark.join("".join(v) for v in voices) for voices in bars) + "|"
    )
    expected = set()
    for number, voices in enumerate(bars):
        alone = [notes(parse_abc(f"{HEAD}{''.join(voice)}|")) for voice in voices]
        expected |= {(onset + 4 * number, *rest) for voice in alone for onset, *rest in voice}
    assert set(notes(score)) == expected
    assert score.end == 4 * 480 * len(bars)


TEXT = st.text("ABCDEFGabcdefgz|:[]&!\"()- 0123456789/,'^_=", max_size=30)


@FEW
@given(
    text=TEXT,
    place=st.sampled_from(
        [
            "%%text {}\n",
            "%{}\n",
            "%%begintext\n{}\n{}\n%%endtext\n",
            "%%beginps\n{}\nX:9\n\n{}\n%%endps\n",
            "w:{}\n+:{}\n",
            "W:{}\n",
            "s:{}\n",
            "T:{}\n",
            "N:{}\n",
        ]
    ),
    before=BAR,
    after=BAR,
)
def test_text_between_lines_of_music_makes_no_notes(text, place, before, after):
    between = place.replace("{}", text)
    lines = [HEAD, "".join(before), "|\n", between, "".join(after), "|\n\n", text, "\n", text]
    expected = parse_abc(f"{HEAD}{''.join(before)}|{''.join(after)}|")
    assert notes(parse_abc("".join(lines))) == notes(expected)


@FEW
@given(
    lines=st.lists(st.lists(BAR, min_size=1, max_size=3), min_size=1, max_size=4),
    strange=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")).filter(
        lambda c: ord(c) > 127 and not c.isspace()
    )
    | st.sampled_from(list("'),/29hijlmnopqrstw]}+")),
    data=st.data(),
)
def test_a_strange_character_is_named_with_its_place(lines, strange, data):
    rows = ["|".join(" ".join(bar) + " " for bar in bars) + "|" for bars in lines]
    row = data.draw(st.integers(0, len(rows) - 1))
    gaps = [i for i, letter in enumerate(rows[row]) if letter == " "]
    gap = data.draw(st.sampled_from(gaps))
    rows[row] = f"{rows[row][:gap]} {strange} {rows[row][gap + 1 :]}"
    if strange == ")":
        parse_abc(HEAD + "\n".join(rows))  # the end of a slur that began before
        return
    with pytest.raises(MidiError, match=f"^line {row + 5}, column {gap + 2}: "):
        parse_abc(HEAD + "\n".join(rows))


@FEW
@given(
    written=st.lists(
        st.tuples(
            st.integers(-14, 14),
            st.sampled_from(["^", "_", "=", "^^", "__"]),
            st.sampled_from(["", "2", "3", "/", "/2", "3/2", "//", "3/4", "5/8"]),
        ),
        max_size=30,
    ),
    unit=st.sampled_from([Fraction(1, 4), Fraction(1, 8), Fraction(1, 16), Fraction(1)]),
)
def test_notes_have_their_pitch_and_their_length(written, unit):
    values = {"": 1, "/": Fraction(1, 2), "//": Fraction(1, 4), "/2": Fraction(1, 2)}
    music, expected, at = "", [], Fraction(0)
    for place, sign, length in written:
        octave, step = divmod(place, 7)
        letter = "CDEFGAB"[step].lower() if octave > 0 else "CDEFGAB"[step]
        marks = "'" * (octave - 1) if octave > 0 else "," * -octave
        music += f"{sign}{letter}{marks}{length} "
        pitch = 60 + 12 * octave + (0, 2, 4, 5, 7, 9, 11)[step] + SIGNS[sign]
        duration = 4 * unit * (values[length] if length in values else Fraction(length))
        expected.append((at, duration, pitch))
        at += duration
    score = parse_abc(f"X:1\nL:{unit}\nK:C\n{music}")
    assert notes(score) == expected


PIECES = st.sampled_from(
    "A;b;c';D,;^e;_f;=g;2;/;3/2;>;<<;|;:|;|:;||;[;];(3;(;);{a};-;&;&&; ;\n;\n\n;\\;z;x2;Z;Z3;y;!f!"
    ';+f+;"Am";"^x";.;~;T;[V:2];[K:D];[K:bass];[M:3/4];[L:1/16];[Q:1/4=9];[1;|2;K:E phr ^f\n'
    ";V:x clef=\n;M:none\n;L:1\n;Q:12\n;w:a b\n;+:c\n;X:2\n;U:t=\n;I:linebreak !\n"
    ";%%MIDI program 9\n;%%begintext\n;%%endtext\n;% c\n;é;#;!;$;'".split(";")
)


@settings(max_examples=300, deadline=None)
@given(header=st.booleans(), pieces=st.lists(PIECES | st.characters(codec="utf-8"), max_size=40))
def test_any_text_is_read_or_refused_with_its_line(header, pieces):
    text = (HEAD if header else "") + "".join(pieces)
    try:
        scores = [parse_abc(tune) for tune in split_abc(text)]
    except MidiError as error:
        assert re.match(r"line \d+(, column \d+)?: .", str(error))
    else:
        assert all(score.ticks_per_quarter == 480 for score in scores)
