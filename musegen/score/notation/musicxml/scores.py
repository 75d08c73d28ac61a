"""Make a `Score` of the parts that have been read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from musegen.errors import MidiError
from musegen.score.columns import CHORD, KEY, NOTE, TEMPO, Track, table
from musegen.score.general_midi import DEFAULT_VELOCITY, MAX_TEMPO
from musegen.score.notation.bars import TICKS_PER_QUARTER, lay_out_bars
from musegen.score.notation.musicxml.instruments import Instrument
from musegen.score.notation.musicxml.layout import Layout, first, lay_out
from musegen.score.notation.musicxml.parts import Part
from musegen.score.notation.musicxml.signs import Tempo
from musegen.score.notation.musicxml.written import Note
from musegen.score.notation.tables import WrittenNote, changes, sounding
from musegen.score.score import Score

__all__ = ["MOST_TRACKS", "score_of"]

MOST_TRACKS = 1000  # staffs, and instruments on them; an orchestra has a tenth


def score_of(parts: Sequence[Part]) -> Score:
    """Return the music of all parts, at 480 ticks per quarter.

    Raises:
        MidiError: It is too long, or has too many parts.
    """
    layout = lay_out(parts)
    tracks: list[Track] = []
    rows: list[tuple[int, ...]] = []
    for index, part in enumerate(parts):
        for track, notes in _tracks(layout, index, part):
            rows += [(*note, len(tracks)) for note in sounding(notes)]
            tracks.append(track)
    if len(tracks) > MOST_TRACKS:
        raise MidiError(
            f"at most {MOST_TRACKS:,} parts, staffs and instruments were expected; received: "
            f"{len(tracks):,}. Divide the score."
        )

    def signs(name: str) -> Iterator[tuple[int, Any]]:
        for index, part in enumerate(parts):
            yield from layout.at_ticks(index, getattr(part, name))

    pad, meters, end = lay_out_bars(layout.bars, layout.meters, pickup=layout.may_have_pickup)
    score = Score(
        notes=table(NOTE, rows),
        tracks=tuple(tracks),
        ticks_per_quarter=TICKS_PER_QUARTER,
        tempos=changes(TEMPO, _tempos(signs("tempos"))),
        keys=changes(KEY, first(signs("keys"))),
        chords=changes(CHORD, first(signs("chords"))),
    ).shift(pad)
    return replace(score, meters=meters, end=max(end, score.end))


_Place: TypeAlias = tuple[str, int, bool]
"""Staff, program, and whether it is a drum kit: what makes a track of a part."""


class _Course:
    """A value that changes at ticks.

    Args:
        initial: The value before the first change.
        changes: Ticks and values; of one tick, the last counts.
    """

    def __init__(self, initial: int, changes: Iterable[tuple[int, int]]) -> None:
        in_order = sorted(changes, key=lambda change: change[0])
        self._ticks = [tick for tick, _ in in_order]
        self._values = [initial, *(value for _, value in in_order)]

    def at(self, tick: int) -> int:
        """Return the value from the last change at or before a tick."""
        return self._values[bisect_right(self._ticks, tick)]


def _tracks(layout: Layout, index: int, part: Part) -> list[tuple[Track, list[WrittenNote]]]:
    """Return the notes of a part by track: one for each staff, program and drum kit in it.

    Velocities and programs hold from their tick on, in any order in the file: the
    voices of a measure follow one another there. Tied notes are in one track. A part without notes
    has a track, too.
    """
    instruments = part.info.instruments
    velocities = _Course(DEFAULT_VELOCITY, _levels(layout.at_ticks(index, part.levels)))
    program_changes: dict[str, list[tuple[int, int]]] = {}
    for tick, (name, program) in layout.at_ticks(index, part.programs):
        program_changes.setdefault(name, []).append((tick, program))
    programs = {
        name: _Course(instruments.get(name, Instrument()).program, program_changes.get(name, ()))
        for name in {*instruments, *(note.instrument for note in part.notes)}
    }

    tracks: dict[_Place, list[WrittenNote]] = {}
    tied: dict[tuple[int, int], dict[_Place, None]] = {}  # (end, pitch) → where a tie began
    timed = ((layout.tick(index, note.measure, note.onset), note) for note in part.notes)
    for onset, note in sorted(timed, key=lambda each: each[0]):
        end = max(_end(layout, index, part, note), onset + 1)
        program = 0 if note.is_drum else programs[note.instrument].at(onset)
        place = note.staff, program, note.is_drum
        before = tied.get((onset, note.pitch)) if note.stops else None
        if before and place not in before:
            place = next(iter(before))
        if note.starts:
            tied.setdefault((end, note.pitch), {})[place] = None
        velocity = note.velocity or velocities.at(onset)
        written = WrittenNote(onset, end, note.pitch, velocity, note.stops, note.starts)
        tracks.setdefault(place, []).append(written)

    if not tracks:
        default = next(iter(instruments.values()), Instrument())
        tracks["1", 0 if default.is_drum else default.program, default.is_drum] = []
    return [
        (Track(part.info.name, program, is_drum), tracks[staff, program, is_drum])
        for staff, program, is_drum in sorted(tracks, key=lambda place: place[0])
    ]


def _end(layout: Layout, index: int, part: Part, note: Note) -> int:
    """Return the tick where a note ends.

    A tie over the barline bridges what is missing at the end of a measure that is too short.
    """
    following = note.measure + 1
    if (
        note.starts
        and note.end == part.written[note.measure].length
        and following < len(part.written)
    ):
        return layout.tick(index, following, 0.0)
    return layout.tick(index, note.measure, note.end)


def _levels(marks: Iterable[tuple[int, tuple[int, int]]]) -> Iterator[tuple[int, int]]:
    """Yield the changes of velocity at marks; that of an accent lasts for one tick."""
    level = DEFAULT_VELOCITY
    for tick, (velocity, after) in sorted(marks, key=lambda mark: mark[0]):
        level = after or level
        yield tick, velocity
        if velocity != level:
            yield tick + 1, level


def _tempos(signs: Iterable[tuple[int, tuple[Tempo, bool]]]) -> dict[int, tuple[int]]:
    """Return tick → microseconds per quarter.

    Where there are several tempos at a tick, one that is meant for playback counts rather than one
    that is printed, then that of the first part.
    """
    found: dict[int, tuple[int]] = {}
    quarters = 0.0  # per minute; 0 as long as no tempo is known
    by_tick = first(sorted(signs, key=lambda sign: (sign[0], not sign[1][1])))
    for tick, (tempo, _) in by_tick.items():
        stated = tempo.quarters or quarters * tempo.factor
        if stated and 1 <= round(60e6 / stated) <= MAX_TEMPO:
            quarters = stated
            found[tick] = (round(60e6 / stated),)
    return found
