"""The run of a batch: what is missing is made, and what was asked for is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from musegen.batch import folder
from musegen.batch.making import make
from musegen.batch.manifest import MANIFEST, Manifest, Row
from musegen.batch.plan import SIDE_BY_SIDE, Item, Plan, chunks, even
from musegen.batch.primers import sha256_of
from musegen.batch.ranking import Rank, select, unchosen
from musegen.batch.rows import failed
from musegen.config import require
from musegen.errors import MusegenError
from musegen.utils.files import locked
from musegen.utils.parallel import Crash, each

__all__ = ["Report", "run"]

DIED = "the process that made it died: a fault in a library, or the system was out of memory."
ERRORS_NAMED = 10
ROWS_AT_ONCE = 256


@dataclass
class Report:
    """What a run did.

    Attributes:
        pieces: In the batch.
        made: By this run.
        before: Pieces that were there already.
        failed: Pieces that there are none of.
        errors: (number of the piece, reason) of the first of these.
        kept: Rows of the pieces that were chosen, the best first; None if all are kept.
        duplicates: How many were left out because they nearly repeat a better one.
        seconds: That it took.
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
        """How many pieces were made in a second."""
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
    """Make the pieces of a plan that its folder does not have yet, with `manifest.jsonl` and `batch.json`.

    Stopped at any moment and run again, it goes on, and ends with what an undisturbed run ends
    with. A piece that fails is a row with its reason, stops nothing, and is tried again by the next
    run.

    Args:
        plan: From `planned`.
        workers: Processes to share the work. With more than one, a script must keep what it does
            behind `if __name__ == "__main__":`.
        keep: Choose so many of the best, without near duplicates, and remove the files of the
            others; None keeps all.
        rank: By what; by default by likelihood.
        size: Pieces that a worker makes at once, at most. It makes no difference to them.
        force: Start anew: remove what the batch that is there consists of, and nothing else.
        on_progress: Called with (pieces done, pieces in all).

    Raises:
        ConfigError: A number is out of range.
        MusegenError: The folder has another batch, or cannot be written.
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
    with locked(plan.folder / folder.LOCK):
        _begin(plan, force)
        work = _Run(plan, workers, size, on_progress)
        try:
            work.do(keep, rank or Rank.parse("likelihood"))
        finally:
            work.manifest.close()
    return replace(work.report, seconds=perf_counter() - began)


def _begin(plan: Plan, force: bool) -> None:
    """Make the folder ready for a plan."""
    there = folder.read(plan.folder)
    folder.tidy(plan.folder)
    if there and force:
        folder.clear(there)
        there = None
    if there is None:
        folder.refuse_foreign(plan.folder)
    else:
        folder.refuse_other(there, plan)
    folder.write(plan)


class _Run:
    """One run over a plan."""

    def __init__(
        self, plan: Plan, workers: int, size: int, on_progress: Callable[[int, int], None]
    ) -> None:
        self.plan, self.workers, self.size = plan, workers, size
        self.manifest = Manifest(plan.folder / MANIFEST)
        self.report = Report(plan.count)
        self._on_progress = on_progress
        self._job = partial(make, replace(plan, primers=()), plan.folder)

    def do(self, keep: int | None, rank: Rank) -> None:
        """Make what is missing, and choose."""
        self._places = self._known()
        done = self._done(row_suffices=keep is not None)
        self.report.before = int(done.sum())
        self._fill(~done)
        if keep is None:
            self._finish(unchosen)
        else:
            chosen = select(self.manifest, self._places, keep, rank)
            self._fill(self._lost(chosen.kept))
            self._finish(chosen.change)
        self._tell(keep is not None)

    def _known(self) -> NDArray[np.int64]:
        """Return where the rows of the plan's pieces are."""

        def belongs(row: Row) -> bool:
            item = self.plan.item(row["index"])
            return (row.get("file"), row.get("seed")) == (item.file, item.seed)

        places = self.manifest.places(self.plan.count, belongs)
        self.manifest.rewrite(places)  # no torn line is left, to which the next one would be added
        return self.manifest.places(self.plan.count)

    def _done(self, row_suffices: bool) -> NDArray[np.bool_]:
        """Return which pieces are there as their rows say, `bool[count]`.

        Args:
            row_suffices: Those count that were removed because they were not chosen: their rows can
                be ranked.
        """
        out = np.zeros(self.plan.count, bool)
        for row in self.manifest.at(self._places):
            if row.get("sha256"):
                out[row["index"]] = (row_suffices and row.get("kept") is False) or self._has(row)
        return out

    def _has(self, row: Row) -> bool:
        return sha256_of(self.plan.folder / row["file"]) == str(row["sha256"])

    def _lost(self, chosen: list[int]) -> NDArray[np.bool_]:
        """Return which of the chosen pieces have no files: those that an earlier run did not choose, `bool[count]`."""
        out = np.zeros(self.plan.count, bool)
        for row in self.manifest.at(self._places[chosen]):
            out[row["index"]] = not self._has(row)
        return out

    def _fill(self, wanted: NDArray[np.bool_]) -> None:
        """Make these pieces, `bool[count]`."""
        if not wanted.any():
            return
        total, done = self.plan.count, self.plan.count - int(wanted.sum())
        self._on_progress(done, total)
        for rows in self._rows(wanted):
            self.manifest.add(rows)
            done += len(rows)
            self.report.made += sum(row["sha256"] is not None for row in rows)
            self._on_progress(done, total)
        self._places = self.manifest.places(total)

    def _rows(self, wanted: NDArray[np.bool_]) -> Iterator[list[Row]]:
        """Yield the rows of these pieces as they are made; first those of primers that cannot be continued."""
        hopeless = np.array([bool(primer.problem) for primer in self.plan.primers])
        mine = wanted.nonzero()[0]
        lost = mine[hopeless[mine % len(hopeless)]]
        for at in range(0, len(lost), ROWS_AT_ONCE):
            some = map(self.plan.item, lost[at : at + ROWS_AT_ONCE].tolist())
            yield [failed(self.plan, item, item.primer.problem) for item in some]
        size = min(self.size, even(len(mine) - len(lost), self.workers))
        for items, rows in each(self._job, chunks(self.plan, wanted, size), self.workers):
            yield self._alone(items) if isinstance(rows, Crash) else rows

    def _alone(self, items: list[Item]) -> list[Row]:
        """Return the rows of pieces of which one killed the process: which it was shows when each is made by itself."""
        out: list[Row] = []
        for (item,), rows in each(self._job, ([item] for item in items), max(2, self.workers)):
            out += [failed(self.plan, item, DIED)] if isinstance(rows, Crash) else rows
        return out

    def _finish(self, change: Callable[[Row], Row]) -> None:
        """Bring the rows in order."""
        self.manifest.rewrite(self._places, change)
        self._places = self.manifest.places(self.plan.count)

    def _tell(self, chosen: bool) -> None:
        """Fill in the report, and remove files that were not chosen."""
        kept: list[Row] = []
        report = self.report
        for row in self.manifest.at(self._places):
            if row["sha256"] is None:
                report.failed += 1
                if len(report.errors) < ERRORS_NAMED:
                    report.errors.append((row["index"], row["error"]))
            elif row.get("kept"):
                kept.append(row)
            elif row.get("kept") is False:
                report.duplicates += row["duplicate_of"] is not None
                (self.plan.folder / row["file"]).unlink(missing_ok=True)
        if chosen:
            report.kept = sorted(kept, key=lambda row: row["rank"])
