"""Notes become a pandas table, and back."""

import pandas as pd
import pytest
from hypothesis import given, settings

from musegen import Encoder, MidiError, Score, Track
from tests.helpers import scores
from tests.score.pieces import PIECE


def test_a_table_has_a_row_per_note():
    frame = PIECE.to_dataframe()
    assert frame.to_dict("records")[0] == {
        "onset": 0,
        "duration": 480,
        "onset_quarters": 0.0,
        "duration_quarters": 1.0,
        "onset_seconds": 0.0,
        "duration_seconds": 0.5,
        "bar": 0,
        "pitch": 60,
        "velocity": 80,
        "track": 0,
        "track_name": "Flute",
        "program": 73,
        "is_drum": False,
    }
    assert frame["duration_seconds"].tolist() == pytest.approx([0.5, 0.5 + 0.6, 0.125, 0.3, 0.15])
    assert frame["onset_seconds"].tolist() == pytest.approx([0, 0, 0, 0.5, 1.1])
    assert frame["is_drum"].tolist() == [False, False, True, False, True]
    both = (PIECE + PIECE).to_dataframe()
    assert both["bar"].tolist() == [0] * 5 + [1] * 5
    assert Score().to_dataframe().shape == (0, 13)


@given(score=scores())
@settings(max_examples=100, deadline=None)
def test_notes_come_back_from_a_table_exactly(score):
    frame = score.to_dataframe()
    again = Score.from_dataframe(frame)
    assert again.notes.tolist() == score.notes.tolist()
    assert again.ticks_per_quarter == score.ticks_per_quarter
    assert all(again.tracks[i] == score.tracks[i] for i in set(score.notes["track"].tolist()))
    names = ("tracks", "tempos", "meters", "keys", "pedals", "end")
    rest = {name: getattr(score, name) for name in names}
    assert Score.from_dataframe(frame, score.ticks_per_quarter, **rest) == score
    shuffled = frame.sample(frac=1, random_state=1).drop(columns=["onset", "duration"])
    assert sorted(Score.from_dataframe(shuffled).notes.tolist()) == sorted(score.notes.tolist())


def test_missing_columns_have_defaults():
    frame = pd.DataFrame(
        {"onset_quarters": [0, 1.5], "duration_quarters": [1, 0.25], "pitch": [60, 62]}
    )
    score = Score.from_dataframe(frame, meters=[(0, 3, 4)])
    assert score.notes.tolist() == [(0, 480, 60, 80, 0), (720, 120, 62, 80, 0)]
    assert score.tracks == (Track(),) and score.ticks_per_quarter == 480
    assert score.meters.tolist() == [(0, 3, 4)]
    assert Score.from_dataframe(frame, 24).notes["duration"].tolist() == [24, 6]
    named = frame.assign(
        track=[2, 0], track_name=["Bass", None], program=[33, 1], is_drum=[None, True]
    )
    assert Score.from_dataframe(named).tracks == (Track("", 1, True), Track(), Track("Bass", 33))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pitch": None},
            "must have a column pitch. Received the columns: onset, duration. Rename or add it",
        ),
        ({"onset": None}, r"must have a column onset \(ticks\) or onset_quarters"),
        (
            {"pitch": [60, 128]},
            "'pitch' must hold whole numbers from 0 to 127. Received: .*128.* in row 1",
        ),
        ({"pitch": [60, 60.5]}, "'pitch' must hold whole numbers"),
        ({"pitch": [60, None]}, "'pitch' must hold whole numbers.*Received: .*nan.* in row 1"),
        ({"pitch": ["C4", "D4"]}, "'pitch' must hold numbers"),
        ({"onset": [0, -1]}, "'onset' must hold whole numbers from 0"),
        ({"duration": [0, 1]}, "every duration must be > 0"),
        ({"velocity": [0, 1]}, "'velocity' must hold whole numbers from 1 to 127"),
        ({"track": [0, 70_000]}, "'track' must hold whole numbers from 0 to 65535"),
        (
            {"onset": None, "onset_quarters": [0, 1e300]},
            "'onset_quarters' must hold numbers from 0",
        ),
        ({"onset": [0, 2**31 - 2]}, "must end before tick"),
    ],
)
def test_invalid_columns_are_refused(changes, message):
    columns = {"onset": [0, 480], "duration": [480, 480], "pitch": [60, 62], **changes}
    frame = pd.DataFrame({name: values for name, values in columns.items() if values is not None})
    with pytest.raises(MidiError, match=message):
        Score.from_dataframe(frame)


def test_ticks_per_quarter_survive_a_file_without_them(tmp_path):
    piece = Score(
        notes=[(0, 7, 60, 80, 0), (31, 11, 62, 80, 1)],
        tracks=[Track("x"), Track("", 0, True)],
        ticks_per_quarter=97,
    )
    piece.to_dataframe().to_csv(tmp_path / "notes.csv", float_format="%.3f")
    again = Score.from_dataframe(pd.read_csv(tmp_path / "notes.csv"))
    assert again == piece
    assert Score.from_dataframe(pd.read_csv(tmp_path / "notes.csv"), 96).ticks_per_quarter == 96
    text = pd.read_csv(tmp_path / "notes.csv", dtype={"is_drum": str, "track_name": str})
    assert Score.from_dataframe(text).tracks == piece.tracks


def test_rows_of_different_grids_are_refused():
    coarse = Encoder().quantise(PIECE)
    mixed = pd.concat([PIECE.to_dataframe(), coarse.to_dataframe()])
    with pytest.raises(
        MidiError, match=r"same ticks per quarter in every row. Received: .* in row \d+.*frame.drop"
    ):
        Score.from_dataframe(mixed)
    in_quarters = Score.from_dataframe(mixed.drop(columns=["onset", "duration"]))
    assert len(in_quarters) == len(PIECE) + len(coarse)
    same = pd.concat([coarse.to_dataframe(), coarse.to_dataframe()])
    assert Score.from_dataframe(same).ticks_per_quarter == coarse.ticks_per_quarter


@pytest.mark.parametrize("value", [480.5, 0, -1, "480", float("nan")])
def test_ticks_per_quarter_are_a_whole_number(value):
    with pytest.raises(
        MidiError, match=r"ticks_per_quarter must be a whole number >= 1. Received: "
    ):
        Score.from_dataframe(PIECE.to_dataframe(), value)
    frame = PIECE.to_dataframe()
    frame.attrs["ticks_per_quarter"] = value
    with pytest.raises(MidiError, match=r"ticks_per_quarter must be"):
        Score.from_dataframe(frame)


def test_duplicate_and_non_numeric_columns_are_refused():
    frame = PIECE.to_dataframe()
    with pytest.raises(MidiError, match=r"Received twice: pitch. Drop"):
        Score.from_dataframe(pd.concat([frame, frame[["pitch"]]], axis=1))
    dates = pd.to_datetime([0] * len(frame))
    for onset in (dates, frame["onset"] * 1j, pd.to_timedelta(frame["onset"])):
        with pytest.raises(MidiError, match=r"'onset' must hold numbers"):
            Score.from_dataframe(frame.assign(onset=onset))


def test_names_and_drums_may_be_text_or_missing():
    frame = PIECE.to_dataframe()
    for kind in (str, int, "boolean"):
        drums = frame["is_drum"].astype(kind)
        assert Score.from_dataframe(frame.assign(is_drum=drums)).tracks == PIECE.tracks
    missing = frame.assign(is_drum=pd.array([None] * 5, "boolean"))
    assert not Score.from_dataframe(missing).tracks[2].is_drum
    with pytest.raises(
        MidiError, match=r"'is_drum' must hold True or False. Received: 'maybe' in row 0"
    ):
        Score.from_dataframe(frame.assign(is_drum="maybe"))
    assert type(Score.from_dataframe(frame.drop(columns="track_name")).tracks[0].name) is str


def test_only_a_table_is_accepted():
    with pytest.raises(MidiError, match=r"expected a pandas DataFrame. Received: list"):
        Score.from_dataframe([1, 2])
