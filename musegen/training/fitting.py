"""Run Keras's `fit` on a model and its batches, with reports, saving and resuming."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from musegen.config import TrainingConfig
from musegen.model.backend import keras
from musegen.training import losses
from musegen.training.distributed import ALONE, Group
from musegen.training.feeding import TrainingBatches
from musegen.training.optimizing import optimizer
from musegen.training.recording import EpochReport, Recorder, StepReport
from musegen.training.watching import Diverged

__all__ = ["SAVE_SECONDS", "fit"]

SAVE_SECONDS = 60.0


def fit(
    model: keras.Model,
    plain: keras.Model,
    windows: TrainingBatches,
    validation: keras.utils.PyDataset,
    config: TrainingConfig,
    run: Path,
    *,
    group: Group = ALONE,
    save_seconds: float = SAVE_SECONDS,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
) -> list[EpochReport]:
    """Fit a model, continuing the run in a folder from where it was last saved.

    Args:
        model: The network that is trained.
        plain: A network with the same weights in the same order; it holds the best weights, which
            are saved to the folder.
        windows: Training batches.
        validation: Batches for choosing the best weights and for early stopping.
        config: How to fit.
        run: Folder of the run.
        group: The processes that train together; the first writes to the folder.
        save_seconds: The run is saved at least this often, and after each epoch.
        callbacks: Additional Keras callbacks.
        on_step: Called after each step.
        on_epoch: Called after each epoch.

    Returns:
        A report of each epoch.

    Raises:
        Diverged: The loss or the gradient diverged; the best weights so far are in the folder.
    """
    nats = losses.Nats()
    model.compile(
        optimizer(config, windows.steps * config.epochs),
        loss=losses.loss(config.label_smoothing),
        weighted_metrics=[nats],
        # XLA was measured to halve the speed of recurrent layers with TensorFlow on CPUs. JAX has
        # no other way.
        jit_compile=keras.backend.backend() == "jax",
    )
    model.optimizer.build(model.trainable_variables)
    recorder = Recorder(run, windows, plain, nats, config, save_seconds, on_step, on_epoch)
    recorder.writes = group.first
    recorder.resume(model)
    averaging = [keras.callbacks.SwapEMAWeights()] if config.ema else []
    try:
        while not recorder.finished:
            epoch = len(recorder.reports)
            windows.lay_out(epoch, recorder.step)
            model.fit(
                group.share(windows),
                validation_data=group.share(validation),
                initial_epoch=epoch,
                # To Keras every epoch is as long as the first, so an interrupted epoch is finished
                # in a call of its own.
                epochs=epoch + 1 if recorder.step else config.epochs,
                shuffle=False,  # the windows of a row must stay in order
                verbose=0,
                callbacks=[recorder, *averaging, *callbacks],
            )
            if model.stop_training:  # the run is finished, or a callback ended it
                break
    except Diverged as error:
        error.reports = recorder.reports
        raise
    return recorder.reports
