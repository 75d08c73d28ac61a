"""Import Keras without the start-up messages of its backend; all modules import Keras from here.

Importing Keras takes seconds, so nothing that composes on a CPU imports this module.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["keras", "native_messages_held_back", "ops"]

LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextmanager
def native_messages_held_back() -> Iterator[None]:
    """Hold back what C++ code writes to stderr, and write it only if an exception is raised.

    TensorFlow prints a dozen lines at every start, which no Python setting turns off. With
    `TF_CPP_MIN_LOG_LEVEL` set, nothing is held back.
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


with native_messages_held_back():
    import keras
    from keras import ops

    # TensorFlow also prints messages when it looks for GPUs. JAX must not look for devices before
    # `distributed.join`.
    if keras.backend.backend() == "tensorflow":
        keras.distribution.list_devices()
