"""Packages that come with an extra, asked for when something needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from musegen.errors import MusegenError

__all__ = ["require"]


def require(module: str, extra: str, purpose: str) -> Any:
    """Import a module that musegen does not itself depend on.

    Args:
        module: What to import.
        extra: The extra of `musegen` that brings it.
        purpose: What needs it, as the user typed it.

    Raises:
        MusegenError: It is not installed; the message says how to install it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # installed, but broken: the user must see what it lacks
        package = module.partition(".")[0]
        raise MusegenError(
            f"{purpose} needs {package}. Install it with: pip install 'musegen[{extra}]'"
        ) from error
