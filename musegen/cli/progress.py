"""What a person sees while a model trains: a live line on a terminal; in a log a line per epoch, and one a minute."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from musegen.config import TrainingConfig

if TYPE_CHECKING:
    from musegen.data.dataset import Dataset
    from musegen.training.recording import EpochReport, StepReport
    from musegen.training.runs import Run

__all__ = ["FilesDisplay", "TrainingDisplay", "done"]

SECONDS = 60.0  # for which a log stays silent within an epoch, at least


class FilesDisplay(Progress):
    """A live line on how many files are done, and how fast; on terminals alone."""

    def __init__(self, console: Console, description: str) -> None:
        """Prepare the line."""
        super().__init__(
            TextColumn(description),
            BarColumn(bar_width=20),
            TextColumn("{task.completed}/{task.total} files  {task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self.add_task("", total=None, rate="")

    def files(self, done: int, total: int) -> None:
        """Show how many files are done."""
        seconds = self.tasks[0].elapsed
        self.update(
            self._task,
            completed=done,
            total=total,
            rate=f"{done / seconds:,.0f}/s" if seconds else "",
        )


class _WithNumbers(Progress):
    """A live line, and rows of numbers below it: in one they would be too long for most terminals."""

    numbers: tuple[str, ...] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the rows."""
        yield self.make_tasks_table(self.tasks)
        for row in self.numbers:
            yield Text(f"  {row}", style="dim", no_wrap=True, overflow="ellipsis")


class TrainingDisplay:
    """Prints to stderr; each method is a callback of `musegen.train`, or says one thing."""

    def __init__(self, config: TrainingConfig, live: bool = True) -> None:
        """Prepare the live line.

        Args:
            config: How the model is fitted.
            live: Whether there may be one; it is shown on terminals alone, elsewhere a line now and
                then.
        """
        self._epochs = config.epochs
        self._console = Console(
            file=sys.stderr, highlight=False, markup=False, emoji=False, soft_wrap=True
        )
        self._live = _WithNumbers(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[at]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not (live and self._console.is_terminal),
        )
        self._task = self._live.add_task("", total=None, at="", visible=False)
        self._log = live and not self._console.is_terminal
        self._said = time.monotonic()
        self._epoch = 0  # that the live line is in
        self._best: tuple[float, int] | None = None
        self._validation = "–"  # of the last epoch, in words

    def __enter__(self) -> TrainingDisplay:
        """Start the live line."""
        self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        """Clear the live line."""
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text)
        self._said = time.monotonic()

    def resumed(self, run: Run) -> None:
        """Say what there is of the run that goes on."""
        best = run.best
        said = ""
        if best is not None:
            self._best = best["validation_nats"], int(best["epoch"])
            self._validation = "best {:.4f} in epoch {}".format(*self._best)
            said = f"; validation: {self._validation}"
        self.say(f"resumed after {done(run)}{said}")

    def files(self, done: int, total: int) -> None:
        """Show how many files are read."""
        self._live.update(
            self._task,
            visible=True,
            description="reading",
            completed=done,
            total=total,
            at=f"{done}/{total} files",
        )

    def data(self, dataset: Dataset) -> None:
        """Say what was found, and why files were left out."""
        parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
        pieces = ", ".join(f"{len(part):,} {name}" for name, part in parts.items())
        tokens = ", ".join(f"{int(part.lengths.sum()):,}" for part in parts.values())
        self.say(f"data: {pieces} pieces; {tokens} tokens")
        if dataset.skipped:
            self.say(f"left out: {len(dataset.skipped):,} files")
            for name, reason in dataset.skipped[:3]:
                self.say(f"  {name}: {reason}")
        self._live.remove_task(self._task)
        self._task = self._live.add_task("preparing the first step", total=None, at="")

    def step(self, report: StepReport) -> None:
        """Move the live line."""
        title = f"epoch {report.epoch}/{self._epochs}" + (
            ", validating" if report.step == report.steps else ""
        )
        if report.epoch != self._epoch:
            self._epoch = report.epoch
            # So that the time that is left is reckoned from this epoch's steps alone.
            self._live.reset(
                self._task, total=report.steps, completed=report.step, description=title, at=""
            )
        train, speed = f"train {report.train_nats:.4f}", f"{report.tokens_per_second:,.0f} tokens/s"
        if self._log and time.monotonic() - self._said >= SECONDS:
            self.say(
                f"{title}  {report.step:,}/{report.steps:,} steps  {train} nats/token  {speed}"
            )
        self._live.numbers = (
            f"{train}  validation {self._validation} nats/token  {speed}",
            norms(report),
        )
        self._live.update(
            self._task,
            visible=True,
            description=title,
            completed=report.step,
            at=f"{report.step}/{report.steps} steps",
        )

    def epoch(self, report: EpochReport) -> None:
        """Print the epoch's line."""
        better = self._best is None or report.validation_nats < self._best[0]
        if better:
            self._best = report.validation_nats, report.epoch
        best = "the best" if better else "best {:.4f} in epoch {}".format(*self._best)  # type: ignore[misc]
        self._validation = f"{report.validation_nats:.4f} ({best})"
        self.say(
            f"epoch {report.epoch:{len(str(self._epochs))}}/{self._epochs}  train {report.train_nats:.4f}  "
            f"validation {report.validation_nats:.4f}{'*' if better else ' '} nats/token  "
            f"{report.tokens_per_second:,.0f} tokens/s  {norms(report)}  {report.seconds:.1f} s"
        )


def done(run: Run) -> str:
    """Return how far a run has come: `1 epoch and 20 steps`."""
    counts = {"epoch": len(run.log), **({"step": run.step} if run.step else {})}
    return " and ".join(
        f"{count:,} {what}{'' if count == 1 else 's'}" for what, count in counts.items()
    )


def norms(report: StepReport | EpochReport) -> str:
    """Return the gradient norms of an epoch so far, before clipping, and how much was clipped."""
    return (
        f"gradient norm {report.gradient_norm_median:.3g} (95 % {report.gradient_norm_95:.3g}, "
        f"max {report.gradient_norm_max:.3g}), clipped {report.clipped:.1%}"
    )
