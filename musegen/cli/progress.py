"""What a person sees while a model trains: a live line on a terminal, a line per epoch in a log."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from musegen.config import ModelConfig, TrainingConfig

if TYPE_CHECKING:
    from musegen.dataset import Dataset
    from musegen.training import EpochReport, StepReport

__all__ = ["FilesDisplay", "TrainingDisplay"]


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
        self.update(self._task, completed=done, total=total, rate=f"{done / seconds:,.0f}/s" if seconds else "")


class TrainingDisplay:
    """Prints to stderr; each method is a callback of `musegen.train`."""

    def __init__(self, config: TrainingConfig, model: ModelConfig) -> None:
        """Prepare the progress line; it is shown on terminals alone."""
        self._config, self._model = config, model
        self._console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed}/{task.total}  {task.fields[detail]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._validation = "–"
        self._task = self._progress.add_task("files", total=None, detail="")

    def __enter__(self) -> TrainingDisplay:
        """Start the live line."""
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        """Clear the live line."""
        self._progress.stop()

    def files(self, done: int, total: int) -> None:
        """Show how many files are read."""
        self._progress.update(self._task, description="reading", completed=done, total=total)

    def data(self, dataset: Dataset) -> None:
        """Say what was found, and why files were left out."""
        train, validation, test = (len(p) for p in (dataset.train, dataset.validation, dataset.test))
        tokens = sum(len(p.tokens) for p in dataset.train)
        self._console.print(f"pieces: {train} train, {validation} validation, {test} test; {tokens:,} training tokens")
        if dataset.skipped:
            self._console.print(f"left out: {len(dataset.skipped)} files")
            for name, reason in dataset.skipped[:3]:
                self._console.print(f"  {name}: {reason}")
        m = self._model
        self._console.print(f"model: {m.layers} x {m.units} {m.cell}, vocabulary {m.vocabulary_size}")

    def step(self, report: StepReport) -> None:
        """Move the live line."""
        self._progress.update(
            self._task,
            description=f"epoch {report.epoch}/{self._config.epochs}",
            completed=report.step,
            total=report.steps,
            detail=f"{report.tokens_per_second:,.0f} tokens/s  train {report.train_nats:.3f}  "
            f"validation {self._validation}  norm {report.gradient_norm:.2f}  clipped {report.clipped:.0%}",
        )

    def epoch(self, report: EpochReport) -> None:
        """Print the epoch's line."""
        self._validation = f"{report.validation_nats:.3f}"
        self._console.print(
            f"epoch {report.epoch:3}  train {report.train_nats:.4f}  validation {report.validation_nats:.4f} "
            "nats/token  "
            f"{report.tokens_per_second:,.0f} tokens/s  norm {report.gradient_norm_median:.2f} (95 % "
            f"{report.gradient_norm_95:.2f})  clipped {report.clipped:.0%}  {report.seconds:.0f} s"
        )
