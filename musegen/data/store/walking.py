"""Which files there are to encode."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from musegen.data.store.splitting import PARTS, folder_part
from musegen.errors import MusegenError
from musegen.score.notation import NOTATION_SUFFIXES

__all__ = ["SUFFIXES", "Found", "check_folders", "counted", "is_notation", "walk"]

MIDI_SUFFIXES = (".mid", ".midi", ".kar", ".rmi")
SUFFIXES = (*MIDI_SUFFIXES, *NOTATION_SUFFIXES)


class Found(NamedTuple):
    """A file in a folder, as it was when it was found."""

    path: str
    """Absolute."""
    name: str
    """Relative to where the folder that was given lies: `folder/inside/tune.mid`."""
    size: int
    """Bytes."""
    changed: int
    """When, in nanoseconds."""
    problem: str
    """Why it cannot be read, if that is known already."""

    @property
    def identity(self) -> bytes:
        """A hash, 16 bytes, that is another once the file has been moved or changed."""
        facts = f"{self.path}\0{self.size}\0{self.changed}"
        return hashlib.blake2b(facts.encode(errors="surrogateescape"), digest_size=16).digest()


def is_notation(path: str) -> bool:
    """Say whether a file's name is that of written music."""
    return path.lower().endswith(NOTATION_SUFFIXES)


def walk(sources: Iterable[str | Path]) -> Iterator[Found]:
    """Yield the music files under some folders, in the order of their names; and files as they are given.

    Links to files are followed, links to folders are not, so that none is walked twice or forever.

    Raises:
        MusegenError: A source does not exist.
    """
    for source in sources:
        path = os.path.abspath(source)  # noqa: PTH100  (links stay what they are called)
        name = os.path.basename(path)  # noqa: PTH119
        if os.path.isdir(path):  # noqa: PTH112
            yield from _folder(path, name)
        elif os.path.lexists(path):
            yield _found(path, name)
        else:
            raise MusegenError(f"{source}: no such file or folder. Give folders with MIDI files.")


def _folder(path: str, name: str) -> Iterator[Found]:
    levels: list[
        tuple[str, str, set[str], list[str]]
    ] = []  # not a recursion: folders may be nested deeper than Python's calls
    inside: tuple[str, str] | None = (path, name)
    while inside or levels:
        if inside:
            try:
                levels.append((*inside, *_listing(inside[0])))
            except OSError as error:
                yield Found(
                    *inside, 0, 0, f"the folder cannot be opened: {error.strerror or error}"
                )
            inside = None
        elif not levels[-1][3]:
            levels.pop()
        else:
            path, name, folders, names = levels[-1]
            child = names.pop()
            inside = f"{path.rstrip(os.sep)}{os.sep}{child}", f"{name}/{child}"
            if child not in folders:
                yield _found(*inside)
                inside = None


def _listing(path: str) -> tuple[set[str], list[str]]:
    """Return the names of the folders in a folder, and of folders and music files, the last first."""
    with os.scandir(path) as listing:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing]
    folders = {name for name, is_folder in entries if is_folder}
    return folders, sorted(
        (n for n, is_folder in entries if is_folder or n.lower().endswith(SUFFIXES)), reverse=True
    )


def _found(path: str, name: str) -> Found:
    try:
        facts = os.stat(path)  # noqa: PTH116
    except OSError as error:
        return Found(path, name, 0, 0, f"it cannot be opened: {error.strerror or error}")
    what = "" if stat.S_ISREG(facts.st_mode) else "it is no file: a folder, a pipe or a device"
    return Found(path, name, facts.st_size, facts.st_mtime_ns, what)


def counted(sources: list[str | Path]) -> int:
    """Return how many files there are, if any can be read: a drive that is not there must not empty a store."""
    total, problem = 0, ""
    usable = False
    for found in walk(sources):
        total += 1
        usable = usable or not found.problem
        problem = problem or f"{found.name}: {found.problem}"
    if not usable:
        raise MusegenError(
            f"no music in {', '.join(map(str, sources)) or 'no folders'}. Expected: files with names that end in "
            f"{', '.join(SUFFIXES)}. Received: {f'{total} that cannot be read; {problem}' if total else 'none'}. "
            "Nothing was changed: make sure that the folder is the right one and its drive is there."
        )
    return total


def check_folders(sources: list[str | Path]) -> None:
    """Make sure that every file lies in a folder that says which part of the split it is in, and none is empty."""
    empty = set(range(1, len(PARTS)))
    for found in walk(sources):
        empty.discard(part := folder_part(found.name))
        if not part:
            raise _unsplit(f"{found.name}, which does not")
    if empty:
        raise _unsplit(f"none for {' and '.join(PARTS[part] for part in sorted(empty))}")


def _unsplit(received: str) -> MusegenError:
    return MusegenError(
        "to be split by folders, every file must lie in one called train, validation (or valid) or test, and each must "
        f"have some. Received: {received}. Nothing was changed: move files, or leave out --split folders."
    )
