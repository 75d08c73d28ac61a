"""Import optional dependencies on demand."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from musegen.errors import MusegenError

__all__ = ["require"]


def require(module: str, extra: str, purpose: str) -> Any:
    """Import a module that musegen does not depend on.

    Args:
        module: Name of the module.
        extra: The extra of `musegen` that installs it.
        purpose: What needs it, as the user typed it.

    Raises:
        MusegenError: It is not installed; the message says how to install it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # it is installed, and lacks a dependency
        package = module.partition(".")[0]
        raise MusegenError(
            f"{purpose} needs {package}. Install it with: pip install 'musegen[{extra}]'"
        ) from error
