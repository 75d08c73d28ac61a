"""Save and restore the complete state of a run: weights, moments, seeds, carried state, log."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from musegen.errors import TrainingError
from musegen.model.backend import keras
from musegen.utils.files import atomic_path

__all__ = ["restore", "snapshot", "variables"]


def variables(model: keras.Model) -> list[Any]:
    """Return every variable that training changes, except metrics, once each and in a fixed order.

    The model has weights, seeds of dropout and carried states; the optimizer has moments, averages
    and the step counter.
    """
    metrics = {id(variable) for variable in model.metrics_variables}
    variables = {id(v): v for v in [*model.variables, *model.optimizer.variables]}
    return [variable for key, variable in variables.items() if key not in metrics]


def snapshot(path: Path, changing: Iterable[Any], facts: dict[str, Any]) -> None:
    """Write variables and facts, atomically.

    Args:
        path: A `.npz` file; it is replaced.
        changing: Keras variables.
        facts: JSON values. Numbers are restored to the bit.
    """
    arrays = {
        f"{index:04}": keras.ops.convert_to_numpy(variable)
        for index, variable in enumerate(changing)
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, facts=np.array(json.dumps(facts)), **arrays)


def restore(path: Path, changing: Iterable[Any]) -> dict[str, Any]:
    """Restore the values of variables, and return the facts.

    Raises:
        TrainingError: The file is damaged, or belongs to another model.
    """
    variables = list(changing)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[name] for name in sorted(set(file.files) - {"facts"})]
            facts: dict[str, Any] = json.loads(str(file["facts"]))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} is damaged: {error}. Start over with --force.") from error
    expected, received = [tuple(v.shape) for v in variables], [a.shape for a in arrays]
    if expected != received:
        raise TrainingError(
            f"{path} is not of this model: expected {len(expected)} arrays {expected[:3]}…, "
            f"received {len(received)}: {received[:3]}…. "
            "Use the version of musegen that began the run, or start over with --force."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return facts
