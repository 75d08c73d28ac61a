"""Notes as a pandas table, one row a note, and back."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musegen.errors import MidiError
from musegen.score.columns import NOTE, Track, columns, table
from musegen.utils.extras import require

if TYPE_CHECKING:
    import pandas as pd

    from musegen.score.score import Score

__all__ = ["from_frame", "to_frame"]

DEFAULTS = {"velocity": 80, "track": 0, "program": 0}
"""What a table need not say; nor names and drums."""

TIMES = ("onset", "duration")
READ = (*TIMES, "onset_quarters", "duration_quarters", "pitch", *DEFAULTS, "track_name", "is_drum")
"""The columns that count; any others are the user's own."""

DRUMS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
"""What `is_drum` may hold, as text: a CSV file has no other."""

DEFAULT_TICKS_PER_QUARTER = 480


def to_frame(score: Score) -> pd.DataFrame:
    """Return the notes as a `pandas.DataFrame`. See `Score.to_dataframe`."""
    pd = require("pandas", "notebook", "score.to_dataframe()")
    notes = score.notes
    onset, offset = notes["onset"].astype(np.int64), score.offsets.astype(np.int64)
    seconds = score.seconds(onset)
    tracks = score.tracks
    names = np.array([t.name for t in tracks], object)
    frame = pd.DataFrame(
        {
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
        }
    )
    frame.attrs["ticks_per_quarter"] = score.ticks_per_quarter
    return frame


def from_frame(frame: pd.DataFrame, ticks_per_quarter: int | None) -> dict[str, Any]:
    """Return what a table says of a score, by the names of its fields. See `Score.from_dataframe`.

    Args:
        frame: `velocity` is 80 and `track` 0 if left out; `track_name`, `program` and `is_drum`
            count where a track first appears. Other columns are ignored.
        ticks_per_quarter: If left out, what `to_frame` noted in `frame.attrs`; where that is lost
            (in a CSV file), what the columns in ticks and in quarters say together; or 480.

    Raises:
        MidiError: A column is missing, there twice, or holds what no note can have; or the ticks
            are not all of one length.
    """
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise MidiError(f"expected a pandas DataFrame. Received: {type(frame).__name__}.")
    twice = sorted(
        {str(name) for name in frame.columns[frame.columns.duplicated()] if name in READ}
    )
    if twice:
        raise MidiError(
            f"every column must be there once. Received twice: {', '.join(twice)}. Drop or rename one."
        )
    if ticks_per_quarter is None:
        ticks_per_quarter = frame.attrs.get("ticks_per_quarter")
    ticks_per_quarter = (
        _derived(frame) if ticks_per_quarter is None else _positive(ticks_per_quarter)
    )
    given: dict[str, NDArray[Any]] = {
        "onset": _ticks(frame, "onset", ticks_per_quarter),
        "duration": _ticks(frame, "duration", ticks_per_quarter),
        "pitch": _whole(frame, "pitch", 0, 127),
    }
    for name, high in (("velocity", 127), ("track", 65535), ("program", 127)):
        low = 1 if name == "velocity" else 0
        given[name] = (
            _whole(frame, name, low, high) if name in frame else np.full(len(frame), DEFAULTS[name])
        )
    notes = (
        columns(NOTE, **{name: given[name] for name in NOTE.names or ()})
        if len(frame)
        else table(NOTE)
    )
    return {"notes": notes, "tracks": _tracks(frame, given), "ticks_per_quarter": ticks_per_quarter}


def _positive(ticks_per_quarter: Any) -> int:
    """Return ticks per quarter as given, if they are some.

    Raises:
        MidiError: They are not a whole number of at least 1.
    """
    try:
        number = operator.index(ticks_per_quarter)
    except TypeError:
        number = 0
    if number < 1:
        raise MidiError(
            f"ticks_per_quarter must be a whole number >= 1. Received: {ticks_per_quarter!r}. "
            f"Use {DEFAULT_TICKS_PER_QUARTER}, or what the score was made with."
        )
    return number


def _derived(frame: pd.DataFrame) -> int:
    """Return the ticks per quarter that times in ticks and in quarters say together, or else the default.

    `frame.attrs` does not survive a CSV file, nor `pd.concat` of tables that differ in it.

    Raises:
        MidiError: The rows say different things, as those of scores on different grids do.
    """
    both = [name for name in TIMES if name in frame and f"{name}_quarters" in frame]
    pairs = [(name, _numbers(frame, name), _numbers(frame, f"{name}_quarters")) for name in both]
    ticks = np.concatenate([np.zeros(0), *(pair[1] for pair in pairs)])
    quarters = np.concatenate([np.zeros(0), *(pair[2] for pair in pairs)])
    known = np.flatnonzero(np.isfinite(ticks) & np.isfinite(quarters) & (quarters > 0))
    if not len(known):
        return DEFAULT_TICKS_PER_QUARTER
    longest = known[np.argmax(quarters[known])]  # where rounding, as in a CSV file, matters least
    out = max(round(float(ticks[longest] / quarters[longest])), 1)
    for name, ticks, quarters in pairs:
        wrong = np.flatnonzero(np.abs(ticks - quarters * out) > 0.5)  # a NaN disagrees with nothing
        if len(wrong):
            row = int(wrong[0])
            raise MidiError(
                f"columns {name!r} and '{name}_quarters' must have the same ticks per quarter in every row. Received: "
                f"{ticks[row]:.10g} ticks for {quarters[row]:.10g} quarters in row {row}, elsewhere {out} a quarter. "
                "Say ticks_per_quarter, or drop the columns in ticks: frame.drop(columns=['onset', 'duration'])."
            )
    return out


def _ticks(frame: pd.DataFrame, name: str, ticks_per_quarter: int) -> NDArray[np.int64]:
    """Return a column of times in ticks: as given, or rounded from quarters."""
    quarters = f"{name}_quarters"
    if name in frame:
        return _whole(frame, name, 0, 2**31 - 1)
    if quarters in frame:
        return _checked(
            frame,
            quarters,
            0,
            (2**31 - 1) / ticks_per_quarter,
            lambda v: np.round(v * ticks_per_quarter),
        )
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
        MidiError: Something in it is no number, missing, or out of range; the first such row is
            named.
    """
    values = _numbers(frame, name)
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


def _numbers(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return a column as numbers, NaN where there is none.

    Raises:
        MidiError: It holds something else. Dates and complex numbers, too, which NumPy would
            convert.
    """
    try:
        if frame[name].dtype.kind in "mMc":
            raise TypeError
        out: NDArray[np.float64] = frame[name].to_numpy(
            np.float64, na_value=np.nan
        )  # exact below 2**53
    except (TypeError, ValueError):
        raise MidiError(
            f"column {name!r} must hold numbers. Received: {frame[name].dtype}. Convert it: pd.to_numeric."
        ) from None
    return out


def _tracks(frame: pd.DataFrame, given: dict[str, NDArray[Any]]) -> tuple[Track, ...]:
    """Return a track for each number up to the largest, as its first row describes it."""
    numbers, rows = np.unique(given["track"], return_index=True)
    tracks = [Track()] * (int(numbers.max(initial=-1)) + 1)
    names = (
        frame["track_name"].to_numpy(object)
        if "track_name" in frame
        else np.full(len(frame), "", object)
    )
    for number, row in zip(numbers.tolist(), rows.tolist(), strict=True):
        name = str(names[row]) if isinstance(names[row], str) else ""  # an empty cell is NaN
        tracks[number] = Track(name, int(given["program"][row]), _is_drum(frame, row))
    return tuple(tracks)


def _is_drum(frame: pd.DataFrame, row: int) -> bool:
    """Return whether a row is of drums; not so where the table does not say.

    Raises:
        MidiError: It says neither yes nor no.
    """
    if "is_drum" not in frame or frame["is_drum"].isna().iloc[row]:
        return False
    value = frame["is_drum"].iloc[row]
    if str(value).lower() not in DRUMS:
        raise MidiError(
            f"column 'is_drum' must hold True or False. Received: {value!r} in row {row}. Write one of these."
        )
    return DRUMS[str(value).lower()]


def _missing(frame: pd.DataFrame, expected: str) -> MidiError:
    names = ", ".join(map(str, frame.columns)) or "none"
    return MidiError(
        f"the table must have a column {expected}. Received the columns: {names}. Rename or add it."
    )
