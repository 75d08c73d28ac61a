"""Pieces are read, grouped by tune, split without leaks, and transposed within range."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import Encoder, EncoderConfig, MusegenError, Score, Track, TrainingError
from musegen.data.dataset import load, opened
from musegen.data.store import ingest
from musegen.encoding.bundle import Bundle
from musegen.encoding.normalise import (
    close_all_gaps,
    close_gaps,
    pad_pickup,
    pad_pickups,
)
from musegen.encoding.vocabulary import transposed
from musegen.score.reading import merge_programs
from tests.helpers import scores

ENCODER = Encoder(EncoderConfig(parts=1, programs=False, velocities=0, tempos=0, drums=True))


def line(pitches, **kwargs):
    """Eighths of these pitches."""
    return Score(
        notes=[(240 * i, 240, p, 80, 0) for i, p in enumerate(pitches)],
        tracks=[Track("Fiddle", 40)],
        **kwargs,
    )


def random_line(seed, length=40):
    """A tune unlike any other."""
    return np.random.default_rng(seed).integers(55, 80, length)


@pytest.fixture
def folder(tmp_path):
    """Twelve tunes, a transposed copy, an exact copy, and three files that cannot be used."""
    for i in range(12):
        line(random_line(i)).save(tmp_path / f"tune{i:02}.mid")
    line(random_line(0) + 3).save(tmp_path / "deep" / "tune00-in-e-flat.mid")
    line(random_line(1)).save(tmp_path / "zz-copy-of-1.MID")
    (tmp_path / "broken.mid").write_bytes(b"MThd....")
    Score().save(tmp_path / "silent.mid")
    (tmp_path / "notes.txt").write_text("not music")
    return tmp_path


def test_every_file_is_used_once_or_left_out_with_a_reason(folder, tmp_path_factory):
    data = load(
        ingest([folder], tmp_path_factory.mktemp("out") / "store", ENCODER, seed=3, held_out=0.2)
    )
    names = [p.name for p in [*data.train, *data.validation, *data.test]]
    assert len(names) == len(set(names)) == 12
    reasons = {name.rpartition("/")[2]: reason for name, reason in data.skipped}
    assert set(reasons) == {"broken.mid", "silent.mid", "tune00.mid", "zz-copy-of-1.MID"}
    assert reasons["silent.mid"].startswith("no notes")
    assert reasons["tune00.mid"].endswith("/deep/tune00-in-e-flat.mid")
    assert reasons["zz-copy-of-1.MID"].endswith("/tune01.mid")
    assert data.train and data.validation and data.test


def test_a_store_is_used_as_it_is_and_folders_are_encoded(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    made = opened([folder], out / "a", ENCODER, seed=3)
    assert len(made) == 12 and (out / "a").exists()
    again = opened([out / "a"], out / "b", ENCODER, seed=4)
    assert again.names == made.names and not (out / "b").exists()
    assert again.split("test").tolist() == made.split("test").tolist()
    with pytest.raises(MusegenError, match="parts is 1 there and 16 here"):
        opened([out / "a"], out / "b", Encoder(), seed=3)
    with pytest.raises(MusegenError, match="expected one token store, or folders"):
        opened([out / "a", folder], out / "b", ENCODER, seed=3)


def test_too_little_music_is_an_error(tmp_path):
    (tmp_path / "music").mkdir()
    with pytest.raises(MusegenError, match="no music"):
        ingest([tmp_path / "music"], tmp_path / "store", ENCODER)
    line(random_line(7)).save(tmp_path / "music" / "only.mid")
    with pytest.raises(TrainingError, match="at least 3 MIDI files"):
        load(ingest([tmp_path / "music"], tmp_path / "store", ENCODER))
    (tmp_path / "music" / "only.mid").unlink()
    for index in range(3):
        line([*random_line(0), 60 + index]).save(tmp_path / "music" / f"{index}.mid")
    one_tune = ingest([tmp_path / "music"], tmp_path / "store")
    assert one_tune.report["kept"] == 3
    with pytest.raises(TrainingError, match="at least 3 different tunes"):
        load(one_tune)


def test_transposition_moves_pitches_and_nothing_else_and_stays_in_range():
    tokens = ENCODER.encode(line([60, 64, 67]))
    up = ENCODER.decode(transposed(tokens, 5, ENCODER.vocabulary))
    assert up.notes["pitch"].tolist() == [65, 69, 72]
    high = ENCODER.encode(line([60, 125]))
    assert ENCODER.decode(transposed(high, 12, ENCODER.vocabulary)).notes["pitch"].tolist() == [
        62,
        127,
    ]
    kit = Score(notes=[(0, 240, 38, 80, 0)], tracks=[Track(is_drum=True)])
    drums = ENCODER.encode(kit)
    assert np.array_equal(transposed(drums, 5, ENCODER.vocabulary), drums)


def test_pieces_are_read_when_they_are_asked_for(folder, tmp_path_factory):
    store = ingest([folder], tmp_path_factory.mktemp("out") / "store", ENCODER)
    train = load(store).train
    assert [len(piece.tokens) for piece in train] == train.lengths.tolist()
    assert [piece.name for piece in train[2:5]] == train.names[2:5]
    assert train[3].tracks == train.tracks(3)
    assert np.array_equal(train[3].tokens, train.tokens(3))
    assert train.names.index(train[3].name) == 3


def test_a_short_first_bar_becomes_the_end_of_a_whole_one():
    score = line(range(60, 70), meters=[(0, 1, 4), (480, 4, 4)])
    padded = pad_pickup(score)
    assert padded.notes["onset"][0] == 1440
    assert padded.meters.tolist() == [(0, 4, 4)]
    assert pad_pickup(padded) is padded
    real_change = line(range(60, 70), meters=[(0, 3, 4), (1440, 3, 8)])
    assert pad_pickup(real_change) is real_change


@st.composite
def pickups(draw):
    """Music that often begins with a short bar."""
    score = draw(scores())
    quarter = score.ticks_per_quarter
    first = [(0, draw(st.integers(1, 3)), draw(st.sampled_from([4, 8])))]
    second = [(draw(st.integers(0, 3)) * quarter, draw(st.integers(2, 4)), 4), (9 * quarter, 3, 4)]
    meters = draw(st.sampled_from([first + second, first + second[:1], second, first, []]))
    return replace(score, meters=meters)


def padded_step_by_step(score):
    """`pad_pickup`, as one would say it of one score."""
    meters = score.with_default_meter()
    if len(meters) < 2:
        return score
    lengths = 4 * score.ticks_per_quarter * meters["numerator"].astype(int) // meters["denominator"]
    missing = int(lengths[1] - meters["tick"][1])
    if meters["tick"][1] > lengths[0] or missing <= 0:
        return score
    second = meters[1:].copy()
    second["tick"] += missing
    second["tick"][0] = 0
    return replace(score.shift(missing), meters=second)


@given(st.lists(pickups(), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_pickups_of_many_pieces_are_filled_up_as_those_of_one(pieces):
    expected = [padded_step_by_step(piece) for piece in pieces]
    assert [pad_pickup(piece) for piece in pieces] == expected
    together, alone = pad_pickups(Bundle.of(pieces)), Bundle.of(expected)
    assert all(
        np.array_equal(a, b) for a, b in zip(columns_of(together), columns_of(alone), strict=True)
    )


def columns_of(bundle):
    return [column for rows in bundle for column in (rows if isinstance(rows, tuple) else [rows])]


def closed_step_by_step(score):
    """`close_gaps`, a note at a time."""
    lines, out = score.barlines().tolist(), score.notes.copy()
    for track in range(len(score.tracks)):
        mine = np.flatnonzero(score.notes["track"] == track).tolist()
        onsets = score.notes["onset"][mine].tolist()
        spans, shares = {}, []
        for i in mine:
            onset, duration = (int(score.notes[name][i]) for name in ("onset", "duration"))
            follow = min(x for x in [*onsets, *lines] if x >= onset + duration)
            gap, span = follow - onset - duration, follow - onset
            spans[i] = (
                duration,
                span,
                0 < gap < 0.2 * span and gap < 0.24 * score.ticks_per_quarter,
            )
            shares += [duration / span] if spans[i][2] else []
        for i, (duration, span, close) in spans.items():
            others = (
                min(round(duration / np.median(shares)), span)
                if 2 * len(shares) > len(mine)
                else duration
            )
            out["duration"][i] = span if close else others
    return replace(score, notes=out)


@st.composite
def articulated(draw):
    """Two tracks of notes that end a little before the next, or long before it."""
    meters = draw(st.sampled_from([[], [(0, 3, 4)], [(0, 2, 4), (700, 3, 8)], [(0, 7, 8)]]))
    notes = []
    for track in range(2):
        onset = draw(st.integers(0, 300))
        for _ in range(draw(st.integers(0, 8))):
            span = draw(st.sampled_from([60, 120, 240, 480]))
            share = draw(st.sampled_from([0.3, 0.79, 0.81, 0.9, 0.95, 1.0]))
            notes.append((onset, max(1, int(span * share)), 60, 80, track))
            onset += span
    return Score(
        notes=notes, tracks=[Track(), Track()], meters=meters, end=draw(st.integers(0, 4000))
    )


@given(st.lists(articulated(), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_gaps_of_many_pieces_close_as_those_of_one(pieces):
    expected = [closed_step_by_step(piece) for piece in pieces]
    assert [close_gaps(piece) for piece in pieces] == expected
    together = close_all_gaps(Bundle.of(pieces)).notes.duration
    assert together.tolist() == [d for piece in expected for d in piece.notes["duration"].tolist()]


def test_small_gaps_close_and_rests_stay():
    score = Score(
        notes=[(0, 430, 60, 80, 0), (480, 240, 62, 80, 0), (960, 480, 64, 80, 0)], tracks=[Track()]
    )
    assert close_gaps(score).notes["duration"].tolist() == [480, 240, 480]


def test_the_last_note_is_as_much_longer_than_played_as_the_others():
    notes = [(480 * i, 432, 60, 80, 0) for i in range(3)]
    assert close_gaps(Score(notes=notes, tracks=[Track()])).notes["duration"].tolist() == [
        480,
        480,
        480,
    ]


def test_program_changes_do_not_split_an_instrument():
    tracks = [
        Track("Lead", 1, channel=0, chunk=1),
        Track("Lead", 7, channel=0, chunk=1),
        Track("Bass", 32, channel=1, chunk=2),
    ]
    notes = [(0, 100, 60, 80, 0), (100, 100, 61, 80, 1), (0, 100, 40, 80, 2)]
    merged = merge_programs(Score(notes=notes, tracks=tracks))
    assert [t.program for t in merged.tracks] == [7, 32]
    assert merged.notes["track"].tolist() == [0, 1, 0]
    plain = Score(notes=notes, tracks=[Track("Lead", 1), Track("Lead", 7), Track("Bass", 32)])
    assert merge_programs(plain) == plain
