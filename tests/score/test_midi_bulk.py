"""The bulk reader gives what the reference reader gives, whatever a file contains."""

import io
import struct
from collections import Counter

import mido
import pytest
import symusic
from hypothesis import example, given, settings
from hypothesis import strategies as st

from musegen import Encoder, EncoderConfig, MidiError, Score, Track, read
from musegen.score.midi import from_mido, load_mido, structs
from musegen.score.midi.container import layout_of
from musegen.score.midi.exact import read_exactly
from musegen.score.midi.parsing import Parsed, parse
from musegen.score.midi.symusic_reader import from_parsed, to_parsed
from tests.helpers import scores

END = b"\xff\x2f\0"


def number(value):
    """A variable-length number."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.insert(0, value & 0x7F | 0x80)
    return bytes(out)


def chunk(*events, running=False):
    """A track chunk of (delta, event); with running status where that is allowed."""
    out, status = b"", 0
    for delta, event in events:
        short = running and event[0] == status
        out += number(delta) + (event[1:] if short else event)
        if event[0] < 0xF0:
            status = event[0]
        elif event[0] in (0xF0, 0xF7):
            status = 0
    return b"MTrk" + struct.pack(">I", len(out)) + out


def smf(*chunks, kind=1, ticks=480):
    return b"MThd" + struct.pack(">IHHH", 6, kind, len(chunks), ticks) + b"".join(chunks)


def on(pitch, channel=0, velocity=80):
    return bytes((0x90 | channel, pitch, velocity))


def off(pitch, channel=0):
    return bytes((0x80 | channel, pitch, 0))


def control(number, value, channel=0):
    return bytes((0xB0 | channel, number, value))


def program(number, channel=0):
    return bytes((0xC0 | channel, number))


def meta(kind, payload=b""):
    return bytes((0xFF, kind)) + number(len(payload)) + payload


def sysex(content):
    return b"\xf0" + number(len(content) + 1) + content + b"\xf7"


def note(pitch, length=100, channel=0, wait=0):
    return (wait, on(pitch, channel)), (length, off(pitch, channel))


def close(wait=0):
    return (wait, END)


def content(score):
    """All of a score that a file carries, ties between equal notes left open."""
    tracks = [(t.name, t.program, t.is_drum, t.chunk) for t in score.tracks]
    pedals = Counter(map(tuple, score.pedals.tolist()))
    tables = [getattr(score, name).tolist() for name in ("tempos", "meters", "keys")]
    return score.ticks_per_quarter, score.end, tracks, score.notes.tolist(), pedals, *tables


def readings(data):
    """What each reader makes of a file: its content, or the message of the error."""
    out = []
    for reader in (
        read,
        lambda data: from_mido(load_mido(data)),
        lambda data: read_exactly(data, layout_of(data, "the given bytes"), "the given bytes"),
    ):
        try:
            out.append(content(reader(data)))
        except MidiError as error:
            out.append(str(error))
    return out


SYSTEM = [
    sysex(b"\x7e\x7f\x09\x01"),  # GM system on
    sysex(b"\x41\x10\x42\x12\x40\0\x7f\0\x41"),  # GS reset
    sysex(b"\x43\x10\x4c\0\0\x7e\0"),  # XG system on
    sysex(b"\x41\x10\x42\x12\x40\x12\x15\1\x18"),  # GS: channel 2 is a drum kit
    sysex(b"\x41\x10\x42\x12\x40\x10\x15\0\x1b"),  # GS: channel 10 is none
    sysex(b"\x43\x10\x4c\x08\2\x07\1"),  # XG: channel 3 is a drum kit
    sysex(b"\1\2\3"),
    b"\xf7\2\1\2",
]
METAS = [
    meta(0x51, b"\x07\xa1\x20"),
    meta(0x51, b"\x90\xf0\x91"),  # bytes that look like events
    meta(0x58, b"\3\2\x18\x08"),
    *(meta(0x59, key) for key in (b"\2\0", b"\x08\1", b"\xee\0", b"\0\2", b"\0\xff", b"\1", b"")),
    *(meta(0x03, name) for name in (b"", b"Piano", "für".encode(), "für".encode("latin-1"))),
    *(meta(0x21, port) for port in (b"\0", b"\1", b"", b"\1\1")),
    meta(0x09, b"A"),
    meta(0x09, b"B"),
    meta(0x05, b"la"),
    meta(0x06, b"\xff\x21\x01\x01 \xc0\x05 \x90\x3c\x40"),
    meta(0x00, b"\1"),
    meta(0x20, b""),
    meta(0x54, b"\xff\xff\0\0\0"),
    meta(0x60, b"a"),
    b"\xf8",
    b"\xfe",
]
CONTROLLERS = [0, 6, 7, 64, 64, 64, 100, 101, 120, 121, 123, 127]
CHANNELS = st.sampled_from([0, 0, 1, 2, 9, 15])
PITCHES = st.sampled_from([5, 60, 61, 127])
EVENTS = st.one_of(
    st.builds(on, PITCHES, CHANNELS, st.sampled_from([0, 1, 80, 127])),
    st.builds(on, PITCHES, CHANNELS, st.sampled_from([0, 1, 80, 127])),
    st.builds(off, PITCHES, CHANNELS),
    st.builds(off, PITCHES, CHANNELS),
    st.builds(program, st.sampled_from([0, 5, 127]), CHANNELS),
    st.builds(
        control, st.sampled_from(CONTROLLERS), st.sampled_from([0, 6, 64, 120, 121, 127]), CHANNELS
    ),
    st.builds(lambda channel: bytes((0xE0 | channel, 1, 2)), CHANNELS),
    st.builds(lambda channel: bytes((0xD0 | channel, 200)), CHANNELS),
    st.sampled_from(SYSTEM),
    st.sampled_from(METAS),
    st.sampled_from(METAS),
)
DELTAS = st.sampled_from([0, 0, 0, 1, 60, 480, 2050, 7680, 15_000, 300_000])


@st.composite
def anything(draw, events=EVENTS, most=12):
    """A file of type 0 or 1 with any events in any chunk."""
    chunks = []
    for _ in range(draw(st.integers(1, 4))):
        timed = draw(st.lists(st.tuples(DELTAS, events), max_size=most))
        end = [close(draw(DELTAS))] if draw(st.integers(0, 9)) else []
        chunks.append(chunk(*timed, *end, running=draw(st.booleans())))
    return smf(*chunks, kind=draw(st.sampled_from([0, 1, 1])))


ORDINARY = st.one_of(
    st.builds(on, PITCHES, CHANNELS),
    st.builds(off, PITCHES, CHANNELS),
    st.builds(off, PITCHES, CHANNELS),
    st.builds(program, st.sampled_from([0, 5]), CHANNELS),
    st.builds(control, st.sampled_from([7, 64, 121]), st.sampled_from([0, 127]), CHANNELS),
    st.sampled_from([meta(0x51, b"\x07\xa1\x20"), meta(0x05, b"la"), meta(0x21, b"\0")]),
)


@st.composite
def written(draw):
    """A file as notation programs write it: what channels need first, then whole notes."""
    chunks = []
    for index in range(draw(st.integers(1, 4))):
        channel = draw(CHANNELS)
        events = []
        if draw(st.booleans()):
            events.append((0, meta(0x03, b"Part %d" % index)))
        if draw(st.booleans()):
            events += [(0, control(121, 0, channel)), (0, control(100, 0, channel))]
        if draw(st.booleans()):
            events.append((0, program(draw(st.sampled_from([0, 5, 127])), channel)))
        if draw(st.booleans()):
            events.append((0, meta(0x21, bytes((draw(st.integers(0, 1)),)))))
        for _ in range(draw(st.integers(0, 6))):
            if draw(st.integers(0, 3)) == 0:
                events.append((draw(DELTAS), draw(ORDINARY)))
            length = draw(st.sampled_from([0, 1, 240, 7000]))
            events += note(draw(PITCHES), length, channel, draw(DELTAS))
        chunks.append(chunk(*events, close(draw(DELTAS)), running=draw(st.booleans())))
    return smf(*chunks, kind=draw(st.sampled_from([0, 1, 1])))


@given(data=st.one_of(anything(), anything(ORDINARY), written()))
@example(data=smf(chunk((0, program(5)), close()), chunk(*note(60), close())))
@settings(max_examples=300, deadline=None)
def test_all_readers_agree_on_any_file(data):
    fast, reference, exact = readings(data)
    assert fast == reference
    assert exact == reference


@given(data=written())
@settings(max_examples=100, deadline=None)
def test_a_bundle_of_parsed_files_is_that_of_their_scores(data):
    from musegen.encoding.bulk import bundled

    parsed = parse(data, "a file")
    score = parsed if isinstance(parsed, Score) else read(data)
    if isinstance(parsed, Parsed):
        ours, theirs = bundled([parsed, parsed]), bundled([score, score])
        assert ours.end.tolist() == theirs.end.tolist()
        assert sorted(zip(*map(list, ours.notes), strict=True)) == sorted(
            zip(*map(list, theirs.notes), strict=True)
        )
        assert sorted(zip(*map(list, ours.pedals), strict=True)) == sorted(
            zip(*map(list, theirs.pedals), strict=True)
        )


def fast(data):
    """What the fast way gives; it must not fall back."""
    parsed = parse(data, "a file")
    assert isinstance(parsed, Parsed)
    return read(data)


PIANO = smf(
    chunk((0, meta(0x51, b"\x07\xa1\x20")), close(9999)),
    chunk((0, program(19, 1)), *note(72, 480, 1), close()),
    chunk(*note(48, 480, 1), close(480)),
)


def test_a_program_holds_for_the_other_staff_of_its_channel_without_the_exact_way():
    assert [track.program for track in fast(PIANO).tracks] == [19, 19]


def test_the_music_ends_with_the_last_chunk_that_has_notes():
    assert fast(PIANO).end == 960


def test_a_pedal_holds_for_the_other_staff_of_its_channel_without_the_exact_way():
    pedal = (0, control(64, 127, 1)), (480, control(64, 0, 1))
    score = fast(
        smf(
            chunk(*note(72, 48, 1), close()),
            chunk((0, on(48, 1)), *pedal, (9, off(48, 1)), close()),
        )
    )
    assert score.pedals.tolist() == [(0, 480, 0), (0, 480, 1)]


def test_each_part_keeps_the_program_of_its_own_chunk_on_a_shared_channel():
    score = fast(
        smf(
            chunk((0, program(73)), *note(72), close()),
            chunk((0, program(57)), *note(60), close()),
            chunk(*note(48), close()),
        )
    )
    assert [track.program for track in score.tracks] == [73, 57, 57]


def test_a_rest_that_looks_like_events_of_another_channel_costs_nothing():
    rests = [7680 + 128 * channel for channel in range(8)]  # B C …: controls of other channels
    events = [event for wait in rests for event in note(60, 10, 1, wait)]
    score = fast(smf(chunk((0, program(5, 1)), *events, close()), chunk(*note(48, 10, 1), close())))
    assert [track.program for track in score.tracks] == [5, 5]


def test_a_note_on_many_channels_of_a_chunk_is_one_track_where_the_chunk_is_one_part():
    strings = [event for channel in range(6) for event in note(60 + channel, 100, channel)]
    data = smf(chunk((0, meta(0x03, b"Guitar")), *strings, close()))
    assert [track.name for track in read(data).tracks] == ["Guitar"]


def test_lyrics_and_controllers_alone_make_no_track():
    data = smf(chunk((0, meta(5, b"la")), (0, control(7, 90)), close()), chunk(*note(60), close()))
    assert len(fast(data).tracks) == 1
    assert len(read(symusic.Score.from_midi(data)).tracks) == 1


def test_notes_without_an_end_or_length_are_read_exactly():
    data = smf(chunk((0, on(60)), *note(62, 0), *note(64, 10), close(90)))
    assert [tuple(row)[:3] for row in read(data).notes.tolist()] == [(0, 100, 60), (0, 10, 64)]


@pytest.mark.parametrize("number", [120, 123, 124, 125, 126, 127])
def test_all_notes_off_ends_the_notes_of_its_channel_in_every_chunk(number):
    data = smf(
        chunk((0, on(60)), (480, control(number, 0)), close(960)),
        chunk(*note(62, 960), *note(64, 960, channel=1), close()),
    )
    assert sorted(row[:3] for row in read(data).notes.tolist()) == [
        (0, 480, 60),
        (0, 480, 62),
        (960, 960, 64),
    ]


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        (b"\x08\0", (-4, False)),
        (b"\xf2\1", (-2, True)),
        (b"\xee\1", None),  # 18 flats
        (b"\x80\0", None),
        (b"\0\xff", None),
        (b"\0\2", None),
        (b"\3", None),
        (b"", None),
    ],
)
def test_an_unusual_key_is_understood_or_passed_over_and_its_bytes_are_kept(payload, key):
    event = meta(0x59, payload)
    data = smf(chunk((7, event), *note(60), close()))
    assert [tuple(row)[1:] for row in read(data).keys.tolist()] == ([key] if key else [])
    again = io.BytesIO()
    load_mido(data).save(file=again)
    assert again.getvalue() == data


@pytest.mark.parametrize(
    "event",
    [
        meta(0x00, b"\1"),
        meta(0x20),
        meta(0x21, b"\1\2"),
        meta(0x54, b"\xff" * 5),
        meta(0x60, b"abc"),
        meta(0x7F, b""),
    ],
)
def test_events_that_mean_nothing_keep_their_bytes_and_ticks(event):
    data = smf(chunk((300, event), *note(60), (20, event), close(10)))
    again = io.BytesIO()
    load_mido(data).save(file=again)
    assert again.getvalue() == data
    assert read(data).notes.tolist() == [(300, 100, 60, 80, 0)]


@pytest.mark.parametrize("status", range(0xF8, 0xFF))
def test_realtime_messages_are_passed_over(status):
    events = (5, bytes((status,))), *note(60), (0, bytes((status,))), *note(62)
    for score in (
        read(smf(chunk(*events, close()))),
        from_mido(load_mido(smf(chunk(*events, close())))),
    ):
        assert [row[:3] for row in score.notes.tolist()] == [(5, 100, 60), (105, 100, 62)]


@pytest.mark.parametrize("status", range(0xF1, 0xF7))
def test_system_common_messages_are_refused(status):
    data = smf(chunk((0, bytes((status,))), *note(60), close()))
    with pytest.raises(MidiError, match=rf"byte 23 \(track 1, tick 0\): .*received {status:#x}"):
        read(data)


def test_symusic_lists_are_taken_as_they_are_in_memory(monkeypatch):
    score = Score(
        notes=[(0, 480, 60, 80, 0)],
        tracks=[Track()],
        tempos=[(0, 400_000)],
        meters=[(0, 3, 4)],
        keys=[(0, -3, True)],
    )
    data = io.BytesIO()
    score.to_mido().save(file=data)
    assert structs._layout_is_known()
    known = content(read(data.getvalue()))
    monkeypatch.setattr(structs, "_layout_is_known", lambda: False)
    assert content(read(data.getvalue())) == known


def test_a_file_of_all_kinds_is_kept_by_mido():
    data = smf(chunk((0, on(60)), (5, b"\xfe"), (5, off(60)), close(3)))
    assert [(m.type, m.time) for m in load_mido(data).tracks[0]] == [
        ("note_on", 0),
        ("note_off", 10),
        ("end_of_track", 3),
    ]
    assert isinstance(load_mido(data), mido.MidiFile)


def test_of_tempos_at_one_tick_the_last_chunk_that_has_one_holds():
    tempos = [bytes((1, 0, index)) for index in range(20)]
    chunks = [chunk((0, meta(0x51, tempo)), close()) for tempo in tempos]
    data = smf(*chunks, chunk(*note(60), close()))
    assert read(data).tempos["microseconds"].tolist() == [0x10000 + index for index in range(20)]


def test_keys_and_tempos_that_every_chunk_repeats_are_read_the_fast_way():
    marks = (
        (0, meta(0x59, b"\xfd\1")),
        (0, meta(0x51, b"\x07\xa1\x20")),
        (0, meta(0x58, b"\3\2\0\0")),
    )
    data = smf(*[chunk(*marks, *note(60, channel=channel), close()) for channel in range(9)])
    assert fast(data).keys.tolist() == [(0, -3, True)] * 9


@given(score=scores())
@settings(max_examples=40, deadline=None)
def test_a_score_keeps_its_content_in_the_form_of_a_parsed_file(score):
    assert from_parsed(to_parsed(score)) == score


def test_a_file_that_is_read_exactly_has_the_same_tokens_among_others(tmp_path):
    odd = smf(chunk((0, on(60)), *note(62), (9, b"\xfe"), close(90)))
    assert isinstance(parse(odd, "odd"), Score)
    paths = [tmp_path / f"{index}.mid" for index in range(3)]
    for path, data in zip(paths, (PIANO, odd, PIANO), strict=True):
        path.write_bytes(data)
    for encoder in (Encoder(), Encoder(EncoderConfig(encoding="performance"))):
        for path, tokens, error in encoder.encode_files(paths):
            assert error is None
            assert tokens.tolist() == encoder.encode(read(path)).tolist()


def test_files_of_too_many_events_or_notes_are_refused(monkeypatch):
    monkeypatch.setattr("musegen.score.midi.parsing.MAX_NOTES", 1)
    with pytest.raises(
        MidiError, match=r"the given bytes has 2 notes; at most 1 were expected\. Cut"
    ):
        read(PIANO)
    monkeypatch.setattr("musegen.score.midi.exact._MAX_EVENTS", 2)
    with pytest.raises(MidiError, match=r"has 4 events; at most 2 were expected\. Cut it"):
        read(smf(chunk((0, on(60)), (0, on(61)), (5, b"\xfe"), close())))
