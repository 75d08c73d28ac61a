"""Pieces are made again from their rows, bit for bit."""

import json

import pytest

from musegen.batch import replay
from musegen.config import EncoderConfig
from musegen.errors import MusegenError
from tests.batch.helpers import command, files_of, made
from tests.helpers import make_checkpoint


def test_rows_that_are_damaged_are_named_by_a_replay(primers, tmp_path, line):
    made([primers], tmp_path / "out", line, count=4)
    manifest = tmp_path / "out" / "manifest.jsonl"
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([lines[0], "garbage", '{"index": 2}', lines[3], "torn"]))
    code, out, errors = command("--replay", manifest, "--workers", 1)
    assert code == 1 and out.count("identical, bit for bit") == 2
    assert (
        "line 2 of manifest.jsonl is damaged" in errors and "piece 2: the row is damaged" in errors
    )
    assert "line 5" not in errors


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
    assert (
        code == 0 and out.count("identical, bit for bit") == 3 and out.count("existed already") == 2
    )
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
        and "00001-b.mid: identical" in out
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
    return EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0)
