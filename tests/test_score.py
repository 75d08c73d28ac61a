"""The score's arithmetic: bars, seconds, cuts."""

import numpy as np
import pytest

from musegen import MidiError, Score, Track

NOTES = [(960, 480, 64, 80, 0), (0, 480, 60, 80, 0), (480, 480, 62, 80, 1)]


def test_notes_are_sorted_and_the_end_covers_them():
    score = Score(notes=NOTES, tracks=[Track(), Track()])
    assert score.notes["pitch"].tolist() == [60, 62, 64]
    assert score.end == 1440 and len(score) == 3
    assert Score(notes=NOTES, tracks=[Track(), Track()], end=5000).end == 5000


def test_barlines_follow_the_meters():
    score = Score(meters=[(0, 3, 4), (2880, 7, 8)], end=6000)
    assert score.barlines().tolist() == [0, 1440, 2880, 4560, 6240]
    assert Score(end=1).barlines().tolist() == [0, 1920]
    assert Score().barlines().tolist() == [0]


def test_a_meter_inside_a_bar_cuts_it_short():
    assert Score(meters=[(0, 4, 4), (2400, 4, 4)], end=4000).barlines().tolist() == [0, 1920, 2400, 4320]


def test_bars_of_fractional_ticks_do_not_drift():
    score = Score(meters=[(0, 5, 64)], ticks_per_quarter=24, end=7500)
    lines = score.barlines()
    assert np.array_equal(lines, np.arange(len(lines)) * 15 // 2)


def test_a_million_bars_are_refused():
    with pytest.raises(MidiError, match="more than 1000000 bars"):
        Score(meters=[(0, 1, 64)], ticks_per_quarter=24, end=2_000_000).barlines()


def test_seconds_and_ticks_go_through_the_tempo_map():
    score = Score(tempos=[(480, 1_000_000), (960, 250_000)], end=1440)
    ticks = np.array([0, 240, 480, 720, 960, 1440])
    seconds = score.seconds(ticks)
    assert seconds.tolist() == pytest.approx([0, 0.25, 0.5, 1.0, 1.5, 1.75])
    assert score.ticks(seconds).tolist() == pytest.approx(ticks.tolist())
    assert score.duration == pytest.approx(1.75)


def test_a_slice_takes_bars_with_what_governs_them():
    score = Score(
        notes=[(i * 480, 480, 60 + i, 80, 0) for i in range(14)], tracks=[Track("x")],
        meters=[(0, 4, 4), (3840, 3, 4)], tempos=[(0, 400_000)], keys=[(0, 2, False)],
    )  # fmt: skip
    cut = score[1:3]
    assert cut.notes["pitch"].tolist() == [64, 65, 66, 67, 68, 69, 70]
    assert cut.meters.tolist() == [(0, 4, 4), (1920, 3, 4)]
    assert cut.tempos.tolist() == [(0, 400_000)] and cut.keys.tolist() == [(0, 2, False)]
    assert cut.end == 1920 + 1440
    assert score[-1:].notes["pitch"].tolist() == [71, 72, 73]
    with pytest.raises(MidiError, match=r"score\[8:16\]"):
        score[3]


def test_selecting_tracks_keeps_the_time():
    score = Score(notes=NOTES, tracks=[Track("a"), Track("b")], pedals=[(0, 10, 1)])
    only = score.select([1])
    assert only.tracks == (Track("b"),) and only.notes["track"].tolist() == [0]
    assert only.end == score.end and only.pedals["track"].tolist() == [0]


def test_a_shift_moves_everything_but_what_governs_the_beginning():
    score = Score(notes=NOTES, tracks=[Track(), Track()], meters=[(0, 4, 4)], tempos=[(0, 1), (480, 2)])
    moved = score.shift(100)
    assert moved.notes["onset"].tolist() == [100, 580, 1060]
    assert moved.meters["tick"].tolist() == [0] and moved.tempos["tick"].tolist() == [0, 580]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"notes": [(0, 0, 60, 80, 0)]}, "every duration must be > 0"),
        ({"notes": [(-1, 10, 60, 80, 0)]}, "every onset must be >= 0"),
        ({"notes": [(0, 1, 128, 80, 0)]}, "every pitch must be 0 to 127"),
        ({"notes": [(0, 1, 60, 0, 0)]}, "every velocity must be 1 to 127"),
        ({"notes": [(0, 1, 60, 80, 1)]}, "every note's track must be in tracks"),
        ({"ticks_per_quarter": 0}, "ticks_per_quarter must be > 0"),
        ({"meters": [(0, 4, 3)]}, "a power of two"),
        ({"tempos": [(0, 0)]}, "every tempo must be"),
        ({"keys": [(0, 8, False)]}, "every key must have"),
    ],
)
def test_impossible_columns_are_refused(columns, message):
    with pytest.raises(MidiError, match=message):
        Score(**{"tracks": [Track()], **columns})


def test_scores_are_compared_by_content():
    score = Score(notes=NOTES, tracks=[Track("a"), Track("b", channel=3)])
    assert score == Score(notes=NOTES, tracks=[Track("a"), Track("b", channel=5)])
    assert score != Score(notes=NOTES, tracks=[Track("a"), Track("c")])
    assert score != Score(notes=NOTES[:2], tracks=[Track("a"), Track("b")])
