"""Pieces are cut at barlines, or not at all."""

from dataclasses import replace

import pytest

from musegen import Score, Track
from musegen.evaluation import cut
from tests.evaluation.helpers import BAR, eighths, tune


def test_a_piece_is_cut_at_the_barline():
    song = eighths(range(50, 50 + 40))  # five bars
    there = cut("song", song, 2)
    assert there.name == "song" and there.primer == song[:2] and there.real == song[2:4]
    assert (
        there.real.notes["pitch"].tolist() == list(range(66, 82))
        and there.real.notes["onset"][0] == 0
    )
    assert cut("song", song, 3) is None  # six bars would be needed


def test_a_pickup_comes_on_top():
    song = eighths(range(50, 50 + 34), at=BAR - 480)  # two eighths, then four bars
    there = cut("song", song, 2)
    assert there.primer.notes["pitch"].tolist() == list(range(50, 68))
    assert there.real.notes["pitch"].tolist() == list(range(68, 84))
    assert cut("song", song[:4], 2) is None


def test_a_note_over_the_barline_is_cut():
    there = cut("song", tune((0, 3 * BAR, 60), (3 * BAR, 480, 62), end=4 * BAR), 2)
    assert there.primer.end == 2 * BAR and there.primer.notes["duration"].tolist() == [2 * BAR]
    assert there.real.notes["pitch"].tolist() == [62]


@pytest.mark.parametrize(
    "song",
    [
        Score(tracks=[Track()], end=4 * BAR),
        tune((0, 480, 60), end=4 * BAR),
        replace(eighths(range(50, 82)), meters=[(0, 4, 4), (3 * BAR, 3, 4)]),
    ],
    ids=["silent", "half silent", "two meters"],
)
def test_pieces_that_cannot_be_cut(song):
    assert cut("song", song, 2) is None


def test_a_meter_that_changes_later_is_no_matter():
    song = replace(eighths(range(50, 90)), meters=[(0, 4, 4), (4 * BAR, 3, 4)])
    assert cut("song", song, 2) is not None
