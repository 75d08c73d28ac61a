"""Finding training runs, and reading what there is of them, damaged or not."""

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
from musegen.errors import ConfigError
from musegen.model.checkpoint import CONFIG, WEIGHTS

__all__ = ["LATEST", "LOCK", "LOG", "RUN", "SETTINGS", "Run", "find", "in_words", "unfinished"]

RUN = ".training"  # in the checkpoint's folder, while it is being trained
SETTINGS, LOG, LATEST, LOCK = "settings.json", "training.csv", "latest.npz", "lock"
PASSED_OVER = {"node_modules", "site-packages", "__pycache__"}
COLUMNS = {"epoch", "train_nats", "validation_nats"}  # every version of musegen wrote them


@dataclass(frozen=True)
class Run:
    """What is known of a training run.

    Attributes:
        path: The checkpoint's folder.
        state: `finished`; `running` or `interrupted` where a lock tells, otherwise `unfinished`;
            `damaged`.
        modified: When it was last written to, in seconds since 1970.
        model: The network.
        training: The settings it is trained with, as far as they were kept.
        log: Epoch by epoch, the columns of `training.csv`.
        step: Steps of the next epoch that are saved.
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
        """How long the epochs took."""
        return sum(row.get("seconds", 0.0) for row in self.log)

    def curve(self, part: str) -> list[float]:
        """Return nats per token, epoch by epoch, of `train` or `validation`."""
        return [row[f"{part}_nats"] for row in self.log]


def find(folders: Iterable[Path]) -> list[Run]:
    """Return the runs in some folders and all folders below them, the last one written first.

    A checkpoint that is being trained anew is two: the finished one and the one under way. Hidden
    folders, and those that packages are installed in, are passed over.
    """
    found: dict[tuple[Path, str], Run] = {}
    for folder in folders:
        for root, folders_in, files in os.walk(folder):
            path = Path(root)
            # Two of three: a folder is known by them even if one is lost, and others have a
            # config.json, too.
            if len({CONFIG, WEIGHTS, LOG} & set(files)) > 1:
                found.setdefault((path.resolve(), CONFIG), finished(path))
            if RUN in folders_in:
                found.setdefault((path.resolve(), RUN), unfinished(path))
            folders_in[:] = [
                name for name in folders_in if not name.startswith(".") and name not in PASSED_OVER
            ]
    return sorted(found.values(), key=lambda run: run.modified, reverse=True)


def finished(path: Path) -> Run:
    """Return the run whose checkpoint is in a folder."""
    problems: list[str] = []
    config = _read(path / CONFIG, _json, {}, problems)
    model = (
        _read(path / CONFIG, lambda _: ModelConfig.from_dict(config["model"]), None, problems)
        if config
        else None
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
    """Return the run that is under way in a folder, or was."""
    run = path / RUN
    problems: list[str] = []
    # Each is written when its time comes: what is not there yet is no damage.
    settings: dict[str, Any] = {}
    model, log, step = None, (), 0
    if (run / SETTINGS).exists():
        settings = _read(run / SETTINGS, _json, {}, problems)
        own = {
            name: value
            for name, value in settings.items()
            if name in ModelConfig.__dataclass_fields__
        }
        model = (
            _read(run / SETTINGS, lambda _: ModelConfig.from_dict(own), None, problems)
            if settings
            else None
        )
    if (run / LOG).exists():
        log = _read(run / LOG, _log, (), problems)
    if (run / LATEST).exists():
        step = _read(run / LATEST, _step, 0, problems)
    state = "damaged" if problems else _lock_state(run / LOCK)
    modified = _modified(run, LATEST, LOG, SETTINGS, ".")
    return Run(path, state, modified, model, settings, log, step, "; ".join(problems))


def in_words(model: ModelConfig) -> str:
    """Return a network as a few words: `2 × 256 lstm, embedding 128`."""
    more = {
        f"dropout {model.dropout:g}": model.dropout,
        "residual": model.residual,
        "layer norm": model.layer_norm,
        "tied": model.tied,
        f"context of {model.context}": model.context,
        "lookback": model.lookback,
        f"future {model.future}": model.future,
    }
    said = [word for word, holds in more.items() if holds]
    return ", ".join(
        [f"{model.layers} × {model.units} {model.cell}", f"embedding {model.embedding}", *said]
    )


def _read(path: Path, how: Callable[[Path], Any], otherwise: Any, problems: list[str]) -> Any:
    """Return what `how` makes of a file; if it cannot, note why."""
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
        said = (
            f"no {error}"
            if isinstance(error, KeyError)
            else getattr(error, "strerror", None) or str(error)
        )
        problems.append(f"{path.name} cannot be read: {said}")
    return otherwise


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text())
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def _log(path: Path) -> tuple[Mapping[str, float], ...]:
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
    with np.load(path, allow_pickle=False) as file:
        return int(json.loads(str(file["facts"]))["step"])


def _lock_state(path: Path) -> str:
    """Say whether a process holds the lock of a run; it is let go however the process ends."""
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
    """Return when the last of some files was written, 0 if there are none."""
    times = []
    for name in names:
        try:
            times.append((folder / name).stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)
