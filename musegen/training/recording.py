"""What is watched and kept while a model trains."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from musegen.config import TrainingConfig
from musegen.model.backend import keras, ops
from musegen.training.feeding import Windows
from musegen.training.infilling import Gaps
from musegen.training.losses import Nats
from musegen.training.resuming import restore, snapshot, variables
from musegen.training.runs import LATEST, LOG
from musegen.training.watching import Watch
from musegen.utils.files import atomic_path

__all__ = ["BEST", "EpochReport", "Recorder", "StepReport"]

BEST = "best.weights.h5"
PLATEAU = 2  # epochs


@dataclass(frozen=True)
class StepReport:
    """How training stands after one step; norms, clipping and nats are of this epoch so far."""

    epoch: int
    step: int
    steps: int
    tokens_per_second: float
    train_nats: float
    step_nats: float
    """Of this step's batch."""
    gradient_norm: float
    """Of this step's gradient, before clipping."""
    gradient_norm_median: float
    gradient_norm_95: float
    gradient_norm_max: float
    clipped: float
    """Share of steps whose gradients were scaled down; with `clipvalue`, share of components that were cut."""


@dataclass(frozen=True)
class EpochReport:
    """How training went in one epoch: a row of `training.csv`. Nats are per token."""

    epoch: int
    train_nats: float
    validation_nats: float
    learning_rate: float
    tokens_per_second: float
    gradient_norm_median: float
    gradient_norm_95: float
    gradient_norm_max: float
    clipped: float
    feeding: float
    """Time spent in making batches, as a share of the time spent in training; it runs beside the training."""
    seconds: float


@dataclass
class _Epoch:
    """What is gathered in an epoch that is under way."""

    norms: list[float] = field(default_factory=list)
    clipped: list[float] = field(default_factory=list)
    tokens: float = 0.0
    nats: float = 0.0
    seconds: float = 0.0
    feeding: float = 0.0

    def gradients(self) -> dict[str, float]:
        """Return the fields that both reports have."""
        return {
            "gradient_norm_median": float(np.median(self.norms)),
            "gradient_norm_95": float(np.percentile(self.norms, 95)),
            "gradient_norm_max": float(np.max(self.norms)),
            "clipped": float(np.mean(self.clipped)),
        }


class Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports each step and epoch, keeps the best weights and enough to resume, and stops when nothing improves.

    It must stand before other callbacks: it sees the averaged weights, where there are any, before
    they are changed back after validation.
    """

    def __init__(
        self,
        run: Path,
        windows: Windows | Gaps,
        plain: keras.Model,
        nats: Nats,
        config: TrainingConfig,
        save_seconds: float,
        on_step: Callable[[StepReport], None],
        on_epoch: Callable[[EpochReport], None],
    ) -> None:
        """Begin with nothing; `resume` takes up an interrupted run.

        Args:
            run: Folder of the run.
            windows: The training batches.
            plain: A model with the same weights and nothing else, as checkpoints have it.
            nats: The metric of the training model.
            config: The run's settings.
            save_seconds: How often the run is saved between epochs, at most.
            on_step: Called after each step.
            on_epoch: Called after each epoch.
        """
        super().__init__()
        self.run, self.windows, self.plain, self.nats, self.config = (
            run,
            windows,
            plain,
            nats,
            config,
        )
        self.save_seconds, self.on_step, self.on_epoch_done = save_seconds, on_step, on_epoch
        self.writes = True  # of several processes that train together, one
        self.reports: list[EpochReport] = []
        self.epoch = _Epoch()
        self.step = 0
        self.watch = Watch()

    def resume(self, model: keras.Model) -> None:
        """Take up what was last saved of the run, if anything was."""
        if (self.run / LATEST).exists():
            facts = restore(self.run / LATEST, variables(model))
            self.reports = [EpochReport(**report) for report in facts["reports"]]
            self.epoch, self.step = _Epoch(**facts["epoch"]), facts["step"]
            self.watch = Watch(**facts["watch"])
            if self.reports and self.writes:  # it may have been killed just before
                write_log(self.run / LOG, self.reports)

    @property
    def best(self) -> EpochReport | None:
        """The epoch with the best validation likelihood."""
        return min(self.reports, key=lambda r: r.validation_nats, default=None)

    @property
    def finished(self) -> bool:
        """Whether the last epoch was trained, or too many in a row brought nothing."""
        done, best = len(self.reports), self.best
        return done >= self.config.epochs or (
            best is not None and done - best.epoch >= self.config.patience
        )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Turn to the data of the epoch, and to the step at which it was interrupted."""
        # Not `PyDataset.on_epoch_end`: Keras calls that once more than there are epochs.
        self.windows.lay_out(epoch, self.step)
        halved = plateaus(self.reports) if self.config.schedule == "plateau" else 0
        self.model.optimizer.factor.assign(0.5**halved)
        self.nats.nats.assign(self.epoch.nats)
        self.nats.tokens.assign(self.epoch.tokens)
        self.windows.seconds = self.epoch.feeding
        self.started = perf_counter() - self.epoch.seconds
        self.saved = perf_counter()
        self.summed_up = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Report the step; save now and then; stop if the gradient is no number or the loss runs away."""
        now, optimizer = self.epoch, self.model.optimizer
        nats, tokens = (float(ops.convert_to_numpy(v)) for v in (self.nats.nats, self.nats.tokens))
        counted = tokens > now.tokens  # with weights of one's own, no token of a batch may count
        step_nats = (nats - now.nats) / (tokens - now.tokens) if counted else nats / max(tokens, 1)
        now.nats, now.tokens, now.seconds, now.feeding = (
            nats,
            tokens,
            perf_counter() - self.started,
            self.windows.seconds,
        )
        now.norms.append(float(ops.convert_to_numpy(optimizer.gradient_norm)))
        now.clipped.append(float(ops.convert_to_numpy(optimizer.clipped)))
        self.step += 1
        self.watch.look(len(self.reports) + 1, self.step, step_nats, now.norms)
        self.on_step(
            StepReport(
                epoch=len(self.reports) + 1,
                step=self.step,
                steps=self.windows.steps,
                tokens_per_second=tokens / now.seconds,
                train_nats=nats / max(tokens, 1),
                step_nats=step_nats,
                gradient_norm=now.norms[-1],
                **self._gradients(),
            )
        )
        # After its last step an epoch is not over: validation is to come, which is not begun again
        # on its own.
        if self.step < self.windows.steps and perf_counter() - self.saved >= self.save_seconds:
            self._save()

    def on_test_end(self, logs: Any = None) -> None:
        """Keep the weights that validation was done with, if they are the best."""
        best = self.best
        self.validation_nats = float(logs["nats"])
        if best is None or self.validation_nats < best.validation_nats:
            for mine, theirs in zip(
                self.plain.trainable_variables, self.model.trainable_variables, strict=True
            ):
                mine.assign(theirs)
            if self.writes:
                with atomic_path(self.run / BEST) as temporary:
                    self.plain.save_weights(temporary)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log the epoch and save the run; stop if nothing got better for long."""
        now = self.epoch
        report = EpochReport(
            epoch=epoch + 1,
            train_nats=now.nats / max(now.tokens, 1),
            validation_nats=self.validation_nats,
            learning_rate=float(ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            tokens_per_second=now.tokens / now.seconds,
            **now.gradients(),
            feeding=now.feeding / now.seconds,
            seconds=perf_counter() - self.started,
        )
        self.reports.append(report)
        self.epoch, self.step = _Epoch(), 0
        self._save()
        if self.writes:
            write_log(self.run / LOG, self.reports)
        self.on_epoch_done(report)
        self.model.stop_training = self.finished

    def _gradients(self) -> dict[str, float]:
        """Return the epoch's figures, at most a second old: they take longer the longer the epoch is."""
        if perf_counter() - self.summed_up > 1 or self.step == self.windows.steps:
            self.figures, self.summed_up = self.epoch.gradients(), perf_counter()
        return self.figures

    def _save(self) -> None:
        facts = {
            "reports": [asdict(r) for r in self.reports],
            "epoch": asdict(self.epoch),
            "step": self.step,
            "watch": asdict(self.watch),
        }
        if self.writes:
            snapshot(self.run / LATEST, variables(self.model), facts)
        self.saved = perf_counter()


def plateaus(reports: list[EpochReport]) -> int:
    """Return how often `PLATEAU` epochs in a row have brought no better validation likelihood."""
    found, best, waited = 0, float("inf"), 0
    for report in reports:
        waited = 0 if report.validation_nats < best else waited + 1
        best = min(best, report.validation_nats)
        if waited == PLATEAU:
            found, waited = found + 1, 0
    return found


def write_log(path: Path, reports: list[EpochReport]) -> None:
    """Write `training.csv`."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(EpochReport.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(
            {k: v if k == "epoch" else f"{v:.6g}" for k, v in vars(r).items()} for r in reports
        )
