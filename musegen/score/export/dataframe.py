"""Convert the notes of a `Score` to a pandas table, one row per note, and back."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import NOTE, Track, columns
from musegen.score.general_midi import DEFAULT_VELOCITY, MAX_TICK
from musegen.score.timing import DEFAULT_TICKS_PER_QUARTER
from musegen.utils.arrays import Floats, Ints
from musegen.utils.extras import require

if TYPE_CHECKING:
    import pandas as pd

    from musegen.score.score import Score

__all__ = ["from_frame", "to_frame"]

TIMES = ("onset", "duration")
NUMBERS = {
    "pitch": (0, 127, None),
    "velocity": (1, 127, DEFAULT_VELOCITY),
    "track": (0, 65535, 0),
    "program": (0, 127, 0),
}
"""Column → lowest value, highest value, and default (None: required)."""

READ = {*TIMES, "onset_quarters", "duration_quarters", *NUMBERS, "track_name", "is_drum"}
"""The columns that `from_frame` reads; it ignores all others."""

DRUMS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
"""Valid values of `is_drum` as text, which is all that a CSV file has."""


def to_frame(score: Score) -> pd.DataFrame:
    """Return the notes as a `pandas.DataFrame`. See `Score.to_dataframe`."""
    pd = require("pandas", "notebook", "score.to_dataframe()")
    notes, tracks = score.notes, score.tracks
    onset = notes["onset"].astype(np.int64)
    duration = notes["duration"].astype(np.int64)
    onset_seconds = score.seconds(onset)
    track = notes["track"].astype(np.int64)
    frame = pd.DataFrame(
        {
            "onset": onset,
            "duration": duration,
            "onset_quarters": onset / score.ticks_per_quarter,
            "duration_quarters": duration / score.ticks_per_quarter,
            "onset_seconds": onset_seconds,
            "duration_seconds": score.seconds(onset + duration) - onset_seconds,
            "bar": np.searchsorted(score.barlines(), onset, side="right") - 1,
            "pitch": notes["pitch"].astype(np.int64),
            "velocity": notes["velocity"].astype(np.int64),
            "track": track,
            "track_name": np.array([t.name for t in tracks], object)[track],
            "program": np.array([t.program for t in tracks], np.int64)[track],
            "is_drum": np.array([t.is_drum for t in tracks], bool)[track],
        }
    )
    frame.attrs["ticks_per_quarter"] = score.ticks_per_quarter
    return frame


def from_frame(frame: pd.DataFrame, ticks_per_quarter: int | None) -> dict[str, Any]:
    """Return the fields of the `Score` that a table holds. See `Score.from_dataframe`.

    Args:
        frame: `velocity` is 80 and `track` 0 by default. `track_name`, `program` and `is_drum` are
            read in the first row of each track. Other columns are ignored.
        ticks_per_quarter: By default that of `frame.attrs`, where `to_frame` stores it; without
            it, as in a CSV file, the ratio of the columns in ticks and in quarters; else 480.

    Raises:
        MidiError: A column is missing, duplicate or invalid; or the ticks per quarter differ
            between rows.
    """
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise MidiError(f"expected a pandas DataFrame. Received: {type(frame).__name__}.")
    duplicates = {str(name) for name in frame.columns[frame.columns.duplicated()] if name in READ}
    if duplicates:
        raise MidiError(
            "every column must be there once. Received twice: "
            f"{', '.join(sorted(duplicates))}. Drop or rename one."
        )
    resolution = _resolution(frame, ticks_per_quarter)
    values = {name: _ticks(frame, name, resolution) for name in TIMES}
    for name, (low, high, default) in NUMBERS.items():
        if name in frame:
            values[name] = _integers(frame, name, low, high)
        elif default is not None:
            values[name] = np.full(len(frame), default)
        else:
            raise _missing(frame, name)
    notes = columns(NOTE, **{name: values[name] for name in NOTE.names or ()})
    tracks = _tracks(frame, values["track"], values["program"])
    return {"notes": notes, "tracks": tracks, "ticks_per_quarter": resolution}


def _resolution(frame: pd.DataFrame, ticks_per_quarter: Any) -> int:
    """Return the ticks per quarter: as given, as stored in the table, or inferred from it.

    Raises:
        MidiError: It is not a whole number of at least 1.
    """
    if ticks_per_quarter is None:
        ticks_per_quarter = frame.attrs.get("ticks_per_quarter")
    if ticks_per_quarter is None:
        return _inferred_resolution(frame)
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


def _inferred_resolution(frame: pd.DataFrame) -> int:
    """Return the ratio of the times in ticks and in quarters, or the default.

    `frame.attrs` survives neither a CSV file nor `pd.concat` of tables with different ones.

    Raises:
        MidiError: The ratio differs between rows, as in tables of scores on different grids.
    """
    pairs = {
        name: (_numbers(frame, name), _numbers(frame, f"{name}_quarters"))
        for name in TIMES
        if name in frame and f"{name}_quarters" in frame
    }
    if not pairs:
        return DEFAULT_TICKS_PER_QUARTER

    # The longest time gives the ratio: rounding, as in a CSV file, matters least there.
    ticks, quarters = np.concatenate(list(pairs.values()), axis=1)
    known = np.isfinite(ticks) & np.isfinite(quarters) & (quarters > 0)
    if not known.any():
        return DEFAULT_TICKS_PER_QUARTER
    longest = np.argmax(np.where(known, quarters, 0))
    ratio = max(round(float(ticks[longest] / quarters[longest])), 1)

    for name, (ticks, quarters) in pairs.items():
        wrong = np.flatnonzero(np.abs(ticks - quarters * ratio) > 0.5)  # never true of NaN
        if len(wrong):
            row = int(wrong[0])
            raise MidiError(
                f"columns {name!r} and '{name}_quarters' must have the same ticks per quarter in "
                f"every row. Received: {ticks[row]:.10g} ticks for {quarters[row]:.10g} quarters "
                f"in row {row}, elsewhere {ratio} a quarter. Say ticks_per_quarter, or drop the "
                "columns in ticks: frame.drop(columns=['onset', 'duration'])."
            )
    return ratio


def _ticks(frame: pd.DataFrame, name: str, ticks_per_quarter: int) -> Ints:
    """Return a column of times in ticks, rounded if the table has it in quarters only."""
    quarters = f"{name}_quarters"
    if name in frame:
        return _integers(frame, name, 0, MAX_TICK)
    if quarters in frame:
        return _integers(frame, quarters, 0, MAX_TICK / ticks_per_quarter, ticks_per_quarter)
    raise _missing(frame, f"{name} (ticks) or {quarters}")


def _integers(
    frame: pd.DataFrame, name: str, low: float, high: float, factor: int | None = None
) -> Ints:
    """Return a column of whole numbers; or, given a factor, of rounded products with it.

    Raises:
        MidiError: A value is missing, not whole, or out of range; the message has the first one.
    """
    values = _numbers(frame, name)
    with np.errstate(invalid="ignore"):  # infinity has no remainder
        whole = values % 1 == 0
    wrong = np.flatnonzero(~((values >= low) & (values <= high) & (whole | (factor is not None))))
    if len(wrong):
        row = int(wrong[0])
        raise MidiError(
            f"column {name!r} must hold {'' if factor else 'whole '}numbers from {low:.10g} to "
            f"{high:.10g}. Received: {frame[name].iloc[row]!r} in row {row}."
        )
    return np.round(values * (factor or 1)).astype(np.int64)


def _numbers(frame: pd.DataFrame, name: str) -> Floats:
    """Return a column as numbers, NaN where it is empty.

    Raises:
        MidiError: It holds something else, or dates or complex numbers, which NumPy would convert.
    """
    try:
        if frame[name].dtype.kind in "mMc":
            raise TypeError
        return frame[name].to_numpy(np.float64, na_value=np.nan)  # exact below 2**53
    except (TypeError, ValueError):
        raise MidiError(
            f"column {name!r} must hold numbers. Received: {frame[name].dtype}. "
            "Convert it: pd.to_numeric."
        ) from None


def _tracks(frame: pd.DataFrame, track: Ints, program: Ints) -> tuple[Track, ...]:
    """Return a track for each number up to the largest, described by its first row."""
    out = [Track()] * (int(track.max(initial=-1)) + 1)
    numbers, rows = np.unique(track, return_index=True)
    for number, row in zip(numbers.tolist(), rows.tolist(), strict=True):
        name = frame["track_name"].iloc[row] if "track_name" in frame else ""
        name = str(name) if isinstance(name, str) else ""  # an empty cell is NaN
        out[number] = Track(name, int(program[row]), _is_drum(frame, row))
    return tuple(out)


def _is_drum(frame: pd.DataFrame, row: int) -> bool:
    """Return whether a row belongs to a drum track; False if the table does not say.

    Raises:
        MidiError: The value is neither true nor false.
    """
    if "is_drum" not in frame or frame["is_drum"].isna().iloc[row]:
        return False
    value = frame["is_drum"].iloc[row]
    if str(value).lower() not in DRUMS:
        raise MidiError(
            f"column 'is_drum' must hold True or False. Received: {value!r} in row {row}. "
            "Write one of these."
        )
    return DRUMS[str(value).lower()]


def _missing(frame: pd.DataFrame, expected: str) -> MidiError:
    names = ", ".join(map(str, frame.columns)) or "none"
    return MidiError(
        f"the table must have a column {expected}. Received the columns: {names}. Rename or add it."
    )
