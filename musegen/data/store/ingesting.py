"""Fill a store: encode folders of music into shards, in a run that can be resumed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musegen.config import differences, require
from musegen.data.store.encoding import Job, contents, crashed, encode
from musegen.data.store.entries import SAME, Columns, among, joined, pointing, table
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
from musegen.data.store.shards import Shards
from musegen.data.store.store import Store
from musegen.data.store.walking import MusicFile, check_folders, counted, walk
from musegen.encoding.encoder import Encoder
from musegen.errors import MusegenError
from musegen.score.midi.reading import MAX_BYTES
from musegen.score.notation import is_notation
from musegen.utils.files import locked, refuse_foreign, remove_files, remove_half_written
from musegen.utils.parallel import Crash, each

__all__ = ["MAX_TOKENS", "ingest"]

LOCK = ".lock"
WRITTEN = re.compile("|".join(map(re.escape, (INDEX, REPORT))))
MAX_TOKENS = 2**20  # of a piece: a symphony has half as many
FILES_LOOKED_UP_AT_ONCE = 1024
TOKENS_PER_SHARD = 2**24
WEIGHT_PER_TASK = 256
WEIGHT_PER_SHARD = 2**13  # a few seconds of work, which a run that is stopped loses


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
    """Encode all music files under some folders into a store, and split the pieces.

    Run again, it encodes new and changed files and drops deleted ones. A run may be stopped at any
    moment: the next one resumes it, and ends with the same store as an undisturbed run. A file that
    cannot be read is a line of `report.tsv` and does not stop the run. Name every folder in each
    run: pieces of a folder that is left out are dropped from the store.

    >>> import tempfile
    >>> from musegen import Score, Track
    >>> folder = Path(tempfile.mkdtemp())
    >>> for pitch in (60, 62, 62):
    ...     tune = Score([(0, 480, 60, 80, 0), (480, 480, pitch, 80, 0)], [Track()])
    ...     tune.save(folder / "music" / f"{len(list(folder.rglob('*.mid')))}.mid")
    >>> ingest([folder / "music"], folder / "store").report
    {'kept': 2, 'duplicate': 1, 'empty': 0, 'too long': 0, 'unencodable': 0, 'broken': 0}

    Args:
        sources: All folders of the store, searched to any depth for MIDI and notation files; or
            files.
        store: The store's folder; made if it is missing.
        encoder: Converts files to tokens. Default: the encoder of the store, or `Encoder()`.
        workers: Number of processes. With more than one, a file that crashes its reader costs only
            itself, and a script must keep its code behind `if __name__ == "__main__":`.
        seed: Seeds the split.
        held_out: Share of the pieces in validation, and again in test.
        by_folder: Split by folder names, `train`, `validation` (or `valid`) and `test`, as a
            published data set does; then no piece is left out as a duplicate.
        max_tokens: Longer pieces are left out.
        force: Start over: remove the content of the store. A folder that is no store is never
            touched.
        on_progress: Called with (files done, files in all).
        on_dropped: Called with the number of pieces of an earlier run that this one dropped, if
            any: their files are gone, or in a folder that was not given.

    Raises:
        ConfigError: A setting is out of range.
        MusegenError: There is no music, or the store has other settings, is no store, or cannot be
            written.
    """
    require(workers >= 1, "workers must be >= 1", workers, "Use os.cpu_count() for all cores.")
    require(0 < held_out < 0.5, "held_out must be above 0 and below 0.5", held_out, "Use 0.05.")
    remedy = f"Leave it out for {MAX_TOKENS}."
    require(max_tokens >= 1, "max_tokens must be >= 1", max_tokens, remedy)
    require(seed >= 0, "seed must be >= 0", seed, "Use 0.")
    sources, store = list(sources), Path(store)
    total = counted(sources)
    if by_folder:
        check_folders(sources)
    _make_folder(store)
    with locked(store / LOCK):
        encoder = _prepared(store, encoder, max_tokens, force)
        run = _Run(store, encoder, max_tokens, lambda done: on_progress(done, total))
        run.fill(sources, workers)
        dropped = write_index(store, bytes(run.order), seed, held_out, by_folder)
    if dropped:
        on_dropped(dropped)
    return Store(store)


def _make_folder(store: Path) -> None:
    """Make the store's folder, unless it holds something else."""
    if (store / SETTINGS).exists():
        load_settings(store)
    else:
        # Hidden files may be those of a run that was stopped right at its beginning.
        refuse_foreign(
            store, lambda path: not path.name.startswith("."), "a token store or a new folder"
        )
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MusegenError(
            f"cannot make {store}: {error.strerror or error}. Choose another place with -o."
        ) from error


def _prepared(store: Path, encoder: Encoder | None, max_tokens: int, force: bool) -> Encoder:
    """Make a store ready to be filled, new or with the settings it has, and return its encoder."""
    shards = Shards(store)
    if force:
        remove_files(store, WRITTEN)
        shards.clear()
    if force or not (store / SETTINGS).exists():
        encoder = encoder or Encoder()
        write_settings(store, new_settings(encoder, max_tokens))
    else:
        settings, own = read_settings(store)
        encoder = encoder or own
        changed = differences(
            {**own.config.to_dict(), "max_tokens": settings["max_tokens"]},
            {**encoder.config.to_dict(), "max_tokens": max_tokens},
        )
        if changed:
            raise MusegenError(
                f"{store} was made with other settings. Received: {changed}. Give the same, "
                "choose another place with -o, or start over with --force."
            )
    shards.prepare()
    remove_half_written(store, re.compile(rf"{WRITTEN.pattern}|{re.escape(SETTINGS)}"))
    return encoder


class _Run:
    """One run over the folders; its results are saved shard by shard.

    Attributes:
        order: The identities of all files, 16 bytes each, in the order found.
    """

    def __init__(
        self, store: Path, encoder: Encoder, max_tokens: int, on_done: Callable[[int], None]
    ) -> None:
        self.order = bytearray()
        self._shards = Shards(store)
        numbers = tuple(self._shards.numbers())
        self._job = Job(encoder, max_tokens, store.absolute(), numbers)
        self._free = self._shards.free_numbers()
        self._on_done = on_done
        self._done = 0
        # What earlier shards hold: content by hash, files by identity.
        self._contents = contents(self._job.store, numbers)
        self._seen, self._unread = _seen(self._shards, numbers, self._contents)
        # The shard being filled.
        self._open: list[Columns] = []
        self._open_contents: set[bytes] = set()
        self._weight = 0

    def fill(self, sources: list[str | Path], workers: int) -> None:
        """Encode the new files under the sources."""
        work = partial(encode, self._job)
        for files, rows in each(work, _tasks(self._new(walk(sources))), workers):
            if isinstance(rows, Crash):  # try each file by itself to find the one at fault
                alone = each(work, ([file] for file in files), workers)
                rows = joined(
                    [table([crashed(f)]) if isinstance(r, Crash) else r for (f,), r in alone]
                )
            self._add(rows, sum(map(_weight, files)))
            self._count(len(files))
        if self._open or not self._job.shards:  # at least one shard, even if it is empty
            self._close()

    def _count(self, files: int) -> None:
        self._done += files
        self._on_done(self._done)

    def _new(self, found: Iterator[MusicFile]) -> Iterator[MusicFile]:
        """Yield the files that are new or changed; note the order of all."""
        while files := list(islice(found, FILES_LOOKED_UP_AT_ONCE)):
            identities = b"".join(file.identity for file in files)
            self.order += identities
            keys = np.frombuffer(identities, "S16")
            known = among(keys, self._seen)
            # A file that could not be read is tried again once it can be.
            for index in (known & among(keys, self._unread)).nonzero()[0].tolist():
                file = files[index]
                known[index] = file.size > MAX_BYTES or not os.access(file.path, os.R_OK)
            self._count(int(known.sum()))
            yield from (files[index] for index in (~known).nonzero()[0].tolist())

    def _add(self, rows: Columns, weight: int) -> None:
        known = (rows["sha256"] != b"") & among(rows["sha256"], self._contents)
        for index, sha256 in enumerate(rows["sha256"].tolist()):
            if sha256 and not known[index]:
                known[index] = sha256 in self._open_contents
                self._open_contents.add(sha256)
        self._open.append(pointing(rows, known))
        self._weight += weight
        tokens = sum(len(part["tokens"]) for part in self._open)
        if self._weight >= WEIGHT_PER_SHARD or tokens >= TOKENS_PER_SHARD:
            self._close()

    def _close(self) -> None:
        self._shards.write(next(self._free), joined([*self._open, table([])]))
        new = np.array(sorted(self._open_contents), "S32")
        # A stable sort merges two ascending runs quickly.
        self._contents = np.sort(np.concatenate([self._contents, new]), kind="stable")
        self._open, self._open_contents = [], set()
        self._weight = 0


def _seen(
    shards: Shards, numbers: Iterable[int], known: NDArray[np.bytes_]
) -> tuple[NDArray[np.bytes_], NDArray[np.bytes_]]:
    """Return the identities of all files in some shards, and of those that could not be read."""
    seen, unread = [np.zeros(0, "S16")], [np.zeros(0, "S16")]
    for number in numbers:
        identity, sha256, status = shards.columns(number, "identity", "sha256", "status")
        # The content of a row may have been in a shard that is lost.
        seen.append(identity[(status != SAME) | among(sha256, known)])
        unread.append(identity[sha256 == b""])
    return np.sort(np.concatenate(seen)), np.sort(np.concatenate(unread))


def _weight(file: MusicFile) -> int:
    """Estimate the work on a file, 1 for most; the same in every run, so shards end alike."""
    return 1 + min(file.size, MAX_BYTES) // 2**15 + (64 if is_notation(file.path) else 0)


def _tasks(files: Iterator[MusicFile]) -> Iterator[list[MusicFile]]:
    task: list[MusicFile] = []
    weight = 0
    for file in files:
        task.append(file)
        weight += _weight(file)
        if weight >= WEIGHT_PER_TASK:
            yield task
            task, weight = [], 0
    if task:
        yield task
