"""Write the results of a benchmark, with the machine and the versions they were measured on."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["results_file", "save"]


def results_file(name: str) -> Path:
    """Return the JSON file with the results of a benchmark."""
    return Path(__file__).parent / "results" / f"{name}.json"


def save(name: str, packages: Sequence[str], **results: Any) -> None:
    """Write results as JSON.

    Args:
        name: Of the benchmark.
        packages: Names of the packages whose versions matter.
        **results: JSON values.
    """
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
    }
    versions = {package: version(package) for package in packages}
    document = {"machine": machine, "versions": versions, **results}
    results_file(name).write_text(json.dumps(document, indent=2) + "\n")
