"""Notes as a pandas table, one row a note, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musegen.columns import NOTE, Track, columns, table
from musegen.errors import MidiError
from musegen.extras import require

if TYPE_CHECKING:
    import pandas as pd

    from musegen.score import Score

__all__ = ["from_frame", "to_frame"]

DEFAULTS = {"velocity": 80, "track": 0, "program": 0}
"""What a table need not say; nor names and drums."""

DEFAULT_TICKS_PER_QUARTER = 480


def to_frame(score: Score) -> pd.DataFrame:
    """Return the notes as a `pandas.DataFrame`. See `Score.to_dataframe`."""
    pd = require("pandas", "notebook", "score.to_dataframe()")
    notes = score.notes
    onset, offset = notes["onset"].astype(np.int64), score.offsets.astype(np.int64)
    seconds = score.seconds(onset)
    tracks = score.tracks
    names = np.array([t.name for t in tracks], object)
    frame = pd.DataFrame({
        "onset": onset,
        "duration": offset - onset,
        "onset_quarters": onset / score.ticks_per_quarter,
        "duration_quarters": (offset - onset) / score.ticks_per_quarter,
        "onset_seconds": seconds,
        "duration_seconds": score.seconds(offset) - seconds,
        "bar": np.searchsorted(score.barlines(), onset, side="right") - 1,
        "pitch": notes["pitch"].astype(np.int64),
        "velocity": notes["velocity"].astype(np.int64),
        "track": notes["track"].astype(np.int64),
        "track_name": names[notes["track"]],
        "program": np.array([t.program for t in tracks], np.int64)[notes["track"]],
        "is_drum": np.array([t.is_drum for t in tracks], bool)[notes["track"]],
    })  # fmt: skip
    frame.attrs["ticks_per_quarter"] = score.ticks_per_quarter
    return frame


def from_frame(frame: pd.DataFrame, ticks_per_quarter: int | None) -> dict[str, Any]:
    """Return what a table says of a score, by the names of its fields. See `Score.from_dataframe`.

    Raises:
        MidiError: A column is missing, or holds what no note can have.
    """
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise MidiError(f"expected a pandas DataFrame. Received: {type(frame).__name__}.")
    if ticks_per_quarter is None:
        ticks_per_quarter = int(frame.attrs.get("ticks_per_quarter", DEFAULT_TICKS_PER_QUARTER))
    given: dict[str, NDArray[Any]] = {
        "onset": _ticks(frame, "onset", ticks_per_quarter),
        "duration": _ticks(frame, "duration", ticks_per_quarter),
        "pitch": _whole(frame, "pitch", 0, 127),
    }
    for name, high in (("velocity", 127), ("track", 65535), ("program", 127)):
        low = 1 if name == "velocity" else 0
        given[name] = _whole(frame, name, low, high) if name in frame else np.full(len(frame), DEFAULTS[name])
    notes = columns(NOTE, **{name: given[name] for name in NOTE.names or ()}) if len(frame) else table(NOTE)
    return {"notes": notes, "tracks": _tracks(frame, given), "ticks_per_quarter": ticks_per_quarter}


def _ticks(frame: pd.DataFrame, name: str, ticks_per_quarter: int) -> NDArray[np.int64]:
    """Return a column of times in ticks: as given, or rounded from quarters."""
    quarters = f"{name}_quarters"
    if name in frame:
        return _whole(frame, name, 0, 2**31 - 1)
    if quarters in frame:
        return _checked(frame, quarters, 0, (2**31 - 1) / ticks_per_quarter, lambda v: np.round(v * ticks_per_quarter))
    raise _missing(frame, f"{name} (ticks) or {quarters}")


def _whole(frame: pd.DataFrame, name: str, low: int, high: int) -> NDArray[np.int64]:
    if name not in frame:
        raise _missing(frame, name)
    return _checked(frame, name, low, high, lambda v: np.where(v % 1 == 0, v, np.nan), "whole ")


def _checked(
    frame: pd.DataFrame,
    name: str,
    low: float,
    high: float,
    convert: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    kind: str = "",
) -> NDArray[np.int64]:
    """Return a column as `int64[N]`.

    Raises:
        MidiError: Something in it is no number, missing, or out of range; the first such row is named.
    """
    try:
        values = frame[name].to_numpy(np.float64, na_value=np.nan)  # exact: whole numbers below 2**53
    except (TypeError, ValueError):
        raise MidiError(f"column {name!r} must hold numbers. Received: {frame[name].dtype}.") from None
    with np.errstate(invalid="ignore"):
        out = convert(values)
        wrong = np.flatnonzero(~((values >= low) & (values <= high)) | np.isnan(out))
    if len(wrong):
        row = int(wrong[0])
        raise MidiError(
            f"column {name!r} must hold {kind}numbers from {low:.10g} to {high:.10g}. "
            f"Received: {frame[name].iloc[row]!r} in row {row}."
        )
    return out.astype(np.int64)


def _tracks(frame: pd.DataFrame, given: dict[str, NDArray[Any]]) -> tuple[Track, ...]:
    """Return a track for each number up to the largest, as its first row describes it."""
    numbers, rows = np.unique(given["track"], return_index=True)
    tracks = [Track()] * (int(numbers.max(initial=-1)) + 1)
    names = frame["track_name"].to_numpy(object) if "track_name" in frame else np.full(len(frame), "")
    drums = frame["is_drum"].to_numpy(object) if "is_drum" in frame else np.full(len(frame), False)
    for number, row in zip(numbers.tolist(), rows.tolist(), strict=True):
        name = names[row] if isinstance(names[row], str) else ""  # an empty cell is NaN
        tracks[number] = Track(name, int(given["program"][row]), drums[row] in (True, 1))
    return tuple(tracks)


def _missing(frame: pd.DataFrame, expected: str) -> MidiError:
    names = ", ".join(map(str, frame.columns)) or "none"
    return MidiError(f"the table must have a column {expected}. Received the columns: {names}. Rename or add it.")
