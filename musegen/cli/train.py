"""`musegen train`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.events import Events
from musegen.cli.options import Sectioned, config_options, given, of, recipe_option
from musegen.config import EncoderConfig, ModelConfig, TrainingConfig
from musegen.errors import MusegenError, TrainingError

if TYPE_CHECKING:
    from musegen.cli.progress import TrainingDisplay
    from musegen.cli.recipes import Recipe
    from musegen.data.dataset import Dataset
    from musegen.encoding.encoder import Encoder
    from musegen.model.checkpoint import Checkpoint
    from musegen.training.distributed import Group

__all__ = ["train"]

SAVE_SECONDS = 60.0  # as in musegen.training, which takes Keras to import


@click.command(cls=Sectioned, short_help="Train a model on folders of music.")
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Directory of the checkpoint.",
)
@recipe_option
@click.option(
    "--from",
    "start",
    metavar="CHECKPOINT",
    help="Begin with its weights, by name or path; encoding and model are its own.",
)
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in --output.")
@click.option("--force", is_flag=True, help="Replace what is in --output.")
@click.option(
    "--save-every",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=SAVE_SECONDS,
    show_default=True,
    help="How often a run is saved for --resume, besides after each epoch.",
)
@click.option(
    "--tensorboard",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write curves for TensorBoard to DIR/NAME, where NAME is that of --output.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what happens as a JSON object a line.")
@click.option(
    "--distribute",
    is_flag=True,
    help="Train on all devices, and with the other processes that are started with the same command. Needs "
    "KERAS_BACKEND=jax.",
)
@click.option(
    "--coordinator",
    metavar="HOST:PORT",
    help="With --distribute: where the first process listens. Found out under Slurm, Open MPI, Kubernetes "
    "and on TPUs, as the next two are.",
)
@click.option("--processes", type=click.IntRange(1), help="How many processes train together.")
@click.option(
    "--process",
    type=click.IntRange(0),
    help="Which of them this is, from 0, which writes the checkpoint.",
)
@config_options
def train(
    folders: tuple[Path, ...],
    output: Path,
    recipe: Recipe | None,
    start: str | None,
    resume: bool,
    force: bool,
    save_every: float,
    tensorboard: Path | None,
    as_json: bool,
    distribute: bool,
    coordinator: str | None,
    processes: int | None,
    process: int | None,
    **settings: Any,
) -> None:
    """Train a recurrent network on all music under FOLDERS, or on a store of `musegen encode`.

    One piece in twenty is held out for validation and another for the final test; files with the
    same tune stay together. The weights that predict the validation pieces best are kept.
    """
    among = (coordinator, processes, process)
    if not distribute and among != (None, None, None):
        raise click.UsageError("--coordinator, --processes and --process go with --distribute.")
    events = Events(as_json)
    try:
        # Settings are checked before the second that importing Keras takes.
        encoder, model, config = configs(folders, start, settings)
        run: dict[str, Any] = {
            "start": start,
            "resume": resume,
            "force": force,
            "save_seconds": save_every,
        }
        if distribute:
            run["group"] = group = joined(*among)
            if not group.first:
                return silently(folders, output, encoder, model, config, run)
        board = None if tensorboard is None else curves(tensorboard / output.resolve().name)
        checks = None if recipe is None else RecipeCheck(recipe, encoder)
        made, data = trained(folders, output, encoder, model, config, run, events, board, checks)
        figures = measured_or_stopped(made, data)
        table(made, figures, err=as_json)
    except MusegenError as error:
        events.say("error", message=str(error))
        raise
    found = {
        name: made.provenance[name]
        for name in ("epochs", "best_epoch", "validation_nats_per_token", "seconds")
    }
    events.say("done", checkpoint=str(made.path), **found, nats_per_note=figures)


def configs(
    folders: tuple[Path, ...], start: str | None, settings: dict[str, Any]
) -> tuple[Encoder, ModelConfig, TrainingConfig]:
    """Return what the options mean; those that were not given are a store's or a checkpoint's own."""
    from musegen.data.store import is_store, read_settings
    from musegen.encoding.encoder import Encoder
    from musegen.model.checkpoint import load

    said = given(settings)
    parent = None if start is None else load(start)
    if is_store(folders[0]):
        encoding = read_settings(folders[0])[1].config.to_dict()
    else:
        encoding = (EncoderConfig() if parent is None else parent.encoder).to_dict()
    encoder = Encoder(of(EncoderConfig, {**encoding, **said}))
    network = settings if parent is None else {**parent.model.to_dict(), **said}
    model = of(ModelConfig, {**network, "vocabulary_size": len(encoder.vocabulary)})
    if said.get("clipvalue") and "global_clipnorm" not in said:
        settings = {**settings, "global_clipnorm": 0.0}  # one takes the place of the other
    return encoder, model, of(TrainingConfig, settings)


def joined(coordinator: str | None, processes: int | None, process: int | None) -> Group:
    """Return the group of processes that this one trains in; before anything is computed."""
    from musegen.training import distributed

    return distributed.join(coordinator, processes, process)


def silently(
    folders: tuple[Path, ...],
    output: Path,
    encoder: Encoder,
    model: ModelConfig,
    config: TrainingConfig,
    run: dict[str, Any],
) -> None:
    """Train as one of several processes, of which the first says what happens."""
    from musegen.training.train import train

    train(list(folders), output, encoder, model, config, **run)


def curves(folder: Path) -> Any:
    """Return what writes TensorBoard's curves to a folder."""
    from musegen.training.board import Board

    return Board(folder)


def trained(
    folders: tuple[Path, ...],
    output: Path,
    encoder: Encoder,
    model: ModelConfig,
    config: TrainingConfig,
    run: dict[str, Any],
    events: Events,
    board: Any,
    checks: RecipeCheck | None,
) -> tuple[Checkpoint, Dataset]:
    """Train, and say what happens to people, machines and TensorBoard."""
    from contextlib import ExitStack

    from musegen.cli.progress import TrainingDisplay
    from musegen.training.runs import RUN, unfinished
    from musegen.training.train import train

    with ExitStack() as stack:
        display = stack.enter_context(TrainingDisplay(config, live=not events.wanted))
        if board is not None:
            stack.enter_context(board)
        introduce(model, config, encoder, display, events)
        if run["resume"] and (output / RUN).is_dir():
            display.resumed(unfinished(output))
        listeners = [
            listener for listener in (display, events, board, checks) if listener is not None
        ]
        try:
            return train(
                list(folders),
                output,
                encoder,
                model,
                config,
                **run,
                on_files=each(listeners, "files"),
                on_data=each(listeners, "data"),
                on_step=each(listeners, "step"),
                on_epoch=each(listeners, "epoch"),
            )
        except KeyboardInterrupt:
            raise TrainingError(stopped(output)) from None


class RecipeCheck:
    """Says when a recipe is followed with other data than it was written for: its figures will not come out."""

    def __init__(self, recipe: Recipe, encoder: Encoder) -> None:
        """Take the recipe, and what the data are encoded with."""
        self._wanted, self._encoder = recipe.sha256, encoder

    def data(self, data: Dataset) -> None:
        """Compare."""
        from musegen.training.provenance import describe

        received = describe(data, self._encoder, [])["sha256"]
        if self._wanted not in ("", received):
            click.echo(
                f"warning: the recipe is for other pieces, or another split of them. Expected: data of sha256 "
                f"{self._wanted}. Received: {received}.",
                err=True,
            )


def each(listeners: list[Any], event: str) -> Callable[..., None]:
    """Return a callback that calls the methods of that name of all who have one."""
    methods = [getattr(listener, event) for listener in listeners if hasattr(listener, event)]

    def call(*args: Any) -> None:
        for method in methods:
            method(*args)

    return call


def introduce(
    model: ModelConfig,
    config: TrainingConfig,
    encoder: Encoder,
    display: TrainingDisplay,
    events: Events,
) -> None:
    """Say what is about to be trained, and on what."""
    import keras

    from musegen.model.network import parameters
    from musegen.training import devices, sizing
    from musegen.training.runs import in_words

    precision, weights, memory = (
        devices.policy(config),
        parameters(model),
        sizing.memory(model, config),
    )
    slow = devices.without_cudnn(model, keras.backend.backend()) if devices.gpus() else None
    events.say("device", device=devices.device(), precision=precision, without_cudnn=slow)
    display.say(f"device: {devices.device()}, {precision}")
    if slow:
        display.say(f"warning: training will be slow on this GPU, without cuDNN. {slow}.")
    configs = {
        "model": model.to_dict(),
        "training": config.to_dict(),
        "encoder": encoder.config.to_dict(),
    }
    events.say("model", **configs, weights=weights, memory_bytes=memory)
    display.say(
        f"model: {in_words(model)}, vocabulary {model.vocabulary_size}; {weights:,} weights, about "
        f"{memory / 2**30:.1f} GiB of memory"
    )


def stopped(output: Path) -> str:
    """Return what to say when somebody has pressed Ctrl-C."""
    from musegen.cli.progress import done
    from musegen.training.runs import RUN, unfinished

    if not (output / RUN).is_dir():
        return "stopped. Nothing had been trained yet."
    kept = done(unfinished(output))
    return f"stopped. Kept in {output}: {kept}. Give the same command with --resume to go on from there."


def measured_or_stopped(made: Checkpoint, data: Dataset) -> dict[str, dict[str, float]]:
    """Return what `measured` does; it may take a while, and somebody may not want to wait."""
    click.echo("measuring the held-out pieces", err=True)
    try:
        return measured(made, data)
    except KeyboardInterrupt:
        raise TrainingError(
            f"stopped. {made.path} is complete, but for its nats per note."
        ) from None


def measured(made: Checkpoint, data: Dataset) -> dict[str, dict[str, float]]:
    """Measure the held-out pieces, write the figures into the checkpoint, and return them in nats per note."""
    from dataclasses import replace

    from musegen.encoding.vocabulary import Vocabulary
    from musegen.model import checkpoint, likelihood
    from musegen.model.blas import one_thread
    from musegen.model.engine import Engine

    vocabulary = Vocabulary(made.encoder)
    predictors = {
        "model": likelihood.model(Engine(made.model, made.weights())),
        "bigram": likelihood.bigram((p.tokens for p in data.train), vocabulary),
        "uniform": likelihood.uniform(vocabulary),
    }
    with one_thread():  # products of one piece are too small to share
        figures = {
            part: {
                name: round(
                    likelihood.evaluate(predictor, [p.tokens for p in pieces], vocabulary).per_note,
                    4,
                )
                for name, predictor in predictors.items()
            }
            for part, pieces in (("validation", data.validation), ("test", data.test))
        }
    provenance = {**made.provenance, "nats_per_note": figures}
    checkpoint.save(replace(made, provenance=provenance), made.path / checkpoint.WEIGHTS)
    return figures


def table(made: Checkpoint, figures: dict[str, dict[str, float]], err: bool) -> None:
    """Print how well the held-out pieces are predicted."""
    of_all = made.provenance
    click.echo(
        f"{made.path}: best of {of_all['epochs']} epochs was {of_all['best_epoch']}", err=err
    )
    click.echo(f"{'nats per note':14}{'model':>9}{'bigram':>9}{'uniform':>9}", err=err)
    for part, row in figures.items():
        click.echo(f"{part:14}" + "".join(f"{value:9.3f}" for value in row.values()), err=err)
