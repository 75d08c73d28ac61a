"""Sweeps are parsed, or refused."""

import pytest

from musegen.batch import parse_sweeps
from musegen.errors import ConfigError


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
