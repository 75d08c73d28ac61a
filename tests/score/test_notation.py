"""Reading MusicXML, ABC and Humdrum: notes, bars, signatures and errors."""

import subprocess
import sys

import numpy as np
import pytest

from musegen.data.corpus.exporting import corpus_root
from musegen.errors import MidiError
from musegen.score import Score, Track
from musegen.score.notation import from_music21, load_notation, parse_abc

HEAD = "X:1\nT:Test\nM:4/4\nL:1/4\nK:C\n"


def tune(music: str, head: str = HEAD) -> Score:
    return parse_abc(head + music)


def notes(score: Score) -> list[tuple[int, int, int]]:
    """Onset, duration and pitch, in quarters."""
    rows = score.notes
    return [
        (onset / 480, duration / 480, pitch)
        for onset, duration, pitch in zip(
            rows["onset"], rows["duration"], rows["pitch"], strict=True
        )
    ]


def pitches(score: Score) -> list[int]:
    return score.notes["pitch"].tolist()


def durations(score: Score) -> list[float]:
    return (score.notes["duration"] / 480).tolist()


def test_a_tune_is_its_notes_meter_key_and_end():
    score = tune("C D E F|G2 z A|", "X:1\nT:T\nM:3/4\nL:1/8\nQ:1/4=100\nK:Em\n")
    assert notes(score) == [
        (1.0, 0.5, 60),
        (1.5, 0.5, 62),
        (2.0, 0.5, 64),
        (2.5, 0.5, 66),
        (3.0, 1.0, 67),
        (4.5, 0.5, 69),
    ]
    assert score.ticks_per_quarter == 480
    assert score.meters.tolist() == [(0, 3, 4)]
    assert score.keys.tolist() == [(0, 1, True)]
    assert score.tempos.tolist() == [(0, 600_000)]
    assert score.end == 5 * 480
    assert set(score.notes["velocity"].tolist()) == {80}


def test_a_pickup_is_filled_up_on_the_left():
    score = tune("G|c4|d4|e3|]")
    assert notes(score) == [(3, 1, 67), (4, 4, 72), (8, 4, 74), (12, 3, 76)]
    assert score.barlines().tolist() == [0, 1920, 3840, 5760, 7680]
    assert score.end == 15 * 480


def test_a_section_that_ends_short_is_completed_by_the_next_pickup():
    score = tune("G|c4|d3:|E|c4|d3|]")
    assert score.meters.tolist() == [(0, 4, 4)]
    assert notes(score)[2:5] == [(8, 3, 74), (11, 1, 64), (12, 4, 72)]
    assert score.barlines().tolist() == [1920 * i for i in range(6)]


def test_a_bar_that_is_short_in_the_middle_is_cut_short():
    # The first ending leaves out the pickup's quarter, and the second ending follows it on the
    # page.
    score = tune("G|c4|[1 d3:|[2 d4||e4|]")
    assert score.barlines().tolist() == [0, 1920, 3840, 5280, 7200, 9120]
    assert score.meters.tolist() == [(0, 4, 4), (5280, 4, 4)]


def test_a_bar_with_too_many_notes_gets_a_barline_after_it():
    score = tune("c4|c4 c|d4|e4|")
    assert score.barlines().tolist() == [0, 1920, 3840, 4320, 6240, 8160]
    assert {row[1:] for row in score.meters.tolist()} == {(4, 4)}


def test_ties_are_merged_across_barlines_and_a_repeated_note_is_not():
    assert notes(tune("C4-|C4-|C2 C2|")) == [(0, 10, 60), (10, 2, 60)]


def test_chords_are_their_notes_and_chord_symbols_are_left_out():
    assert notes(tune('"Am"[CEG]2 "G7"c2|')) == [(0, 2, 60), (0, 2, 64), (0, 2, 67), (2, 2, 72)]


def test_grace_notes_are_dropped():
    assert notes(tune("{d}c2 {ef}g2|c4|"))[:2] == [(0, 2, 72), (2, 2, 79)]


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("HB2 e2|", [2, 2]),  # fermata
        ("uA vB ~c Td|", [1, 1, 1, 1]),
        ('A !trill!B "^slow"c .d|', [1, 1, 1, 1]),
        ("(A>)B c2|", [1.5, 0.5, 2]),
        ("A>-B c2|", [1.5, 0.5, 2]),
        ("A<B c2|", [0.5, 1.5, 2]),
        ("(3ABc d2|", [2 / 3, 2 / 3, 2 / 3, 2]),
        ("A/ B// c/4 d3|", [0.5, 0.25, 0.25, 3]),
    ],
)
def test_marks_in_abc_lose_no_notes_and_no_time(music, expected):
    assert durations(tune(f"{music}c4|")) == pytest.approx([*expected, 4])


def test_an_accidental_holds_to_the_end_of_its_bar():
    assert pitches(tune("^F F G F|F4|")) == [66, 66, 67, 66, 65]


@pytest.mark.parametrize("change", ["[M:3/4] [K:D]", "\nM:3/4\nK:D\n"])
def test_meter_and_key_change_at_their_place(change):
    score = tune(f"C D E F|{change}c d e|f3|")
    assert score.meters.tolist() == [(0, 4, 4), (1920, 3, 4)]
    assert score.keys.tolist() == [(0, 0, False), (1920, 2, False)]
    assert pitches(score)[4:] == [73, 74, 76, 78]


def test_the_lines_of_a_voice_make_one_track():
    score = tune("[V:1]c4|d4|\n[V:2]C4|D4|\n[V:1]e4|f4|\n[V:2]E4|F4|\n")
    assert len(score.tracks) == 2
    assert score.notes[score.notes["track"] == 0]["pitch"].tolist() == [72, 74, 76, 77]
    assert score.notes[score.notes["track"] == 1]["onset"].tolist() == [0, 1920, 3840, 5760]


MUSICXML = """<?xml version="1.0"?><score-partwise version="4.0">
<part-list><score-part id="P1"><part-name>Clarinet</part-name>
<score-instrument id="I1"><instrument-name>Clarinet</instrument-name></score-instrument>
<midi-instrument id="I1"><midi-program>72</midi-program></midi-instrument>
</score-part></part-list>
<part id="P1">
<measure number="0" implicit="yes"><attributes><divisions>2</divisions>
<key><fifths>-3</fifths><mode>minor</mode></key>
<time><beats>2</beats><beat-type>4</beat-type></time>
<transpose><chromatic>-2</chromatic></transpose></attributes>
<note><pitch><step>C</step><octave>5</octave></pitch><duration>1</duration></note></measure>
<measure number="1">
<note><pitch><step>D</step><octave>5</octave></pitch><duration>4</duration></note></measure>
</part></score-partwise>"""


def test_musicxml_is_read_as_it_sounds(tmp_path):
    path = tmp_path / "clarinet.musicxml"
    path.write_text(MUSICXML)
    score = load_notation(path)
    assert score.tracks == (Track("Clarinet", 71),)
    assert notes(score) == [(1.5, 0.5, 70), (2, 2, 72)]
    assert score.meters.tolist() == [(0, 2, 4)]
    assert score.end == 4 * 480


def test_a_note_struck_while_it_sounds_ends_there_and_doubles_are_one():
    from music21 import note, stream

    part = stream.Part()
    for onset, length in ((0, 4), (0, 2), (1, 1), (3, 0.0001)):
        part.insert(onset, note.Note(60, quarterLength=length))
    rows = from_music21(part).notes
    assert rows["onset"].tolist() == [0, 480, 1440]
    assert rows["duration"].tolist() == [480, 480, 1]


def test_velocities_percussion_and_an_opus():
    from music21 import note, stream

    loud, drum = note.Note(60), note.Unpitched()
    loud.volume.velocity = 111
    score = from_music21(stream.Score([stream.Part([loud]), stream.Part([drum])]))
    assert score.notes["velocity"].tolist() == [111, 80]
    assert [track.is_drum for track in score.tracks] == [False, True]
    with pytest.raises(MidiError, match=r"Opus holds 2 pieces, expected one. Pick one"):
        from_music21(stream.Opus([stream.Score(), stream.Score()]))


def test_a_tempo_for_playback_and_each_drum_of_a_stream_count():
    from music21 import instrument, note, stream, tempo

    kick, snare = note.Unpitched(), note.Unpitched()
    kick.storedInstrument, snare.storedInstrument = instrument.BassDrum(), instrument.SnareDrum()
    mark = tempo.MetronomeMark("Andante", numberSounding=75)
    score = from_music21(stream.Score([stream.Part([mark, kick, snare])]))
    assert score.notes["pitch"].tolist() == [35, 38]
    assert score.tempos.tolist() == [(0, 800_000)]


def test_a_chorale_with_a_pickup_has_music21s_barlines():
    from music21 import converter

    path = corpus_root() / "bach" / "bwv269.mxl"
    stream, score = converter.parse(path, forceSource=True), load_notation(path)
    assert from_music21(stream).notes.tolist() == score.notes.tolist()
    measures = stream.parts[0].getElementsByClass("Measure")
    assert measures[0].quarterLength == 1
    shift = 2 * 480  # three-four: two quarters of rest
    whole = [round(m.offset * 480) + shift for m in measures if m.quarterLength == 3]
    assert len(whole) == 18
    assert set(whole) <= set(score.barlines().tolist())
    assert set(np.diff(score.barlines()).tolist()) == {3 * 480}
    assert score.meters.tolist() == [(0, 3, 4)]
    assert len(score.tracks) == 4
    assert score.notes["onset"].min() == shift
    sounding = stream.flatten().notes[0].pitch.midi
    assert sounding in score.notes["pitch"][score.notes["onset"] == shift]


def test_aird_tune_with_pickups_at_each_section():
    score = load_notation(corpus_root() / "airdsAirs" / "book1.abc#0001")
    assert score.notes["onset"][0] == 3 * 480  # two eighths before a bar of two halves
    assert np.diff(score.barlines()).tolist() == [1920] * 17
    assert score.meters.tolist() == [(0, 2, 2)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "two.abc",
            "X:1\nT:a\nK:C\nC4|\nX:2\nT:b\nK:C\nD4|\n",
            "2 tunes, expected one. Choose one by its number",
        ),
        ("rest.abc", HEAD + "z4|z4|", "no notes"),
        ("broken.musicxml", "<score-partwise><part>", "line 1: well-formed XML was expected"),
        ("nothing.mxl", "", "line 1: well-formed XML was expected"),
        ("song.mid", "", "Expected a name that ends in .abc"),
    ],
)
def test_files_that_cannot_be_read_are_named_with_a_remedy(tmp_path, capfd, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(MidiError, match=message) as caught:
        load_notation(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).count(str(path)) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["missing.abc", "missing.mxl"])
def test_a_missing_file_is_reported(tmp_path, name):
    with pytest.raises(MidiError, match=r"(?i)no such file"):
        load_notation(tmp_path / name)


def test_importing_the_module_does_not_import_music21():
    modules = "sys, musegen.score.notation, musegen.data.corpus"
    code = f"import {modules}; assert 'music21' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
