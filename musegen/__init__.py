"""Compose, encode and train: music generation with recurrent networks.

Importing musegen, encoding, and composing on a CPU never import TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musegen.composer import Composer, load
    from musegen.composing import compose, infill
    from musegen.composition import Request
    from musegen.config import ConstraintConfig, EncoderConfig, ModelConfig, SamplerConfig, TrainingConfig
    from musegen.encoder import Encoder
    from musegen.errors import (
        CheckpointError,
        ConfigError,
        EncodingError,
        MidiError,
        MusegenError,
        TrainingError,
    )
    from musegen.reading import read
    from musegen.score import Score, Track
    from musegen.store import Store, ingest
    from musegen.surprising import surprisal
    from musegen.training import train

_HOME = {
    "Composer": "composer",
    "compose": "composing",
    "infill": "composing",
    "load": "composer",
    "Request": "composition",
    "ConstraintConfig": "config",
    "EncoderConfig": "config",
    "ModelConfig": "config",
    "SamplerConfig": "config",
    "TrainingConfig": "config",
    "Encoder": "encoder",
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "EncodingError": "errors",
    "MidiError": "errors",
    "MusegenError": "errors",
    "TrainingError": "errors",
    "read": "reading",
    "Score": "score",
    "Track": "score",
    "Store": "store",
    "ingest": "store",
    "surprisal": "surprising",
    "train": "training",
}

__all__ = [
    "CheckpointError",
    "Composer",
    "ConfigError",
    "ConstraintConfig",
    "Encoder",
    "EncoderConfig",
    "EncodingError",
    "MidiError",
    "ModelConfig",
    "MusegenError",
    "Request",
    "SamplerConfig",
    "Score",
    "Store",
    "Track",
    "TrainingConfig",
    "TrainingError",
    "compose",
    "infill",
    "ingest",
    "load",
    "read",
    "surprisal",
    "train",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import a public name from its module at first use, so that `import musegen` is instant."""
    if name not in _HOME:
        raise AttributeError(f"module 'musegen' has no attribute {name!r}")
    return getattr(import_module(f"musegen.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
