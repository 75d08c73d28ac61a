"""The pieces of a store, split, and read when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from musegen.config import differences
from musegen.data.store import Store, ingest, is_store
from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Tokens
from musegen.errors import MusegenError, TrainingError
from musegen.score import Track

__all__ = ["Dataset", "Piece", "Pieces", "load", "opened"]


@dataclass(frozen=True)
class Piece:
    """One piece of music as tokens.

    Attributes:
        name: Its path, relative to where the folder lies that it was read from.
        tokens: `int32[T]`, from `start` to `end`.
        tracks: The instruments of its parts.
    """

    name: str
    tokens: Tokens
    tracks: tuple[Track, ...]


class Pieces(Sequence[Piece]):
    """Some pieces of a store, each read from the disk when it is asked for.

    Attributes:
        lengths: How many tokens each has, `int64[pieces]`.
    """

    def __init__(self, store: Store, indices: NDArray[np.int64]) -> None:
        """Take the store and which of its pieces they are."""
        self._store, self._indices = store, indices
        self.lengths: NDArray[np.int64] = store.lengths[indices]

    def __len__(self) -> int:
        """Return the number of pieces."""
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Piece: ...
    @overload
    def __getitem__(self, index: slice) -> Pieces: ...
    def __getitem__(self, index: int | slice) -> Piece | Pieces:
        """Read a piece; a slice is as lazy as the whole."""
        if isinstance(index, slice):
            return Pieces(self._store, self._indices[index])
        at = int(self._indices[index])
        return Piece(self._store.names[at], self._store.tokens(at), self._store.tracks(at))

    @property
    def names(self) -> list[str]:
        """What each piece's file is called."""
        names = self._store.names
        return [names[at] for at in self._indices.tolist()]

    def tokens(self, index: int) -> Tokens:
        """Return the tokens of a piece, `int32[T]`, from `start` to `end`."""
        return self._store.tokens(int(self._indices[index]))

    def tracks(self, index: int) -> tuple[Track, ...]:
        """Return the instruments of a piece's parts."""
        return self._store.tracks(int(self._indices[index]))


@dataclass(frozen=True)
class Dataset:
    """Pieces of three splits, and the files that could not be used.

    Attributes:
        train: Pieces to learn from.
        validation: Pieces to choose by: when to stop, which settings.
        test: Pieces to report on, looked at once.
        skipped: (name, reason) of each file that was left out.
    """

    train: Pieces
    validation: Pieces
    test: Pieces
    skipped: list[tuple[str, str]]


def opened(
    sources: Sequence[Path],
    store: Path,
    encoder: Encoder,
    seed: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Store:
    """Return the store that is the only source, or one of folders of music.

    Args:
        sources: A token store; or folders, which are encoded.
        store: Where folders are encoded to.
        encoder: Turns files into tokens; what the store must have been made with.
        seed: Seeds the split of folders.
        on_progress: Called with (files done, files in all).

    Raises:
        MusegenError: The store was made with other settings, or stands beside other sources.
    """
    if not any(map(is_store, sources)):
        return ingest(sources, store, encoder, seed=seed, on_progress=on_progress)
    if len(sources) > 1:
        raise MusegenError(
            f"expected one token store, or folders of music. Received: {', '.join(map(str, sources))}. "
            "Encode the folders into one store: musegen encode."
        )
    made = Store(sources[0])
    if changed := differences(made.encoder.config, encoder.config):
        raise MusegenError(
            f"{made.path} was encoded with other settings. Received: {changed}. Leave the encoder's "
            "options out, or encode the music anew with these."
        )
    return made


def load(store: Store) -> Dataset:
    """Return the pieces of a store by split; they stay on the disk until they are asked for.

    Raises:
        TrainingError: There is nothing to train on.
    """
    if len(store) < 3:
        skipped = store.skipped()
        raise TrainingError(
            "at least 3 MIDI files with notes are needed to train, validate and test. "
            f"Received: {len(store)} usable of {len(store) + len(skipped)}. "
            + (
                f"The first was skipped: {skipped[0][1]}."
                if skipped
                else "Try `musegen corpus` for some."
            )
        )
    train, validation, test = (
        Pieces(store, store.split(part)) for part in ("train", "validation", "test")
    )
    return Dataset(train, validation, test, store.skipped())
