"""Scores are selected, cut, moved, transposed and joined."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import MidiError, Score, Track
from tests.helpers import scores

NOTES = [(960, 480, 64, 80, 0), (0, 480, 60, 80, 0), (480, 480, 62, 80, 1)]


def test_a_slice_keeps_the_tempo_meter_and_key_in_force():
    score = Score(
        notes=[(i * 480, 480, 60 + i, 80, 0) for i in range(14)],
        tracks=[Track("x")],
        meters=[(0, 4, 4), (3840, 3, 4)],
        tempos=[(0, 400_000)],
        keys=[(0, 2, False)],
    )
    cut = score[1:3]
    assert cut.notes["pitch"].tolist() == [64, 65, 66, 67, 68, 69, 70]
    assert cut.meters.tolist() == [(0, 4, 4), (1920, 3, 4)]
    assert cut.tempos.tolist() == [(0, 400_000)] and cut.keys.tolist() == [(0, 2, False)]
    assert cut.end == 1920 + 1440
    assert score[-1:].notes["pitch"].tolist() == [71, 72, 73]
    with pytest.raises(MidiError, match=r"score\[8:16\]"):
        score[3]


def test_a_slice_cuts_notes_at_its_end():
    score = Score(
        notes=[(960, 1920, 60, 80, 0), (3840, 480, 62, 80, 0)], tracks=[Track()], end=5760
    )
    assert score[:1].notes.tolist() == [(960, 960, 60, 80, 0)] and score[:1].end == 1920
    both = score[:1] + score[1:]
    assert both.notes.tolist() == [(960, 960, 60, 80, 0), (3840, 480, 62, 80, 0)]
    assert both.end == 5760
    assert score[:2].notes.tolist() == [(960, 1920, 60, 80, 0)]


def test_a_slice_begins_with_the_pedal_that_is_down():
    pedals = [(0, 100, 0), (960, 1920, 0), (1920, 2**31 - 1, 1), (3800, 100, 0), (3840, 9, 0)]
    score = Score(tracks=[Track(), Track()], pedals=pedals, end=5760)
    assert score[1:2].pedals.tolist() == [(0, 960, 0), (0, 1920, 1), (1880, 40, 0)]
    assert score[:1].pedals.tolist() == [(0, 100, 0), (960, 960, 0)]
    assert not len(score[1:1].pedals)


@given(score=scores(), bar=st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_both_sides_of_a_cut_make_the_whole(score, bar):
    both = score[:bar] + score[bar:]
    fields = ["onset", "pitch", "velocity", "track"]
    assert sorted(both.notes[fields].tolist()) == sorted(score.notes[fields].tolist())
    lines = score.barlines()
    assert both.end == lines[-1] == score[:bar].end + score[bar:].end
    ticks = np.arange(0, score.end + 1, 50)
    assert both.seconds(ticks) == pytest.approx(score.seconds(ticks))
    held = np.zeros((2, both.end + 1), bool)
    for row, pedals in enumerate((score.pedals, both.pedals)):
        for onset, duration, _ in pedals.tolist():
            held[row, onset : onset + duration] = True
    assert np.array_equal(held[0, :-1], held[1, :-1])


def test_a_cut_sum_states_the_defaults_and_inherits_the_key():
    first = Score(tracks=[Track("a")], meters=[(0, 3, 4)], keys=[(0, 2, False)], end=1440)
    second = Score(
        notes=[(0, 480, 60, 80, 0)], tracks=[Track("b")], pedals=[(0, 5000, 0)], end=1920
    )
    half = (first + second)[1:]
    assert half.notes.tolist() == [(0, 480, 60, 80, 1)] and half.pedals.tolist() == [(0, 1920, 1)]
    assert half.meters.tolist() == [(0, 4, 4)] and half.keys.tolist() == [(0, 2, False)]


@pytest.mark.parametrize("tracks", [[9], [0, 0], [-3], [1, -1]])
def test_missing_and_duplicate_tracks_are_refused(tracks):
    score = Score(tracks=[Track("a"), Track("b")])
    with pytest.raises(MidiError, match=r"0 to 1, each at most once. Received: \["):
        score.select(tracks)
    with pytest.raises(MidiError, match=r"has no tracks. Received: \[0\]"):
        Score().select([0])
    assert score.select([-1, 0]).tracks == (Track("b"), Track("a"))


def test_selecting_tracks_keeps_the_time():
    score = Score(notes=NOTES, tracks=[Track("a"), Track("b")], pedals=[(0, 10, 1)])
    only = score.select([1])
    assert only.tracks == (Track("b"),) and only.notes["track"].tolist() == [0]
    assert only.end == score.end and only.pedals["track"].tolist() == [0]


def test_a_shift_moves_everything_except_the_tempo_and_meter_at_tick_0():
    score = Score(
        notes=NOTES, tracks=[Track(), Track()], meters=[(0, 4, 4)], tempos=[(0, 1), (480, 2)]
    )
    moved = score.shift(100)
    assert moved.notes["onset"].tolist() == [100, 580, 1060]
    assert moved.meters["tick"].tolist() == [0] and moved.tempos["tick"].tolist() == [0, 580]


def played(score, ticks_per_quarter, since=0):
    """Onset from `since` and duration on a finer grid, pitch, velocity and track of each note."""
    factor = ticks_per_quarter // score.ticks_per_quarter
    return sorted(
        (onset * factor - since, duration * factor, pitch, velocity, str(score.tracks[track]))
        for onset, duration, pitch, velocity, track in score.notes.tolist()
    )


def test_transposing_moves_melodies_and_keys_but_no_drums():
    score = Score(
        notes=[(0, 480, 60, 80, 0), (480, 480, 127, 70, 0), (0, 120, 38, 90, 1)],
        tracks=[Track("Flute", 73), Track("Kit", is_drum=True)],
        keys=[(0, 0, False), (480, -3, True)],
    )
    down = score.transpose(-2)
    assert down.notes.tolist() == [(0, 480, 58, 80, 0), (0, 120, 38, 90, 1), (480, 480, 125, 70, 0)]
    assert down.keys.tolist() == [(0, -2, False), (480, -5, True)]
    assert score.transpose(-12).keys.tolist() == score.keys.tolist()
    assert down.transpose(2).notes.tolist() == score.notes.tolist()
    with pytest.raises(MidiError, match=r"by -60 to \+0 semitones\. Received: 1\."):
        score.transpose(1)
    with pytest.raises(MidiError, match=r"Received: -61"):
        score.transpose(-61)
    with pytest.raises(TypeError):
        score.transpose(0.5)


def test_a_transposed_key_is_higher_by_the_same_interval():
    tonics = {}  # pitch class of the tonic, by fifths
    for fifths in range(-7, 8):
        tonics[fifths] = 7 * fifths % 12
        for semitones in range(-13, 14):
            moved = Score(keys=[(0, fifths, False)]).transpose(semitones).keys["fifths"][0]
            assert (7 * int(moved) - tonics[fifths] - semitones) % 12 == 0 and -7 <= moved <= 7


@given(first=scores(), second=scores())
@settings(max_examples=100, deadline=None)
def test_a_sum_plays_one_score_after_the_other(first, second):
    grid = math.lcm(first.ticks_per_quarter, second.ticks_per_quarter)
    if grid > 32767:
        with pytest.raises(MidiError, match=f"which need {grid}"):
            first + second
        return
    both = first + second
    seam = first.end * (grid // first.ticks_per_quarter)
    factor = grid // second.ticks_per_quarter
    assert both.ticks_per_quarter == grid and both.end == seam + second.end * factor
    assert played(both, grid) == sorted(
        played(first, grid) + [(n[0] + seam, *n[1:]) for n in played(second, grid)]
    )
    # Time runs as it did in each, and the other's bars begin at the seam.
    ticks = np.arange(0, second.end + 1, 100)
    assert both.seconds(ticks * factor + seam) == pytest.approx(
        first.duration + second.seconds(ticks)
    )
    assert both.seconds(np.arange(0, seam + 1, 100)) == pytest.approx(
        first.seconds(np.arange(0, seam + 1, 100) / (grid // first.ticks_per_quarter))
    )
    if second.end:
        meters = [(tick * factor, *meter) for tick, *meter in second.meters.tolist()]
        alone = Score(meters=meters, ticks_per_quarter=grid, end=second.end * factor).barlines()
        lines = both.barlines()
        assert (lines[lines >= seam] - seam).tolist() == alone.tolist()


BARS = st.lists(st.tuples(st.integers(0, 3), st.integers(60, 80), st.integers(1, 127)), max_size=8)


@given(
    first=BARS,
    second=BARS,
    meters=st.tuples(*[st.sampled_from([(4, 4), (3, 4), (6, 8)])] * 2),
    tempo=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_cutting_a_sum_at_the_seam_gives_both_back(first, second, meters, tempo):
    made = []
    for rows, (numerator, denominator) in zip((first, second), meters, strict=True):
        bar = 4 * 480 * numerator // denominator
        made.append(
            Score(
                notes=[(beat * 360, 300, pitch, velocity, 0) for beat, pitch, velocity in rows],
                tracks=[Track("x", 5)],
                meters=[(0, numerator, denominator)],
                tempos=[(0, 400_000 + 100_000 * tempo * len(made))],
                end=2 * bar,
            )
        )
    both = made[0] + made[1]
    assert both[:2] == made[0]
    assert both[2:] == made[1]


def test_a_sum_continues_equal_tracks_and_adds_the_others():
    first = Score(
        notes=[(0, 10, 60, 80, 0)], tracks=[Track("a", 1, channel=3), Track("b")], end=1920
    )
    second = Score(
        notes=[(0, 10, 61, 80, 0), (0, 10, 62, 80, 1), (0, 10, 63, 80, 2)],
        tracks=[Track("b"), Track("a", 2, channel=3), Track("b")],
    )
    both = first + second
    assert both.tracks == (Track("a", 1), Track("b"), Track("a", 2), Track("b"))
    assert [t.channel for t in both.tracks] == [3, -1, -1, -1]
    assert both.notes[["pitch", "track"]].tolist() == [(60, 0), (61, 1), (62, 2), (63, 3)]


def test_a_sum_states_the_defaults_of_the_second_score_at_the_seam():
    first = Score(
        notes=[(0, 480, 60, 80, 0)],
        tracks=[Track()],
        tempos=[(0, 250_000)],
        meters=[(0, 3, 4), (9999, 2, 4)],
        pedals=[(0, 5000, 0), (2000, 9, 0)],
        keys=[(0, 1, False), (1440, 2, True)],
        end=1440,
    )
    second = Score(
        notes=[(0, 480, 60, 80, 0)], tracks=[Track()], ticks_per_quarter=240, pedals=[(0, 100, 0)]
    )
    both = first + second
    assert both.ticks_per_quarter == 480 and both.end == 1440 + 960
    assert both.tempos.tolist() == [(0, 250_000), (1440, 500_000)]
    assert both.meters.tolist() == [(0, 3, 4), (1440, 4, 4)]
    assert both.keys.tolist() == [(0, 1, False)]
    assert both.pedals.tolist() == [(0, 1440, 0), (1440, 200, 0)]
    assert (second + second).tempos.tolist() == []
    assert (second + second).meters.tolist() == [(480, 4, 4)]


def test_a_meter_at_the_seam_does_not_hide_that_a_bar_is_cut_short():
    first = Score(tracks=[Track()], meters=[(480, 1, 1)], end=480)
    assert (first + Score(end=480)).barlines().tolist() == [0, 480, 2400]


def test_a_sum_too_fine_too_long_or_of_something_else_is_refused():
    with pytest.raises(
        MidiError, match=r"Received: 480 and 997, which need 478560.*encoder\.quantise"
    ):
        Score() + Score(ticks_per_quarter=997)
    with pytest.raises(MidiError, match="must end before tick 2147483647"):
        Score(end=2**30) + Score(end=2**30)
    with pytest.raises(MidiError, match="must end before tick 2147483647"):
        Score(end=2**30) + Score(ticks_per_quarter=960)
    with pytest.raises(TypeError):
        Score() + 1
