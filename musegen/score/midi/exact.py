"""Read any MIDI file exactly, in bulk: 1 µs a note and more.

It gives what `mido_reader.from_mido` does, which says how notes are grouped into tracks.
"""

from __future__ import annotations

import numpy as np

from musegen.errors import MidiError
from musegen.score.columns import KEY, METER, NOTE, PEDAL, TEMPO, Table, Track, columns, table
from musegen.score.general_midi import MAX_TRACKS
from musegen.score.midi.container import Layout
from musegen.score.midi.events import META, Events, read_events
from musegen.score.midi.meta import KEY_SIGNATURE, METER_TYPE, NAME_TYPE, TEMPO_TYPE, key_of
from musegen.score.midi.pairing import Pedals
from musegen.score.midi.tracking import Sounding, sounding
from musegen.score.score import Score
from musegen.utils.arrays import Bools, Ints

__all__ = ["read_exactly"]

# More do not fit into half a gigabyte. A symphony has a hundred thousand events.
_MAX_EVENTS = 1_500_000
_MAX_PEDALS = 4_000_000  # rows of the table, which repeats them for each track


def read_exactly(data: bytes, layout: Layout, name: str) -> Score:
    """Return the music of a MIDI file.

    >>> from musegen.score.export.objects import midi_bytes
    >>> from musegen.score.midi.container import layout_of
    >>> data = midi_bytes(Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Flute", 73)]))
    >>> read_exactly(data, layout_of(data, "flute.mid"), "flute.mid").tracks[0].program
    73

    Args:
        data: The whole file.
        layout: Of the file.
        name: Name of the file, for messages.

    Raises:
        MidiError: The file is at fault, the message says where and how; or it is too large.
    """
    events, ends = read_events(data, layout, name, _MAX_EVENTS)
    notes, pedals = sounding(events, ends, data)
    names = _names(events, data)
    track, first = _parts(notes, names, layout.kind)
    if len(first) > MAX_TRACKS:
        raise MidiError(
            f"{name}: at most {MAX_TRACKS:,} tracks were expected. Received: {len(first):,}. "
            "Merge some."
        )
    fields = zip(*(column[first].tolist() for column in notes[:5]), strict=True)
    tracks = tuple(
        Track(names.get(chunk, ""), program, drum > 0, place % 16, chunk, place // 16)
        for chunk, place, _, program, drum in fields
    )
    played = np.unique(notes.chunk) if len(notes.chunk) else np.arange(len(ends))
    return Score(
        notes=columns(
            NOTE,
            onset=notes.onset,
            duration=notes.end - notes.onset,
            pitch=notes.pitch,
            velocity=notes.velocity,
            track=track,
        ),
        tracks=tracks,
        ticks_per_quarter=layout.ticks_per_quarter,
        pedals=_pedals(pedals, notes.home, track, name),
        end=int(ends[played].max(initial=0)),
        **_marks(events, data),
    )


def _names(events: Events, data: bytes) -> dict[int, str]:
    """Return each chunk's first name that is not empty."""
    names: dict[int, str] = {}
    is_name = (events.status == META) & (events.first == NAME_TYPE) & (events.size > 0)
    for chunk, _, _, _, _, at, size in zip(*events.rows(is_name), strict=True):
        if chunk not in names:
            content = data[at : at + size]
            try:
                names[int(chunk)] = content.decode()
            except UnicodeDecodeError:
                names[int(chunk)] = content.decode("latin-1")
    return names


def _parts(notes: Sounding, names: dict[int, str], kind: int) -> tuple[Ints, Ints]:
    """Return the track of each note, and the first note of each track.

    Tracks are in the order of chunks, then channels, then programs.
    """
    chunk, place, home, program, drum = notes[:5]
    home = np.where(_whole_chunks(notes, names) & (kind == 1), 0, home)
    key = (((chunk << 21) + home << 7) + program << 1) + drum
    order = np.lexsort((place, key))
    ordered = key[order]
    new = np.ones(len(ordered), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    track = np.empty(len(key), np.int64)
    track[order] = new.cumsum() - 1
    return track, order[new]


def _whole_chunks(notes: Sounding, names: dict[int, str]) -> Bools:
    """Return the notes of chunks that are one part, however many channels they use."""
    chunks, chunk = np.unique(notes.chunk, return_inverse=True)
    voice = ((notes.place >> 4 << 7) + notes.program << 1) + notes.drum
    least, most = np.full(len(chunks), 2**40), np.full(len(chunks), -1)
    np.minimum.at(least, chunk, voice)
    np.maximum.at(most, chunk, voice)
    is_named = np.array(
        [len(chunks) > 1 or bool(names.get(each)) for each in chunks.tolist()], bool
    )
    return ((least == most) & is_named)[chunk]


def _pedals(pedals: Pedals, home: Ints, track: Ints, name: str) -> Table:
    """Return the pedals of each track's channels."""
    if not len(pedals.place):
        return table(PEDAL)
    plays = np.unique((track << 21) + home)
    order = pedals.place.argsort(kind="stable")
    place = pedals.place[order]
    low, high = (place.searchsorted(plays & 0x1FFFFF, side) for side in ("left", "right"))
    counts = high - low
    if counts.sum() > _MAX_PEDALS:
        raise MidiError(
            f"{name}: at most {_MAX_PEDALS:,} pedals were expected, counted in each track of their "
            f"channel. Received: {counts.sum():,}. Remove some."
        )
    row = order[np.arange(counts.sum()) + (low - (counts.cumsum() - counts)).repeat(counts)]
    onset, end, track = pedals.onset[row], pedals.end[row], (plays >> 21).repeat(counts)
    # A track on several channels may have a pedal twice.
    order = np.lexsort((end, onset, track))
    rows = np.array([track, onset, end])[:, order]
    new = np.ones(len(track), bool)
    new[1:] = (rows[:, 1:] != rows[:, :-1]).any(0)
    track, onset, end = rows[:, new]
    return columns(PEDAL, onset=onset, duration=end - onset, track=track)


def _marks(events: Events, data: bytes) -> dict[str, Table]:
    """Return tempos, meters and keys."""
    values = np.frombuffer(data, np.uint8)
    meta = events.status == META

    def found(kind: int) -> tuple[Ints, Ints]:
        rows = (meta & (events.first == kind)).nonzero()[0]
        return events.tick[rows].astype(np.int64), events.at[rows].astype(np.int64)

    (tempo_tick, tempo), (meter_tick, meter) = found(TEMPO_TYPE), found(METER_TYPE)
    b = [values[tempo + place].astype(np.int64) for place in range(3)]
    keys = []
    for row in (meta & (events.first == KEY_SIGNATURE)).nonzero()[0].tolist():
        at, size = int(events.at[row]), int(events.size[row])
        if key := key_of(data[at : at + min(size, 2)]):
            keys.append((int(events.tick[row]), *key))
    return {
        "tempos": columns(TEMPO, tick=tempo_tick, microseconds=(b[0] << 16) + (b[1] << 8) + b[2]),
        "meters": columns(
            METER,
            tick=meter_tick,
            numerator=values[meter],
            denominator=1 << values[meter + 1].astype(np.int64),
        ),
        "keys": table(KEY, keys),
    }
