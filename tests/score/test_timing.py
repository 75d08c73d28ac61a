"""Ticks are converted to bars and seconds."""

import numpy as np
import pytest

from musegen import MidiError, Score


def test_barlines_follow_the_meters():
    score = Score(meters=[(0, 3, 4), (2880, 7, 8)], end=6000)
    assert score.barlines().tolist() == [0, 1440, 2880, 4560, 6240]
    assert Score(end=1).barlines().tolist() == [0, 1920]
    assert Score().barlines().tolist() == [0]


def test_a_meter_inside_a_bar_cuts_it_short():
    score = Score(meters=[(0, 4, 4), (2400, 4, 4)], end=4000)
    assert score.barlines().tolist() == [0, 1920, 2400, 4320]


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
