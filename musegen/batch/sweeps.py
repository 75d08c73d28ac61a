"""Parse options that take several values, and enumerate the grid of their combinations."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from musegen.config import require
from musegen.errors import ConfigError

__all__ = ["Sweep", "grid_size", "parse_sweeps", "point"]

Sweep = Mapping[str, Sequence[Any]]
"""Name of an option → the values that it takes."""

MAX_VALUES = 10_000  # of one option
NUMBER = r"\s*(-?\d+(?:\.\d*)?|-?\.\d+)\s*"
RANGE = re.compile(f"{NUMBER}:{NUMBER}:{NUMBER}")
EXAMPLE = "Give --sweep temperature=0.7:1.2:0.1 (first, last, step), or --sweep top_p=0.9,0.95."


def parse_sweeps(texts: Iterable[str]) -> dict[str, list[Any]]:
    """Parse sweeps, each of them an option and its values.

    ====================  ================================================================
    `NAME=FROM:TO:STEP`   numbers from `FROM` to `TO`, both included; integers if both
                          `FROM` and `STEP` are
    `NAME=A,B,…`          a list of numbers, `true`, `false` and texts
    ====================  ================================================================

    Returns:
        Name of the option → its values.

    Raises:
        ConfigError: A text has neither form, an option comes twice, or there are more than 10,000
            values.

    >>> parse_sweeps(["temperature=0.8:1.2:0.2", "top-k=0,20"])
    {'temperature': [0.8, 1.0, 1.2], 'top_k': [0, 20]}
    """
    out: dict[str, list[Any]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        name = name.strip().replace("-", "_")
        complete = bool(name and values.strip())
        once = f"Name all values of {name} in one --sweep."
        require(complete, "a sweep must be an option's name, = and values", text, EXAMPLE)
        require(name != "seed", "a seed cannot be swept", text, "Each piece has its own seed.")
        require(name not in out, "each option must be swept once", text, once)
        out[name] = _values(text, values)
    return out


def _values(text: str, values: str) -> list[Any]:
    """Return the values after the `=` of a sweep."""
    numbers = RANGE.fullmatch(values)
    if numbers:
        return _range(text, *map(Decimal, numbers.groups()))
    words = values.split(",")
    _limit(text, len(words))
    return [_value(word.strip()) for word in words]


def _range(text: str, first: Decimal, last: Decimal, step: Decimal) -> list[Any]:
    """Return the numbers from the first to the last; decimal, so that 0.7 + 5 × 0.1 is 1.2."""
    require(step > 0 and last >= first, "FROM:TO:STEP must rise, by a step > 0", text, EXAMPLE)
    count = math.floor((last - first) / step) + 1
    _limit(text, count)
    whole = all(number == number.to_integral_value() for number in (first, step))
    return [(int if whole else float)(first + place * step) for place in range(count)]


def _limit(text: str, count: int) -> None:
    expected = f"a sweep must have at most {MAX_VALUES} values"
    require(count <= MAX_VALUES, expected, text, "Make the step larger.")


def _value(text: str) -> Any:
    """Return a number or a boolean if the text is one, and the text otherwise."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if not isinstance(value, bool | int | float):
        raise ConfigError(
            "a value of a sweep must be a number, true, false or a text. "
            f"Received: {text}. {EXAMPLE}"
        )
    return value


def grid_size(sweep: Sweep) -> int:
    """Return the number of points of the grid; 1 if nothing is swept."""
    return math.prod(map(len, sweep.values()))


def point(sweep: Sweep, number: int) -> dict[str, Any]:
    """Return the options at a point of the grid, from 0; the last one changes fastest."""
    out: dict[str, Any] = {}
    for name, values in reversed(list(sweep.items())):
        number, place = divmod(number, len(values))
        out[name] = values[place]
    return {name: out[name] for name in sweep}
