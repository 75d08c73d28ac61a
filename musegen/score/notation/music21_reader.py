"""Convert music21 streams to `Score`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import KEY, NOTE, TEMPO, Track, table
from musegen.score.export.music21 import quiet
from musegen.score.general_midi import DEFAULT_VELOCITY, MAX_TEMPO
from musegen.score.notation.bars import (
    TICKS_PER_QUARTER,
    bars_on_page,
    is_cut_short,
    lay_out_bars,
    to_ticks,
)
from musegen.score.notation.tables import WrittenNote, changes, sounding
from musegen.score.score import Score

__all__ = ["from_music21"]

DEFAULT_DRUM = 38  # General MIDI's acoustic snare, for unpitched notes without an instrument


def from_music21(stream: Any) -> Score:
    """Return the music of a music21 stream, at 480 ticks per quarter.

    Grace notes and chord symbols are left out, repeats are not expanded, ties are merged. Where
    one track repeats a pitch that still sounds, the earlier note ends there. A pickup is padded
    with a rest on its left, so that barlines agree with the time signatures; see the table in
    `musegen.score.notation`.

    Args:
        stream: A `music21.stream.Stream`: a score, a part or a measure.

    Raises:
        MidiError: `stream` is an opus (several pieces), or not a stream.
    """
    if "Opus" in getattr(stream, "classes", ()):
        count = len(stream.scores)
        raise MidiError(f"an Opus holds {count} pieces, expected one. Pick one: opus.scores[0].")
    if not getattr(stream, "isStream", False):
        raise MidiError(f"expected a music21 stream. Received: {type(stream).__name__}.")
    with quiet("the stream"):
        return _convert(stream)


def _convert(stream: Any) -> Score:
    """Return the music of a stream with one piece."""
    tracks: list[Track] = []
    rows: list[tuple[int, ...]] = []
    bars: list[tuple[int, int]] = []
    cut_short = False
    timeline = _Timeline()
    for part in list(getattr(stream, "parts", ())) or [stream]:
        start = stream.elementOffset(part) if part is not stream else 0
        sounding = _at_sounding_pitch(part)
        flat = sounding.flatten()
        track, drum = _track(sounding, flat)
        rows += [(*note, len(tracks)) for note in _notes(flat, start, drum)]
        tracks.append(track)
        timeline.add(sounding, start)
        if not bars:
            bars, cut_short = bars_on_page(sounding, start), is_cut_short(sounding)
    pad, meters, end = lay_out_bars(bars, timeline.meters, pickup=not cut_short)
    score = Score(
        notes=table(NOTE, rows),
        tracks=tuple(tracks),
        ticks_per_quarter=TICKS_PER_QUARTER,
        tempos=changes(TEMPO, timeline.tempos),
        keys=changes(KEY, timeline.keys),
    ).shift(pad)
    return replace(score, meters=meters, end=max(end, score.end))


def _at_sounding_pitch(part: Any) -> Any:
    """Return the part at sounding pitch (a clarinet in B flat is written a tone higher)."""
    if part.atSoundingPitch is True:
        return part
    instruments = part.getInstruments(returnDefault=False, recurse=True)
    if all(instrument.transposition is None for instrument in instruments):
        return part
    return part.toSoundingPitch(inPlace=False)


def _track(part: Any, flat: Any) -> tuple[Track, int]:
    """Return the part's track, and the drum pitch for its unpitched notes."""
    from music21.instrument import UnpitchedPercussion
    from music21.note import Unpitched
    from music21.percussion import PercussionChord

    instrument = part.getInstrument(returnDefault=False)
    name = getattr(part, "partName", None)
    if not name and instrument:
        name = instrument.partName or instrument.instrumentName
    unpitched = [isinstance(note, Unpitched | PercussionChord) for note in flat.notes]
    is_drum = isinstance(instrument, UnpitchedPercussion) or (bool(unpitched) and all(unpitched))
    program = 0 if is_drum else getattr(instrument, "midiProgram", None) or 0
    drum = getattr(instrument, "percMapPitch", None) or DEFAULT_DRUM
    return Track(str(name or ""), int(program), is_drum), drum


def _notes(flat: Any, start: Any, drum: int) -> list[tuple[int, int, int, int]]:
    """Return (onset, duration, pitch, velocity) of a flattened part; no two notes overlap."""
    from music21.harmony import Harmony

    rows = []
    for element in flat.notes:
        if isinstance(element, Harmony) or element.duration.isGrace or not element.quarterLength:
            continue
        offset = start + flat.elementOffset(element)
        onset, end = to_ticks(offset), to_ticks(offset + element.quarterLength)
        for note in getattr(element, "notes", (element,)):
            # Not `.midi`, which silently moves pitches outside MIDI's range by octaves.
            own = getattr(note.storedInstrument, "percMapPitch", None) or drum
            pitch = round(note.pitch.ps) if getattr(note, "isNote", False) else own
            tie = note.tie or element.tie
            velocity = note.volume.velocity or element.volume.velocity or DEFAULT_VELOCITY
            kind = tie.type if tie is not None else ""
            rows.append(
                WrittenNote(
                    onset,
                    max(end, onset + 1),
                    pitch,
                    int(np.clip(velocity, 1, 127)),
                    stops=kind in ("stop", "continue"),
                    starts=kind in ("start", "continue"),
                )
            )
    return sounding(rows)


class _Timeline:
    """Time signatures, key signatures and tempos of all parts.

    Where several parts have one at the same tick, that of the first part is kept.
    """

    def __init__(self) -> None:
        self.meters: dict[int, tuple[int, int]] = {}
        self.keys: dict[int, tuple[int, bool]] = {}
        self.tempos: dict[int, tuple[int]] = {}

    def add(self, part: Any, start: Any) -> None:
        """Add the signatures and tempos of a part and its measures."""
        for place in (part, *part.getElementsByClass("Measure")):
            offset = start + (part.elementOffset(place) if place is not part else 0)
            classes = ("TimeSignature", "KeySignature", "MetronomeMark")
            for sign in place.getElementsByClass(classes):
                self._add_sign(sign, to_ticks(offset + place.elementOffset(sign)))

    def _add_sign(self, sign: Any, tick: int) -> None:
        """Add a signature or a tempo, unless a score cannot hold it."""
        if "TimeSignature" in sign.classes:
            self.meters.setdefault(tick, (sign.numerator, sign.denominator))
        elif "KeySignature" in sign.classes:
            if abs(sign.sharps or 0) <= 7:
                minor = getattr(sign, "mode", None) in ("minor", "aeolian")
                self.keys.setdefault(tick, (sign.sharps or 0, minor))
        elif _states_number(sign) and sign.getQuarterBPM():
            microseconds = round(60e6 / sign.getQuarterBPM())
            if 1 <= microseconds <= MAX_TEMPO:
                self.tempos.setdefault(tick, (microseconds,))


def _states_number(mark: Any) -> bool:
    """Return whether a metronome mark has a number on the page or for playback."""
    printed = mark.number is not None and not mark.numberImplicit
    return printed or mark.numberSounding is not None
