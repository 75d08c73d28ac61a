"""Read a piece around bars that are to be filled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from musegen.encoding.encoder import Encoder
from musegen.encoding.gaps import Gap, borders
from musegen.encoding.normalise import pad_pickup
from musegen.encoding.rows import latest
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.errors import EncodingError, MidiError
from musegen.generation.primer import (
    LONGEST_CONTEXT,
    Reading,
    continuation_start,
    pick_tracks,
    prepare,
)
from musegen.score import Score, Table
from musegen.utils.arrays import Ints

__all__ = ["Bars", "GapInPiece", "bar_steps", "read_gap"]

Bars = tuple[int, int]
"""The first and the last bar, as musicians count: from 1, both included; a pickup is bar 0."""


@dataclass(frozen=True)
class GapInPiece:
    """Bars of a piece that are to be filled.

    Attributes:
        reading: The piece without the notes that begin in the bars; its `start` is the barline
            where they begin.
        gap: Where the bars are in `reading.tokens`.
        end: Tick of the barline where they end.
        kept: Notes of the piece that stay: all but those of the read tracks that begin in the bars.
    """

    reading: Reading
    gap: Gap
    end: int
    kept: Table


def read_gap(primer: Score, bars: Bars, encoder: Encoder) -> GapInPiece:
    """Encode a piece around some of its bars.

    The old notes of the bars are removed first: they do not influence the new ones.

    Args:
        primer: The piece, with one track per instrument.
        bars: The first and the last bar to fill.
        encoder: The model's.

    Raises:
        MidiError: There are no such bars, or no notes outside of them.
        EncodingError: The encoding has no bars, or cannot carry the tracks.
    """
    if encoder.config.encoding != "metric":
        raise EncodingError(
            "a gap is filled by a model of bars, with the encoding metric. Use another checkpoint."
        )
    if not len(primer):
        raise MidiError("the primer has no notes to read around the bars. Give a file with notes.")

    # Remove the notes that begin in the bars.
    finish = continuation_start(primer)
    start, end = _edges(primer, bars, finish)
    onset = primer.notes["onset"]
    inside = (onset >= start) & (onset < end)
    around = replace(primer, notes=primer.notes[~inside], end=finish)
    if not len(around):
        raise MidiError(
            f"there must be notes outside of the bars that are filled. Received: {bars[0]}-"
            f"{bars[1]}, and all notes begin there. Fill fewer bars, or compose from nothing: "
            "--new."
        )

    # Encode what is left; of a long piece only the last bars before the gap.
    picked, left_out = pick_tracks(around, encoder.config)
    prepared = prepare(around, picked, finish)
    music, moved = prepared.score, prepared.moved
    tokens, gap, steps = _located(music, start + moved, end + moved, encoder)
    if gap.opens > LONGEST_CONTEXT:
        lines = borders(tokens, encoder.vocabulary)
        first = int(np.searchsorted(lines, gap.opens - LONGEST_CONTEXT))
        moved -= int(music.barlines()[first])
        music = music[first:]
        tokens, gap, steps = _located(music, start + moved, end + moved, encoder)

    reading = Reading(around, start, music, tokens, steps, tuple(picked), left_out)
    replaced = inside & np.isin(primer.notes["track"], picked)
    return GapInPiece(reading, gap, end, primer.notes[~replaced])


def _edges(primer: Score, bars: Bars, finish: int) -> tuple[int, int]:
    """Return the ticks at which the bars begin and end."""
    lines = primer.barlines()
    lines = lines[lines <= finish]
    pickup = int(pad_pickup(primer) is not primer)
    lowest, highest = 1 - pickup, len(lines) - 1 - pickup
    if not lowest <= bars[0] <= bars[1] <= highest:
        raise MidiError(
            f"bars to fill must be among the piece's, {lowest} to {highest}. Received: {bars[0]}-"
            f"{bars[1]}. Bars are counted from 1, a pickup being 0; to continue after the last, "
            "leave out --fill."
        )
    return int(lines[bars[0] - lowest]), int(lines[bars[1] - lowest + 1])


def _located(music: Score, start: int, end: int, encoder: Encoder) -> tuple[Tokens, Gap, int]:
    """Encode music, and find the bars between two ticks in its tokens and on the grid.

    Returns:
        The tokens, the gap, and the step at which it opens.
    """
    tokens, vocabulary = encoder.encode(music), encoder.vocabulary
    lines = borders(tokens, vocabulary)
    steps = bar_steps(tokens, lines, vocabulary)
    wanted = np.array([start, end]) * encoder.config.steps_per_quarter / music.ticks_per_quarter
    opens, closes = np.abs(steps[:, None] - wanted).argmin(axis=0).tolist()
    opens = min(opens, len(lines) - 2)
    return tokens, Gap(int(lines[opens]), int(lines[max(closes, opens + 1)])), int(steps[opens])


def bar_steps(tokens: Tokens, lines: Ints, vocabulary: Vocabulary) -> Ints:
    """Return the step at which each bar begins, and that of the piece's end.

    A `time_signature` follows right after the `bar` where it takes effect.
    """
    kinds = vocabulary.kinds[tokens]
    changes = kinds[lines[:-1] + 1] == vocabulary.kind("time_signature")
    last = latest(changes)
    lengths = vocabulary.meter_steps[vocabulary.values[tokens[lines[:-1] + 1]][last]]
    return np.concatenate([[0], lengths.cumsum()])
