"""Names that will go: they still work, and warn with the name to use."""

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
"""Modules that the documentation named before they moved: old name → new name."""


def deprecated(old: str, new: str) -> None:
    """Warn the caller's caller that `old` is deprecated, and name what to use."""
    warnings.warn(f"{old} is deprecated. Use {new} instead.", DeprecationWarning, stacklevel=3)


def replacement(old: str, new: str, name: str) -> Any:
    """Warn the caller's caller that `old` is deprecated, and return the public object that replaces it.

    It is looked up by its public name at the call, so that a lower module can name an upper one as
    the remedy.

    Args:
        old: What was written, for the message.
        new: What to write instead, for the message.
        name: The name in `musegen.__all__` to return.
    """
    warnings.warn(f"{old} is deprecated. Use {new} instead.", DeprecationWarning, stacklevel=3)
    return getattr(import_module("musegen"), name)


def keep_old_modules() -> None:
    """Let the old names of `MOVED` be imported, with a warning."""
    if not any(isinstance(finder, _OldNames) for finder in sys.meta_path):
        sys.meta_path.append(_OldNames())


class _OldNames(MetaPathFinder, Loader):
    """Fills a module of an old name with what the new one holds."""

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
