"""All that a run is at one moment, in one file: weights, moments, random seeds, carried state, and the log."""

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
    """Return every variable that training changes, but for metrics, each once, always in the same order.

    Weights, seeds of dropout and carried states are the model's; moments, averages and the step
    counter are the optimizer's.
    """
    metrics = {id(variable) for variable in model.metrics_variables}
    found = {
        id(v): v for v in [*model.variables, *model.optimizer.variables] if id(v) not in metrics
    }
    return list(found.values())


def snapshot(path: Path, changing: Iterable[Any], facts: dict[str, Any]) -> None:
    """Write the variables and some facts, whole or not at all.

    Args:
        path: A `.npz` file; it is replaced.
        changing: Keras variables.
        facts: What JSON can hold. Numbers come back as they are, to the bit.
    """
    arrays = {
        f"{index:04}": keras.ops.convert_to_numpy(variable)
        for index, variable in enumerate(changing)
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, facts=np.array(json.dumps(facts)), **arrays)


def restore(path: Path, changing: Iterable[Any]) -> dict[str, Any]:
    """Give the variables the values that they had, and return the facts.

    Raises:
        TrainingError: The file is damaged, or of another model.
    """
    variables = list(changing)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[name] for name in sorted(set(file.files) - {"facts"})]
            facts: dict[str, Any] = json.loads(str(file["facts"]))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} is damaged: {error}. Start over with --force.") from error
    shapes, found = [tuple(v.shape) for v in variables], [a.shape for a in arrays]
    if shapes != found:
        raise TrainingError(
            f"{path} is not of this model: expected {len(shapes)} arrays {shapes[:3]}…, received {len(found)}: "
            f"{found[:3]}…. Use the version of musegen that began the run, or start over with --force."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return facts
