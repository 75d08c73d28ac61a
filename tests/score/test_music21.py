"""Scores become music21 streams that can be notated."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import Score, Track, read
from musegen.score.notation import load_notation
from tests.score.pieces import PIECE


@st.composite
def written(draw):
    """Music as it is notated: sixteenths, triplets, chords, ties, voices, several parts."""
    grid = draw(st.sampled_from([120, 160, 240]))
    cells = st.tuples(
        st.integers(0, 40), st.integers(1, 24), st.integers(40, 80), st.integers(1, 127)
    )
    parts = draw(st.lists(st.lists(cells, max_size=14), min_size=1, max_size=3))
    rows = {}
    for track, part in enumerate(parts):
        free = {}  # a pitch that still sounds is not struck again: it cannot be notated
        for cell, length, pitch, velocity in sorted(part):
            if free.get(pitch, 0) <= cell:
                rows[track, cell, pitch] = (cell * grid, length * grid, pitch, velocity, track)
                free[pitch] = cell + length
    meters = draw(
        st.sampled_from(
            [
                [(0, 4, 4)],
                [(0, 3, 4), (2880, 6, 8)],
                [(0, 7, 8)],
                [(0, 4, 4), (2400, 3, 4)],
                [(0, 4, 4), (1000, 3, 4)],
            ]
        )
    )
    score = Score(
        notes=list(rows.values()),
        tracks=[Track(f"Part {i}", draw(st.integers(0, 127))) for i in range(len(parts))],
        meters=meters,
        keys=draw(st.sampled_from([[], [(0, 3, True)], [(0, -2, False), (1920, 5, False)]])),
        tempos=draw(st.sampled_from([[], [(0, 612_345)], [(0, 500_000), (960, 750_000)]])),
        end=draw(st.sampled_from([2400, 7680])),
    )
    # Nor can a time signature after the last bar.
    return replace(score, meters=score.meters[score.meters["tick"] < score.end])


@given(score=written())
@settings(max_examples=40, deadline=None)
def test_written_music_comes_back_from_music21_note_for_note(score):
    again = read(score.to_music21())
    assert again.notes.tolist() == score.notes.tolist()
    assert again.tracks == score.tracks
    assert again.tempos.tolist() == score.tempos.tolist()
    assert again.keys.tolist() == score.keys.tolist()
    assert again.barlines().tolist() == score.barlines().tolist()


@pytest.mark.parametrize("second", [(3, 4), (4, 4)])
def test_a_first_bar_cut_short_is_no_pickup(second):
    score = Score(
        notes=[(0, 480, 60, 80, 0), (1000, 480, 62, 80, 0)],
        tracks=[Track()],
        meters=[(0, 4, 4), (1000, *second)],
        end=6000,
    )
    again = read(score.to_music21())
    assert again.notes.tolist() == score.notes.tolist()
    assert again.meters.tolist() == score.meters.tolist()


def test_a_stream_has_measures_ties_chords_rests_and_voices():
    score = Score(
        notes=[
            (0, 2880, 60, 80, 0),
            (0, 2880, 64, 80, 0),  # a chord, tied over the barline
            (2880, 160, 67, 80, 0),
            (3040, 160, 65, 80, 0),
            (3200, 160, 64, 80, 0),  # a triplet, then a rest
            (3840, 1920, 72, 80, 0),
            (4320, 480, 60, 80, 0),  # one note under another
        ],
        tracks=[Track("Right", 0)],
        end=5760,
    )
    part = score.to_music21().parts[0]
    first, second, third = part.getElementsByClass("Measure")
    assert [m.number for m in (first, second, third)] == [1, 2, 3]
    assert [c.pitches[0].nameWithOctave for c in first.notes] == ["C4"]
    assert first.notes[0].isChord
    for measure, kind in ((first, "start"), (second, "stop")):
        assert [n.tie.type for n in measure.notes[0].notes] == [kind, kind]
    assert [n.quarterLength for n in second.notes] == [2, *[Fraction(1, 3)] * 3]
    assert [r.quarterLength for r in second.getElementsByClass("Rest")] == [1]
    assert len(third.voices) == 2
    assert first.timeSignature.ratioString == "4/4" and part.partName == "Right"


@pytest.mark.parametrize(
    ("fifths", "expected"),
    [
        (0, "C C# D E- E F F# G G# A B- B"),
        (-6, "C D- D E- F- F G- G A- A B- C-"),
        (5, "B# C# D D# E E# F# G G# A A# B"),
    ],
)
def test_pitches_are_spelt_by_the_key(fifths, expected):
    score = Score(
        notes=[(i * 480, 480, 60 + i, 80, 0) for i in range(12)],
        tracks=[Track()],
        keys=[(0, fifths, False)] if fifths else [],
    )
    notes = list(score.to_music21().flatten().notes)
    assert [n.pitch.name for n in notes] == expected.split()
    assert [n.pitch.midi for n in notes] == list(range(60, 72))


def test_every_program_is_kept():
    score = Score(
        notes=[(0, 480, 60, 80, i) for i in range(128)],
        tracks=[Track(f"t{i}", i) for i in range(128)],
    )
    again = read(score.to_music21())
    assert again.tracks == score.tracks and again.notes.tolist() == score.notes.tolist()


def test_drums_stay_drums_and_keep_their_keys():
    from music21.instrument import UnpitchedPercussion

    stream = PIECE.to_music21()
    assert isinstance(stream.parts[2].getInstrument(), UnpitchedPercussion)
    assert [n.pitch.midi for n in stream.parts[2].flatten().notes] == [38, 42]


def test_a_stream_can_be_printed_and_read_again(tmp_path):
    """A clarinet is written a tone higher than it sounds, on the way there and back."""
    PIECE.select([0, 1]).to_music21().write("musicxml", tmp_path / "piece.musicxml")
    again = load_notation(tmp_path / "piece.musicxml")
    columns = ["onset", "duration", "pitch", "track"]
    assert again.notes[columns].tolist() == PIECE.select([0, 1]).notes[columns].tolist()
    assert "<transpose>" in (tmp_path / "piece.musicxml").read_text()
