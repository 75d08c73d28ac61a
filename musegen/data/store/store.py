"""Read the pieces of a store."""

from __future__ import annotations

import mmap
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import require
from musegen.data.store.entries import KEPT, STATUSES, Texts
from musegen.data.store.settings import INDEX, read_settings
from musegen.data.store.shards import Shards, damaged, load_columns
from musegen.data.store.splitting import PARTS
from musegen.encoding.vocabulary import Tokens
from musegen.errors import TrainingError
from musegen.score import Track
from musegen.utils.arrays import Ints

__all__ = ["Store"]

READS = 512  # pieces between two releases of the memory of pages read


class Store:
    """Pieces of music as tokens on disk: the result of `musegen encode`.

    Tokens are read when they are needed, and opening takes as long for a million pieces as for ten.

    >>> import tempfile
    >>> from musegen import Score, Track, ingest
    >>> folder = Path(tempfile.mkdtemp())
    >>> for top in (64, 65, 67):
    ...     notes = [(480 * i, 480, pitch, 80, 0) for i, pitch in enumerate((60, top, 62))]
    ...     Score(notes, [Track("Flute", 73)]).save(folder / "music" / f"{top}.mid")
    >>> made = ingest([folder / "music"], folder / "store")
    >>> store = Store(folder / "store")
    >>> store.names
    ['music/64.mid', 'music/65.mid', 'music/67.mid']
    >>> [track.name for track in store.tracks(0)]
    ['Flute']
    >>> store.encoder.decode(store.tokens(0)).notes["pitch"].tolist()
    [60, 64, 62]
    >>> [len(store.split(part)) for part in ("train", "validation", "test")]
    [1, 1, 1]

    Attributes:
        path: The store's folder.
        encoder: The encoder that made the tokens.

    Raises:
        MusegenError: There is no store, its files are missing or damaged, or it is of another
            version.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the store and check that its files are complete."""
        self.path = Path(path)
        _, self.encoder = read_settings(self.path)
        self._shards = Shards(self.path)
        self._column = lru_cache(maxsize=None)(self._load_column)
        self._tracks = lru_cache(maxsize=4)(self._load_tracks)
        self._open: dict[int, NDArray[np.uint16]] = {}
        self._reads = 0
        for number, expected in enumerate(self._column("shard_tokens").tolist()):
            if expected >= 0 and (received := len(self._tokens(number))) != expected:
                why = f"expected {expected} tokens, received {received}"
                raise damaged(self._shards.tokens_path(number), why)

    def _tokens(self, shard: int) -> NDArray[np.uint16]:
        if shard not in self._open:
            self._open[shard] = self._shards.tokens(shard)
        return self._open[shard]

    def _release_pages(self) -> None:
        """Release the memory of pages read.

        The files stay open: a finished run removes its store before the model is evaluated on it.
        """
        for mapped in (tokens.base for tokens in self._open.values()):
            if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)

    def _load_column(self, name: str) -> NDArray[Any]:
        return load_columns(self.path / INDEX, (name,))[0]

    def _load_tracks(self, shard: int) -> Texts:
        return Texts(*self._shards.columns(shard, "tracks", "tracks_length"))

    def _of_file(self, name: str, piece: int) -> int:
        """Return the value of an index column for a piece."""
        return int(self._column(name)[self._kept[piece]])

    @cached_property
    def _kept(self) -> Ints:
        """The files that are pieces."""
        return (self._column("status") == KEPT).nonzero()[0]

    def __len__(self) -> int:
        """Return the number of pieces, which are the files kept."""
        return len(self._kept)

    def __repr__(self) -> str:
        """Show the number of pieces and tokens."""
        return f"Store({str(self.path)!r}, {len(self)} pieces, {self.lengths.sum()} tokens)"

    def tokens(self, piece: int) -> Tokens:
        """Return the tokens of a piece, `int32[T]`, from `start` to `end`."""
        self._reads += 1
        if self._reads % READS == 0:
            self._release_pages()
        start = self._of_file("start", piece)
        end = start + self._of_file("tokens_length", piece)
        return self._tokens(self._of_file("shard", piece))[start:end].astype(np.int32)

    @property
    def lengths(self) -> Ints:
        """The number of tokens of each piece, `int64[pieces]`."""
        return self._column("tokens_length")[self._kept]

    @cached_property
    def names(self) -> list[str]:
        """The name of each piece's file: `folder/inside/tune.mid`."""
        names = self._texts("name")
        return [names[file] for file in self._kept.tolist()]

    def tracks(self, piece: int) -> tuple[Track, ...]:
        """Return the tracks of a piece's file, with their names and programs."""
        lines = self._tracks(self._of_file("shard", piece))[self._of_file("row", piece)]
        cells = (line.split(" ", 2) for line in lines.split("\n") if line)
        return tuple(Track(name, int(program), drum == "1") for program, drum, name in cells)

    def split(self, part: str) -> Ints:
        """Return the indices of the pieces in a part of the split, ascending.

        Versions of one tune are always in the same part.

        Args:
            part: "train", "validation" or "test".

        Raises:
            ConfigError: There is no such part.
            TrainingError: There were too few different tunes to split.
        """
        expected = f"part must be one of {', '.join(PARTS[1:])}"
        require(part in PARTS[1:], expected, part, "Most pieces are in train.")
        parts = self._column("part")[self._kept]
        if not parts.any():
            raise TrainingError(
                "a store must have pieces of at least 3 different tunes to be split. "
                f"Received: {len(self)} piece(s) in {self.path}. Encode more music into it."
            )
        return (parts == PARTS.index(part)).nonzero()[0]

    @property
    def report(self) -> dict[str, int]:
        """The number of files per status: kept, duplicate, empty, too long, unencodable, broken."""
        counts = np.bincount(self._column("status"), minlength=len(STATUSES)).tolist()
        return dict(zip(STATUSES, counts, strict=True))

    def skipped(self) -> list[tuple[str, str]]:
        """Return the name of each file that is not kept, and the reason."""
        names = self._texts("name")
        reasons = self._texts("reason")
        skipped = (self._column("status") != KEPT).nonzero()[0]
        originals = self._column("duplicate_of")[skipped]
        return [
            (
                names[file],
                f"the same notes as {names[original]}" if original >= 0 else reasons[file],
            )
            for file, original in zip(skipped.tolist(), originals.tolist(), strict=True)
        ]

    def _texts(self, column: str) -> Texts:
        return Texts(self._column(column), self._column(f"{column}_length"))
