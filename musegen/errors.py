"""The exception tree. Every error a user can cause is one of these, and says what to do.

::

    MusegenError
    ├── MidiError        a file or score that cannot be read or written   (also ValueError)
    ├── EncodingError    music or tokens an encoding cannot carry         (also ValueError)
    ├── ConfigError      a setting outside its range, an unknown key      (also ValueError)
    ├── CheckpointError  a checkpoint that is missing, damaged or foreign
    └── TrainingError    a training run that cannot start or go on

The command line turns a `MusegenError` into exit code 1; usage errors are 2.
"""

from __future__ import annotations

__all__ = [
    "CheckpointError",
    "ConfigError",
    "EncodingError",
    "MidiError",
    "MusegenError",
    "TrainingError",
]


class MusegenError(Exception):
    """Base of all errors that musegen raises on purpose."""


class MidiError(MusegenError, ValueError):
    """A file or score cannot be read or written."""


class EncodingError(MusegenError, ValueError):
    """Music or tokens that an encoding cannot carry."""


class ConfigError(MusegenError, ValueError):
    """A setting is outside its range, or its name is unknown."""


class CheckpointError(MusegenError):
    """A checkpoint is missing, damaged, or made for something else."""


class TrainingError(MusegenError):
    """A training run cannot start or cannot go on."""
