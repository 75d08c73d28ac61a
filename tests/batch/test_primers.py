"""Primers are found, and a checkpoint is chosen for each."""

import json
from pathlib import Path

import pytest

from musegen.batch.primers import find
from musegen.errors import MusegenError
from musegen.generation.compose_file import compose_file
from tests.batch.helpers import command, files_of, rows_of
from tests.helpers import ROOT


def test_folders_patterns_and_names_are_primers_once_and_in_order(primers):
    def names(*sources, output=primers.parent / "out"):
        return [Path(path).name for path in find(sources, output)]

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
    assert code == 0 and "0 pieces made" in text and "3 made before" in text
    code, error, _ = command(primers, "-o", primers, "--bars", 1, "--checkpoint", line)
    assert code == 1 and "primers must not lie in the folder of the batch" in error
    assert sorted(path.name for path in primers.iterdir()) == ["a.mid", "b.mid", "c.mid", "pieces"]
    assert command(primers / "a.mid", "-o", primers, "--bars", 1, "--checkpoint", line)[0] == 0


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
