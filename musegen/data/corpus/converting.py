"""Convert the pieces of one source file: the work of one process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from musegen.data.corpus.collection import CORPORA
from musegen.data.corpus.metadata import (
    abc_fields,
    about_abc,
    about_metadata,
    ascii_name,
    cut_bars,
    key_name,
    slug,
)
from musegen.errors import MidiError
from musegen.score import Score, midi, notation
from musegen.score.notation import Tune

__all__ = ["LEFT_OUT", "Rows", "Task", "convert", "pieces"]

LEFT_OUT = "left out: mentions"


@dataclass(frozen=True)
class Task:
    """A range of the pieces in one source file.

    Attributes:
        name: The corpus.
        source: The file, relative to `root`.
        root: music21's corpus folder.
        output_dir: Where MIDI files are written.
        first: Index of the first piece in the file.
        stop: Index after the last piece.
        without: Texts; pieces with one of them in the header are left out.
    """

    name: str
    source: str
    root: Path
    output_dir: Path
    first: int
    stop: int
    without: tuple[str, ...]


class Rows(NamedTuple):
    """The rows of both tables for some pieces."""

    written: list[dict[str, Any]]
    skipped: list[dict[str, Any]]


def convert(task: Task) -> Rows:
    """Write the pieces of a task as MIDI files, and return their rows."""
    rows = Rows([], [])
    for stem, material in pieces(task):
        about: dict[str, Any] = {"title": "", "source": task.source}
        try:
            score = _score(task, material, about)
            title = slug(about["title"])
            if title and about["title"] not in task.source:
                stem = f"{stem}-{title}"
            midi.write(score, task.output_dir / f"{stem}.mid", force=True)
        except ValueError as error:  # a piece that MIDI cannot carry; a full disk is no ValueError
            rows.skipped.append({**about, "reason": str(error)})
        else:
            rows.written.append({**about, "file": f"{stem}.mid"})
    return rows


def pieces(task: Task) -> Iterator[tuple[str, Tune | Path]]:
    """Yield for each piece of a task the beginning of its file name, and its ABC tune or file."""
    path = task.root / task.source
    inside = Path(task.source).relative_to(CORPORA[task.name].folder).with_suffix("")
    stem = ascii_name("-".join(inside.parts))
    if path.suffix != ".abc":
        yield stem, path
        return
    for tune in notation.read_tunes(path)[task.first : task.stop]:
        yield f"{stem}-{ascii_name(tune.label)}", tune


def _score(task: Task, material: Tune | Path, about: dict[str, Any]) -> Score:
    """Return the score of a piece, and add its metadata to `about`, a row of the tables.

    Raises:
        MidiError: The piece cannot be read, has no notes, or is to be left out.
    """
    corpus = CORPORA[task.name]
    if isinstance(material, Tune):
        fields = abc_fields(material.text)
        about.update(about_abc(fields))
        _check_wanted([line for lines in fields.values() for line in lines], task.without)
        score = notation.parse_abc(material)
    elif material.suffix in notation.MUSICXML_SUFFIXES:
        score, stated = notation.load_musicxml(material)
        about.update(about_metadata(stated, material))
        _check_wanted([value for _, value in stated], task.without)
    else:
        text = notation.read_text(material)
        score, stated = notation.parse_kern(text), notation.reference_records(text)
        about.update(about_metadata(stated, material))
        _check_wanted([value for _, value in stated], task.without)
    if not len(score):
        raise MidiError("no notes in it")
    if corpus.parts is not None and len(score.tracks) != corpus.parts:
        raise MidiError(f"{len(score.tracks)} parts, expected {corpus.parts}")
    about.update(
        title=about["title"] or Path(task.source).stem,
        composer=about["composer"] or corpus.composer,
        terms=corpus.terms,
        notes=len(score),
        bars=len(score.barlines()) - 1,
        cut_bars=cut_bars(score),
        key=key_name(score),
        meter="{1}/{2}".format(*score.meters[0]) if len(score.meters) else "",
    )
    return score


def _check_wanted(header: Iterable[str], without: Iterable[str]) -> None:
    lines = "\n".join(header).lower()
    for text in without:
        if text.lower() in lines:
            raise MidiError(f"{LEFT_OUT} {text}")
