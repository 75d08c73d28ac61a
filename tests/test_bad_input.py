"""Damaged, hostile or odd MIDI files give a whole Score, or a `MidiError` that says where."""

import io
import os
import struct
from collections import defaultdict, deque

import mido
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import MidiError
from musegen.cli import main
from musegen.score.midi import from_mido, load_mido, read
from musegen.score.midi.reading import MAX_BYTES, parse, read_bytes
from tests.helpers import files

END = b"\0\xff\x2f\0"
NOTE = b"\0\x90\x3c\x40\x60\x80\x3c\0"  # 0 to 96
NOTES = [(0, 96, 60, 64)]


def smf(*chunks, kind=1, ticks=480, announced=None, more_header=b""):
    """The bytes of a MIDI file of some track chunks."""
    count = len(chunks) if announced is None else announced
    header = b"MThd" + struct.pack(">IHHH", 6 + len(more_header), kind, count, ticks) + more_header
    return header + b"".join(b"MTrk" + struct.pack(">I", len(chunk)) + chunk for chunk in chunks)


def track(*events):
    """A file of one track: some events, a note, the end."""
    return smf(b"".join(events) + NOTE + END)


def riff(data, name=b"RMID"):
    """A RIFF file around a MIDI file, a chunk of something else before it."""
    content = name + b"INFO\3\0\0\0abc\0" + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(content)) + content


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"not a midi file at all, just words", r"begins with b'not '.*begins with b'MThd'"),
    "sound": (riff(track(), b"WAVE"), "begins with b'RIFF'"),
    "RMID without its data": (riff(track())[:20], "byte 20: a RIFF chunk b'data'"),
    "RMID cut short": (
        riff(track())[:-3],
        r"track chunk 1 should have 12 bytes and the file ends after 9 of them",
    ),
    "header of 4 bytes": (b"MThd\0\0\0\4" + track()[8:], "header of 4 bytes at byte 4; expected 6"),
    "header cut short": (track()[:13], "has 13 bytes; a MIDI file begins with b'MThd' and 10 more"),
    "type 2": (smf(NOTE + END, kind=2), "type 2; types 0 and 1 are supported"),
    "smpte": (smf(NOTE + END, ticks=0xE728), "SMPTE frames, not beats"),
    "no ticks": (smf(NOTE + END, ticks=0), "0 ticks per quarter note at byte 12"),
    "no track": (smf(), r"byte 14: 1 track chunk\(s\) were expected up to here; received 0"),
    "a track too few": (
        smf(NOTE + END, announced=2),
        r"byte 34: 2 track chunk\(s\) .* received 1.*copy it again",
    ),
    "no chunk": (track()[:14] + b"rubbish rubbish", r"byte 14: 1 track chunk\(s\)"),
    "chunk cut short": (
        track()[:-1],
        "byte 14: track chunk 1 should have 12 bytes and the file ends after 11",
    ),
    "chunk cut in its length": (track()[:19], r"byte 14: 1 track chunk\(s\)"),
    "no status": (
        track(b"\x60\x3c\x40"),
        r"byte 23 \(track 1, tick 96\): a status byte .* received 0x3c",
    ),
    "no status behind a sysex": (
        smf(NOTE + b"\0\xf0\2\1\xf7\0\x3c\0" + END),
        r"byte 36 \(.*tick 96\): a status byte",
    ),
    "undefined status": (track(b"\0\xf4"), r"byte 23 \(track 1, tick 0\): .* received 0xf4"),
    "song position": (track(b"\0\xf2\1\1"), r"byte 23 .* received 0xf2"),
    "event cut short": (
        smf(NOTE + b"\0\x90\x3c"),
        r"byte 33 \(.*tick 96\): a data byte was expected, and the track",
    ),
    "delta time alone": (
        smf(NOTE + b"\x10"),
        r"byte 31 \(track 1, tick 112\): an event was expected, and the track",
    ),
    "delta time of 5 bytes": (
        track(b"\x81\x80\x80\x80\0\xc0\1"),
        r"byte 22 .* at most 4 bytes was expected",
    ),
    "text beyond the track": (
        smf(NOTE + b"\0\xff\1\x20abc" + END),
        r"32 bytes of a meta event .* ends after 7",
    ),
    "sysex beyond the track": (
        smf(NOTE + b"\0\xf0\x20abc" + END),
        r"32 bytes of a system exclusive .* ends after 7",
    ),
    "tempo 0": (
        track(b"\x60\xff\x51\3\0\0\0"),
        r"byte 23 \(track 1, tick 96\): a tempo of 1 to .* received 0\.",
    ),
    "tempo of 2 bytes": (track(b"\0\xff\x51\2\1\1"), "a tempo of 3 bytes was expected; received 2"),
    "meter 0/4": (track(b"\0\xff\x58\4\0\2\x18\x08"), "received 0/4. Correct it"),
    "meter 4/256": (
        track(b"\0\xff\x58\4\4\x08\x18\x08"),
        "over at most 128 was expected; received 4/256",
    ),
    "meter 4/2^200": (track(b"\0\xff\x58\4\4\xc8\x18\x08"), r"received 4/2\^200"),
    "meter of 2 bytes": (track(b"\0\xff\x58\2\4\2"), "a time signature of 4 bytes"),
    "pitch 128": (
        smf(b"\0\x90\x80\x40" + NOTE + END),
        r"byte 24 .*data byte of a note-on, 0 to 127.*received 0x80",
    ),
    "velocity 192": (
        smf(b"\x10\x90\x3c\xc0" + NOTE + END),
        r"byte 25 \(track 1, tick 16\): .*received 0xc0",
    ),
    "program 255": (track(b"\0\xc0\xff"), "data byte of a program change"),
    "controller 128": (track(b"\0\xb0\x80\0"), "data byte of a control change"),
    "music behind the end": (
        smf(NOTE + END + NOTE),
        r"byte 34 \(track 1, tick 96\): the track has ended, .* 8 bytes",
    ),
    "too many ticks": (
        track(*[b"\xff\xff\xff\x7f\xc0\1"] * 9),
        "music before tick 2,147,483,647 was expected",
    ),
    "ticks that come round": (
        track(*[b"\xff\xff\xff\x7f\xc0\1"] * 16, b"\x10\xc0\0"),
        "music before tick",
    ),
    "second track": (
        smf(NOTE + END, b"\0\x3c\x40" + END),
        r"byte 43 \(track 2, tick 0\): a status byte",
    ),
}
"""Name → the bytes of a file that is refused, and what the message says."""

ODD = {
    "sound": (track(), NOTES),
    "type 0 with two tracks": (smf(NOTE + END, NOTE + END, kind=0), NOTES * 2),
    "longer header": (smf(NOTE + END, more_header=b"ab"), NOTES),
    "RMID": (riff(track()), NOTES),
    "unknown chunks": (track()[:14] + b"XFIH\0\0\0\2ab" + track()[14:] + b"XFKM\0\0\0\2ab", NOTES),
    "rubbish behind the music": (track() + b"some rubbish", NOTES),
    "more tracks than announced": (smf(NOTE + END, NOTE + END, announced=1), NOTES * 2),
    "empty track": (smf(b"", NOTE + END), NOTES),
    "no end of track": (smf(NOTE), NOTES),
    "end of track twice": (smf(NOTE + END + END), NOTES),
    "zeros behind the end": (smf(NOTE + END + b"\0\0\0"), NOTES),
    "text like an end of track": (smf(b"\0\xff\1\3\xff\x2f\0" + NOTE + END), NOTES),
    "text at the end, no end": (smf(NOTE + b"\0\xff\1\3\xff\x2f\0"), NOTES),
    "running status behind text": (smf(b"\0\x90\x3c\x40\0\xff\1\1a\x60\x3c\0" + END), NOTES),
    "raw bytes": (smf(b"\0\x90\x3c\x40\x20\xf7\2\xf3\1\x40\x80\x3c\0" + END), NOTES),
    "sysex in two packets": (
        smf(b"\0\x90\x3c\x40\x20\xf0\2\1\2\x20\xf7\2\3\xf7\x20\x80\x3c\0" + END),
        NOTES,
    ),
    "unknown text": (smf(b"\0\x90\x3c\x40\x20\xff\x08\1a\x40\x80\x3c\0" + END), NOTES),
    "long text": (track(b"\0\xff\1\x81\x48" + "é".encode() * 100), NOTES),
    "tempo of 5 bytes": (track(b"\0\xff\x51\5\7\xa1\x20\1\1"), NOTES),
    "tempo, its length in 2 bytes": (track(b"\0\xff\x51\x80\3\7\xa1\x21"), NOTES),
    "key of 130 bytes": (track(b"\0\xff\x59\x81\2\3\0" + bytes(128)), NOTES),
    "meter of 5 bytes": (track(b"\0\xff\x58\5\3\3\x18\x08\1"), NOTES),
    "malformed private matters": (
        track(b"\0\xff\0\1\1\0\xff\x20\0\0\xff\x54\5\xff\xff\0\0\0\0\xff\x54\0"),
        NOTES,
    ),
    "8 sharps": (track(b"\0\xff\x59\2\x08\1"), NOTES),
    "15 flats": (track(b"\0\xff\x59\2\xf1\0"), NOTES),
    "key of mode 2": (track(b"\0\xff\x59\2\0\2"), NOTES),
    "key of 1 byte": (track(b"\0\xff\x59\1\0"), NOTES),
    "active sensing": (track(b"\0\xfe"), NOTES),
    "aftertouch of 200": (track(b"\0\xa0\x3c\xc8\0\xd0\xc8\0\xe0\xc8\x40"), NOTES),
    "note of no length": (track(b"\0\x90\x3c\x40\0\x80\x3c\0"), NOTES),
    "long silence": (track(b"\x81\x80\x80\0\xc0\1"), [(2**21, 96, 60, 64)]),
    "never released": (smf(b"\0\x90\x3c\x40\x60\xff\x2f\0"), NOTES),
    "released on another channel": (smf(b"\0\x90\x3c\x40\x30\x81\x3c\0\x30\xff\x2f\0"), NOTES),
    "never released, no end": (smf(b"\0\x90\x3c\x40\x60\xc0\1"), NOTES),
    "struck twice, released once": (
        smf(b"\0\x90\x3c\x40\x10\x3c\x41\x10\x3c\0\x10\xff\x2f\0"),
        [(0, 32, 60, 64), (16, 32, 60, 65)],
    ),
    "struck three times": (
        smf(
            b"\0\x90\x3c\x40\x10\x3c\x41\0\xc0\5\x10\x90\x3c\x42\x10\xff\x2f\0",
            NOTE + b"\x83\x60\xff\x2f\0",
        ),
        [(0, 48, 60, 64), (16, 32, 60, 65), (32, 16, 60, 66), (0, 96, 60, 64)],
    ),
}
"""Name → the bytes of a file that is read, though odd, and its notes."""


def both(source):
    """What each of the two readers makes of a file: a score, or the message of a `MidiError`."""
    out = []
    for reader in (read, lambda s: from_mido(load_mido(s))):
        try:
            out.append(reader(source))
        except MidiError as error:
            out.append(str(error))
    return out


def music(score):
    """What two readers must agree on; a pedal counts where there is a note that it could hold."""
    tracks = [(t.program, t.is_drum) for t in score.tracks]
    sounding = set(score.notes["track"].tolist())
    return (
        score.ticks_per_quarter,
        sorted((*note[:4], *tracks[note[4]]) for note in score.notes.tolist()),
        sorted(
            {
                (*pedal[:2], *tracks[pedal[2]])
                for pedal in score.pedals.tolist()
                if pedal[2] in sounding
            }
        ),
        *(sorted(getattr(score, name).tolist()) for name in ("tempos", "meters", "keys")),
    )


@pytest.mark.parametrize("kind", BAD)
def test_both_readers_refuse_a_bad_file_with_its_name_place_and_remedy(tmp_path, kind):
    data, message = BAD[kind]
    (tmp_path / "bad.mid").write_bytes(data)
    for reader in (read, load_mido, lambda path: parse(data, str(path))):
        with pytest.raises(MidiError, match=message) as caught:
            reader(tmp_path / "bad.mid")
        text = str(caught.value)
        assert text.startswith(str(tmp_path / "bad.mid"))
        assert text.endswith(".") and any(word in text for word in ("xport", "copy", "Correct"))


@pytest.mark.parametrize("kind", BAD)
def test_compose_reports_a_bad_file_and_writes_nothing(checkpoints, tmp_path, kind):
    (tmp_path / "bad.mid").write_bytes(BAD[kind][0])
    args = ["compose", str(tmp_path / "bad.mid"), "--checkpoint", str(checkpoints["line"].path)]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 1 and result.stdout == ""
    assert (
        result.stderr.startswith("Error: ")
        and "bad.mid" in result.stderr
        and "Traceback" not in result.stderr
    )
    assert [p.name for p in tmp_path.iterdir()] == ["bad.mid"]


@pytest.mark.parametrize("kind", ODD)
def test_both_readers_read_an_odd_file_whole(kind):
    data, notes = ODD[kind]
    fast, exact = both(data)
    assert sorted(note[:4] for note in fast.notes.tolist()) == sorted(notes)
    assert music(fast) == music(exact)


def test_values_of_unusual_length_are_read_correctly():
    for score in both(ODD["tempo, its length in 2 bytes"][0]):
        assert score.tempos.tolist() == [(0, 500_001)]
    for score in both(ODD["key of 130 bytes"][0]):
        assert score.keys.tolist() == [(0, 3, False)]
    for score in both(ODD["meter of 5 bytes"][0]):
        assert score.meters.tolist() == [(0, 3, 8)]


def test_an_unusual_key_becomes_its_enharmonic_equivalent():
    for score in both(ODD["8 sharps"][0]):
        assert score.keys.tolist() == [(0, -4, True)]


@pytest.mark.parametrize("channel", [0, 1, 9, 15])
@pytest.mark.parametrize("released", [True, False])
def test_a_pedal_begins_where_it_is_pressed_on_every_channel(channel, released):
    on, control = bytes([0x90 | channel]), bytes([0xB0 | channel])
    note = b"\0" + on + b"\x3c\x40\x60" + on + b"\x3c" + (b"\0" if released else b"\x40")
    pedals = b"\x20" + control + b"\x40\x7f\x20\x40\0\x08\x40\x7f\0\x40\0\x08\x40\0"
    for score in both(smf(note + pedals + END)):
        assert score.pedals.tolist() == [(128, 32, 0)]


@given(midi=files())
@settings(max_examples=25, deadline=None)
def test_a_file_cut_anywhere_is_an_error(midi):
    buffer = io.BytesIO()
    midi.save(file=buffer)
    data = buffer.getvalue()
    assert music(read(data)) == music(from_mido(load_mido(data)))
    for length in range(len(data)):
        with pytest.raises(MidiError, match="the given bytes"):
            parse(data[:length], "the given bytes")


EVENTS = st.tuples(
    st.sampled_from([0, 0, 1, 60, 200, 20_000]),
    st.sampled_from([0x80, 0x90, 0x90, 0x90, 0xB0, 0xD0]),
    st.sampled_from([0, 1, 9]),
    st.sampled_from([60, 64]),
    st.sampled_from([0, 64, 100]),
)


@given(
    tracks=st.lists(st.lists(EVENTS, max_size=12), min_size=1, max_size=3),
    kind=st.sampled_from([0, 1]),
)
@settings(max_examples=150, deadline=None)
def test_notes_end_at_their_off_in_turn_or_with_their_track(tracks, kind):
    midi = mido.MidiFile(type=1)
    expected = []
    for events in tracks:
        chunk, now, waiting = mido.MidiTrack(), 0, defaultdict(deque)
        ended = []
        for delta, status, channel, first, second in events:
            now += delta
            size = 2 if status == 0xD0 else 3
            chunk.append(
                mido.Message.from_bytes([status | channel, first, second][:size], time=delta)
            )
            if status == 0x90 and second:
                waiting[channel, first].append((now, first, second, 0, channel == 9))
            elif status in (0x80, 0x90) and waiting[channel, first]:
                ended.append((waiting[channel, first].popleft(), now))
        chunk.append(mido.MetaMessage("end_of_track", time=10))
        midi.tracks.append(chunk)
        ended += [(note, now + 10) for notes in waiting.values() for note in notes]
        expected += [(note[0], end - note[0], *note[1:]) for note, end in ended if end > note[0]]
    buffer = io.BytesIO()
    midi.type = 1
    midi.save(file=buffer)
    data = bytearray(buffer.getvalue())
    data[9] = kind
    fast, exact = both(bytes(data))
    assert music(fast)[1] == sorted(expected)
    assert music(fast) == music(exact)


@st.composite
def damaged(draw):
    """A valid file with bytes changed, inserted or removed; half the time the length follows."""
    buffer = io.BytesIO()
    draw(files()).save(file=buffer)
    data = bytearray(buffer.getvalue())
    for _ in range(draw(st.integers(0, 3))):
        chunk = draw(
            st.sampled_from([i for i in range(len(data)) if data.startswith(b"MTrk", i)] or [0])
        )
        whole = draw(st.booleans()) and chunk
        at = draw(st.integers(chunk + 8 if whole else 0, len(data)))
        taken = draw(st.sampled_from([0, 0, 1, 1, 1, 2, 4]))
        put = draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from(PIECES),
                st.just(bytes(data[at : at + 1]) or b"a"),
            )
        )
        if draw(st.booleans()):
            put, taken = bytes(b ^ 0x80 for b in data[at : at + 1]), 1
        taken = len(data[at : at + taken])
        data[at : at + taken] = put
        if whole:
            length = int.from_bytes(data[chunk + 4 : chunk + 8], "big") + len(put) - taken
            data[chunk + 4 : chunk + 8] = max(length, 0).to_bytes(4, "big")
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 9)) == 0 else data)


PIECES = [
    b"\0\xf7\2\1\2",
    b"\0\xf0\2\1\2",
    b"\0\xff\x51\3\0\0\0",
    b"\0\xff\x58\4\0\2\x18\x08",
    b"\0\xff\x59\2\x08\0",
    b"\0\xff\x2f\0",
    b"\xff\xff\xff\x7f\x90\x3c\x40",
    b"\x81\x80\x80\x80\0",
    b"\0\x3c\x40",
    b"\0\x90\x3c\x40",
    b"\0\xb1\x40\x7f",
    b"\0\xf8",
    b"\0\xa0\x3c\x80",
    b"\0\xff\x01\x20",
    b"\0\xff\x08\0",
    b"\x10\xff\x60\1a",
]


@given(data=damaged())
@settings(max_examples=200, deadline=None)
def test_damage_is_an_error_or_harmless_and_both_readers_agree(data):
    fast, exact = both(data)
    if isinstance(fast, str):
        assert fast == exact and fast.startswith("the given bytes")
    else:
        assert music(fast) == music(exact)
        assert bool((fast.notes["duration"] > 0).all()) and bool((fast.notes["onset"] >= 0).all())


def test_folders_pipes_and_devices_are_refused_without_waiting(tmp_path):
    (tmp_path / "folder.mid").mkdir()
    cases = {"missing.mid": "No such file", "folder.mid": "it is a folder", "nul\0.mid": "null"}
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mid")
        cases["pipe.mid"] = "it is a pipe or a device"
    for name, message in cases.items():
        for reader in (read, read_bytes, load_mido):
            with pytest.raises(MidiError, match=f"(?s)cannot read .*{message}.*Give the path"):
                reader(tmp_path / name)
    if os.path.exists("/dev/zero"):  # noqa: PTH110
        with pytest.raises(MidiError, match="it is a pipe or a device"):
            read("/dev/zero")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_a_forbidden_file_is_refused(tmp_path):
    (tmp_path / "secret.mid").write_bytes(track())
    (tmp_path / "secret.mid").chmod(0)
    with pytest.raises(MidiError, match=r"cannot read .*secret.mid: Permission denied"):
        read(tmp_path / "secret.mid")


def test_ten_million_events_are_refused_before_they_are_read(tmp_path, monkeypatch):
    with (tmp_path / "huge.mid").open("wb") as file:
        file.write(track())
        file.truncate(40_000_000)
    data = bytes(MAX_BYTES + 1)
    monkeypatch.setattr(os, "read", lambda *args: pytest.fail("must not be read"))
    for reader, source in (
        (read, tmp_path / "huge.mid"),
        (load_mido, tmp_path / "huge.mid"),
        (read, data),
    ):
        with pytest.raises(
            MidiError, match=r"bytes; a MIDI file of at most 16,777,216 was expected. Cut it"
        ):
            reader(source)


def test_the_limit_of_size_is_the_largest_that_is_read(tmp_path, monkeypatch):
    (tmp_path / "all.mid").write_bytes(track())
    for limit, allowed in ((len(track()), True), (len(track()) - 1, False)):
        monkeypatch.setattr("musegen.score.midi.container.MAX_BYTES", limit)
        for source in (track(), tmp_path / "all.mid"):
            assert [not isinstance(made, str) for made in both(source)] == [allowed] * 2


def test_more_events_than_mido_reads_in_time_are_refused_before_it_reads_them(monkeypatch):
    data = smf(*[b"\0\x90\x3c\x40" + b"\0\x3c\0" * 299_999 + END] * 2)
    monkeypatch.setattr(mido, "MidiFile", lambda **_: pytest.fail("must not be read"))
    with pytest.raises(MidiError, match=r"has 600,000 events; at most 500,000 were expected"):
        load_mido(data)


def test_more_tracks_than_fit_16_bits_are_refused():
    everything = b"".join(bytes([0, 0x90 | c, 60, 60, 1, 0x80 | c, 60, 0]) for c in range(16)) + END
    for message in both(smf(*[everything] * 4100)):
        assert "at most 65,535 tracks were expected. Received: 65,600" in message
    for message in both(smf(*[END] * 65535) + b"MTrk\0\0\0\0"):
        assert "has 65,536 track chunks; at most 65,535 were expected" in message


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (mido.MetaMessage("set_tempo", tempo=0), "track 2, tick 7: a tempo of 1"),
        (mido.MetaMessage("time_signature", numerator=0), "track 2, tick 7: a time signature"),
        (mido.MetaMessage("time_signature", denominator=2**40), r"received 4/2\^40"),
    ],
)
def test_a_mido_file_with_a_meaningless_value_is_refused(event, message):
    midi = mido.MidiFile(tracks=[mido.MidiTrack(), mido.MidiTrack([event.copy(time=7)])])
    with pytest.raises(MidiError, match=message):
        read(midi)
