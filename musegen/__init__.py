"""Compose, encode and train: music generation with recurrent networks.

Importing musegen, encoding, and composing on a CPU never import TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from musegen._version import __version__ as __version__
from musegen.utils.deprecation import keep_old_modules

if TYPE_CHECKING:
    from musegen.config import ConstraintConfig, EncoderConfig, ModelConfig, SamplerConfig, TrainingConfig
    from musegen.data.store import Store, ingest
    from musegen.encoding.encoder import Encoder
    from musegen.errors import CheckpointError, ConfigError, EncodingError, MidiError, MusegenError, TrainingError
    from musegen.evaluation.surprisal import surprisal
    from musegen.generation.compose import compose, infill
    from musegen.generation.composer import Composer, load
    from musegen.generation.request import Request
    from musegen.score import Score, Track
    from musegen.score.reading import read
    from musegen.training.train import train

_HOME = {
    "Composer": "generation.composer",
    "compose": "generation.compose",
    "infill": "generation.compose",
    "load": "generation.composer",
    "Request": "generation.request",
    "ConstraintConfig": "config",
    "EncoderConfig": "config",
    "ModelConfig": "config",
    "SamplerConfig": "config",
    "TrainingConfig": "config",
    "Encoder": "encoding.encoder",
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "EncodingError": "errors",
    "MidiError": "errors",
    "MusegenError": "errors",
    "TrainingError": "errors",
    "read": "score.reading",
    "Score": "score",
    "Track": "score",
    "Store": "data.store",
    "ingest": "data.store",
    "surprisal": "evaluation.surprisal",
    "train": "training.train",
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


keep_old_modules()


def __getattr__(name: str) -> Any:
    """Import a public name from its module at first use, so that `import musegen` is instant."""
    if name not in _HOME:
        raise AttributeError(f"module 'musegen' has no attribute {name!r}")
    return getattr(import_module(f"musegen.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
