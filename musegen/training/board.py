"""Write curves for TensorBoard on every Keras backend, without TensorFlow.

A folder holds two runs in TensorBoard's sense, `train` and `validation`, whose curves of the same
name share a chart. `epoch/…` is drawn over epochs and `step/…` over the steps of all epochs.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musegen.errors import TrainingError
from musegen.utils.extras import require

if TYPE_CHECKING:
    from musegen.training.recording import EpochReport, StepReport

__all__ = ["Board"]

FLUSH_SECONDS = 5.0  # between two writes to disk, about
STEP = {
    "nats_per_token": "step_nats",
    "gradient_norm": "gradient_norm",
    "tokens_per_second": "tokens_per_second",
}
"""Curve → field of a `StepReport`."""
EPOCH = {
    "nats_per_token": "train_nats",
    "learning_rate": "learning_rate",
    "tokens_per_second": "tokens_per_second",
    "gradient_norm_median": "gradient_norm_median",
    "gradient_norm_95": "gradient_norm_95",
    "gradient_norm_max": "gradient_norm_max",
    "clipped": "clipped",
    "feeding": "feeding",
    "seconds": "seconds",
}
"""Curve → field of an `EpochReport`; validation has its own folder."""


class Board:
    """Writes the reports of a run; `step` and `epoch` are callbacks of `musegen.train`."""

    def __init__(self, folder: Path) -> None:
        """Make the folder; its files are made with the first step.

        Args:
            folder: Folder of this run alone. A resumed run continues its curves from where it was
                saved; later points are replaced.

        Raises:
            MusegenError: TensorBoard is missing, or the folder cannot be made.
        """
        _module("")
        self._folder = folder
        self._writers: dict[str, _EventFile] = {}
        _writable(folder)

    def __enter__(self) -> Board:
        """Return itself; leaving closes the files."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()

    def step(self, report: StepReport) -> None:
        """Write a step."""
        at = (report.epoch - 1) * report.steps + report.step
        if not self._writers:
            # A restart drops all points from step `at` on. Points of earlier epochs stay, since an
            # epoch's number is lower than that of any step now.
            self._writers = {
                part: _EventFile(_writable(self._folder / part), at)
                for part in ("train", "validation")
            }
        curves = {f"step/{tag}": getattr(report, field) for tag, field in STEP.items()}
        self._writers["train"].write(at, curves)

    def epoch(self, report: EpochReport) -> None:
        """Write an epoch."""
        curves = {f"epoch/{tag}": getattr(report, field) for tag, field in EPOCH.items()}
        self._writers["train"].write(report.epoch, curves)
        validation = {"epoch/nats_per_token": report.validation_nats}
        self._writers["validation"].write(report.epoch, validation)
        for writer in self._writers.values():
            writer.flush()


class _EventFile:
    """One event file: protocol buffers with checksums, in the order of time."""

    def __init__(self, folder: Path, start: int) -> None:
        """Start a file, which invalidates all earlier points from step `start` on."""
        self._proto = _module(".compat.proto.event_pb2")
        # TensorBoard reads the files of a folder in the order of their names, so time is first.
        name = f"events.out.tfevents.{time.time_ns():020d}.{socket.gethostname()}.{os.getpid()}"
        self._records = _module(".summary.writer.record_writer").RecordWriter(
            (folder / name).open("xb")
        )
        self._flushed = time.monotonic()
        self._event(file_version="brain.Event:2")
        self._event(step=start, session_log={"status": self._proto.SessionLog.START})
        self.flush()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of curves at a step."""
        self._event(
            step=step,
            summary={"value": [{"tag": tag, "simple_value": v} for tag, v in values.items()]},
        )
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write to disk, where TensorBoard sees it."""
        self._records.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Close the file."""
        self._records.close()

    def _event(self, **fields: Any) -> None:
        self._records.write(self._proto.Event(wall_time=time.time(), **fields).SerializeToString())


def _module(name: str) -> Any:
    """Import a module of TensorBoard that does not import TensorFlow."""
    return require(f"tensorboard{name}", "tensorboard", "--tensorboard")


def _writable(folder: Path) -> Path:
    """Make a folder, check that it can be written to, and return it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"cannot write curves to {folder}: {error.strerror}. "
            "Choose another folder for --tensorboard."
        ) from error
    if not os.access(folder, os.W_OK):
        raise TrainingError(
            f"cannot write curves to {folder}: no permission. Choose another for --tensorboard."
        )
    return folder
