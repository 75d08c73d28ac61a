"""A score sorts, checks and compares its columns."""

import pytest

from musegen import MidiError, Score, Track

NOTES = [(960, 480, 64, 80, 0), (0, 480, 60, 80, 0), (480, 480, 62, 80, 1)]


def test_notes_are_sorted_and_the_end_covers_them():
    score = Score(notes=NOTES, tracks=[Track(), Track()])
    assert score.notes["pitch"].tolist() == [60, 62, 64]
    assert score.end == 1440 and len(score) == 3
    assert Score(notes=NOTES, tracks=[Track(), Track()], end=5000).end == 5000


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
