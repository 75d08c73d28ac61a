"""A worker makes files and rows, and survives a piece that fails."""

from pathlib import Path

from musegen.batch import derived_seed, worker
from musegen.generation.compose_file import compose_file
from musegen.generation.request import Request
from tests.batch.helpers import files_of, made, rows_of


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


def test_a_fault_of_ours_costs_its_piece_alone(primers, tmp_path, line, monkeypatch):
    def faulty(source, composition, only):
        if composition.seed == derived_seed(3, 2):
            raise ZeroDivisionError("oh")
        return render(source, composition, only)

    render = worker.render
    monkeypatch.setattr(worker, "render", faulty)
    report = made([primers], tmp_path / "out", line)
    assert report.made == 6
    assert report.errors == [(2, "it failed, which should not happen: ZeroDivisionError: oh")]
