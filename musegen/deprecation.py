"""Names that will go: they still work, and warn with the name to use."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

__all__ = ["replacement"]


def replacement(old: str, new: str, name: str) -> Any:
    """Warn the caller's caller that `old` is deprecated, and return the public object that replaces it.

    It is looked up by its public name at the call, so that a lower module can name an upper one as the remedy.

    Args:
        old: What was written, for the message.
        new: What to write instead, for the message.
        name: The name in `musegen.__all__` to return.
    """
    warnings.warn(f"{old} is deprecated. Use {new} instead.", DeprecationWarning, stacklevel=3)
    return getattr(import_module("musegen"), name)
