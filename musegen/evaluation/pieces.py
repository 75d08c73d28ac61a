"""Open the data of an evaluation, and choose its pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from musegen.config import differences
from musegen.data.store import Store, ingest, is_store
from musegen.encoding.encoder import Encoder
from musegen.errors import MusegenError, TrainingError
from musegen.model.checkpoint import Checkpoint

__all__ = ["PARTS", "Progress", "for_ngrams", "open_store", "pieces_of"]

PARTS = ("test", "validation", "train", "all")
MAX_COUNTED = 2**24  # tokens in which n-grams are counted: the counts must fit into memory

Progress = Callable[[int, int], None]
"""Called with the number of items done, and in all."""


@contextmanager
def open_store(
    data: str | Path | Store,
    made: Checkpoint,
    encoder: Encoder,
    by_folder: bool,
    seed: int,
    workers: int,
    on_files: Progress,
) -> Iterator[Store]:
    """Yield the store with the data, which is temporary for a folder of music.

    Raises:
        MusegenError: The store has other settings than the model, or there is no music.
    """
    if not isinstance(data, Store) and not is_store(Path(data)):
        with TemporaryDirectory(prefix="musegen-", ignore_cleanup_errors=True) as folder:
            yield ingest(
                [data],
                Path(folder) / "store",
                encoder,
                workers=workers,
                seed=seed,
                by_folder=by_folder,
                on_progress=on_files,
            )
        return
    store = data if isinstance(data, Store) else Store(data)
    if changed := differences(store.encoder.config, made.encoder):
        raise MusegenError(
            f"{store.path} must have been encoded with the settings of {made.name}. Received: "
            f"{changed}. Give the folder of music itself: it is then encoded as the model needs it."
        )
    yield store


def pieces_of(store: Store, part: str, data: str) -> list[int]:
    """Return the indices of the pieces of a part.

    Args:
        store: The pieces.
        part: One of `PARTS`.
        data: Name of the store in a message.

    Raises:
        MusegenError: There are none, or the store cannot be split.
    """
    found: list[int] = []
    with suppress(TrainingError):  # there are too few pieces to split
        found = list(range(len(store))) if part == "all" else store.split(part).tolist()
    if found:
        return found
    why = ""
    if left_out := store.skipped():
        first = ": ".join(left_out[0]).rstrip(".")
        why = f"; the first of {len(left_out)} files left out: {first}"
    raise MusegenError(
        "at least one piece was expected, or three different tunes for a split. Received: "
        f"{len(store)} piece(s) in {data}{why}. Give more music, or --part all, which needs no "
        "split."
    )


def for_ngrams(store: Store) -> list[int]:
    """Return the training pieces in which n-grams are counted.

    All of them, or if they have too many tokens a random sample, always the same.
    """
    drawn = np.random.default_rng(0).permutation(store.split("train"))
    fit = int((store.lengths[drawn].cumsum() <= MAX_COUNTED).sum())
    return drawn[: max(1, fit)].tolist()
