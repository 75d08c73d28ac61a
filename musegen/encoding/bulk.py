"""Many files at once: read, bundled by the tens of thousands of notes, quantised and encoded."""

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
from musegen.score.midi import parse, read_bytes

if TYPE_CHECKING:
    from musegen.encoding.encoder import Encoder

__all__ = ["Batch", "Encoded", "batches", "bundled", "encode_files", "load"]

# About where the cost of starting NumPy's operations no longer counts, and caches still hold
NOTES_AT_ONCE = 32_768
FILES_AT_ONCE = 512  # whose tracks' pitches mostly number below 2**16
FILES_PER_TASK = 256  # handed to a worker process at a time


class Encoded(NamedTuple):
    """What became of a file: its tokens, or the reason why there are none."""

    path: str | Path
    tokens: Tokens
    """`int32[T]`; empty if there is an error."""
    error: MusegenError | None


class Batch(NamedTuple):
    """Some of the files, read and quantised."""

    paths: list[str | Path]
    """Those that could be, in the order given."""
    scores: list[Any]
    """What `load` gave for each of `paths`."""
    bundle: Bundle
    """The quantised pieces of `paths`."""
    errors: dict[str | Path, MusegenError]
    """Why of those that could not be."""


def load(path: str | Path, *, pedals: bool = True) -> Any:
    """Return a file of MIDI as a `symusic` score, or one of written music as a `Score`.

    Args:
        path: The file.
        pedals: Whether the sustain pedal matters; if not, it may come out wrong.

    Raises:
        MidiError: It cannot be read.
    """
    if str(path).lower().endswith(tuple(notation.NOTATION_SUFFIXES)):
        return notation.load_notation(path)
    return parse(read_bytes(path), str(path), pedals=pedals)


def bundled(sources: Sequence[Any]) -> Bundle:
    """Return the bundle of some `symusic` scores, or of some `Score`s."""
    return Bundle.of(sources) if isinstance(sources[0], Score) else gather(sources)


def batches(
    paths: Iterable[str | Path],
    encoder: Encoder,
    prepare: Callable[[Bundle], Bundle] = lambda bundle: bundle,
    load: Callable[[str | Path], Any] = load,
) -> Iterator[Batch]:
    """Read files, and yield them quantised, as many at a time as is fast.

    Args:
        paths: Files; taken as they are needed.
        encoder: Says what is kept of them.
        prepare: Changes a bundle before it is quantised. What it refuses is left out.
        load: Reads a file: gives what the function `load` gives, or raises a `MusegenError`.
    """
    scores: dict[str | Path, Any] = {}
    errors: dict[str | Path, MusegenError] = {}
    notes = 0
    for path in paths:
        try:
            source = load(path)
        except MusegenError as error:
            errors[path] = error
            continue
        if isinstance(source, Score):
            yield _batch({path: source}, {}, encoder, prepare)
            continue
        scores[path] = source
        notes += source.note_num()
        if notes >= NOTES_AT_ONCE or len(scores) >= FILES_AT_ONCE:
            yield _batch(scores, errors, encoder, prepare)
            scores, errors, notes = {}, {}, 0
    if scores or errors:
        yield _batch(scores, errors, encoder, prepare)


def _batch(
    scores: dict[str | Path, Any],
    errors: dict[str | Path, MusegenError],
    encoder: Encoder,
    prepare: Callable[[Bundle], Bundle],
) -> Batch:
    while True:
        if not scores:
            return Batch([], [], Bundle.of([]), errors)
        try:
            bundle = encoder.codec.quantise(
                prepare(bundled(list(scores.values()))), encoder.vocabulary
            )
        except Unencodable as error:
            paths = list(scores)
            for index, why in error.reasons.items():
                errors[paths[index]] = EncodingError(f"{paths[index]}: {why}")
                del scores[paths[index]]
        else:
            return Batch(list(scores), list(scores.values()), bundle, errors)


def encode_files(paths: Iterable[str | Path], encoder: Encoder, workers: int) -> Iterator[Encoded]:
    """Yield what becomes of each file, in order. See `Encoder.encode_files`."""
    from musegen.utils.parallel import (
        Crash,
        each,
    )  # process pools, which composing need not wait for

    source = iter(paths)
    tasks = iter(lambda: list(islice(source, FILES_PER_TASK)), [])
    task = partial(_encode_task, encoder)
    for paths_of_task, outcome in each(task, tasks, workers):
        if not isinstance(outcome, Crash):
            yield from _unpacked(paths_of_task, *outcome)
            continue
        for alone, its_outcome in each(task, ([path] for path in paths_of_task), workers):
            if isinstance(its_outcome, Crash):
                why = f"{alone[0]}: the process that read it died. It is most likely damaged: export it again."
                yield Encoded(alone[0], np.zeros(0, np.int32), MidiError(why))
            else:
                yield from _unpacked(alone, *its_outcome)


_Packed: TypeAlias = tuple[Tokens, list[int], dict[int, MusegenError]]
"""Tokens of files end to end, how many each has, and errors by index: one array travels faster than hundreds."""


def _encode_task(encoder: Encoder, paths: Sequence[str | Path]) -> _Packed:
    done: dict[str | Path, Tokens] = {}
    errors: dict[str | Path, MusegenError] = {}
    read = partial(load, pedals=encoder.config.encoding == "performance")
    for batch in batches(paths, encoder, load=read):
        errors |= batch.errors
        if batch.paths:
            tokens, starts = encoder.codec.encode(batch.bundle, encoder.vocabulary)
            bounds = pairwise([*starts.tolist(), len(tokens)])
            done |= {
                path: tokens[start:stop]
                for path, (start, stop) in zip(batch.paths, bounds, strict=True)
            }
    nothing = np.zeros(0, np.int32)
    pieces = [done.get(path, nothing) for path in paths]
    why = {index: errors[path] for index, path in enumerate(paths) if path in errors}
    return np.concatenate([nothing, *pieces]), [len(piece) for piece in pieces], why


def _unpacked(
    paths: Sequence[str | Path], tokens: Tokens, lengths: list[int], errors: dict[int, MusegenError]
) -> Iterator[Encoded]:
    bounds = pairwise(accumulate(lengths, initial=0))
    for index, (path, (start, stop)) in enumerate(zip(paths, bounds, strict=True)):
        yield Encoded(path, tokens[start:stop], errors.get(index))
