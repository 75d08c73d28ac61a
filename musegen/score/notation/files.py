"""Read files of written music."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from musegen.errors import MidiError
from musegen.score.notation.abc import Tune, parse_abc, split_abc
from musegen.score.notation.kern import parse_kern
from musegen.score.notation.musicxml import Work, read_musicxml
from musegen.score.notation.musicxml.archive import MAX_BYTES
from musegen.score.score import Score

__all__ = [
    "MUSICXML_SUFFIXES",
    "NOTATION_SUFFIXES",
    "file_of",
    "is_notation",
    "load_musicxml",
    "load_notation",
    "read_bytes",
    "read_text",
    "read_tune",
    "read_tunes",
    "stem_of",
]

MUSICXML_SUFFIXES = (".musicxml", ".mxl", ".xml")
KERN_SUFFIXES = (".krn", ".kern")
NOTATION_SUFFIXES = (".abc", *KERN_SUFFIXES, *MUSICXML_SUFFIXES)
"""The file name extensions that `load_notation` reads."""
TUNE = re.compile(r"(.+\.abc)#([\w.-]+)", re.IGNORECASE | re.DOTALL)
"""The path of one tune of an ABC file."""


def is_notation(source: Any) -> bool:
    """Return whether this is the path of written music, by its file name extension.

    >>> is_notation("tune.abc"), is_notation("book.abc#12"), is_notation("tune.mid")
    (True, True, False)
    """
    if not isinstance(source, str | Path):
        return False
    name = str(source).lower()  # a path takes longer to make than a tune to parse
    return name.endswith(NOTATION_SUFFIXES) or (".abc#" in name and bool(TUNE.fullmatch(name)))


def file_of(path: str | Path) -> Path:
    """Return the file of a path, which may name a tune of an ABC file.

    >>> file_of("book.abc#12").name
    'book.abc'
    """
    match = TUNE.fullmatch(str(path))
    return Path(match[1] if match else path)


def stem_of(path: str | Path) -> str:
    """Return the name of a file without its ending, and with the number of a tune.

    >>> stem_of("book.abc#12"), stem_of("tune.mid")
    ('book-12', 'tune')
    """
    match = TUNE.fullmatch(str(path))
    return f"{Path(match[1]).stem}-{match[2]}" if match else Path(path).stem


def load_notation(path: str | Path) -> Score:
    """Read one piece of written music: .musicxml, .xml, .mxl, .abc, .krn or .kern.

    Args:
        path: The file. A tune of an ABC file with several is chosen by its number: `book.abc#12`.

    Raises:
        MidiError: The file is missing, is of another kind, cannot be read, has no notes, or is an
            ABC file with several tunes of which none is chosen.
    """
    path = Path(path)
    if not is_notation(path):
        raise MidiError(
            f"{path}: not a notation file that can be read. Expected a name that ends in "
            f"{', '.join(NOTATION_SUFFIXES)}. Received: {path.suffix or 'no ending'}."
        )
    try:
        score = _read(path)
    except MidiError as error:
        raise MidiError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    if not len(score):
        raise MidiError(f"{path}: no notes in it. Check that it opens in a notation program.")
    return score


def _read(path: Path) -> Score:
    if file_of(path).suffix.lower() == ".abc":
        return parse_abc(read_tune(path))
    if path.suffix.lower() in MUSICXML_SUFFIXES:
        return load_musicxml(path).score
    return parse_kern(read_text(path))


def load_musicxml(path: Path) -> Work:
    """Read a MusicXML file, plain or compressed: its music, and what its header says.

    Raises:
        MidiError: The file is missing, too large, or cannot be read.
    """
    return read_musicxml(read_bytes(path))


def read_tunes(path: str | Path) -> tuple[Tune, ...]:
    r"""Return all tunes of an ABC file.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     book = Path(folder, "book.abc")
    ...     _ = book.write_text("X:1\nK:C\nCDE|\n\nX:2\nK:G\nGAB|\n")
    ...     [(tune.label, parse_abc(tune).notes["pitch"].tolist()) for tune in read_tunes(book)]
    [('1', [60, 62, 64]), ('2', [67, 69, 71])]

    Raises:
        MidiError: The file cannot be read.
    """
    path = Path(path)
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return tuple(split_abc(read_text(path)))
    return _tunes(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=1)
def _tunes(path: Path, size: int, changed: int) -> tuple[Tune, ...]:
    """Return the tunes of a file in a certain state; a book is asked for each of its tunes."""
    return tuple(split_abc(read_text(path)))


def read_tune(path: str | Path) -> Tune:
    """Return the only tune of an ABC file, or the one that is chosen, as in `book.abc#12`.

    Raises:
        MidiError: The file cannot be read, there are several and none is chosen, or there is no
            such tune.
    """
    file = file_of(path)
    tunes = read_tunes(file)
    first, last = tunes[0].label, tunes[-1].label
    if match := TUNE.fullmatch(str(path)):
        found = next((tune for tune in tunes if tune.label == match[2]), None)
        if found is None:
            raise MidiError(
                f"{path}: the number of a tune was expected, one of {len(tunes)} from {first} to "
                f"{last}. Received: {match[2]}. Look at the X: lines of {file.name}."
            )
        return found
    if len(tunes) > 1:
        raise MidiError(
            f"{path}: {len(tunes)} tunes, expected one. Choose one by its number in X:, from "
            f"{first} to {last}, as in {file.name}#{first}."
        )
    return tunes[0]


def read_text(path: Path) -> str:
    """Return the content of a text file, decoded as UTF-8 or else as Latin-1.

    Raises:
        MidiError: The file cannot be read.
    """
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        MidiError: It is missing, is not a regular file, or has more than `MAX_BYTES`.
    """
    try:
        if path.exists() and not path.is_file():
            raise MidiError(f"{path}: not a file. Give the path of a file of written music.")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, MidiError):
            raise
        raise MidiError(f"{path}: {getattr(error, 'strerror', None) or error}.") from error
    if len(data) > MAX_BYTES:
        raise MidiError(
            f"{path}: at most {MAX_BYTES:,} bytes were expected. Divide the music into movements."
        )
    return data
