"""Edits of a MIDI file change nothing else in it."""

import io

import mido
import pytest
from hypothesis import given, settings

from musegen import MidiError, Score, Track
from musegen.score.midi import append, from_mido, load_mido, overdub, refill
from tests.helpers import absolute, assert_untouched, files

ON, OFF = "note_on", "note_off"


def midi_of(*chunks, kind=1):
    """A file of chunks of (tick, message)."""
    midi = mido.MidiFile(type=kind)
    for chunk in chunks:
        midi.tracks.append(mido.MidiTrack())
        for tick, message in chunk:
            now = sum(event.time for event in midi.tracks[-1])
            midi.tracks[-1].append(message.copy(time=tick - now))
    return midi


def message(kind, note=60, velocity=64):
    return mido.Message(kind, note=note, velocity=velocity)


def events(midi, chunk=0):
    """(tick, type) of each event of a chunk, the end of track included."""
    out, now = [], 0
    for event in midi.tracks[chunk]:
        now += event.time
        out.append((now, event.type))
    return out


def saved(midi):
    """The content of the file, read again."""
    data = io.BytesIO()
    midi.save(file=data)
    return load_mido(data.getvalue())


def rows(*notes):
    """`NOTE[N]` of (onset, duration, pitch, track)."""
    tracks = [Track()] * (1 + max(track for *_, track in notes))
    return Score(notes=[(o, d, p, 80, t) for o, d, p, t in notes], tracks=tracks).notes


@given(midi=files())
@settings(max_examples=50, deadline=None)
def test_added_notes_leave_every_event_at_its_tick(midi):
    before = saved(midi)
    score = from_mido(before)
    end, new = score.end, len(score.tracks)
    longer = append(before, score, rows((end, 9, 60, 0)), end, end + 96, ("a", "b"))
    assert_untouched(before, longer)
    more = Score(tracks=[*score.tracks, Track("new")])
    thicker = overdub(before, more, rows((0, 9, 60, new)), new)
    assert len(thicker.tracks) == len(before.tracks) + 1
    thicker.tracks.pop()
    assert_untouched(before, thicker)
    assert absolute(before) == absolute(saved(midi))


def test_what_is_left_on_is_released_before_added_notes():
    pedal = mido.Message("control_change", control=64, value=127)
    bend = mido.Message("pitchwheel", pitch=100)
    midi = midi_of([(0, message(ON, 60)), (0, pedal), (0, bend), (96, message(OFF, 72))])
    after = append(midi, from_mido(midi), rows((96, 48, 60, 0)), 96, 192, ("a", "b"))
    assert events(after)[-8:] == [
        (96, "note_off"),  # the file's own
        (96, "note_off"),
        (96, "control_change"),
        (96, "pitchwheel"),
        (96, "note_on"),
        (96, "marker"),
        (144, "note_off"),
        (192, "end_of_track"),
    ]


def test_a_refill_ends_its_notes_before_and_begins_them_after_the_events_of_a_tick():
    lyric = mido.MetaMessage("lyrics", text="la")
    midi = midi_of([(0, message(ON)), (96, message(OFF)), (96, lyric), (192, lyric)])
    after = refill(midi, from_mido(midi), (0,), rows((0, 96, 62, 0), (96, 96, 64, 0)), 0, 192, "m")
    assert events(after) == [
        (0, "marker"),
        (0, "note_on"),
        (96, "note_off"),
        (96, "lyrics"),
        (96, "note_on"),
        (192, "note_off"),
        (192, "lyrics"),
        (192, "end_of_track"),
    ]
    assert [e.note for e in after.tracks[0] if e.type == "note_on"] == [62, 64]


def test_the_end_of_a_track_stays_unless_something_is_added_after_it():
    silence = mido.MetaMessage("end_of_track")
    midi = midi_of([(0, message(ON)), (96, message(OFF)), (960, silence)], [(480, silence)])
    score = from_mido(midi)
    short = append(midi, score, rows((100, 9, 60, 0)), 100, 200, ("a", "b"))
    long = append(midi, score, rows((100, 9, 60, 0)), 100, 2000, ("a", "b"))
    assert [events(short, chunk)[-1] for chunk in (0, 1)] == [
        (960, "end_of_track"),
        (480, "end_of_track"),
    ]
    assert events(long)[-1] == (2000, "end_of_track")


@pytest.mark.parametrize("charset", ["latin1", "utf-8"])
def test_text_is_written_as_utf_8_in_every_charset(charset):
    midi = midi_of([(0, message(ON)), (96, message(OFF))])
    midi.charset = charset
    score = from_mido(midi)
    more = Score(tracks=[*score.tracks, Track("Flöte →", 73)])
    after = saved(overdub(midi, more, rows((0, 9, 60, 1)), 1, ("für",)))
    assert from_mido(after).tracks[1].name == "Flöte →"
    marker = next(event for event in after.tracks[0] if event.type == "marker")
    assert marker.text.encode("latin1").decode() == "für"


def test_a_file_of_type_0_gets_new_tracks_in_its_only_chunk():
    midi = midi_of([(0, message(ON)), (96, message(OFF))], kind=0)
    more = Score(tracks=[*from_mido(midi).tracks, Track("Cello", 42)])
    after = from_mido(overdub(midi, more, rows((0, 48, 50, 1)), 1))
    assert [(t.program, t.channel, t.chunk) for t in after.tracks] == [(0, 0, 0), (42, 1, 0)]
    assert after.notes[["onset", "duration", "pitch"]].tolist() == [(0, 96, 60), (0, 48, 50)]


def busy(*chunk):
    """A file whose channels all have a program of their own, and a chunk of music."""
    programs = [mido.Message("program_change", channel=c, program=c) for c in range(16)]
    return midi_of([(0, program) for program in programs], chunk)


def test_notes_that_share_a_channel_are_kept_apart():
    """A new piano plays on the channel of the file's, whose notes go first."""
    midi = busy((480, message(ON)), (576, message(OFF)))
    old = from_mido(midi)
    score = Score(notes=old.notes, tracks=[*old.tracks, Track("Piano", 0)])
    added = rows((400, 200, 60, 1), (500, 96, 60, 1), (576, 9, 60, 1), (577, 9, 60, 1))
    after = from_mido(overdub(midi, score, added, 1))
    piano = after.notes[after.notes["track"] == 1]
    assert after.tracks[1].channel == 0
    assert piano[["onset", "duration"]].tolist() == [(400, 79), (577, 9)]


def test_an_instrument_without_a_free_channel_is_refused():
    midi = busy((0, mido.Message("program_change", program=99)))
    score = Score(tracks=[*from_mido(midi).tracks, Track("Piano", 0)])
    with pytest.raises(MidiError, match=r"uses all 15, and none of them for program 0 alone \(Pi"):
        overdub(midi, score, rows((0, 9, 60, len(score.tracks) - 1)), len(score.tracks) - 1)


def test_a_refill_of_notes_that_all_notes_off_ends():
    off = mido.Message("control_change", control=123)
    notes = [(tick, message(ON, 60 + tick // 96)) for tick in range(0, 384, 96)]
    midi = midi_of(
        sorted([*notes, *((tick, off) for tick in range(90, 400, 96))], key=lambda e: e[0])
    )
    after = from_mido(refill(midi, from_mido(midi), (0,), rows((96, 192, 72, 0)), 96, 288, "m"))
    assert after.notes[["onset", "duration", "pitch"]].tolist() == [
        (0, 90, 60),
        (96, 192, 72),
        (288, 90, 63),
    ]
