"""Options that take several values: `temperature=0.7:1.2:0.1`, `top_p=0.9,0.95`."""

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

MOST = 10_000  # values of one option
NUMBER = r"\s*(-?\d+(?:\.\d*)?|-?\.\d+)\s*"
RANGE = re.compile(f"{NUMBER}:{NUMBER}:{NUMBER}")
HOW = "Give --sweep temperature=0.7:1.2:0.1 (from, to and with, step), or --sweep top_p=0.9,0.95."


def parse_sweeps(texts: Iterable[str]) -> dict[str, list[Any]]:
    """Return the values of some options.

    ====================  ================================================================
    `NAME=FROM:TO:STEP`   numbers from `FROM` up to and with `TO`; whole ones if all are
    `NAME=A,B,…`          these; what is no number and no true or false is a text
    ====================  ================================================================

    Raises:
        ConfigError: A text is neither, an option comes twice, or there are more than 10,000 values.
    """
    out: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        require(
            bool(name and equals and values.strip()),
            "a sweep must be an option's name, = and values",
            text,
            HOW,
        )
        require(
            name != "seed",
            "a sweep must be of an option other than seed",
            text,
            "Each piece has its own seed.",
        )
        require(
            name not in out,
            "each option must be swept once",
            text,
            f"Name all values of {name} in one --sweep.",
        )
        found = RANGE.fullmatch(values)
        out[name] = (
            _range(text, *map(Decimal, found.groups()))
            if found
            else [_plain(v) for v in values.split(",")]
        )
        require(
            len(out[name]) <= MOST,
            f"a sweep must have at most {MOST} values",
            text,
            "Make the step larger.",
        )
    return out


def _range(text: str, first: Decimal, last: Decimal, step: Decimal) -> list[Any]:
    """Return the numbers from the first to the last; decimal, so that 0.7 + 5 × 0.1 is 1.2."""
    require(step > 0 and last >= first, "FROM:TO:STEP must rise, by a step > 0", text, HOW)
    count = math.floor((last - first) / step) + 1
    require(
        count <= MOST, f"a sweep must have at most {MOST} values", text, "Make the step larger."
    )
    whole = all(number == number.to_integral_value() for number in (first, step))
    return [(int if whole else float)(first + place * step) for place in range(count)]


def _plain(text: str) -> Any:
    """Return a number, true or false if the text is one, and else the text."""
    text = text.strip()
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if not isinstance(value, bool | int | float):
        raise ConfigError(
            f"a value of a sweep must be a number, true, false or a text. Received: {text}. {HOW}"
        )
    return value


def grid_size(sweep: Sweep) -> int:
    """Return how many points the grid of all values has; 1 if there are none."""
    return math.prod(map(len, sweep.values()))


def point(sweep: Sweep, number: int) -> dict[str, Any]:
    """Return the options at a point of the grid, counted from 0; those of the last sweep change fastest."""
    out: dict[str, Any] = {}
    for name, values in reversed(list(sweep.items())):
        number, place = divmod(number, len(values))
        out[name] = values[place]
    return {name: out[name] for name in sweep}
