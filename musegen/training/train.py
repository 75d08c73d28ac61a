"""The training run: data, model, `fit`, checkpoint."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from musegen._version import __version__
from musegen.config import ModelConfig, TrainingConfig, differences
from musegen.data import dataset as datasets
from musegen.data import novelty
from musegen.data.dataset import Dataset
from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Vocabulary
from musegen.errors import MusegenError, TrainingError
from musegen.model import checkpoint as checkpoints
from musegen.model.backend import keras
from musegen.model.checkpoint import Checkpoint
from musegen.model.network import build
from musegen.training.carrying import Carried
from musegen.training.devices import device, policy
from musegen.training.distributed import ALONE, Group, grouped
from musegen.training.fitting import SAVE_SECONDS, fit
from musegen.training.infilling import batches, refuse
from musegen.training.preparing import compare, discard, keep_settings, prepared
from musegen.training.provenance import describe, ensemble
from musegen.training.recording import BEST, EpochReport, StepReport
from musegen.training.runs import LOCK, LOG, RUN, SETTINGS
from musegen.training.sizing import available, check
from musegen.training.watching import Diverged
from musegen.utils.files import locked

__all__ = ["train"]

STORE = "store"  # of folders, in the run's


@grouped
def train(
    folders: Sequence[Path],
    output: Path,
    encoder: Encoder,
    model_config: ModelConfig,
    config: TrainingConfig,
    *,
    group: Group = ALONE,
    start: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    save_seconds: float = SAVE_SECONDS,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_files: Callable[[int, int], None] = lambda done, total: None,
    on_data: Callable[[Dataset], None] = lambda dataset: None,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
) -> tuple[Checkpoint, Dataset]:
    """Train a model on folders of MIDI files, or on a token store, and write it as a checkpoint.

    Args:
        folders: Where the MIDI files are, at any depth; or one store.
        output: Directory of the checkpoint.
        encoder: Turns files into tokens; of a store, its own.
        model_config: The network.
        config: How to fit it.
        group: The processes that do the same with the same arguments, from `join`; each feeds a
            share of every batch.
        start: Name or path of a checkpoint to begin with, instead of random weights.
        resume: Go on with an interrupted run in `output`.
        force: Replace the checkpoint, or the interrupted run, in `output`.
        save_seconds: How often the run is saved, so that it can be resumed; it is after each epoch,
            too.
        callbacks: Keras callbacks, called besides what is done here.
        on_files: Called with (files read, files in all).
        on_data: Called with the data before training starts.
        on_step: Called after each step.
        on_epoch: Called after each epoch.

    Returns:
        The checkpoint, and the data with its held-out pieces.

    Raises:
        TrainingError: There is too little data or memory, something is in the way, `start` is
            another kind of model, or training diverged; in this case the best weights up to there
            are written first.
    """
    group.check(config)
    refuse(encoder, model_config, config)
    check(
        model_config, replace(config, batch_size=config.batch_size // group.processes), available()
    )
    parent = None if start is None else fitting_parent(start, encoder, model_config)
    origin = (
        None
        if parent is None
        else {"name": parent.name, "sha256": sha256(parent.path / checkpoints.WEIGHTS)}
    )
    run = output / RUN
    with ExitStack() as held:
        with group.first_before_others(), ExitStack() as beginning:
            if group.first:
                beginning.enter_context(prepared(output, run, resume, force))
                held.enter_context(locked(run / LOCK))  # until the end
            known = settings(encoder, model_config, config, origin, folders)
            compare(run / SETTINGS, known)  # before anything is read
            # What a run has begun with it goes on with, whatever has become of the files since.
            begun = (run / SETTINGS).exists() and (run / STORE).exists()
            sources = [run / STORE] if begun else group.sources(folders, run, STORE)
            data = read(
                sources, run, encoder, config.seed, on_files, keep=resume or not group.first
            )
            described = describe(data, encoder, list(folders))
            keep_settings(run / SETTINGS, known | {"data": described["sha256"]})
        on_data(data)
        made = announced(output, encoder, model_config, config, data, described, origin)
        windows, validation = batches(data, encoder, model_config, config, group.devices)
        model, plain = networks(encoder, model_config, config, windows.rows, parent)
        try:
            reports = fit(
                model,
                plain,
                windows,
                validation,
                config,
                run,
                group=group,
                save_seconds=save_seconds,
                callbacks=callbacks,
                on_step=on_step,
                on_epoch=on_epoch,
            )
        except Diverged as error:
            kept = (
                rescued(made, run, error.reports, data)
                if group.first
                else "The first process says what is kept."
            )
            raise TrainingError(f"{error} {kept} {advice(model_config, config)}") from error
        with group.first_before_others():
            return finish(made, run, reports, data) if group.first else checkpoints.load(
                output
            ), data


def read(
    sources: Sequence[Path],
    run: Path,
    encoder: Encoder,
    seed: int,
    on_files: Callable[[int, int], None],
    keep: bool,
) -> Dataset:
    """Return the pieces to train on, encoded into the run's folder if they are not yet.

    Args:
        sources: Folders of music, or a store.
        run: Folder of the run.
        encoder: Turns files into tokens.
        seed: Seeds the split.
        on_files: Called with (files read, files in all).
        keep: If it cannot be done, leave the folder as it is.
    """
    try:
        return datasets.load(
            datasets.opened(sources, run / STORE, encoder, seed, on_progress=on_files)
        )
    except MusegenError as error:
        if not keep:
            discard(run.parent, run, unusable=isinstance(error, TrainingError))
        raise


def announced(
    output: Path,
    encoder: Encoder,
    model: ModelConfig,
    config: TrainingConfig,
    data: Dataset,
    described: dict[str, Any],
    origin: dict[str, str] | None,
) -> Checkpoint:
    """Return the checkpoint that is to be made, with all that is known before training."""
    provenance = {
        "musegen": __version__,
        "keras": keras.__version__,
        "device": device(),
        "precision": policy(config),
        "from": origin,
        "config": config.to_dict(),
        "data": described,
    }
    return Checkpoint(output, encoder.config, model, ensemble(data.train, encoder), provenance)


def settings(
    encoder: Encoder,
    model: ModelConfig,
    config: TrainingConfig,
    origin: dict[str, str] | None,
    folders: Sequence[Path],
) -> dict[str, Any]:
    """Return what a run must have in common with the one that it goes on with, but for what its files hold."""
    names = [folder.resolve().name for folder in folders]
    return {
        **encoder.config.to_dict(),
        **model.to_dict(),
        **config.to_dict(),
        "from": origin,
        "folders": names,
    }


def networks(
    encoder: Encoder,
    model: ModelConfig,
    config: TrainingConfig,
    rows: int,
    parent: Checkpoint | None,
) -> tuple[keras.Model, keras.Model]:
    """Return the network as it is trained, and as it is kept: the same weights in the same order."""
    keras.utils.set_random_seed(config.seed)
    plain = build(model)
    if parent is not None:
        take_over(plain, parent)
    start = encoder.vocabulary.first["start"]
    carried = (
        {"recur": lambda layer, x, tokens: Carried(layer, rows, start)(x, tokens)}
        if config.tbptt
        else {}
    )
    trained = build(model, policy=policy(config), **carried)
    for mine, theirs in zip(trained.trainable_variables, plain.trainable_variables, strict=True):
        mine.assign(theirs)
    return trained, plain


def take_over(model: keras.Model, parent: Checkpoint) -> None:
    """Give the layers that a checkpoint has, too, its weights; others, which fill gaps, keep their own."""
    for name, arrays in parent.weights().items():
        model.get_layer(name).set_weights(arrays)


def fitting_parent(start: str | Path, encoder: Encoder, model: ModelConfig) -> Checkpoint:
    """Return the checkpoint to begin with.

    Raises:
        TrainingError: It has another vocabulary, or another shape than `model`; the message names
            the differences.
    """
    parent = checkpoints.load(start)
    if Vocabulary(parent.encoder).fingerprint != encoder.vocabulary.fingerprint:
        what, changed = "vocabulary", differences(parent.encoder, encoder.config)
    elif (
        replace(parent.model, dropout=model.dropout, future=parent.model.future or model.future)
        != model
    ):
        what, changed = "shape", differences(parent.model, model)
    else:
        return parent
    raise TrainingError(
        f"a model that begins with {parent.name} must have its {what}. Received: {changed}. Leave the "
        "options of encoder and model out, or train from the beginning, without --from."
    )


def finish(
    made: Checkpoint, run: Path, reports: Sequence[EpochReport], data: Dataset
) -> Checkpoint:
    """Write the checkpoint with the best weights of a run and the index of its training pieces, and remove the run."""
    best = min(reports, key=lambda r: r.validation_nats)
    found = {
        "epochs": len(reports),
        "best_epoch": best.epoch,
        "validation_nats_per_token": round(best.validation_nats, 5),
        "seconds": round(sum(r.seconds for r in reports)),
    }
    made = replace(made, provenance={**made.provenance, **found})
    novelty.Index.of_tokens(data.train, Encoder(made.encoder)).save(made.path / novelty.FILE)
    checkpoints.save(made, run / BEST, half=True)
    shutil.copyfile(run / LOG, made.path / LOG)
    done = run.with_name(f"{run.name}-done")
    shutil.rmtree(done, ignore_errors=True)
    run.rename(done)  # at once, where removing takes a while: there is a run, or there is none
    shutil.rmtree(done)
    return made


def rescued(made: Checkpoint, run: Path, reports: Sequence[EpochReport], data: Dataset) -> str:
    """Keep the best weights of a run that went wrong, and say what was kept."""
    if not reports:
        discard(made.path, run, unusable=True)
        return "No epoch was finished, so nothing is kept."
    best = finish(made, run, reports, data).provenance["best_epoch"]
    return f"The weights of epoch {best}, the best before, are in {made.path}."


def advice(model: ModelConfig, config: TrainingConfig) -> str:
    """Return what to do about a run that went wrong."""
    if not (config.global_clipnorm or config.clipvalue):
        return "Gradients were not clipped: try --global-clipnorm 1."
    lower = f"Try --learning-rate {config.learning_rate / 4:g}"
    return lower + (
        ", or --cell lstm, whose gradients vanish and explode less." if model.cell == "rnn" else "."
    )


def sha256(path: Path) -> str:
    """Return the hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
