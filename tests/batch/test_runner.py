"""A batch is the same, however it is made, stopped and resumed."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen import Score, Track
from musegen.batch import replay, runner
from musegen.batch.manifest import Manifest
from musegen.batch.runner import even
from musegen.batch.worker import make
from musegen.errors import MusegenError
from musegen.generation.compose_file import compose_file
from tests.batch.helpers import command, files_of, made, rows_of


@given(st.integers(1, 5000), st.integers(1, 16))
def test_work_is_shared_evenly(total, workers):
    size = even(total, workers)
    assert 1 <= size <= 64
    rounds = -(-total // size)
    assert rounds <= workers * -(-total // (64 * workers))
    assert total < workers or size * workers < total + 64 * workers


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
    assert code == 0 and "4 pieces made" in out and "4 made before" in out
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


def deadly(plan, folder, items):
    """As `make`, but for a piece that a process dies on."""
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
        plan = planned([tunes], folder, count=7, seed=3, bars=2, checkpoint=model)
        run(plan, workers=int(workers), size=2)
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


def test_two_runs_do_not_write_to_one_folder(primers, tmp_path, line):
    def at_once(done, total):
        with pytest.raises(MusegenError, match="another run is writing"):
            made([primers], tmp_path / "out", line)

    made([primers], tmp_path / "out", line, on_progress=at_once)
