"""A data set of frames, counted, and written as folders of MIDI files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from musegen.data.pianoroll.converting import TICKS_PER_QUARTER, frame_ticks, to_score
from musegen.data.pianoroll.kinds import Frames, Kind
from musegen.data.pianoroll.reading import SPLITS, PianoRolls
from musegen.errors import MusegenError

__all__ = ["Counts", "counts", "write_folder"]

PIECE = re.compile(r"[0-9]{3,}\.mid")


@dataclass(frozen=True)
class Counts:
    """How much is in some pieces, in the units that likelihoods are published in.

    Attributes:
        pieces: Pieces.
        frames: Frames; `predicted` of them, all but the first of each piece.
        predicted: What models count that are not asked for the first frame.
        silent_frames: Frames in which nothing sounds.
        cells: What the frames say: an entry for each voice in each frame, or the pitches of each
            chord.
        silent_cells: Cells that are rests; chords have none.
        notes: Notes, as `to_score` makes them.
        longest: Frames of the longest piece.
    """

    pieces: int
    frames: int
    predicted: int
    silent_frames: int
    cells: int
    silent_cells: int
    notes: int
    longest: int


def counts(kind: Kind, pieces: Sequence[Frames]) -> Counts:
    """Count some pieces of one kind."""
    lengths = [len(frames) for frames in pieces]
    sounding = [kind.sounding(frames) for frames in pieces]
    heard = sum(int(np.count_nonzero(cells)) for cells in sounding)
    cells = sum(kind.cells(frames) for frames in pieces)
    return Counts(
        pieces=len(lengths),
        frames=sum(lengths),
        predicted=sum(max(length - 1, 0) for length in lengths),
        silent_frames=sum(int(np.count_nonzero(~cells.any(axis=1))) for cells in sounding),
        cells=cells,
        silent_cells=cells - heard,
        notes=sum(len(kind.notes(frames).pitch) for frames in pieces),
        longest=max(lengths, default=0),
    )


def write_folder(
    grids: PianoRolls,
    folder: str | Path,
    grid: Fraction | None = None,
    *,
    force: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write every piece as a MIDI file: `train/000.mid` and so on, `validation/…`, `test/…`, always the same bytes.

    Args:
        grids: The data set.
        folder: Made if missing.
        grid: Quarters in a frame; that of the published sets if left out, `grids.kind.grid`.
        force: Write into a folder with something in it: what an earlier run wrote is removed, and
            nothing else.
        on_progress: Called with the pieces done and the pieces in all.

    Raises:
        ConfigError: A frame has no whole number of ticks.
        MusegenError: The folder is not empty and `force` is false, or it cannot be written.
    """
    folder, grid = Path(folder), grid or grids.kind.grid
    pieces = [
        (split, number, frames)
        for split, these in grids.splits.items()
        for number, frames in enumerate(these)
    ]
    frame_ticks(
        grid, TICKS_PER_QUARTER
    )  # or what --force removes would be gone before the grid is refused
    _make_room(folder, force)
    for done, (split, number, frames) in enumerate(pieces, 1):
        to_score(frames, grid).save(folder / split / f"{number:03}.mid")
        on_progress(done, len(pieces))


def _make_room(folder: Path, force: bool) -> None:
    """Make sure that nothing is overwritten, or that it may be."""
    try:
        if not force and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise MusegenError(
                f"{folder} must be a new or an empty folder. Received: one with something in it. Choose another place "
                "with -o, or pass --force to replace what an earlier run wrote there."
            )
        for split in SPLITS:
            for path in (folder / split).glob("*.mid"):
                if PIECE.fullmatch(path.name):
                    path.unlink()
    except OSError as error:
        raise MusegenError(
            f"cannot write to {folder}: {error.strerror or error}. Choose another place with -o."
        ) from error
