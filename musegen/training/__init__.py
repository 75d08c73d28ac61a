"""Fit a model to pieces, through `keras.Model.fit` and nothing of any one backend."""

from musegen.training.quiet import native_messages_held_back

with native_messages_held_back():
    from musegen.training.fitting import device, train
    from musegen.training.recording import EpochReport, StepReport

    device()  # looks for GPUs, which TensorFlow comments on too

__all__ = ["EpochReport", "StepReport", "device", "train"]
