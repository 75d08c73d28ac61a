"""Folders that other people's files are in are safe."""

import re

import pytest

from musegen import MusegenError
from musegen.utils.files import refuse_foreign, remove_files, remove_half_written

OURS = re.compile(r"[0-9]+\.mid|index\.npz")


@pytest.fixture
def folder(tmp_path):
    names = ["1.mid", "index.npz", "1.mid.txt", ".ab_3-1.mid", ".ab_3-index.npz", ".mine-a.mid"]
    for name in names:
        (tmp_path / name).touch()
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_only_files_with_whole_names_that_match_are_removed(folder):
    remove_files(folder, OURS)
    assert names(folder) == [".ab_3-1.mid", ".ab_3-index.npz", ".mine-a.mid", "1.mid.txt"]
    remove_files(folder / "missing", OURS)
    (folder / "2.mid").mkdir()
    with pytest.raises(MusegenError, match=r"cannot remove .*2\.mid"):
        remove_files(folder, OURS)


def test_only_temporary_files_of_the_given_names_are_removed(folder):
    remove_half_written(folder, OURS)
    assert names(folder) == [".mine-a.mid", "1.mid", "1.mid.txt", "index.npz"]


def test_a_folder_with_files_of_someone_else_is_refused(folder):
    with pytest.raises(
        MusegenError, match=r"must be new\. Received: a folder with .* and 3 more.*"
    ):
        refuse_foreign(folder, lambda path: True, "new")
    with pytest.raises(MusegenError, match=r"with 1\.mid, which is not overwritten\. Move it\."):
        refuse_foreign(folder, lambda path: path.name == "1.mid", "new", "Move it.")
    refuse_foreign(folder, lambda path: path.suffix == ".wav", "new")
    refuse_foreign(folder / "missing", lambda path: True, "new")
    with pytest.raises(MusegenError, match="cannot write"):
        refuse_foreign(folder / "1.mid", lambda path: False, "new")
