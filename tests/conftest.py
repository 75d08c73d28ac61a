"""Fixtures: small untrained checkpoints, so that tests need neither training nor TensorFlow."""

from __future__ import annotations

import pytest

from musegen.config import EncoderConfig
from tests.helpers import make_checkpoint


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Untrained checkpoints of several encodings, by name."""
    root = tmp_path_factory.mktemp("checkpoints")
    configs = {
        "line": EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0),
        "parts": EncoderConfig(parts=4, programs=False, drums=False, velocities=0, tempos=0),
        "band": EncoderConfig(),
        "played": EncoderConfig(encoding="performance"),
    }
    return {name: make_checkpoint(root / name, config) for name, config in configs.items()}
