"""The training run: data, model, `fit`, evaluation on held-out pieces, checkpoint."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from warnings import warn

from musegen._version import __version__
from musegen.config import ModelConfig, TrainingConfig
from musegen.data import dataset as datasets
from musegen.data import novelty
from musegen.data.dataset import Dataset
from musegen.encoding.encoder import Encoder
from musegen.errors import MusegenError, TrainingError
from musegen.model import checkpoint as checkpoints
from musegen.model.backend import keras
from musegen.model.checkpoint import Checkpoint
from musegen.training import held_out, provenance
from musegen.training.devices import device, policy
from musegen.training.distributed import ALONE, Group
from musegen.training.feeding import batches
from musegen.training.fitting import SAVE_SECONDS, fit
from musegen.training.infilling import check_trainable
from musegen.training.networks import load_parent, networks
from musegen.training.preparing import compare, discard, keep_settings, prepared
from musegen.training.recording import BEST, EpochReport, StepReport
from musegen.training.runs import LOCK, LOG, RUN, SETTINGS
from musegen.training.sizing import available, check
from musegen.training.watching import Diverged
from musegen.utils.files import locked

__all__ = ["train"]

STORE = "store"  # subfolder of a run in which folders of music are encoded


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
    expected_data: str = "",
    save_seconds: float = SAVE_SECONDS,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_files: Callable[[int, int], None] = lambda done, total: None,
    on_data: Callable[[Dataset], None] = lambda dataset: None,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    on_trained: Callable[[Checkpoint], None] = lambda checkpoint: None,
    on_warning: Callable[[str], None] = warn,
) -> tuple[Checkpoint, Dataset]:
    """Train a model on folders of MIDI files, or on a token store, and write it as a checkpoint.

    The weights that predict the validation pieces best are kept. Then the model, a bigram and the
    uniform distribution are evaluated on the held-out pieces, and the figures are recorded in the
    checkpoint as `nats_per_note`.

    Args:
        folders: Where the MIDI files are, at any depth; or one store.
        output: Directory of the checkpoint.
        encoder: Turns files into tokens; for a store, the store's own encoder.
        model_config: The network.
        config: How to fit it.
        group: The processes that train together with the same arguments, from
            `musegen.training.distributed.join`; each feeds its share of every batch.
        start: Name or path of a checkpoint whose weights to start from, instead of random ones.
        resume: Continue an interrupted run in `output`.
        force: Replace the checkpoint, or the interrupted run, in `output`.
        expected_data: SHA-256 of the data that the settings were chosen for, from a recipe; other
            data cause a warning. Empty for any data.
        save_seconds: How often the run is saved, so that it can be resumed. It is also saved after
            each epoch.
        callbacks: Keras callbacks, in addition to those of this function.
        on_files: Called with (files read, files in all).
        on_data: Called with the data before training starts.
        on_step: Called after each step.
        on_epoch: Called after each epoch.
        on_trained: Called when the checkpoint is written, before it is evaluated.
        on_warning: Called with the text of a warning; by default `warnings.warn`.

    Returns:
        The checkpoint, and the data with its held-out pieces. Processes of a group other than the
        first get the checkpoint without `nats_per_note`.

    Raises:
        TrainingError: There is too little data or memory, `output` is in use, `start` is another
            kind of model, or training diverged; in the last case the best weights so far are
            written first.

    Example:
        A tiny network on four tunes of two bars each, for one epoch:

        >>> import tempfile
        >>> from pathlib import Path
        >>> from musegen import Encoder, EncoderConfig, ModelConfig, Score, Track, TrainingConfig
        >>> from musegen import train
        >>> folder = Path(tempfile.mkdtemp())
        >>> for tune in range(4):
        ...     notes = [(480 * i, 480, 60 + i * tune % 12, 80, 0) for i in range(8)]
        ...     Score(notes=notes, tracks=[Track("Flute", 73)]).save(folder / f"{tune}.mid")
        >>> encoder = Encoder(EncoderConfig(parts=1, velocities=0, tempos=0))
        >>> model = ModelConfig(len(encoder.vocabulary), layers=1, units=8, embedding=4)
        >>> config = TrainingConfig(epochs=1, batch_size=2, sequence_length=8)
        >>> made, data = train([folder], folder / "model", encoder, model, config)
        >>> len(data.train), sorted(made.provenance["nats_per_note"]["test"])
        (2, ['bigram', 'model', 'uniform'])
    """
    run = output / RUN
    with group.scope(), ExitStack() as until_the_end:
        # Refuse what cannot be trained before anything is made.
        group.check(config)
        check_trainable(encoder, model_config, config)
        share = replace(config, batch_size=config.batch_size // group.processes)
        check(model_config, share, available())
        parent = None if start is None else load_parent(start, encoder, model_config)
        origin = None if parent is None else _origin(parent)

        # Begin or resume the run, and read the data; the first process encodes them for all.
        known = settings(encoder, model_config, config, origin, folders)
        with group.first_before_others(), ExitStack() as beginning:
            if group.first:
                beginning.enter_context(prepared(output, run, resume, force))
                until_the_end.enter_context(locked(run / LOCK))
            compare(run / SETTINGS, known)  # before anything is read
            # A resumed run keeps the pieces it began with, even if the files have changed since.
            begun = (run / SETTINGS).exists() and (run / STORE).exists()
            sources = [run / STORE] if begun else group.sources(folders, run, STORE)
            keep = resume or not group.first
            data = read(sources, run, encoder, config.seed, on_files, keep=keep)
            described = provenance.describe(data, encoder, list(folders))
            command = {
                "folders": [str(folder.resolve()) for folder in folders],
                "start": None if start is None else str(start),
                "expected_data": expected_data,
            }
            keep_settings(run / SETTINGS, known | {"data": described["sha256"]}, command)
        on_data(data)
        if warning := provenance.mismatch(expected_data, described["sha256"]):
            on_warning(warning)

        # Fit.
        made = planned(output, encoder, model_config, config, data, described, origin)
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

        # The first process writes the checkpoint, and the others read it.
        with group.first_before_others():
            made = finish(made, run, reports, data) if group.first else checkpoints.load(output)

    # Outside the group's scope: the other processes are done and need not wait.
    if group.first:
        on_trained(made)
        made = held_out.record(made, data)
    return made, data


def read(
    sources: Sequence[Path],
    run: Path,
    encoder: Encoder,
    seed: int,
    on_files: Callable[[int, int], None],
    keep: bool,
) -> Dataset:
    """Return the pieces to train on; folders of music are encoded into the folder of the run.

    Args:
        sources: Folders of music, or a store.
        run: Folder of the run.
        encoder: Turns files into tokens.
        seed: Seeds the split.
        on_files: Called with (files read, files in all).
        keep: On failure, leave the folder of the run as it is.
    """
    try:
        store = datasets.opened(sources, run / STORE, encoder, seed, on_progress=on_files)
        return datasets.load(store)
    except MusegenError as error:
        if not keep:
            discard(run.parent, run, unusable=isinstance(error, TrainingError))
        raise


def planned(
    output: Path,
    encoder: Encoder,
    model: ModelConfig,
    config: TrainingConfig,
    data: Dataset,
    described: dict[str, Any],
    origin: dict[str, str] | None,
) -> Checkpoint:
    """Return the checkpoint that the run will write, with everything known before training."""
    known = {
        "musegen": __version__,
        "keras": keras.__version__,
        "device": device(),
        "precision": policy(config),
        "from": origin,
        "config": config.to_dict(),
        "data": described,
    }
    instruments = provenance.ensemble(data.train, encoder)
    return Checkpoint(output, encoder.config, model, instruments, known)


def settings(
    encoder: Encoder,
    model: ModelConfig,
    config: TrainingConfig,
    origin: dict[str, str] | None,
    folders: Sequence[Path],
) -> dict[str, Any]:
    """Return the settings that a resumed run must have begun with, without the data's hash."""
    names = [folder.resolve().name for folder in folders]
    return {
        **encoder.config.to_dict(),
        **model.to_dict(),
        **config.to_dict(),
        "from": origin,
        "folders": names,
    }


def finish(
    made: Checkpoint, run: Path, reports: Sequence[EpochReport], data: Dataset
) -> Checkpoint:
    """Write the checkpoint with its best weights and novelty index, and remove the run."""
    best = min(reports, key=lambda report: report.validation_nats)
    outcome = {
        "epochs": len(reports),
        "best_epoch": best.epoch,
        "validation_nats_per_token": round(best.validation_nats, 5),
        "seconds": round(sum(report.seconds for report in reports)),
    }
    made = replace(made, provenance={**made.provenance, **outcome})
    novelty.Index.of_tokens(data.train, Encoder(made.encoder)).save(made.path / novelty.FILE)
    checkpoints.save(made, run / BEST, half=True)
    shutil.copyfile(run / LOG, made.path / LOG)
    # Rename first, because removing may take a while: there is a whole run, or none.
    done = run.with_name(f"{run.name}-done")
    shutil.rmtree(done, ignore_errors=True)
    run.rename(done)
    shutil.rmtree(done)
    return made


def rescued(made: Checkpoint, run: Path, reports: Sequence[EpochReport], data: Dataset) -> str:
    """Keep the best weights of a run that diverged; return a sentence that says what was kept."""
    if not reports:
        discard(made.path, run, unusable=True)
        return "No epoch was finished, so nothing is kept."
    best = finish(made, run, reports, data).provenance["best_epoch"]
    return f"The weights of epoch {best}, the best before, are in {made.path}."


def advice(model: ModelConfig, config: TrainingConfig) -> str:
    """Return what to try after a run has diverged."""
    if not (config.global_clipnorm or config.clipvalue):
        return "Gradients were not clipped: try --global-clipnorm 1."
    lower = f"Try --learning-rate {config.learning_rate / 4:g}"
    if model.cell == "rnn":
        return f"{lower}, or --cell lstm, whose gradients vanish and explode less."
    return f"{lower}."


def _origin(parent: Checkpoint) -> dict[str, str]:
    """Return the name of a checkpoint and the hash of its weights."""
    weights = (parent.path / checkpoints.WEIGHTS).read_bytes()
    return {"name": parent.name, "sha256": hashlib.sha256(weights).hexdigest()}
