"""A token store holds every file's music or the reason why not, and survives damage and crashes."""

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import musegen.data.store.encoding as encoding
import musegen.data.store.ingesting as ingesting
import musegen.data.store.likeness as likeness
from musegen import (
    ConfigError,
    Encoder,
    EncoderConfig,
    MidiError,
    MusegenError,
    Score,
    Store,
    Track,
    TrainingError,
    ingest,
)
from musegen.cli import main
from musegen.data.store import is_store
from musegen.data.store import store as reading
from musegen.data.store.likeness import SHARED_RUN, same_tunes, signatures
from musegen.data.store.splitting import split
from musegen.data.store.walking import walk
from musegen.encoding.bundle import Bundle
from musegen.encoding.normalise import pad_pickup
from tests.helpers import tune

ENCODER = Encoder(EncoderConfig(parts=2))


@pytest.fixture
def folder(tmp_path):
    """Sixteen tunes, and a file for each reason to leave one out."""
    out = tmp_path / "music"
    for seed in range(16):
        tune(seed).save(out / f"{seed % 3}" / f"{seed:02}.mid")
    tune(0).transpose(3).save(out / "z" / "again.mid")
    (out / "broken.mid").write_bytes(b"MThd nonsense")
    (out / "huge.mid").write_bytes(b"MThd" + bytes(17 * 2**20))
    Score(notes=[(0, 9, 60, 80, part) for part in range(3)], tracks=[Track()] * 3).save(
        out / "many.mid"
    )
    Score(end=960).save(out / "silent.mid")
    tune(20, 2000).save(out / "symphony.mid")
    (out / "tune.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n")
    (out / "readme.txt").write_text("not music")
    return out


def made(folder, store, **options):
    return ingest([folder], store, ENCODER, **{"held_out": 0.2, "max_tokens": 4000, **options})


def files_of(store):
    """What a run must end with, however it came there."""
    return {name: (store / name).read_bytes() for name in ("index.npz", "report.tsv", "store.json")}


def test_every_file_is_kept_or_left_out_with_a_reason(folder, tmp_path):
    store = made(folder, tmp_path / "store")
    assert store.report == {
        "kept": 17,
        "duplicate": 1,
        "empty": 1,
        "too long": 2,
        "unencodable": 1,
        "broken": 1,
    }
    reasons = dict(store.skipped())
    assert set(reasons) == {
        f"music/{n}.mid" for n in ("z/again", "broken", "huge", "many", "silent", "symphony")
    }
    assert reasons["music/z/again.mid"] == "the same notes as music/0/00.mid"
    assert "17,825,796 bytes" in reasons["music/huge.mid"]
    assert "2 part(s)" in reasons["music/many.mid"] and str(tmp_path) not in "".join(
        reasons.values()
    )
    assert reasons["music/symphony.mid"].endswith("tokens; at most 4,000 are kept")
    rows = [
        line.split("\t") for line in (tmp_path / "store" / "report.tsv").read_text().splitlines()
    ]
    assert [row[0] for row in rows[1:]] == sorted(row[0] for row in rows[1:]) and len(rows) == 24
    assert {row[0]: row[1] for row in rows}["music/silent.mid"] == "empty"
    assert json.loads((tmp_path / "store" / "store.json").read_text())["totals"] == store.report


def test_what_is_read_is_what_was_encoded(folder, tmp_path):
    store = made(folder, tmp_path / "store")
    assert len(store) == len(store.names) == 17 and store.encoder.config == ENCODER.config
    for index, name in enumerate(store.names):
        tokens = store.tokens(index)
        assert tokens.dtype == np.int32 and len(tokens) == store.lengths[index]
        assert np.array_equal(
            tokens, next(iter(ENCODER.encode_files([folder.parent / name]))).tokens
        )
    assert store.tracks(0) == (Track("Flute", 73), Track("Bass drone", 32))
    assert "17 pieces" in repr(store)
    parts = [store.split(part).tolist() for part in ("train", "validation", "test")]
    assert sorted(parts[0] + parts[1] + parts[2]) == list(range(17)) and all(parts)
    with pytest.raises(ConfigError, match="part must be one of"):
        store.split("dev")


def test_pickups_are_filled_up(tmp_path):
    upbeat = replace(tune(1), meters=[(0, 1, 4), (480, 4, 4)])
    upbeat.save(tmp_path / "music" / "upbeat.mid")
    store = ingest([tmp_path / "music"], tmp_path / "store", ENCODER)
    assert np.array_equal(store.tokens(0), ENCODER.encode(pad_pickup(upbeat)))
    with pytest.raises(TrainingError, match="at least 3 different tunes"):
        store.split("train")


def test_an_open_store_can_be_read_after_its_folder_is_gone(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "READS", 5)
    store = made(folder, tmp_path / "store")
    expected = store.tokens(3).tolist()
    shutil.rmtree(tmp_path / "store")
    assert all(store.tokens(3).tolist() == expected for _ in range(12))


def test_a_split_that_somebody_else_has_made_is_kept_with_its_duplicates(tmp_path):
    places = ["train/a", "train/b", "valid/a", "test/c", "test/train/d"]
    for seed, place in enumerate(places):
        tune(seed // 2).save(tmp_path / "set" / f"{place}.mid")
    store = ingest([tmp_path / "set"], tmp_path / "store", ENCODER, by_folder=True)
    names = {
        part: [store.names[i] for i in store.split(part)]
        for part in ("train", "validation", "test")
    }
    assert names == {
        "train": ["set/test/train/d.mid", "set/train/a.mid", "set/train/b.mid"],
        "validation": ["set/valid/a.mid"],
        "test": ["set/test/c.mid"],
    }
    assert store.report["duplicate"] == 0 and np.array_equal(store.tokens(2), store.tokens(3))
    assert "set/test/c.mid\tkept" in (tmp_path / "store" / "report.tsv").read_text()
    assert (
        ingest([tmp_path / "set"], tmp_path / "store", ENCODER).report["duplicate"] == 2
    )  # the same shards, drawn


@pytest.mark.parametrize(
    ("places", "received"),
    [(["train/a", "b"], r"set/b\.mid"), (["train/a", "test/b"], "none for validation")],
)
def test_a_split_by_folders_needs_them(tmp_path, places, received):
    for seed, place in enumerate(places):
        tune(seed).save(tmp_path / "set" / f"{place}.mid")
    with pytest.raises(MusegenError, match=f"every file must lie in .* Received: {received}"):
        ingest([tmp_path / "set"], tmp_path / "store", ENCODER, by_folder=True)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_shards_and_workers_change_nothing_but_the_shards(folder, tmp_path, monkeypatch, workers):
    whole = made(folder, tmp_path / "whole")
    monkeypatch.setattr(ingesting, "WEIGHT_PER_TASK", 3)
    monkeypatch.setattr(ingesting, "TOKENS_PER_SHARD", 500)
    parts = made(folder, tmp_path / "parts", workers=workers)
    assert len(list((tmp_path / "parts" / "shards").glob("*.npy"))) > 3
    assert (tmp_path / "whole" / "report.tsv").read_bytes() == (
        tmp_path / "parts" / "report.tsv"
    ).read_bytes()
    assert all(np.array_equal(whole.tokens(i), parts.tokens(i)) for i in range(len(whole)))
    assert all(whole.tracks(i) == parts.tracks(i) for i in range(len(whole)))


def test_a_second_run_reads_nothing_and_a_moved_file_is_not_encoded_again(
    folder, tmp_path, monkeypatch
):
    made(folder, tmp_path / "store")
    first = files_of(tmp_path / "store")
    parsed, opened = [], []
    parse, content = encoding.parse, encoding._content
    monkeypatch.setattr(
        encoding, "parse", lambda data, name: parsed.append(name) or parse(data, name)
    )
    monkeypatch.setattr(
        encoding, "_content", lambda file: opened.append(file.name) or content(file)
    )
    made(folder, tmp_path / "store")
    assert not opened and files_of(tmp_path / "store") == first
    (folder / "0" / "00.mid").rename(folder / "zz.mid")
    (folder / "1" / "01.mid").unlink()
    tune(1).transpose(1).save(folder / "1" / "04.mid", force=True)
    store = made(folder, tmp_path / "store")
    assert [Path(name).name for name in parsed] == ["04.mid"] and sorted(opened) == [
        "music/1/04.mid",
        "music/zz.mid",
    ]
    assert "music/zz.mid" in dict(store.skipped())  # what was a duplicate comes first now
    assert "music/z/again.mid" in store.names and "music/1/01.mid" not in store.names
    assert np.array_equal(
        store.tokens(store.names.index("music/z/again.mid")), ENCODER.encode(tune(0).transpose(3))
    )
    anew = made(folder, tmp_path / "anew")
    assert (tmp_path / "anew" / "report.tsv").read_bytes() == (
        tmp_path / "store" / "report.tsv"
    ).read_bytes()
    assert anew.names == store.names


def test_a_copy_is_stored_once(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "music" / "copy")
    store = made(folder, tmp_path / "store")
    assert (
        store.report["kept"] == 17
        and store.report["duplicate"] == 19
        and store.report["broken"] == 2
    )
    assert len(np.load(tmp_path / "store" / "shards" / "00000.npy")) == store.lengths.sum() + len(
        ENCODER.encode(tune(0).transpose(3))
    )
    twice = ingest([folder, folder / "0", folder / "0" / "00.mid"], tmp_path / "twice", ENCODER)
    assert sum(twice.report.values()) == sum(store.report.values())


def test_other_settings_are_refused_and_force_starts_anew(folder, tmp_path):
    made(folder, tmp_path / "store")
    (tmp_path / "store" / "mine.txt").write_text("not of the store")
    with pytest.raises(MusegenError, match=r"parts is 2 there and 16 here.*-o.*--force"):
        ingest([folder], tmp_path / "store", Encoder())
    with pytest.raises(MusegenError, match="max_tokens is 4000 there and 1048576 here"):
        ingest([folder], tmp_path / "store")
    with pytest.raises(MusegenError, match=r"music must be a token store or a new folder"):
        ingest([folder], folder, ENCODER)
    with pytest.raises(MusegenError, match="no such file or folder"):
        ingest([tmp_path / "missing"], tmp_path / "other")
    assert (
        made(folder, tmp_path / "store", seed=1).split("test").tolist()
        != Store(tmp_path / "store").names
    )
    store = ingest([folder], tmp_path / "store", Encoder(), force=True)
    assert store.report["unencodable"] == 0 and (tmp_path / "store" / "mine.txt").exists()
    for option in ({"workers": 0}, {"held_out": 0.5}, {"max_tokens": 0}, {"seed": -1}):
        with pytest.raises(ConfigError, match="must be"):
            ingest([folder], tmp_path / "store", **option)


def test_midi_files_are_found_whatever_their_usual_ending(tmp_path):
    names = ["a.mid", "b.MIDI", "c.smf", "d.kar", "e.rmi"]
    for name in [*names, "notes.txt"]:
        (tmp_path / name).write_bytes(b"")
    assert [found.name.split("/")[-1] for found in walk([tmp_path])] == names


def test_a_folder_is_walked_in_order_and_links_do_not_lead_in_circles(tmp_path):
    folder = tmp_path / "music"
    deepest = folder
    for path in (folder / "b.mid", folder / "a" / "c.MIDI", folder / "a.mid"):
        tune(len(path.name)).save(path.with_suffix(".mid"))
        path.with_suffix(".mid").rename(path)
    for _ in range(200):
        deepest = deepest / "d"
        deepest.mkdir()
    shutil.copy(folder / "b.mid", deepest)
    (folder / "a" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "link.mid").symlink_to(folder / "b.mid")
    (folder / "nowhere.mid").symlink_to(folder / "missing.mid")
    os.mkfifo(folder / "pipe.mid")
    os.mkfifo(folder / "pipe.xml")
    store = ingest([folder], tmp_path / "store", ENCODER)
    walked = [
        line.split("\t")[0]
        for line in (tmp_path / "store" / "report.tsv").read_text().splitlines()[1:]
    ]
    deep = "music/" + "d/" * 200 + "b.mid"
    assert walked == [
        "music/a/c.MIDI",
        "music/a.mid",
        "music/b.mid",
        deep,
        "music/link.mid",
        "music/nowhere.mid",
        "music/pipe.mid",
        "music/pipe.xml",
    ]
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(
            len(inspect.stack()) + 50
        )  # folders may be nested deeper than Python's calls
        assert [found.name for found in walk([folder])] == walked
    finally:
        sys.setrecursionlimit(limit)
    assert (
        store.report["broken"] == 3
        and "a pipe or a device" in dict(store.skipped())["music/pipe.xml"]
    )


def test_a_file_that_may_be_read_now_is_read(folder, tmp_path, monkeypatch):
    def forbidden(file):
        raise MidiError("it cannot be opened: Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(encoding, "_content", forbidden)
        assert made(folder, tmp_path / "store").report["broken"] == 24 - 1
        patch.setattr(os, "access", lambda path, mode: False)
        before = files_of(tmp_path / "store")
        assert not len(made(folder, tmp_path / "store")) and files_of(tmp_path / "store") == before
    assert made(folder, tmp_path / "store").report["kept"] == 17


def test_names_and_reasons_of_any_characters_are_reported(tmp_path):
    (tmp_path / "music").mkdir()
    path = os.fsencode(tmp_path / "music") + b"/tab\there \xff\xe2\x80\xa8.mid"
    Path(os.fsdecode(path)).write_bytes(b"MThd")
    store = ingest([tmp_path / "music"], tmp_path / "store")
    assert store.skipped()[0][0].startswith("music/tab\there \\udcff")
    assert len((tmp_path / "store" / "report.tsv").read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize(
    "same",
    [
        lambda score: score.transpose(-7),
        lambda score: replace(score, tempos=[(0, 300_000), (960, 900_000)]),
        lambda score: replace(score, notes=[(*n[:3], 64, n[4]) for n in score.notes.tolist()]),
        lambda score: replace(score, ticks_per_quarter=240),  # all notes twice as long
        lambda score: replace(score, notes=[(*n[:4], 1 - n[4]) for n in score.notes.tolist()]),
        lambda score: replace(score, notes=[(n[0], 100, *n[2:]) for n in score.notes.tolist()]),
        lambda score: score.shift(480),
        lambda score: replace(
            score, notes=[*score.notes.tolist(), (0, 240, int(score.notes["pitch"][0]), 80, 1)]
        ),
    ],
)
def test_the_same_notes_have_the_same_signature(same):
    assert len(set(of(tune(1), same(tune(1))).tolist())) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda score: replace(score, notes=[*score.notes.tolist()[:-1]]),
        lambda score: replace(
            score,
            notes=[
                (n[0], n[1], n[2] + (i == 9), *n[3:]) for i, n in enumerate(score.notes.tolist())
            ],
        ),
        lambda score: replace(
            score, notes=[(n[0] + (n[4] * 120), *n[1:]) for n in score.notes.tolist()]
        ),
        lambda score: replace(score, tracks=[Track("Flute", 73), Track("Kit", 0, True)]),
        lambda score: replace(
            score, notes=[(n[0], n[1], n[2] - 12 * n[4], *n[3:]) for n in score.notes.tolist()]
        ),
    ],
)
def test_other_notes_have_another_signature(other):
    assert len(set(of(tune(1), other(tune(1))).tolist())) == 2


def test_what_has_no_melody_is_told_by_its_rhythm():
    def beats(onsets, pitch=38, drum=True):
        return Score(notes=[(o, 60, pitch, 80, 0) for o in onsets], tracks=[Track(is_drum=drum)])

    even, uneven = [0, 480, 960, 1440], [0, 480, 720, 1440]
    for drum in (True, False):
        assert len(set(of(beats(even, drum=drum), beats(uneven, drum=drum)).tolist())) == 2
        slow = beats([2 * onset for onset in uneven], drum=drum)
        assert len(set(of(beats(uneven, drum=drum), slow).tolist())) == 1
    assert len(set(of(beats(even), beats(even, 42)).tolist())) == 2  # another drum, not another key
    assert len(set(of(beats(even, drum=False), beats(even, 42, drum=False)).tolist())) == 1
    assert of(Score(end=480)).tolist() == [0]


def of(*pieces):
    """Signatures, of all together as of each alone."""
    encoder = Encoder(EncoderConfig(velocities=8))
    bundle = encoder.codec.quantise(Bundle.of(pieces), encoder.vocabulary)
    alone = [encoder.codec.quantise(Bundle.of([piece]), encoder.vocabulary) for piece in pieces]
    assert signatures(bundle).tolist() == [signatures(one)[0] for one in alone]
    return signatures(bundle)


def same_tunes_step_by_step(melodies):
    """`same_tunes`, as one would say it of two melodies at a time."""
    parent = list(range(len(melodies)))

    def root(i):
        return i if parent[i] == i else root(parent[i])

    first = {}
    for index, melody in enumerate(melodies):
        for at in range(len(melody) - SHARED_RUN + 1):
            run = melody[at : at + SHARED_RUN]
            if len(np.unique(run)) > 3:
                a, b = root(index), root(first.setdefault(run.tobytes(), index))
                parent[max(a, b)] = min(a, b)
    return [root(i) for i in range(len(melodies))]


PHRASES = [np.random.default_rng(seed).integers(-3, 4, 60).astype(np.int8) for seed in range(6)]
STRETCH = st.builds(
    lambda p, at, n: PHRASES[p][at : at + n],
    st.integers(0, 5),
    st.integers(0, 50),
    st.integers(0, 30),
)
NOISE = st.lists(st.integers(-2, 2), max_size=25).map(lambda values: np.array(values, np.int8))
MELODY = st.lists(st.one_of(STRETCH, NOISE), max_size=4).map(
    lambda parts: np.concatenate([NOISE_0, *parts])
)
NOISE_0 = np.zeros(0, np.int8)


@given(st.lists(MELODY, max_size=8))
@settings(max_examples=300, deadline=None)
def test_tunes_are_grouped_as_step_by_step(melodies):
    assert same_tunes(melodies).tolist() == same_tunes_step_by_step(melodies)


def test_tunes_are_recognised_in_any_key_and_place():
    a, b = (np.random.default_rng(seed).integers(55, 80, 40) for seed in (1, 2))
    melodies = [a, a + 5, b, np.concatenate([b[:4], a[10:35]]), np.full(40, 60)]
    assert same_tunes([np.diff(m).astype(np.int8) for m in melodies]).tolist() == [0, 0, 2, 0, 4]


def test_of_very_many_runs_a_sample_finds_long_likenesses(monkeypatch):
    rng = np.random.default_rng(0)
    melodies = [rng.integers(-12, 13, 400).astype(np.int8) for _ in range(100)]
    melodies += melodies[:50]
    whole = same_tunes(melodies)
    monkeypatch.setattr(likeness, "MOST_RUNS", 6000)
    monkeypatch.setattr(likeness, "INTERVALS_AT_ONCE", 1000)
    assert np.array_equal(same_tunes(melodies), whole)


def test_long_chains_of_likeness_are_one_group():
    rng = np.random.default_rng(0)
    line = rng.integers(-12, 13, 20_000).astype(np.int8)
    chain = [line[at : at + 40] for at in range(0, 19_900, 20)]
    order = rng.permutation(len(chain))
    assert not same_tunes([chain[i] for i in order]).any()


def test_a_group_is_never_divided():
    groups = np.repeat(np.arange(40), 3)
    train, validation, test = split(groups, 0.1, seed=0)
    assert sorted([*train, *validation, *test]) == list(range(120))
    assert len(validation) == len(test) == 12
    for part in (train, validation, test):
        assert all(np.sum(groups[part] == g) == 3 for g in set(groups[part]))
    assert (
        split(groups, 0.1, seed=0) == split(groups + 7, 0.1, seed=0) != split(groups, 0.1, seed=1)
    )


def test_one_tune_cannot_be_split():
    with pytest.raises(TrainingError, match="different tunes"):
        split(np.zeros(5, int), 0.1, seed=0)


def _deadly(job, files):
    if any(file.name.endswith("/03.mid") for file in files):
        os.kill(os.getpid(), signal.SIGKILL)
    return encoding.encode(job, files)


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
def test_a_file_that_kills_its_reader_is_a_line_of_the_report(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(ingesting, "encode", _deadly)
    store = made(folder, tmp_path / "store", workers=2)
    assert store.report == {
        "kept": 16,
        "duplicate": 1,
        "empty": 1,
        "too long": 2,
        "unencodable": 1,
        "broken": 2,
    }
    assert dict(store.skipped())["music/0/03.mid"].startswith("the process that read it died")
    made(folder, tmp_path / "store")  # its content is known now; nothing is tried again
    assert made(folder, tmp_path / "store").report == store.report


def test_a_fault_of_ours_costs_the_file_that_shows_it(folder, tmp_path, monkeypatch):
    parse = encoding.parse

    def faulty(data, name):
        if name.endswith("03.mid"):
            raise ZeroDivisionError("out of the blue")
        return parse(data, name)

    monkeypatch.setattr(encoding, "parse", faulty)
    store = made(folder, tmp_path / "store")
    assert store.report["kept"] == 16
    assert "ZeroDivisionError: out of the blue" in dict(store.skipped())["music/0/03.mid"]


@pytest.mark.parametrize("encoding_name", ["metric", "performance"])
def test_music_with_an_end_very_far_out_takes_no_memory(tmp_path, encoding_name):
    encoder = Encoder(EncoderConfig(encoding=encoding_name))
    far = Score(
        notes=[(0, 480, 60, 80, 0), (2**31 - 9, 1, 60, 80, 0)],
        tracks=[Track()],
        ticks_per_quarter=1,
        tempos=[(0, 9_000)],
    )
    far.save(tmp_path / "music" / "far.mid")
    tune(1).save(tmp_path / "music" / "near.mid")
    late = Score(notes=[(0, 480, 60, 80, 0), (5000 * 480, 480, 64, 80, 0)], tracks=[Track()])
    late.save(tmp_path / "music" / "late.mid")
    store = ingest([tmp_path / "music"], tmp_path / "store", encoder)
    assert store.names == ["music/late.mid", "music/near.mid"]
    assert np.array_equal(store.tokens(0), encoder.encode(late))


RUN = """
    import os, signal, sys
    import numpy as np
    import musegen.data.store.ingesting as ingesting
    from musegen import Encoder, EncoderConfig, ingest

    ingesting.WEIGHT_PER_TASK, ingesting.TOKENS_PER_SHARD = 3, 500
    folder, store, moment, place = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

    def dying(function):
        def counted(*args, **kwargs):
            global moment
            moment -= 1
            if moment == 0 and place.startswith("before"):
                os.kill(os.getpid(), signal.SIGKILL)
            out = function(*args, **kwargs)
            if moment == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return out
        return counted

    np.save, np.savez = dying(np.save), dying(np.savez)
    on_progress = lambda done, total: None
    if place == "before file":
        on_progress = dying(on_progress)
    ingest([folder], store, Encoder(EncoderConfig(parts=2)), held_out=0.2, max_tokens=4000,
           on_progress=on_progress)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
@pytest.mark.parametrize(
    ("moment", "place"),
    [
        (1, "before write"),
        (2, "after write"),
        (5, "after write"),
        (8, "before write"),
        (3, "before file"),
        (99, ""),
    ],
)
def test_a_killed_run_goes_on_and_ends_as_if_undisturbed(
    folder, tmp_path, monkeypatch, moment, place
):
    run = [
        sys.executable,
        "-c",
        textwrap.dedent(RUN),
        folder,
        tmp_path / "killed",
        str(moment),
        place,
    ]
    killed = subprocess.run(run, capture_output=True, text=True)
    assert killed.returncode == (0 if moment == 99 else -signal.SIGKILL), killed.stderr
    monkeypatch.setattr(ingesting, "WEIGHT_PER_TASK", 3)
    monkeypatch.setattr(ingesting, "TOKENS_PER_SHARD", 500)
    made(folder, tmp_path / "killed")
    made(folder, tmp_path / "whole")
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")
    assert {path.name for path in (tmp_path / "killed").iterdir()} - {".lock"} == {
        "index.npz",
        "report.tsv",
        "shards",
        "store.json",
    }
    shards = [sorted((tmp_path / name / "shards").iterdir()) for name in ("killed", "whole")]
    assert [path.name for path in shards[0]] == [path.name for path in shards[1]] and len(
        shards[0]
    ) >= 8
    for a, b in zip(*shards, strict=True):
        assert a.suffix == ".npz" or a.read_bytes() == b.read_bytes()


def test_two_runs_do_not_write_to_one_store(folder, tmp_path):
    def at_once(done, total):
        with pytest.raises(MusegenError, match="another run is writing"):
            made(folder, tmp_path / "store")

    made(folder, tmp_path / "store", on_progress=at_once)


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-2])


DAMAGE = {
    "shards/00000.npy": (
        Path.unlink,
        _truncate,
        lambda path: np.save(path, np.zeros(3, np.uint16)),
    ),
    "index.npz": (Path.unlink, _truncate, lambda path: path.write_text("nonsense")),
    "store.json": (
        lambda path: path.write_text(path.read_text().replace('"max_tokens"', '"most"')),
    ),
}


@pytest.mark.parametrize(
    ("name", "damage"), [(n, d) for n, damages in DAMAGE.items() for d in damages]
)
def test_a_damaged_store_is_an_error_with_a_remedy_that_helps(folder, tmp_path, name, damage):
    whole = made(folder, tmp_path / "store")
    before = files_of(tmp_path / "store")
    damage(tmp_path / "store" / name)
    with pytest.raises(MusegenError, match=rf"{name} is (missing or )?damaged.*musegen encode"):
        Store(tmp_path / "store")
    made(folder, tmp_path / "store", force=name == "store.json")
    assert files_of(tmp_path / "store") == before and Store(tmp_path / "store").names == whole.names


FOREIGN = [
    b'{"name": "shop"}',
    b"{",
    b"[]",
    b"\xff" * 5000,
    b"[" * 100_000,
    b'{"format": "x", "encoder": 1, "vocabulary": 2}',
]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "content", FOREIGN, ids=lambda content: content[:9].decode(errors="replace")
)
def test_what_is_no_store_is_never_touched(folder, tmp_path, content, force):
    other = tmp_path / "proj"
    (other / "shards").mkdir(parents=True)
    there = {
        other / "store.json": content,
        other / "shards" / "db.bin": b"x",
        other / "report.tsv": b"mine",
    }
    for path, data in there.items():
        path.write_bytes(data)
    with pytest.raises(
        MusegenError, match=r"proj is no token store.*another place with -o"
    ) as caught:
        made(folder, other, force=force)
    assert len(str(caught.value)) < 700 and "--force" not in str(caught.value)
    assert {path: path.read_bytes() for path in other.rglob("*") if path.is_file()} == there
    assert not is_store(other)


def test_force_removes_the_files_of_the_store_alone(folder, tmp_path):
    store = tmp_path / "store"
    made(folder, store)
    mine = [
        store / "notes.txt",
        store / ".mine-notes",
        store / "shards" / "db.bin",
        store / "shards" / ".old-db.bin",
        store / "shards" / "1.npz",
        store / "shards" / "a00000.npy",
    ]
    for path in mine:
        path.write_text("mine")
    (store / "shards" / "00007.npy").write_text("of a run that was stopped")
    (store / "shards" / ".abcd_123-00008.npy").write_text("of a run that was killed")
    made(folder, store, force=True, seed=2)
    assert all(path.read_text() == "mine" for path in mine)
    names = {path.name for path in (store / "shards").iterdir()} - {path.name for path in mine}
    assert names == {"00000.npy", "00000.npz"}


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_without_music_does_not_empty_the_store(folder, tmp_path, force):
    made(folder, tmp_path / "store")
    before = files_of(tmp_path / "store")
    (tmp_path / "unmounted").mkdir()
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.mid").symlink_to(tmp_path / "unmounted" / "a.mid")
    for source in ("unmounted", "links"):
        for store in ("store", "fresh"):
            with pytest.raises(MusegenError, match=r"no music in .*\.mid, .*\.abc, .*make sure"):
                made(tmp_path / source, tmp_path / store, force=force)
    assert files_of(tmp_path / "store") == before and not (tmp_path / "fresh").exists()


def test_pieces_that_are_dropped_are_counted(folder, tmp_path):
    def dropped(*sources):
        out = []
        ingest(sources, tmp_path / "store", ENCODER, on_dropped=out.append)
        return out

    tune(50).save(tmp_path / "more" / "a.mid")
    tune(51).save(tmp_path / "more" / "b.mid")
    assert dropped(folder, tmp_path / "more") == dropped(folder, tmp_path / "more") == []
    assert dropped(folder) == [2]
    assert dropped(folder) == []
    (folder / "0" / "03.mid").rename(folder / "moved.mid")
    tune(52).save(folder / "1" / "04.mid", force=True)
    (folder / "2" / "05.mid").unlink()
    assert dropped(folder) == [1]
    assert dropped(folder, tmp_path / "more") == []


def test_stores_of_other_versions_are_refused(folder, tmp_path):
    made(folder, tmp_path / "store")
    path = tmp_path / "store" / "store.json"
    text = path.read_text()
    for old, new, message in (
        ('"format": 1', '"format": 2', "format 2"),
        ('"vocabulary": "', '"vocabulary": "0', "another vocabulary"),
        ('"sustain"', '"sustained"', "does not know"),
    ):
        path.write_text(text.replace(old, new))
        with pytest.raises(MusegenError, match=message):
            Store(tmp_path / "store")
    with pytest.raises(MusegenError, match="no token store"):
        Store(tmp_path)


def test_the_command_encodes_reports_and_goes_on(folder, tmp_path, monkeypatch):
    args = [
        "encode",
        str(folder),
        "-o",
        str(tmp_path / "store"),
        "--parts",
        "2",
        "--held-out",
        "0.2",
        "--workers",
        "1",
    ]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{tmp_path / 'store'}: 18 pieces, ")
    assert "duplicate" in result.stderr and "cannot be read" in result.stderr
    assert CliRunner().invoke(main, args).stdout == result.stdout
    wrong = CliRunner().invoke(main, [*args, "--tempos", "5"])
    assert wrong.exit_code == 1 and "tempos is 32 there and 5 here" in wrong.stderr
    (tmp_path / "bad").mkdir()
    nothing = CliRunner().invoke(
        main, ["encode", str(tmp_path / "bad"), "-o", str(tmp_path / "none")]
    )
    assert nothing.exit_code == 1 and "no music" in nothing.stderr and ".musicxml" in nothing.stderr
    assert not (tmp_path / "none").exists()
    shutil.copy(folder / "broken.mid", tmp_path / "bad")
    nothing = CliRunner().invoke(
        main, ["encode", str(tmp_path / "bad"), "-o", str(tmp_path / "none")]
    )
    assert nothing.exit_code == 1 and "none of 1 files was kept" in nothing.stderr

    fewer = CliRunner().invoke(main, [args[0], str(folder / "0"), *args[2:]])
    assert (
        fewer.exit_code == 0
        and "pieces that were in" in fewer.stderr
        and "were dropped" in fewer.stderr
    )

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(ingesting, "write_index", interrupted)
    stopped = CliRunner().invoke(main, args)
    assert stopped.exit_code == 1 and "give the same command to go on" in stopped.stderr


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files(tmp_path):
    for seed in range(3000):
        tune(seed, 60).save(tmp_path / "music" / f"{seed % 30:02}" / f"{seed}.mid")
    code = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        import musegen.data.store.ingesting as ingesting
        from musegen import ingest
        ingesting.TOKENS_PER_SHARD = 100_000
        folders = [Path(sys.argv[1]) / f"{n:02}" for n in range(int(sys.argv[3]))]
        print(len(ingest(folders, sys.argv[2])), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """)
    peaks = []
    for folders, files in ((10, 1000), (30, 3000)):
        run = [
            sys.executable,
            "-c",
            code,
            tmp_path / "music",
            tmp_path / f"store{files}",
            str(folders),
        ]
        kept, peak = subprocess.run(run, check=True, capture_output=True, text=True).stdout.split()
        assert int(kept) == files
        peaks.append(int(peak))
    assert peaks[1] - peaks[0] < 3000  # kB, for 2000 files more
