"""Writing files so that nothing half-written is ever left behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musegen.errors import MusegenError

__all__ = ["atomic_path", "locked", "refuse_to_overwrite"]


def refuse_to_overwrite(path: Path, force: bool) -> None:
    """Raise before any work is done if `path` exists and may not be replaced.

    Raises:
        MusegenError: `path` exists and `force` is false.
    """
    if path.exists() and not force:
        raise MusegenError(
            f"{path} exists already and is not overwritten. Choose another name with -o, or pass --force to replace it."
        )


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` when the block succeeds.

    The parent folder is made if it is missing. If the block raises, the temporary file is
    removed and `path` stays as it was.

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
        # mkstemp makes the file private; give it the mode any new file would have.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        _flush(temporary)  # or a power cut could leave the name with nothing in it
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock, a file at `path`, that the system releases however this process ends. Not on Windows.

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
        pass  # a network drive without locks
    try:
        yield
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> MusegenError:
    return MusegenError(
        f"cannot write {path}: {error.strerror or error}. Choose another place with -o, or make room."
    )
