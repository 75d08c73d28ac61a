"""A store opened for reading."""

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

__all__ = ["Store"]

READS = (
    512  # pieces after which the memory of pages read is given back, so that they do not pile up
)


class Store:
    """Pieces of music as tokens, on disk: what `musegen encode` makes of folders.

    Tokens stay on the disk until they are asked for; opening takes as long for a million pieces as
    for ten.

    Attributes:
        path: The store's folder.
        encoder: What made the tokens.

    Raises:
        MusegenError: There is no store, its files are missing or damaged, or it is of another
            version.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the store and make sure that its files are there."""
        self.path = Path(path)
        _, self.encoder = read_settings(self.path)
        self._shards = Shards(self.path)
        self._column = lru_cache(maxsize=None)(self._load_column)
        self._open: dict[int, NDArray[np.uint16]] = {}
        self._tracks = lru_cache(maxsize=4)(self._load_tracks)
        self._reads = 0
        for number, tokens in enumerate(self._column("shard_tokens").tolist()):
            if tokens >= 0 and (received := len(self._tokens(number))) != tokens:
                raise damaged(
                    self._shards.tokens_path(number),
                    f"expected {tokens} tokens, received {received}",
                )

    def _tokens(self, shard: int) -> NDArray[np.uint16]:
        if shard not in self._open:
            self._open[shard] = self._shards.tokens(shard)
        return self._open[shard]

    def _give_back(self) -> None:
        """Let go of pages read; files stay open, since a finished run removes its store before it is measured."""
        for mapped in (tokens.base for tokens in self._open.values()):
            if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)

    def _load_column(self, name: str) -> NDArray[Any]:
        return load_columns(self.path / INDEX, (name,))[0]

    def _load_tracks(self, shard: int) -> Texts:
        return Texts(*self._shards.columns(shard, "tracks", "tracks_length"))

    @cached_property
    def _kept(self) -> NDArray[np.int64]:
        """The files that are pieces."""
        out: NDArray[np.int64] = (self._column("status") == KEPT).nonzero()[0]
        return out

    def __len__(self) -> int:
        """Return the number of pieces: files that are kept."""
        return len(self._kept)

    def __repr__(self) -> str:
        """Say how much music there is."""
        return f"Store({str(self.path)!r}, {len(self)} pieces, {self.lengths.sum()} tokens)"

    def tokens(self, piece: int) -> Tokens:
        """Return the tokens of a piece, `int32[T]`, from `start` to `end`."""
        self._reads += 1
        if self._reads % READS == 0:
            self._give_back()
        file = self._kept[piece]
        start, length = (int(self._column(name)[file]) for name in ("start", "tokens_length"))
        return self._tokens(int(self._column("shard")[file]))[start : start + length].astype(
            np.int32
        )

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many tokens each piece has, `int64[pieces]`."""
        out: NDArray[np.int64] = self._column("tokens_length")[self._kept]
        return out

    @cached_property
    def names(self) -> list[str]:
        """What each piece's file is called: `folder/inside/tune.mid`."""
        names = self._texts("name")
        return [names[file] for file in self._kept.tolist()]

    def tracks(self, piece: int) -> tuple[Track, ...]:
        """Return the tracks that a piece's file has: their names, programs and whether they are drums."""
        file = self._kept[piece]
        lines = self._tracks(int(self._column("shard")[file]))[int(self._column("row")[file])]
        cells = (line.split(" ", 2) for line in lines.split("\n") if line)
        return tuple(Track(name, int(program), drum == "1") for program, drum, name in cells)

    def split(self, part: str) -> NDArray[np.int64]:
        """Return the pieces in a part of the split, ascending: versions of one tune are in the same.

        Args:
            part: "train", "validation" or "test".

        Raises:
            ConfigError: There is no such part.
            TrainingError: There were too few different tunes to split.
        """
        parts = PARTS[1:]
        require(
            part in parts,
            f"part must be one of {', '.join(parts)}",
            part,
            "Most pieces are in train.",
        )
        of = self._column("part")[self._kept]
        if not of.any():
            raise TrainingError(
                "a store must have pieces of at least 3 different tunes to be split. "
                f"Received: {len(self)} piece(s) in {self.path}. Encode more music into it."
            )
        found: NDArray[np.int64] = (of == PARTS.index(part)).nonzero()[0]
        return found

    @property
    def report(self) -> dict[str, int]:
        """How many files there were of each kind: kept, duplicate, empty, too long, unencodable, broken."""
        counts = np.bincount(self._column("status"), minlength=len(STATUSES)).tolist()
        return dict(zip(STATUSES, counts, strict=True))

    def skipped(self) -> list[tuple[str, str]]:
        """Return the name of each file that is not kept, and why."""
        names, reasons = self._texts("name"), self._texts("reason")
        status, twin = self._column("status"), self._column("duplicate_of")
        return [
            (
                names[file],
                f"the same notes as {names[twin[file]]}" if twin[file] >= 0 else reasons[file],
            )
            for file in (status != KEPT).nonzero()[0].tolist()
        ]

    def _texts(self, column: str) -> Texts:
        return Texts(self._column(column), self._column(f"{column}_length"))
