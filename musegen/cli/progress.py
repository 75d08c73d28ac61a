"""Show progress: a live line on a terminal; in a log, a line an epoch and one a minute."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from musegen.cli.tables import plural, stderr
from musegen.config import TrainingConfig

if TYPE_CHECKING:
    from musegen.data.dataset import Dataset
    from musegen.model.checkpoint import Checkpoint
    from musegen.training.recording import EpochReport, StepReport
    from musegen.training.runs import Run

__all__ = ["TrainingDisplay", "done"]

SECONDS = 60.0  # between two lines of a log within an epoch, at least


class _WithNumbers(Progress):
    """A live line with rows of numbers below it; one line would be too long for most terminals."""

    numbers: tuple[str, ...] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the line and the rows."""
        yield self.make_tasks_table(self.tasks)
        for row in self.numbers:
            yield Text(f"  {row}", style="dim", no_wrap=True, overflow="ellipsis")


class TrainingDisplay:
    """Prints progress to stderr; the methods are callbacks of `musegen.train`, or print one thing.

    Attributes:
        complete: Whether the checkpoint is written; all that remains is its evaluation.
    """

    def __init__(self, config: TrainingConfig, live: bool = True) -> None:
        """Prepare the live line.

        Args:
            config: How the model is fitted.
            live: Whether to show a live line on a terminal, and a line now and then elsewhere.
        """
        self.complete = False
        self._epochs = config.epochs
        self._console = stderr()
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
        self._printed = time.monotonic()
        self._epoch = 0  # shown in the live line
        self._best: tuple[float, int] | None = None
        self._validation = "–"  # of the last epoch, as text

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
        self._printed = time.monotonic()

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.say(f"warning: {text}")

    def resumed(self, run: Run) -> None:
        """Print how far the run came before it was interrupted."""
        best, validation = run.best, ""
        if best is not None:
            self._best = best["validation_nats"], int(best["epoch"])
            self._validation = "best {:.4f} in epoch {}".format(*self._best)
            validation = f"; validation: {self._validation}"
        self.say(f"resumed after {done(run)}{validation}")

    def files(self, done: int, total: int) -> None:
        """Show the number of files read."""
        self._live.update(
            self._task,
            visible=True,
            description="reading",
            completed=done,
            total=total,
            at=f"{done}/{total} files",
        )

    def data(self, dataset: Dataset) -> None:
        """Print the size of the data, and why files were left out."""
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
            # The remaining time is then estimated from this epoch's steps alone.
            self._live.reset(
                self._task, total=report.steps, completed=report.step, description=title, at=""
            )
        train, speed = f"train {report.train_nats:.4f}", f"{report.tokens_per_second:,.0f} tokens/s"
        if self._log and time.monotonic() - self._printed >= SECONDS:
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
            f"epoch {report.epoch:{len(str(self._epochs))}}/{self._epochs}  "
            f"train {report.train_nats:.4f}  "
            f"validation {report.validation_nats:.4f}{'*' if better else ' '} nats/token  "
            f"{report.tokens_per_second:,.0f} tokens/s  {norms(report)}  {report.seconds:.1f} s"
        )

    def trained(self, checkpoint: Checkpoint) -> None:
        """Note that the checkpoint is written and is evaluated next."""
        self._live.stop()
        self.complete = True
        self.say("measuring the held-out pieces")


def done(run: Run) -> str:
    """Return how far a run has come: `1 epoch and 20 steps`."""
    epochs = plural(len(run.log), "epoch")
    return f"{epochs} and {plural(run.step, 'step')}" if run.step else epochs


def norms(report: StepReport | EpochReport) -> str:
    """Return the gradient norms of an epoch so far, before clipping, and the share clipped."""
    return (
        f"gradient norm {report.gradient_norm_median:.3g} (95 % {report.gradient_norm_95:.3g}, "
        f"max {report.gradient_norm_max:.3g}), clipped {report.clipped:.1%}"
    )
