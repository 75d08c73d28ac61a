"""Fit a model to pieces, through `keras.Model.fit` and nothing of any one backend."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before Keras loads TensorFlow, which is talkative

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from musegen import __version__
from musegen import checkpoint as checkpoints
from musegen import dataset as datasets
from musegen.checkpoint import Checkpoint
from musegen.config import ModelConfig, TrainingConfig
from musegen.dataset import Dataset, Piece
from musegen.encoder import Encoder
from musegen.errors import TrainingError
from musegen.files import atomic_path
from musegen.model import build
from musegen.score import Track

__all__ = ["EpochReport", "RecordingAdamW", "StepReport", "device", "train"]

RUN = ".training"  # inside the checkpoint's directory while it is being trained
LATEST, BEST, LOG = "latest", "best.weights.h5", "training.csv"
LONGEST_VALIDATION = 2048  # tokens; longer pieces are measured in stretches of it, from a fresh state


@dataclass(frozen=True)
class StepReport:
    """How training stands after one step."""

    epoch: int
    step: int
    steps: int
    tokens_per_second: float
    train_nats: float
    gradient_norm: float
    clipped: float
    """Share of this epoch's steps whose gradients were scaled down."""


@dataclass(frozen=True)
class EpochReport:
    """How training went in one epoch: a row of `training.csv`. Nats are per token."""

    epoch: int
    train_nats: float
    validation_nats: float
    learning_rate: float
    tokens_per_second: float
    gradient_norm_median: float
    gradient_norm_95: float
    gradient_norm_max: float
    clipped: float
    seconds: float


@keras.saving.register_keras_serializable("musegen")
class RecordingAdamW(keras.optimizers.AdamW):  # type: ignore[misc]
    """AdamW (Loshchilov and Hutter 2019) that remembers the global gradient norm before clipping."""

    def build(self, variables: Any) -> None:
        """Make room for the norm beside the moments."""
        super().build(variables)
        self.gradient_norm = self.add_variable(shape=(), dtype="float32", name="gradient_norm")

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Note the norm, then update the weights."""
        squares = [ops.sum(ops.square(ops.convert_to_tensor(g))) for g in grads if g is not None]
        super().apply(grads, trainable_variables)
        self.gradient_norm.assign(ops.cast(ops.sqrt(sum(squares)), "float32"))


class Windows(keras.utils.PyDataset):  # type: ignore[misc]
    """Training batches: row by row contiguous windows of a freshly shuffled stream each epoch."""

    def __init__(self, pieces: list[Piece], encoder: Encoder, config: TrainingConfig) -> None:
        super().__init__()
        self.pieces, self.encoder, self.config = pieces, encoder, config
        self.lay_out(0)

    def lay_out(self, epoch: int) -> None:
        """Shuffle and transpose anew: always the same for one epoch, so that a resumed run sees it too."""
        config = self.config
        rng = np.random.default_rng([config.seed, epoch])
        self.rows = datasets.stream(
            self.pieces, self.encoder, rng, config.batch_size, config.transpose, config.part_dropout
        )
        self.length = min(config.sequence_length, len(self.rows[0]) - 1)

    def __len__(self) -> int:
        return (len(self.rows[0]) - 1) // self.length

    def __getitem__(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        at = slice(index * self.length, (index + 1) * self.length + 1)
        window = self.rows[:, at]
        return window[:, :-1], window[:, 1:]


class WholePieces(keras.utils.PyDataset):  # type: ignore[misc]
    """Validation batches: pieces from their beginning, padded to the longest, padding weighing nothing."""

    def __init__(self, pieces: list[Piece], rows: int) -> None:
        super().__init__()
        spans = [
            piece.tokens[at : at + LONGEST_VALIDATION + 1]
            for piece in pieces
            for at in range(0, len(piece.tokens) - 1, LONGEST_VALIDATION)
        ]
        spans.sort(key=len)
        self.batches = [spans[i : i + rows] for i in range(0, len(spans), rows)]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        spans = self.batches[index]
        longest = -(-max(map(len, spans)) // 64) * 64  # few different shapes, so few compilations
        tokens = np.zeros((len(spans), longest + 1), np.int32)
        weight = np.zeros((len(spans), longest), np.float32)
        for row, span in enumerate(spans):
            tokens[row, : len(span)] = span
            weight[row, : len(span) - 1] = 1
        return tokens[:, :-1], tokens[:, 1:], weight


class Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Logs each epoch, keeps the best weights and enough to resume, and stops when nothing improves."""

    def __init__(
        self,
        run: Path,
        windows: Windows,
        config: TrainingConfig,
        on_step: Callable[[StepReport], None],
        on_epoch: Callable[[EpochReport], None],
    ) -> None:
        super().__init__()
        self.run, self.windows, self.config = run, windows, config
        self.on_step, self.on_epoch = on_step, on_epoch
        self.reports = read_log(run / LOG)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # Not `PyDataset.on_epoch_end`: Keras calls that once more than there are epochs.
        self.windows.lay_out(epoch)
        del self.reports[epoch:]  # rows of an epoch that was interrupted before its state was saved
        self.norms: list[float] = []
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.norms.append(float(self.model.optimizer.gradient_norm))
        tokens = (batch + 1) * self.config.batch_size * self.config.sequence_length
        self.on_step(
            StepReport(
                epoch=len(self.reports) + 1,
                step=batch + 1,
                steps=self.params["steps"],
                tokens_per_second=tokens / (time.perf_counter() - self.started),
                train_nats=float(logs["nats"]),
                gradient_norm=self.norms[-1],
                clipped=self._clipped(),
            )
        )
        if not np.isfinite(self.norms[-1]):
            raise TrainingError(
                f"the gradient became {self.norms[-1]} in epoch {len(self.reports) + 1}, step {batch + 1}; the norms "
                f"before it were {', '.join(f'{n:.3g}' for n in self.norms[-6:-1])}. The weights of the last good "
                "epoch are kept. Lower --learning-rate or --global-clipnorm, and go on with --resume."
            )

    def on_test_begin(self, logs: Any = None) -> None:
        self.trained_for = time.perf_counter() - self.started

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        norms = np.array(self.norms)
        tokens = len(norms) * self.config.batch_size * self.config.sequence_length
        report = EpochReport(
            epoch=epoch + 1,
            train_nats=float(logs["nats"]),
            validation_nats=float(logs["val_nats"]),
            learning_rate=float(ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            tokens_per_second=tokens / self.trained_for,
            gradient_norm_median=float(np.median(norms)),
            gradient_norm_95=float(np.percentile(norms, 95)),
            gradient_norm_max=float(norms.max()),
            clipped=self._clipped(),
            seconds=time.perf_counter() - self.started,
        )
        self.reports.append(report)
        best = min(self.reports, key=lambda r: r.validation_nats)
        if best is report:
            with atomic_path(self.run / BEST) as temporary:
                plain = keras.Model(self.model.inputs, self.model.outputs)  # without the optimizer's moments
                plain.save_weights(temporary)
        write_log(self.run / LOG, self.reports)
        self.on_epoch(report)
        if report.epoch - best.epoch >= self.config.patience:
            self.model.stop_training = True

    def _clipped(self) -> float:
        limit = self.config.global_clipnorm
        return float(np.mean(np.array(self.norms) > limit)) if limit else 0.0


def read_log(path: Path) -> list[EpochReport]:
    """Return the epochs of a `training.csv`; none if it does not exist."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [EpochReport(int(row.pop("epoch")), **{name: float(value) for name, value in row.items()}) for row in rows]


def write_log(path: Path, reports: list[EpochReport]) -> None:
    """Write `training.csv`."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(EpochReport.__dataclass_fields__))
        writer.writeheader()
        writer.writerows({k: v if k == "epoch" else f"{v:.6g}" for k, v in vars(r).items()} for r in reports)


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
    """Train a model on folders of MIDI files and write it as a checkpoint.

    Args:
        folders: Where the MIDI files are, at any depth.
        output: Directory of the checkpoint.
        encoder: Turns files into tokens.
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
    data = datasets.load(folders, encoder, config.seed, on_progress=on_files)
    on_data(data)
    keras.utils.set_random_seed(config.seed)
    model = build(model_config)
    windows = Windows(data.train, encoder, config)
    recorder = Recorder(run, windows, config, on_step, on_epoch)
    compile_model(model, config, len(windows))
    started = time.perf_counter()
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
            "data": describe(data, encoder, folders),
            "epochs": len(recorder.reports),
            "best_epoch": best.epoch,
            "validation_nats_per_token": round(best.validation_nats, 5),
            "seconds": round(sum(r.seconds for r in recorder.reports) or time.perf_counter() - started),
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
