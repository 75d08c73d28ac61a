"""Declare options that are fields of a config, and recipes, which set them from a file.

They take their type and default from the config; `musegen.cli.settings` has their help texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from musegen.cli.options import INPUT_FILE, Command, Decorator, flag_name, options, value
from musegen.cli.settings import (
    AUGMENTATION,
    ENCODING,
    MODEL,
    OPTIMIZER,
    TRAINING,
    Field,
    Section,
)
from musegen.config import EncoderConfig, ModelConfig, TrainingConfig

if TYPE_CHECKING:
    from musegen.cli.recipes import Recipe

__all__ = ["config_options", "encoder_options", "of", "recipe_option", "section_options"]

Config = TypeVar("Config", EncoderConfig, ModelConfig, TrainingConfig)

_TYPES = {"int": int, "float": float, "str": str, "bool": bool}
_METAVARS = {"int": "N", "float": "NUMBER", "str": "TEXT"}


def section_options(*sections: Section) -> Decorator:
    """Return a decorator that adds an option for each field of some sections."""
    return options(
        *(_field_option(section, field) for section in sections for field in section.fields)
    )


def _field_option(section: Section, field: Field) -> Decorator:
    """Return a decorator that adds a field of a config, with the type and default it has there."""
    annotation = section.config.__dataclass_fields__[field.name].type
    names = flag_name(field.name)
    if annotation == "bool":
        names += f"/--no-{names[2:]}"
    elif not field.values:
        names += f" {field.metavar or _METAVARS[annotation]}"
    type_ = click.Choice(field.values) if field.values else _TYPES[annotation]
    default = getattr(section.config, field.name)
    return value(names, type_, field.help, default=default, heading=section.heading)


def config_options(command: Command) -> Command:
    """Add every setting of an encoder, a model and its training."""
    return section_options(MODEL, TRAINING, OPTIMIZER, AUGMENTATION, ENCODING)(command)


def encoder_options(command: Command) -> Command:
    """Add the settings of an encoder."""
    return section_options(ENCODING)(command)


def of(config: type[Config], settings: Mapping[str, Any], **more: Any) -> Config:
    """Return a config made of those settings that are its fields."""
    fields = config.__dataclass_fields__
    return config(**{name: value for name, value in settings.items() if name in fields}, **more)


def recipe_option(command: Command) -> Command:
    """Add a file that sets the options that the command line does not."""

    def follow(context: click.Context, _: click.Parameter, path: Path | None) -> Recipe | None:
        from musegen.cli.recipes import Recipe

        if path is None:
            return None
        recipe = Recipe.read(path)
        context.default_map = dict(recipe.settings)
        return recipe

    help_ = "TOML file of settings; options on the command line override it."
    decorate = value("--recipe FILE", INPUT_FILE, help_, callback=follow, is_eager=True)
    return decorate(command)
