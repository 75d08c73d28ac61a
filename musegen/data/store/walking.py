"""Find the music files to encode."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from musegen.data.store.splitting import PARTS, folder_part
from musegen.errors import MidiError, MusegenError
from musegen.score.midi.reading import MAX_BYTES
from musegen.score.notation import NOTATION_SUFFIXES, read_tunes

__all__ = ["SUFFIXES", "MusicFile", "check_folders", "counted", "walk"]

MIDI_SUFFIXES = (".mid", ".midi", ".smf", ".kar", ".rmi")
SUFFIXES = (*MIDI_SUFFIXES, *NOTATION_SUFFIXES)


class MusicFile(NamedTuple):
    """A file in a folder, as it was when it was found."""

    path: str
    """Absolute. Of a tune of an ABC file with several: `/folder/book.abc#12`."""
    name: str
    """Relative to the parent of the folder that was given: `folder/inside/tune.mid`."""
    size: int
    """Bytes."""
    changed: int
    """Modification time in nanoseconds."""
    problem: str
    """Why it cannot be read, if that is known already."""

    @property
    def identity(self) -> bytes:
        """A hash, 16 bytes, which changes when the file is moved or modified."""
        facts = f"{self.path}\0{self.size}\0{self.changed}"
        return hashlib.blake2b(facts.encode(errors="surrogateescape"), digest_size=16).digest()


def walk(sources: Iterable[str | Path]) -> Iterator[MusicFile]:
    """Yield the music files under folders, in the order of their names, and files as given.

    An ABC file with several tunes is one for each.
    Links to files are followed. Links to folders are not, so that no folder is walked twice or
    forever.

    Raises:
        MusegenError: A source does not exist.
    """
    for source in sources:
        path = os.path.abspath(source)  # noqa: PTH100  (does not resolve links)
        name = os.path.basename(path)  # noqa: PTH119
        if os.path.isdir(path):  # noqa: PTH112
            yield from _folder(path, name)
        elif os.path.lexists(path):
            yield from _found(path, name)
        else:
            raise MusegenError(f"{source}: no such file or folder. Give folders with MIDI files.")


def _folder(path: str, name: str) -> Iterator[MusicFile]:
    # A stack, not recursion: folders may be nested deeper than Python allows calls to be.
    stack = [iter([(path, name, True)])]
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
            continue
        path, name, is_folder = child
        if not is_folder:
            yield from _found(path, name)
            continue
        try:
            stack.append(_children(path, name))
        except OSError as error:
            why = f"the folder cannot be opened: {error.strerror or error}"
            yield MusicFile(path, name, 0, 0, why)


def _children(path: str, name: str) -> Iterator[tuple[str, str, bool]]:
    """Return path, name and whether it is a folder of each folder and music file in a folder."""
    with os.scandir(path) as listing:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing]
    wanted = sorted((n, is_dir) for n, is_dir in entries if is_dir or n.lower().endswith(SUFFIXES))
    inside = path.rstrip(os.sep) + os.sep
    return ((inside + n, f"{name}/{n}", is_dir) for n, is_dir in wanted)


def _found(path: str, name: str) -> Iterator[MusicFile]:
    try:
        facts = os.stat(path)  # noqa: PTH116
    except OSError as error:
        yield MusicFile(path, name, 0, 0, f"it cannot be opened: {error.strerror or error}")
        return
    is_file = stat.S_ISREG(facts.st_mode)
    problem = "" if is_file else "it is no file: a folder, a pipe or a device"
    file = MusicFile(path, name, facts.st_size, facts.st_mtime_ns, problem)
    if is_file and path.lower().endswith(".abc") and file.size <= MAX_BYTES:
        yield from _tunes(file)
    else:
        yield file


def _tunes(file: MusicFile) -> Iterator[MusicFile]:
    """Yield an ABC file, or each of its tunes if there are several."""
    try:
        tunes = read_tunes(file.path)
    except MidiError:  # which is said when the file is read
        tunes = ()
    if len(tunes) < 2:
        yield file
        return
    for tune in tunes:
        path, name = (f"{text}#{tune.label}" for text in (file.path, file.name))
        yield file._replace(path=path, name=name, size=len(tune.text))


def counted(sources: list[str | Path]) -> int:
    """Return the number of files.

    Raises:
        MusegenError: None can be read: an unmounted drive must not empty a store.
    """
    total = 0
    problem = ""
    usable = False
    for file in walk(sources):
        total += 1
        usable = usable or not file.problem
        problem = problem or f"{file.name}: {file.problem}"
    if not usable:
        received = f"{total} that cannot be read; {problem}" if total else "none"
        raise MusegenError(
            f"no music in {', '.join(map(str, sources)) or 'no folders'}. Expected: files with "
            f"names that end in {', '.join(SUFFIXES)}. Received: {received}. Nothing was changed: "
            "make sure that the folder is the right one and its drive is there."
        )
    return total


def check_folders(sources: list[str | Path]) -> None:
    """Make sure that a split by folders puts every file in a part and leaves no part empty.

    Raises:
        MusegenError: It does not.
    """
    empty = set(range(1, len(PARTS)))
    received = ""
    for file in walk(sources):
        part = folder_part(file.name)
        empty.discard(part)
        if not part:
            received = f"{file.name}, which does not"
            break
    if empty and not received:
        received = f"none for {' and '.join(PARTS[part] for part in sorted(empty))}"
    if received:
        raise MusegenError(
            "to be split by folders, every file must lie in one called train, validation (or "
            f"valid) or test, and each must have some. Received: {received}. Nothing was changed: "
            "move files, or leave out --split folders."
        )
