"""Read files of written music."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musegen.errors import MidiError
from musegen.score.export.music21 import quiet
from musegen.score.notation.abc import parse_abc, split_abc
from musegen.score.notation.music21_reader import from_music21
from musegen.score.score import Score

__all__ = ["NOTATION_SUFFIXES", "is_notation", "load_notation", "parse_file", "read_text"]

NOTATION_SUFFIXES = (".abc", ".krn", ".musicxml", ".mxl", ".xml")
"""The file name extensions that `load_notation` reads."""


def is_notation(source: Any) -> bool:
    """Return whether this is the path of a file of written music, by its file name extension.

    >>> is_notation("tune.abc"), is_notation("tune.mid")
    (True, False)
    """
    return isinstance(source, str | Path) and str(source).lower().endswith(NOTATION_SUFFIXES)


def load_notation(path: str | Path) -> Score:
    """Read one piece of written music: .musicxml, .xml, .mxl, .abc or .krn.

    Raises:
        MidiError: The file is missing, is of another kind, cannot be read, has no notes, or is an
            ABC file with several tunes.
    """
    path = Path(path)
    if path.suffix.lower() not in NOTATION_SUFFIXES:
        raise MidiError(
            f"{path}: not a notation file that can be read. Expected a name that ends in "
            f"{', '.join(NOTATION_SUFFIXES)}. Received: {path.suffix or 'no ending'}."
        )
    try:
        score = from_music21(parse_file(path))
    except MidiError as error:
        raise MidiError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    if not len(score):
        raise MidiError(f"{path}: no notes in it. Check that it opens in a notation program.")
    return score


def parse_file(path: Path) -> Any:
    """Parse a notation file into a music21 stream, without reading or writing music21's caches.

    Raises:
        MidiError: The file cannot be read, or is an ABC file with several tunes.
    """
    if path.suffix.lower() == ".abc":
        tunes = split_abc(read_text(path))
        if len(tunes) != 1:
            raise MidiError(
                f"{path}: {len(tunes)} tunes, expected one. Save one of them, from its X: line to "
                "the next X: line, as a file of its own."
            )
        return parse_abc(tunes[0])
    if not path.is_file():
        raise MidiError(f"{path}: no such file.")
    with quiet(str(path)):
        from music21 import converter

        reader = converter.Converter()
        reader.parseFileNoPickle(path, forceSource=True)
        return reader.stream


def read_text(path: Path) -> str:
    """Return the content of a text file, decoded as UTF-8 or else as Latin-1.

    Raises:
        MidiError: The file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MidiError(f"{path}: {error.strerror or error}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")
