"""ABC files: their tunes, the choice of one, text encodings, and files without bounds."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from musegen import MidiError, ingest, read
from musegen.cli import main
from musegen.score.notation import (
    file_of,
    is_notation,
    load_notation,
    parse_abc,
    read_tunes,
    split_abc,
    stem_of,
)
from musegen.score.notation.abc.tunebook import MAX_LETTERS, MAX_TUNES

BOOK = """%abc-2.1
Tunes that I know, among them A BAD FACE.
M:3/4
L:1/4
U:t=!trill!

Free text in between: ABCDEFG.

X:1
T:First
K:G
tGAB|

X: 7 % a comment
T:Second
K:D
DEF|
X:7
T:Third
M:4/4
K:C
CDEF|

%%begintext
X:99
K:C
ABC|
%%endtext
X:
K:C
G2|
"""


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.abc"
    path.write_text(BOOK)
    return path


def test_a_file_has_tunes_with_the_file_header():
    tunes = split_abc(BOOK)
    assert [tune.label for tune in tunes] == ["1", "7", "7-2", "0"]
    assert tunes[0].text == ("%abc-2.1\nM:3/4\nL:1/4\nU:t=!trill!\nX:1\nT:First\nK:G\ntGAB|\n")
    assert [tune.line for tune in tunes] == [9, 14, 18, 29]
    scores = [parse_abc(tune) for tune in tunes]
    assert [score.notes["pitch"].tolist() for score in scores] == [
        [67, 69, 71],
        [62, 64, 66],
        [60, 62, 64, 65],
        [67],
    ]
    assert [score.meters["numerator"].tolist() for score in scores] == [[3], [3], [4], [3]]


def test_a_file_without_numbers_is_one_tune():
    (tune,) = split_abc("\n% by hand\nT:alone\nK:C\nCDE|\n\nABC|\n")
    assert tune.label == "0" and tune.line == 3 and tune.body == "T:alone\nK:C\nCDE|\n"
    assert len(split_abc("A:|\nX:|\n")) == 1  # bars of music, no numbers


def test_all_tunes_of_a_file_are_read_by_one_function(book):
    assert [len(parse_abc(tune)) for tune in read_tunes(book)] == [3, 3, 4, 1]
    book.write_text("X:1\nK:C\nC|\n")  # a file that has changed is read again
    assert len(read_tunes(book)) == 1
    with pytest.raises(MidiError, match="No such file"):
        read_tunes(book.with_name("missing.abc"))


@pytest.mark.parametrize(("label", "expected"), [("1", [67, 69, 71]), ("7-2", [60, 62, 64, 65])])
def test_a_tune_is_chosen_by_its_number(book, label, expected):
    assert read(f"{book}#{label}").notes["pitch"].tolist() == expected
    assert load_notation(f"{book}#{label}").notes["pitch"].tolist() == expected


def test_the_only_tune_of_a_file_needs_no_number(tmp_path):
    path = tmp_path / "tune.ABC"
    path.write_text("X:12\nK:C\nC|\n")
    assert len(read(path)) == len(read(f"{path}#12")) == 1


def test_several_tunes_and_unknown_numbers_are_refused_with_a_remedy(book):
    with pytest.raises(MidiError, match=r"4 tunes, expected one\. Choose .* as in book\.abc#1"):
        read(book)
    with pytest.raises(MidiError, match=r"book\.abc#8: .* one of 4 from 1 to 0. Received: 8\."):
        read(f"{book}#8")
    with pytest.raises(MidiError, match="No such file"):
        read(f"{book}x.abc#1")


def test_the_line_of_an_error_is_that_of_the_file(tmp_path):
    path = tmp_path / "book.abc"
    path.write_text("M:4/4\n\nX:1\nK:C\nC|\n\nX:2\nT:b\nK:C\nCD\nE é|\n")
    with pytest.raises(MidiError) as caught:
        read(f"{path}#2")
    assert str(caught.value).startswith(f"{path}#2: line 11, column 3: expected notes")


def test_paths_of_tunes():
    assert is_notation("a.abc#1") and is_notation("a/b.ABC#12-2")
    assert not is_notation("a.mid#1") and not is_notation("a.abc#") and not is_notation("a#1")
    assert str(file_of("a/b.abc#1")) == "a/b.abc" and str(file_of("a#1.mid")) == "a#1.mid"
    assert stem_of("a/b.abc#1") == "b-1" and stem_of("a/b.c.mid") == "b.c"


@pytest.mark.parametrize(
    "data",
    [
        "X:1\nT:Mélodie\nK:C\nCDE|\n".encode(),
        b"\xef\xbb\xbf" + "X:1\nT:Mélodie\nK:C\nCDE|\n".encode(),
        "X:1\nT:Mélodie\nK:C\nCDE|\n".encode("latin-1"),
        b"X:1\r\nK:C\r\nCDE|\r\n",
        b"X:1\rK:C\rCDE|\r",
    ],
)
def test_encodings_and_line_ends(tmp_path, data):
    path = tmp_path / "tune.abc"
    path.write_bytes(data)
    assert read(path).notes["pitch"].tolist() == [60, 62, 64]


def test_a_book_is_encoded_tune_by_tune(book, tmp_path):
    (tmp_path / "music").mkdir()
    book.rename(tmp_path / "music" / "book.abc")
    (tmp_path / "music" / "broken.abc").write_text("X:1\nK:C\nCDE\n\nX:2\nK:C\nC é\n")
    store = ingest([tmp_path / "music"], tmp_path / "store")
    rows = (tmp_path / "store" / "report.tsv").read_text().splitlines()[1:]
    assert [row.split("\t")[0] for row in rows] == [
        "music/book.abc#1",
        "music/book.abc#7",
        "music/book.abc#7-2",
        "music/book.abc#0",
        "music/broken.abc#1",
        "music/broken.abc#2",
    ]
    assert store.report["broken"] == 1
    assert "line 7, column 3" in rows[-1]


def test_a_tune_of_a_book_is_a_primer_on_the_command_line(book, checkpoints):
    options = ["--bars", "1", "--checkpoint", str(checkpoints["line"].path), "--seed", "1"]
    result = CliRunner().invoke(main, ["compose", f"{book}#7", *options])
    assert result.exit_code == 0, result.output
    assert book.with_name("book-7-continued.mid").is_file()
    result = CliRunner().invoke(main, ["compose", f"{book}x.abc#7", *options])
    assert result.exit_code == 2 and "does not exist" in result.output


LONG = 2 * MAX_LETTERS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("X:1\nK:C\n" + "c" * LONG, "at most 524,288 characters"),
        ("X:1\nK:C\n" + "% \n" * LONG, "at most 524,288 characters"),
        ("c" * LONG, "at most 524,288 characters"),
        ("X:1\n" * (MAX_TUNES + 1), "more than 100,000 tunes"),
        ("%%begintext\n" * MAX_TUNES, "must be followed by %%endtext"),
        ("X:1\nM:4/4\nK:C\n" + "Z99999|" * 1000, "at most 32,768 bars"),
        ("X:1\nM:4/4\nK:C\n" + "c|" * 40_000, "at most 32,768 bars"),
        ("X:1\nK:C\n" + "".join(f"[V:{i}]c" for i in range(200)), "at most 100 voices"),
        ("X:1\nK:C\nc4" + "&c4" * 20, "at most 15 overlays"),
        ("X:1\nK:C\n[" + "ce" * 10_000, "a chord must end"),
        ("X:1\nK:C\n" + "[c" * 100_000, "a chord must end"),
        ("X:1\nK:C\n" + "{" * 400_000, "expected notes"),
        ('X:1\nK:C\n"' + "a" * 400_000, "expected notes"),
        ("X:1\nK:" + "a" * 400_000 + "\nc", "a key must be"),
        ("X:1\nM:" + "1+" * 200_000 + "1/4\nK:C\nc", "a meter must be"),
        ("X:1\nQ:" + "1/4 " * 100_000 + "=x9\nK:C\nc", "a tempo must be"),
    ],
)
def test_a_file_without_bounds_is_refused(text, words):
    with pytest.raises(MidiError, match=words):
        for tune in split_abc(text):
            parse_abc(tune)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("X:1\nK:C\n" + "c" * 30_000, 30_000),
        ("X:1\nK:C\n" + "c-" * 30_000, 1),
        ("X:1\nK:C\n[" + "c-e-" * 10_000 + "]", 2),
        ("X:1\nT:a\n" + "+:b\n" * 100_000 + "K:C\nc", 1),
        ("X:1\nH:a\n" + "b\n" * 200_000 + "K:C\nc", 1),
        ("X:1\nK:C " + "^f" * 100_000 + "\nc", 1),
        ("X:1\nK:C\n" + "c8|" * 2_000 + ("&" * 1_900 + "c8|" * 1_900) * 5, 2_000),
    ],
)
def test_long_tunes_are_read(text, count):
    assert len(parse_abc(text)) == count


def test_reading_abc_does_not_import_music21():
    code = (
        "import sys; from musegen.score.notation import parse_abc; "
        "parse_abc('X:1\\nK:C\\nCDE|'); assert 'music21' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
