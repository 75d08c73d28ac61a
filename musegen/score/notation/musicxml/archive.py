"""Find the MusicXML document in a file: plain, or packed in a zip archive (.mxl).

Source: MusicXML 4.0, "Compressed .mxl files", and its `container.xsd`.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from xml.parsers import expat

from musegen.errors import MidiError

__all__ = ["MAX_BYTES", "document"]

MAX_BYTES = 64 * 2**20  # unpacked; a long symphony has 60 MB
MAX_FILES = 10_000  # in an archive
CONTAINER = "META-INF/container.xml"
MUSICXML = "application/vnd.recordare.musicxml"
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # others can ask for gigabytes to unpack


def document(data: bytes) -> bytes:
    """Return the MusicXML document in a file's content.

    It is unpacked if it is an archive; the name of the file does not matter. The archive's
    container names the document: its first root file that is MusicXML. Without a container it is
    the only XML file.

    Raises:
        MidiError: It is too large, or the archive is damaged or does not say which it is.
    """
    if not data.startswith(b"PK"):
        if len(data) > MAX_BYTES:
            raise _too_large(f"{len(data):,} bytes")
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _unpack(archive, _document_name(archive), MAX_BYTES)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError) as error:
        if isinstance(error, MidiError):
            raise
        # NotImplementedError, for encryption, is a RuntimeError.
        raise MidiError(
            f"a zip archive was expected; received: {error}. Export the music again."
        ) from error


def _document_name(archive: zipfile.ZipFile) -> str:
    """Return the name of the document in an archive."""
    names = archive.namelist()
    if len(names) > MAX_FILES:
        raise _too_large(f"{len(names):,} files in it")
    if CONTAINER in names:
        named = _root_files(_unpack(archive, CONTAINER, 2**16))
        if not named:
            raise MidiError(
                f"{CONTAINER}: a rootfile with a full-path was expected; received: none. "
                "Export the music again."
            )
        if named[0] not in names:
            raise MidiError(
                f"{CONTAINER}: the archive has no {named[0]!r}, the rootfile that it names. "
                "Export the music again."
            )
        return named[0]
    scores = [name for name in names if name.lower().endswith((".xml", ".musicxml"))]
    if len(scores) != 1:
        raise MidiError(
            f"an archive without {CONTAINER} was expected to hold one score; received: "
            f"{', '.join(scores[:5]) or 'none'}. Unpack it and give the file."
        )
    return scores[0]


def _root_files(container: bytes) -> list[str]:
    """Return the paths of the MusicXML files that a container names."""
    found: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        is_score = attributes.get("media-type", MUSICXML).startswith(MUSICXML)
        if tag.rpartition(":")[2] == "rootfile" and is_score and "full-path" in attributes:
            found.append(attributes["full-path"])

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    try:
        parser.Parse(container, True)
    except expat.ExpatError as error:
        raise MidiError(
            f"{CONTAINER}, line {error.lineno}: well-formed XML was expected; received: "
            f"{expat.ErrorString(error.code)}. Export the music again."
        ) from error
    return found


def _unpack(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return a file of an archive, but never unpack more than `most` bytes."""
    entry = archive.getinfo(name)
    if entry.compress_type not in METHODS:
        raise MidiError(
            f"{name}: an archive packed with deflate was expected; received: method "
            f"{entry.compress_type}. Export the music again."
        )
    with archive.open(entry) as packed:
        data = packed.read(most + 1)
    if len(data) > most:
        raise _too_large(f"{name} with more than {most:,} bytes when unpacked")
    return data


def _too_large(what: str) -> MidiError:
    return MidiError(
        f"at most {MAX_BYTES:,} bytes of MusicXML were expected; received: {what}. "
        "Divide the music into movements."
    )
