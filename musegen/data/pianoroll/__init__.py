"""Piano rolls: data sets of chorales and folk songs in frames of equal length, to scores and back.

Likelihoods of such data sets are published in nats per frame (Boulanger-Lewandowski, Bengio and
Vincent 2012).

========  ================  =====================================================  =============
kind      frames            a note is                                              tracks
========  ================  =====================================================  =============
voices    int16[T, V]       a run of equal pitches in a voice; −1 is a rest        one per voice
chords    bool[T, 128]      a pitch in one frame: every frame is struck again      one
========  ================  =====================================================  =============

>>> import numpy as np
>>> from fractions import Fraction
>>> frames = np.array([[67, 60], [67, 62], [-1, 62]], np.int16)
>>> score = to_score(frames, Fraction(1, 4))
>>> score.notes[["onset", "duration", "pitch", "track"]].tolist()
[(0, 240, 67, 0), (0, 120, 60, 1), (120, 240, 62, 1)]
>>> to_frames(score, Fraction(1, 4), Voices(2)).tolist()
[[67, 60], [67, 62], [-1, 62]]
"""

from typing import Any

from musegen.data.pianoroll.converting import encoder_config, to_frames, to_score, trimmed
from musegen.data.pianoroll.kinds import SILENCE, Chords, Frames, Kind, Voices, kind_of
from musegen.data.pianoroll.reading import LOSSES, SPLITS, Loss, PianoRolls, read_pianorolls
from musegen.data.pianoroll.writing import Counts, counts, write_folder
from musegen.utils.deprecation import deprecated

__all__ = [
    "LOSSES",
    "SILENCE",
    "SPLITS",
    "Chords",
    "Counts",
    "Frames",
    "Kind",
    "Loss",
    "PianoRolls",
    "Voices",
    "counts",
    "encoder_config",
    "kind_of",
    "read_pianorolls",
    "to_frames",
    "to_score",
    "trimmed",
    "write_folder",
]

_RENAMED = {"Grids": "PianoRolls", "read_grids": "read_pianorolls"}


def __getattr__(name: str) -> Any:
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    deprecated(name, f"musegen.data.pianoroll.{_RENAMED[name]}")
    return globals()[_RENAMED[name]]
