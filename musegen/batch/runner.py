"""Run a batch: make the pieces that are missing, and choose the best."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter

import numpy as np

from musegen.batch.manifest import MANIFEST, Manifest, Row, prepare
from musegen.batch.plan import Item, Plan
from musegen.batch.primers import sha256_of
from musegen.batch.ranking import Rank, select, unchosen
from musegen.batch.worker import failed, make
from musegen.config import require
from musegen.errors import MusegenError
from musegen.utils.arrays import Bools
from musegen.utils.files import locked
from musegen.utils.parallel import Crash, each

__all__ = ["SIDE_BY_SIDE", "Report", "chunks", "even", "run"]

LOCK = ".lock"
SIDE_BY_SIDE = 64  # pieces that a worker makes at once: the width of the token loop
DIED = "the process that made it died: a fault in a library, or the system was out of memory."
MAX_ERRORS = 10  # named in the report
ROWS_AT_ONCE = 256


@dataclass
class Report:
    """The result of a run.

    Attributes:
        pieces: In the batch.
        made: By this run.
        before: Pieces that existed before.
        failed: Pieces that could not be made.
        errors: (number of the piece, reason) of the first of these.
        kept: Rows of the chosen pieces, the best first; None if all are kept.
        duplicates: Pieces left out because they nearly repeat a better one.
        seconds: Duration of the run.
    """

    pieces: int
    made: int = 0
    before: int = 0
    failed: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)
    kept: list[Row] | None = None
    duplicates: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Pieces made per second."""
        return self.made / max(self.seconds, 1e-9)


def run(
    plan: Plan,
    *,
    workers: int = 1,
    keep: int | None = None,
    rank: Rank | None = None,
    size: int = SIDE_BY_SIDE,
    force: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Make the pieces of a plan that its folder lacks, with `manifest.jsonl` and `batch.json`.

    A run may be stopped at any moment: the next one goes on, and the result is the same. A piece
    that fails gets a row with the reason, and the next run tries it again.

    Args:
        plan: From `planned`.
        workers: Number of processes. With more than one, a script must be guarded by
            `if __name__ == "__main__":`.
        keep: Number of pieces to choose, without near duplicates; the files of the others are
            removed. None keeps all.
        rank: What to choose by; by default likelihood.
        size: Pieces that a worker makes at once, at most. It does not change them.
        force: Remove the batch that the folder has, and nothing else, and start again.
        on_progress: Called with (pieces done, pieces in all).

    Raises:
        ConfigError: A number is out of range.
        MusegenError: The folder has another batch, or cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> from musegen.batch import planned
    >>> with TemporaryDirectory() as folder:
    ...     plan = planned([], folder, count=2, seed=7, bars=1, checkpoint="folk")
    ...     (run(plan).made, run(plan).before)
    (2, 2)
    """
    require(workers >= 1, "workers must be >= 1", workers, "Use os.cpu_count() for all cores.")
    require(size >= 1, "size must be >= 1", size, f"Leave it out for {SIDE_BY_SIDE}.")
    require(keep is None or keep >= 1, "keep must be >= 1", keep, "Leave it out to keep all.")
    began = perf_counter()
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MusegenError(
            f"cannot make {plan.folder}: {error.strerror or error}. Choose another --output-dir."
        ) from error
    with locked(plan.folder / LOCK):
        prepare(plan, force)
        work = _Run(plan, workers, size, on_progress)
        try:
            work.execute(keep, rank or Rank.parse("likelihood"))
        finally:
            work.manifest.close()
    return replace(work.report, seconds=perf_counter() - began)


class _Run:
    """One run of a plan."""

    def __init__(
        self, plan: Plan, workers: int, size: int, on_progress: Callable[[int, int], None]
    ) -> None:
        self.plan, self.workers, self.size = plan, workers, size
        self.manifest = Manifest(plan.folder / MANIFEST)
        self.report = Report(plan.count)
        self._on_progress = on_progress
        # Workers are sent this for each job, so it must be small
        self._job = partial(make, replace(plan, primers=()), plan.folder)

    def execute(self, keep: int | None, rank: Rank) -> None:
        """Make the missing pieces, choose, and bring the rows in order."""
        self._offsets = self.manifest.offsets(self.plan.count, self._is_of_plan)
        self._rewrite()  # removes an incomplete last line, to which a new row would be appended
        done = self._done(row_suffices=keep is not None)
        self.report.before = int(done.sum())
        self._fill(~done)
        if keep is None:
            self._rewrite(unchosen)
        else:
            selection = select(self.manifest, self._offsets, keep, rank)
            self._fill(self._lost(selection.kept))
            self._rewrite(selection.change)
        self._conclude(keep is not None)

    def _is_of_plan(self, row: Row) -> bool:
        item = self.plan.item(row["index"])
        return (row.get("file"), row.get("seed")) == (item.file, item.seed)

    def _rewrite(self, change: Callable[[Row], Row] = lambda row: row) -> None:
        """Bring the rows in order."""
        self.manifest.rewrite(self._offsets, change)
        self._offsets = self.manifest.offsets(self.plan.count)

    def _done(self, row_suffices: bool) -> Bools:
        """Return which pieces exist as their rows say, `bool[count]`.

        Args:
            row_suffices: Whether pieces count whose files were removed because they were not
                chosen: their rows can be ranked.
        """
        out = np.zeros(self.plan.count, bool)
        for row in self.manifest.at(self._offsets):
            if row.get("sha256"):
                removed = row_suffices and row.get("kept") is False
                out[row["index"]] = removed or self._exists(row)
        return out

    def _exists(self, row: Row) -> bool:
        return sha256_of(self.plan.folder / row["file"]) == str(row["sha256"])

    def _lost(self, chosen: list[int]) -> Bools:
        """Return which chosen pieces lack files, since an earlier run did not choose them."""
        out = np.zeros(self.plan.count, bool)
        for row in self.manifest.at(self._offsets[chosen]):
            out[row["index"]] = not self._exists(row)
        return out

    def _fill(self, wanted: Bools) -> None:
        """Make the wanted pieces, `bool[count]`."""
        if not wanted.any():
            return
        total, done = self.plan.count, self.plan.count - int(wanted.sum())
        self._on_progress(done, total)
        for rows in self._made(wanted):
            self.manifest.add(rows)
            done += len(rows)
            self.report.made += sum(row["sha256"] is not None for row in rows)
            self._on_progress(done, total)
        self._offsets = self.manifest.offsets(total)

    def _made(self, wanted: Bools) -> Iterator[list[Row]]:
        """Yield the rows of wanted pieces as they are made, those of unusable primers first."""
        unusable = np.array([bool(primer.problem) for primer in self.plan.primers])
        indices = wanted.nonzero()[0]
        hopeless = indices[unusable[indices % len(unusable)]]
        for at in range(0, len(hopeless), ROWS_AT_ONCE):
            items = map(self.plan.item, hopeless[at : at + ROWS_AT_ONCE].tolist())
            yield [failed(self.plan, item, item.primer.problem) for item in items]
        size = min(self.size, even(len(indices) - len(hopeless), self.workers))
        for chunk, rows in each(self._job, chunks(self.plan, wanted, size), self.workers):
            yield self._one_by_one(chunk) if isinstance(rows, Crash) else rows

    def _one_by_one(self, items: list[Item]) -> list[Row]:
        """Return the rows of pieces, made singly to find the one that crashed its process."""
        out: list[Row] = []
        for (item,), rows in each(self._job, ([item] for item in items), max(2, self.workers)):
            out += [failed(self.plan, item, DIED)] if isinstance(rows, Crash) else rows
        return out

    def _conclude(self, chosen: bool) -> None:
        """Complete the report, and remove the files of pieces that were not chosen."""
        kept: list[Row] = []
        report = self.report
        for row in self.manifest.at(self._offsets):
            if row["sha256"] is None:
                report.failed += 1
                if len(report.errors) < MAX_ERRORS:
                    report.errors.append((row["index"], row["error"]))
            elif row.get("kept"):
                kept.append(row)
            elif row.get("kept") is False:
                report.duplicates += row["duplicate_of"] is not None
                (self.plan.folder / row["file"]).unlink(missing_ok=True)
        if chosen:
            report.kept = sorted(kept, key=lambda row: row["rank"])


def even(total: int, workers: int) -> int:
    """Return how many pieces a worker should make at once, so that none waits long for the others.

    >>> even(100, workers=2), even(10_000, workers=2)
    (50, 64)
    """
    rounds = -(-total // (SIDE_BY_SIDE * workers))
    return max(1, -(-total // max(rounds * workers, 1)))


def chunks(plan: Plan, wanted: Bools, size: int) -> Iterator[list[Item]]:
    """Yield the wanted pieces, in lists of up to `size` with one checkpoint.

    Pieces of one primer are neighbours, so that a worker encodes it once for many of them. Pieces
    of unusable primers are left out.

    Args:
        plan: The batch.
        wanted: `bool[count]`.
        size: Of a list, at most.
    """
    waiting: dict[str, list[Item]] = {}
    step = len(plan.primers)
    block = step * SIDE_BY_SIDE
    for first in range(0, plan.count, block):
        end = min(first + block, plan.count)
        for which, primer in enumerate(plan.primers):
            if primer.problem:
                continue
            indices = np.arange(first + which, end, step)
            for index in indices[wanted[indices]].tolist():
                items = waiting.setdefault(primer.checkpoint, [])
                items.append(plan.item(index))
                if len(items) == size:
                    yield waiting.pop(primer.checkpoint)
    yield from waiting.values()
