"""The export: source files to MIDI files, in parallel, resumable."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

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
from musegen.data.corpus.tables import PROVENANCE, SKIPPED, read_record, write_tables
from musegen.errors import ConfigError, MidiError, MusegenError
from musegen.score import Score, midi, notation
from musegen.utils.files import atomic_path
from musegen.utils.parallel import cores

__all__ = ["Report", "export", "source_files"]

FORMAT = 1  # counts up when the same source gives other files, so that older exports are made anew
TUNES_PER_TASK = 25
LEFT_OUT = "left out: mentions"


@dataclass(frozen=True)
class Report:
    """What an export did.

    Attributes:
        files: MIDI files that stand in the folder now.
        skipped: Pieces that could not be used; `skipped.tsv` says why.
        left_out: Pieces left out because of `without`.
        resumed: Tasks that an earlier run had finished.
    """

    files: int
    skipped: int
    left_out: int
    resumed: int


@dataclass(frozen=True)
class _Task:
    """Some tunes of one source file: what one worker does at a time."""

    name: str
    source: str  # relative to music21's corpus folder
    root: Path
    output_dir: Path
    first: int
    stop: int
    without: tuple[str, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """What the result depends on, besides the source."""
        return {
            "format": FORMAT,
            "source": self.source,
            "first": self.first,
            "stop": self.stop,
            "without": sorted(text.lower() for text in self.without),
        }

    @property
    def record(self) -> Path:
        """The file that says that this task is finished, and what came of it."""
        key = hashlib.sha256(f"{self.source}:{self.first}".encode()).hexdigest()[:16]
        return self.output_dir / ".export" / f"{key}.json"


def corpus_root() -> Path:
    """Return music21's corpus folder, without importing music21.

    Raises:
        MusegenError: music21 is not installed.
    """
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        raise MusegenError("music21 is not installed. Install it: pip install music21.")
    return Path(spec.origin).parent / "corpus"


def source_files(name: str) -> list[Path]:
    """Return the source files of a corpus, sorted.

    Raises:
        ConfigError: There is no corpus of that name.
        MusegenError: music21 is installed without its corpus.
    """
    if name not in CORPORA:
        raise ConfigError(f"corpus must be one of {', '.join(CORPORA)}. Received: {name}.")
    folder = corpus_root() / CORPORA[name].folder
    files = sorted(p for p in folder.rglob("*") if p.suffix == CORPORA[name].suffix)
    if not files:
        raise MusegenError(
            f"{folder}: no {CORPORA[name].suffix} files. Install music21 with its corpus."
        )
    return files


def export(
    name: str,
    output_dir: str | Path,
    *,
    workers: int | None = None,
    without: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Write every piece of a corpus as a MIDI file, in parallel. Run again to go on where it stopped.

    File names are the same in every run: `<source>-<number in the source>-<title>.mid`, in ASCII.
    Workers are started afresh (`spawn`), so a script that calls this needs the usual
    `if __name__ == "__main__":`; with `workers=1` no process is started.

    Args:
        name: One of `CORPORA`.
        output_dir: Made if missing.
        workers: Processes; default: one for each core.
        without: Leave out pieces whose header (title, transcriber and so on) contains one of these
            texts, in upper or lower case.
        on_progress: Called with the pieces done and the pieces in all.

    Raises:
        ConfigError: There is no corpus of that name, or `workers` is below 1.
        MusegenError: The corpus is not installed, or a file cannot be written.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be >= 1. Received: {workers}.")
    output_dir = Path(output_dir)
    _check_ours(output_dir)
    tasks = list(_tasks(name, source_files(name), output_dir, tuple(without)))
    waiting = [task for task in tasks if _finished(task) is None]
    total = sum(task.stop - task.first for task in tasks)
    done = total - sum(task.stop - task.first for task in waiting)
    try:
        for task in _work(waiting, workers or cores()):
            done += task.stop - task.first
            if on_progress:
                on_progress(done, total)
        written, skipped = write_tables(output_dir)
    except OSError as error:
        raise MusegenError(f"cannot write to {output_dir}: {error.strerror or error}.") from error
    left_out = sum(row["reason"].startswith(LEFT_OUT) for row in skipped)
    return Report(len(written), len(skipped) - left_out, left_out, len(tasks) - len(waiting))


def _check_ours(output_dir: Path) -> None:
    """Refuse a folder with tables of somebody else's, before any work is done."""
    for name in (PROVENANCE, SKIPPED):
        if (output_dir / name).exists() and not (output_dir / ".export").is_dir():
            raise MusegenError(
                f"{output_dir / name} exists already, from elsewhere, and is not overwritten. "
                "Choose another folder with -o."
            )


def _tasks(
    name: str, files: list[Path], output_dir: Path, without: tuple[str, ...]
) -> Iterator[_Task]:
    root = corpus_root()
    for path in files:
        count = len(notation.split_abc(notation.read_text(path))) if path.suffix == ".abc" else 1
        for first in range(0, count, TUNES_PER_TASK):
            source, stop = path.relative_to(root).as_posix(), min(first + TUNES_PER_TASK, count)
            yield _Task(name, source, root, output_dir.absolute(), first, stop, without)


def _work(tasks: list[_Task], workers: int) -> Iterator[_Task]:
    """Do the tasks; yield each when it is finished."""
    if workers == 1 or len(tasks) <= 1:
        for task in tasks:
            yield _do(task)
        return
    pool = ProcessPoolExecutor(min(workers, len(tasks)), mp_context=get_context("spawn"))
    try:
        for future in as_completed([pool.submit(_do, task) for task in tasks]):
            yield future.result()
    except BrokenProcessPool as error:
        raise MusegenError(
            "a worker process died, out of memory perhaps. What is finished is kept: run again to go on, "
            "with --workers 1 to use less memory."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(task: _Task) -> dict[str, Any] | None:
    """Return the record of a task that an earlier run finished with the same settings."""
    record = read_record(task.record)
    if record is None or record.get("settings") != task.settings:
        return None
    whole = all((task.output_dir / row["file"]).is_file() for row in record["written"])
    return record if whole else None


def _do(task: _Task) -> _Task:
    """Export the task's pieces, and record that it is finished."""
    earlier = read_record(task.record)
    written, skipped = [], []
    for stem, material in _pieces(task):
        about: dict[str, Any] = {"title": "", "source": task.source}
        try:
            score = _convert(task, material, about)
            title = slug(about["title"])
            file = (
                f"{stem}-{title}.mid"
                if title and about["title"] not in task.source
                else f"{stem}.mid"
            )
            midi.write(score, task.output_dir / file, force=True)
        except (
            ValueError
        ) as error:  # MidiError, and what a MIDI file cannot carry; a full disk is neither
            skipped.append({**about, "reason": str(error)})
        else:
            written.append({**about, "file": file})
    kept = {row["file"] for row in written}
    for row in earlier["written"] if earlier else ():  # other settings may take fewer pieces
        if row["file"] not in kept:
            (task.output_dir / row["file"]).unlink(missing_ok=True)
    result = {"settings": task.settings, "written": written, "skipped": skipped}
    with atomic_path(task.record) as temporary:
        temporary.write_text(json.dumps(result, ensure_ascii=False, indent=1), encoding="utf-8")
    return task


def _pieces(task: _Task) -> Iterator[tuple[str, str | Path]]:
    """Yield each piece of the task: how its file name begins, and its ABC text or its file."""
    path = task.root / task.source
    inside = Path(task.source).relative_to(CORPORA[task.name].folder).with_suffix("")
    stem = ascii_name("-".join(inside.parts))
    if path.suffix != ".abc":
        yield stem, path
        return
    seen: Counter[str] = Counter()
    for index, text in enumerate(notation.split_abc(notation.read_text(path))):
        number = ascii_name(fields[0]) if (fields := abc_fields(text).get("X")) else "0"
        seen[number] += 1
        if task.first <= index < task.stop:
            # A number used twice in a file must not make one tune overwrite another.
            yield f"{stem}-{number}" + (f"-{seen[number]}" if seen[number] > 1 else ""), text


def _convert(task: _Task, material: str | Path, about: dict[str, Any]) -> Score:
    """Return the piece's score, and fill in what is known `about` it, for the tables.

    Raises:
        MidiError: The piece cannot be read, has no notes, or is to be left out.
    """
    corpus = CORPORA[task.name]
    if isinstance(material, str):
        fields = abc_fields(material)
        about.update(about_abc(fields))
        header = "\n".join(line for lines in fields.values() for line in lines)
        _check_wanted(header, task.without)
        stream = notation.parse_abc(material)
    else:
        stream = notation.parse_file(material)
        stated = [(str(name), str(value)) for name, value in stream.metadata.all()]
        about.update(about_metadata(stated, material))
        _check_wanted(
            "\n".join(value for name, value in stated if name != "filePath"), task.without
        )
    score = notation.from_music21(stream)
    if not len(score):
        raise MidiError("no notes in it")
    if corpus.parts is not None and len(score.tracks) != corpus.parts:
        raise MidiError(f"{len(score.tracks)} parts, expected {corpus.parts}")
    about["title"] = about["title"] or Path(task.source).stem
    about["composer"] = about["composer"] or corpus.composer
    about["terms"] = corpus.terms
    about["notes"], about["bars"] = len(score), len(score.barlines()) - 1
    about["cut_bars"] = cut_bars(score)
    about["key"] = key_name(score)
    about["meter"] = "{1}/{2}".format(*score.meters[0]) if len(score.meters) else ""
    return score


def _check_wanted(header: str, without: Iterable[str]) -> None:
    for text in without:
        if text.lower() in header.lower():
            raise MidiError(f"{LEFT_OUT} {text}")
