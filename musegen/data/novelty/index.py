"""Index the voices of training pieces, and find the runs that other music shares with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from musegen.data.novelty import storage
from musegen.data.novelty.runs import Copied, Runs
from musegen.data.novelty.suffixes import Suffixes, ordered
from musegen.data.novelty.voices import Symbols, symbols, voices
from musegen.encoding.bundle import changes
from musegen.encoding.encoder import Encoder
from musegen.encoding.normalise import pad_pickup
from musegen.encoding.vocabulary import Tokens
from musegen.score import Score
from musegen.utils.arrays import Ints

__all__ = ["MOST_NOTES", "Index", "Source"]

MOST_NOTES = 2**21  # of all pieces: a few seconds of work, 8 MB on disk
PIECES_AT_ONCE = 256


class Source(Protocol):
    """Pieces as tokens: a `Store`, or the `Pieces` of a `Dataset`."""

    @property
    def names(self) -> Sequence[str]:
        """The name of each piece."""

    def tokens(self, index: int, /) -> Tokens:
        """Return the tokens of a piece."""


class Index:
    """Training pieces, indexed to find copies of them.

    A run counts if it has at least three different pairs of interval and rhythm. Repeated notes,
    scales and trills occur everywhere and are ignored.

    >>> from musegen import Score, Track
    >>> tune = [(0, 60), (480, 62), (720, 64), (960, 67), (1920, 65)]
    >>> score = Score(notes=[(at, 240, pitch, 80, 0) for at, pitch in tune], tracks=[Track()])
    >>> higher = score.transpose(5)
    >>> Index.of([("tune.mid", score)]).longest(higher)
    Copied(notes=5, piece='tune.mid', bar_there=1, bar_here=1, tick=0, track=0, pieces=1, of=1)

    Attributes:
        kept: The content, as it is saved.
        names: The names of the pieces.
        in_all: Number of training pieces; more than names if the index is partial.
        steps_per_quarter: The grid of rhythms.
        played: Whether rhythms are those of a performance: a quarter is half a second, whatever the
            tempo, and all tracks without drums are one voice.
    """

    def __init__(self, kept: storage.Kept) -> None:
        """Take the content."""
        self.kept = kept
        self.names = kept.names
        self.in_all = kept.in_all
        self.steps_per_quarter = kept.steps_per_quarter
        self.played = kept.played
        self._begins = np.cumsum([0, *kept.lengths])
        self._suffixes = Suffixes(kept.text, kept.order)

    def __repr__(self) -> str:
        """Show the number of pieces and notes."""
        of = f" of {self.in_all}" if self.partial else ""
        return f"Index({len(self.names)}{of} pieces, {len(self)} notes)"

    def __len__(self) -> int:
        """Return the number of notes in all voices."""
        return len(self.kept.text)

    @property
    def partial(self) -> bool:
        """Whether training pieces are missing: there were too many, or some no longer exist."""
        return len(self.names) < self.in_all

    @classmethod
    def of(
        cls,
        pieces: Iterable[tuple[str, Score]],
        encoder: Encoder | None = None,
        *,
        in_all: int | None = None,
    ) -> Self:
        """Index scores.

        Args:
            pieces: Names and scores.
            encoder: The encoder of the model trained on them; it determines the grid of rhythms.
            in_all: Number of training pieces, if these are not all.
        """
        config = (encoder or Encoder()).config
        played = config.encoding == "performance"
        steps = storage.STEPS if played else config.steps_per_quarter
        names: list[str] = []
        texts = [np.zeros(0, np.uint16)]
        bars = [np.zeros(0, np.uint16)]
        for name, score in pieces:
            rows = voices(score, steps, played)
            names.append(name)
            texts.append(rows.symbol)
            bars.append(np.minimum(_bars(score, rows.tick), 2**16 - 1).astype(np.uint16))
        text = np.concatenate(texts)
        kept = storage.Kept(
            steps_per_quarter=steps,
            played=played,
            in_all=len(names) if in_all is None else in_all,
            names=names,
            lengths=np.array([len(text) for text in texts[1:]], np.int64),
            text=text,
            order=ordered(text),
            bars=np.concatenate(bars),
        )
        return cls(kept)

    @classmethod
    def of_tokens(
        cls,
        pieces: Source,
        encoder: Encoder,
        chosen: Ints | None = None,
        most: int = MOST_NOTES,
    ) -> Self:
        """Index pieces given as tokens, or a random sample if there are many.

        Pieces are drawn in random order, the same each time, until they have `most` notes in all.
        This bounds time and memory, and no other pieces are read.

        Args:
            pieces: A `Store`, or the `Pieces` of a `Dataset`.
            encoder: The encoder that made the tokens.
            chosen: Indices of pieces, `int64[N]`. Default: all.
            most: Maximum number of notes, all notes of chords included.
        """
        chosen = np.arange(len(pieces.names)) if chosen is None else np.asarray(chosen)
        taken: dict[int, Score] = {}
        notes = 0
        drawn = np.random.default_rng(0).permutation(chosen).tolist()
        for at in range(0, len(drawn), PIECES_AT_ONCE):
            chunk = drawn[at : at + PIECES_AT_ONCE]
            scores = encoder.decode_many(pieces.tokens(index) for index in chunk)
            for index, score in zip(chunk, scores, strict=True):
                notes += len(score)
                if notes <= most:
                    taken[index] = score
            if notes > most:
                break
        names = pieces.names
        scores_taken = ((names[index], taken[index]) for index in sorted(taken))
        return cls.of(scores_taken, encoder, in_all=len(chosen))

    def longest(self, score: Score, start: int = 0, end: int | None = None) -> Copied:
        """Return the longest run of notes that also occurs in a training piece.

        The first of several equally long ones is returned.

        Args:
            score: The music.
            start: Ignore notes before this tick; of a continuation, its beginning.
            end: Ignore notes from this tick on.
        """
        found = self._copied(score, start, end, 1, only_longest=True)
        return found[0] if found else Copied(of=len(self.names))

    def copied(
        self, score: Score, start: int = 0, end: int | None = None, at_least: int = 1
    ) -> list[Copied]:
        """Return all maximal runs that also occur in a training piece, in the order of the score.

        They may overlap: a note can end a run from one piece and begin a run from another.

        Args:
            score: The music.
            start: Ignore notes before this tick.
            end: Ignore notes from this tick on.
            at_least: Leave out runs of fewer notes.
        """
        runs = self._copied(score, start, end, at_least)
        return sorted(runs, key=lambda run: (run.tick, run.track))

    def notes(self, score: Score, start: int = 0, end: int | None = None) -> int:
        """Return the number of notes in a score's voices."""
        return len(voices(score, self.steps_per_quarter, self.played, start, end).symbol)

    def run_lengths(self, intervals: NDArray[np.integer], rhythms: NDArray[np.integer]) -> Ints:
        """Return the length of the longest copied run that ends at each note of a voice.

        It is 0 where no run counts (see above). 100 notes take about a millisecond.

        Args:
            intervals: Semitones up from note to note, `int[N − 1]`.
            rhythms: Time from onset to onset in steps, `int[N − 1]`; a quarter has
                `steps_per_quarter`.

        Returns:
            `int64[N]`, in notes.
        """
        symbol = symbols(intervals, rhythms)
        return np.append(0, Runs.of(symbol, self._suffixes.longest(symbol)).ending())

    def _copied(
        self, score: Score, start: int, end: int | None, at_least: int, only_longest: bool = False
    ) -> list[Copied]:
        here = voices(score, self.steps_per_quarter, self.played, start, end)
        runs = Runs.of(here.symbol, self._suffixes.longest(here.symbol))
        runs = runs.take(runs.counts & (runs.length + 1 >= at_least))
        if only_longest:
            runs = runs.take(np.flatnonzero(runs.length == runs.length.max(initial=0))[:1])
        if not len(runs.start):
            return []
        first = runs.start - 1  # the first note of a run is before its first interval
        bars = _bars(score, here.tick[first]) - int(pad_pickup(score) is not score)
        ticks = here.tick[first].tolist()
        tracks = here.track[first].tolist()
        stretches = zip(runs.start.tolist(), (runs.start + runs.length).tolist(), strict=True)
        rows = zip(stretches, bars.tolist(), ticks, tracks, strict=True)
        return [
            self._described(here.symbol[begin:end], bar, tick, track)
            for (begin, end), bar, tick, track in rows
        ]

    def _described(self, run: Symbols, bar: int, tick: int, track: int) -> Copied:
        """Look up where a run occurs in the training pieces."""
        places = self._suffixes.places(run)
        owners = np.sort(self._begins.searchsorted(places, side="right") - 1)
        return Copied(
            notes=len(run) + 1,
            piece=self.names[owners[0]],
            bar_there=int(self.kept.bars[int(places.min()) - 1]),
            bar_here=bar,
            tick=tick,
            track=track,
            pieces=int(changes(owners).sum()),
            of=len(self.names),
        )

    def save(self, path: str | Path) -> None:
        """Write the index; in the directory of a checkpoint its name is `FILE`.

        Raises:
            MusegenError: It cannot be written.
        """
        storage.save(self.kept, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an index written by `save`.

        Args:
            path: The file, or the directory of a checkpoint that has one.

        Raises:
            CheckpointError: There is none, or it is damaged or of another version.
        """
        return cls(storage.load(Path(path)))


def _bars(score: Score, tick: Ints) -> Ints:
    """Return the bar of each tick, from 1."""
    return score.barlines().searchsorted(tick, side="right")
