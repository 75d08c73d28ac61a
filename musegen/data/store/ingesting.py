"""The run that fills a store: folders to shards, resumable."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musegen.config import require
from musegen.data.store.encoding import Job, contents, crashed, encode
from musegen.data.store.entries import SAME, Entries, joined, pointing, table
from musegen.data.store.indexing import write_index
from musegen.data.store.settings import (
    INDEX,
    REPORT,
    SETTINGS,
    load_settings,
    new_settings,
    read_settings,
    write_settings,
)
from musegen.data.store.shards import SHARD, Shards
from musegen.data.store.store import Store
from musegen.data.store.walking import Found, check_folders, counted, is_notation, walk
from musegen.encoding.encoder import Encoder
from musegen.errors import MusegenError
from musegen.score.midi.reading import MAX_BYTES
from musegen.utils.files import locked
from musegen.utils.parallel import Crash, each

__all__ = ["MAX_TOKENS", "ingest"]

LOCK = ".lock"
HALF_WRITTEN = re.compile(
    rf"\.[a-z0-9_]+-({SHARD.pattern}|{'|'.join(map(re.escape, (INDEX, REPORT, SETTINGS)))})"
)
MAX_TOKENS = 2**20  # of a piece: a symphony has half as many
FILES_LOOKED_UP_AT_ONCE = 1024
TOKENS_PER_SHARD = 2**24
WEIGHT_PER_TASK = 256
WEIGHT_PER_SHARD = 2**13  # some seconds' work, which is what a run that is stopped loses


def ingest(
    sources: Iterable[str | Path],
    store: str | Path,
    encoder: Encoder | None = None,
    *,
    workers: int = 1,
    seed: int = 0,
    held_out: float = 0.05,
    by_folder: bool = False,
    max_tokens: int = MAX_TOKENS,
    force: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_dropped: Callable[[int], None] = lambda pieces: None,
) -> Store:
    """Encode every music file under some folders into a store, and split the pieces.

    Run again, it encodes what is new or has changed and drops what is gone; stopped at any moment,
    it goes on, and ends with what an undisturbed run ends with. A file that cannot be read is a
    line of `report.tsv`, and stops nothing. Each run must be given every folder: the pieces of one
    that is left out are dropped from the store.

    Args:
        sources: All folders of the store, searched to any depth for MIDI and written music; or
            files.
        store: The store's folder; made if it is missing.
        encoder: Turns files into tokens: that of the store if left out, or `Encoder()`.
        workers: Processes to share the work. With more than one, a script must keep what it does
            behind `if __name__ == "__main__":`, and a file that crashes the reader costs itself
            alone.
        seed: Seeds the split.
        held_out: Share of the pieces in validation, and again in test.
        by_folder: Split by what folders are called, `train`, `validation` (or `valid`) and `test`,
            as somebody has done it before; then no piece is left out as a duplicate.
        max_tokens: Longer pieces are left out.
        force: Start anew: remove what is in the store. What is no store is never touched.
        on_progress: Called with (files done, files in all).
        on_dropped: Called with the number of pieces of an earlier run that this one dropped, if
            there are any: their files are gone, or are in no folder that was given.

    Raises:
        ConfigError: A setting is out of range.
        MusegenError: There is no music, or the store has other settings, is no store, or cannot be
            written.
    """
    require(workers >= 1, "workers must be >= 1", workers, "Use os.cpu_count() for all cores.")
    require(0 < held_out < 0.5, "held_out must be above 0 and below 0.5", held_out, "Use 0.05.")
    require(
        max_tokens >= 1, "max_tokens must be >= 1", max_tokens, f"Leave it out for {MAX_TOKENS}."
    )
    require(seed >= 0, "seed must be >= 0", seed, "Use 0.")
    sources, store = list(sources), Path(store)
    total = counted(sources)
    if by_folder:
        check_folders(sources)
    _make_room(store)
    with locked(store / LOCK):
        if force:
            _clear(store)
        encoder = _opened(store, encoder, max_tokens, force)
        run = _Run(store, encoder, max_tokens, lambda done: on_progress(done, total))
        run.fill(sources, workers)
        dropped = write_index(store, bytes(run.order), seed, held_out, by_folder)
    if dropped:
        on_dropped(dropped)
    return Store(store)


def _make_room(store: Path) -> None:
    """Make the store's folder, unless something else is there."""
    if (store / SETTINGS).exists():
        load_settings(store)
    elif store.exists():
        # Hidden files may be those of a run that was stopped before it had begun.
        if not store.is_dir() or any(not path.name.startswith(".") for path in store.iterdir()):
            raise MusegenError(
                f"{store} exists already and is no token store. Choose another place with -o."
            )
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MusegenError(
            f"cannot make {store}: {error.strerror or error}. Choose another place with -o."
        ) from error


def _clear(store: Path) -> None:
    """Remove what a store consists of, but for the settings, and nothing else that may be there."""
    try:
        for name in (INDEX, REPORT):
            (store / name).unlink(missing_ok=True)
        Shards(store).clear()
    except OSError as error:
        raise MusegenError(
            f"cannot remove {error.filename}: {error.strerror or error}. Choose another place with -o."
        ) from error


def _tidy(store: Path) -> None:
    """Remove what a killed run left half-written."""
    for pattern in (".*-*", "shards/.*-*"):
        for path in store.glob(pattern):
            if HALF_WRITTEN.fullmatch(path.name):
                path.unlink()


def _opened(store: Path, encoder: Encoder | None, max_tokens: int, force: bool) -> Encoder:
    """Return the encoder of a store, new or with these settings."""
    if force or not (store / SETTINGS).exists():
        encoder = encoder or Encoder()
        write_settings(store, new_settings(encoder, max_tokens))
        return encoder
    settings, own = read_settings(store)
    given = {**(encoder or own).config.to_dict(), "max_tokens": max_tokens}
    there = {**own.config.to_dict(), "max_tokens": settings["max_tokens"]}
    changed = [
        f"{name} is {there[name]!r} there and {value!r} here"
        for name, value in given.items()
        if value != there[name]
    ]
    if changed:
        raise MusegenError(
            f"{store} was made with other settings. Received: {'; '.join(changed)}. Give the same, choose another "
            "place with -o, or start anew with --force."
        )
    return own


class _Run:
    """One run over the folders; what it does is kept shard by shard."""

    def __init__(
        self, store: Path, encoder: Encoder, max_tokens: int, on_done: Callable[[int], None]
    ) -> None:
        self.shards = Shards(store)
        self.shards.folder.mkdir(exist_ok=True)
        _tidy(store)
        self.order = bytearray()
        """The identities of all files, in the order found."""
        numbers = tuple(self.shards.numbers())
        self._job = Job(encoder, max_tokens, store.absolute(), numbers)
        self._free = self.shards.free()
        self._contents = contents(self._job.store, numbers)
        self._seen, self._unread = _seen(self.shards, numbers, self._contents)
        self._on_done, self._done = on_done, 0
        self._open: list[Entries] = []
        self._open_contents: set[bytes] = set()
        self._weight = 0

    def fill(self, sources: list[str | Path], workers: int) -> None:
        """Encode what is new under the sources."""
        tasks = _tasks(self._new(walk(sources)))
        for files, rows in each(partial(encode, self._job), tasks, workers):
            if isinstance(rows, Crash):  # which of them it was shows when each is tried by itself
                alone = each(partial(encode, self._job), ([file] for file in files), workers)
                rows = joined(
                    [table([crashed(f)]) if isinstance(r, Crash) else r for (f,), r in alone]
                )
            self._add(rows, sum(map(_weight, files)))
            self._count(len(files))
        if self._open or not self._job.shards:  # at least one shard, be it empty
            self._close()

    def _count(self, files: int) -> None:
        self._done += files
        self._on_done(self._done)

    def _new(self, found: Iterator[Found]) -> Iterator[Found]:
        """Yield the files that the store does not know as they are; note the order of all."""
        while files := list(islice(found, FILES_LOOKED_UP_AT_ONCE)):
            identities = b"".join(file.identity for file in files)
            self.order += identities
            keys = np.frombuffer(identities, "S16")
            known = _among(keys, self._seen)
            for index in (known & _among(keys, self._unread)).nonzero()[0].tolist():
                known[index] = files[index].size > MAX_BYTES or not os.access(
                    files[index].path, os.R_OK
                )
            self._count(int(known.sum()))
            yield from (
                file for file, is_known in zip(files, known.tolist(), strict=True) if not is_known
            )

    def _add(self, rows: Entries, weight: int) -> None:
        known = (rows.sha256 != b"") & _among(rows.sha256, self._contents)
        for index, sha256 in enumerate(rows.sha256.tolist()):
            if sha256 and not known[index]:
                known[index] = sha256 in self._open_contents
                self._open_contents.add(sha256)
        self._open.append(pointing(rows, known))
        self._weight += weight
        if (
            self._weight >= WEIGHT_PER_SHARD
            or sum(len(part.tokens) for part in self._open) >= TOKENS_PER_SHARD
        ):
            self._close()

    def _close(self) -> None:
        rows = joined([*self._open, table([])])
        self.shards.write(next(self._free), rows)
        new = np.array(sorted(self._open_contents), "S32")
        self._contents = np.sort(
            np.concatenate([self._contents, new]), kind="stable"
        )  # two ascending runs: quick
        self._open, self._open_contents, self._weight = [], set(), 0


def _seen(
    shards: Shards, numbers: Iterable[int], known: NDArray[np.bytes_]
) -> tuple[NDArray[np.bytes_], NDArray[np.bytes_]]:
    """Return the identities of all files that some shards say something of, and of those that could not be read."""
    seen, unread = [np.zeros(0, "S16")], [np.zeros(0, "S16")]
    for number in numbers:
        identity, sha256, status = shards.columns(number, "identity", "sha256", "status")
        seen.append(
            identity[(status != SAME) | _among(sha256, known)]
        )  # of a lost shard's content nothing is known
        unread.append(identity[sha256 == b""])
    return np.sort(np.concatenate(seen)), np.sort(np.concatenate(unread))


def _among(keys: NDArray[np.bytes_], ascending: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Return which keys are among others, `bool[N]`."""
    if not len(ascending):
        return np.zeros(len(keys), bool)
    out: NDArray[np.bool_] = ascending[ascending.searchsorted(keys) % len(ascending)] == keys
    return out


def _weight(file: Found) -> int:
    """Return how much work a file is, 1 for most: shards and tasks are cut by it, the same in every run."""
    return 1 + min(file.size, MAX_BYTES) // 2**15 + (64 if is_notation(file.path) else 0)


def _tasks(files: Iterator[Found]) -> Iterator[list[Found]]:
    task: list[Found] = []
    weight = 0
    for file in files:
        task.append(file)
        weight += _weight(file)
        if weight >= WEIGHT_PER_TASK:
            yield task
            task, weight = [], 0
    if task:
        yield task
