"""Convert a `Score` to a music21 stream."""

from __future__ import annotations

import io
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import Table, Track
from musegen.score.general_midi import PROGRAMS

if TYPE_CHECKING:
    from musegen.score.score import Score

__all__ = ["quiet", "to_music21"]

Row = tuple[int, int, int, int]
"""A note: onset and offset in ticks, pitch, velocity."""


def to_music21(score: Score) -> Any:
    """Return `score` as a `music21.stream.Score`: a part per track, with measures, ties and rests.

    Notes of one track that begin and end together are a chord; overlapping ones are in voices.
    Pitches are spelt by the key in force, by default C major. Drums are notes of their MIDI pitch
    in a part for unpitched percussion. Pedals are left out.

    Durations are exact. Quantise played music first (`encoder.quantise(score)`), or it is notated
    with many ties.
    """
    with quiet("the score"):
        from music21 import stream

        out = stream.Score()
        lines = score.barlines()
        for index, track in enumerate(score.tracks):
            notes = score.notes[score.notes["track"] == index]
            out.insert(0, _part(score, track, notes, lines.tolist(), with_tempos=index == 0))
        return out


def _part(score: Score, track: Track, notes: Table, lines: list[int], with_tempos: bool) -> Any:
    """Return one track as a `stream.Part` of measures."""
    from music21 import stream

    part = stream.Part()
    part.partName = track.name or None
    part.atSoundingPitch = True  # music21 transposes for a clarinet when it exports
    instrument = _instrument(track)
    instrument.partName = track.name or None
    part.insert(0, instrument)
    signs = _signs(score, with_tempos)
    bars = _by_bar(notes, lines)
    for number, (start, stop) in enumerate(pairwise(lines), start=1):
        measure = stream.Measure(number=number)
        while signs and signs[0][0] < stop:
            tick, sign = signs.pop(0)
            measure.insert(Fraction(tick - start, score.ticks_per_quarter), sign)
        _fill(measure, bars[number - 1], start, stop, score)
        # Otherwise a first bar that is cut short at its end would be read as a pickup.
        if number == 1:
            measure.paddingRight = max(
                _first_bar(score) - Fraction(stop, score.ticks_per_quarter), Fraction(0)
            )
        part.insert(Fraction(start, score.ticks_per_quarter), measure)
    return part


def _first_bar(score: Score) -> Fraction:
    """Return the length of a bar of the first time signature, in quarters."""
    meter = score.with_default_meter()[0]
    return Fraction(4 * int(meter["numerator"]), int(meter["denominator"]))


def _instrument(track: Track) -> Any:
    """Return the instrument of a track, unpitched only for drums: music21's taiko is replaced."""
    from music21 import instrument

    if track.is_drum:
        return instrument.UnpitchedPercussion()
    out = instrument.instrumentFromMidiProgram(track.program)
    if isinstance(out, instrument.UnpitchedPercussion):
        out = instrument.Instrument(PROGRAMS[track.program])
        out.midiProgram = track.program
    return out


def _signs(score: Score, with_tempos: bool) -> list[tuple[int, Any]]:
    """Return the meters, keys and, for the first part, tempos: (tick, music21 object), by tick."""
    from music21 import key, meter, tempo

    out: list[tuple[int, Any]] = [
        (row["tick"], meter.TimeSignature(f"{row['numerator']}/{row['denominator']}"))
        for row in score.with_default_meter()
    ]
    for tick, fifths, minor in score.keys.tolist():
        out.append((tick, key.KeySignature(fifths).asKey("minor" if minor else "major")))
    if with_tempos:
        out += [
            (tick, tempo.MetronomeMark(number=6e7 / micro)) for tick, micro in score.tempos.tolist()
        ]
    return sorted(((int(tick), sign) for tick, sign in out), key=lambda item: item[0])


def _by_bar(notes: Table, lines: list[int]) -> dict[int, list[Row]]:
    """Return bar → the notes that sound in it, not yet cut at its barlines."""
    out: dict[int, list[Row]] = defaultdict(list)
    onsets = notes["onset"].astype(np.int64)
    offsets = onsets + notes["duration"]
    firsts = np.searchsorted(lines, onsets, side="right") - 1
    lasts = np.searchsorted(lines, offsets, side="left") - 1
    columns = (firsts, lasts, onsets, offsets, notes["pitch"], notes["velocity"])
    for first, last, *row in zip(*(column.tolist() for column in columns), strict=True):
        for bar in range(first, last + 1):
            out[bar].append((row[0], row[1], row[2], row[3]))
    return out


def _fill(measure: Any, rows: list[Row], start: int, stop: int, score: Score) -> None:
    """Add the notes of a bar to a measure: cut at the barlines and tied, with rests between."""
    from music21 import chord

    # Notes that begin and end together are a chord.
    chords: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for onset, offset, pitch, velocity in rows:
        element = _note(pitch, velocity, score, onset)
        element.tie = _tie(onset < start, offset > stop)
        chords[max(onset, start), min(offset, stop)].append(element)
    for (begin, end), notes in chords.items():
        element = notes[0] if len(notes) == 1 else chord.Chord(notes)
        element.quarterLength = Fraction(end - begin, score.ticks_per_quarter)
        measure.insert(Fraction(begin - start, score.ticks_per_quarter), element)
    length = Fraction(stop - start, score.ticks_per_quarter)
    if len(measure.notes) > 1:
        measure.makeVoices(inPlace=True, fillGaps=False)  # no effect if nothing overlaps
    for voice in list(measure.voices) or [measure]:
        _rest(voice, length)


def _rest(voice: Any, length: Fraction) -> None:
    """Fill the gaps of a voice with rests, up to the end of the bar.

    music21's `makeRests` fills a bar of the time signature, but a bar can be cut short.
    """
    from music21 import note

    now: Any = 0
    sounding = sorted(
        (voice.elementOffset(element), element.quarterLength) for element in voice.notes
    )
    for start, duration in [*sounding, (length, 0)]:
        if start > now:
            voice.insert(now, note.Rest(quarterLength=start - now))
        now = max(now, start + duration)


def _tie(continued: bool, continues: bool) -> Any:
    """Return the tie of a note continued from the bar before, or into the next, or both."""
    from music21 import tie

    kinds = {(True, False): "stop", (False, True): "start", (True, True): "continue"}
    kind = kinds.get((continued, continues))
    return tie.Tie(kind) if kind else None


def _note(pitch: int, velocity: int, score: Score, onset: int) -> Any:
    """Return a `note.Note`, spelt by the key in force.

    Its name is one of twelve in a row on the line of fifths around the key's: in C major these are
    E flat to G sharp. None has a double accidental.
    """
    from music21 import note

    index = int(np.searchsorted(score.keys["tick"], onset, side="right")) - 1
    key = int(score.keys["fifths"][index]) if index >= 0 else 0
    flattest = min(max(key - 3, -8), 1)  # F flat to B sharp
    fifths = (7 * pitch - flattest) % 12 + flattest  # from C
    sharps, letter = divmod(fifths + 1, 7)
    out = note.Note("FCGDAEB"[letter] + ("#" * sharps if sharps > 0 else "-" * -sharps))
    out.octave = (pitch - sharps) // 12 - 1
    out.volume.velocity = velocity
    return out


@contextmanager
def quiet(what: str) -> Iterator[None]:
    """Suppress music21's warnings, and raise `MidiError` for any exception.

    Args:
        what: What music21 reads or makes, for the message.
    """
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except MidiError:
        raise
    except Exception as error:  # music21 raises any exception, such as IndexError and KeyError
        reason = f"{type(error).__name__}: {error}".strip(": ")
        raise MidiError(
            f"{what}: music21 cannot read it ({reason}). "
            "Open it in a notation program and export it again."
        ) from error
