"""Export a corpus as MIDI files, in parallel and resumable."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from musegen.data.corpus.collection import CORPORA
from musegen.data.corpus.converting import LEFT_OUT, Rows, Task, convert, pieces
from musegen.data.corpus.tables import PROVENANCE, SKIPPED, read_record, write_tables
from musegen.errors import ConfigError, MusegenError
from musegen.score import notation
from musegen.utils.files import atomic_path, refuse_foreign
from musegen.utils.parallel import Crash, cores, each

__all__ = ["Report", "corpus_root", "export", "source_files"]

FORMAT = 2  # raised when the same source gives other files, so that earlier exports are made again
TUNES_PER_TASK = 25
RECORDS = ".export"


@dataclass(frozen=True)
class Report:
    """The result of an export.

    Attributes:
        files: MIDI files that are now in the folder.
        skipped: Pieces that could not be used; `skipped.tsv` lists the reasons.
        left_out: Pieces left out because of `without`.
        resumed: Tasks that an earlier run had finished.
    """

    files: int
    skipped: int
    left_out: int
    resumed: int


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

    >>> [path.suffix for path in source_files("nottingham")]
    ['.abc']

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
    """Write every piece of a corpus as a MIDI file. Run again, it continues where it stopped.

    File names are the same in every run: `<source>-<number in the source>-<title>.mid`, in ASCII.
    With more than one worker, a script must keep its code behind `if __name__ == "__main__":`, and
    a piece that crashes its reader is skipped, and tried again in the next run.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> export("nottingham", folder, workers=1)
    Report(files=2, skipped=0, left_out=0, resumed=0)
    >>> sorted(path.name for path in folder.glob("*.tsv"))
    ['provenance.tsv', 'skipped.tsv']

    Args:
        name: One of `CORPORA`.
        output_dir: Made if it is missing.
        workers: Number of processes. Default: one for each core.
        without: Leave out pieces whose header (title, transcriber and so on) contains one of these
            texts, in upper or lower case.
        on_progress: Called with (pieces done, pieces in all).

    Raises:
        ConfigError: There is no corpus of that name, or `workers` is below 1.
        MusegenError: The corpus is not installed, or a file cannot be written.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be >= 1. Received: {workers}.")
    output_dir = Path(output_dir)
    is_export = (output_dir / RECORDS).is_dir()
    refuse_foreign(
        output_dir,
        lambda path: path.name in (PROVENANCE, SKIPPED) and not is_export,
        "a new folder or that of an earlier export",
    )
    tasks = list(_tasks(name, source_files(name), output_dir, tuple(without)))
    waiting = [task for task in tasks if not _is_finished(task)]
    total = sum(task.stop - task.first for task in tasks)
    done = total - sum(task.stop - task.first for task in waiting)
    workers = max(1, min(workers or cores(), len(waiting)))
    try:
        for task, outcome in each(convert, waiting, workers):
            if isinstance(outcome, Crash):
                _write_record(task, _one_by_one(task, workers), complete=False)
            else:
                _write_record(task, outcome)
            done += task.stop - task.first
            if on_progress:
                on_progress(done, total)
        written, skipped = write_tables(output_dir)
    except OSError as error:
        raise MusegenError(f"cannot write to {output_dir}: {error.strerror or error}.") from error
    left_out = sum(row["reason"].startswith(LEFT_OUT) for row in skipped)
    return Report(len(written), len(skipped) - left_out, left_out, len(tasks) - len(waiting))


def _tasks(
    name: str, files: list[Path], output_dir: Path, without: tuple[str, ...]
) -> Iterator[Task]:
    root = corpus_root()
    for path in files:
        source = path.relative_to(root).as_posix()
        count = len(notation.read_tunes(path)) if path.suffix == ".abc" else 1
        for first in range(0, count, TUNES_PER_TASK):
            stop = min(first + TUNES_PER_TASK, count)
            yield Task(name, source, root, output_dir.absolute(), first, stop, without)


def _one_by_one(task: Task, workers: int) -> Rows:
    """Convert a task that crashed piece by piece; skip the piece at fault."""
    rows = Rows([], [])
    alone = [replace(task, first=at, stop=at + 1) for at in range(task.first, task.stop)]
    for part, outcome in each(convert, alone, workers):
        if isinstance(outcome, Crash):
            reason = "the process that read it died, out of memory perhaps"
            for stem, _ in pieces(part):
                rows.skipped.append({"title": stem, "source": part.source, "reason": reason})
        else:
            rows.written.extend(outcome.written)
            rows.skipped.extend(outcome.skipped)
    return rows


def _settings(task: Task) -> dict[str, Any]:
    """Return what the result of a task depends on, besides its source."""
    return {
        "format": FORMAT,
        "source": task.source,
        "first": task.first,
        "stop": task.stop,
        "without": sorted(text.lower() for text in task.without),
    }


def _record_path(task: Task) -> Path:
    """Return the file that records that a task is finished, and its rows."""
    key = hashlib.sha256(f"{task.source}:{task.first}".encode()).hexdigest()[:16]
    return task.output_dir / RECORDS / f"{key}.json"


def _is_finished(task: Task) -> bool:
    """Return whether an earlier run finished a task with the same settings."""
    record = read_record(_record_path(task))
    if record is None or record.get("settings") != _settings(task):
        return False
    files = [task.output_dir / row["file"] for row in record["written"]]
    return record.get("complete", True) and all(file.is_file() for file in files)


def _write_record(task: Task, rows: Rows, complete: bool = True) -> None:
    """Record the rows of a task; a task that is not complete is done again in the next run."""
    path = _record_path(task)
    kept = {row["file"] for row in rows.written}
    earlier = read_record(path)
    for row in earlier["written"] if earlier else ():  # other settings may take fewer pieces
        if row["file"] not in kept:
            (task.output_dir / row["file"]).unlink(missing_ok=True)
    record: dict[str, Any] = {"settings": _settings(task), **rows._asdict()}
    if not complete:
        record["complete"] = False
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
