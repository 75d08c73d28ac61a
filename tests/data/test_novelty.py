"""What music has in common with training pieces: found exactly, and never made up."""

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import (
    CheckpointError,
    Encoder,
    EncoderConfig,
    MidiError,
    MusegenError,
    Score,
    Track,
    ingest,
)
from musegen.cli.novelty import novelty
from musegen.data.novelty import FILE, Copied, Index, storage
from musegen.data.novelty.runs import Runs
from musegen.data.novelty.suffixes import Suffixes, ordered
from musegen.data.novelty.voices import NOTHING, symbols, voices
from musegen.evaluation.novelty import against, continuation, examine, index_checkpoint
from musegen.generation.compose_file import compose_file
from musegen.model.checkpoint import available
from musegen.score import midi
from musegen.score.columns import METER, TEMPO, columns, table
from tests.helpers import ROOT

EIGHTH = 240
LINE = EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0)


def line(intervals, rhythms, pitch=60, **fields):
    """A melody: onsets in twelfths of a quarter of 480 ticks."""
    pitches = np.cumsum([pitch, *intervals])
    onsets = np.cumsum([0, *rhythms]) * 40
    notes = [(at, 40, p, 80, 0) for at, p in zip(onsets.tolist(), pitches.tolist(), strict=True)]
    return Score(notes=notes, **{"tracks": [Track("Flute", 73)], **fields})


def wander(rng, notes, steps, rhythms=(3, 6, 12), pitch=60):
    """A random melody of these intervals, up and down, within an octave or so."""
    intervals, at = [], pitch
    for size in rng.choice(steps, notes - 1).tolist():
        intervals.append(-size if at > pitch else size)
        at += intervals[-1]
    return intervals, rng.choice(rhythms, notes - 1).tolist()


@pytest.fixture(scope="module")
def pieces():
    rng = np.random.default_rng(7)
    return [(f"tune{n}.mid", line(*wander(rng, 80, [1, 2, 3, 4, 5]))) for n in range(20)]


@pytest.fixture(scope="module")
def index(pieces):
    return Index.of(pieces)


def planted(pieces, which, first, count, pitch=60):
    """Music of intervals that no piece has, and in its middle some notes of one, in another key."""
    notes = pieces[which][1].notes[first : first + count]
    rng = np.random.default_rng(which)
    (before, slow), (after, quick) = (wander(rng, 20, [7, 8, 9]) for _ in range(2))
    own = np.diff(notes["pitch"].astype(int)).tolist(), (np.diff(notes["onset"]) // 40).tolist()
    return line([*before, 7, *own[0], -7, *after], [*slow, 5, *own[1], 5, *quick], pitch)


CHANGES = {
    "as it is": lambda score: score,
    "transposed": lambda score: score.transpose(3),
    "an octave lower": lambda score: score.transpose(-12),
    "another tempo": lambda score: replace(
        score, tempos=table(TEMPO, [(0, 250_000), (960, 777_777)])
    ),
    "other ticks": lambda score: Score(
        notes=columns(
            score.notes.dtype,
            **{
                **{name: score.notes[name] for name in ("pitch", "velocity", "track")},
                **{name: score.notes[name] // 40 * 8 for name in ("onset", "duration")},
            },
        ),
        tracks=score.tracks,
        ticks_per_quarter=96,
    ),
    "another track": lambda score: Score(
        notes=[
            *((at, 1900, 40, 80, 0) for at in range(0, 9600, 1920)),
            *((*n.tolist()[:4], 1) for n in score.notes),
        ],
        tracks=[Track("Bass", 33), Track("Oboe", 68)],
    ),
    "with drums": lambda score: Score(
        notes=[
            *((at, 120, 42, 80, 0) for at in range(0, 9600, 120)),
            *((*n.tolist()[:4], 1) for n in score.notes),
        ],
        tracks=[Track("Drums", 0, True), Track("Oboe", 68)],
    ),
    "with lower notes": lambda score: Score(
        notes=[
            *score.notes.tolist(),
            *((at, 9, 20, 80, 0) for at in score.notes["onset"].tolist()),
        ],
        tracks=score.tracks,
    ),
    "slightly off the grid": lambda score: Score(
        notes=columns(
            score.notes.dtype,
            **{
                **{name: score.notes[name] for name in score.notes.dtype.names},
                "onset": score.notes["onset"] + np.arange(len(score)) % 7,
            },
        ),
        tracks=score.tracks,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("which", "first", "count"), [(3, 10, 9), (11, 0, 40), (19, 40, 40), (0, 30, 6)]
)
def test_a_planted_copy_is_found_to_the_note(pieces, index, change, which, first, count):
    score = CHANGES[change](planted(pieces, which, first, count))
    found = index.longest(score)
    there = pieces[which][1]
    tick = np.cumsum(
        [
            0,
            *np.diff(
                np.unique(score.notes["onset"][score.notes["track"] == len(score.tracks) - 1])
            ),
        ]
    )[20]
    assert (found.notes, found.piece, found.pieces, found.of) == (count, f"tune{which}.mid", 1, 20)
    assert found.bar_there == there.notes["onset"][first] // 1920 + 1
    assert found.tick == tick and found.track == len(score.tracks) - 1
    assert found.bar_here == tick // (4 * score.ticks_per_quarter) + 1
    assert index.copied(score, at_least=count) == [found]


def test_one_note_that_differs_ends_a_run(pieces, index):
    score = planted(pieces, 5, 20, 30)
    for name, amount in (("pitch", 1), ("onset", 40)):
        notes = score.notes.copy()
        notes[name][20 + 17] += amount
        runs = [
            run.notes for run in index.copied(Score(notes=notes, tracks=score.tracks), at_least=9)
        ]
        assert runs == [17, 12]


def test_a_piece_is_its_own_copy_from_beginning_to_end(pieces, index):
    for name, score in pieces[:3]:
        assert index.longest(score) == Copied(80, name, 1, 1, 0, 0, 1, 20)
    long = line(*wander(np.random.default_rng(1), 700, [1, 2, 3, 4, 5]))
    assert Index.of([*pieces, ("long", long)]).longest(long.transpose(2)).notes == 700


def test_only_what_is_between_start_and_end_counts(pieces, index):
    score = pieces[4][1]
    onsets = score.notes["onset"].tolist()
    found = index.longest(score, onsets[30], onsets[45])
    assert (found.notes, found.tick, found.bar_here) == (15, onsets[30], onsets[30] // 1920 + 1)
    assert index.notes(score, onsets[30], onsets[45]) == 15
    assert index.longest(score, onsets[-1] + 1) == Copied(of=20)


def test_voices_do_not_run_into_each_other():
    (one, two), (fast, slow) = ([2, 3, 5, 1, 4], [-3, 2, -4, 5, 1]), ([6] * 5, [12] * 5)
    index = Index.of([("a", line(one, fast)), ("b", line(two, slow))])
    both = line([*one, 0, *two], [*fast, 0, *slow])
    assert index.longest(both).notes == 6
    parts = [
        (*n.tolist()[:4], t)
        for t, score in enumerate([line(one, fast), line(two, slow)])
        for n in score.notes
    ]
    assert [run.notes for run in index.copied(Score(notes=parts, tracks=[Track(), Track()]))] == [
        6,
        6,
    ]


@pytest.mark.parametrize(
    ("intervals", "rhythms"),
    [
        ([2] * 30, [6] * 30),
        ([0] * 30, [3] * 30),
        ([2, -2] * 15, [6] * 30),
        ([2, 2, 1] * 6, [6] * 18),
    ],
)
def test_dull_runs_do_not_count(intervals, rhythms):
    score = line(intervals, rhythms, 30)
    index = Index.of([("scale", score)])
    assert index.longest(score) == Copied(of=1)
    assert not index.longest(score)
    assert not index.run_lengths(intervals, rhythms).any()


def test_a_run_that_begins_dull_counts_in_full():
    index = Index.of([("a", line([2, 2, 2, 2, 5], [6] * 5))])
    assert index.longest(line([2, 2, 2, 2, 5, 9], [6] * 6)).notes == 0
    index = Index.of([("a", line([2, 2, 2, 2, 5, 1], [6] * 6))])
    assert index.longest(line([2, 2, 2, 2, 5, 1, 9], [6] * 7)).notes == 7
    assert index.run_lengths([2, 2, 2, 2, 5, 1, 9], [6] * 7).tolist() == [0, 0, 0, 0, 0, 0, 7, 0]


def test_many_pieces_with_a_run_are_counted():
    tune = line([2, 3, -1, 4], [6, 6, 3, 3])
    index = Index.of(
        [("a", line([1, 1, 1], [6] * 3)), ("b", tune), ("c", tune.transpose(1)), ("d", tune + tune)]
    )
    found = index.longest(tune)
    assert (found.piece, found.pieces, found.share) == ("b", 3, 0.75)


def test_bars_are_counted_as_musicians_do():
    tune = ([2, 3, -1, 4, 1, 5], [12] * 6)
    pickup = line(
        *tune,
        meters=columns(METER, tick=np.array([0, 480]), numerator=np.array([1, 4]), denominator=4),
    )
    resting = line(*tune).shift(1440)
    assert Index.of([("a", line(*tune))]).longest(pickup).bar_here == 0
    assert Index.of([("a", line(*tune))]).longest(line(*tune)).bar_here == 1
    assert Index.of([("a", resting)]).longest(line(*tune)).bar_there == 1
    after = Index.of([("a", line([7, *tune[0]], [48 * 3, *tune[1]]))]).longest(pickup)
    assert (after.bar_there, after.bar_here) == (4, 0)


def test_music_without_notes_copies_nothing_and_is_no_piece_to_copy(index):
    drums = Score(
        notes=[(0, 10, 40, 80, 0), (480, 10, 42, 80, 0)], tracks=[Track("Drums", 0, True)]
    )
    for score in (Score(), drums, line([], [])):
        assert index.longest(score) == Copied(of=20)
        assert index.copied(score) == []
    for pieces in (
        [],
        [("empty", Score())],
        [("one", line([], []))],
        [("a", line([], [])), ("b", line([], []))],
    ):
        empty = Index.of(pieces)
        assert not empty.longest(line([1, 2, 3, 4], [6, 3, 6, 3]))
        assert len(empty.names) == len(pieces)
    assert index.run_lengths([], []).tolist() == [0]


def test_performances_are_compared_in_time_and_as_one_voice():
    played = Encoder(EncoderConfig(encoding="performance"))
    tune = line([2, 3, -1, 4, 1, -5], [12, 6, 6, 12, 3, 9])
    index = Index.of([("a", played.quantise(tune))], played)
    assert index.played and index.longest(tune).notes == 7
    faster = Score(notes=tune.notes, tracks=tune.tracks, tempos=table(TEMPO, [(0, 400_000)]))
    assert index.longest(faster).notes < 7
    hands = [(*n.tolist()[:4], number % 2) for number, n in enumerate(tune.notes)]
    assert index.longest(Score(notes=hands, tracks=[Track(), Track()])).notes == 7
    assert Index.of([("a", tune)]).longest(Score(notes=hands, tracks=[Track(), Track()])).notes < 7


# --- against the plainest way to do it


def found_in(run, corpus):
    return [
        n
        for n, piece in enumerate(corpus)
        if any(piece[at : at + len(run)] == run for at in range(len(piece) - len(run) + 1))
    ]


def plain_ending(query, corpus):
    """For each note the longest run that ends there, counted in notes."""
    out = [0]
    for end in range(1, len(query) + 1):
        runs = (query[start:end] for start in range(end))
        out.append(
            next((len(run) + 1 for run in runs if len(set(run)) > 2 and found_in(run, corpus)), 0)
        )
    return out


def plain_maximal(query, corpus):
    """Every run that counts and is in no longer one: its beginning, notes, and pieces."""
    spans = [
        (a, b)
        for a in range(len(query))
        for b in range(a + 1, len(query) + 1)
        if found_in(query[a:b], corpus)
    ]
    best = [
        (a, b)
        for a, b in spans
        if not any((c, d) != (a, b) and c <= a and b <= d for c, d in spans)
    ]
    return [
        (a, b - a + 1, found_in(query[a:b], corpus)) for a, b in best if len(set(query[a:b])) > 2
    ]


melodies = st.lists(st.tuples(st.sampled_from([-1, 0, 2]), st.sampled_from([6, 12])), max_size=24)


@settings(max_examples=300, deadline=None)
@given(st.lists(melodies, min_size=1, max_size=5), melodies)
def test_runs_are_those_of_the_plain_quadratic_search(corpus, query):
    scores = [line([i for i, _ in tune], [r for _, r in tune]) for tune in corpus]
    index = Index.of((str(number), score) for number, score in enumerate(scores))
    intervals, rhythms = (np.array([pair[column] for pair in query], int) for column in (0, 1))
    assert index.run_lengths(intervals, rhythms).tolist() == plain_ending(query, corpus)
    expected = plain_maximal(query, corpus)
    here = np.cumsum([0, *rhythms]) * 40
    runs = index.copied(line(intervals.tolist(), rhythms.tolist()))
    assert [(run.tick, run.notes, run.pieces, run.piece) for run in runs] == [
        (here[at], notes, len(owners), str(owners[0])) for at, notes, owners in expected
    ]
    longest = index.longest(line(intervals.tolist(), rhythms.tolist()))
    assert longest.notes == max((notes for _, notes, _ in expected), default=0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([NOTHING, 1, 2, 300]), max_size=70))
def test_the_suffix_array_is_sorted(text):
    order = ordered(np.array(text, np.uint16)).tolist()
    assert sorted(order) == list(range(len(text)))
    suffixes = [text[at:] + [0] * at for at in order]
    assert suffixes == sorted(suffixes)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([1, 2]), max_size=300),
    st.lists(st.sampled_from([1, 2]), max_size=200),
    st.integers(0, 99),
)
def test_long_stretches_are_measured_and_located(text, query, cut):
    query = query + text[cut : cut + 150]
    suffixes = Suffixes(np.array(text, np.uint16), ordered(np.array(text, np.uint16)))
    where = "".join(map(str, text))
    wanted = "".join(map(str, query))
    lengths = suffixes.longest(np.array(query, np.uint16)).tolist()
    for at, length in enumerate(lengths):
        assert wanted[at : at + length] in where
        assert at + length == len(wanted) or wanted[at : at + length + 1] not in where
    for size in (1, 3, 4, 5, 8):
        stretch = wanted[:size]
        places = [at for at in range(len(where)) if where.startswith(stretch, at)]
        if stretch:
            assert sorted(suffixes.places(np.array(query[:size], np.uint16)).tolist()) == places


def test_symbols_are_all_different_and_never_nothing():
    intervals, rhythms = (
        grid.ravel() for grid in np.meshgrid(np.arange(-127, 128), np.arange(255))
    )
    found = symbols(intervals, rhythms)
    assert len(np.unique(found)) == len(found) and found.min() > NOTHING and found.max() < 0xFFFF
    assert symbols(np.array([127]), np.array([5000])).tolist() == [0xFFFE]


def test_a_voice_is_the_highest_note_of_each_step_and_track():
    chords = [
        (0, 10, 60, 80, 0),
        (0, 10, 67, 80, 0),
        (480, 10, 62, 80, 0),
        (484, 10, 50, 80, 0),
        (480, 10, 40, 80, 1),
    ]
    found = voices(Score(notes=chords, tracks=[Track(), Track()]), 12, played=False)
    assert found.symbol.tolist() == [NOTHING, *symbols(np.array([-5]), np.array([12])), NOTHING]
    assert (found.tick.tolist(), found.track.tolist()) == ([0, 480, 480], [0, 0, 1])


def test_run_lengths_end_where_runs_do(index, pieces):
    rng = np.random.default_rng(5)
    for _ in range(50):
        intervals, rhythms = wander(rng, 100, [1, 2, 3, 4, 5])
        symbol = symbols(np.array(intervals), np.array(rhythms))
        runs = Runs.of(symbol, index._suffixes.longest(symbol))
        lengths = index.run_lengths(np.array(intervals), np.array(rhythms))
        counting = runs.counts
        ends = (runs.start + runs.length)[counting]
        assert lengths[ends].tolist() == (runs.length[counting] + 1).tolist()
        assert (
            np.diff(lengths)[lengths[:-1] > 0] <= 1
        ).all()  # a run grows note by note, once it counts


# --- of tokens, and on the disk


@pytest.fixture(scope="module")
def store(tmp_path_factory, pieces):
    folder = tmp_path_factory.mktemp("music")
    for name, score in pieces:
        score.save(folder / name)
    return ingest([folder], tmp_path_factory.mktemp("stores") / "store", Encoder(LINE))


def test_tokens_make_the_index_that_scores_make(store, pieces, index):
    made = Index.of_tokens(store, store.encoder)
    assert [Path(name).name for name in made.names] == sorted(name for name, _ in pieces)
    for name, score in pieces[:5]:
        found = made.longest(score)
        assert (found.notes, Path(found.piece).name) == (80, name)
    train = against(store.path)
    assert len(train.names) == train.in_all == len(store.split("train")) < 20
    assert len(against(store.path, "all").names) == 20


class Counting:
    """A store that knows how often it was read."""

    def __init__(self, store):
        self.store, self.names, self.read = store, store.names * 100, 0

    def tokens(self, index):
        self.read += 1
        return self.store.tokens(index % len(self.store))


def test_of_too_many_pieces_a_part_is_read_and_the_index_says_so(store):
    source = Counting(store)
    made = Index.of_tokens(source, store.encoder, most=1000)
    assert made.partial and made.in_all == 2000 and len(made.names) == 12 and len(made) == 960
    assert source.read <= 256
    again = Index.of_tokens(source, store.encoder, most=1000)
    assert again.names == made.names and np.array_equal(again.kept.text, made.kept.text)
    assert "12 of 2000 pieces" in repr(made)


def test_what_is_saved_is_loaded(index, pieces, tmp_path):
    index.save(tmp_path / FILE)
    for path in (tmp_path, tmp_path / FILE):
        loaded = Index.load(path)
        for name, value in index.kept._asdict().items():
            assert np.array_equal(getattr(loaded.kept, name), value), name
        score = planted(pieces, 6, 11, 13)
        assert loaded.longest(score) == index.longest(score)
    empty = Index.of([])
    empty.save(tmp_path / "empty.npz")
    assert Index.load(tmp_path / "empty.npz").names == []


def test_a_file_that_is_damaged_or_foreign_is_refused_with_a_remedy(index, tmp_path):
    path = tmp_path / FILE
    with pytest.raises(CheckpointError, match=r"does not exist.*--index"):
        Index.load(path)
    foreign = {"text": b"hello", "empty": b"", "zip": b"PK\x03\x04" + bytes(50)}
    for content in foreign.values():
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"damaged.*--index"):
            Index.load(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(CheckpointError, match="damaged"):
        Index.load(path)
    np.savez(path, facts=np.array([{}], object))
    with pytest.raises(CheckpointError, match="damaged"):
        Index.load(path)


def test_every_damage_is_found_or_harmless(index, tmp_path):
    path = tmp_path / FILE
    index.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(150):
        broken = bytearray(whole)
        if trial % 3:
            broken[rng.integers(len(broken))] ^= int(rng.integers(1, 256))
        else:
            del broken[rng.integers(len(broken)) :]
        path.write_bytes(broken)
        try:
            loaded = Index.load(path)
        except CheckpointError:
            refused += 1
        else:  # a byte that nobody reads, as those of a date
            assert np.array_equal(loaded.kept.text, index.kept.text)
    assert refused > 130


WRONG = {
    "another format": {"facts": lambda facts: facts | {"format": 2}},
    "no facts": {"facts": lambda facts: {}},
    "a list": {"facts": lambda facts: [1]},
    "a grid of nothing": {"facts": lambda facts: facts | {"steps_per_quarter": 0}},
    "fewer rhythms": {"rhythm": lambda column: column[1:]},
    "wide intervals": {"interval": lambda column: column.astype(np.int64)},
    "places behind the end": {"order_2": lambda column: column + 1},
    "places before the beginning": {"order_3": lambda column: column + 255},
    "a name too many": {"names": lambda column: np.append(column, np.uint8(10))},
    "no such text": {"names": lambda column: np.append(column, np.uint8(200))[1:]},
    "negative lengths": {
        "lengths": lambda column: column * np.where(np.arange(len(column)) == 0, -1, 1).astype("i4")
    },
}


@pytest.mark.parametrize("wrong", WRONG)
def test_arrays_that_do_not_fit_are_refused(index, tmp_path, wrong):
    path = tmp_path / FILE
    index.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    for name, change in WRONG[wrong].items():
        if name == "facts":
            changed = json.dumps(change(json.loads(arrays[name].tobytes()))).encode()
            arrays[name] = np.frombuffer(changed, np.uint8)
        else:
            arrays[name] = change(arrays[name])
    np.savez_compressed(path, **arrays)
    if wrong == "no such text":
        Index.load(path)  # names of files need not be UTF-8
        return
    with pytest.raises(CheckpointError, match=r"novelty\.npz.*--index"):
        Index.load(path)


def test_a_small_file_of_gigabytes_is_refused(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / FILE, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("facts.npy", "w") as file,
    ):
        for _ in range(17):
            file.write(bytes(2**24))
    with pytest.raises(CheckpointError, match="at most"):
        Index.load(tmp_path)


def test_an_index_that_cannot_be_written_says_so(index, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MusegenError, match="cannot write"):
        index.save(tmp_path / "file" / FILE)
    index.save(tmp_path / FILE)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


# --- files and the command


def run(*args):
    return CliRunner().invoke(novelty, [str(arg) for arg in args], standalone_mode=False)


def invoke(*args):
    return CliRunner().invoke(novelty, [str(arg) for arg in args])


def test_the_command_says_what_is_copied_from_where(store, pieces, tmp_path):
    name = store.names[int(store.split("train")[0])]
    which = int(Path(name).stem[4:])
    score = planted(pieces, which, 16, 14)
    score.save(tmp_path / "mine.mid")
    done = invoke(tmp_path / "mine.mid", "--against", store.path)
    assert done.exit_code == 0
    cells = done.output.splitlines()[1].split()
    there = pieces[which][1].notes["onset"][16] // 1920 + 1
    bar = score.notes["onset"][20] // 1920 + 1
    assert cells[1:] == ["14", str(bar), name, str(there), "0", str(len(score))]
    assert "other runs" not in done.output
    plain = json.loads(
        invoke(tmp_path / "mine.mid", "-a", store.path, "--json", "--at-least", 10).output
    )
    assert plain["longest"] == plain["runs"][0] and plain["longest"]["notes"] == 14
    assert (plain["notes"], plain["from_bar"], plain["continuation"]) == (len(score), 1, False)
    short = json.loads(
        invoke(tmp_path / "mine.mid", "-a", store.path, "--json", "--to-bar", 1).output
    )
    assert short["longest"]["notes"] < 14 and short["runs"] == []


def test_a_file_that_fails_stops_no_other(store, pieces, tmp_path):
    pieces[0][1].save(tmp_path / "good.mid")
    (tmp_path / "bad.mid").write_bytes(b"no music")
    done = invoke(tmp_path / "bad.mid", tmp_path / "good.mid", "-a", store.path)
    assert done.exit_code == 1 and "Error: " in done.stderr and "good.mid" in done.stdout
    lines = invoke(
        tmp_path / "bad.mid", tmp_path / "good.mid", "-a", store.path, "--json"
    ).stdout.splitlines()
    assert "error" in json.loads(lines[0]) and "longest" in json.loads(lines[1])
    beyond = invoke(tmp_path / "good.mid", "-a", store.path, "--from-bar", 999)
    assert beyond.exit_code == 1 and "bars must be among the piece's, 1 to" in beyond.stderr


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("x.mid",),
        ("x.mid", "-a", "y", "--index", "z"),
        ("-a", "y"),
        ("x.mid", "-a", "y", "--whole", "--from-bar", "3"),
        ("--index", "z", "-a", "y", "--split", "all"),
    ],
)
def test_wrong_usage_is_exit_code_2(args):
    assert invoke(*args).exit_code == 2


def test_what_is_no_store_and_no_checkpoint_is_an_error_with_a_remedy(checkpoints, tmp_path):
    for where, said in ((tmp_path, "checkpoint must be"), (checkpoints["line"].path, "--index")):
        with pytest.raises(CheckpointError, match=said):
            against(where)
    with pytest.raises(CheckpointError, match="Leave --split out"):
        against("folk", "train")


def test_of_a_continuation_only_what_was_added_counts(checkpoints, pieces, index, tmp_path):
    pieces[2][1].save(tmp_path / "tune.mid")
    output, made, _ = compose_file(
        tmp_path / "tune.mid", None, checkpoints["line"].path, bars=4, seed=1
    )
    assert continuation(midi.load_mido(output)) == made.start
    found = examine(output, index)
    assert found.continued and found.start == made.start and found.longest.notes < 20
    assert found.notes == index.notes(made.score, made.start)
    assert found.longest == index.longest(made.score, made.start)
    whole = examine(output, index, whole=True)
    assert not whole.continued and whole.longest.notes >= 80 and whole.start == 0
    named = examine(output, index, (1, 2))
    assert not named.continued and named.notes < 80
    with pytest.raises(MidiError, match="a pickup being 0"):
        examine(output, index, (5, 2))


def test_a_checkpoint_gets_an_index_once_and_of_its_own_encoding(store, checkpoints, tmp_path):
    from tests.helpers import make_checkpoint

    made = make_checkpoint(tmp_path / "mine", LINE)
    done = invoke("--index", made.path, "--against", store.path)
    assert done.exit_code == 0 and f"{len(store.split('train'))} training pieces" in done.output, (
        done.output
    )
    assert against(made.path).names == against(store.path).names
    with pytest.raises(MusegenError, match="--force"):
        index_checkpoint(made.path, store.path)
    assert run("--index", made.path, "--against", store.path, "--force").exception is None
    with pytest.raises(CheckpointError, match="encoded with other settings: parts"):
        index_checkpoint(checkpoints["parts"].path, store.path)


def test_an_index_of_other_music_is_doubted(store, tmp_path):
    from tests.helpers import make_checkpoint

    made = make_checkpoint(tmp_path / "mine", LINE)
    config = json.loads((made.path / "config.json").read_text())
    config["training"] = {"data": {"train": {"pieces": 1000}}}
    (made.path / "config.json").write_text(json.dumps(config))
    found, doubt = index_checkpoint(made.path, store.path)
    assert "was trained on 1000 pieces" in doubt
    assert found.partial and Index.load(made.path).in_all == 1000


@pytest.mark.parametrize("name", ["chorales", "folk", "folk-infill"])
def test_shipped_checkpoints_know_their_training_pieces_and_none_held_out(name):
    path = available()[name]
    data = json.loads((path / "config.json").read_text())["training"]["data"]
    index = Index.load(path)
    held = {*data["held_out"]["validation"], *data["held_out"]["test"]}
    assert index.in_all == data["train"]["pieces"] and not held & set(index.names)
    assert len(index.names) > 0.99 * index.in_all
    assert (path / FILE).stat().st_size < 1_500_000
    assert index.steps_per_quarter == 12 and not index.played


def test_a_tune_that_everybody_knows_is_found_in_folk():
    found = Index.load(available()["folk"]).longest(
        midi.read(ROOT / "midi_data" / "seeds" / "drowsy_maggie.mid")
    )
    assert "drowsy-maggie" in found.piece and found.notes > 50 and found.pieces == 1


def test_neither_keras_nor_the_composer_is_imported():
    code = (
        "import sys, musegen.data.novelty, musegen.evaluation.novelty; "
        "heavy = {'keras', 'tensorflow', 'musegen.generation.composer', 'musegen.training'}; "
        "print(heavy & {*sys.modules})"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "set()\n"
    )


@pytest.mark.slow
def test_training_leaves_the_index_of_what_was_trained_on(store, tmp_path):
    from musegen import ModelConfig, TrainingConfig, train
    from musegen.encoding.vocabulary import Vocabulary

    model = ModelConfig(len(Vocabulary(LINE)), cell="gru", layers=1, units=8, embedding=4)
    config = TrainingConfig(sequence_length=16, batch_size=4, epochs=1)
    made, data = train([store.path], tmp_path / "made", Encoder(LINE), model, config)
    index = Index.load(made.path)
    assert index.names == data.train.names and not index.partial
    assert not {*data.test.names, *data.validation.names} & set(index.names)


def test_steps_are_those_of_the_encoding(tmp_path):
    coarse = Encoder(EncoderConfig(**{**LINE.to_dict(), "steps_per_quarter": 4}))
    tune = line([2, 3, -1, 4, 1, -5], [12, 3, 3, 6, 9, 3])
    index = Index.of([("a", coarse.quantise(tune))], coarse)
    assert index.steps_per_quarter == 4 and index.longest(tune).notes == 7
    assert index.run_lengths([2, 3, -1], [4, 1, 1]).tolist() == [0, 0, 0, 4]
    index.save(tmp_path / FILE)
    assert Index.load(tmp_path).steps_per_quarter == 4
    assert storage.STEPS == EncoderConfig().steps_per_quarter


def test_a_file_without_notes_copies_nothing(index, tmp_path):
    Score(end=480).save(tmp_path / "rest.mid")
    found = examine(tmp_path / "rest.mid", index)
    assert (found.notes, found.longest, found.runs, found.bar) == (0, Copied(of=20), (), 1)
