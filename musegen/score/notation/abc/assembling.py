"""Make a `Score` of the voices of an ABC tune."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from musegen.score.columns import CHORD, KEY, NOTE, TEMPO, Track, table
from musegen.score.notation.abc.settings import WHOLE
from musegen.score.notation.abc.voice import Voice
from musegen.score.notation.bars import TICKS_PER_QUARTER, lay_out_bars
from musegen.score.notation.tables import WrittenNote, changes, sounding
from musegen.score.score import Score

__all__ = ["assembled"]

Sign = TypeVar("Sign")


def assembled(voices: Iterable[Voice]) -> Score:
    """Return the score of some voices, in the bars of the longest.

    Where voices differ in a time signature, key, tempo or chord symbol, that of the longest voice
    is kept, else that of the first.
    """
    voices = [voice for voice in voices if voice.end]
    if not voices:
        return Score(ticks_per_quarter=TICKS_PER_QUARTER)
    longest = max(voices, key=lambda voice: (voice.end, len(voice.bars)))
    ranked = [longest, *voices]
    bars = _bars(longest)
    printed = _at_bars(_by_tick(voice.meters for voice in ranked), bars)
    # The first bar is a pickup if it is short; in free meter none is.
    pad, meters, end = lay_out_bars(bars, printed, pickup=len(bars) > 1 and 0 in printed)
    tracks: list[Track] = []
    notes: list[tuple[int, int, int, int, int]] = []
    for voice in voices:
        for (program, is_drum), written in zip(voice.instruments, _written(voice), strict=True):
            notes += [(*note, len(tracks)) for note in sounding(written)]
            tracks.append(Track(voice.name, program, is_drum))
        if not voice.instruments:
            tracks.append(Track(voice.name))
    score = Score(
        notes=table(NOTE, notes),
        tracks=tuple(tracks),
        ticks_per_quarter=TICKS_PER_QUARTER,
        tempos=changes(TEMPO, _by_tick(voice.tempos for voice in ranked)),
        keys=changes(KEY, _by_tick(voice.keys for voice in ranked)),
        chords=changes(CHORD, _by_tick(voice.chords for voice in ranked)),
    ).shift(pad)
    return replace(score, meters=meters, end=max(end, score.end))


def _bars(voice: Voice) -> list[tuple[int, int]]:
    """Return the first tick and the length of each bar of a voice."""
    lines = voice.bars if voice.bars[-1] == voice.end else [*voice.bars, voice.end]
    ticks = [_tick(line) for line in lines]
    return [(first, last - first) for first, last in pairwise(ticks) if last > first]


def _at_bars(signs: dict[int, Sign], bars: list[tuple[int, int]]) -> dict[int, Sign]:
    """Return the signs at the beginnings of bars; one within a bar counts from the next bar on."""
    starts = [start for start, _ in bars]
    places = ((bisect_left(starts, tick), sign) for tick, sign in sorted(signs.items()))
    return {starts[place]: sign for place, sign in places if place < len(starts)}


def _written(voice: Voice) -> list[list[WrittenNote]]:
    """Return the notes of each instrument of a voice."""
    written: list[list[WrittenNote]] = [[] for _ in voice.instruments]
    for onset, length, pitch, velocity, instrument in voice.notes:
        first, last = _tick(onset), _tick(onset + length)
        written[instrument].append(
            WrittenNote(first, max(last, first + 1), pitch, velocity, False, False)
        )
    return written


def _by_tick(signs: Iterable[dict[int, Sign]]) -> dict[int, Sign]:
    """Return tick → sign of several voices; the first voice that has one there decides."""
    found: dict[int, Sign] = {}
    for own in signs:
        for time, sign in own.items():
            found.setdefault(_tick(time), sign)
    return found


def _tick(time: int) -> int:
    return (8 * TICKS_PER_QUARTER * time + WHOLE) // (2 * WHOLE)
