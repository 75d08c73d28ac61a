"""What is watched and kept while a model trains."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import numpy as np
from keras import ops

from musegen.config import TrainingConfig
from musegen.errors import TrainingError
from musegen.files import atomic_path
from musegen.training.feeding import Windows

__all__ = ["BEST", "LOG", "EpochReport", "Recorder", "RecordingAdamW", "StepReport"]

BEST, LOG = "best.weights.h5", "training.csv"


@dataclass(frozen=True)
class StepReport:
    """How training stands after one step."""

    epoch: int
    step: int
    steps: int
    tokens_per_second: float
    train_nats: float
    gradient_norm: float
    clipped: float
    """Share of this epoch's steps whose gradients were scaled down."""


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
    seconds: float


@keras.saving.register_keras_serializable("musegen")
class RecordingAdamW(keras.optimizers.AdamW):  # type: ignore[misc]
    """AdamW (Loshchilov and Hutter 2019) that remembers the global gradient norm before clipping."""

    def build(self, variables: Any) -> None:
        """Make room for the norm beside the moments."""
        super().build(variables)
        self.gradient_norm = self.add_variable(shape=(), dtype="float32", name="gradient_norm")

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Note the norm, then update the weights."""
        squares = [ops.sum(ops.square(ops.convert_to_tensor(g))) for g in grads if g is not None]
        super().apply(grads, trainable_variables)
        self.gradient_norm.assign(ops.cast(ops.sqrt(sum(squares)), "float32"))


class Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Logs each epoch, keeps the best weights and enough to resume, and stops when nothing improves."""

    def __init__(
        self,
        run: Path,
        windows: Windows,
        config: TrainingConfig,
        on_step: Callable[[StepReport], None],
        on_epoch: Callable[[EpochReport], None],
    ) -> None:
        """Take up the log of an interrupted run, if there is one."""
        super().__init__()
        self.run, self.windows, self.config = run, windows, config
        self.on_step, self.on_epoch = on_step, on_epoch
        self.reports = read_log(run / LOG)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Lay out the data of the epoch and start its clock."""
        # Not `PyDataset.on_epoch_end`: Keras calls that once more than there are epochs.
        self.windows.lay_out(epoch)
        del self.reports[epoch:]  # rows of an epoch that was interrupted before its state was saved
        self.norms: list[float] = []
        self.started = perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Report the step; stop if the gradient is no number."""
        self.norms.append(float(self.model.optimizer.gradient_norm))
        tokens = (batch + 1) * self.config.batch_size * self.config.sequence_length
        self.on_step(
            StepReport(
                epoch=len(self.reports) + 1,
                step=batch + 1,
                steps=self.params["steps"],
                tokens_per_second=tokens / (perf_counter() - self.started),
                train_nats=float(logs["nats"]),
                gradient_norm=self.norms[-1],
                clipped=self._clipped(),
            )
        )
        if not np.isfinite(self.norms[-1]):
            raise TrainingError(
                f"the gradient became {self.norms[-1]} in epoch {len(self.reports) + 1}, step {batch + 1}; the norms "
                f"before it were {', '.join(f'{n:.3g}' for n in self.norms[-6:-1])}. The weights of the last good "
                "epoch are kept. Lower --learning-rate or --global-clipnorm, and go on with --resume."
            )

    def on_test_begin(self, logs: Any = None) -> None:
        """Stop the clock that tokens per second are counted by."""
        self.trained_for = perf_counter() - self.started

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log the epoch, keep its weights if they are the best, stop if none were for long."""
        norms = np.array(self.norms)
        tokens = len(norms) * self.config.batch_size * self.config.sequence_length
        report = EpochReport(
            epoch=epoch + 1,
            train_nats=float(logs["nats"]),
            validation_nats=float(logs["val_nats"]),
            learning_rate=float(ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            tokens_per_second=tokens / self.trained_for,
            gradient_norm_median=float(np.median(norms)),
            gradient_norm_95=float(np.percentile(norms, 95)),
            gradient_norm_max=float(norms.max()),
            clipped=self._clipped(),
            seconds=perf_counter() - self.started,
        )
        self.reports.append(report)
        best = min(self.reports, key=lambda r: r.validation_nats)
        if best is report:
            with atomic_path(self.run / BEST) as temporary:
                plain = keras.Model(self.model.inputs, self.model.outputs)  # without the optimizer's moments
                plain.save_weights(temporary)
        write_log(self.run / LOG, self.reports)
        self.on_epoch(report)
        if report.epoch - best.epoch >= self.config.patience:
            self.model.stop_training = True

    def _clipped(self) -> float:
        limit = self.config.global_clipnorm
        return float(np.mean(np.array(self.norms) > limit)) if limit else 0.0


def read_log(path: Path) -> list[EpochReport]:
    """Return the epochs of a `training.csv`; none if it does not exist."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [EpochReport(int(row.pop("epoch")), **{name: float(value) for name, value in row.items()}) for row in rows]


def write_log(path: Path, reports: list[EpochReport]) -> None:
    """Write `training.csv`."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(EpochReport.__dataclass_fields__))
        writer.writeheader()
        writer.writerows({k: v if k == "epoch" else f"{v:.6g}" for k, v in vars(r).items()} for r in reports)
