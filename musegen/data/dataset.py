"""The pieces of a store by split, read from disk when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from musegen.config import differences
from musegen.data.store import Store, ingest, is_store
from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Tokens
from musegen.errors import MusegenError, TrainingError
from musegen.score import Track
from musegen.utils.arrays import Ints

__all__ = ["Dataset", "Piece", "Pieces", "load", "opened"]


@dataclass(frozen=True)
class Piece:
    """One piece of music as tokens.

    Attributes:
        name: The name of its file, relative to the parent of the folder that was encoded.
        tokens: `int32[T]`, from `start` to `end`.
        tracks: The tracks of its file.
    """

    name: str
    tokens: Tokens
    tracks: tuple[Track, ...]


class Pieces(Sequence[Piece]):
    """A selection of the pieces of a store; each is read from disk when it is accessed.

    Attributes:
        lengths: Number of tokens of each piece, `int64[pieces]`.
    """

    def __init__(self, store: Store, indices: Ints) -> None:
        """Take the store and the indices of the pieces."""
        self._store = store
        self._indices = indices
        self.lengths: Ints = store.lengths[indices]

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
        """The name of each piece's file."""
        names = self._store.names
        return [names[at] for at in self._indices.tolist()]

    def tokens(self, index: int) -> Tokens:
        """Return the tokens of a piece, `int32[T]`, from `start` to `end`."""
        return self._store.tokens(int(self._indices[index]))

    def tracks(self, index: int) -> tuple[Track, ...]:
        """Return the tracks of a piece's file."""
        return self._store.tracks(int(self._indices[index]))


@dataclass(frozen=True)
class Dataset:
    """The pieces of the three splits, and the files that were left out.

    Attributes:
        train: Pieces to train on.
        validation: Pieces for choosing settings and the moment to stop.
        test: Pieces for the final evaluation.
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
    """Open the store that is the only source, or encode folders of music into one.

    Args:
        sources: A token store, or folders to encode.
        store: Where folders are encoded to.
        encoder: Converts files to tokens; a given store must have been made with the same settings.
        seed: Seeds the split of folders.
        on_progress: Called with (files done, files in all).

    Raises:
        MusegenError: The store was made with other settings, or is not the only source.
    """
    if not any(map(is_store, sources)):
        return ingest(sources, store, encoder, seed=seed, on_progress=on_progress)
    if len(sources) > 1:
        raise MusegenError(
            "expected one token store, or folders of music. Received: "
            f"{', '.join(map(str, sources))}. Encode the folders into one store: musegen encode."
        )
    given = Store(sources[0])
    if changed := differences(given.encoder.config, encoder.config):
        raise MusegenError(
            f"{given.path} was encoded with other settings. Received: {changed}. Leave the "
            "encoder's options out, or encode the music again with these."
        )
    return given


def load(store: Store) -> Dataset:
    """Return the pieces of a store by split; they stay on disk until they are needed.

    Raises:
        TrainingError: There are too few pieces to train on.
    """
    skipped = store.skipped()
    if len(store) < 3:
        hint = "Try `musegen corpus` for some."
        if skipped:
            hint = f"The first was skipped: {skipped[0][1]}."
        raise TrainingError(
            "at least 3 MIDI files with notes are needed to train, validate and test. "
            f"Received: {len(store)} usable of {len(store) + len(skipped)}. {hint}"
        )
    return Dataset(
        train=Pieces(store, store.split("train")),
        validation=Pieces(store, store.split("validation")),
        test=Pieces(store, store.split("test")),
        skipped=skipped,
    )
