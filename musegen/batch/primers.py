"""Find the primers of a batch, choose their checkpoints, and name both in the manifest."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from musegen.data.store.walking import SUFFIXES, walk
from musegen.errors import CheckpointError, MidiError, MusegenError
from musegen.generation.compose import pick
from musegen.generation.compose_file import read_primer_file
from musegen.model import checkpoint as checkpoints
from musegen.model.blas import one_thread
from musegen.model.checkpoint import WEIGHTS
from musegen.score.notation import file_of, stem_of
from musegen.utils.parallel import Crash, each

__all__ = [
    "AUTO",
    "Primer",
    "checked_checkpoint",
    "checked_primer",
    "checkpoint_name",
    "checkpoint_path",
    "find",
    "relative",
    "sha256_of",
    "survey",
    "weights_sha256",
]

AUTO = "auto"
FEW = 64  # primers that are read before processes have started, if no network is to score them
STEM_BYTES = 100  # of a primer's name in the names of its pieces
UNUSUAL = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Primer:
    """A primer of a batch.

    Attributes:
        path: Relative to the batch's folder where possible; None for new pieces.
        sha256: Of the file; None for new pieces, and empty if it cannot be read.
        checkpoint: Name of the model that continues it, or its path, relative as `path`; empty if
            no model can.
        problem: Why it cannot be continued; empty if no reason is known.

    >>> Primer("../tunes/Drowsy Maggie.mid", "c0ffee", "folk").stem
    'Drowsy_Maggie'
    """

    path: str | None
    sha256: str | None
    checkpoint: str
    problem: str = ""

    @property
    def stem(self) -> str:
        """The part of its pieces' file names after the number."""
        if self.path is None:
            name = PurePosixPath(self.checkpoint).name
        else:
            name = stem_of(self.path)
        return UNUSUAL.sub("_", name).encode(errors="ignore")[:STEM_BYTES].decode(errors="ignore")


# ------------------------------------------------------------------------ finding and surveying


def find(sources: Iterable[str | Path], output: Path) -> list[str]:
    """Return the absolute paths of the primers, each once, in order of first appearance.

    A folder stands for all MIDI files and written music in it, at any depth, sorted by name; a
    pattern (`*`, `?`, `[`; `**` for any depth) for the files and folders that match. A file that
    does not exist is included: its pieces fail, and the others do not. Files that a folder or
    pattern finds in the output folder are left out, or a batch would continue its own pieces.

    Args:
        sources: Files, folders and patterns.
        output: The folder of the batch, with symbolic links resolved.

    Raises:
        MusegenError: A folder or a pattern has no music, or all of it lies in the output folder.
    """
    out: dict[str, None] = {}
    for source in map(str, sources):
        matches = list(_matches(source))
        found = matches
        if not os.path.isfile(source):  # noqa: PTH113
            found = [p for p in matches if output not in Path(os.path.realpath(p)).parents]
        if matches and not found:
            raise MusegenError(
                f"primers must not lie in the folder of the batch. Received: {source}, all of it "
                f"in {output}. Choose another --output-dir."
            )
        if not found:
            raise MusegenError(
                f"no music in {source}. Expected: files with names that end in "
                f"{', '.join(SUFFIXES)}. Received: none. Check the name."
            )
        out.update(dict.fromkeys(found))
    return list(out)


def _matches(source: str) -> Iterator[str]:
    """Yield the files that a name, folder or pattern stands for."""
    if not os.path.lexists(source) and glob.has_magic(source):
        matches = sorted(glob.glob(source, recursive=True))  # noqa: PTH207  (Path.glob takes no absolute patterns)
        music = (path for path in matches if os.path.isdir(path) or path.lower().endswith(SUFFIXES))  # noqa: PTH112
        yield from (found.path for found in walk(music))
    elif os.path.lexists(source):
        yield from (found.path for found in walk([source]))
    else:
        yield os.path.abspath(source)  # noqa: PTH100


def survey(
    paths: list[str],
    folder: Path,
    checkpoint: str,
    inject: bool,
    known: Mapping[str, Primer],
    workers: int,
    on_progress: Callable[[int, int], None],
) -> tuple[Primer, ...]:
    """Read the primers, and choose a checkpoint for each.

    Args:
        paths: Absolute.
        folder: Of the batch.
        checkpoint: `auto`, or the one for all, as the manifest names it.
        inject: Whether to accompany the primers, for which not every model is suited.
        known: Path, as in `Primer` → what an earlier run found; used if the file is the same.
        workers: Number of processes.
        on_progress: Called with (primers done, primers in all).
    """
    found: dict[str, Primer] = {}
    for path in paths:
        primer = known.get(relative(path, folder))
        if primer and primer.sha256 == sha256_of(path):
            found[path] = primer

    new = [path for path in paths if path not in found]
    on_progress(0, len(new))
    quick = checkpoint != AUTO and len(new) < FEW
    processes = 1 if quick else max(1, min(workers, len(new)))
    outcomes = each(partial(_surveyed, folder, checkpoint, inject), new, processes)
    for done, (path, outcome) in enumerate(outcomes, 1):
        on_progress(done, len(new))
        if isinstance(outcome, Crash):
            died = "the process that read it died. It is most likely damaged: export it again."
            outcome = Primer(relative(path, folder), sha256_of(path), "", died)
        found[path] = outcome
    return tuple(found[path] for path in paths)


def _surveyed(folder: Path, checkpoint: str, inject: bool, path: str) -> Primer:
    """Read one primer and choose its checkpoint, in a worker process."""
    problem = ""
    sha256 = sha256_of(path)
    try:
        source = read_primer_file(Path(path))
        if checkpoint == AUTO:
            with one_thread():  # there are as many of these processes as cores
                composer, _ = pick(AUTO, source.score, inject=inject)
            checkpoint = checkpoint_name(composer.checkpoint.path, folder)
    except MusegenError as error:
        problem = str(error)
    except Exception as error:
        # Out of memory, or a bug that one file triggers: it must not stop the others
        problem = f"it cannot be read, which should not happen: {type(error).__name__}: {error}"
    return Primer(relative(path, folder), sha256, "" if problem else checkpoint, problem)


# ------------------------------------------------------------------------- names in a manifest


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; empty if it cannot be read."""
    path = file_of(path)
    try:
        if not os.path.isfile(path):  # noqa: PTH113  (a named pipe would block)
            return ""
        with open(path, "rb") as file:  # noqa: PTH123
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def weights_sha256(directory: str | Path) -> str:
    """Return the SHA-256 of a checkpoint's weights; empty if they cannot be read."""
    return sha256_of(Path(directory) / WEIGHTS)


def checked_primer(primer: Primer, folder: Path) -> Path:
    """Return the absolute path of a primer, if its file still has the same SHA-256.

    Raises:
        MidiError: It has another, or there is no such file.
    """
    assert primer.path is not None
    # The folder need not exist, so `..` is removed textually
    path = Path(os.path.normpath(folder / primer.path))
    received = sha256_of(path)
    if received != primer.sha256:
        raise MidiError(
            f"the primer {primer.path} has changed: SHA-256 {primer.sha256} was expected. "
            f"Received: {received or 'no file that can be read'}. Put the old one back."
        )
    return path


def checked_checkpoint(name: str, sha256: str, folder: Path) -> Path:
    """Return the directory of a checkpoint, if its weights still have the same SHA-256.

    Raises:
        CheckpointError: They have another, or there is no such checkpoint.
    """
    directory = checkpoint_path(name, folder)
    received = weights_sha256(directory)
    if received != sha256:
        raise CheckpointError(
            f"the checkpoint {name} has changed: weights with SHA-256 {sha256} were expected. "
            f"Received: {received or 'none that can be read'}. Put the old ones back."
        )
    return directory


def relative(path: str | Path, folder: Path) -> str:
    """Return a path as the manifest in `folder` writes it: relative where possible, with `/`."""
    path = os.path.abspath(path)  # noqa: PTH100
    try:
        path = os.path.relpath(path, folder)
    except ValueError:  # another drive of Windows
        pass
    return Path(path).as_posix()


def checkpoint_name(directory: str | Path, folder: Path) -> str:
    """Return what the manifest in `folder` calls a checkpoint: its name, or its relative path."""
    named = checkpoints.available().get(Path(directory).name)
    if named is not None and named.resolve() == Path(directory).resolve():
        return Path(directory).name
    return relative(directory, folder)


def checkpoint_path(name: str, folder: Path) -> Path:
    """Return the directory of a checkpoint: the inverse of `checkpoint_name`.

    Raises:
        CheckpointError: There is none.
    """
    named = checkpoints.available().get(name)
    if named is not None:
        return named
    try:
        return checkpoints.find(os.path.normpath(folder / name))
    except CheckpointError as error:
        raise CheckpointError(
            f"the checkpoint {name} is not there any more. Expected: its name, or its path from "
            f"{folder}. Put it back, or set MUSEGEN_CHECKPOINTS to the folder that has it."
        ) from error
