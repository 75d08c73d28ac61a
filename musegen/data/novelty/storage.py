"""The file that an index is kept in, `novelty.npz`: arrays and nothing else, so a stranger's can be opened.

==============  =================================================================================
array           what it holds
==============  =================================================================================
`facts`         `uint8[...]`: JSON: format, `steps_per_quarter`, `played`, `in_all`
`names`         `uint8[...]`, UTF-8: the pieces' names, a line each
`lengths`       `int32[pieces]`: notes of each piece's voices
`interval`      `uint8[notes]`: semitones from the note before, + 128; 0 where a voice begins
`rhythm`        `uint8[notes]`: steps from its onset; 0 where a voice begins
`bar`           `uint16[notes]`: the bar, as the difference from that of the note before (mod 2¹⁶)
`order_0` … 3   `uint8[notes]`: the suffix array: the lowest byte of each place, and the others
==============  =================================================================================

The suffix array is kept, as making it takes longer than composing a tune; it is most of the file.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.data.novelty.voices import Symbols
from musegen.errors import CheckpointError
from musegen.utils.files import atomic_path

__all__ = ["FILE", "STEPS", "Kept", "load", "save"]

FILE = "novelty.npz"
"""What it is called in the directory of a checkpoint."""

FORMAT = 1
STEPS = 12  # of a quarter, where an encoding has none
MOST_BYTES = 2**28  # unpacked
ANEW = "Make it anew: musegen novelty --index CHECKPOINT --against STORE --force."
DTYPES = {
    "facts": "u1",
    "names": "u1",
    "lengths": "i4",
    "interval": "u1",
    "rhythm": "u1",
    "bar": "u2",
    **{f"order_{byte}": "u1" for byte in range(4)},
}
OF_NOTES = tuple(DTYPES)[3:]
FACTS = {"format": int, "steps_per_quarter": int, "played": bool, "in_all": int}


class Kept(NamedTuple):
    """What an index is made of."""

    steps_per_quarter: int
    played: bool
    in_all: int
    names: list[str]
    lengths: NDArray[np.int64]
    """Notes of each piece's voices, `int64[pieces]`."""
    text: Symbols
    """The symbols of all notes, piece after piece, `uint16[notes]`. See `voices.symbols`."""
    order: NDArray[np.int32]
    """Its suffix array, `int32[notes]`."""
    bars: NDArray[np.uint16]
    """The bar of each note, `uint16[notes]`."""


def save(kept: Kept, path: Path) -> None:
    """Write an index.

    Raises:
        MusegenError: It cannot be written.
    """
    facts = {"format": FORMAT, **{name: getattr(kept, name) for name in FACTS if name != "format"}}
    names = "\n".join(name.replace("\n", " ") for name in kept.names)
    arrays: dict[str, Any] = {
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
        "names": np.frombuffer(names.encode("utf-8", "surrogateescape"), np.uint8),
        "lengths": kept.lengths.astype(np.int32),
        "interval": (kept.text >> 8).astype(np.uint8),
        "rhythm": (kept.text & 255).astype(np.uint8),
        "bar": np.diff(kept.bars, prepend=np.uint16(0)),
        **{f"order_{byte}": (kept.order >> 8 * byte & 255).astype(np.uint8) for byte in range(4)},
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load(path: Path) -> Kept:
    """Read an index.

    Args:
        path: The file, or a checkpoint's directory.

    Raises:
        CheckpointError: There is none, or it is damaged or of another version.
    """
    path = path / FILE if path.is_dir() else path
    try:
        arrays = _arrays(path)
        facts = json.loads(arrays["facts"].tobytes())
        names = (
            arrays["names"].tobytes().decode("utf-8", "surrogateescape").split("\n")
            if len(arrays["lengths"])
            else []
        )
        problem = _problem(arrays, facts, names)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} does not exist: nobody has listed the training pieces yet. {ANEW}"
        ) from error
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
    ) as error:
        raise CheckpointError(
            f"{path} is damaged, or no index of training pieces: {error}. {ANEW}"
        ) from error
    if problem:
        raise CheckpointError(f"{path} cannot be used: {problem}. {ANEW}")
    order = np.stack([arrays[f"order_{byte}"] for byte in range(4)], axis=1).view("<i4")[:, 0]
    if order.min(initial=0) < 0 or order.max(initial=-1) >= len(order):
        raise CheckpointError(f"{path} is damaged: a place is behind the end. {ANEW}")
    return Kept(
        **{name: facts[name] for name in FACTS if name != "format"},
        names=names,
        lengths=arrays["lengths"].astype(np.int64),
        text=arrays["interval"].astype(np.uint16) << 8 | arrays["rhythm"],
        order=order,
        bars=np.cumsum(arrays["bar"], dtype=np.uint16),
    )


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return what is in the file; a small one that unpacks into gigabytes is refused."""
    with zipfile.ZipFile(path) as archive:
        if (size := sum(member.file_size for member in archive.infolist())) > MOST_BYTES:
            raise ValueError(f"expected at most {MOST_BYTES} bytes of arrays, received {size}")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in DTYPES}


def _problem(arrays: dict[str, NDArray[Any]], facts: Any, names: list[str]) -> str:
    """Return what of a file is not as it must be: nothing, if it is."""
    if not isinstance(facts, dict) or not all(
        type(facts.get(name)) is kind for name, kind in FACTS.items()
    ):
        return f"expected facts {', '.join(FACTS)}, received {str(facts)[:80]}"
    if facts["format"] != FORMAT:
        return (
            f"expected format {FORMAT}, received {facts['format']}, of another version of musegen"
        )
    for name, dtype in DTYPES.items():
        if arrays[name].dtype != np.dtype(dtype) or arrays[name].ndim != 1:
            return f"expected {name} as {np.dtype(dtype)}[N], received {arrays[name].dtype}{list(arrays[name].shape)}"
    lengths = arrays["lengths"]
    notes = int(lengths.sum(dtype=np.int64))
    if len({notes, *(len(arrays[name]) for name in OF_NOTES)}) > 1 or lengths.min(initial=0) < 0:
        return f"expected {notes} notes in each array, received {[len(arrays[name]) for name in OF_NOTES]}"
    if len(names) != len(lengths) or not 1 <= facts["steps_per_quarter"] <= 2**16:
        return f"expected {len(lengths)} names on a grid of steps, received {len(names)} on {facts['steps_per_quarter']}"
    return ""
