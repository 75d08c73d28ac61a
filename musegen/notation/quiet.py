"""Keeping music21's warnings and exceptions away from the user."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from musegen.errors import MidiError

__all__ = ["quiet"]


@contextmanager
def quiet(what: str) -> Iterator[None]:
    """Hold back music21's warnings and turn whatever it raises into a `MidiError`."""
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except MidiError:
        raise
    except Exception as error:  # music21's readers raise anything, IndexError and KeyError included
        reason = f"{type(error).__name__}: {error}".strip(": ")
        raise MidiError(
            f"{what}: music21 cannot read it ({reason}). Open it in a notation program and export it anew."
        ) from error
