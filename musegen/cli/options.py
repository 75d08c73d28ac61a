"""Options that several commands have, and those that are the fields of a config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from musegen.config import EncoderConfig, ModelConfig, TrainingConfig

if TYPE_CHECKING:
    from musegen.cli.recipes import Recipe

__all__ = [
    "Sectioned",
    "config_options",
    "encoder_options",
    "given",
    "of",
    "option",
    "recipe_option",
]

Config = TypeVar("Config", EncoderConfig, ModelConfig, TrainingConfig)


class _Field(NamedTuple):
    """A field of a config as an option; its type and its default are the field's."""

    name: str
    help: str
    values: tuple[str, ...] = ()


_ENCODER = (
    _Field(
        "encoding",
        "Bars and positions of composed music, or the milliseconds of played.",
        ("metric", "performance"),
    ),
    _Field(
        "steps_per_quarter",
        "Metric: grid of onsets and durations; 12 holds sixteenths and triplets.",
    ),
    _Field("parts", "Metric: tracks told apart."),
    _Field("programs", "Metric: instruments are told apart."),
    _Field("drums", "Metric: drums are carried."),
    _Field("velocities", "Loudness steps; 0 for none."),
    _Field("tempos", "Metric: tempo steps; 0 for none."),
)

_MODEL = (
    _Field("cell", "Kind of the recurrent layers.", ("lstm", "gru", "rnn")),
    _Field("layers", "Recurrent layers."),
    _Field("units", "Width of each layer's state."),
    _Field("embedding", "Width of the token embedding."),
    _Field("dropout", "Share of units dropped between layers in training."),
    _Field("residual", "Each layer after the first adds its input to its output."),
    _Field("layer_norm", "Normalise what goes into each layer after the first."),
    _Field("tied", "The output layer is the embedding read backwards."),
    _Field(
        "context",
        "Parts whose sounding notes, and the place in the bar, the model sees; 0 for none.",
    ),
    _Field(
        "lookback",
        "The model sees what came next where the piece was alike before; needs --context.",
    ),
    _Field(
        "future",
        "Fill gaps: width of the layer that reads what comes after one; 0 for a model that continues.",
    ),
)

_FITTING = (
    _Field("sequence_length", "Tokens that gradients travel back."),
    _Field("batch_size", "Windows of that many tokens a step."),
    _Field("tbptt", "Carry the state from window to window of a piece."),
    _Field("epochs", "Passes over the training pieces, at most."),
    _Field("patience", "Epochs without a better validation before stopping."),
    _Field("precision", "auto is mixed_bfloat16 on a GPU.", ("auto", "float32", "mixed_bfloat16")),
    _Field("seed", "Seeds the split, the weights, the order of pieces and their variations."),
)

_OPTIMIZING = (
    _Field("optimizer", "What turns gradients into steps.", ("adamw", "sgd", "rmsprop")),
    _Field("learning_rate", "Its peak, after the warm-up."),
    _Field(
        "schedule",
        "Falls as a cosine, halves at plateaus of the validation, or stays.",
        ("cosine", "plateau", "constant"),
    ),
    _Field("warmup", "Share of all steps in which the learning rate rises."),
    _Field("weight_decay", "Decoupled from the gradient; 0 for none."),
    _Field("global_clipnorm", "Gradients are scaled to at most this norm; 0 for no clipping."),
    _Field(
        "clipvalue", "Cut each component of the gradient to this, in place of the norm; 0 for off."
    ),
    _Field("ema", "Keep a moving average of the weights with this momentum, as 0.999; 0 for none."),
    _Field("label_smoothing", "Share of the target's probability spread over all tokens."),
)

_VARYING = (
    _Field("transpose", "Transpose by up to this many semitones."),
    _Field("part_dropout", "Share of pieces that lose some of their parts."),
    _Field("tempo_scaling", "Performance: play up to this share slower or faster."),
    _Field("velocity_scaling", "Play up to this share louder or softer."),
)

_SECTIONS: dict[
    str, tuple[type[EncoderConfig | ModelConfig | TrainingConfig], tuple[_Field, ...]]
] = {
    "Model": (ModelConfig, _MODEL),
    "Training": (TrainingConfig, _FITTING),
    "Optimizer": (TrainingConfig, _OPTIMIZING),
    "Variations of the training pieces, each epoch anew": (TrainingConfig, _VARYING),
    "Encoding, unless FOLDERS are a store": (EncoderConfig, _ENCODER),
}

_TYPES = {"int": int, "float": float, "str": str, "bool": bool}


class _Option(click.Option):
    """An option with a heading to stand under."""

    def __init__(self, *args: Any, heading: str, **kwargs: Any) -> None:
        """Take the heading; the rest is click's."""
        super().__init__(*args, **kwargs)
        self.heading = heading


class Sectioned(click.Command):
    """A command whose help has its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a list of options for each heading."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections.setdefault(getattr(parameter, "heading", "") or "Options", []).append(
                    record
                )
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def recipe_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a file that says what its options are where the command line does not."""

    def follow(context: click.Context, _: click.Parameter, path: Path | None) -> Recipe | None:
        from musegen.cli.recipes import Recipe

        if path is None:
            return None
        recipe = Recipe.read(path)
        context.default_map = dict(recipe.settings)
        return recipe

    return click.option(
        "--recipe",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        callback=follow,
        is_eager=True,
        help="A TOML file of settings; other options are stronger.",
    )(command)


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command every setting of an encoder, a model and its training."""
    for heading in reversed(_SECTIONS):
        command = _section(heading)(command)
    return command


def encoder_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the settings of an encoder."""
    return _section("Encoding, unless FOLDERS are a store")(command)


def _section(heading: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    kind, settings = _SECTIONS[heading]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for setting in reversed(settings):
            command = _option(kind, setting, heading)(command)
        return command

    return decorate


def _option(kind: type[Any], setting: _Field, heading: str) -> Callable[..., Any]:
    return option(kind, setting.name, heading, setting.help, setting.values)


def option(
    kind: type[Any],
    name: str,
    heading: str,
    help_: str,
    values: tuple[str, ...] = (),
    metavar: str | None = None,
    kind_of: click.ParamType | None = None,  # type: ignore[type-arg]  # generic in stubs alone
) -> Callable[..., Any]:
    """Return a decorator that gives a command a field of a config as an option, with its type and default."""
    annotation = _TYPES[kind.__dataclass_fields__[name].type]
    default, flag = getattr(kind, name), name.replace("_", "-")
    return click.option(
        f"--{flag}/--no-{flag}" if annotation is bool else f"--{flag}",
        cls=_Option,
        heading=heading,
        type=kind_of or (click.Choice(values) if values else annotation),
        default=default,
        show_default=default != "",
        metavar=metavar,
        help=help_,
    )


def of(kind: type[Config], settings: Mapping[str, Any], **more: Any) -> Config:
    """Return a config of the settings that are its own."""
    return kind(
        **{name: value for name, value in settings.items() if name in kind.__dataclass_fields__},
        **more,
    )


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were said on the command line; the others are defaults."""
    context = click.get_current_context()
    return {
        n: v
        for n, v in settings.items()
        if context.get_parameter_source(n) is not ParameterSource.DEFAULT
    }
