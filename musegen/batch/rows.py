"""The row of a piece: all that there is to know of it, and all that it takes to make it again."""

from __future__ import annotations

import base64
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.batch.manifest import Row
from musegen.batch.plan import Item, Plan
from musegen.generation.compose import Source
from musegen.generation.composer import Composer
from musegen.generation.request import Composition
from musegen.score.keys import find_key
from musegen.score.measures import fingerprint, measures, similarity

__all__ = ["described", "failed", "identity", "unpacked"]

DIGITS = 6  # behind the point


def identity(plan: Plan, item: Item) -> Row:
    """Return the beginning of a row: what was asked, and of what."""
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


def failed(plan: Plan, item: Item, error: str, took: float = 0.0) -> Row:
    """Return the row of a piece that could not be made."""
    return {**identity(plan, item), "took": round(took, DIGITS), "error": error}


def described(
    plan: Plan,
    item: Item,
    source: Source | None,
    made: Composition,
    sha256: str,
    composer: Composer,
) -> Row:
    """Return the row of a piece, but for the time that it took.

    Args:
        plan: The batch.
        item: What was asked.
        source: The primer.
        made: The piece.
        sha256: Of its file.
        composer: What made it.
    """
    score, start = made.score, made.start
    first, last = np.searchsorted(score.barlines(), [start, score.end])
    begin, end = score.seconds(np.array([start, score.end]))
    continuation = made.only_continuation()
    out = {
        **identity(plan, item),
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
        "fingerprint": _packed(fingerprint(continuation)),
        "rewinds": [rewind._asdict() for rewind in made.backtracks],
        "gave_way": made.relaxed,
    }
    plain: Row = _plain(out)
    return plain


def _novelty(composer: Composer, made: Composition) -> dict[str, Any] | None:
    """Return the longest run that stands in a training piece; None where it is not known what they are."""
    if made.end is not None:  # beside the primer, whose notes do not count
        made = replace(made, score=replace(made.score, notes=made.added))
    found = composer.copied(made)
    return None if found is None else {**asdict(found), "share": found.share}


def _packed(fingerprint: NDArray[np.uint64]) -> str:
    """Return a fingerprint as a text: base 64 of its numbers, 8 bytes each, the lowest first."""
    return base64.b64encode(fingerprint.astype("<u8").tobytes()).decode()


def unpacked(text: str) -> NDArray[np.uint64]:
    """Return the fingerprint in a row, `uint64[M]`."""
    return np.frombuffer(base64.b64decode(text), "<u8").astype(np.uint64)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it, with as many digits as mean something."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return round(float(value), DIGITS)
    return value.item() if isinstance(value, np.generic) else value
