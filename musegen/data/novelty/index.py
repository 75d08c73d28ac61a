"""The voices of training pieces, in which what they have in common with other music is found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from musegen.data.novelty import storage
from musegen.data.novelty.runs import Copied, Runs
from musegen.data.novelty.suffixes import Suffixes, ordered
from musegen.data.novelty.voices import symbols, voices
from musegen.encoding.bundle import changes
from musegen.encoding.encoder import Encoder
from musegen.encoding.normalise import pad_pickup
from musegen.encoding.vocabulary import Tokens
from musegen.score import Score

__all__ = ["MOST_NOTES", "Index", "Source"]

MOST_NOTES = 2**21  # of all pieces: a few seconds' work, 8 MB on the disk
PIECES_AT_ONCE = 256


class Source(Protocol):
    """Pieces as tokens: a `Store`, or a part of one as `musegen.data.dataset` has it."""

    @property
    def names(self) -> Sequence[str]:
        """What each piece is called."""

    def tokens(self, index: int, /) -> Tokens:
        """Return the tokens of a piece."""


class Index:
    """Training pieces, made ready for finding copies of them.

    A run counts if it has at least three different pairs of interval and rhythm: what is shorter of
    colour, notes repeated, a scale, a trill, stands everywhere and is nobody's.

    >>> from musegen import Score, Track
    >>> tune = [(0, 60), (480, 62), (720, 64), (960, 67), (1920, 65)]
    >>> score = Score(notes=[(at, 240, pitch, 80, 0) for at, pitch in tune], tracks=[Track()])
    >>> higher = score.transpose(5)
    >>> Index.of([("tune.mid", score)]).longest(higher)
    Copied(notes=5, piece='tune.mid', bar_there=1, bar_here=1, tick=0, track=0, pieces=1, of=1)

    Attributes:
        names: What each piece is called.
        in_all: How many training pieces there are; more than names where the index is partial.
        steps_per_quarter: The grid of rhythms.
        played: Rhythms are those of a performance: a quarter is half a second, whatever the tempo,
            and all tracks but drums are one voice.
    """

    def __init__(self, kept: storage.Kept) -> None:
        """Take what was kept."""
        self.kept = kept
        self.names, self.in_all = kept.names, kept.in_all
        self.steps_per_quarter, self.played = kept.steps_per_quarter, kept.played
        self._begins = np.cumsum([0, *kept.lengths])
        self._suffixes = Suffixes(kept.text, kept.order)

    def __repr__(self) -> str:
        """Say how much music there is."""
        of = f" of {self.in_all}" if self.partial else ""
        return f"Index({len(self.names)}{of} pieces, {len(self)} notes)"

    def __len__(self) -> int:
        """Return the number of notes in all voices."""
        return len(self.kept.text)

    @property
    def partial(self) -> bool:
        """Whether training pieces are missing: there were too many, or some are no longer there."""
        return len(self.names) < self.in_all

    @classmethod
    def of(
        cls,
        pieces: Iterable[tuple[str, Score]],
        encoder: Encoder | None = None,
        *,
        in_all: int | None = None,
    ) -> Self:
        """Return the index of some music.

        Args:
            pieces: Names and scores.
            encoder: Of the model that is trained on them; it says what grid rhythms are on.
            in_all: How many training pieces there are, where these are not all.
        """
        config = (encoder or Encoder()).config
        played = config.encoding == "performance"
        steps = storage.STEPS if played else config.steps_per_quarter
        names, lengths = [], []
        texts, bars = [np.zeros(0, np.uint16)], [np.zeros(0, np.uint16)]
        for name, score in pieces:
            found = voices(score, steps, played)
            names.append(name)
            lengths.append(len(found.symbol))
            texts.append(found.symbol)
            bars.append(np.minimum(_bars(score, found.tick), 2**16 - 1).astype(np.uint16))
        text = np.concatenate(texts)
        in_all = len(names) if in_all is None else in_all
        return cls(
            storage.Kept(
                steps_per_quarter=steps,
                played=played,
                in_all=in_all,
                names=names,
                lengths=np.array(lengths, np.int64),
                text=text,
                order=ordered(text),
                bars=np.concatenate(bars),
            )
        )

    @classmethod
    def of_tokens(
        cls,
        pieces: Source,
        encoder: Encoder,
        chosen: NDArray[np.int64] | None = None,
        most: int = MOST_NOTES,
    ) -> Self:
        """Return the index of pieces that are tokens; of many, that of a part.

        Pieces are drawn at random, the same ones each time, until they have `most` notes between
        them: which bounds the time and memory that it takes, and nothing else is read.

        Args:
            pieces: A `Store`, or a part of one.
            encoder: What made the tokens.
            chosen: Which of the pieces; all if left out.
            most: Notes, chords counted in full.
        """
        chosen = np.arange(len(pieces.names)) if chosen is None else np.asarray(chosen)
        taken: dict[int, Score] = {}
        notes = 0
        drawn = np.random.default_rng(0).permutation(chosen).tolist()
        for at in range(0, len(drawn), PIECES_AT_ONCE):
            some = drawn[at : at + PIECES_AT_ONCE]
            scores = encoder.decode_many(pieces.tokens(index) for index in some)
            sums = list(accumulate(map(len, scores), initial=notes))
            taken |= {
                index: score
                for index, score, total in zip(some, scores, sums[1:], strict=True)
                if total <= most
            }
            notes = sums[-1]
            if notes > most:
                break
        names = pieces.names
        return cls.of(
            ((names[index], taken[index]) for index in sorted(taken)), encoder, in_all=len(chosen)
        )

    def longest(self, score: Score, start: int = 0, end: int | None = None) -> Copied:
        """Return the longest run of notes that stands in a training piece, the first if there are several.

        Args:
            score: Music.
            start: Only notes from this tick on count; of a continuation, where it begins.
            end: Only notes before this tick.
        """
        found = self._copied(score, start, end, 1, only_longest=True)
        return found[0] if found else Copied(of=len(self.names))

    def copied(
        self, score: Score, start: int = 0, end: int | None = None, at_least: int = 1
    ) -> list[Copied]:
        """Return all runs that stand in a training piece and cannot be made longer, as they come in the score.

        They may overlap: a note can end what is from one piece and begin what is from another.

        Args:
            score: Music.
            start: Only notes from this tick on count.
            end: Only notes before this tick.
            at_least: Leave out runs of fewer notes.
        """
        return sorted(
            self._copied(score, start, end, at_least), key=lambda run: (run.tick, run.track)
        )

    def notes(self, score: Score, start: int = 0, end: int | None = None) -> int:
        """Return how many notes of a score's voices count."""
        return len(voices(score, self.steps_per_quarter, self.played, start, end).symbol)

    def run_lengths(
        self, intervals: NDArray[np.integer], rhythms: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """Return for each note of a voice how long the longest run is that ends there and stands in a training piece.

        Runs that do not count (see above) are 0 long. It takes about a millisecond for 100 notes.

        Args:
            intervals: Semitones up from note to note, `int[N − 1]`.
            rhythms: Time from onset to onset, in steps of which a quarter has `steps_per_quarter`:
                `int[N − 1]`.

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
        first = runs.start - 1  # an interval leads to each note of a run but the first
        bars = _bars(score, here.tick[first]) - int(
            len(first) > 0 and pad_pickup(score) is not score
        )
        rows = zip(runs.start.tolist(), runs.length.tolist(), bars.tolist(), strict=True)
        return [
            self._described(
                here.symbol[at : at + length], bar, int(here.tick[at - 1]), int(here.track[at - 1])
            )
            for at, length, bar in rows
        ]

    def _described(self, run: NDArray[np.uint16], bar: int, tick: int, track: int) -> Copied:
        """Return what is known of a run."""
        places = self._suffixes.places(run)
        place = int(places.min())
        owners = np.sort(self._begins.searchsorted(places, side="right") - 1)
        return Copied(
            len(run) + 1,
            self.names[owners[0]],
            int(self.kept.bars[place - 1]),
            bar,
            tick,
            track,
            int(changes(owners).sum()),
            len(self.names),
        )

    def save(self, path: str | Path) -> None:
        """Write the index; into a checkpoint's directory it belongs as `FILE`.

        Raises:
            MusegenError: It cannot be written.
        """
        storage.save(self.kept, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an index that `save` wrote.

        Args:
            path: The file, or the directory of a checkpoint that has one.

        Raises:
            CheckpointError: There is none, or it is damaged or of another version.
        """
        return cls(storage.load(Path(path)))


def _bars(score: Score, tick: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bar of each tick, from 1."""
    out: NDArray[np.int64] = score.barlines().searchsorted(tick, side="right")
    return out
