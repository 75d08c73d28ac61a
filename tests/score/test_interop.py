"""Scores as the objects of other libraries, tables and sound, and back."""

import subprocess
import sys
from fractions import Fraction

import mido
import music21
import numpy as np
import pandas as pd
import pretty_midi
import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import Encoder, MidiError, MusegenError, Score, Track, read
from musegen.score.export.audio import resampled
from musegen.score.midi import render
from musegen.score.notation import load_notation
from musegen.utils.extras import require
from tests.helpers import scores

PIECE = Score(
    notes=[
        (0, 480, 60, 80, 0),
        (480, 240, 62, 90, 0),
        (0, 960, 48, 70, 1),
        (0, 120, 38, 99, 2),
        (960, 120, 42, 60, 2),
    ],
    tracks=[Track("Flute", 73), Track("Clarinet", 71), Track("Kit", 0, is_drum=True)],
    tempos=[(0, 500_000), (480, 600_000)],
    meters=[(0, 3, 4)],
    keys=[(0, -3, True)],
    end=1440,
)

FIELDS = ("notes", "tempos", "meters", "keys")


def test_there_and_back_through_each_library():
    for name, kind in (
        ("mido", mido.MidiFile),
        ("pretty_midi", pretty_midi.PrettyMIDI),
        ("symusic", None),
        ("music21", None),
    ):
        other = getattr(PIECE, f"to_{name}")()
        assert kind is None or type(other) is kind
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


def test_symusic_can_write_what_it_got(tmp_path):
    PIECE.to_symusic().dump_midi(tmp_path / "piece.mid")
    assert len(symusic.Score(str(tmp_path / "piece.mid")).tracks) == 3


# music21


@st.composite
def written(draw):
    """Music as it stands on paper: sixteenths and triplets, chords, ties over barlines, voices, several parts."""
    grid = draw(st.sampled_from([120, 160, 240]))
    cells = st.tuples(
        st.integers(0, 40), st.integers(1, 24), st.integers(40, 80), st.integers(1, 127)
    )
    parts = draw(st.lists(st.lists(cells, max_size=14), min_size=1, max_size=3))
    rows = {}
    for track, part in enumerate(parts):
        free = {}  # a pitch that still sounds is not struck again: paper has no such thing
        for cell, length, pitch, velocity in sorted(part):
            if free.get(pitch, 0) <= cell:
                rows[track, cell, pitch] = (cell * grid, length * grid, pitch, velocity, track)
                free[pitch] = cell + length
    meters = draw(
        st.sampled_from(
            [
                [(0, 4, 4)],
                [(0, 3, 4), (2880, 6, 8)],
                [(0, 7, 8)],
                [(0, 4, 4), (2400, 3, 4)],
                [(0, 4, 4), (1000, 3, 4)],
            ]
        )
    )
    return Score(
        notes=list(rows.values()),
        tracks=[Track(f"Part {i}", draw(st.integers(0, 127))) for i in range(len(parts))],
        meters=meters,
        keys=draw(st.sampled_from([[], [(0, 3, True)], [(0, -2, False), (1920, 5, False)]])),
        tempos=draw(st.sampled_from([[], [(0, 612_345)], [(0, 500_000), (960, 750_000)]])),
        end=draw(st.sampled_from([2400, 7680])),
    )


@given(score=written())
@settings(max_examples=40, deadline=None)
def test_written_music_comes_back_from_music21_note_for_note(score):
    again = read(score.to_music21())
    assert again.notes.tolist() == score.notes.tolist()
    assert again.tracks == score.tracks
    assert (
        again.tempos.tolist() == score.tempos.tolist()
        and again.keys.tolist() == score.keys.tolist()
    )
    assert again.barlines().tolist() == score.barlines().tolist()


@pytest.mark.parametrize("second", [(3, 4), (4, 4)])
def test_a_first_bar_cut_short_is_no_pickup(second):
    score = Score(
        notes=[(0, 480, 60, 80, 0), (1000, 480, 62, 80, 0)],
        tracks=[Track()],
        meters=[(0, 4, 4), (1000, *second)],
        end=6000,
    )
    again = read(score.to_music21())
    assert (
        again.notes.tolist() == score.notes.tolist()
        and again.meters.tolist() == score.meters.tolist()
    )


def test_a_stream_has_measures_ties_chords_rests_and_voices():
    score = Score(
        notes=[
            (0, 2880, 60, 80, 0),
            (0, 2880, 64, 80, 0),  # a chord, tied over the barline
            (2880, 160, 67, 80, 0),
            (3040, 160, 65, 80, 0),
            (3200, 160, 64, 80, 0),  # a triplet, then a rest
            (3840, 1920, 72, 80, 0),
            (4320, 480, 60, 80, 0),  # one note under another
        ],
        tracks=[Track("Right", 0)],
        end=5760,
    )
    part = score.to_music21().parts[0]
    first, second, third = part.getElementsByClass("Measure")
    assert [m.number for m in (first, second, third)] == [1, 2, 3]
    assert [c.pitches[0].nameWithOctave for c in first.notes] == ["C4"]
    assert first.notes[0].isChord and [n.tie.type for n in first.notes[0].notes] == [
        "start",
        "start",
    ]
    assert [n.tie.type for n in second.notes[0].notes] == ["stop", "stop"]
    assert [n.quarterLength for n in second.notes] == [2, *[Fraction(1, 3)] * 3]
    assert [r.quarterLength for r in second.getElementsByClass("Rest")] == [1]
    assert len(third.voices) == 2
    assert first.timeSignature.ratioString == "4/4" and part.partName == "Right"


@pytest.mark.parametrize(
    ("fifths", "expected"),
    [
        (0, "C C# D E- E F F# G G# A B- B"),
        (-6, "C D- D E- F- F G- G A- A B- C-"),
        (5, "B# C# D D# E E# F# G G# A A# B"),
    ],
)
def test_pitches_are_spelt_by_the_key(fifths, expected):
    score = Score(
        notes=[(i * 480, 480, 60 + i, 80, 0) for i in range(12)],
        tracks=[Track()],
        keys=[(0, fifths, False)] if fifths else [],
    )
    notes = list(score.to_music21().flatten().notes)
    assert [n.pitch.name for n in notes] == expected.split()
    assert [n.pitch.midi for n in notes] == list(range(60, 72))


def test_every_program_is_kept():
    score = Score(
        notes=[(0, 480, 60, 80, i) for i in range(128)],
        tracks=[Track(f"t{i}", i) for i in range(128)],
    )
    again = read(score.to_music21())
    assert again.tracks == score.tracks and again.notes.tolist() == score.notes.tolist()


def test_drums_stay_drums_and_keep_their_keys():
    from music21.instrument import UnpitchedPercussion

    stream = PIECE.to_music21()
    assert isinstance(stream.parts[2].getInstrument(), UnpitchedPercussion)
    assert [n.pitch.midi for n in stream.parts[2].flatten().notes] == [38, 42]


def test_a_stream_can_be_printed_and_read_again(tmp_path):
    """A clarinet is written a tone higher than it sounds, on the way there and back."""
    PIECE.select([0, 1]).to_music21().write("musicxml", tmp_path / "piece.musicxml")
    again = load_notation(tmp_path / "piece.musicxml")
    columns = ["onset", "duration", "pitch", "track"]
    assert again.notes[columns].tolist() == PIECE.select([0, 1]).notes[columns].tolist()
    assert "<transpose>" in (tmp_path / "piece.musicxml").read_text()


# pandas


def test_a_table_has_a_row_a_note():
    frame = PIECE.to_dataframe()
    assert frame.to_dict("records")[0] == {
        "onset": 0,
        "duration": 480,
        "onset_quarters": 0.0,
        "duration_quarters": 1.0,
        "onset_seconds": 0.0,
        "duration_seconds": 0.5,
        "bar": 0,
        "pitch": 60,
        "velocity": 80,
        "track": 0,
        "track_name": "Flute",
        "program": 73,
        "is_drum": False,
    }
    assert frame["duration_seconds"].tolist() == pytest.approx([0.5, 0.5 + 0.6, 0.125, 0.3, 0.15])
    assert frame["onset_seconds"].tolist() == pytest.approx([0, 0, 0, 0.5, 1.1])
    assert frame["is_drum"].tolist() == [False, False, True, False, True]
    both = (PIECE + PIECE).to_dataframe()
    assert both["bar"].tolist() == [0] * 5 + [1] * 5
    assert Score().to_dataframe().shape == (0, 13)


@given(score=scores())
@settings(max_examples=100, deadline=None)
def test_notes_come_back_from_a_table_exactly(score):
    frame = score.to_dataframe()
    again = Score.from_dataframe(frame)
    assert (
        again.notes.tolist() == score.notes.tolist()
        and again.ticks_per_quarter == score.ticks_per_quarter
    )
    assert all(again.tracks[i] == score.tracks[i] for i in set(score.notes["track"].tolist()))
    rest = {
        name: getattr(score, name)
        for name in ("tracks", "tempos", "meters", "keys", "pedals", "end")
    }
    assert Score.from_dataframe(frame, score.ticks_per_quarter, **rest) == score
    shuffled = frame.sample(frac=1, random_state=1).drop(columns=["onset", "duration"])
    assert sorted(Score.from_dataframe(shuffled).notes.tolist()) == sorted(score.notes.tolist())


def test_the_least_that_a_table_must_say():
    frame = pd.DataFrame(
        {"onset_quarters": [0, 1.5], "duration_quarters": [1, 0.25], "pitch": [60, 62]}
    )
    score = Score.from_dataframe(frame, meters=[(0, 3, 4)])
    assert score.notes.tolist() == [(0, 480, 60, 80, 0), (720, 120, 62, 80, 0)]
    assert (
        score.tracks == (Track(),)
        and score.ticks_per_quarter == 480
        and score.meters.tolist() == [(0, 3, 4)]
    )
    assert Score.from_dataframe(frame, 24).notes["duration"].tolist() == [24, 6]
    named = frame.assign(
        track=[2, 0], track_name=["Bass", None], program=[33, 1], is_drum=[None, True]
    )
    assert Score.from_dataframe(named).tracks == (Track("", 1, True), Track(), Track("Bass", 33))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pitch": None},
            "must have a column pitch. Received the columns: onset, duration. Rename or add it",
        ),
        ({"onset": None}, r"must have a column onset \(ticks\) or onset_quarters"),
        (
            {"pitch": [60, 128]},
            "'pitch' must hold whole numbers from 0 to 127. Received: .*128.* in row 1",
        ),
        ({"pitch": [60, 60.5]}, "'pitch' must hold whole numbers"),
        ({"pitch": [60, None]}, "'pitch' must hold whole numbers.*Received: .*nan.* in row 1"),
        ({"pitch": ["C4", "D4"]}, "'pitch' must hold numbers"),
        ({"onset": [0, -1]}, "'onset' must hold whole numbers from 0"),
        ({"duration": [0, 1]}, "every duration must be > 0"),
        ({"velocity": [0, 1]}, "'velocity' must hold whole numbers from 1 to 127"),
        ({"track": [0, 70_000]}, "'track' must hold whole numbers from 0 to 65535"),
        (
            {"onset": None, "onset_quarters": [0, 1e300]},
            "'onset_quarters' must hold numbers from 0",
        ),
        ({"onset": [0, 2**31 - 2]}, "must end before tick"),
    ],
)
def test_tables_that_hold_no_notes_are_refused(changes, message):
    columns = {"onset": [0, 480], "duration": [480, 480], "pitch": [60, 62], **changes}
    frame = pd.DataFrame({name: values for name, values in columns.items() if values is not None})
    with pytest.raises(MidiError, match=message):
        Score.from_dataframe(frame)


def test_ticks_per_quarter_survive_a_file_without_them(tmp_path):
    piece = Score(
        notes=[(0, 7, 60, 80, 0), (31, 11, 62, 80, 1)],
        tracks=[Track("x"), Track("", 0, True)],
        ticks_per_quarter=97,
    )
    piece.to_dataframe().to_csv(tmp_path / "notes.csv", float_format="%.3f")
    again = Score.from_dataframe(pd.read_csv(tmp_path / "notes.csv"))
    assert again == piece
    assert Score.from_dataframe(pd.read_csv(tmp_path / "notes.csv"), 96).ticks_per_quarter == 96
    text = pd.read_csv(tmp_path / "notes.csv", dtype={"is_drum": str, "track_name": str})
    assert Score.from_dataframe(text).tracks == piece.tracks


def test_rows_of_different_grids_are_refused():
    coarse = Encoder().quantise(PIECE)
    mixed = pd.concat([PIECE.to_dataframe(), coarse.to_dataframe()])
    with pytest.raises(
        MidiError, match=r"same ticks per quarter in every row. Received: .* in row \d+.*frame.drop"
    ):
        Score.from_dataframe(mixed)
    assert len(Score.from_dataframe(mixed.drop(columns=["onset", "duration"]))) == len(PIECE) + len(
        coarse
    )
    same = pd.concat([coarse.to_dataframe(), coarse.to_dataframe()])
    assert Score.from_dataframe(same).ticks_per_quarter == coarse.ticks_per_quarter


@pytest.mark.parametrize("value", [480.5, 0, -1, "480", float("nan")])
def test_ticks_per_quarter_are_a_whole_number(value):
    with pytest.raises(
        MidiError, match=r"ticks_per_quarter must be a whole number >= 1. Received: "
    ):
        Score.from_dataframe(PIECE.to_dataframe(), value)
    frame = PIECE.to_dataframe()
    frame.attrs["ticks_per_quarter"] = value
    with pytest.raises(MidiError, match=r"ticks_per_quarter must be"):
        Score.from_dataframe(frame)


def test_a_column_is_there_once_and_holds_numbers():
    frame = PIECE.to_dataframe()
    with pytest.raises(MidiError, match=r"Received twice: pitch. Drop"):
        Score.from_dataframe(pd.concat([frame, frame[["pitch"]]], axis=1))
    for onset in (
        pd.to_datetime([0] * len(frame)),
        frame["onset"] * 1j,
        pd.to_timedelta(frame["onset"]),
    ):
        with pytest.raises(MidiError, match=r"'onset' must hold numbers"):
            Score.from_dataframe(frame.assign(onset=onset))


def test_names_and_drums_may_be_text_or_missing():
    frame = PIECE.to_dataframe()
    for drums in (
        frame["is_drum"].astype(str),
        frame["is_drum"].astype(int),
        frame["is_drum"].astype("boolean"),
    ):
        assert Score.from_dataframe(frame.assign(is_drum=drums)).tracks == PIECE.tracks
    assert (
        not Score.from_dataframe(frame.assign(is_drum=pd.array([None] * 5, "boolean")))
        .tracks[2]
        .is_drum
    )
    with pytest.raises(
        MidiError, match=r"'is_drum' must hold True or False. Received: 'maybe' in row 0"
    ):
        Score.from_dataframe(frame.assign(is_drum="maybe"))
    assert type(Score.from_dataframe(frame.drop(columns="track_name")).tracks[0].name) is str


def test_a_table_is_what_a_score_is_made_from():
    with pytest.raises(MidiError, match=r"expected a pandas DataFrame. Received: list"):
        Score.from_dataframe([1, 2])


# Sound


def tone(hertz, samples, rate):
    """How much of a pitch there is in the left channel."""
    time = np.arange(len(samples)) / rate
    return abs(np.exp(-2j * np.pi * hertz * time) @ samples[:, 0]) / len(samples)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_the_sound_is_as_long_and_as_high_as_the_music(rate):
    """Two seconds: a flute's A at 440 Hz for one, then silence."""
    score = Score(notes=[(0, 960, 69, 110, 0)], tracks=[Track(program=73)], end=1920)
    samples = render(score, rate)
    assert samples.dtype == np.float32 and samples.shape == (2 * rate, 2)
    assert np.abs(samples).max() <= 1
    played, silent = samples[: rate // 2], samples[-rate // 4 :]
    assert np.abs(played).max() > 0.05 and np.abs(silent).max() < 0.02 * np.abs(played).max()
    assert tone(440, played, rate) > 10 * tone(466.16, played, rate)


def test_resampling_leaves_no_alias():
    """8 kHz carries nothing above 4 kHz: a tone there must vanish, not come back mirrored."""
    score = Score(notes=[(0, 1920, 108, 127, 0)], tracks=[Track(program=73)], end=1920)
    loud = tone(4186.01, render(score, 48_000), 48_000)
    assert loud > 1e-3
    assert tone(8_000 - 4186.01, render(score, 8_000), 8_000) < 0.02 * loud


@pytest.mark.parametrize(
    ("rate", "wanted"), [(48_000, 44_100), (48_000, 22_050), (44_100, 48_000), (48_000, 16_000)]
)
def test_resampling_keeps_a_tone_as_it_is(rate, wanted):
    tone_at = {
        r: np.sin(2 * np.pi * 3000 * np.arange(r // 10) / r).astype(np.float32)
        for r in (rate, wanted)
    }
    out = resampled(np.stack([tone_at[rate], -tone_at[rate]], axis=1), rate, wanted)
    assert out.shape == (wanted // 10, 2)
    inside = slice(100, -100)  # the edges hear the silence around
    assert out[inside, 0] == pytest.approx(tone_at[wanted][inside], abs=1e-3)
    assert np.array_equal(out[:, 1], -out[:, 0])


def test_audio_is_a_player_with_that_sound():
    player = PIECE.audio()
    assert type(player).__name__ == "Audio" and type(player).__module__.startswith("IPython")
    assert player.data[:4] == b"RIFF" and "<audio" in player._repr_html_()
    assert len(player.data) == 44 + 4 * round(PIECE.duration * 44_100)
    assert int.from_bytes(player.data[24:28], "little") == 44_100
    assert len(PIECE.audio(8_000).data) < len(player.data) / 5
    assert not np.frombuffer(Score(end=480).audio().data[44:], "<i2").any()


def test_nothing_is_not_heard():
    with pytest.raises(
        MidiError, match=r"nothing to hear. Received: Score\(0 notes.*Score\(end=480\)"
    ):
        Score().audio()


def test_sound_that_cannot_be_is_refused(tmp_path, monkeypatch):
    with pytest.raises(MidiError, match=r"sample_rate must be 8000 to 48000. Received: 0"):
        PIECE.audio(0)
    with pytest.raises(MidiError, match=r"at most 60 minutes. Received: 74..*score\[:64\].audio"):
        Score(end=480 * 120 * 74 + 480).audio()
    monkeypatch.setenv("MUSEGEN_SOUNDFONT", str(tmp_path / "none.sf2"))
    with pytest.raises(MusegenError, match=r"none.sf2; there is none. Set MUSEGEN_SOUNDFONT"):
        PIECE.audio()
    (tmp_path / "none.sf2").write_bytes(b"RIFF no SoundFont")
    with pytest.raises(MusegenError, match=r"cannot render with the SoundFont .*none.sf2"):
        PIECE.audio()


# What is not installed


@pytest.mark.parametrize(
    ("missing", "call", "extra"),
    [
        ("pandas", "to_dataframe()", "notebook"),
        ("matplotlib", "plot()", "notebook"),
        ("midirenderer", "audio()", "audio"),
        ("IPython", "audio()", "audio"),
    ],
)
def test_what_is_missing_is_named_with_the_remedy(missing, call, extra):
    code = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {missing!r}: raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from musegen import MusegenError, Score\n"
        f"try: Score(end=480).{call}\n"
        "except MusegenError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        run.stdout
        == f"score.{call} needs {missing}. Install it with: pip install 'musegen[{extra}]'\n"
    )


def test_what_is_broken_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import a_module_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        require("broken_package", "notebook", "score.plot()")


def test_the_encoder_takes_what_the_methods_give():
    tokens = Encoder().encode(PIECE)
    for other in (PIECE.to_mido(), PIECE.to_pretty_midi(), PIECE.to_symusic(), PIECE.to_music21()):
        assert np.array_equal(Encoder().encode(other), tokens), type(other)


class MyFile(mido.MidiFile):
    """What users make of the libraries' classes."""


class MyMidi(pretty_midi.PrettyMIDI):
    """See `MyFile`."""


class MyPart(music21.stream.Part):
    """See `MyFile`."""


def test_classes_made_from_the_libraries_are_read():
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


def test_parts_of_what_can_be_read_are_refused_with_the_remedy(tmp_path):
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


def test_what_is_no_symusic_score_is_refused():
    with pytest.raises(MidiError, match=r"expected a symusic score. Received: TrackTick"):
        read(symusic.Track())
