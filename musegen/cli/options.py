"""Declare the options of commands: single ones, and those that several commands share.

A command stacks these decorators; each reads like a line of the help page:

    @click.command(cls=Sectioned)
    @flag("--new", "Compose a new piece, without a PRIMER.")
    @value("-o, --output FILE", ANY_PATH, "MIDI file to write.")
    @value("--bars N", click.IntRange(1), "Number of bars to add.", default=16)
    @json_option()

`musegen.cli.config_options` adds settings that are fields of a config.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

__all__ = [
    "ANY_PATH",
    "FILE",
    "INPUT_FILE",
    "Command",
    "Decorator",
    "Sectioned",
    "checkpoint_option",
    "flag",
    "flag_name",
    "force_option",
    "given",
    "json_option",
    "options",
    "refuse_together",
    "seed_option",
    "value",
    "workers_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Any], Any]

ANY_PATH = click.Path(path_type=Path)
"""Type of a file or folder, which may be missing."""
FILE = click.Path(dir_okay=False, path_type=Path)
"""Type of a file to write."""


class _InputFile(click.Path):
    """An existing file, or a tune of an ABC file: `book.abc#12`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check that the file exists, and return the path."""
        from musegen.score.notation import file_of

        super().convert(file_of(value), param, ctx)
        return Path(value)


INPUT_FILE = _InputFile(exists=True, dir_okay=False, path_type=Path)
"""Type of a file to read."""


class _Option(click.Option):
    """An option that is listed under a heading of the help page."""

    def __init__(self, *args: Any, heading: str, **kwargs: Any) -> None:
        """Take the heading, and pass the rest on to click."""
        super().__init__(*args, **kwargs)
        self.heading = heading


class Sectioned(click.Command):
    """A command whose help page lists its options under their headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a list of options for each heading."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                heading = getattr(parameter, "heading", "Options")
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def flag(names: str, help_: str, *, name: str | None = None) -> Decorator:
    """Return a decorator that adds an option without a value.

    Args:
        names: Its names, as `"--new"` or `"-q, --quiet"`.
        help_: What it does.
        name: The command's parameter, if it is not the option's name.
    """
    return click.option(*_names(names), *_given(name), is_flag=True, help=help_)


def value(
    names: str,
    type_: Any,
    help_: str,
    *,
    default: Any = None,
    shown: str = "",
    name: str | None = None,
    heading: str = "Options",
    **more: Any,
) -> Decorator:
    """Return a decorator that adds an option with a value.

    Args:
        names: Its names, and what its value is called on the help page, as `"-o, --output FILE"`.
            A choice needs no such word: the page lists its values.
        type_: A click type.
        help_: What it means.
        default: Its value where the command line does not give one; the help page shows it.
        shown: What the help page shows in place of the default.
        name: The command's parameter, if it is not the option's name.
        heading: Which list of the help page it belongs to.
        **more: Passed on to `click.option`.
    """
    if default is not None:
        more["default"] = default
    return click.option(
        *_names(names),
        *_given(name),
        cls=_Option,
        heading=heading,
        type=type_,
        metavar=_metavar(names),
        show_default=shown or default not in (None, ""),
        help=help_,
        **more,
    )


def _names(text: str) -> list[str]:
    return [word.rstrip(",") for word in text.split() if word.startswith("-")]


def _metavar(text: str) -> str | None:
    last = text.split()[-1]
    return None if last.startswith("-") else last


def _given(name: str | None) -> list[str]:
    return [] if name is None else [name]


def options(*decorators: Decorator) -> Decorator:
    """Return one decorator that adds several options, listed in this order."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def refuse_together(option: str, others: Iterable[str], reason: str) -> None:
    """Raise a usage error if options were given that cannot be combined with another.

    Args:
        option: The option.
        others: The options that were given and contradict it.
        reason: Why they do, in a sentence.

    Raises:
        click.UsageError: There is one.
    """
    if names := ", ".join(others):
        raise click.UsageError(
            f"{option} cannot be combined with {names}. {reason} Leave out one or the other."
        )


def flag_name(setting: str) -> str:
    """Return the option of a setting: `--top-k` for `top_k`."""
    return f"--{setting.replace('_', '-')}"


# Options that several commands have -----------------------------------------------------------


def json_option(what: str = "Print one JSON object.") -> Decorator:
    """Return a decorator that adds `--json`, as the parameter `as_json`."""
    return flag("--json", what, name="as_json")


def force_option(what: str) -> Decorator:
    """Return a decorator that adds `--force`, with what it replaces."""
    return flag("--force", what)


def workers_option(at_least: int = 2) -> Decorator:
    """Return a decorator that adds `--workers`, by default the number of cores.

    Args:
        at_least: Its least default. With 2, an item that crashes its process does not end the run.
    """

    def default() -> int:
        from musegen.utils.parallel import cores

        return max(at_least, cores())

    shown = "one per core" + (f", at least {at_least}" if at_least > 1 else "")
    help_ = "Number of processes that share the work."
    return value("--workers N", click.IntRange(1), help_, default=default, shown=shown)


def checkpoint_option(piece: str) -> Decorator:
    """Return a decorator that adds `--checkpoint`, with the piece that `auto` chooses by."""
    return value(
        "--checkpoint MODEL",
        str,
        f"Name or path of a model; auto: the one that predicts {piece} best.",
        default="auto",
    )


def seed_option(help_: str, *, default: int | None = None, shown: str = "") -> Decorator:
    """Return a decorator that adds `--seed`, an integer from 0."""
    return value("--seed SEED", click.IntRange(0), help_, default=default, shown=shown)


def given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given on the command line or in a recipe, without defaults."""
    context = click.get_current_context()
    return {
        name: value
        for name, value in settings.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
