"""Curves for TensorBoard, on every backend of Keras: its package writes event files without TensorFlow.

A folder holds two of what TensorBoard calls runs, `train` and `validation`, whose curves of the
same name share a chart. `epoch/…` is drawn over epochs and `step/…` over the steps of all epochs.
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

FLUSH_SECONDS = 5.0  # of steps that are not on the disk yet, at most
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
    """Writes what is reported of a run; `step` and `epoch` are callbacks of `musegen.train`."""

    def __init__(self, folder: Path) -> None:
        """Make sure that all that is needed is there; files are made with the first step.

        Args:
            folder: Of this run alone. A run that is resumed goes on in it: what was drawn after the
                moment that it is resumed from is drawn anew.

        Raises:
            MusegenError: The package is missing, or the folder cannot be made.
        """
        _part("")
        self._folder = folder
        self._writers: dict[str, _EventFile] = {}
        _made(folder)

    def __enter__(self) -> Board:
        """Return itself; leaving closes the files."""
        return self

    def __exit__(self, *_: Any) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()

    def step(self, report: StepReport) -> None:
        """Draw a step."""
        at = (report.epoch - 1) * report.steps + report.step
        if not self._writers:
            # Epochs before are at smaller numbers than any step now, so they stay when what follows
            # is dropped.
            self._writers = {
                part: _EventFile(_made(self._folder / part), at) for part in ("train", "validation")
            }
        self._writers["train"].write(
            at, {f"step/{tag}": getattr(report, field) for tag, field in STEP.items()}
        )

    def epoch(self, report: EpochReport) -> None:
        """Draw an epoch."""
        curves = {f"epoch/{tag}": getattr(report, field) for tag, field in EPOCH.items()}
        self._writers["train"].write(report.epoch, curves)
        self._writers["validation"].write(
            report.epoch, {"epoch/nats_per_token": report.validation_nats}
        )
        for writer in self._writers.values():
            writer.flush()


class _EventFile:
    """One file of events: records of protocol buffers, with checksums, in the order of time."""

    def __init__(self, folder: Path, start: int) -> None:
        """Begin a file, which says that what was drawn from step `start` on is void."""
        self._proto = _part(".compat.proto.event_pb2")
        # TensorBoard reads the files of a folder in the order of their names: time comes first.
        name = f"events.out.tfevents.{time.time_ns():020d}.{socket.gethostname()}.{os.getpid()}"
        self._records = _part(".summary.writer.record_writer").RecordWriter(
            (folder / name).open("xb")
        )
        self._flushed = time.monotonic()
        self._event(file_version="brain.Event:2")
        self._event(step=start, session_log={"status": self._proto.SessionLog.START})
        self.flush()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write some curves' values at a step."""
        self._event(
            step=step,
            summary={"value": [{"tag": tag, "simple_value": v} for tag, v in values.items()]},
        )
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Bring what was written to the disk, where TensorBoard sees it."""
        self._records.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        """End the file."""
        self._records.close()

    def _event(self, **fields: Any) -> None:
        self._records.write(self._proto.Event(wall_time=time.time(), **fields).SerializeToString())


def _part(name: str) -> Any:
    """Import a part of TensorBoard, none of which imports TensorFlow."""
    return require(f"tensorboard{name}", "tensorboard", "--tensorboard")


def _made(folder: Path) -> Path:
    """Make a folder that can be written to, and return it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"cannot write curves to {folder}: {error.strerror}. Choose another folder for --tensorboard."
        ) from error
    if not os.access(folder, os.W_OK):
        raise TrainingError(
            f"cannot write curves to {folder}: no permission. Choose another for --tensorboard."
        )
    return folder
