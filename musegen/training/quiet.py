"""Keeping TensorFlow's start-up messages off the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["native_messages_held_back"]

LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextmanager
def native_messages_held_back() -> Iterator[None]:
    """Hold back what C++ code writes to stderr; let it out if something is raised.

    TensorFlow greets every start with a dozen lines that no Python setting turns off. Whoever sets
    `TF_CPP_MIN_LOG_LEVEL` asked for them and gets them.
    """
    if LEVEL in os.environ:
        yield
        return
    os.environ[LEVEL] = "2"
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
