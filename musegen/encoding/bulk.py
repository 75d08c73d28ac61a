"""Encode many files at once, in bundles of tens of thousands of notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from musegen.encoding.bundle import Bundle, Unencodable
from musegen.encoding.gathering import gather
from musegen.encoding.vocabulary import Tokens
from musegen.errors import EncodingError, MidiError, MusegenError
from musegen.score import Score, notation
from musegen.score.midi import parse, read_bytes, to_parsed
from musegen.utils.parallel import Crash, each

if TYPE_CHECKING:
    from musegen.encoding.encoder import Encoder

__all__ = ["Batch", "Encoded", "bundled", "encode_files", "groups", "load", "quantised"]

# Enough that the cost of starting NumPy's operations no longer matters, and few enough for caches.
NOTES_AT_ONCE = 32_768
FILES_AT_ONCE = 512  # `without_overlaps` is fastest with fewer than 2**16 voices
LONG = 4096  # quarters
FILES_PER_TASK = 256  # sent to a worker process at a time


class Encoded(NamedTuple):
    """The result of a file: its tokens, or the error that prevents them."""

    path: str | Path
    tokens: Tokens
    """`int32[T]`; empty if there is an error."""
    error: MusegenError | None


class Batch(NamedTuple):
    """A group of files, quantised.

    Attributes:
        paths: The files that can be encoded, in the order given.
        scores: What `load` returned for each of `paths`.
        bundle: The quantised pieces of `paths`.
        errors: The errors of the other files.
    """

    paths: list[str | Path]
    scores: list[Any]
    bundle: Bundle
    errors: dict[str | Path, MusegenError]


def load(path: str | Path, *, pedals: bool = True) -> Any:
    """Load a MIDI file as `Parsed`, or a file of notation as a `Score`.

    Args:
        path: The file.
        pedals: Whether the sustain pedals must be right, which takes longer.

    Raises:
        MidiError: It cannot be read.
    """
    if notation.is_notation(path):
        return notation.load_notation(path)
    source = parse(read_bytes(path), str(path), pedals=pedals, labels=False)
    return to_parsed(source) if isinstance(source, Score) else source


def bundled(sources: Sequence[Any]) -> Bundle:
    """Return the bundle of what `load` returns: all of them parsed files, or all of them scores."""
    return Bundle.of(sources) if isinstance(sources[0], Score) else gather(sources)


def groups(sources: Iterable[tuple[str | Path, Any]]) -> Iterator[dict[str | Path, Any]]:
    """Collect loaded files into groups that are fast to encode together.

    Scores and very long pieces are groups of their own: the bars of a few hundred pieces with an
    end far out could fill memory.

    Args:
        sources: Paths, and what `load` gives for each; consumed as needed.
    """
    group: dict[str | Path, Any] = {}
    notes = 0
    for path, source in sources:
        if isinstance(source, Score) or source.end > LONG * source.ticks_per_quarter:
            yield {path: source}
            continue
        group[path] = source
        notes += sum(source.counts)
        if notes >= NOTES_AT_ONCE or len(group) >= FILES_AT_ONCE:
            yield group
            group, notes = {}, 0
    if group:
        yield group


def quantised(
    group: dict[str | Path, Any],
    encoder: Encoder,
    prepare: Callable[[Bundle], Bundle] = lambda bundle: bundle,
) -> Batch:
    """Quantise a group of loaded files; leave out those that the encoding cannot carry.

    Args:
        group: Files of a group that `groups` yields.
        encoder: Decides what is kept of them.
        prepare: Changes the bundle before it is quantised.
    """
    scores = dict(group)
    errors: dict[str | Path, MusegenError] = {}
    while scores:
        try:
            bundle = prepare(bundled(list(scores.values())))
            bundle = encoder.codec.quantise(bundle, encoder.vocabulary)
        except Unencodable as error:
            paths = list(scores)
            for index, why in error.reasons.items():
                errors[paths[index]] = EncodingError(f"{paths[index]}: {why}")
                del scores[paths[index]]
        else:
            return Batch(list(scores), list(scores.values()), bundle, errors)
    return Batch([], [], Bundle.of([]), errors)


def encode_files(paths: Iterable[str | Path], encoder: Encoder, workers: int) -> Iterator[Encoded]:
    """Yield the result of each file, in order. See `Encoder.encode_files`."""
    source = iter(paths)
    tasks = iter(lambda: list(islice(source, FILES_PER_TASK)), [])
    task = partial(_encode_task, encoder)
    for paths_of_task, outcome in each(task, tasks, workers):
        if not isinstance(outcome, Crash):
            yield from _unpacked(paths_of_task, *outcome)
            continue
        # One of the files killed the process: encode each alone to find out which.
        for alone, its_outcome in each(task, ([path] for path in paths_of_task), workers):
            if isinstance(its_outcome, Crash):
                why = (
                    f"{alone[0]}: the process that read it died. "
                    "It is most likely damaged: export it again."
                )
                yield Encoded(alone[0], np.zeros(0, np.int32), MidiError(why))
            else:
                yield from _unpacked(alone, *its_outcome)


_Packed: TypeAlias = tuple[Tokens, list[int], dict[int, MusegenError]]
"""Tokens of files end to end, their numbers of tokens, and errors by index.

One array is sent between processes faster than hundreds.
"""


def _encode_task(encoder: Encoder, paths: Sequence[str | Path]) -> _Packed:
    """Encode files in one process."""
    done: dict[str | Path, Tokens] = {}
    errors: dict[str | Path, MusegenError] = {}
    for group in groups(_loaded(paths, encoder.config.encoding == "performance", errors)):
        batch = quantised(group, encoder)
        errors |= batch.errors
        if batch.paths:
            tokens, starts = encoder.codec.encode(batch.bundle, encoder.vocabulary)
            pieces = np.split(tokens, starts[1:])
            done.update(zip(batch.paths, pieces, strict=True))
    empty = np.zeros(0, np.int32)
    in_order = [done.get(path, empty) for path in paths]
    by_index = {index: errors[path] for index, path in enumerate(paths) if path in errors}
    return np.concatenate([empty, *in_order]), [len(piece) for piece in in_order], by_index


def _loaded(
    paths: Iterable[str | Path], pedals: bool, errors: dict[str | Path, MusegenError]
) -> Iterator[tuple[str | Path, Any]]:
    """Load files; collect the errors of those that cannot be read in `errors`."""
    for path in paths:
        try:
            yield path, load(path, pedals=pedals)
        except MusegenError as error:
            errors[path] = error


def _unpacked(
    paths: Sequence[str | Path], tokens: Tokens, lengths: list[int], errors: dict[int, MusegenError]
) -> Iterator[Encoded]:
    """Yield the results of files from what `_encode_task` returns."""
    bounds = pairwise(accumulate(lengths, initial=0))
    for index, (path, (start, stop)) in enumerate(zip(paths, bounds, strict=True)):
        yield Encoded(path, tokens[start:stop], errors.get(index))
