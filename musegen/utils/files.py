"""Write files completely or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from musegen.errors import MusegenError

__all__ = [
    "atomic_path",
    "locked",
    "refuse_foreign",
    "refuse_to_overwrite",
    "remove_files",
    "remove_half_written",
]


def refuse_to_overwrite(path: Path, force: bool, option: str = "-o") -> None:
    """Raise if a file exists and may not be replaced. Call it before any work.

    Args:
        path: The file.
        force: Whether it may be replaced.
        option: The command-line option that names the file, for the message.

    >>> refuse_to_overwrite(Path("no such file"), force=False)

    Raises:
        MusegenError: `path` exists and `force` is false.
    """
    if path.exists() and not force:
        raise MusegenError(
            f"{path} exists already and is not overwritten. "
            f"Choose another name with {option}, or pass --force to replace it."
        )


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` when the block succeeds.

    The folder is created if it is missing. If the block raises, the temporary file is removed and
    `path` is unchanged.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "new", "file.txt")
    ...     with atomic_path(path) as temporary:
    ...         written = temporary.write_text("text")
    ...     path.read_text()
    'text'

    Raises:
        MusegenError: The disk is full, the folder is read-only, or the like.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=f"-{path.name}")
    except OSError as error:
        raise _unwritable(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp creates a private file: give it the mode of any new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        _flush(temporary)  # or a power cut could leave an empty file
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def refuse_foreign(
    folder: Path,
    is_foreign: Callable[[Path], bool],
    expected: str,
    remedy: str = "Choose another place with -o.",
) -> None:
    """Raise before any work is done if a folder holds files of someone else.

    Args:
        folder: The output folder; it may be missing.
        is_foreign: Whether a file or folder in it must not be there.
        expected: What the folder must be, for the message.
        remedy: What to do, for the message.

    Raises:
        MusegenError: Such a file is there, or `folder` is a file or cannot be read.
    """
    try:
        found = sorted(path.name for path in folder.iterdir() if is_foreign(path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(folder, error) from error
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise MusegenError(
            f"{folder} must be {expected}. Received: a folder with {', '.join(found[:3])}{more}, "
            f"which is not overwritten. {remedy}"
        )


def remove_files(folder: Path, names: re.Pattern[str]) -> None:
    """Remove the files of a folder whose whole names match a pattern, and nothing else.

    Raises:
        MusegenError: One cannot be removed.
    """
    try:
        for path in folder.glob("*"):
            if names.fullmatch(path.name):
                path.unlink(missing_ok=True)
    except OSError as error:
        raise MusegenError(
            f"cannot remove {error.filename}: {error.strerror or error}. "
            "Choose another place with -o."
        ) from error


def remove_half_written(folder: Path, names: re.Pattern[str]) -> None:
    """Remove the temporary files that `atomic_path` left in a folder when a run was killed.

    Args:
        folder: A folder; it may be missing.
        names: Matches the whole name of each file that the run may have been writing.
    """
    remove_files(folder, re.compile(rf"\.[a-z0-9_]+-({names.pattern})", names.flags))


def _flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, which the system releases when this process ends. No effect on Windows.

    Raises:
        MusegenError: Another process holds it, or the file cannot be made.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise MusegenError(
            f"another run is writing to {path.parent}. Wait until it is done, or stop it."
        ) from error
    except OSError:
        pass  # a network drive that does not support locks
    try:
        yield
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> MusegenError:
    return MusegenError(
        f"cannot write {path}: {error.strerror or error}. "
        "Choose another place with -o, or make room."
    )
