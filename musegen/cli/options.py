"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from musegen.config import EncoderConfig, ModelConfig, TrainingConfig

__all__ = ["encoder_options", "given", "of"]

Config = TypeVar("Config", EncoderConfig, ModelConfig, TrainingConfig)

_ENCODER = (
    click.option("--encoding", type=click.Choice(["metric", "performance"]), default=EncoderConfig.encoding,
                 show_default=True),
    click.option("--steps-per-quarter", default=EncoderConfig.steps_per_quarter, show_default=True),
    click.option("--parts", default=EncoderConfig.parts, show_default=True, help="Tracks told apart."),
    click.option("--programs/--no-programs", default=EncoderConfig.programs, show_default=True),
    click.option("--drums/--no-drums", default=EncoderConfig.drums, show_default=True),
    click.option("--velocities", default=EncoderConfig.velocities, show_default=True,
                 help="Loudness steps; 0 for none."),
    click.option("--tempos", default=EncoderConfig.tempos, show_default=True, help="Tempo steps; 0 for none."),
)  # fmt: skip


def encoder_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the settings of an encoder."""
    for option in reversed(_ENCODER):
        command = option(command)
    return command


def of(kind: type[Config], settings: dict[str, Any], **more: Any) -> Config:
    """Return a config of the settings that are its own."""
    return kind(**{name: value for name, value in settings.items() if name in kind.__dataclass_fields__}, **more)


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were said on the command line; the others are defaults."""
    context = click.get_current_context()
    return {n: v for n, v in settings.items() if context.get_parameter_source(n) is not ParameterSource.DEFAULT}
