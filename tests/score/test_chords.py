"""Chord symbols: what they mean, and what happens to those of a score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen import MidiError, Score, Track, read
from musegen.score.chords import Chord, parse_chord
from musegen.score.columns import NO_CHORD

QUALITIES = {
    "": (0, 4, 7),
    "maj": (0, 4, 7),
    "m": (0, 3, 7),
    "min": (0, 3, 7),
    "-": (0, 3, 7),
    "dim": (0, 3, 6),
    "°": (0, 3, 6),
    "+": (0, 4, 8),
    "aug": (0, 4, 8),
    "5": (0, 7),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "sus": (0, 5, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "6/9": (0, 2, 4, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "M7": (0, 4, 7, 11),
    "Δ7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "m(maj7)": (0, 3, 7, 11),
    "mM7": (0, 3, 7, 11),
    "dim7": (0, 3, 6, 9),
    "o7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
    "ø7": (0, 3, 6, 10),
    "+7": (0, 4, 8, 10),
    "7sus4": (0, 5, 7, 10),
    "7#5": (0, 4, 8, 10),
    "7-5": (0, 4, 6, 10),
    "+5": (0, 4, 8),
    "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "7(b9)": (0, 1, 4, 7, 10),
    "7#9b13": (0, 3, 4, 7, 8, 10),
    "11": (0, 2, 4, 5, 7, 10),
    "13": (0, 2, 4, 7, 9, 10),
    "maj7#11": (0, 4, 6, 7, 11),
    "add9": (0, 2, 4, 7),
    "madd9": (0, 2, 3, 7),
    "no3": (0, 7),
    "7alt": (0, 1, 3, 4, 6, 10),
}
ROOTS = {"C": 0, "C#": 1, "Db": 1, "D": 2, "E♭": 3, "E": 4, "F": 5, "F♯": 6, "G": 7, "Bb": 10}


def pitch_classes(chord):
    return [k for k in range(12) if chord.pitch_classes >> k & 1]


@given(st.sampled_from(sorted(ROOTS)), st.sampled_from(sorted(QUALITIES)))
def test_every_quality_has_its_pitch_classes_on_every_root(root, quality):
    chord = parse_chord(root + quality)
    assert (chord.root, chord.bass) == (ROOTS[root], ROOTS[root])
    assert pitch_classes(chord) == sorted((ROOTS[root] + k) % 12 for k in QUALITIES[quality])


@pytest.mark.parametrize(
    ("text", "bass", "expected"),
    [
        ("C/E", 4, [0, 4, 7]),
        ("F#m7b5/A", 9, [0, 4, 6, 9]),
        ("D7/f#", 6, [0, 2, 6, 9]),
        ("Am/G", 7, [0, 4, 7, 9]),
        (" C6/9/E ", 4, [0, 2, 4, 7, 9]),
    ],
)
def test_the_bass_is_part_of_the_chord(text, bass, expected):
    chord = parse_chord(text)
    assert chord.bass == bass and pitch_classes(chord) == expected


@pytest.mark.parametrize("text", ["N.C.", "NC", "n.c.", "No chord"])
def test_no_chord_is_a_chord_symbol(text):
    assert parse_chord(text) == Chord(*NO_CHORD)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Fine",
        "D.C.",
        "D.S. al Coda",
        "Segno",
        "Bass",
        "Allegro",
        "A/B/C",
        "H7",
        "c",
        "4",
        "Gm.",
        "C\n7",
        "G" * 10_000,
        "C" + "add9" * 10_000,
    ],
)
def test_other_text_is_no_chord(text):
    assert parse_chord(text) is None


C, AM, G7 = (parse_chord(text) for text in ("C", "Am", "G7/B"))


def lead_sheet(chords, bars=3):
    notes = [(i * 1920, 1920, 60 + i, 80, 0) for i in range(bars)]
    return Score(notes=notes, tracks=[Track()], chords=chords)


def test_chords_are_sorted_and_kept_with_the_notes():
    score = lead_sheet([(1920, *AM), (0, *C)])
    assert score.chords.tolist() == [(0, *C), (1920, *AM)]
    assert score.shift(480).chords["tick"].tolist() == [480, 2400]
    assert score.select([]).chords.tolist() == score.chords.tolist()


def test_a_slice_begins_with_the_chord_in_force():
    score = lead_sheet([(0, *C), (1000, *AM), (3840, *G7)])
    assert score[1:].chords.tolist() == [(0, *AM), (1920, *G7)]
    assert score[:1].chords.tolist() == [(0, *C), (1000, *AM)]


def test_chords_are_transposed_with_the_notes():
    up = lead_sheet([(0, *G7), (1920, *NO_CHORD)]).transpose(2)
    assert up.chords.tolist() == [(0, *parse_chord("A7/C#")), (1920, *NO_CHORD)]
    down = up.transpose(-2)
    assert down.chords.tolist() == [(0, *G7), (1920, *NO_CHORD)]


def test_a_chord_does_not_last_beyond_its_piece():
    with_chords, without = lead_sheet([(0, *C)]), lead_sheet([])
    both = with_chords + without
    assert both.chords.tolist() == [(0, *C), (5760, *NO_CHORD)]
    assert (without + with_chords).chords.tolist() == [(5760, *C)]
    assert (with_chords + with_chords).chords.tolist() == [(0, *C), (5760, *C)]
    finer = Score(ticks_per_quarter=960, end=1920)
    assert (with_chords + finer).chords["tick"].tolist() == [0, 11520]


def test_midi_does_not_carry_chords_and_scores_are_compared_without_them(tmp_path):
    score = lead_sheet([(0, *C)])
    score.save(tmp_path / "sheet.mid")
    again = read(tmp_path / "sheet.mid")
    assert len(again) == len(score) and not len(again.chords)
    assert score == lead_sheet([(0, *AM)])


@pytest.mark.parametrize(
    "row", [(12, 0, 1), (0, 12, 1), (0, 0, 0), (0, 0, 4096), (-1, 0, 1), (-1, -1, 1)]
)
def test_impossible_chords_are_refused(row):
    with pytest.raises(MidiError, match="every chord must have a root"):
        Score(chords=[(0, *row)])
