"""The training run: data, model, optimizer, `fit`, checkpoint."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras

from musegen import __version__
from musegen import checkpoint as checkpoints
from musegen import dataset as datasets
from musegen.checkpoint import Checkpoint
from musegen.config import ModelConfig, TrainingConfig
from musegen.dataset import Dataset, Piece
from musegen.encoder import Encoder
from musegen.errors import MusegenError, TrainingError
from musegen.files import atomic_path
from musegen.model import build
from musegen.score import Track
from musegen.training.feeding import WholePieces, Windows
from musegen.training.recording import BEST, LOG, EpochReport, Recorder, RecordingAdamW, StepReport

__all__ = ["device", "train"]

RUN = ".training"  # inside the checkpoint's directory while it is being trained
LATEST, SETTINGS, STORE = "latest", "settings.json", "store"


def device() -> str:
    """Return what Keras computes on, for people: `gpu:0 (tensorflow)`."""
    found = keras.distribution.list_devices()
    gpus = [name for name in found if "cpu" not in name.lower()]
    return f"{', '.join(gpus or found) or 'cpu'} ({keras.backend.backend()})"


def train(
    folders: list[Path],
    output: Path,
    encoder: Encoder,
    model_config: ModelConfig,
    config: TrainingConfig,
    *,
    resume: bool = False,
    force: bool = False,
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
        resume: Go on with an interrupted run in `output`.
        force: Replace the checkpoint, or the interrupted run, in `output`.
        on_files: Called with (files read, files in all).
        on_data: Called with the data before training starts.
        on_step: Called after each step.
        on_epoch: Called after each epoch.

    Returns:
        The checkpoint, and the data with its held-out pieces.

    Raises:
        TrainingError: There is too little data, something is in the way, or training diverged.
    """
    run = output / RUN
    prepare(output, run, resume, force)
    try:
        store = datasets.opened(folders, run / STORE, encoder, config.seed, on_progress=on_files)
        data = datasets.load(store)
    except MusegenError as error:
        if not resume:
            discard(output, run, unusable=isinstance(error, TrainingError))
        raise
    description = describe(data, encoder, folders)
    keep_settings(
        run / SETTINGS,
        {**encoder.config.to_dict(), **model_config.to_dict(), **config.to_dict(), "data": description["sha256"]},
    )
    on_data(data)
    keras.utils.set_random_seed(config.seed)
    model = build(model_config)
    windows = Windows(data.train, encoder, config)
    recorder = Recorder(run, windows, config, on_step, on_epoch)
    compile_model(model, config, len(windows))
    if not recorder.reports or recorder.reports[-1].epoch < config.epochs:
        model.fit(
            windows,
            validation_data=WholePieces(data.validation, config.batch_size),
            epochs=config.epochs,
            shuffle=False,  # the stream is shuffled by piece; its windows stay in order
            verbose=0,
            callbacks=[
                recorder,
                keras.callbacks.BackupAndRestore(run / LATEST, double_checkpoint=True, delete_checkpoint=False),
            ],
        )
    best = min(recorder.reports, key=lambda r: r.validation_nats)
    made = Checkpoint(
        output,
        encoder.config,
        model_config,
        ensemble(data.train, encoder),
        {
            "musegen": __version__,
            "keras": keras.__version__,
            "device": device(),
            "config": config.to_dict(),
            "data": description,
            "epochs": len(recorder.reports),
            "best_epoch": best.epoch,
            "validation_nats_per_token": round(best.validation_nats, 5),
            "seconds": round(sum(r.seconds for r in recorder.reports)),
        },
    )
    checkpoints.save(made, run / BEST)
    shutil.copyfile(run / LOG, output / LOG)
    shutil.rmtree(run)
    return made, data


def prepare(output: Path, run: Path, resume: bool, force: bool) -> None:
    """Make sure that `output` is free, or holds a run to go on with."""
    if resume and not run.exists():
        raise TrainingError(f"{output} holds no interrupted run. Leave out --resume to start one.")
    if run.exists() and not resume:
        if not force:
            raise TrainingError(f"{output} holds an interrupted run. Go on with --resume, or start over with --force.")
        shutil.rmtree(run)
    if (output / checkpoints.CONFIG).exists() and not (force or resume):
        raise TrainingError(f"{output} holds a checkpoint. Choose another -o, or replace it with --force.")
    run.mkdir(parents=True, exist_ok=True)


def discard(output: Path, run: Path, unusable: bool) -> None:
    """Remove a run that was not begun, and `output` if nothing else is in it.

    Args:
        output: Directory of the checkpoint.
        run: What `prepare` made in it.
        unusable: The data cannot be trained on. If they can, and have only not all been encoded, what there is
            of them is kept for the run to go on with.
    """
    if unusable:
        shutil.rmtree(run, ignore_errors=True)
    with suppress(OSError):  # they are not empty
        run.rmdir()
    with suppress(OSError):
        output.rmdir()


def keep_settings(path: Path, settings: dict[str, Any]) -> None:
    """Write the settings of a new run, or make sure that a resumed one has the same.

    Raises:
        TrainingError: They differ; the message names the differences.
    """
    if path.exists():
        before = json.loads(path.read_text())
        changed = [f"{k} was {before.get(k)!r} and is {v!r}" for k, v in settings.items() if before.get(k) != v]
        if changed:
            raise TrainingError(
                f"a resumed run must have the settings and files it began with. Received: {'; '.join(changed)}. "
                "Give the same, or start over with --force."
            )
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n")


def compile_model(model: keras.Model, config: TrainingConfig, steps_per_epoch: int) -> None:
    """Give the model its loss, its optimizer and its learning-rate schedule."""
    steps = steps_per_epoch * config.epochs
    warmup = max(1, int(config.warmup * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - warmup, 1), warmup_target=config.learning_rate, warmup_steps=warmup
    )
    optimizer = RecordingAdamW(
        schedule, weight_decay=config.weight_decay, global_clipnorm=config.global_clipnorm or None
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(
        optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # The loss of a padded batch is a mean over padding too; this metric is over tokens.
        weighted_metrics=[keras.metrics.SparseCategoricalCrossentropy(name="nats", from_logits=True)],
        jit_compile=False,  # measured: XLA halves the speed of recurrent layers on CPUs
    )


def ensemble(pieces: list[Piece], encoder: Encoder) -> tuple[Track, ...]:
    """Return the commonest instrument of each part that at least half of the pieces have."""
    out = []
    for part in range(max(len(p.tracks) for p in pieces)):
        tracks = [p.tracks[part] for p in pieces if len(p.tracks) > part]
        if 2 * len(tracks) < len(pieces) or part >= max(encoder.config.parts, 1):
            break
        name, program, is_drum = Counter((t.name, t.program, t.is_drum) for t in tracks).most_common(1)[0][0]
        out.append(Track(name, program, is_drum))
    return tuple(out)


def describe(data: Dataset, encoder: Encoder, folders: list[Path]) -> dict[str, Any]:
    """Return counts of the data, its hash, and the names of the held-out pieces."""
    digest = hashlib.sha256()
    for piece in sorted([*data.train, *data.validation, *data.test], key=lambda p: p.name):
        digest.update(piece.name.encode() + piece.tokens.tobytes())
    counts = {
        part: {
            "pieces": len(pieces),
            "tokens": sum(len(p.tokens) for p in pieces),
            "notes": int(sum(encoder.vocabulary.notes[p.tokens].sum() for p in pieces)),
        }
        for part, pieces in (("train", data.train), ("validation", data.validation), ("test", data.test))
    }
    return {
        "folders": [folder.name for folder in folders],
        **counts,
        "skipped": len(data.skipped),
        "sha256": digest.hexdigest(),
        "held_out": {"validation": [p.name for p in data.validation], "test": [p.name for p in data.test]},
    }
