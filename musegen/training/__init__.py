"""Fit a model to pieces, through `keras.Model.fit` and nothing of any one backend."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before Keras loads TensorFlow, which is talkative

from musegen.training.fitting import device, train
from musegen.training.recording import EpochReport, StepReport

__all__ = ["EpochReport", "StepReport", "device", "train"]
