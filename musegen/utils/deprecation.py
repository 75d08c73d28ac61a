"""Keep deprecated names working, with a warning that gives the new name."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["MOVED", "deprecated", "keep_old_modules", "replacement"]

MOVED = {
    "musegen.constraints": "musegen.generation.constraints",
    "musegen.corpus": "musegen.data.corpus",
    "musegen.encoder": "musegen.encoding.encoder",
    "musegen.evaluating": "musegen.evaluation",
    "musegen.grids": "musegen.data.pianoroll",
    "musegen.keys": "musegen.score.keys",
    "musegen.measures": "musegen.score.measures",
    "musegen.novelty": "musegen.data.novelty",
    "musegen.store": "musegen.data.store",
}
"""Documented modules that have moved: old name → new name."""


def deprecated(old: str, new: str) -> None:
    """Warn the caller's caller that `old` is deprecated in favour of `new`."""
    warnings.warn(f"{old} is deprecated. Use {new} instead.", DeprecationWarning, stacklevel=3)


def replacement(old: str, new: str, name: str) -> Any:
    """Warn the caller's caller that `old` is deprecated, and return its public replacement.

    The replacement is looked up at the call, so that it may be in a module above the caller's.

    Args:
        old: The deprecated expression, for the message.
        new: The expression to use, for the message.
        name: Name of the replacement in `musegen.__all__`.
    """
    warnings.warn(f"{old} is deprecated. Use {new} instead.", DeprecationWarning, stacklevel=3)
    return getattr(import_module("musegen"), name)


def keep_old_modules() -> None:
    """Make the old names of `MOVED` importable, with a warning."""
    if not any(isinstance(finder, _OldNames) for finder in sys.meta_path):
        sys.meta_path.append(_OldNames())


class _OldNames(MetaPathFinder, Loader):
    """Finds modules by their old names and fills them with the content of the new ones."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        new = MOVED[module.__name__]
        warnings.warn(
            f"{module.__name__} has moved. Import {new} instead.", DeprecationWarning, stacklevel=2
        )
        home = import_module(new)
        vars(module).update((name, getattr(home, name)) for name in ("__all__", *home.__all__))
        if hasattr(home, "__getattr__"):  # names that were renamed since
            vars(module)["__getattr__"] = home.__getattr__
