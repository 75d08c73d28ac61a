"""Fit a model to pieces, through `keras.Model.fit` and, but for `distributing`, nothing of any one backend.

Read in this order: `feeding` (batches), `carrying` (state from window to window), `optimizing`
(clipping, learning rate), `recording` and `resuming` (what is kept), `distributing` (several processes),
`fitting`, `running`.
"""

from musegen.training.quiet import native_messages_held_back

with native_messages_held_back():
    import keras

    from musegen.training.devices import device
    from musegen.training.distributing import ALONE, Group, join
    from musegen.training.recording import EpochReport, StepReport
    from musegen.training.running import train

    if keras.backend.backend() == "tensorflow":  # JAX must not look for devices before `join`
        device()  # looks for GPUs, which TensorFlow comments on too

__all__ = ["ALONE", "EpochReport", "Group", "StepReport", "device", "join", "train"]
