"""What a channel has holds for its notes in every chunk of a file."""

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import musegen
from musegen import Encoder, EncoderConfig, Score, Track
from musegen.score.midi import from_mido
from musegen.score.reading import merge_programs
from tests.score.midi_files import (
    GM_ON,
    GS_RESET,
    XG_ON,
    bend,
    control,
    end,
    file_of,
    line,
    meta,
    note,
    program,
    sysex,
)


def sounding(midi):
    """Each note with its program, its kind and the pedals of its track."""
    score = from_mido(midi)
    pedals = [
        sorted(score.pedals[["onset", "duration"]][score.pedals["track"] == index].tolist())
        for index in range(len(score.tracks))
    ]
    return sorted(
        (*row, score.tracks[track].program, score.tracks[track].is_drum, pedals[track])
        for *row, track in score.notes.tolist()
    )


def voices(*chunks, kind=1):
    """(program, is_drum) of each note, in order of time."""
    score = from_mido(file_of(*chunks, kind=kind))
    return [(score.tracks[t].program, score.tracks[t].is_drum) for t in score.notes["track"]]


def programs(*chunks):
    return [number for number, _ in voices(*chunks)]


def drums(*chunks):
    return [is_drum for _, is_drum in voices(*chunks)]


# Programs


def test_a_program_of_any_chunk_holds_for_the_channel():
    assert programs([program(0, 40, 2)], line(2, channel=2)) == [40, 40]
    assert programs(line(2, channel=2), [program(0, 40, 2)]) == [40, 40]
    assert programs([program(480, 40), *line(2, channel=1)], line(3)) == [0, 0, 0, 40, 40]


def test_a_program_counts_for_the_notes_of_its_tick_but_in_its_chunk_from_there_on():
    assert programs(line(2), [program(480, 7), *note(480, 960, 90)])[1:] == [7, 7]
    late = [*note(0, 480), program(0, 7), *note(480, 960)]
    assert programs(late) == [0, 7]
    assert programs(late, note(0, 480, 72))[:2] == [0, 7]


def test_programs_that_several_chunks_set_at_one_tick_are_their_own_until_the_next():
    chunks = [program(0, 40), *line(3)], [program(0, 73), *line(3, pitch=72)]
    assert programs(*chunks) == [40, 73] * 3
    assert programs(*chunks, [program(960, 5)]) == [40, 73, 40, 73, 5, 5]


def test_two_ports_are_two_channels():
    flute = [meta(0, "midi_port", port=0), program(0, 73), *line(1)]
    violin = [meta(0, "midi_port", port=1), *line(1)]
    assert programs(flute, violin) == [73, 0]
    tracks = from_mido(file_of(flute, violin)).tracks
    assert [(track.port, track.channel) for track in tracks] == [(0, 0), (1, 0)]


def test_names_of_devices_are_ports_where_there_are_no_others():
    names = [[meta(0, "device_name", name=name)] for name in ("synth", "sampler")]
    chunks = [*names[0], program(0, 73), *line(1)], [*names[1], *line(1)]
    assert programs(*chunks) == [73, 0]
    assert programs(*chunks, [meta(0, "midi_port", port=0)]) == [73, 73]


# Drums


@pytest.mark.parametrize(
    ("system", "bank", "is_drum"),
    [
        (None, 127, True),
        (None, 126, True),
        (None, 120, True),
        (None, 121, False),
        (None, 1, False),
        (XG_ON, 127, True),
        (XG_ON, 126, True),
        (XG_ON, 64, False),
        (GS_RESET, 127, False),
        (GM_ON, 120, True),
    ],
)
def test_a_bank_makes_a_drum_kit(system, bank, is_drum):
    start = [sysex(0, system)] if system else []
    kit = [control(0, 0, bank, 10), control(0, 32, 0, 10), program(0, 8, 10), *line(2, 10)]
    assert voices(start, kit) == [(8, is_drum)] * 2
    assert voices([*start, *kit[:3]], kit[3:]) == [(8, is_drum)] * 2


@pytest.mark.parametrize(("system", "stays"), [(None, True), (GS_RESET, True), (XG_ON, False)])
def test_bank_0_makes_channel_10_melodic_in_xg(system, stays):
    start = [sysex(0, system)] if system else []
    assert drums(start, [control(0, 0, 0, 9), program(0, 0, 9), *line(1, 9)]) == [stays]
    assert drums(start, line(1, 9)) == [True]
    assert drums(start, [control(0, 0, 121, 9), *line(1, 9)]) == [system == GS_RESET]


def rhythm(part, value, *checksum):
    return (0x41, 0x10, 0x42, 0x12, 0x40, 0x10 | part, 0x15, value, *checksum)


@pytest.mark.parametrize("channel", range(16))
@pytest.mark.parametrize("checksum", [(), (0x00,)])
def test_gs_makes_any_channel_a_rhythm_part_or_not(channel, checksum):
    part = {9: 0}.get(channel, channel + (channel < 9))
    for value in (0, 1, 2):
        start = [sysex(0, GS_RESET), sysex(0, rhythm(part, value, *checksum))]
        assert drums(start, line(1, channel)) == [value > 0]
        others = [other for other in range(16) if other != channel]
        rest = drums(start, *(line(1, other) for other in others))
        assert rest == [other == 9 for other in others]


def test_xg_part_mode_makes_a_drum_kit():
    assert drums([sysex(0, (0x43, 0x10, 0x4C, 0x08, 0x03, 0x07, 0x02))], line(1, 3)) == [True]
    assert drums([sysex(0, (0x43, 0x10, 0x4C, 0x08, 0x09, 0x07, 0x00))], line(1, 9)) == [False]


def test_a_reset_makes_everything_new():
    before = [program(0, 40), control(0, 0, 127), *line(1)]
    assert voices(before, [sysex(480, GM_ON)], note(480, 960)) == [(40, True), (0, False)]
    assert voices([sysex(0, GM_ON), program(0, 9)], line(1)) == [(9, False)]
    assert voices([program(0, 9)], [sysex(0, GM_ON)], line(1)) == [(9, False)]
    held = from_mido(file_of([control(0, 64, 127), *note(0, 960)], [sysex(480, GM_ON)]))
    assert held.notes["duration"].tolist() == [480]
    assert held.pedals.tolist() == [(0, 480, 0)]


# Notes and pedals


@pytest.mark.parametrize("number", [120, 123, 124, 125, 126, 127])
def test_all_notes_off_ends_the_notes_of_its_channel_in_every_chunk(number):
    starts = [
        (tick, mido.Message("note_on", note=pitch, channel=channel))
        for tick, pitch, channel in ((0, 60, 0), (480, 64, 0), (0, 67, 1))
    ]
    ends = [control(960, number, 0), end(1920)]
    one = from_mido(file_of([*starts, *ends]))
    assert one.notes[["onset", "duration", "pitch"]].tolist() == [
        (0, 960, 60),
        (0, 1920, 67),
        (480, 480, 64),
    ]
    two = from_mido(file_of([*starts, end(1920)], ends))
    assert two.notes.tolist() == one.notes.tolist()
    struck = from_mido(file_of([*note(0, 480), *note(480, 960)], [control(480, number, 0)]))
    assert struck.notes["duration"].tolist() == [480, 480]


def test_a_note_off_ends_notes_of_its_chunk_alone():
    score = from_mido(file_of(note(0, 960), note(0, 480)))
    assert sorted(score.notes["duration"].tolist()) == [480, 960]


def test_the_pedal_holds_the_notes_of_its_channel_in_every_chunk():
    pedal = [control(0, 64, 127), control(1920, 64, 0)]
    right, left = note(0, 240, 72), note(0, 240, 48)
    encoder = Encoder(EncoderConfig(encoding="performance"))
    whole = encoder.encode(from_mido(file_of([*pedal, *right, *left], kind=0)))
    for chunks in (
        ([*pedal, *right], left),
        (right, [*pedal, *left]),
        (pedal, right, left),
        (right, left, pedal),
        (pedal[:1], right, left, pedal[1:]),
    ):
        score = from_mido(file_of(*chunks))
        assert score.pedals.tolist() == [(0, 1920, 0), (0, 1920, 1)]
        assert np.array_equal(encoder.encode(score), whole)


def test_reset_all_controllers_lifts_the_pedal():
    score = from_mido(file_of([control(0, 64, 127), *line(2), control(600, 121, 0)]))
    assert score.pedals.tolist() == [(0, 600, 0)]


# Tracks


def test_only_notes_make_a_track():
    lyrics = [meta(0, "track_name", name="Voice"), meta(0, "lyrics", text="la"), *line(1)]
    others = [program(0, 5, 4), bend(0, 9, 5), control(0, 64, 127, 6), control(9, 64, 0, 6)]
    assert from_mido(file_of([meta(0, "text", text="x")], lyrics, others)).tracks == (
        Track("Voice"),
    )


def strings(count, number=25):
    """A chunk of a melody whose notes are on one channel after another."""
    programs = [program(0, number, channel) for channel in range(count)]
    return [*programs, *passed_around(range(count))]


def passed_around(channels, count=16):
    """Notes one after another, on one channel after another."""
    places = list(channels)
    return [
        event
        for i in range(count)
        for event in note(480 * i, 480 * i + 480, 60 + i % 5, places[i % len(places)])
    ]


@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_chunk_of_one_instrument_on_several_channels_is_one_track(count):
    named = [meta(0, "track_name", name="Guitar"), *strings(count)]
    assert from_mido(file_of(named)).tracks == (Track("Guitar", 25),)
    assert len(from_mido(file_of(strings(count), line(2, 12))).tracks) == 2
    pedals = [control(0, 64, 127, 1), control(480, 64, 0, 1)]
    assert from_mido(file_of(named, pedals)).pedals.tolist() == [(0, 480, 0)]


def test_channels_of_different_instruments_stay_apart():
    three = [*line(2, 0), *line(2, 1), *line(2, 2)]
    named = [meta(0, "track_name", name="Trio")]
    assert len(from_mido(file_of([*named, *three], kind=0)).tracks) == 3
    assert len(from_mido(file_of(three)).tracks) == 3
    assert len(from_mido(file_of([*named, program(0, 40, 1), *three])).tracks) == 3
    assert len(from_mido(file_of([*named, *line(2, 0), *line(2, 9)])).tracks) == 2


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(("master", "step"), [(0, 1), (15, -1)])
def test_an_mpe_zone_is_one_track_with_the_state_of_its_first_channel(kind, master, step):
    zone = [control(0, 101, 0, master), control(0, 100, 6, master), control(0, 6, 15, master)]
    state = [program(0, 81, master), control(0, 64, 127, master), control(960, 64, 0, master)]
    members = [master + step * number for number in range(1, 16)]
    score = from_mido(file_of([*zone, *state, *passed_around(members)], kind=kind))
    assert score.tracks == (Track("", 81),)
    assert score.pedals.tolist() == [(0, 960, 0)]
    fewer = [*zone[:2], control(0, 6, 2, master), *state, *passed_around(members[:4])]
    assert len(from_mido(file_of(fewer, kind=kind)).tracks) == 3


def test_a_kit_and_a_melody_on_one_channel_are_not_merged():
    switched = [*note(0, 480), control(480, 0, 127), *note(480, 960)]
    assert [t.is_drum for t in merge_programs(from_mido(file_of(switched))).tracks] == [False, True]
    again = [*note(0, 480), program(480, 5), *note(480, 960)]
    assert merge_programs(from_mido(file_of(again))).tracks == (Track("", 5),)


# The end


@pytest.mark.parametrize(
    ("chunks", "ends"),
    [
        ([[end(5000)], line(2)], 960),
        ([[end(5000)], [*line(2), end(1920)]], 1920),
        ([[*line(2), end(1920)], [*line(1, 1), end(3840)]], 3840),
        ([[meta(5000, "set_tempo", tempo=1)], line(2)], 960),
        ([[end(5000)], [end(7)]], 5000),
        ([[*line(2), control(4000, 7, 9)]], 4000),
        ([], 0),
    ],
)
def test_music_ends_with_the_last_chunk_that_has_notes(chunks, ends):
    assert from_mido(file_of(*chunks)).end == ends


@pytest.mark.parametrize("rest", [0, 1, 3000])
def test_every_writer_keeps_the_end(rest):
    score = Score(
        notes=[(0, 480, 60, 80, 1)], tracks=[Track("a", 1), Track("b", 2)], end=480 + rest
    )
    assert from_mido(score.to_mido()).end == 480 + rest
    assert musegen.read(score.to_pretty_midi()).end == 480 + rest
    assert musegen.read(score.to_symusic()).end == 480 + rest


@given(
    count=st.integers(1, 40),
    kinds=st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=40, max_size=40),
)
@settings(max_examples=25, deadline=None)
def test_any_number_of_instruments_comes_back(count, kinds):
    """Beyond 15 they are on further ports."""
    score = Score(
        notes=[(0, 10 + index, 60, 80, index) for index in range(count)],
        tracks=[Track(f"t{index}", *kinds[index]) for index in range(count)],
        pedals=[(0, 5, 0)],
    )
    again = from_mido(score.to_mido())
    assert again.tracks == score.tracks
    assert again.notes.tolist() == score.notes.tolist()
    assert again.end == score.end


# Chunks in any order


@st.composite
def chunked(draw):
    """Chunks of notes on some channels of two ports, and of changes at ticks of their own."""
    channel = st.sampled_from([0, 1, 9])
    ports = st.sampled_from([0, 1])
    ticks = iter(draw(st.permutations(range(0, 4000, 160))))

    def change():
        tick, where = next(ticks), draw(channel)
        return draw(
            st.sampled_from(
                [
                    program(tick, draw(st.integers(0, 127)), where),
                    control(tick, 64, draw(st.sampled_from([0, 127])), where),
                    control(tick, 0, draw(st.sampled_from([0, 120, 127])), where),
                    control(tick, 121, 0, where),
                    control(tick, 123, 0, where),
                    sysex(tick, draw(st.sampled_from([GM_ON, XG_ON, GS_RESET, rhythm(2, 1)]))),
                ]
            )
        )

    chunks = []
    for number in range(draw(st.integers(1, 4))):
        events = [meta(0, "midi_port", port=draw(ports)), meta(0, "track_name", name=str(number))]
        events += [change() for _ in range(draw(st.integers(0, 5)))]
        # Where a chunk sets something, it has no notes: their order in it would count.
        where = draw(channel)
        for start in draw(st.lists(st.integers(0, 24), max_size=5, unique=True)):
            events += note(start * 160 + 80, start * 160 + 300, 60 + start, where)
        chunks.append([*events, end(5000)])
    return chunks


@given(chunks=chunked(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_order_of_chunks_changes_no_note(chunks, data):
    shuffled = data.draw(st.permutations(chunks))
    assert sounding(file_of(*shuffled)) == sounding(file_of(*chunks))


@given(chunks=chunked())
@settings(max_examples=60, deadline=None)
def test_a_chunk_may_be_split_into_its_notes_and_its_changes(chunks):
    split = []
    for events in chunks:
        is_note = [message.type in ("note_on", "note_off") for _, message in events]
        notes = [event for event, keep in zip(events, is_note, strict=True) if keep]
        split += [[*events[:2], *notes, end(5000)]]
        split += [[event for event, keep in zip(events, is_note, strict=True) if not keep]]
    assert sounding(file_of(*split)) == sounding(file_of(*chunks))
