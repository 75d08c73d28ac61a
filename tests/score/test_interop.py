"""Scores become objects of other libraries, and back."""

import mido
import music21
import numpy as np
import pretty_midi
import pytest
import symusic
from hypothesis import given, settings

from musegen import Encoder, MidiError, Score, Track, read
from tests.helpers import scores
from tests.score.pieces import PIECE

FIELDS = ("notes", "tempos", "meters", "keys")


def test_a_score_survives_each_library():
    for name in ("mido", "pretty_midi", "symusic", "music21"):
        other = getattr(PIECE, f"to_{name}")()
        assert type(other).__module__.startswith(name)
        again = read(other)
        assert again.tracks == PIECE.tracks, name
        assert again.ticks_per_quarter == 480
        for field in FIELDS:
            assert getattr(again, field).tolist() == getattr(PIECE, field).tolist(), (name, field)


@given(score=scores())
@settings(max_examples=100, deadline=None)
def test_symusic_keeps_every_column(score):
    other = score.to_symusic()
    assert isinstance(other, symusic.core.ScoreTick)
    again = read(other)
    assert again.tracks == score.tracks and again.ticks_per_quarter == score.ticks_per_quarter
    for name in (*FIELDS, "pedals"):
        assert sorted(getattr(again, name).tolist()) == sorted(getattr(score, name).tolist()), name


def test_symusic_can_write_the_score(tmp_path):
    PIECE.to_symusic().dump_midi(tmp_path / "piece.mid")
    assert len(symusic.Score(str(tmp_path / "piece.mid")).tracks) == 3


def test_the_encoder_accepts_the_objects_of_all_libraries():
    tokens = Encoder().encode(PIECE)
    for other in (PIECE.to_mido(), PIECE.to_pretty_midi(), PIECE.to_symusic(), PIECE.to_music21()):
        assert np.array_equal(Encoder().encode(other), tokens), type(other)


class MyFile(mido.MidiFile):
    """A user's class."""


class MyMidi(pretty_midi.PrettyMIDI):
    """A user's class."""


class MyPart(music21.stream.Part):
    """A user's class."""


def test_derived_classes_are_read():
    mine = MyFile(tracks=PIECE.to_mido().tracks, ticks_per_beat=480)
    assert read(mine).notes.tolist() == PIECE.notes.tolist()
    other = MyMidi()
    other.instruments = [pretty_midi.Instrument(5)]
    other.instruments[0].notes = [pretty_midi.Note(80, 60, 0, 1)]
    assert read(other).notes["pitch"].tolist() == [60]
    part = MyPart([music21.note.Note(61)])
    assert read(part).notes["pitch"].tolist() == [61]


def test_bytes_of_every_kind_are_read(tmp_path):
    PIECE.save(tmp_path / "piece.mid")
    data = (tmp_path / "piece.mid").read_bytes()
    assert read(bytearray(data)) == read(memoryview(data)) == read(data)


def test_parts_of_readable_objects_are_refused_with_a_remedy(tmp_path):
    with pytest.raises(
        MidiError,
        match=r"expected a mido.MidiFile. Received: MidiTrack. .*MidiFile\(tracks=\[track\]",
    ):
        read(mido.MidiTrack())
    with pytest.raises(
        MidiError, match=r"expected a pretty_midi.PrettyMIDI. Received: Instrument. .*append\(instr"
    ):
        read(pretty_midi.Instrument(0))
    with pytest.raises(MidiError, match=r"or a music21 stream.*Received: builtins.int"):
        read(5)
    (tmp_path / "d.xml").mkdir()
    with pytest.raises(MidiError, match=r"d.xml: it is a folder, not a file"):
        read(tmp_path / "d.xml")


@pytest.mark.parametrize("unit", ["quarter", "second"])
def test_symusic_scores_in_other_units_are_brought_to_ticks(tmp_path, unit):
    piece = Score(
        notes=[(0, 480, 60, 80, 0), (500, 240, 62, 90, 0)],
        tracks=[Track("Flute", 73)],
        tempos=[(0, 400_000)],
    )
    piece.save(tmp_path / "piece.mid")
    ticks = read(symusic.Score(tmp_path / "piece.mid"))
    assert read(symusic.Score(tmp_path / "piece.mid", ttype=unit)) == ticks
    assert ticks.notes["onset"].tolist() == [0, 500]


def test_a_symusic_track_is_refused():
    with pytest.raises(MidiError, match=r"expected a symusic score. Received: TrackTick"):
        read(symusic.Track())
