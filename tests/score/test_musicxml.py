"""MusicXML: pitches, instruments, tempos, dynamics, ties and chord symbols."""

import subprocess
import sys

import pytest

from musegen import read
from musegen.errors import MidiError
from musegen.score import Score
from musegen.score.notation.musicxml import read_musicxml
from tests.score.musicxml import (
    attributes,
    backup,
    chord,
    drum,
    measure,
    note,
    notes,
    partwise,
    rest,
    time,
    tune,
)


def score(document: str) -> Score:
    return read_musicxml(document.encode()).score


def rows(piece: Score, *names: str) -> list[tuple]:
    """Columns of the notes; onset and duration in quarters."""
    names = names or ("onset", "duration", "pitch")
    scale = {"onset": 480, "duration": 480}
    columns = [(piece.notes[name] / scale.get(name, 1)).tolist() for name in names]
    return list(zip(*columns, strict=True))


def pitches(document: str) -> list[int]:
    return score(document).notes["pitch"].tolist()


def velocities(document: str) -> list[int]:
    return score(document).notes["velocity"].tolist()


# Notes


def test_notes_chords_rests_and_voices_are_where_they_are_written():
    piece = score(tune(chord("C4 E4 G4"), rest(1), notes("A4 B4"), backup(3), note("F3", 2)))
    assert rows(piece) == [
        (0, 1, 60),
        (0, 1, 64),
        (0, 1, 67),
        (1, 2, 53),
        (2, 1, 69),
        (3, 1, 71),
    ]
    assert piece.ticks_per_quarter == 480 and piece.end == 1920
    assert [track.name for track in piece.tracks] == ["Flute"]


def test_grace_notes_and_cue_notes_are_silent_and_small_and_hidden_notes_are_not():
    grace = "<note><grace/><pitch><step>D</step><octave>5</octave></pitch></note>"
    cue = note("C6", 1, before="<cue/>")
    small = note("E4", 1, after='<type size="cue">quarter</type>')
    hidden = note("F4", 1, print_object="no")
    assert rows(score(tune(grace, note("C4"), cue, small, hidden))) == [
        (0, 1, 60),
        (2, 1, 64),
        (3, 1, 65),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("C4", 60), ("Bb3", 58), ("B#3", 60), ("C-1", 0), ("G9", 127)],
)
def test_pitches(name, expected):
    assert pitches(tune(note(name))) == [expected]


@pytest.mark.parametrize(
    ("alter", "expected"), [("0.5", 62), ("-0.5", 62), ("1.5", 63), ("-1.5", 61), ("0.75", 63)]
)
def test_a_microtone_is_rounded_and_a_quarter_tone_left_out(alter, expected):
    altered = note("D4").replace("</step>", f"</step><alter>{alter}</alter>")
    assert pitches(tune(altered)) == [expected]


@pytest.mark.parametrize(
    ("transpose", "expected"),
    [
        ("<chromatic>-2</chromatic>", [58]),
        ("<diatonic>-1</diatonic><chromatic>-2</chromatic>", [58]),
        ("<chromatic>-9</chromatic><octave-change>0</octave-change>", [51]),
        ("<chromatic>0</chromatic><octave-change>-1</octave-change>", [48]),
        ("<chromatic>0</chromatic><double/>", [48, 60]),
        ('<chromatic>0</chromatic><double above="yes"/>', [60, 72]),
    ],
)
def test_parts_are_read_at_sounding_pitch(transpose, expected):
    more = f"<transpose>{transpose}</transpose>"
    assert pitches(tune(note("C4", 4), more=more)) == expected


def test_a_staff_of_its_own_transposition():
    more = (
        '<staves>2</staves><transpose number="2"><chromatic>0</chromatic>'
        "<octave-change>-1</octave-change></transpose>"
    )
    upper, lower = (note("C4", 4, after=f"<staff>{n}</staff>") for n in (1, 2))
    piece = score(tune(upper, backup(4), lower, more=more))
    assert rows(piece, "pitch", "track") == [(60, 0), (48, 1)]


def test_a_sign_for_an_octave_changes_nothing_as_the_pitch_is_the_sounding_one():
    shift = '<octave-shift type="down" size="8"/>'
    assert pitches(tune(direction(shift), note("C6"))) == [84]


# Ties


START, STOP = '<tie type="start"/>', '<tie type="stop"/>'


def test_ties_are_merged_across_barlines_voices_and_spellings():
    document = partwise(
        [
            measure(attributes(), note("C#4", 4, after=START)),
            measure(note("Db4", 1, after=STOP + START), note("C#4", 3, after=STOP)),
            measure(note("C#4", 4)),
        ]
    )
    assert rows(score(document)) == [(0, 8, 61), (8, 4, 61)]


@pytest.mark.parametrize(("first", "second"), [(START, ""), ("", STOP), ("", "")])
def test_half_a_tie_ties_nothing(first, second):
    assert rows(score(tune(note("C4", 1, after=first), note("C4", 1, after=second)))) == [
        (0, 1, 60),
        (1, 1, 60),
    ]


def test_a_tie_to_another_pitch_ties_nothing():
    assert rows(score(tune(note("C4", 1, after=START), note("D4", 1, after=STOP)))) == [
        (0, 1, 60),
        (1, 1, 62),
    ]


def test_a_tied_note_of_a_chord_lasts_as_long_as_the_chord():
    # Some programs write how long each note sounds, not how long it is.
    first = note("C3", 4) + note("G3", 2, before="<chord/>", after=START)
    document = partwise([measure(attributes(), first), measure(note("G3", 4, after=STOP))])
    assert rows(score(document)) == [(0, 4, 48), (0, 8, 55)]


def test_a_tie_over_the_barline_bridges_a_bar_that_is_too_short():
    short = [measure(attributes(), note("C4", 3, after=START)), measure(note("C4", 4, after=STOP))]
    whole = [measure(attributes(), note("C3", 4)), measure(note("D3", 4))]
    assert rows(score(partwise(short, whole))) == [(0, 8, 60), (0, 4, 48), (4, 4, 50)]


def test_a_tie_from_one_staff_to_the_other_stays_in_the_track_where_it_began():
    upper = note("C4", 4, after=START + "<staff>1</staff>")
    other = note("C3", 4, after="<staff>2</staff>")
    lower = note("C4", 4, after=STOP + "<staff>2</staff>")
    document = partwise([measure(attributes(), upper, backup(4), other), measure(lower)])
    piece = score(document)
    assert rows(piece, "onset", "duration", "pitch", "track") == [(0, 8, 60, 0), (0, 4, 48, 1)]


# Parts and instruments


def instrument(name: str, midi: str = "", *, number: int = 1) -> tuple[str, str]:
    return (
        f'<score-instrument id="I{number}"><instrument-name>{name}</instrument-name>'
        f"</score-instrument>",
        f'<midi-instrument id="I{number}">{midi}</midi-instrument>' if midi else "",
    )


def info(*instruments: tuple[str, str], name: str = "Part") -> str:
    first, second = ("".join(each) for each in zip(*instruments, strict=True))
    return f"<part-name>{name}</part-name>{first}{second}"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (info(instrument("Anything", "<midi-program>74</midi-program>")), 73),
        (info(instrument("Violoncello")), 42),
        (info(instrument("Violoncello", "<midi-program>1</midi-program>")), 42),
        (info(instrument("Kazoo", "<midi-program>1</midi-program>")), 0),
        (info(instrument("Violoncello", "<midi-program>0</midi-program>")), 42),
        (info(instrument("Violoncello", "<midi-program>129</midi-program>")), 42),
        (info(instrument("Violins")), 40),
        (info(instrument("Bass Clarinet in Bb")), 71),
        (info(instrument("Electric Guitar")), 27),
        (info(instrument("Kazoo")), 0),
        ("<part-name>Viola</part-name>", 0),
    ],
)
def test_the_program_is_that_of_the_instrument_by_number_or_name(part, expected):
    assert [track.program for track in score(tune(note("C4"), info=part)).tracks] == [expected]


@pytest.mark.parametrize(
    ("sound", "expected"),
    [("wind.reed.oboe", 68), ("voice.bass", 52), ("keyboard.organ.pipe", 19), ("x.y", 0), ("", 0)],
)
def test_an_instrument_is_known_by_the_name_of_its_sound(sound, expected):
    named = f"</instrument-name><instrument-sound>{sound}</instrument-sound>"
    part = info(instrument("Solo")).replace("</instrument-name>", named)
    assert score(tune(note("C4"), info=part)).tracks[0].program == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("<part-name>Oboe\n 1,2</part-name>", "Oboe 1,2"),
        (
            "<part-name/><part-name-display><display-text>Alto</display-text></part-name-display>",
            "Alto",
        ),
        (info(instrument("Harp"), name=""), "Harp"),
        ("", ""),
    ],
)
def test_the_name_of_a_part(part, expected):
    assert score(tune(note("C4"), info=part)).tracks[0].name == expected


def kit(*pieces: tuple[str, int]) -> str:
    return info(
        *(
            instrument(
                name,
                f"<midi-channel>10</midi-channel><midi-unpitched>{key + 1}</midi-unpitched>",
                number=number,
            )
            for number, (name, key) in enumerate(pieces, 1)
        ),
        name="Drumset",
    )


def test_each_note_of_a_drum_kit_has_the_key_of_its_own_instrument():
    kick, snare, hat = (f'<instrument id="I{number}"/>' for number in (1, 2, 3))
    document = tune(
        drum("F4", 1, kick),
        drum("C5", 1, snare),
        drum("C5", 1, snare) + drum("G5", 1, hat, before="<chord/>"),
        info=kit(("Kick", 36), ("Snare", 40), ("Hi-hat", 44)),
    )
    piece = score(document)
    assert rows(piece, "onset", "pitch") == [(0, 36), (1, 40), (2, 40), (2, 44)]
    assert [track.is_drum for track in piece.tracks] == [True]


@pytest.mark.parametrize(
    ("part", "place", "expected"),
    [
        (info(instrument("Snare Drum")), "E4", 38),
        ("<part-name>Triangle</part-name>", "E4", 81),
        ("<part-name>Drums</part-name>", "F4", 36),
        ("<part-name>Drums</part-name>", "G5", 42),
        ("<part-name>Drums</part-name>", "C2", 38),
    ],
)
def test_a_drum_without_a_key_is_known_by_name_or_place(part, place, expected):
    piece = score(tune(drum(place), info=part))
    assert rows(piece, "pitch") == [(expected,)] and piece.tracks[0].is_drum


def test_notes_in_a_percussion_clef_are_drums_unless_the_file_says_how_they_sound():
    clef = "<clef><sign>percussion</sign></clef>"
    piece = score(tune(note("C5"), more=clef, info="<part-name>Kit</part-name>"))
    assert rows(piece, "pitch") == [(38,)] and piece.tracks[0].is_drum
    sounds = info(instrument("Marimba", "<midi-program>13</midi-program>"))
    piece = score(tune(note("C5"), more=clef, info=sounds))
    assert rows(piece, "pitch") == [(72,)] and not piece.tracks[0].is_drum


def test_pitched_notes_on_the_drum_channel_are_drums():
    part = info(instrument("Kit", "<midi-channel>10</midi-channel>"))
    piece = score(tune(note("C3"), info=part))
    assert rows(piece, "pitch") == [(48,)] and piece.tracks[0].is_drum


PROGRAM = (
    '<sound><midi-instrument id="I1"><midi-program>41</midi-program></midi-instrument></sound>'
)
CHANGE = (
    '<sound><instrument-change id="I1"><instrument-sound>strings.violin</instrument-sound>'
    "</instrument-change></sound>"
)


@pytest.mark.parametrize(
    "change", [PROGRAM, CHANGE, f"<direction><direction-type/>{PROGRAM}</direction>"]
)
def test_a_change_of_program_begins_a_track(change):
    part = info(instrument("Flute", "<midi-program>74</midi-program>"))
    first = measure(attributes(), note("C4", 4))
    document = partwise([first, measure(change, note("D4", 4)), measure(note("E4", 4))])
    piece = score(document.replace("<part-name>Part 0</part-name>", part))
    assert [(track.name, track.program) for track in piece.tracks] == [("Part", 73), ("Part", 40)]
    assert rows(piece, "pitch", "track") == [(60, 0), (62, 1), (64, 1)]


def test_a_change_of_program_in_a_part_without_instruments():
    piece = score(tune(note("C4"), PROGRAM, note("D4"), info="<part-name>Part</part-name>"))
    assert [track.program for track in piece.tracks] == [0, 40]


def test_two_instruments_of_a_part_are_two_tracks():
    part = info(
        instrument("Flute", "<midi-program>74</midi-program>", number=1),
        instrument("Piccolo", "<midi-program>73</midi-program>", number=2),
    )
    second = note("C5", 1, after='<instrument id="I2"/>')
    piece = score(tune(note("C4"), second, info=part))
    assert [track.program for track in piece.tracks] == [73, 72]
    assert rows(piece, "pitch", "track") == [(60, 0), (72, 1)]


def test_each_staff_of_a_part_is_a_track_and_a_silent_part_is_one_too():
    left, right = (note("C4", 4, after=f"<staff>{n}</staff>") for n in (2, 1))
    document = partwise([measure(attributes(), left, backup(4), right)], [measure(rest(4))])
    piece = score(document.replace(rest(4), attributes() + rest(4)))
    assert rows(piece, "track") == [(0,), (1,)]
    assert [track.name for track in piece.tracks] == ["Part 0", "Part 0", "Part 1"]


# Tempo


def direction(content: str, after: str = "") -> str:
    return f"<direction><direction-type>{content}</direction-type>{after}</direction>"


def metronome(*units: str, per_minute: str = "") -> str:
    beats = "".join(
        f"<beat-unit>{unit.rstrip('.')}</beat-unit>{'<beat-unit-dot/>' * unit.count('.')}"
        for unit in units
    )
    number = f"<per-minute>{per_minute}</per-minute>" if per_minute else ""
    return direction(f"<metronome>{beats}{number}</metronome>")


def tempos(*content: str) -> list[tuple[float, float]]:
    """Quarters, and quarters per minute."""
    piece = score(tune(*content))
    return [(tick / 480, round(60e6 / micros, 2)) for tick, micros in piece.tempos.tolist()]


@pytest.mark.parametrize(
    ("sign", "expected"),
    [
        ('<sound tempo="75"/>', 75),
        ('<sound tempo=" 62.5 "/>', 62.5),
        ('<sound tempo="97.98397961933225"/>', 97.98),
        (direction("<words>Andante</words>", '<sound tempo="75"/>'), 75),
        (metronome("quarter", per_minute="75"), 75),
        (metronome("half", per_minute="75"), 150),
        (metronome("quarter.", per_minute="80"), 120),
        (metronome("eighth..", per_minute="80"), 70),
        (metronome("quarter", per_minute="ca. 75"), 75),
        (metronome("quarter", per_minute="c. 75.5"), 75.5),
        (metronome("quarter", per_minute="72-80"), 76),
    ],
)
def test_every_number_for_a_tempo_counts(sign, expected):
    assert tempos(sign, notes("C4 D4")) == [(0, pytest.approx(expected, abs=0.01))]


@pytest.mark.parametrize(
    "sign",
    [
        direction("<words>Andante</words>"),
        metronome("quarter", per_minute="lento"),
        metronome("quarter", "half"),
        '<sound tempo="0"/>',
        '<sound tempo="1"/>',
        '<sound tempo="75" time-only="2"/>',
    ],
)
def test_what_states_no_tempo_is_left_out(sign):
    assert tempos(sign, notes("C4 D4")) == []


def test_a_tempo_holds_from_its_place_on():
    late = '<sound tempo="90"><offset>1</offset></sound>'
    placed = "<direction><direction-type/><offset {}>1</offset>" + '<sound tempo="50"/></direction>'
    assert tempos(late, notes("C4 D4")) == [(1, 90)]
    assert tempos(placed.format('sound="yes"'), notes("C4 D4")) == [(1, 50)]
    assert tempos(placed.format(""), notes("C4 D4")) == [(0, 50)]
    assert tempos(notes("C4 D4"), '<sound tempo="90"/>', notes("E4 F4")) == [(2, 90)]


def test_of_two_tempos_the_one_for_playback_counts():
    printed = metronome("quarter", per_minute="60")
    assert tempos(printed, '<sound tempo="66"/>', note("C4")) == [(0, 66)]
    assert tempos('<sound tempo="66"/>', printed, note("C4")) == [(0, 66)]


def test_a_metric_modulation_counts_if_a_tempo_is_known():
    first = metronome("quarter", per_minute="60")
    equal = metronome("quarter", "quarter.")  # the old quarter is the new dotted quarter
    assert tempos(first, notes("C4 D4"), equal, note("E4")) == [(0, 60), (2, 90)]


# Dynamics


def dynamics(mark: str, sound: str = "") -> str:
    return direction(f"<dynamics><{mark}/></dynamics>", sound)


def test_velocity_is_80_where_nothing_is_stated():
    assert velocities(tune(notes("C4 D4"))) == [80, 80]


def test_sound_dynamics_are_a_percentage_of_forte():
    quiet, loud, none = (f'<sound dynamics="{percent}"/>' for percent in ("40", "120", "-1.11"))
    document = tune(quiet, note("C4"), none, note("C4"), loud, note("C4"), divisions=1)
    assert velocities(document) == [36, 36, 108]


def test_a_note_may_have_dynamics_of_its_own():
    assert velocities(tune(note("C4", dynamics=50), note("D4"))) == [45, 80]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        (["p", "", "f"], [49, 49, 96]),
        (["p", "sfz", ""], [49, 112, 49]),
        (["", "fp", ""], [80, 96, 49]),
        (["other-dynamics", "", ""], [80, 80, 80]),
    ],
)
def test_marks_hold_until_the_next_and_accents_for_a_moment(marks, expected):
    content = [(dynamics(mark) if mark else "") + note("C4") for mark in marks]
    assert velocities(tune(*content)) == expected


def test_of_a_mark_and_its_sound_the_sound_counts():
    soft = dynamics("p", '<sound dynamics="60"/>')
    accent = dynamics("sfz", '<sound dynamics="130"/>')
    document = tune(soft, note("C4"), accent, note("C4"), note("C4"))
    assert velocities(document) == [54, 117, 54]
    fade = dynamics("fp", '<sound dynamics="110"/>')
    other = dynamics("other-dynamics", '<sound dynamics="60"/>')
    assert velocities(tune(fade, notes("C4 D4"), other, notes("E4 F4"))) == [99, 49, 54, 54]


def test_dynamics_hold_by_time_not_by_the_order_of_the_file():
    # The second voice is written after the mark on the third beat.
    document = tune(notes("C5 D5"), dynamics("pp"), notes("E5 F5"), backup(4), notes("C4 D4 E4 F4"))
    assert rows(score(document), "onset", "velocity") == [
        *[(0, 80), (0, 80), (1, 80), (1, 80)],
        *[(2, 33), (2, 33), (3, 33), (3, 33)],
    ]


# Signatures and chord symbols


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (time(3, 4), (3, 4)),
        (time("3+2", 8), (5, 8)),
        ((time(3, 8) + time(2, 4)).replace("</time><time>", ""), (7, 8)),
        ('<time symbol="cut"><beats>2</beats><beat-type>2</beat-type></time>', (2, 2)),
        ("<time><senza-misura/></time>", (5, 4)),
        (time(5, 3), (5, 4)),
        ("", (5, 4)),
    ],
)
def test_time_signatures_and_bars_without_one(signature, expected):
    piece = score(tune(notes("C4 D4 E4 F4 G4"), meter=(), more=signature))
    assert piece.meters.tolist()[0] == (0, *expected)


@pytest.mark.parametrize(
    ("content", "semitones", "expected"),
    [
        ("<fifths>2</fifths>", 0, [(0, 2, False)]),
        ("<fifths>-3</fifths><mode>minor</mode>", 0, [(0, -3, True)]),
        ("<fifths>2</fifths>", -2, [(0, 0, False)]),  # clarinet in B flat
        ("<fifths>0</fifths>", -3, [(0, 3, False)]),  # clarinet in A
        ("<fifths>6</fifths>", -9, [(0, 3, False)]),  # alto saxophone
        ("<fifths>7</fifths>", 2, [(0, -3, False)]),
        ("<fifths>9</fifths>", 0, []),
        ("<key-step>F</key-step><key-alter>1</key-alter>", 0, []),
    ],
)
def test_keys_are_read_at_sounding_pitch(content, semitones, expected):
    more = f"<key>{content}</key><transpose><chromatic>{semitones}</chromatic></transpose>"
    assert score(tune(note("C4"), more=more)).keys.tolist() == expected


def harmony(root: str, kind: str, more: str = "", text: str = "") -> str:
    alter = f"<root-alter>{ {'#': 1, 'b': -1}[root[1]] }</root-alter>" if root[1:] else ""
    shown = f' text="{text}"' if text else ""
    return (
        f"<harmony><root><root-step>{root[0]}</root-step>{alter}</root>"
        f"<kind{shown}>{kind}</kind>{more}</harmony>"
    )


def degree(value: int, alter: int, kind: str) -> str:
    return (
        f"<degree><degree-value>{value}</degree-value><degree-alter>{alter}</degree-alter>"
        f"<degree-type>{kind}</degree-type></degree>"
    )


@pytest.mark.parametrize(
    ("symbol", "root", "bass", "expected"),
    [
        (harmony("C", "major"), 0, 0, {0, 4, 7}),
        (harmony("F#", "minor-seventh"), 6, 6, {6, 9, 1, 4}),
        (harmony("Bb", "half-diminished"), 10, 10, {10, 1, 4, 8}),
        (harmony("G", "dominant", degree(9, -1, "add")), 7, 7, {7, 11, 2, 5, 8}),
        (harmony("C", "major", degree(9, 1, "add")), 0, 0, {0, 4, 7, 3}),
        (harmony("G", "dominant-ninth", degree(5, 0, "subtract")), 7, 7, {7, 11, 5, 9}),
        (harmony("C", "major", "<bass><bass-step>E</bass-step></bass>"), 0, 4, {0, 4, 7}),
        (harmony("D", "other", text="7sus4"), 2, 2, {2, 7, 9, 0}),
        (harmony("C", "none"), -1, -1, set()),
    ],
)
def test_chord_symbols_are_kept(symbol, root, bass, expected):
    rows = score(tune(symbol, note("C4", 4))).chords.tolist()
    classes = {k for k in range(12) if rows[0][3] >> k & 1}
    assert [row[:3] for row in rows] == [(0, root, bass)] and classes == expected


def test_a_chord_symbol_moves_by_its_offset_and_sounds_transposed():
    late = harmony("C", "major", "<offset>2</offset>")
    more = "<transpose><chromatic>-2</chromatic></transpose>"
    chords = score(tune(harmony("G", "minor"), late, note("C4", 4), more=more)).chords
    assert [(row[0], row[1]) for row in chords.tolist()] == [(0, 5), (960, 10)]


def test_an_unknown_chord_symbol_is_left_out():
    assert not len(score(tune(harmony("C", "Tristan"), note("C4", 4))).chords)


# Errors


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (note("C4", "x"), "a number was expected in duration; received: x"),
        (note("C4", "1e9"), "a number was expected in duration"),
        (note("C4", -1), "a duration of 0 or more was expected; received: -1"),
        (note("C4").replace("<step>C", "<step>H"), "a step of A to G was expected; received: H"),
        (note("C4").replace("<octave>4", "<octave>12"), "a pitch of 0 to 127 was expected"),
        (backup(1), "a backup of at most 0 divisions was expected"),
        ("<attributes><divisions>0</divisions></attributes>", "divisions above 0"),
        ('<sound tempo="fast"/>', "a number was expected in tempo; received: fast"),
    ],
)
def test_an_error_names_part_measure_and_line(content, message):
    with pytest.raises(MidiError, match=message) as caught:
        score(tune(content))
    assert str(caught.value).startswith("part P0, measure 1 (line 3): ")


def test_a_duration_before_divisions_is_an_error():
    with pytest.raises(MidiError, match="divisions were expected before the first duration"):
        score(partwise([measure(note("C4"))]))


def test_reading_musicxml_does_not_import_music21(tmp_path):
    path = tmp_path / "tune.musicxml"
    path.write_text(tune(note("C4")))
    code = f"import sys, musegen; musegen.read({str(path)!r}); assert 'music21' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert rows(read(path)) == [(0, 1, 60)]
