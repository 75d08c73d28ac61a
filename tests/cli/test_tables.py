"""Tables, JSON, CSV and files as the commands write them."""

import io
import json

import pytest
from rich.console import Console

from musegen.cli.tables import (
    WIDTH,
    Column,
    csv_text,
    json_text,
    plain,
    plural,
    render,
    show,
    table,
    write,
)
from musegen.errors import MusegenError

FILES = (Column("file", text=True, fold=True), "notes")


def test_numbers_are_right_aligned_and_lines_have_no_trailing_spaces():
    text = render(table([Column("name", text=True), "n", "m"], [("a", 1, 10), ("bcdef", 200, 3)]))
    assert text.splitlines() == ["name     n   m", "a        1  10", "bcdef  200   3"]


def test_a_terminal_limits_the_width_and_a_pipe_does_not():
    rows = [("x" * 150, 3)]
    assert len(render(table(FILES, rows)).splitlines()) == 2
    narrow = render(table(FILES, rows), "y" * 90, console=Console(file=io.StringIO(), width=40))
    *lines, text = narrow.splitlines()
    assert max(map(len, lines)) <= 40 and "".join(lines).count("x") == 150
    assert text == "y" * 90  # a line of text is never broken
    assert plain().width == WIDTH


def test_markup_and_control_characters_in_a_cell_are_not_interpreted():
    text = render(table(FILES, [("[bold]a\x1b[31mb\nc[/bold]", 1)]))
    assert "[bold]a [31mb c[/bold]" in text and "\x1b" not in text


def test_characters_that_the_output_lacks_are_replaced():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    text = render(table(FILES, [("Flöte", "–")]), console=Console(file=stream, width=40))
    assert text.splitlines()[1].split() == ["Fl?te", "?"]


def test_styles_are_for_terminals_only(capsys, monkeypatch):
    styled = table(FILES, [("a", 1), ("b", 2)], ["bold", ""])
    show(styled)
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    show(styled)
    assert "\x1b[1ma" in capsys.readouterr().out


def test_json_that_stdout_cannot_show_is_escaped():
    assert json_text({"name": "Dvořák"}) == '{"name": "Dvořák"}'
    assert json.loads(json_text({"name": "\udcff"})) == {"name": "\udcff"}
    assert json_text({"name": "\udcff"}).isascii()


def test_csv_has_a_header_and_empty_cells_for_what_a_row_lacks():
    assert csv_text([{"a": 1, "b": "x,y"}, {"a": 2}]) == 'a,b\n1,"x,y"\n2,\n'


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    write(tmp_path / "new" / "a.txt", "ä\n")
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"\xc3\xa4\n"
    (tmp_path / "folder").write_text("")
    with pytest.raises(MusegenError, match="cannot write"):
        write(tmp_path / "folder" / "a.txt", "a")


def test_nouns_are_singular_after_one():
    assert (plural(0, "bar"), plural(1, "bar"), plural(2, "bar")) == ("0 bars", "1 bar", "2 bars")
