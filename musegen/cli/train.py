"""`musegen train`: train a model, and report to people, programs and TensorBoard."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from musegen.cli.config_options import config_options, of, recipe_option
from musegen.cli.events import Events
from musegen.cli.options import ANY_PATH, Sectioned, flag, force_option, given, json_option, value
from musegen.config import EncoderConfig, ModelConfig, TrainingConfig
from musegen.errors import MusegenError, TrainingError

if TYPE_CHECKING:
    from musegen.cli.progress import TrainingDisplay
    from musegen.cli.recipes import Recipe
    from musegen.encoding.encoder import Encoder
    from musegen.model.checkpoint import Checkpoint

__all__ = ["train"]

SAVE_SECONDS = 60.0  # as in musegen.training, whose import takes Keras


@click.command(cls=Sectioned, short_help="Train a model on folders of music.")
@click.argument(
    "folders",
    nargs=-1,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@value("-o, --output DIR", ANY_PATH, "Directory of the checkpoint.", required=True)
@recipe_option
@value(
    "--from CHECKPOINT",
    str,
    "Start from the weights, encoding and shape of a checkpoint, by name or path.",
    name="start",
)
@flag(
    "--resume",
    "Continue the interrupted run in --output, with its FOLDERS and settings.",
)
@force_option("Replace the checkpoint or the run in --output.")
@value(
    "--save-every SECONDS",
    click.FloatRange(min=0),
    "How often the run is saved for --resume; it is also saved after each epoch.",
    default=SAVE_SECONDS,
)
@value(
    "--tensorboard DIR",
    click.Path(file_okay=False, path_type=Path),
    "Write curves for TensorBoard to a subfolder of DIR, named like --output.",
)
@json_option("Print each event of the run as one JSON object.")
@flag(
    "--distribute",
    "Train on all devices, together with the other processes started by the same command. "
    "Needs KERAS_BACKEND=jax.",
)
@value(
    "--coordinator HOST:PORT",
    str,
    "With --distribute: address at which the first process listens. This and the next two options "
    "are detected under Slurm, Open MPI, Kubernetes and on TPUs.",
)
@value("--processes N", click.IntRange(1), "Number of processes that train together.")
@value(
    "--process INDEX",
    click.IntRange(0),
    "Index of this process; process 0 writes the checkpoint.",
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

    One piece in twenty is held out for validation, and another for the final test; files with the
    same tune stay together. The weights that predict the validation pieces best are kept.
    """
    if not folders and not resume:
        raise click.UsageError("Missing argument 'FOLDERS...'. Only --resume knows them.")
    others = (coordinator, processes, process)
    if not distribute and others != (None, None, None):
        raise click.UsageError("--coordinator, --processes and --process go with --distribute.")
    from musegen.training.runs import begun_with

    events = Events(as_json)
    try:
        # Settings are checked before the second that importing Keras takes.
        begun = begun_with(output) if resume else {}
        command = begun.get("command", {})
        folders = folders or known_folders(command, output)
        start = start or command.get("start")
        plan = planned(folders, output, start, settings, begun)
        how: dict[str, Any] = {
            "start": start,
            "resume": resume,
            "force": force,
            "save_seconds": save_every,
            "expected_data": recipe.sha256 if recipe else command.get("expected_data", ""),
        }
        if distribute:
            from musegen.training.distributed import join

            # Before anything is computed. The first process alone reports.
            how["group"] = group = join(*others)
            if not group.first:
                return silently(plan, how)
        made = reported(plan, how, events, tensorboard)
        table(made, err=as_json)
    except MusegenError as error:
        events.say("error", message=str(error))
        raise
    names = ("epochs", "best_epoch", "validation_nats_per_token", "seconds", "nats_per_note")
    figures = {name: made.provenance[name] for name in names}
    events.say("done", checkpoint=str(made.path), **figures)


class Plan(NamedTuple):
    """What to train on what, in the order of the arguments of `musegen.train`."""

    folders: list[Path]
    output: Path
    encoder: Encoder
    model: ModelConfig
    config: TrainingConfig


def known_folders(command: Mapping[str, Any], output: Path) -> tuple[Path, ...]:
    """Return the folders of the run that is resumed.

    Raises:
        TrainingError: They are unknown, or one of them is not there any more.
    """
    folders = tuple(Path(folder) for folder in command.get("folders", ()))
    if not folders:
        raise TrainingError(
            f"the run in {output} has not recorded its folders. Give those that it began with."
        )
    for folder in folders:
        if not folder.is_dir():
            raise TrainingError(
                f"{folder}, which the run in {output} began with, is no folder any more. "
                "Give the FOLDERS where its files are now."
            )
    return folders


def planned(
    folders: tuple[Path, ...],
    output: Path,
    start: str | None,
    settings: dict[str, Any],
    begun: Mapping[str, Any],
) -> Plan:
    """Return what the options mean.

    Those not given are those of the run that is resumed (`begun`), of the store, or of `--from`.
    """
    from musegen.data.store import is_store, read_settings
    from musegen.encoding.encoder import Encoder
    from musegen.model.checkpoint import load

    explicit = {name: begun[name] for name in settings if name in begun} | given(settings)
    settings = settings | explicit
    parent = None if start is None else load(start)

    # Encoding: the store's, else the parent's, else the defaults.
    if is_store(folders[0]):
        encoding = read_settings(folders[0])[1].config.to_dict()
    else:
        encoding = (EncoderConfig() if parent is None else parent.encoder).to_dict()
    encoder = Encoder(of(EncoderConfig, {**encoding, **explicit}))

    # Network: the parent's, else the defaults.
    network = settings if parent is None else {**parent.model.to_dict(), **explicit}
    model = of(ModelConfig, {**network, "vocabulary_size": len(encoder.vocabulary)})

    # Clipping by value replaces the default clipping by norm.
    if explicit.get("clipvalue") and "global_clipnorm" not in explicit:
        settings = {**settings, "global_clipnorm": 0.0}
    return Plan(list(folders), output, encoder, model, of(TrainingConfig, settings))


def silently(plan: Plan, how: dict[str, Any]) -> None:
    """Train as one of several processes, not the first, which alone reports."""
    from musegen.training.train import train

    train(*plan, **how)


def reported(
    plan: Plan, how: dict[str, Any], events: Events, tensorboard: Path | None
) -> Checkpoint:
    """Train, and report progress on the terminal, as JSON and to TensorBoard."""
    with ExitStack() as stack:
        board = None
        if tensorboard is not None:  # refused, if it must be, before Keras is imported
            from musegen.training.board import Board

            board = stack.enter_context(Board(tensorboard / plan.output.resolve().name))

        from musegen.cli.progress import TrainingDisplay
        from musegen.training.runs import RUN, unfinished
        from musegen.training.train import train

        display = stack.enter_context(TrainingDisplay(plan.config, live=not events.wanted))
        introduce(plan, display, events)
        if how["resume"] and (plan.output / RUN).is_dir():
            display.resumed(unfinished(plan.output))
        listeners = (display, events, board)
        try:
            made, _ = train(
                *plan,
                **how,
                on_files=each(listeners, "files"),
                on_data=each(listeners, "data"),
                on_step=each(listeners, "step"),
                on_epoch=each(listeners, "epoch"),
                on_trained=display.trained,
                on_warning=display.warn,
            )
        except KeyboardInterrupt:
            raise TrainingError(stopped(plan.output, display.complete)) from None
        return made


def each(listeners: Iterable[Any], event: str) -> Callable[..., None]:
    """Return a callback that calls the method `event` of every listener that has one."""
    methods = [getattr(listener, event) for listener in listeners if hasattr(listener, event)]

    def call(*args: Any) -> None:
        for method in methods:
            method(*args)

    return call


def introduce(plan: Plan, display: TrainingDisplay, events: Events) -> None:
    """Report the device, the network and its size before training starts."""
    import keras

    from musegen.model.network import parameters
    from musegen.training import devices, sizing
    from musegen.training.runs import in_words

    # Device.
    device, precision = devices.device(), devices.policy(plan.config)
    backend = keras.backend.backend()
    slow = devices.without_cudnn(plan.model, backend) if devices.gpus() else None
    events.say("device", device=device, precision=precision, without_cudnn=slow)
    display.say(f"device: {device}, {precision}")
    if slow:
        display.warn(f"training will be slow on this GPU, without cuDNN. {slow}.")

    # Network.
    weights, memory = parameters(plan.model), sizing.memory(plan.model, plan.config)
    configs = {
        "model": plan.model.to_dict(),
        "training": plan.config.to_dict(),
        "encoder": plan.encoder.config.to_dict(),
    }
    events.say("model", **configs, weights=weights, memory_bytes=memory)
    display.say(
        f"model: {in_words(plan.model)}, vocabulary {plan.model.vocabulary_size}; "
        f"{weights:,} weights, about {memory / 2**30:.1f} GiB of memory"
    )


def stopped(output: Path, complete: bool) -> str:
    """Return the message after Ctrl-C: what is kept, and how to continue."""
    from musegen.cli.progress import done
    from musegen.training.runs import RUN, unfinished

    if complete:
        return f"stopped. {output} is complete, except for its nats per note."
    if not (output / RUN).is_dir():
        return "stopped. Nothing had been trained yet."
    kept = done(unfinished(output))
    command = shlex.join(["musegen", "train", "-o", str(output), "--resume"])
    return f"stopped. Kept in {output}: {kept}. Continue it with: {command}"


def table(made: Checkpoint, err: bool) -> None:
    """Print how well the held-out pieces are predicted."""
    facts = made.provenance
    click.echo(f"{made.path}: best of {facts['epochs']} epochs was {facts['best_epoch']}", err=err)
    click.echo(f"{'nats per note':14}{'model':>9}{'bigram':>9}{'uniform':>9}", err=err)
    for part, row in facts["nats_per_note"].items():
        click.echo(f"{part:14}" + "".join(f"{value:9.3f}" for value in row.values()), err=err)
