"""A batch is what its plan says, however it is made, stopped and made again."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from musegen import Score, Track
from musegen.batch import (
    Plan,
    Primer,
    Rank,
    derived_seed,
    parse_sweeps,
    planned,
    ranking,
    replay,
    run,
    runner,
)
from musegen.batch.manifest import Manifest
from musegen.batch.plan import chunks, even
from musegen.batch.primers import walked
from musegen.cli.batch import batch
from musegen.errors import CheckpointError, ConfigError, MusegenError
from musegen.generation.compose import compose_file
from musegen.generation.request import Request
from musegen.score.measures import near_duplicates
from tests.helpers import ROOT, make_checkpoint

TUNES = {"a": (60, 64, 67, 72), "b": (62, 65, 69, 74, 77), "c": (55, 59, 62)}


@pytest.fixture()
def primers(tmp_path):
    """A folder of three tunes."""
    (tmp_path / "tunes").mkdir()
    for name, pitches in TUNES.items():
        notes = [(480 * at, 480, pitch, 80, 0) for at, pitch in enumerate(pitches)]
        Score(notes=notes, tracks=[Track("Flute", 73)]).save(tmp_path / "tunes" / f"{name}.mid")
    return tmp_path / "tunes"


@pytest.fixture()
def line(checkpoints):
    return checkpoints["line"].path


def rows_of(folder):
    """The rows of a manifest without the time that pieces took, which is all that may differ."""
    rows = [json.loads(text) for text in (folder / "manifest.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "took"} for row in rows]


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.mid"))}


def made(
    sources,
    folder,
    line,
    *,
    workers=1,
    size=64,
    keep=None,
    rank=None,
    force=False,
    on_progress=None,
    **options,
):
    options = {"count": 7, "seed": 3, "bars": 2, "checkpoint": line, **options}
    plan = planned(sources, folder, force=force, **options)
    progress = {"on_progress": on_progress} if on_progress else {}
    return run(
        plan,
        workers=workers,
        size=size,
        keep=keep,
        rank=rank and Rank.parse(rank),
        force=force,
        **progress,
    )


def command(*arguments):
    """What `musegen batch` prints and its exit code."""
    outcome = CliRunner().invoke(
        batch, [str(argument) for argument in arguments], catch_exceptions=True
    )
    if isinstance(outcome.exception, MusegenError):  # the group turns it into exit code 1
        return 1, str(outcome.exception), ""
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome.exit_code, outcome.stdout, outcome.stderr


# ---------------------------------------------------------------- the plan


@given(st.integers(0, 2**40), st.integers(0, 2**31 - 300))
def test_pieces_of_a_batch_have_different_seeds(seed, first):
    seeds = [derived_seed(seed, index) for index in range(first, first + 300)]
    assert len(set(seeds)) == 300 and 0 <= min(seeds) and max(seeds) < 2**31


def test_seeds_stay_what_they_are():
    assert [derived_seed(0, index) for index in range(3)] == [
        int((a + (b | 1) * index) % 2**31)
        for a, b in [map(int, np.random.SeedSequence(0).generate_state(2))]
        for index in range(3)
    ]
    assert [derived_seed(7, index) for index in (0, 1, 2, 10**6)] == SEEDS_OF_7


SEEDS_OF_7 = [2083679832, 1728275801, 1372871770, 153972888]


def plan_of(primers, count, points):
    sweep = {"temperature": [0.5 + 0.1 * point for point in range(points)]} if points else {}
    stems = [f"{chr(97 + index % 26)}{index}" for index in range(primers)]
    return Plan(
        Path("/x"),
        tuple(Primer(f"{stem}.mid", "0", f"model{len(stem) % 2}") for stem in stems),
        count,
        1,
        {"bars": 4, "temperature": 1.0},
        sweep,
    )


@given(st.integers(1, 30), st.integers(1, 400), st.integers(0, 5), st.integers(1, 70), st.data())
def test_primers_and_points_come_in_turn_and_each_piece_once(primers, count, points, size, data):
    plan = plan_of(primers, count, points)
    items = [plan.item(index) for index in range(count)]
    assert [item.primer for item in items] == [
        plan.primers[index % primers] for index in range(count)
    ]
    turns = [item.options["temperature"] for item in items]
    expected = plan.sweep.get("temperature", [1.0])
    assert turns == [expected[index // primers % len(expected)] for index in range(count)]
    assert len({item.file for item in items}) == count
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    some = list(chunks(plan, wanted, size))
    assert sorted(item.index for chunk in some for item in chunk) == wanted.nonzero()[0].tolist()
    assert all(
        len(chunk) <= size and len({item.primer.checkpoint for item in chunk}) == 1
        for chunk in some
    )


@given(st.integers(1, 5000), st.integers(1, 16))
def test_work_is_shared_evenly(total, workers):
    size = even(total, workers)
    assert 1 <= size <= 64
    rounds = -(-total // size)
    assert rounds <= workers * -(-total // (64 * workers))
    assert total < workers or size * workers < total + 64 * workers


def test_a_plan_is_read_back():
    plan = plan_of(3, 9, 2)
    assert Plan.from_dict(plan.folder, json.loads(json.dumps(plan.to_dict()))) == plan


def test_sweeps():
    sweep = parse_sweeps(
        ["temperature=0.7:1.2:0.1", "top-k=0,20", "key=auto,C:minor", "bars=4:8:4", "inject=true"]
    )
    assert sweep == {
        "temperature": [0.7, 0.8, 0.9, 1.0, 1.1, 1.2],
        "top_k": [0, 20],
        "key": ["auto", "C:minor"],
        "bars": [4, 8],
        "inject": [True],
    }
    assert [type(value) for value in sweep["bars"]] == [int, int]
    assert parse_sweeps(["density=4:8,2:6"]) == {"density": ["4:8", "2:6"]}


@pytest.mark.parametrize(
    "texts",
    [
        ["temperature"],
        ["=1"],
        ["temperature="],
        ["temperature=1.2:0.7:0.1"],
        ["temperature=0:1:0"],
        ["seed=1,2"],
        ["top_p=0.9", "top-p=0.8"],
        ["temperature=0:1:0.0000001"],
        ["x=[1]"],
    ],
)
def test_sweeps_that_are_none(texts):
    with pytest.raises(ConfigError, match="Received"):
        parse_sweeps(texts)


def test_counts(primers, tmp_path, line):
    grid = parse_sweeps(["temperature=0.8,1.0", "top_k=0:20:10"])
    counts = {
        how: planned(
            [primers], tmp_path / "out", checkpoint=line, sweep=grid, **dict([how] if how else [])
        ).count
        for how in [("per_primer", 5), ("count", 4), None]
    }
    assert counts == {("per_primer", 5): 15, ("count", 4): 4, None: 3 * 2 * 3}
    assert planned([primers], tmp_path / "out", checkpoint=line).count == 3
    plan = planned([primers], tmp_path / "out", checkpoint=line, sweep=grid)
    points = [
        tuple(plan.item(index).options[name] for name in ("temperature", "top_k"))
        for index in range(0, 18, 3)
    ]
    assert points == [(t, k) for t in (0.8, 1.0) for k in (0, 10, 20)]
    with pytest.raises(ConfigError, match="count or per_primer"):
        planned([primers], tmp_path / "out", count=1, per_primer=1)


@pytest.mark.parametrize(
    ("sweep", "options"),
    [
        ({"temperature": [1.0, -1.0]}, {}),
        ({"temprature": [1]}, {}),
        ({}, {"top_p": 2.0}),
        ({}, {"key": "H:major"}),
        ({"range": ["C3:C6", "C6:C3"]}, {}),
    ],
)
def test_options_are_tried_before_anything_is_made(primers, tmp_path, line, sweep, options):
    with pytest.raises(ConfigError):
        planned([primers], tmp_path / "out", checkpoint=line, sweep=sweep, **options)
    assert not (tmp_path / "out").exists()


def test_folders_patterns_and_names_are_primers_once_and_in_order(primers):
    def names(*sources, output=primers.parent / "out"):
        return [Path(path).name for path in walked(sources, output)]

    assert names(primers / "c.mid", f"{primers.parent}/t*s/[ab].mid", primers) == [
        "c.mid",
        "a.mid",
        "b.mid",
    ]
    assert names(f"{primers.parent}/**") == ["a.mid", "b.mid", "c.mid"]
    assert names(primers / "none.mid") == ["none.mid"]
    for nothing in (f"{primers}/*.kar", primers.parent / "empty"):
        (primers.parent / "empty").mkdir(exist_ok=True)
        with pytest.raises(MusegenError, match="no music"):
            names(nothing)


def test_a_batch_does_not_continue_itself(primers, tmp_path, line):
    out = primers / "pieces"
    arguments = (
        primers,
        "-o",
        out,
        "--per-primer",
        1,
        "--bars",
        1,
        "--seed",
        2,
        "--checkpoint",
        line,
        "--workers",
        1,
    )
    assert command(*arguments)[0] == 0 and len(files_of(out)) == 3
    code, text, _ = command(*arguments)
    assert code == 0 and "0 pieces made, 3 were there before" in text
    code, error, _ = command(primers, "-o", primers, "--bars", 1, "--checkpoint", line)
    assert code == 1 and "primers must not lie in the folder of the batch" in error
    assert sorted(path.name for path in primers.iterdir()) == ["a.mid", "b.mid", "c.mid", "pieces"]
    assert command(primers / "a.mid", "-o", primers, "--bars", 1, "--checkpoint", line)[0] == 0


# ---------------------------------------------------------------- what is made


def test_the_same_bytes_for_any_size_and_number_of_workers_and_as_single_runs(
    primers, tmp_path, line
):
    ways = {"one": (1, 1), "three": (1, 3), "many": (1, 64), "two": (2, 2)}
    for name, (workers, size) in ways.items():
        report = made([primers], tmp_path / name, line, workers=workers, size=size, temperature=1.2)
        assert (report.made, report.failed) == (7, 0)
    rows, files = rows_of(tmp_path / "one"), files_of(tmp_path / "one")
    assert len(files) == 7 and [row["index"] for row in rows] == list(range(7))
    for name in ways:
        assert rows_of(tmp_path / name) == rows
        assert files_of(tmp_path / name) == files
    for row in rows:
        primer = (tmp_path / "one" / row["primer"]).resolve()
        alone = tmp_path / "alone" / row["file"]
        _, composition, _ = compose_file(primer, alone, line, seed=row["seed"], **row["options"])
        assert alone.read_bytes() == files[row["file"]]
        assert row["notes"] == len(composition.added)
        assert row["nats_per_note"] == pytest.approx(composition.nats_per_note, abs=1e-6)
    assert len({row["seed"] for row in rows}) == 7


def test_a_longer_batch_begins_with_the_shorter_one(primers, tmp_path, line):
    made([primers], tmp_path / "short", line, count=2)
    made([primers], tmp_path / "long", line, count=5)
    assert files_of(tmp_path / "short").items() <= files_of(tmp_path / "long").items()


def test_a_row_says_what_there_is_to_know(primers, tmp_path, line):
    made([primers], tmp_path / "out", line, sweep={"temperature": [0.5, 1.5]})
    rows = rows_of(tmp_path / "out")
    assert [row["options"]["temperature"] for row in rows] == [0.5] * 3 + [1.5] * 3 + [0.5]
    assert [Path(row["primer"]).name for row in rows] == ["a.mid", "b.mid", "c.mid"] * 2 + ["a.mid"]
    row = rows[4]
    assert row["primer"] == "../tunes/b.mid" and row["file"] == "00004-b.mid"
    assert row["options"].keys() == Request(None).to_dict().keys() - {"seed"}
    assert row["bars"] == 2 and row["start"] == 2 * 4 * 480 and row["duration"] == 4.0
    assert row["novelty"] is None and "error" not in row
    assert row["measures"]["notes_per_bar"] == row["notes"] / 2
    assert 0 <= row["similarity_to_primer"] <= 1
    assert {len(row[name]) for name in ("sha256", "primer_sha256", "checkpoint_sha256")} == {64}
    assert not list((tmp_path / "out").glob(".*-*"))


def test_new_pieces(tmp_path, line):
    report = made([], tmp_path / "out", line, count=3)
    rows = rows_of(tmp_path / "out")
    assert report.made == 3 and [row["file"] for row in rows] == [
        f"0000{index}-line.mid" for index in range(3)
    ]
    assert all(row["primer"] is None and row["similarity_to_primer"] is None for row in rows)
    compose_file(None, tmp_path / "alone.mid", line, seed=rows[1]["seed"], **rows[1]["options"])
    assert (tmp_path / "alone.mid").read_bytes() == files_of(tmp_path / "out")["00001-line.mid"]


def test_auto_takes_the_checkpoint_that_knows_each_primer_best(tmp_path):
    seeds = ROOT / "midi_data" / "seeds"
    code, out, _ = command(
        seeds / "amazing_grace.mid",
        seeds / "old_hundredth.mid",
        "-o",
        tmp_path / "out",
        "--bars",
        1,
        "--seed",
        1,
        "--per-primer",
        2,
        "--workers",
        1,
        "--json",
    )
    assert code == 0
    report = json.loads(out)
    assert (report["made"], report["failed"], report["seed"], report["kept"]) == (4, 0, 1, None)
    rows = rows_of(tmp_path / "out")
    assert [row["checkpoint"] for row in rows] == ["folk", "chorales"] * 2
    assert all(row["novelty"]["notes"] >= 0 and row["novelty"]["of"] > 100 for row in rows)
    compose_file(seeds / "old_hundredth.mid", tmp_path / "x.mid", seed=rows[3]["seed"], bars=1)
    assert (tmp_path / "x.mid").read_bytes() == (tmp_path / "out" / rows[3]["file"]).read_bytes()


# ---------------------------------------------------------------- what fails


def test_a_broken_primer_stops_nothing_and_is_tried_again(primers, tmp_path, line):
    (primers / "b.mid").write_bytes(b"MThd no more")
    arguments = (
        primers,
        tmp_path / "none.mid",
        "-o",
        tmp_path / "out",
        "--count",
        8,
        "--bars",
        1,
        "--seed",
        2,
        "--checkpoint",
        line,
        "--workers",
        1,
    )
    code, out, errors = command(*arguments)
    assert (
        code == 1 and "4 pieces made" in out and "4 pieces failed" in errors and "b.mid" in errors
    )
    rows = rows_of(tmp_path / "out")
    failed = [row for row in rows if "error" in row]
    assert [piece.index for piece in replay(tmp_path / "out" / "manifest.jsonl")] == [0, 2, 4, 6]
    assert [row["index"] for row in failed] == [1, 3, 5, 7]
    assert all("b.mid" in row["error"] or "none.mid" in row["error"] for row in failed)
    assert sorted(files_of(tmp_path / "out")) == [
        f"0000{i}-{n}.mid" for i, n in ((0, "a"), (2, "c"), (4, "a"), (6, "c"))
    ]
    tune = (primers / "a.mid").read_bytes()
    (primers / "b.mid").write_bytes(tune)
    (tmp_path / "none.mid").write_bytes(tune)
    code, out, _ = command(*arguments)
    assert code == 0 and "4 pieces made, 4 were there before" in out
    assert len(files_of(tmp_path / "out")) == 8 and not any(
        "error" in row for row in rows_of(tmp_path / "out")
    )


def test_a_primer_that_a_model_cannot_read_fails_alone(primers, tmp_path, line):
    drums = Score(notes=[(0, 480, 36, 80, 0)], tracks=[Track("Drums", 0, is_drum=True)])
    drums.save(primers / "d.mid")
    report = made([primers], tmp_path / "out", line, count=8)
    assert (report.made, report.failed) == (6, 2) and [index for index, _ in report.errors] == [
        3,
        7,
    ]


def test_rows_that_are_damaged_are_named_by_a_replay(primers, tmp_path, line):
    made([primers], tmp_path / "out", line, count=4)
    manifest = tmp_path / "out" / "manifest.jsonl"
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([lines[0], "garbage", '{"index": 2}', lines[3], "torn"]))
    code, out, errors = command("--replay", manifest, "--workers", 1)
    assert code == 1 and out.count("the same, to the bit") == 2
    assert (
        "line 2 of manifest.jsonl is damaged" in errors and "piece 2: the row is damaged" in errors
    )
    assert "line 5" not in errors


def deadly(plan, folder, items):
    """As `make`, but for a piece that a process dies on."""
    from musegen.batch.making import make

    if any(item.index == 1 for item in items):
        os.kill(os.getpid(), signal.SIGKILL)
    return make(plan, folder, items)


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
def test_a_piece_that_kills_its_process_fails_alone(primers, tmp_path, line, monkeypatch):
    monkeypatch.setattr(runner, "make", deadly)
    report = made([primers], tmp_path / "out", line, workers=2, size=2, count=3)
    assert (report.made, report.failed) == (2, 1)
    assert [row["index"] for row in rows_of(tmp_path / "out") if "error" in row] == [1]
    monkeypatch.undo()
    assert made([primers], tmp_path / "out", line, count=3).made == 1
    made([primers], tmp_path / "whole", line, count=3)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "whole")


def test_a_fault_of_ours_costs_its_piece_alone(primers, tmp_path, line, monkeypatch):
    from musegen.batch import making

    def faulty(source, composition, only):
        if composition.seed == derived_seed(3, 2):
            raise ZeroDivisionError("oh")
        return rendered(source, composition, only)

    rendered = making.rendered
    monkeypatch.setattr(making, "rendered", faulty)
    report = made([primers], tmp_path / "out", line)
    assert report.made == 6
    assert report.errors == [(2, "it failed, which should not happen: ZeroDivisionError: oh")]


# ---------------------------------------------------------------- stopped, and run again

RUN = """
    import os, signal, sys
    from musegen.batch import planned, run
    from musegen.batch.manifest import Manifest

    if __name__ == "__main__":
        tunes, folder, model, moment, place, workers = sys.argv[1:]
        moment, add = int(moment), Manifest.add

        def dying(self, rows):
            global moment
            moment -= 1
            if moment == 0 and place == "torn":
                add(self, rows)
                self.close()
                with open(self.path, "r+b") as file:
                    file.truncate(os.path.getsize(self.path) - 20)
            if moment == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            add(self, rows)

        Manifest.add = dying
        run(planned([tunes], folder, count=7, seed=3, bars=2, checkpoint=model), workers=int(workers), size=2)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
@pytest.mark.parametrize(
    ("moment", "place", "workers"),
    [(1, "before", 1), (3, "before", 1), (2, "torn", 1), (2, "before", 2)],
)
def test_a_killed_batch_goes_on_and_ends_as_if_undisturbed(
    primers, tmp_path, line, moment, place, workers
):
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(RUN))
    arguments = [primers, tmp_path / "killed", line, moment, place, workers]
    killed = subprocess.run(
        [sys.executable, script, *map(str, arguments)], capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("*.mid")}
    there = Manifest(tmp_path / "killed" / "manifest.jsonl")
    rows = {row["file"] for row in there}
    report = made([primers], tmp_path / "killed", line)
    assert report.before == len(rows) and report.made == 7 - len(rows)
    made([primers], tmp_path / "whole", line)
    assert rows_of(tmp_path / "killed") == rows_of(tmp_path / "whole")
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")
    assert all((tmp_path / "killed" / name).stat().st_mtime_ns == before[name] for name in rows)
    assert {path.name for path in (tmp_path / "killed").iterdir()} - files_of(
        tmp_path / "whole"
    ).keys() == {
        ".lock",
        "batch.json",
        "manifest.jsonl",
    }


def test_what_is_lost_or_changed_is_made_again(primers, tmp_path, line):
    made([primers], tmp_path / "out", line)
    files, rows = files_of(tmp_path / "out"), rows_of(tmp_path / "out")
    (tmp_path / "out" / "00001-b.mid").unlink()
    (tmp_path / "out" / "00005-c.mid").write_bytes(b"what")
    manifest = tmp_path / "out" / "manifest.jsonl"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(["no row\n", *reversed(lines[1:]), '{"index": 999}\n', "[1]\n"]))
    seen = []
    report = made([primers], tmp_path / "out", line, on_progress=lambda *done: seen.append(done))
    assert (report.made, report.before) == (3, 4)
    assert seen[0] == (4, 7) and seen[-1] == (7, 7)
    assert files_of(tmp_path / "out") == files and rows_of(tmp_path / "out") == rows
    assert made([primers], tmp_path / "out", line).made == 0


def test_the_seed_of_the_batch_that_is_there_is_taken(primers, tmp_path, line):
    first = planned([primers], tmp_path / "out", checkpoint=line, bars=1)
    run(first)
    again = planned([primers], tmp_path / "out", checkpoint=line, bars=1)
    assert again == first and run(again).made == 0
    assert planned([primers], tmp_path / "other", checkpoint=line, bars=1).seed != first.seed


def test_another_plan_is_refused_and_the_message_says_what_differs(
    primers, tmp_path, line, checkpoints
):
    made([primers], tmp_path / "out", line)
    before = files_of(tmp_path / "out")
    for other, said in [
        ({"seed": 4}, "seed is 3 there and 4 here"),
        ({"count": 8}, "count is 7 there and 8 here"),
        ({"temperature": 0.5}, "temperature is 1.0 there and 0.5 here"),
        ({"sweep": {"top_k": [0, 5]}}, "sweep is"),
    ]:
        with pytest.raises(MusegenError, match=said):
            made([primers], tmp_path / "out", line, **other)
    with pytest.raises(MusegenError, match=r"the primer \.\./tunes/c\.mid is there and not here"):
        made([primers / "a.mid", primers / "b.mid"], tmp_path / "out", line)
    with pytest.raises(MusegenError, match="checkpoint"):
        made([primers], tmp_path / "out", checkpoints["parts"].path)
    (primers / "a.mid").write_bytes((primers / "b.mid").read_bytes())
    with pytest.raises(MusegenError, match=r"the primer \.\./tunes/a\.mid has changed"):
        made([primers], tmp_path / "out", line)
    assert files_of(tmp_path / "out") == before


def test_force_removes_the_batch_and_nothing_else(primers, tmp_path, line):
    made([primers], tmp_path / "out", line)
    foreign = [
        tmp_path / "out" / name
        for name in ("notes.txt", "song.mid", "00001-mine.mid", "00099-a.mid")
    ]
    for path in foreign[:2]:
        path.write_text("mine")
    made([primers / "c.mid"], tmp_path / "out", line, count=2, force=True)
    assert sorted(files_of(tmp_path / "out")) == ["00000-c.mid", "00001-c.mid", "song.mid"]
    assert foreign[0].read_text() == foreign[1].read_text() == "mine"
    for path in foreign[2:]:
        path.write_text("mine")
    made(
        [primers / "c.mid"], tmp_path / "out", line, count=2
    )  # names that are none of the batch's are in nobody's way
    (tmp_path / "out" / "batch.json").unlink()
    with pytest.raises(MusegenError, match="could overwrite"):
        made([primers / "c.mid"], tmp_path / "out", line, count=2, force=True)
    assert foreign[2].read_text() == "mine"


def test_two_runs_do_not_write_to_one_folder(primers, tmp_path, line):
    def at_once(done, total):
        with pytest.raises(MusegenError, match="another run is writing"):
            made([primers], tmp_path / "out", line)

    made([primers], tmp_path / "out", line, on_progress=at_once)


def test_a_damaged_plan_is_named(primers, tmp_path, line):
    made([primers], tmp_path / "out", line)
    for text in ("{", '{"format": 99, "plan": {}}', '{"format": 1}'):
        (tmp_path / "out" / "batch.json").write_text(text)
        with pytest.raises(MusegenError, match=r"batch\.json must be"):
            made([primers], tmp_path / "out", line)


# ---------------------------------------------------------------- replay


def test_any_piece_is_made_again_to_the_bit(primers, tmp_path, line):
    made(
        [primers], tmp_path / "out", line, sweep={"temperature": [0.8, 1.3]}, only_continuation=True
    )
    manifest, files = tmp_path / "out" / "manifest.jsonl", files_of(tmp_path / "out")
    pieces = list(replay(manifest, output=tmp_path / "again"))
    assert sorted(piece.index for piece in pieces) == list(range(7)) and not any(
        piece.error for piece in pieces
    )
    assert files_of(tmp_path / "again") == files
    assert {path.name for path in (tmp_path / "again").iterdir()} == files.keys()
    (tmp_path / "out" / "00003-a.mid").unlink()
    code, out, _ = command("--replay", manifest, "--only", "2-4", "--workers", 1)
    assert code == 0 and out.count("the same, to the bit") == 3 and out.count("was there") == 2
    assert files_of(tmp_path / "out") == files
    assert (
        command("--replay", manifest, "--only", 4, "-o", tmp_path / "four.mid", "--workers", 1)[0]
        == 0
    )
    assert (tmp_path / "four.mid").read_bytes() == files["00004-b.mid"]


def test_replay_of_new_pieces(tmp_path, line):
    made([], tmp_path / "out", line, count=2)
    (piece,) = replay(tmp_path / "out" / "manifest.jsonl", {1}, tmp_path / "again")
    assert (
        not piece.error and piece.path.read_bytes() == files_of(tmp_path / "out")["00001-line.mid"]
    )


def test_replay_says_what_has_changed(primers, tmp_path):
    model = make_checkpoint(tmp_path / "model", made_encoder(), seed=1)
    made([primers], tmp_path / "out", model.path)
    manifest = tmp_path / "out" / "manifest.jsonl"
    tune = (primers / "a.mid").read_bytes()
    (primers / "a.mid").write_bytes((primers / "b.mid").read_bytes())
    code, out, errors = command(
        "--replay", manifest, "--only", "0,1", "-o", tmp_path / "again", "--workers", 1
    )
    assert (
        code == 1
        and "piece 0: the primer ../tunes/a.mid has changed" in errors
        and "00001-b.mid: the same" in out
    )
    (primers / "a.mid").write_bytes(tune)
    row = json.loads(manifest.read_text().splitlines()[0])
    for change, said in [
        ({"seed": 1}, "the row was changed"),
        ({"version": "0.0.1", "seed": 1}, r"made by musegen 0\.0\.1"),
        ({"seed": "1"}, "the row is damaged: seed"),
        ({"file": "../x.mid"}, "the row is damaged: file"),
        ({"error": "no"}, "could not be made then"),
        ({"checkpoint": "nosuch"}, "not there any more"),
    ]:
        edited = tmp_path / "out" / "edited.jsonl"
        edited.write_text(json.dumps({**row, **change}) + "\n")
        (piece,) = replay(edited, output=tmp_path / "wrong")
        assert piece.path is None
        with pytest.raises(AssertionError, match=said):
            raise AssertionError(piece.error)
    assert not list((tmp_path / "wrong").iterdir())
    make_checkpoint(tmp_path / "model", made_encoder(), seed=2)
    (piece,) = replay(manifest, {0}, output=tmp_path / "wrong")
    assert "the checkpoint" in piece.error and "has changed" in piece.error
    with pytest.raises(MusegenError, match="no row of piece 7, 8"):
        list(replay(manifest, {6, 7, 8}))
    with pytest.raises(MusegenError, match="no such manifest"):
        list(replay(tmp_path / "none.jsonl"))


def made_encoder():
    from musegen.config import EncoderConfig

    return EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0)


# ---------------------------------------------------------------- choosing


@pytest.mark.parametrize(
    ("rank", "sign", "keep"),
    [
        ("likelihood", 1, 4),
        ("likelihood", 1, 12),
        ("similarity-to-primer", -1, 4),
        ("notes_per_bar:low", 1, 4),
    ],
)
def test_the_best_are_kept_without_near_duplicates(primers, tmp_path, line, rank, sign, keep):
    sweep = {"top_k": [1, 0]}  # greedy pieces of one primer are all alike
    report = made([primers], tmp_path / "out", line, count=12, keep=keep, rank=rank, sweep=sweep)
    rows = rows_of(tmp_path / "out")
    value = Rank.parse(rank).value
    ranked = sorted(rows, key=lambda row: (sign * value(row), row["nats_per_note"], row["index"]))
    assert [row["rank"] for row in ranked] == list(range(1, 13))
    like = near_duplicates([ranking.unpacked(row["fingerprint"]) for row in ranked])
    assert sum(other >= 0 for other in like) >= 3
    best = [row for row, other in zip(ranked, like, strict=True) if other < 0][:keep]
    assert [row["file"] for row in report.kept] == [row["file"] for row in best]
    assert sorted(files_of(tmp_path / "out")) == sorted(row["file"] for row in best)
    looked_at = 12 if len(best) < keep else ranked.index(best[-1]) + 1
    originals = [None if other < 0 else ranked[other]["index"] for other in like]
    assert [row["duplicate_of"] for row in ranked[:looked_at]] == originals[:looked_at]
    assert report.duplicates == sum(other >= 0 for other in like[:looked_at])


def test_another_choice_brings_pieces_back(primers, tmp_path, line):
    made([primers], tmp_path / "whole", line)
    whole, rows = files_of(tmp_path / "whole"), rows_of(tmp_path / "whole")
    first = made([primers], tmp_path / "out", line, keep=2)
    kept = files_of(tmp_path / "out")
    assert first.made == 7 and len(kept) == 2 and kept.items() <= whole.items()
    again = made([primers], tmp_path / "out", line, keep=2)
    assert (again.made, again.before) == (0, 7) and files_of(tmp_path / "out") == kept
    assert [row["index"] for row in again.kept] == [row["index"] for row in first.kept]
    more = made([primers], tmp_path / "out", line, keep=4)
    assert more.made == 2 and len(files_of(tmp_path / "out")) == 4
    assert [row["index"] for row in more.kept][:2] == [row["index"] for row in first.kept]
    low = next(iter({row["index"] for row in rows} - {row["index"] for row in more.kept}))
    (piece,) = replay(tmp_path / "out" / "manifest.jsonl", {low}, tmp_path / "again")
    assert piece.path.read_bytes() == whole[piece.path.name]
    assert made([primers], tmp_path / "out", line).made == 3
    assert files_of(tmp_path / "out") == whole and rows_of(tmp_path / "out") == rows


def test_a_table_of_what_is_kept(primers, tmp_path, line):
    code, out, _ = command(
        primers,
        "-o",
        tmp_path / "out",
        "--count",
        6,
        "--bars",
        2,
        "--seed",
        1,
        "--checkpoint",
        line,
        "--workers",
        1,
        "--keep",
        2,
        "--rank",
        "pitch_entropy",
    )
    assert code == 0 and "kept 2 of 6" in out and "pitch_entropy" in out
    assert all(name in out for name in files_of(tmp_path / "out"))


def test_ranks_that_are_none(primers, tmp_path, line):
    for text in ("loudness", "likelihood:up", ""):
        with pytest.raises(ConfigError, match="a rank must be one of likelihood, novelty"):
            Rank.parse(text)
    assert str(Rank.parse("similarity_to_primer")) == "similarity-to-primer:high"
    assert str(Rank.parse("novelty:high")) == "novelty:high"
    with pytest.raises(MusegenError, match="no piece has novelty"):
        made([primers], tmp_path / "out", line, keep=2, rank="novelty")
    assert len(files_of(tmp_path / "out")) == 7


# ---------------------------------------------------------------- the command


def test_wrong_usage_is_exit_code_2(primers, tmp_path):
    out = ("-o", tmp_path / "out")
    for arguments in (
        [primers],
        [primers, *out, "--count", 1, "--per-primer", 1],
        [primers, *out, "--only", 1],
        [primers, *out, "--rank", "novelty"],
        [primers, "--replay", "x"],
        ["--replay", "x", "--only", "5-3"],
        ["--replay", "x", "--count", 1],
        [primers, *out, "--count", 0],
        [primers, *out, "--sweep", "bars=2,4", "--bars", 3],
        [*out, "--keep", 1, "--rank", "similarity-to-primer"],
    ):
        assert command(*arguments)[0] == 2, arguments
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_fills_gaps_is_refused(primers, tmp_path):
    with pytest.raises(CheckpointError, match="fills gaps"):
        planned([primers], tmp_path / "out", checkpoint="folk-infill")
