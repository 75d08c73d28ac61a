"""Music that is added to a file sounds as the file's own did, whatever the file does at its end."""

from collections import Counter, defaultdict

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen.score.midi import append, from_mido
from musegen.score.midi.settling import settled
from musegen.score.reading import merge_programs
from musegen.score.timing import in_force
from tests.helpers import absolute
from tests.score.midi_files import (
    GM_ON,
    bend,
    control,
    end,
    file_of,
    line,
    meta,
    program,
    sysex,
)

START, END = 3840, 11520  # two bars of 4/4 in the file, and four that are added
OPENING = [meta(0, "set_tempo", tempo=500_000), meta(0, "time_signature")]


def continued(*chunks, kind=1, tracks=(0,)):
    """The file with a note at the seam and one in each quarter after it, on some of its tracks."""
    midi = file_of(*chunks, kind=kind)
    score = merge_programs(from_mido(midi))
    assert score.end <= START + 60
    notes = np.concatenate([score.notes[:1]] * 16)
    notes["onset"], notes["duration"] = np.arange(START, END, 480), 480
    added = []
    for track in tracks:
        notes["track"] = track
        added.append(notes.copy())
    return append(midi, score, np.concatenate(added), START, END, ("a", "b"))


def heard(midi):
    """What a player has when each note of the new bars begins: a set of values by name.

    A player takes the events of a tick chunk after chunk.
    """
    timed = sorted(
        ((tick, chunk, event) for chunk, rows in enumerate(absolute(midi)) for tick, event in rows),
        key=lambda row: row[:2],
    )
    port = defaultdict(int)
    tempo, states, out = 500_000, defaultdict(dict), defaultdict(set)
    for tick, chunk, event in timed:
        if event.type == "set_tempo":
            tempo = event.tempo
        elif event.type == "midi_port":
            port[chunk] = event.port
        if not hasattr(event, "channel"):
            continue
        state = states[port[chunk], event.channel]
        if event.type == "program_change":
            state["program"] = event.program
        elif event.type == "pitchwheel":
            state["bend"] = event.pitch
        elif event.type == "control_change":
            state[event.control] = event.value
        elif event.type == "note_on" and event.velocity and tick >= START:
            out["tempo"].add(tempo)
            out["pedals"] |= {n for n in (64, 66, 69) if state.get(n, 0) >= 64}
            for name, default in (("program", 0), ("bend", 0), (7, 100), (11, 127), (0, 0)):
                out[name].add(state.get(name, default))
    return {name: values for name, values in out.items()}


def down(midi, tick=START):
    """(channel, pitch) of what was struck before a tick and still sounds there."""
    sounding = Counter()
    timed = sorted((row for chunk in absolute(midi) for row in chunk), key=lambda row: row[0])
    for when, event in timed:
        if event.type == "note_on" and event.velocity and when < tick:
            sounding[event.channel, event.note] += 1
        elif event.type in ("note_on", "note_off") and when <= tick:
            sounding[event.channel, event.note] -= sounding[event.channel, event.note] > 0
    return +sounding


def missing(before, after):
    """Events of a file that another has not at their tick."""
    found = [Counter(map(repr, rows)) for rows in absolute(after)]
    return [
        event
        for rows, there in zip(absolute(before), found, strict=True)
        for event in rows
        if not there[repr(event)]
    ]


AS_BEFORE = {
    "tempo": {500_000},
    "pedals": set(),
    "program": {0},
    "bend": {0},
    7: {100},
    11: {127},
    0: {0},
}


@pytest.mark.parametrize("where", ["own", "conductor", "later"])
@pytest.mark.parametrize(
    "change",
    [
        [control(0, 64, 127)],
        [control(3000, 66, 127)],
        [control(3840, 69, 64)],
        [bend(3840, 100)],
        [bend(2000, -8192)],
        [control(3700, 7, 50), control(3800, 7, 0)],
        [control(3700, 11, 1)],
        [program(3840, 9)],
        [control(3840, 7, 0), control(3840, 11, 0)],
    ],
)
def test_new_notes_begin_as_the_music_was_wherever_the_file_ends_otherwise(where, change):
    chunks = {"own": [*line(), *change], "conductor": line(), "later": line()}
    others = {"conductor": [*OPENING, *change], "later": [*change, end(START)]}
    opening = others["conductor"] if where == "conductor" else OPENING
    rest = [others["later"]] if where == "later" else []
    after = continued(opening, chunks[where], *rest)
    assert heard(after) == AS_BEFORE
    assert not missing(file_of(opening, chunks[where], *rest), after)


@pytest.mark.parametrize("where", ["own", "conductor"])
@pytest.mark.parametrize(
    "change",
    [
        program(5000, 9),
        bend(5000, 4096),
        control(5000, 7, 0),
        control(5000, 64, 127),
        control(5000, 0, 127),
        meta(5000, "set_tempo", tempo=1_000_000),
    ],
)
def test_a_change_behind_the_end_is_undone_at_its_tick(where, change):
    if where == "own":  # a chunk of notes ends soon after the seam
        change = 3850, change[1]
    chunks = ([*OPENING, change], line()) if where == "conductor" else (OPENING, [*line(), change])
    after = continued(*chunks)
    assert heard(after) == AS_BEFORE
    assert not missing(file_of(*chunks), after)
    assert from_mido(after).end == END


def test_a_meter_on_a_barline_behind_the_end_is_undone_there():
    chunks = [*OPENING, meta(5760, "time_signature", numerator=3)], line()
    after = continued(*chunks)
    assert not missing(file_of(*chunks), after)
    assert from_mido(after).barlines().tolist() == list(range(0, END + 1, 1920))


@pytest.mark.parametrize(
    "change",
    [
        meta(5000, "time_signature", numerator=3),
        control(5000, 123, 0),
        control(5000, 121, 0),
        sysex(5000, GM_ON),
    ],
)
def test_what_cannot_be_undone_is_moved_to_the_end(change):
    chunks = [*OPENING, control(0, 11, 90), change], [program(0, 40), *line()]
    after = continued(*chunks)
    assert missing(file_of(*chunks), after) == [change]
    assert (END, change[1]) in absolute(after)[0]
    score = from_mido(after)
    assert score.notes["duration"].tolist() == [480] * 24
    assert heard(after) == AS_BEFORE | {"program": {40}, 11: {90}}
    assert [int(tick) for tick in score.barlines()] == list(range(0, END + 1, 1920))


def test_what_comes_at_the_seam_of_tempo_and_meter_is_followed():
    opening = [*OPENING, meta(3840, "set_tempo", tempo=400_000), meta(9600, "set_tempo", tempo=1)]
    assert heard(continued(opening, line()))["tempo"] == {400_000}


def test_a_note_that_is_never_released_ends_at_the_seam_in_whatever_track():
    hanging = [(0, mido.Message("note_on", note=36, channel=3)), end(3840)]
    same = [(0, mido.Message("note_on", note=60)), end(1000)]
    before = file_of(OPENING, line(), hanging, same)
    after = continued(OPENING, line(), hanging, same)
    assert down(before) and not down(after)
    assert not missing(before, after)
    # The new notes of the same pitch and channel last.
    score = from_mido(after)
    assert score.notes["duration"][score.notes["onset"] >= START].tolist() == [480] * 16


def test_quiet_music_stays_quiet():
    assert heard(continued(OPENING, [control(0, 7, 20), *line()]))[7] == {20}
    assert heard(continued(OPENING, [control(0, 7, 90), *line(), control(3500, 7, 60)]))[7] == {60}


def test_changes_of_other_channels_stay_in_their_places():
    others = [
        control(5000, 7, 0, 5),
        program(5000, 9, 5),
        bend(5000, 9, 5),
        control(5000, 123, 0, 5),
    ]
    chunks = [*OPENING, *others], line()
    after = continued(*chunks)
    assert not missing(file_of(*chunks), after)
    kinds = Counter(event.type for _, event in absolute(after)[0])
    assert (kinds["control_change"], kinds["program_change"], kinds["pitchwheel"]) == (3, 2, 2)


def test_ports_are_kept_apart():
    first = [meta(0, "midi_port", port=0), program(0, 73), *line()]
    second = [meta(0, "midi_port", port=1), program(0, 40), control(0, 64, 127), *line()]
    after = continued(OPENING, first, second)
    assert heard(after) == AS_BEFORE | {"program": {73}}
    behind = [meta(0, "midi_port", port=1), program(5000, 9), control(5000, 7, 0), end(6000)]
    both = continued(OPENING, first, second, behind, tracks=(0, 1))
    assert heard(both) == AS_BEFORE | {"program": {73, 40}}


def test_names_of_devices_are_ports_too():
    parts = [
        [meta(0, "device_name", name=name), program(0, number), *line()]
        for name, number in (("a", 73), ("b", 40))
    ]
    behind = [meta(0, "device_name", name="b"), program(5000, 9), end(6000)]
    after = continued(OPENING, *parts, behind, tracks=(0, 1))
    changes = [event.program for _, event in absolute(after)[3] if event.type == "program_change"]
    assert changes == [9, 40]


def test_the_bank_of_the_last_note_comes_back():
    chunks = OPENING, [control(0, 0, 1), program(0, 40), *line(), control(3840, 0, 127)]
    after = continued(*chunks)
    assert heard(after) == AS_BEFORE | {"program": {40}, 0: {1}}
    assert not from_mido(after).tracks[0].is_drum


@st.composite
def endings(draw):
    """Changes at the end of a file and behind it, in the chunk of the notes or in others."""
    tick = st.integers(3500, 12_000)
    kinds = st.one_of(
        st.builds(lambda t, p: program(t, p), tick, st.integers(0, 127)),
        st.builds(lambda t, b: bend(t, b), tick, st.integers(-8192, 8191)),
        st.builds(
            lambda t, n, v: control(t, n, v),
            tick,
            st.sampled_from([0, 7, 11, 64, 66, 69, 120, 121, 123]),
            st.integers(0, 127),
        ),
        st.builds(
            lambda t, us: meta(t, "set_tempo", tempo=us), tick, st.integers(200_000, 900_000)
        ),
        st.builds(lambda t, n: meta(t, "time_signature", numerator=n), tick, st.integers(1, 7)),
    )
    behind = [(max(when, START + 1), event) for when, event in draw(st.lists(kinds, max_size=6))]
    own = [(min(when, START + 40), event) for when, event in draw(st.lists(kinds, max_size=4))]
    own = [(when, event) for when, event in own if not event.is_meta]
    own = [(when, event) for when, event in own if event.type != "program_change" or when > 3840]
    return behind, own


@given(changes=endings(), kind=st.sampled_from([0, 1]))
@settings(max_examples=80, deadline=None)
def test_the_new_bars_are_as_many_as_wanted_and_alike(changes, kind):
    behind, own = changes
    if kind == 0:
        chunks = [[*OPENING, *line(), *own]]
    else:
        chunks = [[*OPENING, *behind], [*line(), *own]]
    after = continued(*chunks, kind=kind)
    found = heard(after)
    assert found["pedals"] == set() and found["bend"] == {0}
    assert all(len(found[name]) == 1 for name in ("tempo", "program", 7, 11, 0))
    assert found["tempo"] == {500_000} and found["program"] == {0}
    assert min(found[7] | found[11]) >= 50
    score = from_mido(after)
    assert score.end == END
    assert [int(tick) for tick in score.barlines()] == list(range(0, END + 1, 1920))
    new = score.notes[score.notes["onset"] >= START]
    assert new["duration"].tolist() == [480] * 16
    # In memory the score is continued in the same way.
    alone = settled(from_mido(file_of(*chunks, kind=kind)), START, END)
    assert in_force(alone.tempos, (500_000,)).tolist() == in_force(score.tempos, ()).tolist()
    assert in_force(alone.meters, (4, 4)).tolist() == in_force(score.meters, ()).tolist()


def test_a_pedal_that_is_down_at_the_seam_is_cut_there():
    midi = file_of(OPENING, [control(0, 64, 127), *line(), control(3890, 64, 0)])
    assert settled(from_mido(midi), START, END).pedals.tolist() == [(0, START, 0)]
