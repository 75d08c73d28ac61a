"""MIDI files are read and written."""

import io

import mido
import numpy as np
import pretty_midi
import pytest
import symusic
from hypothesis import given, settings

import musegen
from musegen import MidiError, MusegenError, Score, Track
from musegen.score.midi import from_mido, load_mido, read, to_mido, write
from tests.helpers import distinct_channels, files

PIECE = Score(
    notes=[(0, 480, 60, 80, 0), (480, 240, 62, 90, 0), (0, 960, 48, 70, 1), (0, 120, 38, 100, 2)],
    tracks=[Track("Flute", 73), Track("Cello", 42), Track("Kit", 0, is_drum=True)],
    tempos=[(0, 500_000), (480, 600_000)],
    meters=[(0, 3, 4)],
    keys=[(0, -3, True)],
    pedals=[(0, 480, 1)],
    end=1440,
)


def content(score):
    """Notes with the program and kind of their track, independent of the tracks' order."""
    return sorted(
        (o, d, p, v, score.tracks[t].program, score.tracks[t].is_drum)
        for o, d, p, v, t in score.notes.tolist()
    )


def test_a_written_score_is_read_back_with_the_rest_at_its_end(tmp_path):
    write(PIECE, tmp_path / "piece.mid")
    for again in (read(tmp_path / "piece.mid"), from_mido(load_mido(tmp_path / "piece.mid"))):
        assert content(again) == content(PIECE)
        assert [t.name for t in again.tracks] == ["Flute", "Cello", "Kit"]
        assert again.end == PIECE.end
        for name in ("tempos", "meters", "keys", "pedals"):
            assert np.array_equal(getattr(again, name), getattr(PIECE, name)), name


@given(midi=files())
@settings(max_examples=30, deadline=None)
def test_both_readers_find_the_same_music(midi):
    buffer = io.BytesIO()
    midi.save(file=buffer)
    fast, exact = read(buffer.getvalue()), from_mido(load_mido(buffer.getvalue()))
    if distinct_channels(midi):
        assert content(fast) == content(exact)
        assert np.array_equal(fast.tempos, exact.tempos)
        assert np.array_equal(fast.meters, exact.meters)


def test_all_sources_of_music_are_read(tmp_path):
    write(PIECE, tmp_path / "piece.mid")
    sources = [
        tmp_path / "piece.mid",
        str(tmp_path / "piece.mid"),
        (tmp_path / "piece.mid").read_bytes(),
        PIECE,
        mido.MidiFile(tmp_path / "piece.mid"),
        pretty_midi.PrettyMIDI(str(tmp_path / "piece.mid")),
        symusic.Score(str(tmp_path / "piece.mid")),
    ]
    for source in sources:
        assert content(read(source)) == content(PIECE), type(source)


def test_pretty_midi_round_trip():
    midi = PIECE.to_pretty_midi()
    assert [i.name for i in midi.instruments] == ["Flute", "Cello", "Kit"]
    assert midi.instruments[0].notes[1].end == pytest.approx(0.5 + 0.3)
    again = musegen.read(midi)
    with pytest.warns(DeprecationWarning, match=r"Use musegen\.read\(midi\)"):
        assert Score.from_pretty_midi(midi) == again
    assert content(again) == content(PIECE)
    assert again.keys.tolist() == PIECE.keys.tolist()
    assert again.meters.tolist() == PIECE.meters.tolist()


@pytest.mark.parametrize("fifths", range(-7, 8))
@pytest.mark.parametrize("minor", [False, True])
def test_every_key_survives(tmp_path, fifths, minor):
    score = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()], keys=[(0, fifths, minor)])
    write(score, tmp_path / "key.mid")
    assert read(tmp_path / "key.mid").keys.tolist() == [(0, fifths, minor)]


def test_a_note_that_is_never_released_ends_with_its_chunk():
    midi = mido.MidiFile()
    midi.tracks.append(mido.MidiTrack([mido.Message("note_on", note=60, velocity=80, time=10)]))
    midi.tracks[0].append(mido.MetaMessage("end_of_track", time=90))
    assert from_mido(midi).notes.tolist() == [(10, 90, 60, 80, 0)]


def test_coarse_grids_are_written_finely():
    coarse = Score(notes=[(0, 12, 60, 80, 0)], tracks=[Track()], ticks_per_quarter=12)
    midi = to_mido(coarse)
    assert midi.ticks_per_beat == 480
    assert from_mido(midi).notes.tolist() == [(0, 480, 60, 80, 0)]


def test_channels_are_shared_only_when_they_run_out():
    tracks = [Track(f"t{i}", program=i) for i in range(17)]
    midi = to_mido(Score(notes=[(0, 10, 60, 80, i) for i in range(17)], tracks=tracks))
    channels = [next(e.channel for e in chunk if e.type == "note_on") for chunk in midi.tracks[1:]]
    assert 9 not in channels and len(set(channels)) == 15


def test_a_melody_never_shares_the_drum_channel():
    kit = Track("kit", program=0, is_drum=True)
    tracks = [kit, *(Track(program=program) for program in range(1, 16)), Track(program=0)]
    notes = [(0, 10, 60, 80, index) for index in range(len(tracks))]
    again = from_mido(to_mido(Score(notes=notes, tracks=tracks)))
    assert [t.is_drum for t in again.tracks] == [True, *[False] * 16]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"RIFF0000WAVEfmt ", "begins with b'RIFF'"),
        (b"MThd\0\0\0\6\0\2\0\1\1\xe0", "type 2"),
        (b"MThd\0\0\0\6\0\1\0\1\xe7\x28", "SMPTE"),
        (b"MThd\0\0\0\6\0\1\0\1\0\0", "0 ticks per quarter note at byte 12"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\xff\xff\0", "not a readable MIDI file"),
    ],
)
def test_files_that_are_not_midi_are_named_with_a_reason(tmp_path, data, message):
    (tmp_path / "bad.mid").write_bytes(data)
    for reader in (read, load_mido):
        with pytest.raises(MidiError, match=message) as caught:
            reader(tmp_path / "bad.mid")
        assert "bad.mid" in str(caught.value)


def test_a_missing_file_and_a_foreign_object_are_refused(tmp_path):
    with pytest.raises(MidiError, match=r"cannot read .*no.mid: No such file"):
        read(tmp_path / "no.mid")
    with pytest.raises(MidiError, match=r"expected a path.*Received: builtins.int"):
        read(5)


def test_nothing_is_left_behind_when_writing_fails(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(mido.MidiFile, "save", fail)
    with pytest.raises(MusegenError, match=r"cannot write .*piece.mid: disk full"):
        write(PIECE, tmp_path / "piece.mid")
    assert list(tmp_path.iterdir()) == []


def test_mido_reads_no_more_chunks_than_it_can_count():
    chunks = b"MTrk\0\0\0\4\0\xff\x2f\0" * 2**15
    data = b"MThd\0\0\0\6\0\1\x80\0\1\xe0" + chunks
    assert read(data) == Score()
    with pytest.raises(MidiError, match="has 32,768 track chunks; at most 32,767 were expected"):
        load_mido(data)
