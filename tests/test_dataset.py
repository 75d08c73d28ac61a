"""Pieces are read, grouped by tune, split without leaks, and transposed within range."""

import numpy as np
import pytest

from musegen import Encoder, EncoderConfig, Score, Track, TrainingError
from musegen.dataset import Piece, load, same_tunes, split, stream, thinned, transposed
from musegen.normalise import close_gaps, merge_programs, pad_pickup

ENCODER = Encoder(EncoderConfig(parts=1, programs=False, velocities=0, tempos=0, drums=True))


def line(pitches, **kwargs):
    """Eighths of these pitches."""
    return Score(
        notes=[(240 * i, 240, p, 80, 0) for i, p in enumerate(pitches)], tracks=[Track("Fiddle", 40)], **kwargs
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


def test_every_file_is_used_once_or_left_out_with_a_reason(folder):
    data = load([folder], ENCODER, seed=3, held_out=0.2)
    names = [p.name for p in [*data.train, *data.validation, *data.test]]
    assert len(names) == len(set(names)) == 13
    reasons = {name.rpartition("/")[2]: reason for name, reason in data.skipped}
    assert set(reasons) == {"broken.mid", "silent.mid", "zz-copy-of-1.MID"}
    assert reasons["silent.mid"] == "no notes"
    assert reasons["zz-copy-of-1.MID"].startswith("the same notes as ")
    for part in (data.train, data.validation, data.test):
        assert part
        tunes = {"tune00.mid", "tune00-in-e-flat.mid"} & {p.name.rpartition("/")[2] for p in part}
        assert len(tunes) != 1  # the two keys of one tune are together


def test_the_split_depends_on_the_seed_alone(folder):
    parts = [[[p.name for p in part] for part in (d.train, d.validation, d.test)]
             for d in (load([folder], ENCODER, seed=s, held_out=0.2) for s in (1, 1, 2))]  # fmt: skip
    assert parts[0] == parts[1] != parts[2]


def test_tunes_are_recognised_in_any_key_and_place():
    a, b = random_line(1), random_line(2)
    melodies = [a, a + 5, b, np.concatenate([b[:4], a[10:35]]), np.full(40, 60)]
    groups = same_tunes([np.diff(m).astype(np.int16) for m in melodies])
    assert groups[0] == groups[1] == groups[3]
    assert len({groups[0], groups[2], groups[4]}) == 3


def test_a_group_is_never_divided():
    groups = np.repeat(np.arange(40), 3)
    train, validation, test = split(groups, 0.1, seed=0)
    assert sorted([*train, *validation, *test]) == list(range(120))
    assert len(validation) == len(test) == 12
    for part in (train, validation, test):
        assert all(np.sum(groups[part] == g) == 3 for g in set(groups[part]))


def test_one_tune_cannot_be_split():
    with pytest.raises(TrainingError, match="different tunes"):
        split(np.zeros(5, int), 0.1, seed=0)


def test_too_little_music_is_an_error(tmp_path):
    with pytest.raises(TrainingError, match="at least 3 MIDI files"):
        load([tmp_path], ENCODER, seed=0)


def test_transposition_moves_pitches_and_nothing_else_and_stays_in_range():
    tokens = ENCODER.encode(line([60, 64, 67]))
    up = ENCODER.decode(transposed(tokens, 5, ENCODER.vocabulary))
    assert up.notes["pitch"].tolist() == [65, 69, 72]
    high = ENCODER.encode(line([60, 125]))
    assert ENCODER.decode(transposed(high, 12, ENCODER.vocabulary)).notes["pitch"].tolist() == [62, 127]
    kit = Score(notes=[(0, 240, 38, 80, 0)], tracks=[Track(is_drum=True)])
    drums = ENCODER.encode(kit)
    assert np.array_equal(transposed(drums, 5, ENCODER.vocabulary), drums)


def test_the_stream_holds_every_piece_in_order_of_time():
    pieces = [Piece(str(i), ENCODER.encode(line(random_line(i))), (), np.zeros(0, np.int16)) for i in range(6)]
    rows = stream(pieces, ENCODER, np.random.default_rng(0), rows=3)
    assert rows.shape[0] == 3
    ring = rows.ravel()
    whole = np.concatenate([ring, ring]).tobytes()
    assert all(p.tokens.tobytes() in whole for p in pieces)
    again = stream(pieces, ENCODER, np.random.default_rng(0), rows=3)
    assert np.array_equal(rows, again)


def test_a_thinned_piece_has_some_of_its_parts_and_their_notes_unchanged():
    encoder = Encoder(EncoderConfig(parts=4, programs=False, velocities=0, tempos=0))
    notes = [(480 * i, 480, 60 + 5 * t + i, 80, t) for i in range(4) for t in range(4)]
    tokens = encoder.encode(Score(notes=notes, tracks=[Track()] * 4))
    whole = encoder.decode(tokens)
    seen = set()
    for seed in range(60):
        part = encoder.decode(thinned(tokens, encoder, np.random.default_rng(seed)))
        lines = [frozenset(part.notes["pitch"][part.notes["track"] == t].tolist()) for t in range(len(part.tracks))]
        kept = [t for t in range(4) if frozenset(whole.notes["pitch"][whole.notes["track"] == t].tolist()) in lines]
        assert len(kept) == len(part.tracks) >= 1 and part.end == whole.end
        seen.add(tuple(kept))
    assert len(seen) == 15  # every choice of parts but none


def test_every_epoch_has_as_many_tokens():
    encoder = Encoder(EncoderConfig(parts=4, programs=False, velocities=0, tempos=0))
    notes = [(480 * i, 480, 60 + 5 * t + i, 80, t) for i in range(4) for t in range(4)]
    pieces = [Piece("p", encoder.encode(Score(notes=notes, tracks=[Track()] * 4)), (), np.zeros(0, np.int16))] * 8
    full = stream(pieces, encoder, np.random.default_rng(0), rows=2)
    thin = stream(pieces, encoder, np.random.default_rng(0), rows=2, part_dropout=1.0)
    assert full.shape == thin.shape and not np.array_equal(full, thin)


def test_a_short_first_bar_becomes_the_end_of_a_whole_one():
    score = line(range(60, 70), meters=[(0, 1, 4), (480, 4, 4)])
    padded = pad_pickup(score)
    assert padded.notes["onset"][0] == 1440
    assert padded.meters.tolist() == [(0, 4, 4)]
    assert pad_pickup(padded) is padded
    real_change = line(range(60, 70), meters=[(0, 3, 4), (1440, 3, 8)])
    assert pad_pickup(real_change) is real_change


def test_small_gaps_close_and_rests_stay():
    score = Score(notes=[(0, 430, 60, 80, 0), (480, 240, 62, 80, 0), (960, 480, 64, 80, 0)], tracks=[Track()])
    assert close_gaps(score).notes["duration"].tolist() == [480, 240, 480]


def test_the_last_note_is_as_much_longer_than_played_as_the_others():
    notes = [(480 * i, 432, 60, 80, 0) for i in range(3)]
    assert close_gaps(Score(notes=notes, tracks=[Track()])).notes["duration"].tolist() == [480, 480, 480]


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
