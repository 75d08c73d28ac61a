"""What a worker does: some pieces side by side, to files and rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from time import perf_counter

from musegen.batch.manifest import Row
from musegen.batch.plan import Item, Plan, Primer
from musegen.batch.primers import located, placed, sha256_of, weights_sha256
from musegen.batch.rows import described, failed
from musegen.errors import CheckpointError, MidiError, MusegenError
from musegen.generation.compose import Source, opened, rendered
from musegen.generation.composer import Composer, load
from musegen.generation.request import Request
from musegen.score import midi

__all__ = ["make"]


def make(plan: Plan, folder: Path, items: Sequence[Item]) -> list[Row]:
    """Make pieces with one checkpoint: write their files, and return their rows.

    Args:
        plan: The batch; its primers are not used.
        folder: Where the files go; those that are there are replaced.
        items: Which pieces.
    """
    began = perf_counter()
    rows: list[Row] = []
    try:
        rows += _made(plan, folder, items)
    except Exception as error:
        # Memory, or a fault of ours that one piece brings to light: it must not stop the others
        if len(items) > 1:
            return [row for item in items for row in make(plan, folder, [item])]
        expected = isinstance(error, MusegenError)
        why = (
            str(error)
            if expected
            else f"it failed, which should not happen: {type(error).__name__}: {error}"
        )
        rows = [failed(plan, items[0], why)]
    took = round((perf_counter() - began) / len(items), 6)
    return [{**row, "took": took} for row in sorted(rows, key=lambda row: row["index"])]


def _made(plan: Plan, folder: Path, items: Sequence[Item]) -> Iterator[Row]:
    """Yield the rows of pieces as they are made."""
    name = items[0].primer.checkpoint
    composer = _composer(located(name, plan.folder), plan.checkpoints[name])
    asked: list[tuple[Item, Source | None]] = []
    refused: list[Row] = []

    def requests() -> Iterator[Request]:
        for item in items:
            try:
                source = _source(plan.folder, item.primer)
                request = Request.of(source and source.score, {**item.options, "seed": item.seed})
            except MusegenError as error:
                refused.append(failed(plan, item, str(error)))
            else:
                asked.append((item, source))
                yield request

    for place, made in composer.compositions(requests()):
        item, source = asked[place]
        if isinstance(made, MusegenError):
            yield failed(plan, item, str(made))
            continue
        path = folder / item.file
        midi.save(rendered(source, made, plan.only_continuation), path, force=True)
        yield described(plan, item, source, made, sha256_of(path), composer)
    yield from refused


@lru_cache(maxsize=4)
def _composer(model: Path, sha256: str) -> Composer:
    """Return the composer of a checkpoint, if it is still what the plan knows."""
    composer = load(model)
    if weights_sha256(model) != sha256:
        raise CheckpointError(
            f"the weights of {model} must have SHA-256 {sha256}, as when the batch was planned. Received: "
            f"{weights_sha256(model)}. Start anew with --force, or put the old ones back."
        )
    return composer


@lru_cache(maxsize=8)
def _source(folder: Path, primer: Primer) -> Source | None:
    """Return a primer, if it is still what the plan knows; the same object each time, so that it is heard once."""
    if primer.path is None:
        return None
    path = placed(primer.path, folder)
    if sha256_of(path) != primer.sha256:
        raise MidiError(
            f"{path}: the primer must have SHA-256 {primer.sha256}, as when the batch was planned. Received: "
            f"{sha256_of(path) or 'no file that can be read'}. Put the old one back, or start anew with --force."
        )
    return opened(path)
