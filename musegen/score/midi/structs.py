"""Take symusic's lists as the structs they are in memory.

symusic's public `numpy()` copies each field of each list into an array of its own, which takes
40 ns a note, half as long as parsing. Pickling a list (`__getstate__`) returns its structs as they
are, as one block of bytes. Those of many lists can be joined, and NumPy reads the fields.

This layout is not documented, so `_layout_is_known` first checks it on small lists. With a version
of symusic that pickles in another way, `numpy()` is used.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

__all__ = ["CONTROL", "KEY", "METER", "NOTE", "PEDAL", "TEMPO", "table_of"]


def _struct(itemsize: int, **fields: str) -> np.dtype[np.void]:
    """Return the type of a C++ struct: its fields, then padding up to `itemsize` bytes."""
    return np.dtype({"names": list(fields), "formats": list(fields.values()), "itemsize": itemsize})


NOTE = _struct(12, time="<i4", duration="<i4", pitch="i1", velocity="i1")
PEDAL = _struct(8, time="<i4", duration="<i4")
CONTROL = _struct(8, time="<i4", number="u1", value="u1")
TEMPO = _struct(8, time="<i4", mspq="<i4")
METER = _struct(8, time="<i4", numerator="u1", denominator="u1")
KEY = _struct(8, time="<i4", key="i1", tonality="i1")

_COUNT_BYTES = 4  # a pickled list begins with its length


def table_of(rows: Any, dtype: np.dtype[np.void]) -> memoryview:
    """Return the elements of a symusic list as bytes of a type of this module."""
    if _layout_is_known():
        return memoryview(rows.__getstate__())[_COUNT_BYTES:]
    columns = rows.numpy()
    out = np.zeros(len(rows), dtype)
    for field in dtype.names or ():
        out[field] = columns[field]
    return memoryview(out.tobytes())


@cache
def _layout_is_known() -> bool:
    """Return whether symusic pickles a list as its length and then its elements as in memory."""
    import symusic

    track: Any = symusic.Track()
    score: Any = symusic.Score(480)
    track.notes.append(symusic.Note(1, 0x01020304, 127, 2))
    track.notes.append(symusic.Note(-1, 3, 4, 5))
    track.controls.append(symusic.ControlChange(6, 7, 127))
    score.tempos.append(symusic.Tempo(8, mspq=400_000))
    score.time_signatures.append(symusic.TimeSignature(9, 3, 4))
    score.key_signatures.append(symusic.KeySignature(10, -3, 1))
    samples = (
        (track.notes, NOTE),
        (track.controls, CONTROL),
        (score.tempos, TEMPO),
        (score.time_signatures, METER),
        (score.key_signatures, KEY),
    )
    return all(_matches(rows, dtype) for rows, dtype in samples)


def _matches(rows: Any, dtype: np.dtype[np.void]) -> bool:
    """Return whether the pickle of a list, read as `dtype`, holds the fields of the list."""
    state = rows.__getstate__()
    if len(state) != _COUNT_BYTES + len(rows) * dtype.itemsize:
        return False
    table = np.frombuffer(state[_COUNT_BYTES:], dtype)
    return all(np.array_equal(table[field], values) for field, values in rows.numpy().items())
