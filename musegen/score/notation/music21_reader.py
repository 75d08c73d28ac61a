"""music21 streams to `Score`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import KEY, METER, NOTE, TEMPO, Table, Track, table
from musegen.score.export.music21 import quiet
from musegen.score.score import Score

__all__ = ["from_music21"]

TICKS_PER_QUARTER = 480
DEFAULT_VELOCITY = 80
DEFAULT_DRUM = 38  # an unpitched note that names no instrument: General MIDI's acoustic snare
MAX_MICROSECONDS = 2**24 - 1  # a MIDI file's tempo has three bytes


def from_music21(stream: Any) -> Score:
    """Return the music of a music21 stream, at 480 ticks per quarter.

    Grace notes and chord symbols are left out, repeats are not expanded, ties are merged. Where
    one track strikes a pitch that still sounds, the earlier note ends there. A pickup gets a rest
    on its left, so that barlines are where the time signatures say; see the table above.

    Args:
        stream: A `music21.stream.Stream`: a score, a part, a measure.

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
    """Return the music of a stream that is not an opus."""
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
            bars, cut_short = _measures(sounding, start), _is_cut_short(sounding)
    pad, meters, end = _lay_out_bars(bars, timeline.meters, pickup=not cut_short)
    score = Score(
        notes=table(NOTE, rows),
        tracks=tuple(tracks),
        ticks_per_quarter=TICKS_PER_QUARTER,
        tempos=timeline.table(TEMPO, timeline.tempos),
        keys=timeline.table(KEY, timeline.keys),
    ).shift(pad)
    return replace(score, meters=meters, end=max(end, score.end))


def _ticks(quarters: Any) -> int:
    ticks: int = round(quarters * TICKS_PER_QUARTER)
    return ticks


def _at_sounding_pitch(part: Any) -> Any:
    """Return the part as it sounds (a clarinet in B flat is written a tone higher)."""
    if part.atSoundingPitch is not True and any(
        i.transposition is not None for i in part.getInstruments(returnDefault=False, recurse=True)
    ):
        return part.toSoundingPitch(inPlace=False)
    return part


def _track(part: Any, flat: Any) -> tuple[Track, int]:
    """Return the part's track, and the key of the drum kit for its unpitched notes."""
    from music21.instrument import UnpitchedPercussion
    from music21.note import Unpitched
    from music21.percussion import PercussionChord

    first = part.getInstrument(returnDefault=False)
    name = (
        getattr(part, "partName", None)
        or (first and (first.partName or first.instrumentName))
        or ""
    )
    struck = [isinstance(n, Unpitched | PercussionChord) for n in flat.notes]
    is_drum = isinstance(first, UnpitchedPercussion) or (bool(struck) and all(struck))
    program = 0 if is_drum else getattr(first, "midiProgram", None) or 0
    drum = getattr(first, "percMapPitch", None) or DEFAULT_DRUM
    return Track(str(name), int(program), is_drum), drum


def _notes(flat: Any, start: Any, drum: int) -> list[tuple[int, int, int, int]]:
    """Return the flattened part's (onset, duration, pitch, velocity), ties merged, none overlapping."""
    from music21.harmony import Harmony

    rows = []  # (onset, end, pitch, velocity, goes on from the note before)
    for element in flat.notes:
        if isinstance(element, Harmony) or element.duration.isGrace or not element.quarterLength:
            continue
        offset = start + flat.elementOffset(element)
        onset, end = _ticks(offset), _ticks(offset + element.quarterLength)
        for note in getattr(element, "notes", (element,)):
            # Not `.midi`, which moves what MIDI cannot carry by octaves without a word.
            pitch = round(note.pitch.ps) if getattr(note, "isNote", False) else drum
            held = (note.tie or element.tie) is not None and (
                note.tie or element.tie
            ).type != "start"
            velocity = note.volume.velocity or element.volume.velocity or DEFAULT_VELOCITY
            rows.append((onset, max(end, onset + 1), pitch, int(np.clip(velocity, 1, 127)), held))
    # At one onset the longest of a pitch stays, and a tie's end goes before a new stroke.
    rows.sort(key=lambda row: (row[2], row[0], not row[4], -row[1]))
    merged: list[tuple[int, int, int, int]] = []
    for onset, end, pitch, velocity, held in rows:
        if not 0 <= pitch <= 127:
            raise MidiError(
                f"pitch must be 0 to 127. Received: {pitch}. Transpose the piece by octaves."
            )
        if merged and merged[-1][2] == pitch and onset <= merged[-1][1]:
            first, before, _, loudness = merged[-1]
            if onset == first or (held and onset == before):
                merged[-1] = (first, max(before, end), pitch, loudness)
                continue
            merged[-1] = (first, onset, pitch, loudness)
        merged.append((onset, end, pitch, velocity))
    return [(onset, end - onset, pitch, velocity) for onset, end, pitch, velocity in merged]


class _Timeline:
    """Time signatures, key signatures and tempos of all parts, each tick once (the first part's wins)."""

    def __init__(self) -> None:
        self.meters: dict[int, tuple[int, int]] = {}
        self.keys: dict[int, tuple[int, bool]] = {}
        self.tempos: dict[int, tuple[int]] = {}

    def add(self, part: Any, start: Any) -> None:
        """Take what the part and its measures say."""
        for place in (part, *part.getElementsByClass("Measure")):
            at = start + (part.elementOffset(place) if place is not part else 0)
            for found in place.getElementsByClass(
                ("TimeSignature", "KeySignature", "MetronomeMark")
            ):
                self._take(found, _ticks(at + place.elementOffset(found)))

    def _take(self, found: Any, tick: int) -> None:
        if "TimeSignature" in found.classes:
            self.meters.setdefault(tick, (found.numerator, found.denominator))
        elif "KeySignature" in found.classes:
            if abs(found.sharps or 0) <= 7:
                minor = getattr(found, "mode", None) in ("minor", "aeolian")
                self.keys.setdefault(tick, (found.sharps or 0, minor))
        elif found.number is not None and not found.numberImplicit and found.getQuarterBPM():
            microseconds = round(60e6 / found.getQuarterBPM())
            if 1 <= microseconds <= MAX_MICROSECONDS:
                self.tempos.setdefault(tick, (microseconds,))

    @staticmethod
    def table(dtype: np.dtype[np.void], found: dict[int, Any]) -> Table:
        """Return one table, without rows that change nothing."""
        ticks = sorted(found)
        changes = [t for i, t in enumerate(ticks) if i == 0 or found[t] != found[ticks[i - 1]]]
        return table(dtype, [(tick, *found[tick]) for tick in changes])


def _measures(part: Any, start: Any) -> list[tuple[int, int]]:
    """Return each measure's first tick and length, in ticks; empty where the music has no measures."""
    measures = [part] if part.isMeasure else list(part.getElementsByClass("Measure"))
    if not measures:
        return []
    starts = [start if m is part else start + part.elementOffset(m) for m in measures]
    ends = [*starts[1:], starts[-1] + measures[-1].highestTime]
    bars = [(_ticks(at), _ticks(end) - _ticks(at)) for at, end in zip(starts, ends, strict=True)]
    if len(bars) == 1 and not getattr(measures[0], "paddingLeft", 0):
        return []  # one bar that is short is a short piece, not a pickup
    return [bar for bar in bars if bar[1] > 0]


def _is_cut_short(part: Any) -> bool:
    """Return whether the first measure says that it lacks its end: if it is short, it is no pickup."""
    first = part if part.isMeasure else part.getElementsByClass("Measure").first()
    return bool(getattr(first, "paddingRight", 0))


def _lay_out_bars(
    bars: list[tuple[int, int]], meters: dict[int, tuple[int, int]], *, pickup: bool
) -> tuple[int, Table, int]:
    """Fit time signatures to the bars on the page.

    Args:
        bars: First tick and length of each measure, in ticks.
        meters: Numerator and denominator from a tick on, as printed.
        pickup: Whether a first bar that is short is one.

    Returns:
        The ticks of rest that fill up the pickup; the time signatures, moved by those; and the end.
    """
    whole = 4 * TICKS_PER_QUARTER
    if not bars or not meters:
        ticks = sorted(meters)
        return 0, table(METER, [(t, *meters[t]) for t in ticks]), sum(bars[-1]) if bars else 0
    numerator, denominator = meters[min(meters)]
    meter = (numerator, denominator)
    length = whole * numerator // denominator
    pad = max(length - bars[0][1], 0) if pickup else 0
    rows = [(0, *meter)]
    anchor = 0
    starts = {start + pad for start, _ in bars[1:]} | {sum(bars[-1]) + pad}
    for start, duration in bars:
        at = start + pad if start > bars[0][0] else 0
        printed = meters.get(start, meter)
        phase = (at - anchor) % length
        # A bar inside another is a section's pickup if the two make a whole one; else the one is
        # short.
        broken = phase and at - phase + length not in starts and at + duration > at - phase + length
        if at and (printed != meter or broken):
            rows.append((at, *printed))
            anchor, meter = at, printed
            length = whole * meter[0] // meter[1]
    return pad, table(METER, rows), sum(bars[-1]) + pad
