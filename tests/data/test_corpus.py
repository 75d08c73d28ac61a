"""music21's corpus becomes MIDI files, whatever is in it, and however often it is interrupted."""

import csv
import os
import shutil
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from musegen.cli.corpus import corpus as command
from musegen.data.corpus import CORPORA, Report, export, source_files
from musegen.data.corpus import exporting as corpus
from musegen.data.corpus.converting import Rows
from musegen.data.corpus.metadata import abc_fields
from musegen.errors import ConfigError, MusegenError
from musegen.score.midi import read

HEADER = "%abc-2.1\n"
GOOD = (
    "X:7\nT:The Wïld Geese\nT:Other name\nC:trad.\nZ:by A. Norbeck\n"
    "M:3/4\nL:1/4\nK:G\nD|G A B|c2 d|]\n"
)
BROKEN = "X:8\nT:Broken\nL:1/4\nK:C\n[CEG4|c4|\n"
SILENT = "X:9\nT:Silence\nL:1/4\nK:C\nz4|z4|\n"
ODD = "X:10\nT:Odd\tbar\nM:4/4\nL:1/4\nK:Em\nE4|F4 F|G4|A4|\n"


@pytest.fixture
def books(tmp_path, monkeypatch):
    """A corpus folder with two books in the place of the Nottingham tunes."""
    folder = tmp_path / "corpus" / "nottingham-dataset"
    (folder / "more").mkdir(parents=True)
    (folder / "book.abc").write_text(HEADER + GOOD + BROKEN + SILENT + ODD, encoding="utf-8")
    (folder / "more" / "book.abc").write_bytes((GOOD + GOOD).encode("latin-1"))
    monkeypatch.setattr(corpus, "corpus_root", lambda: tmp_path / "corpus")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


FILES = [
    "book-10-odd-bar.mid",
    "book-7-the-wild-geese.mid",
    "more-book-7-2-the-wild-geese.mid",
    "more-book-7-the-wild-geese.mid",
]


def test_every_tune_is_a_file_and_broken_ones_do_not_stop_the_run(books, tmp_path):
    out = tmp_path / "out"
    assert export("nottingham", out, workers=1) == Report(files=4, skipped=2, left_out=0, resumed=0)
    assert sorted(p.name for p in out.glob("*.mid")) == FILES
    score = read(out / FILES[1])
    assert score.notes["pitch"].tolist() == [62, 67, 69, 71, 72, 74]
    assert score.notes["onset"].tolist() == [960, 1440, 1920, 2400, 2880, 3840]
    assert score.keys.tolist() == [(0, 1, False)]
    skipped = rows(out / "skipped.tsv")
    assert [(row["title"], row["source"]) for row in skipped] == [
        ("Broken", "nottingham-dataset/book.abc"),
        ("Silence", "nottingham-dataset/book.abc"),
    ]
    assert "a chord must end with ]" in skipped[0]["reason"]
    assert skipped[1]["reason"] == "no notes in it"


def test_the_provenance_of_every_file_is_in_the_table(books, tmp_path):
    export("nottingham", tmp_path / "out", workers=1)
    table = rows(tmp_path / "out" / "provenance.tsv")
    assert [row["file"] for row in table] == FILES
    assert table[1] == {
        "file": "book-7-the-wild-geese.mid",
        "title": "The Wïld Geese",
        "composer": "trad.",
        "transcriber": "by A. Norbeck",
        "source": "nottingham-dataset/book.abc",
        "notes": "6",
        "bars": "3",
        "cut_bars": "0",
        "key": "G",
        "meter": "3/4",
        "terms": CORPORA["nottingham"].terms,
    }
    assert (table[0]["title"], table[0]["cut_bars"], table[0]["key"]) == ("Odd bar", "1", "Em")


def test_two_workers_write_what_one_writes(books, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    export("nottingham", one, workers=1)
    export("nottingham", two, workers=2)
    assert contents(one) == contents(two)


def test_an_interrupted_run_goes_on_where_it_stopped(books, tmp_path):
    out, whole = tmp_path / "out", tmp_path / "whole"
    export("nottingham", whole, workers=1)

    def interrupt(done, total):
        assert (done, total) == (4, 6)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export("nottingham", out, workers=1, on_progress=interrupt)
    assert sorted(p.name for p in out.glob("*.mid")) == FILES[:2]
    written = {p: p.stat().st_mtime_ns for p in out.glob("*.mid")}
    seen = []
    report = export("nottingham", out, workers=1, on_progress=lambda *state: seen.append(state))
    assert report == Report(files=4, skipped=2, left_out=0, resumed=1)
    assert seen == [(6, 6)]
    assert {p: p.stat().st_mtime_ns for p in written} == written
    assert contents(out) == contents(whole)


def _deadly(task):
    if task.source.endswith("nottingham-dataset/book.abc") and task.first <= 1 < task.stop:
        os.kill(os.getpid(), signal.SIGKILL)
    return Rows([], [{"title": "fine", "source": task.source, "reason": ""}])


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
def test_a_piece_that_kills_its_reader_is_skipped_and_tried_again(books, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(corpus, "convert", _deadly)
        report = export("nottingham", out, workers=2)
    assert report == Report(files=0, skipped=5, left_out=0, resumed=0)
    skipped = [(row["title"], row["reason"][:27]) for row in rows(out / "skipped.tsv")]
    assert skipped == [("book-8", "the process that read it di"), *[("fine", "")] * 4]
    again = export("nottingham", out, workers=1)
    assert again == Report(files=2, skipped=3, left_out=0, resumed=1)
    titles = {row["title"] for row in rows(out / "skipped.tsv")}
    assert titles == {"Broken", "Silence", "fine"}


def test_a_file_that_was_deleted_is_written_again(books, tmp_path):
    out = tmp_path / "out"
    export("nottingham", out, workers=1)
    before = contents(out)
    (out / FILES[0]).unlink()
    assert export("nottingham", out, workers=1).resumed == 1
    assert contents(out) == before
    assert export("nottingham", out, workers=1).resumed == 2


def test_without_leaves_out_by_header_and_a_later_run_can_change_it(books, tmp_path):
    out = tmp_path / "out"
    export("nottingham", out, workers=1)
    report = export("nottingham", out, workers=1, without=["nORBECK"])
    assert report == Report(files=1, skipped=2, left_out=3, resumed=0)
    assert [p.name for p in out.glob("*.mid")] == FILES[:1]
    assert [row["file"] for row in rows(out / "provenance.tsv")] == FILES[:1]
    left_out = [row for row in rows(out / "skipped.tsv") if row["title"] == "The Wïld Geese"]
    assert {row["reason"] for row in left_out} == {"left out: mentions nORBECK"}
    assert export("nottingham", out, workers=1).files == 4


def test_chorales_are_the_pieces_with_four_parts(tmp_path, monkeypatch):
    kept = [path for path in source_files("bach") if path.stem in ("bwv1.6", "bwv269")]
    monkeypatch.setattr(corpus, "source_files", lambda name: kept)
    export("bach", tmp_path, workers=1)
    assert [row["reason"] for row in rows(tmp_path / "skipped.tsv")] == ["5 parts, expected 4"]
    (row,) = rows(tmp_path / "provenance.tsv")
    assert (row["file"], row["title"], row["composer"]) == ("bwv269.mid", "bwv269", "J.S. Bach")
    assert (row["key"], row["meter"], row["cut_bars"]) == ("G", "3/4", "0")
    assert [track.name for track in read(tmp_path / "bwv269.mid").tracks] == [
        "Soprano",
        "Alto",
        "Tenor",
        "Bass",
    ]


@pytest.mark.parametrize(
    ("name", "sources", "tunes"),
    [
        ("ryansMammoth", 1059, 1059),
        ("oneills1850", 39, 2009),
        ("airdsAirs", 6, 1180),
        ("nottingham", 1, 2),
    ],
)
def test_the_tune_books_that_music21_brings(name, sources, tunes):
    files = source_files(name)
    texts = [tune.text for path in files for tune in corpus.notation.read_tunes(path)]
    assert (len(files), len(texts)) == (sources, tunes)
    if name == "oneills1850":
        assert (
            sum("norbeck" in " ".join(abc_fields(text).get("Z", ())).lower() for text in texts)
            == 272
        )


def test_every_corpus_has_files_and_terms():
    for name, entry in CORPORA.items():
        assert source_files(name)
        assert entry.terms
    for name in ("essenFolksong", "palestrina", "nottingham"):
        assert "not for published weights" in CORPORA[name].terms


def test_names_settings_and_folders_are_checked_before_any_work(books, tmp_path):
    with pytest.raises(ConfigError, match=r"one of airdsAirs, .*ryansMammoth.* Received: jazz\."):
        export("jazz", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"workers must be >= 1. Received: 0"):
        export("nottingham", tmp_path / "out", workers=0)
    (tmp_path / "provenance.tsv").write_text("mine")
    with pytest.raises(MusegenError, match=r"is not overwritten. Choose another place"):
        export("nottingham", tmp_path, workers=1)
    with pytest.raises(MusegenError, match="cannot write"):
        export("nottingham", books / "book.abc", workers=1)
    shutil.rmtree(books)
    with pytest.raises(MusegenError, match=r"no \.abc files. Install music21 with its corpus"):
        export("nottingham", tmp_path / "out", workers=1)


def test_command(books, tmp_path):
    out = tmp_path / "out"
    result = CliRunner().invoke(
        command, ["nottingham", "-o", str(out), "--workers", "1", "--without", "odd"]
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        f"{out}: 3 MIDI files, listed with their terms in provenance.tsv\n"
        "2 pieces not usable, 1 left out by --without: see skipped.tsv\n"
    )
    assert result.stderr == ""


def test_command_lists_the_corpora_and_asks_for_what_is_missing():
    listing = CliRunner().invoke(command, ["--list"])
    assert listing.exit_code == 0
    assert [line.split()[0] for line in listing.stdout.splitlines()[::2]] == list(CORPORA)
    assert "legal status unclear" in listing.stdout
    for arguments, missing in ((["bach"], "'-o' / '--output'"), (["-o", "x"], "'NAME'")):
        result = CliRunner().invoke(command, arguments)
        assert (result.exit_code, missing in result.stderr) == (2, True)
