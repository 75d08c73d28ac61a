"""What becomes of each note: computed from the score and the settings, for all notes at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.config import EncoderConfig
from musegen.encoding.bundle import STEP_BITS, Column
from musegen.encoding.metric import to_steps, without_overlaps
from musegen.encoding.report.subject import Piece

__all__ = ["DROPPED", "Fates", "fates", "to_seconds", "to_ticks"]

DROPPED = ("drums", "tracks", "length")
"""Why notes are dropped: the encoding has no drums, not enough parts, the piece is too long."""

STEPS_PER_SECOND = 100  # of the performance encoding


class Fates(NamedTuple):
    """What becomes of the notes; the columns have a row per note that is kept, in the order of the score."""

    dropped: dict[str, int]
    eligible: NDArray[np.bool_]
    """`bool[N]`: which of the score's notes are not dropped."""
    merged: int
    doubled: int
    """How many of the merged would be on any grid: they begin on the tick of another."""
    kept: Column
    """Index of the note in the score."""
    silent: Column
    """Tick where it stops to sound, as this encoding hears it: with the pedal or without."""
    onset: Column
    """Step where it begins …"""
    duration: Column
    """… for how many steps it lasts …"""
    wanted: Column
    """… and for how many it would, if nothing cut it short and a note could have no length."""

    def among(self, notes: Column) -> Fates:
        """Return the fates of some of the notes only, beside the same others; what is dropped stays of all.

        Args:
            notes: Their indices in the score.
        """
        chosen = np.zeros(len(self.eligible), bool)
        chosen[notes] = True
        rows, eligible = chosen[self.kept], self.eligible & chosen
        columns = (self.kept, self.silent, self.onset, self.duration, self.wanted)
        merged = int(eligible.sum() - rows.sum())
        return Fates(
            self.dropped,
            eligible,
            merged,
            min(self.doubled, merged),
            *(column[rows] for column in columns),
        )


def fates(subject: Piece, config: EncoderConfig, *, too_long: bool = False) -> Fates:
    """Return what becomes of the notes.

    Args:
        subject: The piece.
        config: The encoding.
        too_long: Whether it refuses the piece, whatever its tracks: then no note is kept.
    """
    notes, metric = subject.bundle.notes, config.encoding == "metric"
    unheard = subject.drum & (not metric or not config.drums)
    beyond = ~unheard & (notes.track >= config.parts) if metric else np.zeros(len(unheard), bool)
    eligible = ~(unheard | beyond)
    left = eligible & too_long
    dropped = dict(zip(DROPPED, (int(why.sum()) for why in (unheard, beyond, left)), strict=True))
    eligible &= not too_long
    index = eligible.nonzero()[0]
    lifted, silent = (
        (subject.lifted, subject.silent)
        if config.sustain and not metric
        else (subject.released,) * 2
    )
    onset = _steps(subject, config, notes.onset[index])
    lasts = _steps(subject, config, lifted[index]) - onset
    wanted = lasts if silent is lifted else _steps(subject, config, silent[index]) - onset
    voice = notes.pitch[index] + (notes.track[index] << 7 if metric else 0)
    stays, duration = without_overlaps(voice, onset, np.maximum(lasts, 1))
    merged = int((~stays).sum())
    doubled = (
        len(voice) - len(np.unique((voice << STEP_BITS) + notes.onset[index])) if merged else 0
    )
    columns = (index, silent[index], onset, duration, wanted)
    return Fates(dropped, eligible, merged, doubled, *(column[stays] for column in columns))


def _steps(subject: Piece, config: EncoderConfig, ticks: Column) -> Column:
    """Return the encoding's nearest step of each tick."""
    if config.encoding == "performance":
        return subject.steps(ticks)
    return to_steps(ticks, subject.bundle.ticks_per_quarter, config.steps_per_quarter)


def to_ticks(subject: Piece, config: EncoderConfig, steps: Column) -> NDArray[np.float64]:
    """Return where the encoding's steps are in the piece, in ticks."""
    if config.encoding == "performance":
        return subject.score.ticks(steps / STEPS_PER_SECOND)
    return steps * subject.score.ticks_per_quarter / config.steps_per_quarter


def to_seconds(subject: Piece, config: EncoderConfig, steps: Column) -> NDArray[np.float64]:
    """Return where the encoding's steps are in the piece, in seconds of its own tempo map."""
    if config.encoding == "performance":
        return steps / STEPS_PER_SECOND
    return subject.score.seconds(to_ticks(subject, config, steps))
