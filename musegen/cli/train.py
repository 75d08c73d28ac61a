"""`musegen train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.options import encoder_options, given, of
from musegen.config import EncoderConfig, ModelConfig, TrainingConfig
from musegen.errors import TrainingError

if TYPE_CHECKING:
    from musegen.checkpoint import Checkpoint
    from musegen.dataset import Dataset

__all__ = ["train"]


@click.command(short_help="Train a model on folders of music.")
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Directory of the checkpoint.")
@click.option("--cell", type=click.Choice(["lstm", "gru", "rnn"]), default=ModelConfig.cell, show_default=True)
@click.option("--layers", default=ModelConfig.layers, show_default=True, help="Recurrent layers.")
@click.option("--units", default=ModelConfig.units, show_default=True, help="Width of each layer's state.")
@click.option("--embedding", default=ModelConfig.embedding, show_default=True, help="Width of the token embedding.")
@click.option("--dropout", default=ModelConfig.dropout, show_default=True, help="Dropout between layers.")
@click.option("--sequence-length", default=TrainingConfig.sequence_length, show_default=True,
              help="Tokens that gradients travel back.")  # fmt: skip
@click.option("--batch-size", default=TrainingConfig.batch_size, show_default=True)
@click.option("--epochs", default=TrainingConfig.epochs, show_default=True, help="At most.")
@click.option("--learning-rate", default=TrainingConfig.learning_rate, show_default=True,
              help="Its peak: after --warmup it falls as a cosine.")  # fmt: skip
@click.option("--warmup", default=TrainingConfig.warmup, show_default=True, help="Share of steps it rises in.")
@click.option("--weight-decay", default=TrainingConfig.weight_decay, show_default=True)
@click.option("--global-clipnorm", default=TrainingConfig.global_clipnorm, show_default=True,
              help="Largest global gradient norm; 0 for no clipping.")  # fmt: skip
@click.option("--transpose", default=TrainingConfig.transpose, show_default=True,
              help="Transpose training pieces by up to this many semitones.")  # fmt: skip
@click.option("--part-dropout", default=TrainingConfig.part_dropout, show_default=True,
              help="Share of training pieces that lose some of their parts.")  # fmt: skip
@click.option("--patience", default=TrainingConfig.patience, show_default=True,
              help="Epochs without improvement before stopping.")  # fmt: skip
@click.option("--seed", default=TrainingConfig.seed, show_default=True)
@encoder_options
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in --output.")
@click.option("--force", is_flag=True, help="Replace what is in --output.")
def train(folders: tuple[Path, ...], output: Path, resume: bool, force: bool, **settings: Any) -> None:
    """Train a recurrent network on all music under FOLDERS, or on a store of `musegen encode`.

    One piece in twenty is held out for validation and another for the final test; files with the
    same tune stay together. The weights that predict the validation pieces best are kept.
    """
    # Settings are checked before the second that importing Keras takes.
    from musegen.encoder import Encoder

    encoder = Encoder(encoding(folders, settings))
    model = of(ModelConfig, settings, vocabulary_size=len(encoder.vocabulary))
    config = of(TrainingConfig, settings)

    from musegen import training
    from musegen.cli.progress import TrainingDisplay

    click.echo(f"device: {training.device()}", err=True)
    try:
        with TrainingDisplay(config, model) as display:
            made, data = training.train(
                list(folders), output, encoder, model, config, resume=resume, force=force, on_files=display.files,
                on_data=display.data, on_step=display.step, on_epoch=display.epoch,
            )  # fmt: skip
    except KeyboardInterrupt:
        raise TrainingError(
            f"stopped. The last whole epoch is kept in {output}: give the same command with --resume to go on."
        ) from None
    report(made, data)


def encoding(folders: tuple[Path, ...], settings: dict[str, Any]) -> EncoderConfig:
    """Return the encoder's settings: of a store its own, but for those that were given and are in conflict with it."""
    from musegen.store import is_store, read_settings

    if not is_store(folders[0]):
        return of(EncoderConfig, settings)
    own = read_settings(folders[0])[1].config.to_dict()
    return EncoderConfig.from_dict({**own, **{name: v for name, v in given(settings).items() if name in own}})


def report(made: Checkpoint, data: Dataset) -> None:
    """Measure the test pieces, write the figures into the checkpoint, and print them."""
    from dataclasses import replace

    from musegen import checkpoint, evaluation
    from musegen.engine import Engine
    from musegen.vocabulary import Vocabulary

    vocabulary = Vocabulary(made.encoder)
    predictors = {
        "model": evaluation.model(Engine(made.model, made.weights())),
        "bigram": evaluation.bigram([p.tokens for p in data.train], vocabulary),
        "uniform": evaluation.uniform(vocabulary),
    }
    figures = {
        part: {
            name: round(evaluation.evaluate(predictor, [p.tokens for p in pieces], vocabulary).per_note, 4)
            for name, predictor in predictors.items()
        }
        for part, pieces in (("validation", data.validation), ("test", data.test))
    }
    provenance = {**made.provenance, "nats_per_note": figures}
    checkpoint.save(replace(made, provenance=provenance), made.path / checkpoint.WEIGHTS)
    click.echo(f"{made.path}: best of {provenance['epochs']} epochs was {provenance['best_epoch']}")
    click.echo(f"{'nats per note':14}{'model':>9}{'bigram':>9}{'uniform':>9}")
    for part, row in figures.items():
        click.echo(f"{part:14}" + "".join(f"{value:9.3f}" for value in row.values()))
