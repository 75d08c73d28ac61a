"""Written music (MusicXML, ABC, Humdrum) as a `Score`, read through music21.

What is on the page and what is in the score:

===================  =====================================================================
on the page          in the score
===================  =====================================================================
part                 one `Track`: its name, its instrument's General MIDI program
chord                its notes, each on its own
tied notes           one note
grace note           nothing: it has no length of its own
chord symbol         nothing: it is a label, not notes
repeat sign, ending  nothing: the bars are played once, in the order of the page
pickup               filled up to a whole bar with a rest on the left
short bar            a bar cut short by a time signature at the next barline, unless the
                     following short bars complete it (the end of one section and the
                     pickup of the next)
tempo in words       nothing: only a number is a tempo
===================  =====================================================================

music21 is imported when a function needs it, so that importing this module costs nothing.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from musegen.errors import MidiError
from musegen.score import KEY, METER, NOTE, TEMPO, Score, Table, Track, table

__all__ = [
    "NOTATION_SUFFIXES",
    "from_music21",
    "load_notation",
    "parse_abc",
    "parse_file",
    "read_text",
    "split_abc",
]

NOTATION_SUFFIXES = (".abc", ".krn", ".musicxml", ".mxl", ".xml")
"""The file name endings that `load_notation` reads."""

TICKS_PER_QUARTER = 480
DEFAULT_VELOCITY = 80
DEFAULT_DRUM = 38  # an unpitched note that names no instrument: General MIDI's acoustic snare
MAX_MICROSECONDS = 2**24 - 1  # a MIDI file's tempo has three bytes

# music21 takes ABC without a version line for ABC 1.3 and then lets an accidental govern one note
# alone; players, and the tune books it ships, let it govern its bar. Version 2.1 says so.
ABC_VERSION = (2, 1, 0)
ABC_FIELD = re.compile(r"[ \t]*[A-Za-z+]:(?![|:])|%")  # a line `A:|` is music
ABC_INLINE = r"\[([KLMQV]:[^\]]*)\]"
ABC_UNPLAYED = re.compile(
    r"""
      %.*                 # comment
    | "[^"]*"             # chord symbol or annotation
    | !([^!\s|]*!)?       # decoration, or an old line break
    | \{[^}]*\}           # grace notes
    | \[[A-Za-z]:[^]]*\]  # field within the line
    | \((?!\d) | \)       # slurs, not tuplets
    | [H-Wh-wy~.`\\]      # decorations by letter, spacing, line continuation
    | x(?=[ ]*(\|[|\]]|\[\||:))  # before a section's end: no rest, but what a mark is put on
    """,
    re.VERBOSE,
)


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
    with _quiet("the stream"):
        return _convert(stream)


def load_notation(path: str | Path) -> Score:
    """Read one piece of written music: .musicxml, .xml, .mxl, .abc or .krn.

    Raises:
        MidiError: The file is missing, is of another kind, cannot be read, holds no notes, or is
            an ABC file of several tunes.
    """
    path = Path(path)
    if path.suffix.lower() not in NOTATION_SUFFIXES:
        raise MidiError(
            f"{path}: not a notation file that can be read. Expected a name that ends in "
            f"{', '.join(NOTATION_SUFFIXES)}. Received: {path.suffix or 'no ending'}."
        )
    try:
        score = from_music21(parse_file(path))
    except MidiError as error:
        raise MidiError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    if not len(score):
        raise MidiError(f"{path}: no notes in it. Check that it opens in a notation program.")
    return score


def parse_file(path: Path) -> Any:
    """Parse a notation file into a music21 stream, without reading or writing music21's caches.

    Raises:
        MidiError: The file cannot be read, or is an ABC file of several tunes.
    """
    if path.suffix.lower() == ".abc":
        tunes = split_abc(read_text(path))
        if len(tunes) != 1:
            raise MidiError(
                f"{path}: {len(tunes)} tunes, expected one. Save one of them, from its X: line to the "
                "next X: line, as a file of its own."
            )
        return parse_abc(tunes[0])
    if not path.is_file():
        raise MidiError(f"{path}: no such file.")
    with _quiet(str(path)):
        from music21 import converter

        reader = converter.Converter()
        reader.parseFileNoPickle(path, forceSource=True)
        return reader.stream


def read_text(path: Path) -> str:
    """Return a text file's text: UTF-8, or Latin-1 where it is not that.

    Raises:
        MidiError: The file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MidiError(f"{path}: {error.strerror or error}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def split_abc(text: str) -> list[str]:
    """Split the text of an ABC file into its tunes, each from its `X:` line to the next.

    What stands before the first `X:` line (a version, fields for all tunes) goes before each tune.
    A text without an `X:` line is one tune.
    """
    starts = [match.start() for match in re.finditer(r"(?m)^[ \t]*X:", text)]
    if not starts:
        return [text]
    header = text[: starts[0]]
    # Prose before the first tune is not ABC; fields and directives are.
    shared = "".join(f"{line}\n" for line in header.splitlines() if re.match(r"%%|%abc-|[A-Z]:", line))
    ends = [*starts[1:], len(text)]
    return [shared + text[start:end] for start, end in zip(starts, ends, strict=True)]


def parse_abc(text: str) -> Any:
    """Parse one ABC tune into a `music21.stream.Score`.

    Raises:
        MidiError: music21 cannot parse it.
    """
    with _quiet("the ABC text"):
        from music21 import abcFormat

        handler = abcFormat.ABCFile(ABC_VERSION).readstr(_plain_abc(text))
        translate = abcFormat.translate
        rebar = translate.reBar
        # Where a bar has too many notes, reBar splits it with time signatures that are not on the
        # page, and moves the printed one. from_music21 lays out the bars itself.
        translate.reBar = lambda part, **_: part
        try:
            return translate.abcToStreamScore(handler)
        finally:
            translate.reBar = rebar


def _plain_abc(text: str) -> str:
    """Rewrite an ABC tune so that music21 reads its notes right.

    music21 10 loses notes under a fermata (`HB2`), misses dotted pairs across a slur's end or a tie
    (`G>)A`), makes a part of every line of a voice that comes back, passes over fields inside a line
    (`[M:3/4]`) and over the last field line before a bar. So what a score has no place for goes,
    each voice's lines come together, and each field in the music gets a line, said twice.
    """
    head, music = _split_header(text)
    voices: dict[str, list[str]] = {"": []}
    lines = voices[""]
    for line in music:
        fields = ABC_FIELD.match(line) is not None
        for part in [line] if fields else re.sub(ABC_INLINE, r"\n\1\n", line).split("\n"):
            if part.startswith("V:"):
                lines = voices.setdefault((part[2:].split() or ["1"])[0], [])
            elif ABC_FIELD.match(part):
                lines += [part] * (2 if part[0] in "KLMQ" else 1)
            else:
                lines.append(re.sub(r"-?([<>]+)-?", r"\1", ABC_UNPLAYED.sub("", part).replace("x", "z")))
    for name, part_lines in voices.items():
        head += [f"V:{name}", *part_lines] if name else part_lines
    return "\n".join(head)


def _split_header(text: str) -> tuple[list[str], list[str]]:
    """Return the lines up to the first `K:`, without the voices' descriptions, and the rest."""
    lines = text.split("\n")
    keys = [i for i, line in enumerate(lines) if line.lstrip().startswith("K:")]
    start = keys[0] + 1 if keys else 0
    return [line for line in lines[:start] if not line.startswith("V:")], lines[start:]


@contextmanager
def _quiet(what: str) -> Iterator[None]:
    """Hold back music21's warnings and turn whatever it raises into a `MidiError`."""
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    except MidiError:
        raise
    except Exception as error:  # music21's readers raise anything, IndexError and KeyError included
        reason = f"{type(error).__name__}: {error}".strip(": ")
        raise MidiError(
            f"{what}: music21 cannot read it ({reason}). Open it in a notation program and export it anew."
        ) from error


def _convert(stream: Any) -> Score:
    """Return the music of a stream that is not an opus."""
    tracks: list[Track] = []
    rows: list[tuple[int, ...]] = []
    bars: list[tuple[int, int]] = []
    timeline = _Timeline()
    for part in list(getattr(stream, "parts", ())) or [stream]:
        start = stream.elementOffset(part) if part is not stream else 0
        sounding = _at_sounding_pitch(part)
        flat = sounding.flatten()
        track, drum = _track(sounding, flat)
        rows += [(*note, len(tracks)) for note in _notes(flat, start, drum)]
        tracks.append(track)
        timeline.add(sounding, start)
        bars = bars or _measures(sounding, start)
    pad, meters, end = _lay_out_bars(bars, timeline.meters)
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
    name = getattr(part, "partName", None) or (first and (first.partName or first.instrumentName)) or ""
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
            held = (note.tie or element.tie) is not None and (note.tie or element.tie).type != "start"
            velocity = note.volume.velocity or element.volume.velocity or DEFAULT_VELOCITY
            rows.append((onset, max(end, onset + 1), pitch, int(np.clip(velocity, 1, 127)), held))
    # At one onset the longest of a pitch stays, and a tie's end goes before a new stroke.
    rows.sort(key=lambda row: (row[2], row[0], not row[4], -row[1]))
    merged: list[tuple[int, int, int, int]] = []
    for onset, end, pitch, velocity, held in rows:
        if not 0 <= pitch <= 127:
            raise MidiError(f"pitch must be 0 to 127. Received: {pitch}. Transpose the piece by octaves.")
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
            for found in place.getElementsByClass(("TimeSignature", "KeySignature", "MetronomeMark")):
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


def _lay_out_bars(bars: list[tuple[int, int]], meters: dict[int, tuple[int, int]]) -> tuple[int, Table, int]:
    """Fit time signatures to the bars on the page.

    Args:
        bars: First tick and length of each measure, in ticks.
        meters: Numerator and denominator from a tick on, as printed.

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
    pad = max(length - bars[0][1], 0)
    rows = [(0, *meter)]
    anchor = 0
    starts = {start + pad for start, _ in bars[1:]} | {sum(bars[-1]) + pad}
    for start, duration in bars:
        at = start + pad if start > bars[0][0] else 0
        printed = meters.get(start, meter)
        phase = (at - anchor) % length
        # A bar inside another is a section's pickup if the two make a whole one; else the one is short.
        broken = phase and at - phase + length not in starts and at + duration > at - phase + length
        if at and (printed != meter or broken):
            rows.append((at, *printed))
            anchor, meter = at, printed
            length = whole * meter[0] // meter[1]
    return pad, table(METER, rows), sum(bars[-1]) + pad
