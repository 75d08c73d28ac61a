"""Frames to scores, tokens and files, and back: nothing lost, and what is lost is said."""

import gzip
import hashlib
import importlib
import json
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from musegen import ConfigError, Encoder, EncodingError, MidiError, MusegenError, Score, Track
from musegen.cli import main
from musegen.cli.pianoroll import pianoroll as command
from musegen.data import pianoroll
from musegen.data.pianoroll import (
    SILENCE,
    Chords,
    Counts,
    Loss,
    PianoRolls,
    Voices,
    counts,
    encoder_config,
    kind_of,
    read_pianorolls,
    to_frames,
    to_score,
    trimmed,
    write_folder,
)
from musegen.score import midi
from musegen.score.columns import METER, table

SIXTEENTH, QUARTER = Fraction(1, 4), Fraction(1)
GRIDS = st.sampled_from(
    [Fraction(1, 12), Fraction(1, 8), Fraction(1, 6), SIXTEENTH, Fraction(1, 2), QUARTER]
)


@st.composite
def voices(draw):
    """Few pitches, so that neighbours are often equal and voices often meet; and many rests."""
    shape = draw(st.tuples(st.integers(0, 40), st.integers(1, 6)))
    out = draw(
        hnp.arrays(np.int16, shape, elements=st.sampled_from([SILENCE, SILENCE, 0, 60, 61, 127]))
    )
    if len(out):
        out[draw(st.lists(st.integers(0, len(out) - 1), max_size=10))] = SILENCE
    return out


@st.composite
def chords(draw):
    sets = draw(st.lists(st.sets(st.integers(0, 127), max_size=5), max_size=40))
    out = np.zeros((len(sets), 128), bool)
    for row, pitches in zip(out, sets, strict=True):
        row[list(pitches)] = True
    return out


def by_hand(frames):
    """The notes of voices by the plainest of loops: (onset, duration, pitch, track), in frames."""
    out = []
    for voice in range(frames.shape[1]):
        since = 0
        for at in range(1, len(frames) + 1):
            if at == len(frames) or frames[at, voice] != frames[since, voice]:
                if frames[since, voice] != SILENCE:
                    out.append((since, at - since, int(frames[since, voice]), voice))
                since = at
    return sorted(out)


@given(st.one_of(voices(), chords()), GRIDS)
def test_frames_come_back_from_a_score(frames, grid):
    kind = kind_of(frames)
    back = to_frames(to_score(frames, grid), grid, kind)
    assert back.dtype == frames.dtype and back.shape == frames.shape
    assert np.array_equal(back, frames)


@given(voices())
def test_equal_neighbours_of_a_voice_are_one_note(frames):
    score = to_score(frames, SIXTEENTH)
    found = [
        (onset // 120, duration // 120, pitch, track)
        for onset, duration, pitch, _, track in score.notes.tolist()
    ]
    assert sorted(found) == by_hand(frames)
    assert len(score.tracks) == frames.shape[1] and score.end == 120 * len(frames)


@given(chords())
def test_every_frame_of_chords_is_struck_anew(frames):
    score = to_score(frames, QUARTER)
    found = [(onset // 480, pitch) for onset, pitch in score.notes[["onset", "pitch"]].tolist()]
    assert found == [
        (at, pitch) for at, row in enumerate(frames) for pitch in range(128) if row[pitch]
    ]
    assert set(score.notes["duration"].tolist()) <= {480} and len(score.tracks) == 1


@settings(deadline=None)
@given(st.one_of(voices(), chords()), GRIDS)
def test_tokens_keep_all_but_silence_at_the_end(frames, grid):
    kind = kind_of(frames)
    encoder = Encoder(encoder_config(kind, grid))
    score = encoder.decode(encoder.encode(to_score(frames, grid)))
    back = to_frames(score, grid, kind)
    assert np.array_equal(trimmed(back), trimmed(frames))
    assert len(back) >= len(frames) and not kind.sounding(back[len(frames) :]).any()


def test_music_begins_on_a_barline_of_common_time():
    score = to_score(np.full((20, 1), 60, np.int16), SIXTEENTH)
    assert score.meters.tolist() == [(0, 4, 4)]
    assert score.barlines().tolist() == [0, 1920, 3840] and score.end == 2400
    assert [track.name for track in to_score(np.zeros((1, 2), np.int16), QUARTER).tracks] == [
        "voices 1",
        "voices 2",
    ]


def test_silence_is_cut_off_at_the_end_alone():
    frames = np.array([[-1, -1], [60, -1], [-1, -1], [-1, 60], [-1, -1], [-1, -1]])
    assert trimmed(frames).tolist() == frames[:4].tolist()
    assert trimmed(frames[:1]).shape == (0, 2)


def test_of_other_scores_frames_say_what_sounds():
    notes = [(0, 480, 60, 90, 0), (480, 480, 60, 90, 0), (960, 960, 64, 1, 0)]
    score = Score(notes, [Track()], end=2000)
    assert to_frames(score, QUARTER, Voices(1)).ravel().tolist() == [60, 60, 64, 64, SILENCE]
    assert [np.flatnonzero(row).tolist() for row in to_frames(score, QUARTER, Chords())] == [
        [60],
        [60],
        [64],
        [64],
        [],
    ]


NOT_FRAMES = {
    "a note off the grid": (Score([(100, 480, 60, 80, 0)], [Track()]), Voices(1), "onset 100"),
    "a note that ends off it": (Score([(0, 500, 60, 80, 0)], [Track()]), Chords(), "duration 500"),
    "a track too many": (Score([(0, 480, 60, 80, 1)], [Track(), Track()]), Voices(1), "track 1"),
    "two notes in a voice": (
        Score([(0, 960, 60, 80, 0), (480, 480, 64, 80, 0)], [Track()]),
        Voices(2),
        "track 0, frame 1",
    ),
}


@pytest.mark.parametrize("name", NOT_FRAMES)
def test_a_score_that_is_no_frames_is_refused(name):
    score, kind, message = NOT_FRAMES[name]
    with pytest.raises(EncodingError, match=message):
        to_frames(score, QUARTER, kind)


NO_ARRAYS = {
    "fractions": np.zeros((3, 128), np.float32),
    "one row": np.zeros(4, np.int16),
    "a pitch too high": np.array([[128]]),
    "a pitch too low": np.array([[-2]]),
    "88 keys": np.zeros((3, 88), bool),
    "65 voices": np.zeros((3, 65), np.int16),
}


@pytest.mark.parametrize("frames", NO_ARRAYS.values(), ids=NO_ARRAYS)
def test_an_array_that_is_no_frames_is_refused(frames):
    with pytest.raises(EncodingError, match="frames must be voices"):
        to_score(frames, QUARTER)


def test_a_frame_is_a_whole_number_of_ticks():
    for grid in (Fraction(1, 7), Fraction(0), Fraction(-1), Fraction(1, 960)):
        with pytest.raises(ConfigError, match="whole number of ticks"):
            to_score(np.array([[60]]), grid)
    with pytest.raises(ConfigError, match="voices"):
        Voices(0)


SMALL = {
    "train": [[[72, 60], [72, 62], [-1, -1], [72, 62]], [[70, 70]]],
    "valid": [[[-1, 50], [60, 50], [60, -1], [60, -1], [60, -1]]],
    "test": [[[60, -1], [-1, -1], [60, 48]]],
}
SETS = {
    "train": [[[60, 64], [60, 64], [], [67]], [[127]]],
    "valid": [[[0]]],
    "test": [[[], [60, 61, 62]]],
}


@pytest.fixture
def file(tmp_path):
    def write(data, name="set.json"):
        text = data if isinstance(data, str) else json.dumps(data)
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
        return path

    return write


def listed(grids):
    """What a file would list."""
    out = {}
    for split, pieces in grids.splits.items():
        chords = grids.kind == Chords()
        out[split] = [
            [np.flatnonzero(row).tolist() for row in p] if chords else p.tolist() for p in pieces
        ]
    return out


@pytest.mark.parametrize("name", ["set.json", "set.json.gz", "packed-by-another-name.gz"])
def test_a_file_is_read_as_it_is(file, name):
    for data, kind in ((SMALL, Voices(2)), (SETS, Chords())):
        grids = read_pianorolls(file(data, name))
        assert grids.kind == kind and grids.losses == ()
        assert listed(grids) == {
            "train": data["train"],
            "validation": data["valid"],
            "test": data["test"],
        }


def test_equally_many_entries_are_voices_unless_they_are_said_to_be_chords(file):
    path = file({split: [[[60, 64], [60, 64]]] for split in ("train", "validation", "test")})
    assert counts(read_pianorolls(path).kind, read_pianorolls(path).splits["test"]).notes == 2
    grids = read_pianorolls(path, "chords")
    assert grids.kind == Chords() and counts(grids.kind, grids.splits["test"]).notes == 4


def changed(**splits):
    return {**SMALL, **splits}


BROKEN = {
    "no JSON": ("train: [", "JSON was expected"),
    "no splits": ([[[60]]], "Received: a list"),
    "a split too few": ({"train": [[[60]]], "test": [[[60]]]}, r"Received: \['test', 'train'\]"),
    "a split too many": (changed(dev=[[[60, 60]]]), "'dev'"),
    "a split twice": ({"train": [[[60]]], "valid": [[[60]]], "validation": [[[60]]]}, "validation"),
    "a split of nothing": (changed(test=[]), "test: a list of at least one piece"),
    "a split of no list": (changed(test={"a": 1}), 'Received: {"a": 1}'),
    "a piece of nothing": (
        changed(test=[[[60, 60]], []]),
        "test, piece 1: a list of at least one frame",
    ),
    "a frame of no list": (
        changed(valid=[[[60, 60], 60]]),
        "validation, piece 0, frame 1: a list of pitches",
    ),
    "ragged voices": (
        changed(test=[[[60, 60], [-1, 60, 64]]]),
        "test, piece 0, frame 1: as many voices .*3 entries",
    ),
    "a pitch too high": (
        changed(test=[[[60, 60], [60, 128]]]),
        "test, piece 0, frame 1: .*Received: 128",
    ),
    "a pitch too low": (changed(test=[[[60, -2]]]), "frame 0: .*Received: -2"),
    "a huge number": (changed(test=[[[10**30, 60]]]), "frame 0: whole numbers"),
    "a fraction": (changed(test=[[[60, 60.0]]]), r"frame 0: .*Received: 60\.0"),
    "no number": (
        '{"train": [[[60]]], "valid": [[[60]]], "test": [[[60], [NaN]]]}',
        "frame 1: .*Received: NaN",
    ),
    "a truth": (changed(test=[[[True, 60]]]), "Received: true"),
    "nothing at all": (
        {split: [[[], []]] for split in SMALL},
        "frames of voices was expected. Received: 0 entries",
    ),
    "too deep": ("[" * 100_000, "JSON was expected"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_of_something_else_is_refused(file, name):
    data, message = BROKEN[name]
    if name == "nothing at all":
        assert read_pianorolls(file(data), "chords").losses[0].what == "no notes"
    with pytest.raises(MidiError, match=message):
        read_pianorolls(file(data))


def test_a_kind_that_the_file_is_not_is_refused(file, tmp_path):
    with pytest.raises(MidiError, match="train, piece 0, frame 2: pitches 0 to 127 alone"):
        read_pianorolls(file(SMALL), "chords")
    with pytest.raises(
        MidiError, match="train, piece 0, frame 2: as many voices in every frame, 2"
    ):
        read_pianorolls(file(SETS), "voices")
    with pytest.raises(ConfigError, match="kind must be"):
        read_pianorolls(file(SETS), "rolls")
    with pytest.raises(MidiError, match="No such file"):
        read_pianorolls(tmp_path / "missing.json")
    path = file(SETS, "cut.gz")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(MidiError, match="cannot read"):
        read_pianorolls(path)


def test_counts_are_those_of_the_frames(file):
    grids = read_pianorolls(file(SMALL))
    assert counts(grids.kind, grids.splits["train"]) == Counts(
        pieces=2,
        frames=5,
        predicted=3,
        silent_frames=1,
        cells=10,
        silent_cells=2,
        notes=7,
        longest=4,
    )
    grids = read_pianorolls(file(SETS))
    assert counts(grids.kind, grids.splits["train"]) == Counts(
        pieces=2,
        frames=5,
        predicted=3,
        silent_frames=1,
        cells=6,
        silent_cells=0,
        notes=6,
        longest=4,
    )
    assert counts(Chords(), []) == Counts(0, 0, 0, 0, 0, 0, 0, 0)


def test_what_is_lost_is_said(file):
    sets = {
        "train": [[[60], [64, 60]], [[60, 60], [1]], [[60], []]],
        "valid": [[[], []]],
        "test": [[[64, 60, 64]]],
    }
    assert read_pianorolls(file(sets)).losses == (
        Loss("train", 0, "unsorted"),
        Loss("train", 1, "repeated"),
        Loss("train", 2, "late end"),
        Loss("validation", 0, "no notes"),
        Loss("test", 0, "unsorted"),
        Loss("test", 0, "repeated"),
    )
    assert read_pianorolls(file(changed(valid=[[[60, -1]], [[-1, 60]]]))).losses == (
        Loss("validation", 1, "silent voice"),
    )


def digests(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def test_a_folder_holds_the_pieces(file, tmp_path):
    grids = read_pianorolls(file(SMALL))
    seen = []
    write_folder(grids, tmp_path / "out", on_progress=lambda *done: seen.append(done))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert list(digests(tmp_path / "out")) == [
        "test/000.mid",
        "train/000.mid",
        "train/001.mid",
        "validation/000.mid",
    ]
    for split, pieces in grids.splits.items():
        for number, frames in enumerate(pieces):
            score = midi.read(tmp_path / "out" / split / f"{number:03}.mid")
            assert np.array_equal(to_frames(score, SIXTEENTH, Voices(2)), frames)
            assert np.array_equal(score.meters, table(METER, [(0, 4, 4)]))
    write_folder(grids, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(tmp_path / "out")


def test_twenty_voices_survive_a_file(tmp_path):
    frames = np.random.default_rng(0).integers(60, 63, (30, 20)).astype(np.int16)
    to_score(frames, SIXTEENTH).save(tmp_path / "a.mid")
    assert np.array_equal(to_frames(midi.read(tmp_path / "a.mid"), SIXTEENTH, Voices(20)), frames)


def test_only_what_an_earlier_run_wrote_is_replaced(file, tmp_path):
    out = tmp_path / "out"
    write_folder(read_pianorolls(file(SMALL)), out)
    (out / "train" / "mine.mid").write_text("mine")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(MusegenError, match="must be a new or an empty folder"):
        write_folder(read_pianorolls(file(SETS)), out)
    one = PianoRolls(
        Chords(), {"train": [np.ones((1, 128), bool)], "validation": [], "test": []}, ()
    )
    write_folder(one, out, force=True)
    assert list(digests(out)) == ["notes.txt", "train/000.mid", "train/mine.mid"]
    assert len(midi.read(out / "train" / "000.mid")) == 128


def test_the_command_writes_prints_and_warns(file, tmp_path):
    out = tmp_path / "out"
    done = CliRunner().invoke(
        command, [str(file(changed(test=[[[60, 62], [-1, -1]]]))), "-o", str(out)]
    )
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[1] == ["train", "2", "5", "3", "1", "10", "2", "7", "4"]
    assert rows[3] == ["test", "1", "2", "1", "1", "4", "2", "2", "2"]
    assert done.stdout.splitlines()[-1] == f"{out}: 2 voices, frames of 1/16"
    assert "1 piece(s) end in silence" in done.stderr and "test/000.mid" in done.stderr
    assert "--steps-per-quarter 4 --parts 2" in done.stderr
    assert midi.read(out / "train" / "000.mid").notes["duration"].min() == 120


def test_the_command_takes_a_grid_and_refuses_what_is_none(file, tmp_path):
    path, out = str(file(SETS)), tmp_path / "out"
    done = CliRunner().invoke(command, [path, "-o", str(out), "--grid", "1/24"])
    assert done.exit_code == 0 and "chords, frames of 1/24" in done.stdout
    assert "--steps-per-quarter 12 --parts 1" in done.stderr
    assert set(midi.read(out / "train" / "000.mid").notes["duration"].tolist()) == {80}
    before = digests(out)
    for wrong, message in (
        ("1/1000", "note value"),
        ("1/28", "ticks"),
        ("1/640", "steps_per_quarter"),
    ):
        failed = CliRunner().invoke(command, [path, "-o", str(out), "--force", "--grid", wrong])
        assert isinstance(failed.exception, ConfigError) and message in str(failed.exception), wrong
    assert digests(out) == before


def test_the_command_still_has_its_old_name(file, tmp_path):
    done = CliRunner().invoke(main, ["frames", str(file(SMALL)), "-o", str(tmp_path / "old")])
    assert done.exit_code == 0, done.output
    warning = "musegen frames is deprecated. Use musegen pianoroll instead."
    assert done.stderr.splitlines()[0] == warning
    again = CliRunner().invoke(main, ["pianoroll", str(file(SMALL)), "-o", str(tmp_path / "new")])
    assert warning not in again.stderr
    assert digests(tmp_path / "old") == digests(tmp_path / "new")
    assert "frames" not in [
        line.split()[0] for line in CliRunner().invoke(main, ["--help"]).stdout.splitlines() if line
    ]


def test_old_names_work_with_a_warning(file):
    with pytest.warns(DeprecationWarning, match=r"Grids is deprecated. Use .*\.PianoRolls"):
        assert pianoroll.Grids is PianoRolls
    with pytest.warns(DeprecationWarning, match="read_grids is deprecated"):
        assert pianoroll.read_grids(file(SMALL)).kind == Voices(2)
    with pytest.raises(AttributeError, match="no attribute 'rolls'"):
        pianoroll.rolls  # noqa: B018
    with pytest.warns(DeprecationWarning):
        assert importlib.import_module("musegen.grids").read_grids is read_pianorolls
