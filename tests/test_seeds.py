"""The seeds are what their script writes, every library opens them, and they are as described."""

import importlib.util
import sys

import mido
import numpy as np
import pretty_midi
import pytest
from music21.midi.translate import midiFilePathToStream

from musegen.score import midi
from tests.helpers import ROOT

HERE = ROOT / "midi_data"


def script():
    spec = importlib.util.spec_from_file_location("make_seeds", HERE / "make_seeds.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


make_seeds = script()
each = pytest.mark.parametrize("seed", make_seeds.SEEDS, ids=lambda seed: seed.name)


def committed(seed):
    return HERE / "seeds" / f"{seed.name}.mid"


def test_the_files_are_what_the_script_writes(tmp_path):
    make_seeds.write_seeds(tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    # Continuations that somebody tried out beside the seeds are none.
    committed = [
        path for path in (HERE / "seeds").iterdir() if not path.stem.endswith("-continued")
    ]
    assert {path.name: path.read_bytes() for path in committed} == written


@each
def test_every_library_reads_the_notes(seed):
    notes = seed.score().notes
    read = midi.read(committed(seed))
    assert len(notes) > 20
    np.testing.assert_array_equal(read.notes, notes)
    events = [message for track in mido.MidiFile(committed(seed)).tracks for message in track]
    assert sum(e.type == "note_on" and e.velocity > 0 for e in events) == len(notes)
    instruments = pretty_midi.PrettyMIDI(str(committed(seed))).instruments
    assert [len(i.notes) for i in instruments] == np.bincount(notes["track"]).tolist()
    assert [(i.program, i.is_drum) for i in instruments] == [
        (t.program, t.is_drum) for t in seed.tracks
    ]
    pitches = [
        p
        for element in midiFilePathToStream(committed(seed)).flatten().notes
        for p in element.pitches
    ]
    if not any(track.is_drum for track in seed.tracks):
        assert set(notes["pitch"].tolist()) <= {p.midi for p in pitches}


@each
def test_a_seed_says_what_a_score_needs_and_ends_with_its_last_bar(seed):
    score = seed.score()
    assert all(track.name for track in score.tracks)
    assert [len(rows) > 0 for rows in (score.tempos, score.meters, score.keys)] == [True] * 3
    assert len(set(score.notes["velocity"].tolist())) > 1
    lines = score.barlines()
    assert score.end == lines[-1]
    assert score.offsets.max() > lines[-2]


@each
def test_the_table_has_the_seed(seed):
    row = f"| `{seed.name}` | {seed.title} | {seed.origin} | {seed.exercises} |"
    assert row in (HERE / "README.md").read_text(encoding="utf-8")


def test_both_ways_to_write_a_pickup_are_there():
    scores = {seed.name: seed.score() for seed in make_seeds.SEEDS}
    assert scores["auld_lang_syne"].meters.tolist() == [(0, 1, 4), (480, 4, 4)]
    assert scores["auld_lang_syne"].notes["onset"][:2].tolist() == [0, 480]
    assert scores["amazing_grace"].meters.tolist() == [(0, 3, 4)]
    assert scores["amazing_grace"].notes["onset"][:2].tolist() == [960, 1440]


def test_what_abc_has_no_sign_for():
    scores = {
        seed.name: midi.read(HERE / "seeds" / f"{seed.name}.mid") for seed in make_seeds.SEEDS
    }
    evening = scores["tempo_and_pedal"]
    assert np.diff(evening.tempos["microseconds"]).min() > 0
    assert len(evening.tempos) == 3
    assert evening.pedals["onset"].tolist()[:2] == [30, 1950]
    assert evening.pedals["duration"].tolist()[:2] == [1860, 1860]
    assert set((scores["swing_blues"].notes["onset"] % 480).tolist()) == {0, 320}
    drums = scores["drum_and_bass"].notes[scores["drum_and_bass"].notes["track"] == 1]
    assert set(drums["pitch"].tolist()) == {36, 38, 42, 46}
