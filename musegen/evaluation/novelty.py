"""Find runs of notes in a file that also occur in training pieces: `musegen novelty`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musegen.config import differences
from musegen.data.novelty.index import Index
from musegen.data.novelty.runs import Copied
from musegen.data.novelty.storage import FILE
from musegen.data.store import Store, is_store
from musegen.encoding.normalise import pad_pickup
from musegen.errors import CheckpointError, MidiError
from musegen.model import checkpoint as checkpoints
from musegen.score import midi, notation
from musegen.score.reading import read
from musegen.utils.arrays import Ints
from musegen.utils.files import refuse_to_overwrite

if TYPE_CHECKING:
    import mido

__all__ = ["CONTINUATION", "Examined", "against", "examine", "index_checkpoint"]

CONTINUATION = "continuation: musegen "
"""Beginning of the marker that `musegen compose` writes where its continuation begins."""

Bars = tuple[int | None, int | None]
"""First and last bar, both included, or None; counted from 1, a pickup is bar 0."""


@dataclass(frozen=True)
class Examined:
    """The runs of notes that a file has in common with training pieces.

    Attributes:
        continued: Whether only notes after musegen's marker were examined.
        start: Tick of the first examined bar.
        bar: Number of that bar.
        notes: Number of notes examined, in the voices.
        longest: The longest run; empty if there is none.
        runs: All runs of a minimum length, longest first.
    """

    continued: bool
    start: int
    bar: int
    notes: int
    longest: Copied
    runs: tuple[Copied, ...]


def examine(
    path: Path, index: Index, bars: Bars = (None, None), *, whole: bool = False, at_least: int = 1
) -> Examined:
    """Find the runs of notes that a file has in common with training pieces.

    In a file that musegen has continued, only the continuation is examined unless bars are given.

    Args:
        path: MIDI or written music.
        index: The training pieces.
        bars: Bars to examine.
        whole: Examine everything, the primer included.
        at_least: Minimum number of notes of a run in `runs`.

    Raises:
        MidiError: The file cannot be read, or has no such bars.

    >>> from tempfile import TemporaryDirectory
    >>> from musegen import Score, Track
    >>> tune = [(480 * i, 480, p, 80, 0) for i, p in enumerate((60, 67, 64, 69, 62, 71, 65))]
    >>> index = Index.of([("tune", Score(notes=tune, tracks=[Track()]))])
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "copy.mid")
    ...     Score(notes=tune[:5], tracks=[Track()]).transpose(2).save(path)
    ...     found = examine(path, index)
    >>> found.longest.notes, found.longest.piece
    (5, 'tune')
    """
    start = None
    if notation.is_notation(path):
        score = read(path)
    else:
        file = midi.load_mido(path)
        score, start = midi.from_mido(file), continuation(file)
    continued = start is not None and not whole and bars == (None, None)
    lines = score.barlines()
    lowest = 1 - int(pad_pickup(score) is not score)
    first, end = _ticks(bars, lines, lowest)
    if continued and start is not None:
        first = start
    runs = index.copied(score, first, end, at_least)
    bar = int(np.searchsorted(lines, first, side="right")) - 1 + lowest
    return Examined(
        continued=continued,
        start=first,
        bar=bar,
        notes=index.notes(score, first, end),
        longest=index.longest(score, first, end),
        runs=tuple(sorted(runs, key=lambda run: -run.notes)),
    )


def continuation(file: mido.MidiFile) -> int | None:
    """Return the tick of the first marker of a continuation by musegen; None if there is none."""
    ticks = []
    for track in file.tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "marker" and message.text.startswith(CONTINUATION):
                ticks.append(now)
    return min(ticks, default=None)


def _ticks(bars: Bars, lines: Ints, lowest: int) -> tuple[int, int | None]:
    """Return the ticks where bars begin and end; None for the end of the piece.

    Args:
        bars: The first and the last bar.
        lines: Ticks of the barlines, `int64[B]`.
        lowest: Number of the first bar.
    """
    highest = len(lines) - 2 + lowest
    first = lowest if bars[0] is None else bars[0]
    last = highest if bars[1] is None else bars[1]
    if bars != (None, None) and not lowest <= first <= last <= highest:
        raise MidiError(
            f"bars must be among the piece's, {lowest} to {highest}. Received: {first} to {last}. "
            "Bars are counted from 1, a pickup being 0."
        )
    return int(lines[first - lowest]), None if bars[1] is None else int(lines[last - lowest + 1])


def against(path: str | Path, split: str | None = None) -> Index:
    """Return the index of training pieces.

    Args:
        path: A token store; a checkpoint, by name or path; or the file of an index.
        split: Part of a store: "train", the default, or "all" to include the held-out pieces.

    Raises:
        CheckpointError: A checkpoint has no index, or a damaged one; or a checkpoint was given with
            a `split`.
        MusegenError: There is none of these at the path.
    """
    if is_store(Path(path)):
        store = Store(path)
        chosen = None if split == "all" else store.split("train")
        return Index.of_tokens(store, store.encoder, chosen)
    if split is not None:
        raise CheckpointError(
            "a split is part of a token store, as musegen encode makes it. Received: "
            f"{path}. Leave --split out: a checkpoint's index has the pieces that it was "
            "trained on."
        )
    return Index.load(path if Path(path).is_file() else checkpoints.find(path))


def index_checkpoint(
    name_or_path: str | Path, store: str | Path, *, force: bool = False
) -> tuple[Index, str]:
    """Write the index of a store's train split into a checkpoint that has none.

    Args:
        name_or_path: The checkpoint.
        store: Its training data.
        force: Replace an index that it has.

    Returns:
        The index; and a warning if the store may not be the checkpoint's training data, or an empty
        text.

    Raises:
        CheckpointError: There is no such checkpoint, or the store has another encoding.
        MusegenError: There is no such store, or there is an index and `force` is false.
    """
    found, pieces = checkpoints.load(name_or_path), Store(store)
    refuse_to_overwrite(found.path / FILE, force)
    if changed := differences(found.encoder, pieces.encoder.config):
        raise CheckpointError(
            f"the index of {found.name} must be of the pieces that it was trained on. Received: "
            f"{pieces.path}, encoded with other settings: {changed}. Encode the pieces with the "
            "checkpoint's."
        )
    index = Index.of_tokens(pieces, pieces.encoder, pieces.split("train"))
    trained = found.provenance.get("data", {}).get("train", {}).get("pieces", index.in_all)
    warning = ""
    if trained != index.in_all:
        warning = (
            f"{found.name} was trained on {trained} pieces, the train split of {pieces.path} has "
            f"{index.in_all}."
        )
    index = Index(index.kept._replace(in_all=max(trained, index.in_all)))
    index.save(found.path / FILE)
    return index, warning
