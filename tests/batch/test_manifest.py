"""The folder of a batch keeps what is not the batch's."""

import pytest

from musegen.errors import MusegenError
from tests.batch.helpers import files_of, made


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
