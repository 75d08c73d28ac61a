"""Make pieces in a worker process: MIDI files, and their rows for the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from musegen.batch.manifest import Row, pack
from musegen.batch.plan import Item, Plan
from musegen.batch.primers import Primer, checked_checkpoint, checked_primer, sha256_of
from musegen.errors import MusegenError
from musegen.generation.compose_file import PrimerFile, read_primer_file, render
from musegen.generation.composer import Composer, load
from musegen.generation.request import Composition, Request
from musegen.score import midi
from musegen.score.keys import find_key
from musegen.score.measures import fingerprint, measures, similarity

__all__ = ["failed", "make"]

DIGITS = 6  # decimals of the numbers in a row


def make(plan: Plan, folder: Path, items: Sequence[Item]) -> list[Row]:
    """Make pieces with one checkpoint: write their files, and return their rows.

    Args:
        plan: The batch; its primers are not used.
        folder: Where the files are written; existing ones are replaced.
        items: The pieces.
    """
    began = perf_counter()
    rows: list[Row] = []
    try:
        rows += _made(plan, folder, items)
    except Exception as error:
        # Out of memory, or a bug that one piece triggers: it must not stop the others
        if len(items) > 1:
            return [row for item in items for row in make(plan, folder, [item])]
        why = str(error)
        if not isinstance(error, MusegenError):
            why = f"it failed, which should not happen: {type(error).__name__}: {error}"
        rows = [failed(plan, items[0], why)]
    took = round((perf_counter() - began) / len(items), DIGITS)
    return [{**row, "took": took} for row in sorted(rows, key=lambda row: row["index"])]


def _made(plan: Plan, folder: Path, items: Sequence[Item]) -> Iterator[Row]:
    """Yield the rows of pieces as they are made."""
    name = items[0].primer.checkpoint
    composer = _composer(name, plan.checkpoints[name], plan.folder)
    accepted: list[tuple[Item, PrimerFile | None]] = []
    refused: list[Row] = []

    def requests() -> Iterator[Request]:
        for item in items:
            try:
                source = _source(item.primer, plan.folder)
                request = Request.of(source and source.score, {**item.options, "seed": item.seed})
            except MusegenError as error:
                refused.append(failed(plan, item, str(error)))
            else:
                accepted.append((item, source))
                yield request

    for place, made in composer.compositions(requests()):
        item, source = accepted[place]
        if isinstance(made, MusegenError):
            yield failed(plan, item, str(made))
            continue
        path = folder / item.file
        midi.save(render(source, made, plan.only_continuation), path, force=True)
        yield _described(plan, item, source, made, sha256_of(path), composer)
    yield from refused


@lru_cache(maxsize=4)
def _composer(name: str, sha256: str, folder: Path) -> Composer:
    """Return the composer of a checkpoint, if its weights are still those of the plan."""
    return load(checked_checkpoint(name, sha256, folder))


@lru_cache(maxsize=8)
def _source(primer: Primer, folder: Path) -> PrimerFile | None:
    """Read a primer, if its file is still that of the plan; None for a new piece.

    The same object is returned each time, so that the composer encodes it once.
    """
    return None if primer.path is None else read_primer_file(checked_primer(primer, folder))


# ------------------------------------------------------------------------------------- rows


def _identity(plan: Plan, item: Item) -> Row:
    """Return the first part of a row: all that it takes to make the piece again."""
    return {
        "index": item.index,
        "file": item.file,
        "sha256": None,
        "primer": item.primer.path,
        "primer_sha256": item.primer.sha256,
        "checkpoint": item.primer.checkpoint or None,
        "checkpoint_sha256": plan.checkpoints.get(item.primer.checkpoint),
        "version": plan.version,
        "seed": item.seed,
        "only_continuation": plan.only_continuation,
        "options": item.options,
    }


def failed(plan: Plan, item: Item, error: str) -> Row:
    """Return the row of a piece that could not be made."""
    return {**_identity(plan, item), "took": 0.0, "error": error}


def _described(
    plan: Plan,
    item: Item,
    source: PrimerFile | None,
    made: Composition,
    sha256: str,
    composer: Composer,
) -> Row:
    """Return the row of a piece, without the time that it took."""
    score, start = made.score, made.start
    first, last = np.searchsorted(score.barlines(), [start, score.end])
    begin, end = score.seconds(np.array([start, score.end]))
    continuation = made.only_continuation()
    return _plain(
        {
            **_identity(plan, item),
            "sha256": sha256,
            "start": start,
            "bars": int(last - first),
            "notes": len(made.added),
            "duration": end - begin,
            "nats_per_note": made.nats_per_note,
            "key": str(find_key(continuation)),
            "similarity_to_primer": similarity(continuation, source.score) if source else None,
            "novelty": _novelty(composer, made),
            "measures": measures(continuation),
            "fingerprint": pack(fingerprint(continuation)),
            "rewinds": [backtrack._asdict() for backtrack in made.backtracks],
            "gave_way": made.relaxed,
        }
    )


def _novelty(composer: Composer, made: Composition) -> dict[str, Any] | None:
    """Return the longest run shared with a training piece; None if the checkpoint has no index."""
    if made.end is not None:  # an accompaniment: the notes of the primer do not count
        made = replace(made, score=replace(made.score, notes=made.added))
    found = composer.copied(made)
    return None if found is None else {**asdict(found), "share": found.share}


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it, floats rounded to `DIGITS` decimals."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return round(float(value), DIGITS)
    return value.item() if isinstance(value, np.generic) else value
