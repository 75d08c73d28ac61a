"""Count the pieces of a piano-roll data set, and write them as MIDI files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from musegen.data.pianoroll.converting import frame_ticks, to_score
from musegen.data.pianoroll.kinds import Frames, Kind
from musegen.data.pianoroll.reading import SPLITS, PianoRolls
from musegen.utils.files import refuse_foreign, remove_files

__all__ = ["Counts", "counts", "write_folder"]

PIECE = re.compile(r"[0-9]{3,}\.mid")


@dataclass(frozen=True)
class Counts:
    """The size of some pieces, in the units in which likelihoods are published.

    Attributes:
        pieces: Pieces.
        frames: Frames.
        predicted: All frames but the first of each piece: the unit of models that are given it.
        silent_frames: Frames in which nothing sounds.
        cells: Entries of the frames: one for each voice in each frame, or the pitches of chords.
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
    """Count pieces of one kind.

    >>> from musegen.data.pianoroll import Voices
    >>> counts(Voices(1), [np.array([[60], [60], [-1], [62]])]).notes
    2
    """
    lengths = [len(frames) for frames in pieces]
    sounding = [kind.sounding(frames) for frames in pieces]
    pitches = sum(int(np.count_nonzero(rows)) for rows in sounding)
    silent_cells = sum(frames.size for frames in pieces) - pitches if kind.name == "voices" else 0
    return Counts(
        pieces=len(lengths),
        frames=sum(lengths),
        predicted=sum(max(length - 1, 0) for length in lengths),
        silent_frames=sum(int(np.count_nonzero(~rows.any(axis=1))) for rows in sounding),
        cells=pitches + silent_cells,
        silent_cells=silent_cells,
        notes=sum(len(kind.notes(frames).pitch) for frames in pieces),
        longest=max(lengths, default=0),
    )


def write_folder(
    rolls: PianoRolls,
    folder: str | Path,
    grid: Fraction | None = None,
    *,
    force: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write each piece as a MIDI file: `train/000.mid`, `validation/000.mid` and so on.

    The same pieces always give the same bytes.

    >>> import tempfile
    >>> from musegen.data.pianoroll import Voices
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_folder(PianoRolls(Voices(1), {"train": [np.array([[60], [62]])]}, ()), folder)
    >>> [path.name for path in (folder / "train").iterdir()]
    ['000.mid']

    Args:
        rolls: The data set.
        folder: Made if it is missing.
        grid: Quarters per frame. Default: that of the published data sets, `rolls.kind.grid`.
        force: Write into a folder that is not empty: the files of an earlier run are replaced, and
            no others.
        on_progress: Called with (pieces done, pieces in all).

    Raises:
        ConfigError: A frame is no whole number of ticks.
        MusegenError: The folder is not empty and `force` is false, or it cannot be written.
    """
    folder = Path(folder)
    grid = grid or rolls.kind.grid
    frame_ticks(grid)  # refuses a grid before `force` removes files
    remedy = (
        "Choose another place with -o, or pass --force to replace what an earlier run wrote there."
    )
    refuse_foreign(folder, lambda path: not force, "a new or an empty folder", remedy)
    for split in SPLITS:
        remove_files(folder / split, PIECE)
    total = sum(map(len, rolls.splits.values()))
    done = 0
    for split, pieces in rolls.splits.items():
        for number, frames in enumerate(pieces):
            to_score(frames, grid).save(folder / split / f"{number:03}.mid")
            done += 1
            on_progress(done, total)
