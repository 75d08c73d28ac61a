"""Prepare the folder of a run, and clean up after a run that could not begin."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from musegen.config import EncoderConfig, ModelConfig, TrainingConfig, differences
from musegen.errors import TrainingError
from musegen.model import checkpoint as checkpoints
from musegen.training.runs import LOCK, begun_with
from musegen.utils.files import atomic_path, locked

__all__ = ["compare", "discard", "keep_settings", "prepared"]

DEFAULTS = {
    setting.name: setting.default
    for config in (EncoderConfig, ModelConfig, TrainingConfig)
    for setting in fields(config)
}


@contextmanager
def prepared(output: Path, run: Path, resume: bool, force: bool) -> Iterator[None]:
    """Make the folder of a run, while the run begins inside this context.

    An interrupted run that is replaced is restored if the new one cannot begin.

    Raises:
        TrainingError: `output` holds a checkpoint or an interrupted run, or none to resume; or the
            folder cannot be made.
    """
    if resume:
        begun_with(output)
    if run.exists() and not (resume or force):
        raise TrainingError(
            f"{output} holds an interrupted run. Continue it with --resume, "
            "or start over with --force."
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
    """Remove a run that could not begin, and `output` if nothing else is in it.

    Args:
        output: Directory of the checkpoint.
        run: The folder that `prepared` made in it.
        unusable: The data cannot be trained on. Otherwise their encoding was interrupted, and the
            encoded part is kept.
    """
    if unusable:
        shutil.rmtree(run, ignore_errors=True)
    (run / LOCK).unlink(missing_ok=True)
    for folder in (run, output):
        with suppress(OSError):  # not empty
            folder.rmdir()


def compare(path: Path, settings: dict[str, Any]) -> None:
    """Make sure that a resumed run has the settings it began with; a new run has none yet.

    Raises:
        TrainingError: They differ; the message names the differences.
    """
    if not path.exists():
        return
    try:
        # A setting that did not exist in the version that began the run had today's default.
        before = {**DEFAULTS, **json.loads(path.read_text())}
    except ValueError as error:
        raise TrainingError(f"{path} is damaged: {error}. Start over with --force.") from error
    there = {name: before.get(name) for name in settings}
    if changed := differences(there, settings, "{name} was {there!r} and is {here!r}"):
        raise TrainingError(
            "a resumed run must have the settings and files it began with. "
            f"Received: {changed}. Use the same, or start over with --force."
        )


def keep_settings(path: Path, settings: dict[str, Any], command: dict[str, Any]) -> None:
    """Write the settings of a run, after comparing them with those it began with.

    Args:
        path: The file of settings.
        settings: What a resumed run must have in common with the run it continues.
        command: Where its data and first weights are. They may have moved: it is not compared.
    """
    compare(path, settings)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({**settings, "command": command}, indent=2) + "\n")
