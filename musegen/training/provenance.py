"""Describe the training data for the checkpoint: counts, hash, held-out pieces, instruments."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from musegen.data.dataset import Dataset, Pieces
from musegen.encoding.encoder import Encoder
from musegen.score import Track

__all__ = ["describe", "ensemble", "mismatch"]


def ensemble(pieces: Pieces, encoder: Encoder) -> tuple[Track, ...]:
    """Return the most common instrument of each part that at least half of the pieces have."""
    out = []
    instruments = [pieces.tracks(index) for index in range(len(pieces))]
    for part in range(max(map(len, instruments))):
        tracks = [tracks[part] for tracks in instruments if len(tracks) > part]
        if 2 * len(tracks) < len(pieces) or part >= max(encoder.config.parts, 1):
            break
        name, program, is_drum = Counter(
            (t.name, t.program, t.is_drum) for t in tracks
        ).most_common(1)[0][0]
        out.append(Track(name, program, is_drum))
    return tuple(out)


def describe(data: Dataset, encoder: Encoder, folders: list[Path]) -> dict[str, Any]:
    """Return counts of the data, its hash, and the names of the held-out pieces."""
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    digest = hashlib.sha256()
    notes = dict.fromkeys(parts, 0)
    order = sorted(
        (name, part, index)
        for part, pieces in parts.items()
        for index, name in enumerate(pieces.names)
    )
    for name, part, index in order:
        tokens = parts[part].tokens(index)
        digest.update(name.encode() + tokens.tobytes())
        notes[part] += int(encoder.vocabulary.notes[tokens].sum())
    counts = {
        part: {"pieces": len(pieces), "tokens": int(pieces.lengths.sum()), "notes": notes[part]}
        for part, pieces in parts.items()
    }
    return {
        "folders": [folder.name for folder in folders],
        **counts,
        "skipped": len(data.skipped),
        "sha256": digest.hexdigest(),
        "held_out": {"validation": data.validation.names, "test": data.test.names},
    }


def mismatch(expected: str, received: str) -> str:
    """Return a warning if a recipe was written for other data; empty if not.

    Args:
        expected: SHA-256 of the recipe's data, as `describe` gives it; empty for any data.
        received: SHA-256 of the data at hand.
    """
    if expected in ("", received):
        return ""
    return (
        "the recipe is for other pieces, or another split of them. "
        f"Expected: data of sha256 {expected}. Received: {received}."
    )
