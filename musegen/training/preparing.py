"""The folder of a run: what may be in the way, and what stays of a run that was not begun."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from musegen.config import EncoderConfig, ModelConfig, TrainingConfig
from musegen.errors import TrainingError
from musegen.model import checkpoint as checkpoints
from musegen.training.runs import LOCK
from musegen.utils.files import atomic_path, locked

__all__ = ["compare", "discard", "keep_settings", "prepared"]

DEFAULTS = {
    setting.name: setting.default
    for config in (EncoderConfig, ModelConfig, TrainingConfig)
    for setting in fields(config)
}


@contextmanager
def prepared(output: Path, run: Path, resume: bool, force: bool) -> Iterator[None]:
    """Make sure that `output` is free, or holds a run to go on with, while a run begins.

    A run that is replaced is put back if the new one cannot begin.

    Raises:
        TrainingError: Something is in the way, or the folder cannot be made.
    """
    if resume and not run.exists():
        raise TrainingError(f"{output} holds no interrupted run. Leave out --resume to start one.")
    if run.exists() and not (resume or force):
        raise TrainingError(
            f"{output} holds an interrupted run. Go on with --resume, or start over with --force."
        )
    if (output / checkpoints.CONFIG).exists() and not (force or resume):
        raise TrainingError(
            f"{output} holds a checkpoint. Choose another -o, or replace it with --force."
        )
    before = run.with_name(f"{run.name}-before")
    shutil.rmtree(before, ignore_errors=True)
    if run.exists() and not resume:
        with locked(run / LOCK):  # which fails while it is running
            run.rename(before)
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"cannot make {run}: {error.strerror}. Choose another -o.") from error
    try:
        yield
    except BaseException:
        if before.exists():
            shutil.rmtree(run, ignore_errors=True)
            before.rename(run)
        raise
    shutil.rmtree(before, ignore_errors=True)


def discard(output: Path, run: Path, unusable: bool) -> None:
    """Remove a run that was not begun, and `output` if nothing else is in it.

    Args:
        output: Directory of the checkpoint.
        run: What `prepare` made in it.
        unusable: The data cannot be trained on. If they can, and have only not all been encoded,
            what there is of them is kept for the run to go on with.
    """
    if unusable:
        shutil.rmtree(run, ignore_errors=True)
    (run / LOCK).unlink(missing_ok=True)
    with suppress(OSError):  # they are not empty
        run.rmdir()
    with suppress(OSError):
        output.rmdir()


def compare(path: Path, settings: dict[str, Any]) -> None:
    """Make sure that a run which is resumed has the settings that it began with; a new one has none yet.

    Raises:
        TrainingError: They differ; the message names the differences.
    """
    if not path.exists():
        return
    try:
        # A setting that the version which began the run did not have yet was what is the default
        # today.
        before = {**DEFAULTS, **json.loads(path.read_text())}
    except ValueError as error:
        raise TrainingError(f"{path} is damaged: {error}. Start over with --force.") from error
    changed = [
        f"{k} was {before.get(k)!r} and is {v!r}" for k, v in settings.items() if before.get(k) != v
    ]
    if changed:
        raise TrainingError(
            f"a resumed run must have the settings and files it began with. Received: {'; '.join(changed)}. "
            "Give the same, or start over with --force."
        )


def keep_settings(path: Path, settings: dict[str, Any]) -> None:
    """Write the settings of a run, after comparing them with what it began with."""
    compare(path, settings)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n")
