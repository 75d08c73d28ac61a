"""MusicXML files: archives, encodings, and documents that would take long or much memory."""

import io
import zipfile

import pytest

from musegen import read
from musegen.errors import MidiError
from musegen.score.notation import musicxml
from musegen.score.notation.musicxml import (
    archive,
    elements,
    instruments,
    parts,
    read_musicxml,
    scores,
)
from tests.score.musicxml import attributes, measure, note, partwise, tune

RIGHT = partwise([measure(attributes(), note("C4"))], infos=("<part-name>Right</part-name>",))
WRONG = partwise([measure(attributes(), note("D4"))], infos=("<part-name>Wrong</part-name>",))
CONTAINER = "META-INF/container.xml"


def container(*rootfiles: str) -> str:
    return (
        f'<?xml version="1.0"?><container><rootfiles>{"".join(rootfiles)}</rootfiles></container>'
    )


def rootfile(path: str, kind: str = "") -> str:
    kind = f' media-type="{kind}"' if kind else ""
    return f'<rootfile full-path="{path}"{kind}/>'


def packed(files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return stream.getvalue()


def name(data: bytes) -> str:
    """The name of the first part."""
    return read_musicxml(data).score.tracks[0].name


# Archives


@pytest.mark.parametrize(
    "files",
    [
        {"a.xml": WRONG, "score.xml": RIGHT, CONTAINER: container(rootfile("score.xml"))},
        {
            CONTAINER: container(
                rootfile("page.pdf", "application/pdf"),
                rootfile("in/score.musicxml", "application/vnd.recordare.musicxml+xml"),
                rootfile("a.xml"),
            ),
            "a.xml": WRONG,
            "page.pdf": b"%PDF",
            "in/score.musicxml": RIGHT,
        },
        {
            CONTAINER: '<c:container xmlns:c="urn:x"><c:rootfile full-path="a.xml"/></c:container>',
            "a.xml": RIGHT,
        },
        {"score.musicxml": RIGHT},
        {"score.xml": RIGHT, "readme.txt": "no score"},
    ],
)
def test_the_container_names_the_score(files):
    assert name(packed(files)) == "Right"
    assert name(packed(files, zipfile.ZIP_STORED)) == "Right"


def test_an_archive_is_known_by_its_content_not_by_the_name_of_the_file(tmp_path):
    for suffix in (".musicxml", ".mxl", ".xml"):
        path = tmp_path / f"archive{suffix}"
        path.write_bytes(packed({"score.xml": RIGHT}))
        assert read(path).tracks[0].name == "Right"
        path = tmp_path / f"plain{suffix}"
        path.write_text(RIGHT)
        assert read(path).tracks[0].name == "Right"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (packed({"a.xml": RIGHT, "b.xml": RIGHT}), "received: a.xml, b.xml. Unpack it"),
        (packed({"readme.txt": "x"}), "received: none"),
        (packed({CONTAINER: container(), "a.xml": RIGHT}), "a rootfile with a full-path"),
        (packed({CONTAINER: container(rootfile("b.xml")), "a.xml": RIGHT}), "has no 'b.xml'"),
        (packed({CONTAINER: "<container>", "a.xml": RIGHT}), f"{CONTAINER}, line 1: well-formed"),
        (packed({"a.xml": RIGHT}, zipfile.ZIP_BZIP2), "packed with deflate was expected"),
        (packed({"a.xml": RIGHT})[:-30], "a zip archive was expected"),
        (b"PK\3\4", "a zip archive was expected"),
    ],
)
def test_what_is_wrong_with_an_archive_is_named(data, message):
    with pytest.raises(MidiError, match=message):
        read_musicxml(data)


@pytest.mark.parametrize("place", range(30, 400, 7))
def test_a_damaged_archive_is_an_error_or_reads_as_before(place):
    data = bytearray(packed({"a.xml": RIGHT}))
    data[place % len(data)] ^= 0x55
    try:
        assert name(bytes(data)) == "Right"
    except MidiError as error:
        assert "Received" in str(error) or "received" in str(error) or "expected" in str(error)


def test_an_archive_is_never_unpacked_beyond_the_limit(monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    bomb = packed({"a.xml": RIGHT + " " * 100_000})
    with pytest.raises(MidiError, match="at most 1,000 bytes of MusicXML were expected"):
        read_musicxml(bomb)
    with pytest.raises(MidiError, match="at most 1,000 bytes of MusicXML were expected"):
        read_musicxml(RIGHT.encode() + b" " * 1000)


# Encodings and headers


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252", "gbk"])
def test_a_document_in_the_encoding_it_declares(encoding):
    title = "爱" if encoding == "gbk" else "Träumerei"
    text = RIGHT.replace("Right", title).replace('"UTF-8"', f'"{encoding.removesuffix("-sig")}"')
    assert name(text.encode(encoding)) == title


def test_a_document_that_is_not_in_the_encoding_it_declares():
    text = RIGHT.replace("Right", "Träumerei")
    assert name(text.replace("UTF-8", "UTF-16").encode()) == "Träumerei"
    assert name(text.encode("latin-1")) == "Träumerei"
    assert name(text.replace("UTF-8", "ISO-8859-1").encode("utf-16")) == "Träumerei"


def test_the_address_of_a_doctype_is_not_read(tmp_path):
    secret = tmp_path / "secret.dtd"
    secret.write_text('<!ENTITY name "Secret">')
    document = RIGHT.replace("http://www.musicxml.org/dtds/partwise.dtd", secret.as_uri())
    assert name(document.replace("Right", "R&name;t").encode()) == "Rt"
    secret.unlink()
    assert name(document.encode()) == "Right"


def test_names_with_a_prefix():
    prefixed = RIGHT.replace("</", "</m:").replace("<", "<m:").replace("<m:/m:", "</m:")
    prefixed = prefixed.replace("<m:?", "<?").replace("<m:!", "<!")
    assert name(prefixed.encode()) == "Right"


def test_the_header_of_a_document():
    header = (
        "<work><work-title>A  Sonata</work-title></work><identification>"
        '<creator type="composer">Clara Schumann</creator><rights>none</rights></identification>'
    )
    work = read_musicxml(partwise([measure(attributes(), note("C4"))], header=header).encode())
    assert work.metadata == [
        ("title", "A Sonata"),
        ("copyright", "none"),
        ("composer", "Clara Schumann"),
    ]


# Documents that are no music, or would take long


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "line 1: well-formed XML was expected"),
        ("X:1\nK:C\nCDE", "line 1: well-formed XML was expected"),
        (
            "<museScore version='3'/>",
            "whose root is score-partwise or .*; received: the root museS",
        ),
        ("<html><body/></html>", "received: the root html"),
        ("<score-partwise><part>", "line 1: well-formed XML was expected; received: no element"),
        (RIGHT.replace("</measure>", ""), "received: mismatched tag"),
        (RIGHT.replace("UTF-8", "no-such"), "a text encoding was expected; received: 'no-such'"),
        ("<score-partwise>" * 200, "at most 100 elements one in another"),
        ("<score-partwise><print>" + "<print>" * 200, "at most 100 elements one in another"),
        ("<score-partwise>" + "<a/>" * 2000, "at most 1,000 elements were expected"),
        (f"<score-partwise a='{'x' * 300_000}'/>", "tags of at most 1,000 bytes were expected"),
        (f"<score-partwise><!--{'x' * 300_000}--></score-partwise>", "tags of at most 1,000"),
        (
            "<!DOCTYPE x [<!ENTITY a 'aaa'>]><score-partwise>&a;</score-partwise>",
            "a DOCTYPE without",
        ),
        ("<!DOCTYPE x [<!ATTLIST note a CDATA 'aaa'>]><score-partwise/>", "a DOCTYPE without"),
        ("<!DOCTYPE x [<!ENTITY % a SYSTEM 'file:///etc/passwd'>]><x/>", "a DOCTYPE without"),
    ],
)
def test_what_is_wrong_with_a_document_is_named(monkeypatch, document, message):
    monkeypatch.setattr(elements, "MOST", 1000)
    monkeypatch.setattr(elements, "LONGEST_TAG", 1000)
    with pytest.raises(MidiError, match=message):
        read_musicxml(document.encode())


@pytest.mark.parametrize(
    ("module", "limit", "content", "message"),
    [
        (parts, "MOST_MEASURES", measure() * 4, "measure 1 .line 3.: at most 3 measures were"),
        (parts, "MOST_SIGNS", measure('<sound tempo="9"/>' * 4), "at most 3 signs of a kind were"),
        (musicxml, "MOST_TRACKS", "", "at most 3 parts were expected"),
        (
            instruments,
            "MOST_ENTRIES",
            "",
            "part-list: at most 3 entries were expected; received: 4",
        ),
    ],
)
def test_a_score_has_limits(monkeypatch, module, limit, content, message):
    monkeypatch.setattr(module, limit, 3)
    bars = [measure(attributes()) + content]
    with pytest.raises(MidiError, match=message):
        read_musicxml(partwise(*[bars] * 4).encode())


def test_a_part_has_limited_staffs(monkeypatch):
    monkeypatch.setattr(scores, "MOST_TRACKS", 3)
    staffs = "".join(note("C4", 1, after=f"<staff>{n}</staff>") for n in range(1, 5))
    with pytest.raises(MidiError, match="at most 3 parts, staffs and instruments were expected"):
        read_musicxml(tune(staffs).encode())


def test_what_reaches_beyond_the_longest_score_is_an_error():
    late = '<sound tempo="90"><offset>999999999</offset></sound>'
    with pytest.raises(MidiError, match="received: a note or sign that reaches to quarter"):
        read_musicxml(tune(late, note("C4")).encode())


def test_each_part_comes_once():
    twice = RIGHT.replace("</part></score", f'</part><part id="P0">{measure()}</part></score')
    with pytest.raises(MidiError, match="each part once was expected; received: part P0 a second"):
        read_musicxml(twice.encode())
    part = f'<part id="P0">{attributes()}{note("C4")}</part>'
    timewise = f"<score-timewise>{measure(part)}{measure(part)}</score-timewise>"
    assert len(read_musicxml(timewise.encode()).score) == 2
    timewise = f"<score-timewise>{measure(part, part)}</score-timewise>"
    with pytest.raises(MidiError, match="each part once was expected"):
        read_musicxml(timewise.encode())


def test_a_long_text_is_cut_and_costs_nothing():
    long = tune(note("C4"), info=f"<part-name>{'ab ' * 50_000}</part-name>")
    assert name(long.encode()).startswith("ab ab ab") and len(name(long.encode())) <= 1000


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("rest.musicxml", partwise([measure(attributes())]), "no notes in it"),
        ("page.xml", "<html/>", "the root html"),
        ("empty.mxl", "", "well-formed XML was expected"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_once(tmp_path, file, content, message):
    path = tmp_path / file
    path.write_text(content)
    with pytest.raises(MidiError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ") and str(caught.value).count(str(path)) == 1
