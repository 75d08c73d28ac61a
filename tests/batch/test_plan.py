"""A plan says what each piece is, and belongs to one folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.batch import Plan, Primer, derived_seed, parse_sweeps, planned, run
from musegen.batch.runner import chunks
from musegen.errors import CheckpointError, ConfigError, MusegenError
from tests.batch.helpers import files_of, made


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


def test_a_plan_is_read_back():
    plan = plan_of(3, 9, 2)
    assert Plan.from_dict(plan.folder, json.loads(json.dumps(plan.to_dict()))) == plan


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


def test_a_checkpoint_that_fills_gaps_is_refused(primers, tmp_path):
    with pytest.raises(CheckpointError, match="fills gaps"):
        planned([primers], tmp_path / "out", checkpoint="folk-infill")


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


def test_a_damaged_plan_is_named(primers, tmp_path, line):
    made([primers], tmp_path / "out", line)
    for text in ("{", '{"format": 99, "plan": {}}', '{"format": 1}'):
        (tmp_path / "out" / "batch.json").write_text(text)
        with pytest.raises(MusegenError, match=r"batch\.json must be"):
            made([primers], tmp_path / "out", line)
