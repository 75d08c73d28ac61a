"""Options of `compose` and `batch` that control sampling and constrain the music."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import click

from musegen.cli.config_options import section_options
from musegen.cli.options import Command, Decorator, flag, options, value
from musegen.cli.settings import CONSTRAINTS, SAMPLING
from musegen.config import SamplerConfig

__all__ = ["Temperatures", "piece_options", "sampling_options"]

MOST = 1000  # values in a sweep


class Temperatures(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """A temperature, one with exceptions for some kinds of events, or a sweep.

    ====================  =====================================================
    0.9                   for all events
    0.9,pitch=1.1         1.1 for pitches, 0.9 for all other events
    0.7:1.2:0.1           one piece each at 0.7, 0.8 … 1.2
    ====================  =====================================================
    """

    name = "temperature"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[dict[str, Any], ...]:
        """Return fields of `SamplerConfig`: one set, or one for each step of a sweep."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(_parsed(str(value)))
        except ValueError:
            self.fail(
                "expected a temperature such as 0.9, a temperature with exceptions such as "
                "0.9,pitch=1.1, or a sweep FIRST:LAST:STEP such as 0.7:1.2:0.1. "
                f"Received: {value!r}.",
                param,
                ctx,
            )


def _parsed(text: str) -> Iterator[dict[str, Any]]:
    """Yield the fields for each temperature; ValueError if the text has another form."""
    first, *rest = text.split(",")
    if "=" in first:  # exceptions alone
        first, rest = str(SamplerConfig.temperature), [first, *rest]
    exceptions = dict(exception.split("=") for exception in rest)
    kinds = {kind.strip(): float(number) for kind, number in exceptions.items()}
    for temperature in _steps(first):
        yield {"temperature": float(temperature), "temperatures": kinds}


def _steps(text: str) -> Iterator[Decimal]:
    """Yield the values of a sweep, including the last; decimal, so that 0.7 + 5 × 0.1 is 1.2."""
    is_sweep = ":" in text
    try:
        at, last, step = map(Decimal, text.split(":") if is_sweep else (text, "0", "0"))
    except ArithmeticError as error:
        raise ValueError(text) from error
    if not is_sweep:
        yield at
        return
    finite = all(part.is_finite() for part in (at, last, step))
    if not (finite and 0 < step and 0 <= last - at <= MOST * step):
        raise ValueError(text)
    while at <= last:
        yield at
        at += step


def piece_options(piece: str) -> Decorator:
    """Return a decorator that adds the options of a request that are not sampling or constraints.

    Args:
        piece: What the help page calls the primer.
    """
    return options(
        value("--bars N", click.IntRange(1, 10_000), "Number of bars to add.", default=16),
        flag("--inject", f"Accompany {piece} in other parts instead of continuing after it."),
        value(
            "--primer-bars N",
            click.IntRange(0),
            f"Use only the last N bars of {piece} as context (0: all).",
            default=0,
        ),
        value(
            "--max-copied NOTES",
            click.IntRange(0),
            "Longest run of notes that may match a training piece (0: no limit).",
            default=0,
        ),
        flag("--only-continuation", f"Leave {piece} out of the output."),
    )


def sampling_options(command: Command) -> Command:
    """Add the fields of `SamplerConfig` and `ConstraintConfig`; see `Temperatures`."""
    temperature = value(
        "--temperature T",
        Temperatures(),
        "Randomness: below 1 more predictable, above 1 more adventurous. Kinds of events can have "
        "their own, e.g. 0.9,pitch=1.1; FIRST:LAST:STEP writes a piece at each, e.g. 0.7:1.2:0.1.",
        default=SamplerConfig.temperature,
        heading=SAMPLING.heading,
    )
    return options(temperature, section_options(SAMPLING, CONSTRAINTS))(command)
