"""Find training runs on disk and read what they hold, even if files are damaged."""

from __future__ import annotations

import csv
import json
import math
import os
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musegen.config import ModelConfig
from musegen.errors import ConfigError, TrainingError
from musegen.model.checkpoint import CONFIG, WEIGHTS

__all__ = [
    "LATEST",
    "LOCK",
    "LOG",
    "RUN",
    "SETTINGS",
    "Run",
    "begun_with",
    "find",
    "in_words",
    "unfinished",
]

RUN = ".training"  # in the checkpoint's folder, while it is being trained
SETTINGS, LOG, LATEST, LOCK = "settings.json", "training.csv", "latest.npz", "lock"
SKIPPED = {"node_modules", "site-packages", "__pycache__"}
COLUMNS = {"epoch", "train_nats", "validation_nats"}  # written by every version of musegen


@dataclass(frozen=True)
class Run:
    """A training run on disk.

    Attributes:
        path: The checkpoint's folder.
        state: `finished` or `damaged`; before that `running` or `interrupted`, or `unfinished`
            where locks do not work.
        modified: Time of the last write, in seconds since 1970.
        model: The network; None if unknown.
        training: The training settings, as far as they are known.
        log: The columns of `training.csv`, for each epoch.
        step: Number of saved steps of the next epoch.
        problem: What could not be read, and why.
    """

    path: Path
    state: str
    modified: float
    model: ModelConfig | None
    training: Mapping[str, Any]
    log: tuple[Mapping[str, float], ...]
    step: int = 0
    problem: str = ""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def best(self) -> Mapping[str, float] | None:
        """The epoch with the best validation likelihood."""
        numbers = (row for row in self.log if math.isfinite(row["validation_nats"]))
        return min(numbers, key=lambda row: row["validation_nats"], default=None)

    @property
    def seconds(self) -> float:
        """Duration of the epochs, in seconds."""
        return sum(row.get("seconds", 0.0) for row in self.log)

    def curve(self, part: str) -> list[float]:
        """Return nats per token in each epoch, of `train` or `validation`."""
        return [row[f"{part}_nats"] for row in self.log]


def find(folders: Iterable[Path]) -> list[Run]:
    """Return the runs in folders and below them, the last one written first.

    A checkpoint that is being trained again is two runs: the finished and the unfinished one.
    Hidden folders, and those of installed packages, are skipped.
    """
    found: dict[tuple[Path, str], Run] = {}
    for folder in folders:
        for root, folders_in, files in os.walk(folder):
            path = Path(root)
            # Two of three, so a folder is found even if one file is lost; other software also has
            # a config.json.
            if len({CONFIG, WEIGHTS, LOG} & set(files)) > 1:
                found.setdefault((path.resolve(), CONFIG), finished(path))
            if RUN in folders_in:
                found.setdefault((path.resolve(), RUN), unfinished(path))
            folders_in[:] = [
                name for name in folders_in if not name.startswith(".") and name not in SKIPPED
            ]
    return sorted(found.values(), key=lambda run: run.modified, reverse=True)


def finished(path: Path) -> Run:
    """Return the finished run whose checkpoint is in a folder."""
    problems: list[str] = []
    config = _read(path / CONFIG, _json, {}, problems)
    model = None
    if config:  # otherwise its problem is noted already
        model = _read(
            path / CONFIG, lambda _: ModelConfig.from_dict(config["model"]), None, problems
        )
    provenance = config.get("training", {})
    training = provenance.get("config", {}) if isinstance(provenance, dict) else {}
    log = _read(path / LOG, _log, (), problems)
    if not (path / WEIGHTS).exists():
        problems.append(f"{WEIGHTS} is missing")
    state = "damaged" if problems else "finished"
    return Run(
        path, state, _modified(path, LOG, CONFIG), model, training, log, problem="; ".join(problems)
    )


def unfinished(path: Path) -> Run:
    """Return the running or interrupted run in a folder."""
    run = path / RUN
    problems: list[str] = []
    # Files appear one after the other in a run: a missing one is no damage.
    settings: dict[str, Any] = {}
    model, log, step = None, (), 0
    if (run / SETTINGS).exists():
        settings = _read(run / SETTINGS, _json, {}, problems)
        fields = ModelConfig.__dataclass_fields__
        shape = {name: value for name, value in settings.items() if name in fields}
        if settings:
            model = _read(run / SETTINGS, lambda _: ModelConfig.from_dict(shape), None, problems)
    if (run / LOG).exists():
        log = _read(run / LOG, _log, (), problems)
    if (run / LATEST).exists():
        step = _read(run / LATEST, _step, 0, problems)
    state = "damaged" if problems else _lock_state(run / LOCK)
    modified = _modified(run, LATEST, LOG, SETTINGS, ".")
    return Run(path, state, modified, model, settings, log, step, "; ".join(problems))


def begun_with(path: Path) -> dict[str, Any]:
    """Return the settings of the unfinished run in a folder; none if it has not written them yet.

    Those named `command` say where its data and first weights were: `folders`, `start` and
    `expected_data`. Runs of older versions lack them.

    Raises:
        TrainingError: There is no unfinished run, or its file of settings is damaged.
    """
    if not (path / RUN).exists():
        raise TrainingError(f"{path} holds no interrupted run. Leave out --resume to start one.")
    settings = path / RUN / SETTINGS
    try:
        return _json(settings)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise TrainingError(f"{settings} is damaged: {error}. Start over with --force.") from error


def in_words(model: ModelConfig) -> str:
    """Return a short description of a network: `2 × 256 lstm, embedding 128`."""
    more = {
        f"dropout {model.dropout:g}": model.dropout,
        "residual": model.residual,
        "layer norm": model.layer_norm,
        "tied": model.tied,
        f"context of {model.context}": model.context,
        "lookback": model.lookback,
        f"future {model.future}": model.future,
    }
    features = [text for text, present in more.items() if present]
    size = f"{model.layers} × {model.units} {model.cell}"
    return ", ".join([size, f"embedding {model.embedding}", *features])


def _read(path: Path, how: Callable[[Path], Any], otherwise: Any, problems: list[str]) -> Any:
    """Read a file with `how`; if it fails, note why and return `otherwise`."""
    try:
        return how(path)
    except FileNotFoundError:
        problems.append(f"{path.name} is missing")
    except ConfigError as error:
        problems.append(f"{path.name}: {error}")
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        EOFError,
        csv.Error,
        zipfile.BadZipFile,
    ) as error:
        if isinstance(error, KeyError):
            reason = f"no {error}"
        else:
            reason = getattr(error, "strerror", None) or str(error)
        problems.append(f"{path.name} cannot be read: {reason}")
    return otherwise


def _json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    document = json.loads(path.read_text())
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    return document


def _log(path: Path) -> tuple[Mapping[str, float], ...]:
    """Read the rows of `training.csv`."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        missing = sorted(COLUMNS - set(reader.fieldnames or ()))
        if missing:
            raise ValueError(f"it has no column {', '.join(missing)}")
        rows = []
        for row in reader:
            try:
                rows.append({name: float(value) for name, value in row.items()})
            except (TypeError, ValueError):
                raise ValueError(
                    f"line {reader.line_num} is not {len(reader.fieldnames or ())} numbers"
                ) from None
    return tuple(rows)


def _step(path: Path) -> int:
    """Read the number of saved steps of the current epoch."""
    with np.load(path, allow_pickle=False) as file:
        return int(json.loads(str(file["facts"]))["step"])


def _lock_state(path: Path) -> str:
    """Return `running` if a process holds the lock, which is released however it ends."""
    try:
        import fcntl

        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return "interrupted"
    except BlockingIOError:
        return "running"
    except (ImportError, OSError):  # Windows, a network drive without locks, a run that has none
        return "unfinished"


def _modified(folder: Path, *names: str) -> float:
    """Return the time of the last write to any of the files; 0 if there are none."""
    times = []
    for name in names:
        try:
            times.append((folder / name).stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)
