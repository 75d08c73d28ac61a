"""Compose, encode and train: music generation with recurrent networks.

Importing musegen, encoding, and composing on a CPU never import TensorFlow.
"""

from typing import TYPE_CHECKING

from musegen._version import __version__ as __version__
from musegen.utils.deprecation import keep_old_modules
from musegen.utils.lazy import lazily

if TYPE_CHECKING:
    from musegen.config import (
        ConstraintConfig,
        EncoderConfig,
        ModelConfig,
        SamplerConfig,
        TrainingConfig,
    )
    from musegen.data.store import Store, ingest
    from musegen.encoding.encoder import Encoder
    from musegen.errors import (
        CheckpointError,
        ConfigError,
        EncodingError,
        MidiError,
        MusegenError,
        TrainingError,
    )
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
__getattr__, __dir__ = lazily(__name__, _HOME)
keep_old_modules()
