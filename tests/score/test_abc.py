"""ABC music is read as the standard 2.1 says, section by section."""

import pytest

from musegen.errors import MidiError
from musegen.score.chords import parse_chord
from musegen.score.columns import NO_CHORD
from musegen.score.notation import parse_abc

HEAD = "X:1\nM:4/4\nL:1/4\nK:C\n"
DORIAN = [62, 64, 65, 67, 69, 71, 72, 74]


def tune(music, head=HEAD):
    return parse_abc(head + music)


def notes(score, track=None):
    """Onset and duration in quarters, and pitch."""
    rows = score.notes if track is None else score.notes[score.notes["track"] == track]
    return [(onset / 480, duration / 480, pitch) for onset, duration, pitch, *_ in rows.tolist()]


def pitches(score, track=None):
    return [pitch for _, _, pitch in notes(score, track)]


def onsets(score):
    return [onset for onset, _, _ in notes(score)]


def durations(score):
    return [duration for _, duration, _ in notes(score)]


def fault(music, head=HEAD):
    with pytest.raises(MidiError) as caught:
        tune(music, head)
    return str(caught.value)


# 2.2 Structure: what is music and what is not


@pytest.mark.parametrize(
    "music",
    [
        "cdef|\n\nPlayed by a bad face\nabc def",  # a blank line ends a tune
        "cdef|\n   \t\nabc def",
        "cd % e f a bad face\nef|",
        "  % A BAD FACE\ncdef|",
        "%%text A bad face\ncdef|",
        "%%begintext\nA BAD FACE\n\nABC\n%%endtext\ncdef|",
        "%% beginps\nA BAD FACE\n%%endps\ncdef|",
        "%%beginsvg\n%%begintext\n%%endsvg\ncdef|",
        "cd [r:a bad face] ef|",
        "cd[N:a bad face]ef|",
        "cdef|\nw: a bad face\n+: a bad\n% comment\n%%text\n+: face",
        "cdef|\nW: a bad face",
        'cdef|\ns: !f! "C" a bad',
        "cdef|\nw: a bad \\\nface bad",  # continued as in version 2.0
        "cd \\\nef|",
        "cd \\ % remark\n% comment\nef|",
        "cd \\\nT:a bad face\nef|",
        "T:a bad face\nN:a bad face\nZ:a bad\nJ:face\ncdef|",
        "cd$ef|",
        "cd!\nef!|",
        "@c *d; #ef?|",  # 8.1: reserved characters
        "c``d`e``f|",
        "{a}c{/ba}d{a>b}{^a2b/}ef|",  # 4.12
        "!trill!c!p!!crescendo(!d+fermata+ef+trill)+|",  # 4.14
        "~c.duevf|",
        "Hc LMd OPSTe !5!f|",
        '"^above"c"_below"d"<l"">r"e"@x"f|',  # 4.19
        '"100% sure"cdef|',
        "(c(de).(f))|",  # 4.11
        "(,cd)('ef)|",
        "c y d y3 e y/ f|",  # 6.1.2
    ],
)
def test_only_music_makes_notes(music):
    assert notes(tune(music)) == [(0, 1, 72), (1, 1, 74), (2, 1, 76), (3, 1, 77)]


def test_text_in_the_header_is_no_music():
    head = "X:1\nT:Tune\nH:An old tale:\nA BAD FACE\nin three lines\n3/8=120\nM:4/4\nL:1/4\nK:C\n"
    assert pitches(tune("cdef|", head)) == [72, 74, 76, 77]


def test_music_before_the_key_is_refused():
    assert fault("cdef|", "X:1\nM:4/4\nABc|\nK:C\n").startswith("line 3: a tune header must have")
    assert fault("", "X:1\nT:only a title\n").startswith("line 2: a tune must have a K: field")


def test_a_line_of_notes_before_a_repeat_sign_is_no_field():
    assert pitches(tune("c2\nd2:|\ne:|\nA::|")) == [72, 74, 76, 69]
    assert pitches(tune("c3\ne:|")) == [72, 76]


# 3.1.6 to 3.1.8 Meter, unit note length, tempo


@pytest.mark.parametrize(
    ("meter", "expected", "unit"),
    [
        ("M:6/8", [(0, 6, 8)], 0.5),
        ("M:C", [(0, 4, 4)], 0.5),
        ("M:C|", [(0, 2, 2)], 0.5),
        ("M: 2/4", [(0, 2, 4)], 0.25),
        ("M:3/4", [(0, 3, 4)], 0.5),
        ("M:5/8", [(0, 5, 8)], 0.25),
        ("M:(2+3+2)/8", [(0, 7, 8)], 0.5),
        ("M:2+3/8", [(0, 5, 8)], 0.25),
        ("M:none", [], 0.5),
        ("M:", [], 0.5),
        ("T:none", [], 0.5),
    ],
)
def test_the_meter_and_the_unit_note_length_that_follows_from_it(meter, expected, unit):
    score = tune("c|d|", f"X:1\n{meter}\nK:C\n")
    assert score.meters.tolist() == expected
    assert durations(score) == [unit, unit]


@pytest.mark.parametrize(
    ("unit", "length"),
    [("1/8", 0.5), ("1", 4), ("1/1", 4), ("1/2", 2), (" 1/32", 0.125), ("3/8", 1.5)],
)
def test_the_unit_note_length_is_any_fraction(unit, length):
    assert durations(tune("c|", f"X:1\nL:{unit}\nM:2/4\nK:C\n")) == [length]


def test_a_meter_in_the_body_keeps_the_unit_note_length():
    score = tune("c4|\nM:2/4\nc2|", "X:1\nM:4/4\nK:C\n")
    assert durations(score) == [2, 1]


@pytest.mark.parametrize(
    ("tempo", "microseconds"),
    [
        ("1/4=120", 500_000),
        ("1/2=120", 250_000),
        ("3/8=50", 800_000),
        ("1/4 = 112.5", 533_333),
        ("1/4 3/8 1/4 3/8=40", 300_000),
        ('"Allegro" 1/4=60', 1_000_000),
        ('1/4=60 "Slowly"', 1_000_000),
        ("120", 1_000_000),  # unit notes (10.1)
        ("C=120", 1_000_000),
        ("C3=40", 1_000_000),
        ("1/4=60 bpm", 1_000_000),
        ("Slowly 1/4=60", 1_000_000),
        ("1/4=ca. 60", 1_000_000),
    ],
)
def test_a_tempo_is_beats_a_minute(tempo, microseconds):
    # The unit note length may be given after it.
    assert tune("c|", f"X:1\nQ:{tempo}\nL:1/8\nK:C\n").tempos.tolist() == [(0, microseconds)]


def test_a_meter_within_a_bar_counts_from_the_next_bar_on():
    score = tune("c4|c2[M:3/4]c2|c3|c3|[M:none]c|c3|")
    assert score.meters.tolist()[:2] == [(0, 4, 4), (3840, 3, 4)]


def test_free_meter_before_the_first_meter_has_no_pickup():
    assert onsets(tune("c|d|[M:3/4]e3|", "X:1\nM:none\nL:1/4\nK:C\n")) == [0, 1, 2]


def test_a_tempo_in_words_is_none():
    assert not len(tune("c|", 'X:1\nQ:"Andante"\nK:C\n').tempos)
    assert not len(tune("c|", "X:1\nQ:Andante\nK:C\n").tempos)


def test_a_tempo_changes_at_its_place():
    score = tune("c4|[Q:1/4=60]c4|\nQ:30\nc4|", "X:1\nQ:1/4=120\nL:1/4\nM:4/4\nK:C\n")
    assert score.tempos.tolist() == [(0, 500_000), (1920, 1_000_000), (3840, 2_000_000)]


# 3.1.14 Keys


@pytest.mark.parametrize(
    ("key", "fifths", "minor"),
    [
        ("C", 0, False),
        ("F#", 6, False),
        ("Bb", -2, False),
        ("C♯", 7, False),
        ("Am", 0, True),
        ("A minor", 0, True),
        ("AMin", 0, True),
        ("A aeolian", 0, True),
        ("C ionian", 0, False),
        ("G MIX", 0, False),
        ("Gmixolydian", 0, False),
        ("D dor", 0, False),
        ("EPhr", 0, False),
        ("F lyd", 0, False),
        ("Bloc", 0, False),
        ("F# mixolydian", 5, False),
        ("HP", 2, False),
        ("Hp", 2, False),
        ("D =c", 1, False),
        ("D maj =c", 1, False),
        ("Dmix=c", 1, False),
        ("D exp ^f ^c", 2, False),
        ("C treble", 0, False),
        ("C clef=bass", 0, False),
        ("C middle=B", 0, False),
        ("C m=B", 0, False),
        ("Cm m=B", -3, True),
        ("G minor bass", -2, True),
        ("Eb phr", -7, False),
    ],
)
def test_the_key_signature_of_a_tonic_and_a_mode(key, fifths, minor):
    score = tune("c4|", f"X:1\nM:4/4\nL:1/4\nK:{key}\n")
    assert score.keys.tolist() == [(0, fifths, minor)]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("D phr ^f", [62, 63, 66, 67, 69, 70, 72, 74]),  # 3.1.14, Ahavoh Rabboh
        ("D exp _b _e ^f", [62, 63, 66, 67, 69, 70, 72, 74]),
        ("D exp _b_e^f", [62, 63, 66, 67, 69, 70, 72, 74]),
        ("D Dor ^G", [62, 64, 65, 68, 69, 71, 72, 74]),
        ("D dor __e ^^c", [62, 62, 65, 67, 69, 71, 74, 74]),
        ("none", DORIAN),
        ("", DORIAN),
        ("none clef=alto", DORIAN),
        ("^f", [62, 64, 66, 67, 69, 71, 72, 74]),
        ("HP", [62, 64, 66, 67, 69, 71, 73, 74]),
        ("D dor stafflines=1 score=c mozart:noteC=snare", DORIAN),
        ("D dor alto3", DORIAN),
    ],
)
def test_accidentals_in_the_key_hold_in_all_octaves(key, expected):
    assert pitches(tune("DEFGABcd|", f"X:1\nM:4/2\nL:1/4\nK:{key}\n")) == expected
    an_octave_higher = [pitch + 12 for pitch in expected]
    assert pitches(tune("defgabc'd'|", f"X:1\nM:4/2\nL:1/4\nK:{key}\n")) == an_octave_higher


def test_a_clef_alone_keeps_the_key():
    score = tune("f c|[K:clef=alto]f c|[K:bass]f c|\nK:octave=0\nf c|", "X:1\nL:1/4\nK:D\n")
    assert pitches(score) == [78, 73] * 4
    assert score.keys.tolist() == [(0, 2, False)]


def test_no_key_cancels_a_key():
    score = tune("f4|[K:none]f4|", "X:1\nM:4/4\nL:1/4\nK:D\n")
    assert pitches(score) == [78, 77]
    assert score.keys.tolist() == [(0, 2, False), (1920, 0, False)]


# 4.1, 4.2 Pitch and accidentals


def test_octave_marks_add_up():
    assert pitches(tune("C,, C, C C' c c' c'' c,,' C,',|")) == [36, 48, 60, 72, 72, 84, 96, 60, 48]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (None, [61, 61, 73, 60, 60, 72]),  # 11.3: pitch by default
        ("pitch", [61, 61, 73, 60, 60, 72]),
        ("octave", [61, 61, 72, 60, 60, 72]),
        ("not", [61, 60, 72, 60, 60, 72]),
    ],
)
def test_an_accidental_holds_in_its_bar(scope, expected):
    directives = [f"I:propagate-accidentals {scope}\n", f"%%propagate-accidentals {scope}\n"]
    for directive in directives if scope else [""]:
        assert pitches(tune("^CCc=C|Cc|", f"X:1\nL:1/4\n{directive}K:C\n")) == expected


def test_double_accidentals_and_naturals():
    assert pitches(tune("^^c __d =f _e|", "X:1\nL:1/4\nK:D\n")) == [74, 72, 77, 75]


@pytest.mark.parametrize(
    ("sign", "semitones"),
    [("^/", 0), ("_/", 0), ("^1/2", 0), ("^3/2", 1), ("_3/2", -1), ("_3/4", -1)],
)
def test_a_microtone_is_rounded_and_keeps_the_length(sign, semitones):
    score = tune(f"{sign}c d e f|")
    assert pitches(score)[0] == 72 + semitones and onsets(score) == [0, 1, 2, 3]


def test_accidentals_of_grace_notes_do_not_hold():
    assert pitches(tune("{^c}d c2 e|")) == [74, 72, 76]


# 4.3, 4.4 Lengths and broken rhythms


def test_lengths_multiply_the_unit():
    score = tune("c2 c3/2 c/ c/2 c// c/4 c3/4 c1 c3/|z4|")
    assert durations(score) == [2, 1.5, 0.5, 0.5, 0.25, 0.25, 0.75, 1, 1.5]


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("c>d", [1.5, 0.5]),
        ("c<d", [0.5, 1.5]),
        ("c>>d", [1.75, 0.25]),
        ("c<<<d", [0.125, 1.875]),
        ("c2>d2", [3, 1]),
        ("c > d", [1.5, 0.5]),
        ("(c>)d", [1.5, 0.5]),
        ("c{e}>d", [1.5, 0.5]),
        ("c>{e}d", [1.5, 0.5]),
        ('c>!f!"Am".d', [1.5, 0.5]),
        ("[ce]>[df]", [1.5, 1.5, 0.5, 0.5]),
        ("z>d", [0.5]),
        ("c>-d", [1.5, 0.5]),
    ],
)
def test_a_broken_rhythm_moves_time_from_one_note_to_the_next(music, expected):
    score = tune(f"{music} g2|z4|")
    assert durations(score)[:-1] == expected
    assert notes(score)[-1][:2] == (4 if "2>" in music else 2, 2)


def test_two_broken_rhythms_meet_in_one_note():
    assert durations(tune("c/>d<e z|z4|")) == [0.75, 0.25, 1.5]


# 4.5 Rests


@pytest.mark.parametrize("rest", ["z", "x"])
def test_rests_take_time(rest):
    assert onsets(tune(f"c{rest}d{rest}2|{rest}/c|")) == [0, 2, 5.5]


@pytest.mark.parametrize("rest", ["Z", "X"])
def test_a_rest_of_bars_has_the_length_of_its_meter(rest):
    music = f"DDD|{rest}|DDD|{rest}2|DDD|[M:2/4]{rest}3|D2|]"
    score = tune(music, "X:1\nM:3/4\nL:1/4\nK:C\n")
    assert onsets(score) == [0, 1, 2, 6, 7, 8, 15, 16, 17, 24]
    assert score.end == 26 * 480
    assert len(score.barlines()) == 6 + 3 + 1 + 1


def test_rests_at_the_end_count():
    score = tune("cdef|z4|Z2|")
    assert score.end == 16 * 480


def test_a_marked_x_at_the_end_of_a_section_is_a_place_for_the_mark():
    assert onsets(tune('c4|e3 Hx||f|c4 "^D.C."x|]')) == [0, 4, 7, 8]
    assert tune("c3 x|]").end == 4 * 480


# 4.6 Clefs and transposition


@pytest.mark.parametrize(
    ("properties", "semitones"),
    [
        ("bass", 0),
        ("clef=bass", 0),
        ("clef=alto1", 0),
        ("clef=tenor middle=A,", 0),
        ("bass middle=d", 0),
        ("treble-8", -12),
        ("clef=treble+8", 12),
        ("clef=bass_8", -12),
        ("treble^8", 12),
        ("treble-15", -24),
        ("octave=-1", -12),
        ("octave=+2", 24),
        ("transpose=-2", -2),
        ("t=7", 7),
        ("treble-8 octave=1", 0),
        ("bass octave=-1 transpose=3 stafflines=4", -9),
        ("clef=none", 0),
    ],
)
def test_clefs_and_transposition_of_key_and_voice_fields(properties, semitones):
    expected = [pitch + semitones for pitch in (60, 62, 64, 65)]
    for head in (
        f"X:1\nL:1/4\nK:C {properties}\n",
        f"X:1\nL:1/4\nV:1 {properties}\nK:C\n",
        f"X:1\nL:1/4\nK:C\nV:1 {properties}\n",
        f"X:1\nL:1/4\nK:C\n[V:1 {properties}]",
        f"X:1\nL:1/4\nK:C\n[K:{properties}]",
    ):
        assert pitches(tune("CDEF|", head)) == expected


def test_the_key_of_a_transposed_voice_is_as_it_sounds():
    assert tune("C|", "X:1\nK:C transpose=-2\n").keys.tolist() == [(0, -2, False)]
    assert tune("C|", "X:1\nK:C octave=1\n").keys.tolist() == [(0, 0, False)]


def test_a_percussion_clef_is_a_drum_kit():
    assert tune("C|", "X:1\nK:C perc stafflines=1\n").tracks[0].is_drum
    assert not tune("C|", "X:1\nK:C bass\n").tracks[0].is_drum


# 4.8 to 4.10 Bar lines, repeats, endings


BARS = "| || |] [| |: :| :: :|: :||: |:: ::| .| [|] |[| [|::: :|] |1 |1,3-5 :|2 |[1 :|[2,4".split()


@pytest.mark.parametrize("bar", [*BARS, "| [1", "|\n:", '|["last time"'])
def test_bar_lines_may_have_any_shape(bar):
    score = tune(f"c4{bar} d4|^e4{bar} e4 |]")
    assert notes(score) == [(0, 4, 72), (4, 4, 74), (8, 4, 77), (12, 4, 76)]
    assert score.barlines().tolist() == [0, 1920, 3840, 5760, 7680]


def test_bars_are_played_once_in_the_order_of_the_page():
    score = tune("P:AB\nP:A\n|:c4|1d4:|2e4||\nP:B\nf4|]", "X:1\nM:4/4\nL:1/4\nP:A2B2\nK:C\n")
    assert pitches(score) == [72, 74, 76, 77]


# 4.11 Ties


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("c2-c2|", [(0, 4, 72)]),
        ("c4-|c4-|c2 c2|", [(0, 10, 72), (10, 2, 72)]),
        ("^F4-|F2 F2|", [(0, 6, 66), (6, 2, 65)]),
        ("^F4-|^F2 F2|", [(0, 6, 66), (6, 2, 66)]),
        ("^F4-|=F4|", [(0, 4, 66), (4, 4, 65)]),
        ("^F4-|_G4|", [(0, 8, 66)]),
        ("c->c d2|", [(0, 2, 72), (2, 2, 74)]),
        ("c>-c d2|", [(0, 2, 72), (2, 2, 74)]),
        ("c-c>d z|", [(0, 2.5, 72), (2.5, 0.5, 74)]),
        ("c2- c2|", [(0, 4, 72)]),
        ("c2.-c2|", [(0, 4, 72)]),
        ("c2 -c2|", [(0, 4, 72)]),
        ("c4-|\nK:D\nM:3/4\n%%text\nw:la\nc3|", [(0, 7, 72)]),
        ('c2-"Am"!f!{d}.(c2|', [(0, 4, 72)]),
        ("c4-|[K:D clef=bass][L:1/8]c4|", [(0, 6, 72)]),
        ("[ce]2-[ce]2|", [(0, 4, 72), (0, 4, 76)]),
        ("[c-e]2[ce]2|", [(0, 4, 72), (0, 2, 76), (2, 2, 76)]),
        ("[ce]2-c2|", [(0, 4, 72), (0, 2, 76)]),
        ("c2-[ce]2|", [(0, 4, 72), (2, 2, 76)]),
        ("c2-d2|c4|", [(0, 2, 72), (2, 2, 74), (4, 4, 72)]),  # an old slur
        ("c2-z2|c4|", [(0, 2, 72), (4, 4, 72)]),
        ("(3c-c-c c2|", [(0, 2, 72), (2, 2, 72)]),
        ("c4-:|2 c4|", [(0, 8, 72)]),
    ],
)
def test_a_tie_joins_notes_of_one_place_on_the_staff(music, expected):
    assert notes(tune(music)) == expected


# 4.13 Tuplets


@pytest.mark.parametrize(
    ("sign", "meter", "expected"),
    [
        ("(2", "4/4", [1.5, 1.5, 1]),
        ("(2", "6/8", [1.5, 1.5, 1]),
        ("(3", "4/4", [2 / 3] * 3 + [1]),
        ("(4", "4/4", [3 / 4] * 4 + [1]),
        ("(5", "4/4", [2 / 5] * 5 + [1]),
        ("(5", "6/8", [3 / 5] * 5 + [1]),
        ("(5", "9/8", [3 / 5] * 5 + [1]),
        ("(6", "6/8", [1 / 3] * 6 + [1]),
        ("(8", "4/4", [3 / 8] * 8 + [1]),
        ("(9", "12/8", [1 / 3] * 9 + [1]),
        ("(9", "3/4", [2 / 9] * 9 + [1]),
        ("(3::", "4/4", [2 / 3] * 3 + [1]),
        ("(3:", "4/4", [2 / 3] * 3 + [1]),
        ("(3:2", "4/4", [2 / 3] * 3 + [1]),
        ("(3:2:3", "4/4", [2 / 3] * 3 + [1]),
        ("(3::2", "4/4", [2 / 3] * 2 + [1]),
        ("(3:4:6", "4/4", [4 / 3] * 6 + [1]),
        ("(5:3", "4/4", [3 / 5] * 5 + [1]),
        ("(11:8", "4/4", [8 / 11] * 11 + [1]),
        ("(3 ", "4/4", [2 / 3] * 3 + [1]),
    ],
)
def test_tuplets_and_their_defaults(sign, meter, expected):
    score = tune(sign + "c d " * 6 + "|", f"X:1\nM:{meter}\nL:1/4\nK:C\n")
    assert durations(score)[: len(expected)] == pytest.approx(expected, abs=1 / 480)


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("(3c2de2", [4 / 3, 2 / 3, 4 / 3]),
        ("(3:2:2c2d", [4 / 3, 2 / 3]),
        ("((3cde)", [2 / 3] * 3),
        ("(3(cde)", [2 / 3] * 3),
        ("(3[ce]dz", [2 / 3] * 3),
        ("(3{f}c.d!f!e", [2 / 3] * 3),
        ("(3c>de", [1, 1 / 3, 2 / 3]),
        ('(3"Am"cde', [2 / 3] * 3),
    ],
)
def test_tuplets_hold_notes_of_any_length_chords_and_rests(music, expected):
    assert durations(tune(f"{music}|z8|")) == pytest.approx(expected)


# 4.14 Dynamics


def test_dynamics_hold_in_their_voice():
    score = tune("V:1\nc!p!d+ff+[ce]!sfz!!trill!f|!mf!f\nV:2\nC|")
    velocities = score.notes[["track", "velocity"]].tolist()
    assert velocities == [(0, 80), (1, 80), (0, 49), (0, 112), (0, 112), (0, 112), (0, 80)]


# 4.16 Symbols, 4.17 chords, 4.18 chord symbols


def test_letters_become_symbols_by_definition():
    assert pitches(tune("tc Wd !x!e ~f|", 'X:1\nL:1/4\nU:t=!halftrill!\nU: W = "^+"\nK:C\n')) == [
        72,
        74,
        76,
        77,
    ]
    assert pitches(tune("[U:i=!nil!]ic|")) == [72]
    assert "column 1: expected a note" in fault("tc|")


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("[CEG]2c2|", [(0, 2, 60), (0, 2, 64), (0, 2, 67), (2, 2, 72)]),
        ("[C2E2]3/2z|", [(0, 3, 60), (0, 3, 64)]),
        ("[C2E]c2|", [(0, 2, 60), (0, 2, 64), (2, 2, 72)]),  # as long as the first
        ("[C/E/]/|", [(0, 0.25, 60), (0, 0.25, 64)]),
        ("[DD]4|", [(0, 4, 62)]),
        ("[.CuE!1!G]4|", [(0, 4, 60), (0, 4, 64), (0, 4, 67)]),
        ("[_EG]2E2|", [(0, 2, 63), (0, 2, 67), (2, 2, 63)]),
        ('"C"[CE]4|', [(0, 4, 60), (0, 4, 64)]),
    ],
)
def test_chords(music, expected):
    assert notes(tune(music)) == expected


def test_chord_symbols_are_kept_as_chords():
    score = tune('"Am7"c2 "G(Em)"d2|"^Fine""Allegro"e2"N.C."f2|"Am7"z4|"Am7"c4|')
    expected = [(0, "Am7"), (960, "G"), (2880, None), (3840, "Am7")]
    assert score.chords.tolist() == [
        (tick, *(parse_chord(text) if text else NO_CHORD)) for tick, text in expected
    ]
    assert pitches(score) == [72, 74, 76, 77, 72]


def test_chord_symbols_move_with_a_pickup_and_sound_as_transposed():
    score = tune('G|"C"c4|"F"f4|', "X:1\nM:4/4\nL:1/4\nK:C t=2\n")
    assert score.chords.tolist() == [(1920, *parse_chord("D")), (3840, *parse_chord("G"))]


# 7 Voices


CHORALE = """X:1
M:4/4
L:1/4
V:T1 clef=treble-8 name="Tenor I" snm="T.I"
V:B1 middle=d clef=bass nm="Bass\\nI" transpose=-24
K:Gm
%%score (T1 B1)
[V:T1] B2c2 | f4 |
[V:B1] z4 | f2g2 |
[V:T1] d4 | =e4 |
[V:B1] b4 | e2z2 |
"""


def test_voices_of_the_standards_example():
    score = parse_abc(CHORALE)
    assert [track.name for track in score.tracks] == ["Tenor I", "Bass I"]
    assert notes(score, 0) == [(0, 2, 58), (2, 2, 60), (4, 4, 65), (8, 4, 62), (12, 4, 64)]
    assert notes(score, 1) == [(4, 2, 53), (6, 2, 55), (8, 4, 58), (12, 2, 51)]


def test_every_voice_starts_from_the_tune_header():
    head = "X:1\nM:4/4\nL:1/4\nQ:1/4=90\nK:D\n"
    changes = "[K:C][M:3/4][L:1/8][Q:1/4=50][K:bass octave=-1][I:MIDI program 5]^g"
    score = tune(f"V:1\nf4|{changes} f\nV:2\nf2 c2|\nV:1\n|f|\nV:2\nf2 c2", head)
    assert notes(score, 2) == [(0, 2, 78), (2, 2, 73), (4, 2, 78), (6, 2, 73)]
    assert [track.program for track in score.tracks] == [0, 5, 0]


def test_music_before_the_first_voice_is_the_first_voices():
    assert [t.name for t in tune("c4|\nV:2\nc4|\nV:1\nd4|").tracks] == ["1", "2"]
    head = "X:1\nL:1/4\nV:S name=Soprano\nV:A\nK:C\n"
    assert [t.name for t in tune("c4|\nV:A\nc4|", head).tracks] == ["Soprano", "A"]


def test_fields_before_the_music_are_for_all_voices():
    score = tune("K:D\nL:1/8\nQ:1/4=60\n%%MIDI program 40\nV:1\nf|\nV:2\nf|")
    assert notes(score) == [(0, 0.5, 78), (0, 0.5, 78)]
    assert score.tempos.tolist() == [(0, 1_000_000)]
    assert [track.program for track in score.tracks] == [40, 40]


def test_a_declared_voice_without_music_is_no_track():
    assert len(tune("V:2\nc4|", "X:1\nL:1/4\nV:1\nV:2\nK:C\n").tracks) == 1


def test_bars_are_those_of_the_longest_voice():
    score = tune("V:1\nc4|\nV:2\nG|c4|d3|]\n")
    assert score.barlines().tolist() == [0, 1920, 3840, 5760]
    assert notes(score, 0) == [(3, 4, 72)]


# 7.4 Overlays


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        (
            "c d e f & C2 D2|c4 & E4|]",
            [
                (0, 2, 60),
                (0, 1, 72),
                (1, 1, 74),
                (2, 2, 62),
                (2, 1, 76),
                (3, 1, 77),
                (4, 4, 64),
                (4, 4, 72),
            ],
        ),
        (
            "A2|c4 &\\\nA4 &\\\nF4|c4|]",
            [(2, 2, 69), (4, 4, 65), (4, 4, 69), (4, 4, 72), (8, 4, 72)],
        ),
        (
            "g2f2|e4|\n&& (d4|c2)c2|G4|",
            [(0, 4, 74), (0, 2, 79), (2, 2, 77), (4, 2, 72), (4, 4, 76), (6, 2, 72), (8, 4, 67)],
        ),
        (
            "g2f2|e4 && d4|c4|G4|",
            [(0, 4, 74), (0, 2, 79), (2, 2, 77), (4, 4, 72), (4, 4, 76), (8, 4, 67)],
        ),
        ("c4|\n& E4|d4|", [(0, 4, 64), (0, 4, 72), (4, 4, 74)]),
        ("c4 & E2|d4|", [(0, 2, 64), (0, 4, 72), (4, 4, 74)]),
        ("c2 & E4|d4|", [(0, 4, 64), (0, 2, 72), (4, 4, 74)]),
        ("^c2c2 & c4|c4|", [(0, 4, 72), (0, 2, 73), (2, 2, 73), (4, 4, 72)]),
        ("c4- & E4-|c4 & E4|", [(0, 8, 64), (0, 8, 72)]),
        ("c4 & Z|d4|", [(0, 4, 72), (4, 4, 74)]),
    ],
)
def test_an_overlay_is_beside_its_bar(music, expected):
    assert notes(tune(music)) == expected
    assert len(tune(music).tracks) == 1


# 10, 11 Older files and directives


def test_an_exclamation_mark_may_be_a_line_break():
    for field in ("I:linebreak !", "%%continueall"):
        assert pitches(tune("cd!ef!gab!|", f"X:1\nL:1/4\n{field}\nK:C\n")) == [
            72,
            74,
            76,
            77,
            79,
            81,
            83,
        ]
    assert "I:linebreak ! if" in fault("cd!ef!gab|")


@pytest.mark.parametrize(
    ("directive", "program", "is_drum"),
    [
        ("%%MIDI program 73", 73, False),
        ("%%MIDI program 1 73", 73, False),
        ("I:MIDI program 40", 40, False),
        ("%%MIDI voice instrument=59 bank=1", 58, False),
        ("%%MIDI channel 10", 0, True),
        ("%%MIDI channel 3", 0, False),
        ("%%MIDI drumon", 0, False),
        ("%%MIDI gchord fzczfzcz % a comment", 0, False),
        ("%%staves [1 2]", 0, False),
    ],
)
def test_directives_for_instruments(directive, program, is_drum):
    track = tune("c|", f"X:1\n{directive}\nK:C\n").tracks[0]
    assert (track.program, track.is_drum) == (program, is_drum)
    track = tune(f"{directive}\nc|").tracks[0]
    assert (track.program, track.is_drum) == (program, is_drum)


def test_other_midi_directives():
    assert pitches(tune("%%MIDI transpose -12\nc|")) == [60]
    assert pitches(tune("%%MIDI nobarlines\n^c c|")) == [73, 72]


def test_a_directive_behind_a_declared_voice_is_for_that_voice():
    head = "X:1\n%%MIDI program 5\nV:1\n%%MIDI program 40\nV:2\nI:MIDI channel 10\nV:3\nK:C\n"
    tracks = tune("[V:3]c[V:2]c[V:1]c", head).tracks
    assert [(t.name, t.program, t.is_drum) for t in tracks] == [
        ("1", 40, False),
        ("2", 5, True),
        ("3", 5, False),
    ]
    assert fault("c", head.replace("40", "400")).startswith("line 4: expected a number")
    tracks = tune(
        "V:1\n%%MIDI program 40\nc|\nV:2\n%%MIDI program 41\nw:la\n%%MIDI program 42\nc|"
    ).tracks
    assert [track.program for track in tracks] == [40, 42]


def test_an_instrument_that_changes_is_another_track():
    score = tune("c4|\n%%MIDI program 40\nd4|\n%%MIDI program 0\ne4|")
    assert [track.program for track in score.tracks] == [0, 40]
    assert pitches(score, 0) == [72, 76] and pitches(score, 1) == [74]


# What is refused, with its place


@pytest.mark.parametrize(
    ("music", "place", "words"),
    [
        ("cd é ef|", "line 5, column 4: ", "expected notes, rests, bar lines"),
        ("cd|\ne |f l", "line 6, column 6: ", "expected a note, a rest or a sign"),
        ("c '|", "line 5, column 3: ", "expected notes"),
        ("c# d|", "line 5, column 2: ", "expected notes"),
        ("c 2|", "line 5, column 3: ", "expected notes"),
        ("c4 | 1 d4|", "line 5, column 6: ", "expected notes"),
        ("Played by a man|", "line 5, column 2: ", "a sign for it. Received: 'l'"),
        ('c "Am d|', "line 5, column 3: ", "expected notes"),
        ("c {d e|", "line 5, column 3: ", "expected notes"),
        ("c [de|", "line 5, column 6: ", "a chord must end with ]"),
        ("[ce\ng]|", "line 5, column 4: ", "a chord must end with ]"),
        ("c]4|", "line 5, column 2: ", "expected the notes of a chord"),
        ("[]|", "line 5, column 2: ", "expected the notes of a chord"),
        ("[cz]|", "line 5, column 3: ", "a chord must have notes only"),
        ("c//4|", "line 5, column 1: ", "a length must be"),
        ("c0|", "line 5, column 1: ", "a length must be"),
        ("c/0|", "line 5, column 1: ", "a length must be"),
        ("c<>d|", "line 5, column 2: ", "a broken rhythm must be"),
        (">c|", "line 5, column 1: ", "stand behind a note"),
        ("c|>d|", "line 5, column 3: ", "stand behind a note"),
        ("c>|d|", "line 5, column 3: ", "between two notes of a bar"),
        ("cd>", "line 5: ", "between two notes of a bar"),
        ("(3cd|", "line 5, column 5: ", "a tuplet must end in its bar"),
        ("(3c(3def|", "line 5, column 4: ", "before another begins"),
        ("(11c|", "line 5, column 1: ", "with q given"),
        ("(1c|", "line 5, column 1: ", "a tuplet must be"),
        ("cZ|", "line 5, column 2: ", "must begin a bar"),
        ("[M:none]Z|", "line 5, column 9: ", "needs a meter"),
        ("& c4|", "line 5, column 1: ", "must follow the bars"),
        ("c4 && c4|", "line 5, column 4: ", "must follow the bars"),
        ("c2(&cd|ef&GA|AB&)cd|", "line 5, column 3: ", "one & for each bar"),
        ("c,,,,,,,|", "line 5, column 1: ", "a pitch must be 0 to 127"),
        ("+ceg+|", "line 5, column 1: ", "Write [ceg] for a chord"),
        ("c|[M:5/5]d|", "line 5, column 3: ", "a meter must be"),
        ("M:5\nd|", "line 5: ", "a meter must be"),
        ("L:1/0\nd|", "line 5: ", "a unit note length must be"),
        ("Q:1/4=0\nd|", "line 5: ", "a tempo must be"),
        ("K:D freygish\nd|", "line 5: ", "a key must be"),
        ("K:EM\nd|", "line 5: ", "a key must be"),
        ("K:C octave=x\nd|", "line 5: ", "octave= must be a whole number"),
        ("V:\nd|", "line 5: ", "a voice must have a name"),
        ("U:c=!f!\nd|", "line 5: ", "a symbol must be"),
        ("m:~n3=n{o}n\nd|", "line 5: ", "macros"),
        ("I:abc-include x.abh\nd|", "line 5: ", "other files are not opened"),
        ("%%MIDI program 128\nd|", "line 5: ", "a number from 0 to 127"),
        ("%%propagate-accidentals maybe\nd|", "line 5: ", "one of not, octave, pitch"),
        ("%%begintext\nd|", "line 5: ", "must be followed by %%endtext"),
        ("c" + "9" * 5000 + "|", "line 5, column 1: ", "must end before tick"),
        ("c/" + "9" * 5000 + "|", "line 5, column 12: ", "expected notes"),
        ("c999999999|" * 9, "line 5, column ", "must end before tick"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_place(music, place, words):
    message = fault(music)
    assert message.startswith(place) and words in message
    assert message.endswith((".", "line break", "a chord", "?"))


def test_a_fault_in_the_header_has_its_line():
    assert fault("c|", "X:1\nT:a\nQ:1/4=0\nL:1/8\nK:C\n").startswith("line 3: a tempo must be")
    assert fault("c|", "X:1\nV:1 transpose=high\nK:C\n").startswith("line 2: transpose= must be")


def test_tracks_are_in_the_order_in_which_voices_are_chosen_even_in_the_line():
    score = parse_abc("X:1\nL:1/4\nK:C\n[V:2]C4|\n[V:1]E4|")
    assert [track.name for track in score.tracks] == ["2", "1"]
