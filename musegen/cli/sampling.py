"""Options that say how tokens are drawn and what the music must keep to: those of `compose` and `batch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import click

from musegen.cli.options import option
from musegen.config import ConstraintConfig, SamplerConfig

__all__ = ["Temperatures", "sampling_options"]

MOST = 1000  # values in a sweep

_HELP: dict[str, dict[str, str]] = {
    "Sampling": {
        "top_k": "Choose among the k likeliest tokens; 0 for all.",
        "top_p": "Choose among the likeliest that together reach this probability.",
        "min_p": "Choose among those at least this fraction as likely as the likeliest.",
        "repetition_penalty": "Above 1, pitches that were struck lately are less likely.",
        "repetition_window": "How many notes back is lately.",
    },
    "Constraints": {
        "key": "No pitch outside of a key, as C:minor or Bb; auto is the primer's.",
        "range": "Lowest and highest pitch, as C3:C6.",
        "max_polyphony": "How many notes may sound at once; 0 for any number.",
        "min_note": "The shortest note value, as 1/16.",
        "max_note": "The longest note value, as 1/2.",
        "density": "Notes in a bar, as 4:8, 4: (at least) or :8 (at most).",
        "parallels": "Whether parts may move in parallel fifths and octaves.",
        "end": "At the barline, on the tonic, or ever softer.",
    },
}
_METAVARS = {
    "key": "KEY",
    "range": "LOW:HIGH",
    "min_note": "VALUE",
    "max_note": "VALUE",
    "density": "MIN:MAX",
}
_CHOICES = {"end": ("cut", "cadence", "fade")}
_KINDS = {"Sampling": SamplerConfig, "Constraints": ConstraintConfig}


class Temperatures(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """A temperature, some of them for a kind of event each, or a sweep.

    ====================  =====================================================
    0.9                   for all events
    0.9,pitch=1.1         1.1 for which pitch it is, 0.9 for all else
    0.7:1.2:0.1           one piece each at 0.7, 0.8 … 1.2
    ====================  =====================================================
    """

    name = "temperature"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[dict[str, Any], ...]:
        """Return options of a sampler: one set, or one for each step of a sweep."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(_sets(str(value)))
        except ValueError:
            self.fail(
                "a temperature was expected, as 0.9, with others for kinds of events, as 0.9,pitch=1.1, or a sweep "
                f"FIRST:LAST:STEP, as 0.7:1.2:0.1. Received: {value!r}.",
                param,
                ctx,
            )


def _sets(text: str) -> Iterator[dict[str, Any]]:
    first, *others = text.split(",")
    if "=" in first:
        first, others = str(SamplerConfig.temperature), [first, *others]
    own = dict(other.split("=") for other in others)
    kinds = {kind.strip(): float(value) for kind, value in own.items()}
    for temperature in _steps(first):
        yield {"temperature": float(temperature), "temperatures": kinds}


def _steps(text: str) -> Iterator[Decimal]:
    """Yield the values of a sweep, the last included, without the rounding of binary fractions."""
    try:
        at, last, step = map(Decimal, text.split(":") if ":" in text else (text, "0", "0"))
    except ArithmeticError as error:
        raise ValueError(text) from error
    if ":" not in text:
        yield at
        return
    finite = all(part.is_finite() for part in (at, last, step))
    if not (finite and 0 < step and 0 <= last - at <= MOST * step):
        raise ValueError(text)
    while at <= last:
        yield at
        at += step


def sampling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what says how tokens are drawn and what the music must keep to.

    It is called with the fields of `SamplerConfig` and `ConstraintConfig`; with what `Temperatures`
    gives as `temperature`.
    """
    for heading, settings in reversed(_HELP.items()):
        for name, text in reversed(settings.items()):
            command = option(
                _KINDS[heading],
                name,
                heading,
                text,
                values=_CHOICES.get(name, ()),
                metavar=_METAVARS.get(name),
            )(command)
    temperature = option(
        SamplerConfig,
        "temperature",
        "Sampling",
        "Below 1 safer, above 1 bolder; also by kind, as 0.9,pitch=1.1, or a sweep, as 0.7:1.2:0.1.",
        metavar="T",
        kind_of=Temperatures(),
    )
    decorated: Callable[..., Any] = temperature(command)
    return decorated
