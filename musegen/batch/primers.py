"""Which primers there are, and which checkpoint continues each."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

from musegen.data.store.walking import SUFFIXES, walk
from musegen.errors import CheckpointError, MusegenError
from musegen.generation.compose import opened, pick
from musegen.generation.composer import Composer
from musegen.model import checkpoint as checkpoints
from musegen.model.blas import one_thread
from musegen.model.checkpoint import WEIGHTS
from musegen.utils.parallel import Crash, each

__all__ = [
    "called",
    "located",
    "placed",
    "sha256_of",
    "shown",
    "survey",
    "walked",
    "weights_sha256",
]

AUTO = "auto"
QUICK = 64  # primers that are read sooner than processes start, if no network has to hear them


class Surveyed(NamedTuple):
    """What is known of a primer before anything is made of it."""

    sha256: str
    checkpoint: str
    """Directory; empty if there is none."""
    problem: str


def walked(sources: Iterable[str | Path], output: Path) -> list[str]:
    """Return the primers that names, folders and patterns mean: absolute paths, each once, as they come first.

    A folder means all MIDI files and written music in it, to any depth, by name; a pattern (`*`,
    `?`, `[`) the files and folders that fit it, by name (`**` any depth). A name that does not
    exist is a primer all the same: its pieces fail, and the others do not. What a folder or pattern
    has in the output folder is no primer: a batch would continue itself.

    Args:
        sources: Names.
        output: The folder of the batch, without links.

    Raises:
        MusegenError: A folder or a pattern has no music, or all of it lies in the output folder.
    """
    out: dict[str, None] = {}
    for source in map(str, sources):
        every = list(_meant(source))
        named = os.path.isfile(source)  # noqa: PTH113
        found = [
            path for path in every if named or output not in Path(os.path.realpath(path)).parents
        ]
        if every and not found:
            raise MusegenError(
                f"primers must not lie in the folder of the batch. Received: {source}, all of it in {output}. Choose "
                "another --output-dir."
            )
        if not found:
            raise MusegenError(
                f"no music in {source}. Expected: files with names that end in {', '.join(SUFFIXES)}. Received: none. "
                "Check the name."
            )
        out.update(dict.fromkeys(found))
    return list(out)


def _meant(source: str) -> Iterator[str]:
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
    asked: str,
    workers: int,
    on_progress: Callable[[int, int], None],
    inject: bool = False,
) -> Iterator[tuple[str, Surveyed]]:
    """Yield the primers, in order, with what is known of them.

    Args:
        paths: Absolute.
        asked: `auto`, or the checkpoint for all.
        workers: Processes.
        on_progress: Called with (primers done, primers in all).
        inject: Whether parts are to play beside the primers, which not every model has.
    """
    on_progress(0, len(paths))
    quick = asked != AUTO and len(paths) < QUICK
    outcomes = each(
        partial(_surveyed, asked, inject), paths, 1 if quick else max(1, min(workers, len(paths)))
    )
    for done, (path, outcome) in enumerate(outcomes, 1):
        on_progress(done, len(paths))
        died = "the process that read it died. It is most likely damaged: export it again."
        yield path, Surveyed(sha256_of(path), "", died) if isinstance(outcome, Crash) else outcome


def _surveyed(asked: str, inject: bool, path: str) -> Surveyed:
    """Return what is known of a primer. The work of a process."""
    sha256 = sha256_of(path)
    try:
        source = opened(Path(path))
        with one_thread():  # as many processes as cores do this
            composer, _ = (
                pick(asked, source.score, inject=inject) if asked == AUTO else (_named(asked), {})
            )
    except MusegenError as error:
        return Surveyed(sha256, "", str(error))
    except Exception as error:
        # Memory, or a fault of ours that one file brings to light: it must not stop the others
        return Surveyed(
            sha256,
            "",
            f"it cannot be read, which should not happen: {type(error).__name__}: {error}",
        )
    return Surveyed(sha256, str(composer.checkpoint.path), "")


@lru_cache(maxsize=1)
def _named(asked: str) -> Composer:
    return pick(asked, None)[0]


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; empty if it cannot be read."""
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


def shown(path: str | Path, folder: Path) -> str:
    """Return a path as the manifest in a folder has it: relative where possible, with `/`."""
    path = os.path.abspath(path)  # noqa: PTH100
    try:
        path = os.path.relpath(path, folder)
    except ValueError:  # another drive of Windows
        pass
    return Path(path).as_posix()


def placed(path: str, folder: Path) -> Path:
    """Return what a path in a manifest in a folder means: the way back from `shown`.

    Args:
        path: As the manifest has it.
        folder: Without links; it need not exist yet, so the `..` are worked out here.
    """
    return Path(os.path.normpath(folder / path))


def called(directory: str | Path, folder: Path) -> str:
    """Return what the manifest in a folder calls a checkpoint: its name, or its path as `shown` has it."""
    named = checkpoints.available().get(Path(directory).name)
    if named is not None and named.resolve() == Path(directory).resolve():
        return Path(directory).name
    return shown(directory, folder)


def located(checkpoint: str, folder: Path) -> Path:
    """Return the directory of what a manifest in a folder calls a checkpoint.

    Raises:
        CheckpointError: There is none.
    """
    named = checkpoints.available().get(checkpoint)
    if named is not None:
        return named
    try:
        return checkpoints.find(placed(checkpoint, folder))
    except CheckpointError as error:
        raise CheckpointError(
            f"the checkpoint {checkpoint} is not there any more. Expected: its name, or its path from {folder}. "
            "Put it back, or set MUSEGEN_CHECKPOINTS to the folder that has it."
        ) from error
