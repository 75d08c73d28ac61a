"""`fit`: a model and batches, with all that is watched, kept and taken up again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from musegen.config import TrainingConfig
from musegen.model.backend import keras
from musegen.training import losses
from musegen.training.distributed import ALONE, Group
from musegen.training.feeding import Windows
from musegen.training.infilling import Gaps
from musegen.training.optimizing import optimizer
from musegen.training.recording import EpochReport, Recorder, StepReport
from musegen.training.watching import Diverged

__all__ = ["SAVE_SECONDS", "fit"]

SAVE_SECONDS = 60.0


def fit(
    model: keras.Model,
    plain: keras.Model,
    windows: Windows | Gaps,
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
    """Fit a model, going on from where the run in a folder was left.

    Args:
        model: Is trained.
        plain: Has the same weights in the same order; in it the best are kept, and saved to the
            folder.
        windows: Training batches.
        validation: Batches that the weights and the end of the run are chosen by.
        config: How to fit.
        run: Folder of the run.
        group: The processes that fit it together; its first writes to the folder.
        save_seconds: The run is saved at least this often, and after each epoch.
        callbacks: Called besides.
        on_step: Called after each step.
        on_epoch: Called after each epoch.

    Returns:
        A report of each epoch.

    Raises:
        Diverged: The loss or the gradient ran away; the best weights up to there are in the folder.
    """
    nats = losses.Nats()
    model.compile(
        optimizer(config, windows.steps * config.epochs),
        loss=losses.loss(config.label_smoothing),
        weighted_metrics=[nats],
        # Measured: XLA halves the speed of recurrent layers on CPUs with TensorFlow. JAX has no
        # other way.
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
                # Keras takes every epoch to be as long as the first: one that was interrupted is
                # finished alone.
                epochs=epoch + 1 if recorder.step else config.epochs,
                shuffle=False,  # windows stay in order: rows go on with their piece
                verbose=0,
                callbacks=[recorder, *averaging, *callbacks],
            )
            if model.stop_training:  # because the run is finished, or a callback wants it
                break
    except Diverged as error:
        error.reports = recorder.reports
        raise
    return recorder.reports
