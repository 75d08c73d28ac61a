"""The best pieces are chosen, without near duplicates."""

import pytest

from musegen.batch import Rank, replay
from musegen.batch.manifest import unpack
from musegen.errors import ConfigError, MusegenError
from musegen.score.measures import near_duplicates
from tests.batch.helpers import command, files_of, made, rows_of


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
    like = near_duplicates([unpack(row["fingerprint"]) for row in ranked])
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
