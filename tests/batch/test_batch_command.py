"""The command refuses options that contradict each other."""

from tests.batch.helpers import command


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
