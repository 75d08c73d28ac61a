"""The report as plain numbers; `musegen.encoding.report` documents each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import EncoderConfig
from musegen.encoding.report import rendering

__all__ = [
    "Error",
    "Grid",
    "Meters",
    "NotCarried",
    "Notes",
    "Pedal",
    "Programs",
    "Report",
    "Seconds",
    "Spread",
    "Suggestion",
    "Tempo",
    "Tracks",
    "Velocity",
]

DECIMALS = 6  # of errors: finer than any file, coarser than rounding errors of floats


@dataclass(frozen=True)
class Spread:
    """Mean, median and maximum of absolute errors; zeros if there are none.

    >>> import numpy as np
    >>> Spread.of(np.array([-3, 1, 1, 1]))
    Spread(mean=1.5, median=1.0, max=3.0)
    """

    mean: float = 0.0
    median: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, errors: NDArray[Any]) -> Spread:
        """Summarise signed or absolute errors, `[N]` of any number type."""
        if not len(errors):
            return cls()
        sizes = np.abs(errors)
        return cls(*(round(float(f(sizes)), DECIMALS) for f in (np.mean, np.median, np.max)))


@dataclass(frozen=True)
class Notes:
    """What happens to the notes."""

    in_file: int
    kept: int
    dropped: Mapping[str, int]
    merged: int
    doubled: int
    clipped: int
    lengthened: int


@dataclass(frozen=True)
class Grid:
    """Shares of the kept notes that are on the grid."""

    onsets: float
    ends: float


@dataclass(frozen=True)
class Error:
    """Errors in time."""

    ticks: Spread
    ms: Spread


@dataclass(frozen=True)
class Velocity:
    """Errors of velocities."""

    carried: bool
    error: Spread


@dataclass(frozen=True)
class Tempo:
    """Numbers and errors of tempos."""

    carried: bool
    in_file: int
    kept: int
    error: Spread | None


@dataclass(frozen=True)
class Seconds:
    """When the last kept note ends."""

    in_file: float
    kept: float


@dataclass(frozen=True)
class Meters:
    """Time signatures."""

    carried: bool
    in_file: int
    approximated: tuple[Mapping[str, str], ...]
    cut_short: int


@dataclass(frozen=True)
class Tracks:
    """Tracks with notes."""

    in_file: int
    dropped: int
    kept: int


@dataclass(frozen=True)
class Programs:
    """Instruments that are not carried."""

    lost: int
    drum_kits: int
    dropped: int


@dataclass(frozen=True)
class Pedal:
    """The sustain pedal."""

    presses: int
    applied: bool
    notes_held: int


@dataclass(frozen=True)
class NotCarried:
    """Events of one kind that no setting carries."""

    kind: str
    number: int | None
    name: str
    count: int


@dataclass(frozen=True)
class Suggestion:
    """A setting that would lose less."""

    change: Mapping[str, Any]
    gains: Mapping[str, Mapping[str, float]]
    costs: Mapping[str, Mapping[str, float]]
    vocabulary: int
    tokens: int | None


@dataclass(frozen=True)
class Report:
    """What an encoding loses on a piece; `musegen.encoding.report` documents the fields.

    `print` shows it as text, a notebook as a table.

    >>> from musegen import Encoder, EncoderConfig, Score, Track
    >>> tune = Score(notes=[(0, 480, 60, 90, 0)], tracks=[Track(program=40)])
    >>> Encoder(EncoderConfig(programs=False)).report(tune).programs
    Programs(lost=1, drum_kits=0, dropped=0)
    """

    config: EncoderConfig
    vocabulary: int
    tokens: int | None
    error: str | None
    notes: Notes
    on_grid: Grid
    onset: Error
    duration: Error
    velocity: Velocity
    tempo: Tempo
    seconds: Seconds
    meters: Meters
    tracks: Tracks
    programs: Programs
    pedal: Pedal
    not_carried: tuple[NotCarried, ...]
    counted: bool
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def verdict(self) -> str:
        """The report in one line."""
        return rendering.verdict(self)

    def with_suggestions(self, suggestions: tuple[Suggestion, ...]) -> Report:
        """Return the same report with other suggestions."""
        return replace(self, suggestions=suggestions)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        return _plain({"verdict": self.verdict, **asdict(self)})

    def rows(self, describe: rendering.Describe = rendering.arguments) -> list[tuple[str, str]]:
        """Return the report as (heading, text) rows; aspects without loss share one row.

        Args:
            describe: Phrases the change of a suggestion.
        """
        return rendering.rows(self, describe)

    def __str__(self) -> str:
        """Return the verdict and one line for each row."""
        return rendering.text(self)

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        return rendering.html(self)


def _plain(value: Any) -> Any:
    """Return a value with lists in place of tuples, as JSON would return it."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
