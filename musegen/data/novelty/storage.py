"""Save and load an index as `novelty.npz`: arrays only, so a file from a stranger is safe to open.

==============  =================================================================================
array           content
==============  =================================================================================
`facts`         `uint8[...]`: JSON: format, `steps_per_quarter`, `played`, `in_all`
`names`         `uint8[...]`, UTF-8: the names of the pieces, a line each
`lengths`       `int32[pieces]`: number of notes in each piece's voices
`interval`      `uint8[notes]`: semitones from the previous note, + 128; 0 where a voice begins
`rhythm`        `uint8[notes]`: steps from its onset; 0 where a voice begins
`bar`           `uint16[notes]`: the bar, as the difference from the previous note's (mod 2¹⁶)
`order_0` … 3   `uint8[notes]`: the suffix array, split into bytes, the lowest first
==============  =================================================================================

The suffix array, most of the file, is saved because it takes longer to make than a tune to compose.
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
from musegen.utils.arrays import Ints
from musegen.utils.files import atomic_path

__all__ = ["FILE", "STEPS", "Kept", "load", "save"]

FILE = "novelty.npz"
"""Name of the file in the directory of a checkpoint."""

FORMAT = 1
STEPS = 12  # per quarter, for an encoding without a grid
MAX_BYTES = 2**28  # uncompressed
AGAIN = "Make it again: musegen novelty --index CHECKPOINT --against STORE --force."
OF_NOTES = {
    "interval": "u1",
    "rhythm": "u1",
    "bar": "u2",
    **{f"order_{byte}": "u1" for byte in range(4)},
}
DTYPES = {"facts": "u1", "names": "u1", "lengths": "i4", **OF_NOTES}
FACTS = {"format": int, "steps_per_quarter": int, "played": bool, "in_all": int}


class Kept(NamedTuple):
    """The content of an index."""

    steps_per_quarter: int
    played: bool
    in_all: int
    names: list[str]
    lengths: Ints
    """Number of notes in each piece's voices, `int64[pieces]`."""
    text: Symbols
    """The symbols of all notes, piece after piece, `uint16[notes]`. See `voices.symbols`."""
    order: NDArray[np.int32]
    """The suffix array of `text`, `int32[notes]`."""
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
        return _checked(_arrays(path))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} does not exist: the training pieces have not been indexed. {AGAIN}"
        ) from error
    except (
        *(OSError, ValueError, KeyError, EOFError, NotImplementedError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        raise CheckpointError(
            f"{path} is damaged, or no index of this version of musegen: {error}. {AGAIN}"
        ) from error


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a file, unless a small one decompresses to gigabytes."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    _expect(size <= MAX_BYTES, f"at most {MAX_BYTES} bytes of arrays", size)
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in DTYPES}


def _checked(arrays: dict[str, NDArray[Any]]) -> Kept:
    """Return the content of a file's arrays.

    Raises:
        ValueError: They are not as `save` writes them.
    """
    for name, dtype in DTYPES.items():
        array = arrays[name]
        fits = array.dtype == np.dtype(dtype) and array.ndim == 1
        _expect(fits, f"{name} as {np.dtype(dtype)}[N]", f"{array.dtype}{list(array.shape)}")
    facts = json.loads(arrays["facts"].tobytes())
    fits = isinstance(facts, dict) and all(type(facts.get(n)) is kind for n, kind in FACTS.items())
    _expect(fits, f"facts {', '.join(FACTS)}", str(facts)[:80])
    _expect(facts["format"] == FORMAT, f"format {FORMAT}", facts["format"])
    steps = facts["steps_per_quarter"]
    _expect(1 <= steps <= 2**16, "a grid of 1 to 65536 steps", steps)

    lengths = arrays["lengths"].astype(np.int64)
    counts = {int(lengths.sum()), *(len(arrays[name]) for name in OF_NOTES)}
    fits = len(counts) == 1 and lengths.min(initial=0) >= 0
    _expect(fits, "as many notes in each array", sorted(counts))
    text = arrays["names"].tobytes().decode("utf-8", "surrogateescape")
    names = text.split("\n") if len(lengths) else []
    _expect(len(names) == len(lengths), f"{len(lengths)} names", len(names))
    order = np.stack([arrays[f"order_{byte}"] for byte in range(4)], axis=1).view("<i4")[:, 0]
    fits = order.min(initial=0) >= 0 and order.max(initial=-1) < len(order)
    _expect(fits, "places within the text", "one outside")
    return Kept(
        steps_per_quarter=steps,
        played=facts["played"],
        in_all=facts["in_all"],
        names=names,
        lengths=lengths,
        text=arrays["interval"].astype(np.uint16) << 8 | arrays["rhythm"],
        order=order,
        bars=np.cumsum(arrays["bar"], dtype=np.uint16),
    )


def _expect(fits: bool, expected: str, received: object) -> None:
    if not fits:
        raise ValueError(f"expected {expected}, received {received}")
