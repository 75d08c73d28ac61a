"""Report steps and epochs, keep the best weights, save the run, and stop it early."""

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
from musegen.training.feeding import TrainingBatches
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
    """The state of training after a step; norms, clipping and nats are of this epoch so far."""

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
    """Share of steps whose gradients were scaled down; with `clipvalue`, of clipped components."""


@dataclass(frozen=True)
class EpochReport:
    """The result of one epoch: a row of `training.csv`. Nats are per token."""

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
    """Time spent making batches, as a share of the training time; they are made concurrently."""
    seconds: float


@dataclass
class _Epoch:
    """Figures accumulated over the current epoch."""

    norms: list[float] = field(default_factory=list)
    clipped: list[float] = field(default_factory=list)
    tokens: float = 0.0
    nats: float = 0.0
    seconds: float = 0.0
    feeding: float = 0.0

    def gradients(self) -> dict[str, float]:
        """Return the fields on gradients that both reports have."""
        return {
            "gradient_norm_median": float(np.median(self.norms)),
            "gradient_norm_95": float(np.percentile(self.norms, 95)),
            "gradient_norm_max": float(np.max(self.norms)),
            "clipped": float(np.mean(self.clipped)),
        }


class Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports steps and epochs, saves the best weights and the run, and stops early.

    It must come before other callbacks: with averaged weights, it has to see them after validation,
    before they are swapped back.
    """

    def __init__(
        self,
        run: Path,
        windows: TrainingBatches,
        plain: keras.Model,
        nats: Nats,
        config: TrainingConfig,
        save_seconds: float,
        on_step: Callable[[StepReport], None],
        on_epoch: Callable[[EpochReport], None],
    ) -> None:
        """Start a run; `resume` then restores an interrupted one.

        Args:
            run: Folder of the run.
            windows: The training batches.
            plain: A network with the same weights, for checkpoints.
            nats: The metric of the training model.
            config: The run's settings.
            save_seconds: Least time between two saves within an epoch.
            on_step: Called after each step.
            on_epoch: Called after each epoch.
        """
        super().__init__()
        self.run, self.save_seconds = run, save_seconds
        self.windows, self.config = windows, config
        self.plain, self.nats = plain, nats
        self.on_step, self.on_epoch_done = on_step, on_epoch
        self.writes = True  # False in all processes of a group but the first
        self.reports: list[EpochReport] = []
        self.epoch = _Epoch()
        self.step = 0
        self.watch = Watch()

    def resume(self, model: keras.Model) -> None:
        """Restore what was last saved of the run, if anything was."""
        if (self.run / LATEST).exists():
            facts = restore(self.run / LATEST, variables(model))
            self.reports = [EpochReport(**report) for report in facts["reports"]]
            self.epoch, self.step = _Epoch(**facts["epoch"]), facts["step"]
            self.watch = Watch(**facts["watch"])
            if self.reports and self.writes:  # the run may have been killed before writing it
                write_log(self.run / LOG, self.reports)

    @property
    def best(self) -> EpochReport | None:
        """The epoch with the best validation likelihood."""
        return min(self.reports, key=lambda r: r.validation_nats, default=None)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or `patience` epochs in a row brought no improvement."""
        done, best = len(self.reports), self.best
        return done >= self.config.epochs or (
            best is not None and done - best.epoch >= self.config.patience
        )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Go to the data of the epoch, at the step at which it was interrupted."""
        # Not in `PyDataset.on_epoch_end`: Keras calls that once more than there are epochs.
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
        """Report the step, save now and then, and stop if training diverges."""
        # The metric sums up over the epoch; the difference is the step's. (With token weights of
        # one's own, a step may count no token.)
        now, optimizer = self.epoch, self.model.optimizer
        nats, tokens = _float(self.nats.nats), _float(self.nats.tokens)
        if tokens > now.tokens:
            step_nats = (nats - now.nats) / (tokens - now.tokens)
        else:
            step_nats = nats / max(tokens, 1)

        # Add the step to the epoch.
        now.nats, now.tokens = nats, tokens
        now.seconds, now.feeding = perf_counter() - self.started, self.windows.seconds
        now.norms.append(_float(optimizer.gradient_norm))
        now.clipped.append(_float(optimizer.clipped))
        self.step += 1

        # Stop, report, save. Nothing is saved after the last step of an epoch, because a resumed
        # run would not validate it.
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
        if self.step < self.windows.steps and perf_counter() - self.saved >= self.save_seconds:
            self._save()

    def on_test_end(self, logs: Any = None) -> None:
        """Keep the validated weights if they are the best so far."""
        best = self.best
        self.validation_nats = float(logs["nats"])
        if best is None or self.validation_nats < best.validation_nats:
            for kept, trained in zip(
                self.plain.trainable_variables, self.model.trainable_variables, strict=True
            ):
                kept.assign(trained)
            if self.writes:
                with atomic_path(self.run / BEST) as temporary:
                    self.plain.save_weights(temporary)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log the epoch, save the run, and stop if it is finished."""
        now = self.epoch
        report = EpochReport(
            epoch=epoch + 1,
            train_nats=now.nats / max(now.tokens, 1),
            validation_nats=self.validation_nats,
            learning_rate=_float(self.model.optimizer.learning_rate),
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
        """Return the figures on gradients, at most a second old: they take time in a long epoch."""
        if perf_counter() - self.summed_up > 1 or self.step == self.windows.steps:
            self.figures, self.summed_up = self.epoch.gradients(), perf_counter()
        return self.figures

    def _save(self) -> None:
        """Save the state of the run, in the process that writes."""
        facts = {
            "reports": [asdict(r) for r in self.reports],
            "epoch": asdict(self.epoch),
            "step": self.step,
            "watch": asdict(self.watch),
        }
        if self.writes:
            snapshot(self.run / LATEST, variables(self.model), facts)
        self.saved = perf_counter()


def _float(variable: Any) -> float:
    """Return the value of a Keras scalar."""
    return float(ops.convert_to_numpy(variable))


def plateaus(reports: list[EpochReport]) -> int:
    """Return how often `PLATEAU` epochs in a row brought no better validation likelihood."""
    count = waited = 0
    best = float("inf")
    for report in reports:
        waited = 0 if report.validation_nats < best else waited + 1
        best = min(best, report.validation_nats)
        if waited == PLATEAU:
            count += 1
            waited = 0
    return count


def write_log(path: Path, reports: list[EpochReport]) -> None:
    """Write `training.csv`."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(EpochReport.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(
            {k: v if k == "epoch" else f"{v:.6g}" for k, v in vars(r).items()} for r in reports
        )
