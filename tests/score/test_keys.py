"""Keys: their names, their notes, and finding them as music21 does."""

import os
import subprocess
import sys

import music21
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from music21.analysis.discrete import KrumhanslSchmuckler
from music21.corpus.chorales import Iterator as Chorales

import musegen.score.keys
from musegen import ConfigError, Score, Track, read
from musegen.score.keys import MODES, Key, find_key, melodic, pitch_class_histogram
from tests.helpers import SEEDS

EVERY = [Key(tonic, mode) for mode in MODES for tonic in range(12)]
C_MAJOR = [1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1]


def music21_finds(stream):
    found = KrumhanslSchmuckler().getSolution(stream)
    return Key(found.tonic.pitchClass, found.mode)


def members(classes):
    return np.flatnonzero(classes).tolist()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C:minor", Key(0, "minor")),
        ("Bb:major", Key(10)),
        ("F#:dorian", Key(6, "dorian")),
        (" eb : Lydian ", Key(3, "lydian")),
        ("bb minor", Key(10, "minor")),
        ("b:minor", Key(11, "minor")),
        ("A♭ MAJOR", Key(8)),
        ("Cb major", Key(11)),
        ("B#:locrian", Key(0, "locrian")),
        ("Am", Key(9, "minor")),
        ("Bbm", Key(10, "minor")),
        ("F♯m", Key(6, "minor")),
        ("Bb", Key(10)),
        ("G", Key(7)),
    ],
)
def test_names_are_read(text, key):
    assert Key.parse(text) == key


@pytest.mark.parametrize(
    "text", ["", "H:major", "C:blues", "C:", "C:m", "C##", "Cminor", "am", "a", "C minor minor"]
)
def test_other_names_are_refused_with_the_forms_and_modes(text):
    with pytest.raises(
        ConfigError, match=r"C:minor.*F#m \(minor\).*major, dorian, .*locrian. Received: "
    ) as error:
        Key.parse(text)
    assert repr(text.strip()) in str(error.value)


def test_values_outside_their_range_are_refused():
    with pytest.raises(ConfigError, match=r"0 \(C\) to 11 \(B\). Received: 12"):
        Key(12)
    with pytest.raises(ConfigError, match=r"one of major, .* Received: 'aeolian'"):
        Key(0, "aeolian")


@pytest.mark.parametrize("key", EVERY, ids=str)
def test_a_key_is_read_from_its_name_and_spelt_as_its_signature_has_it(key):
    assert Key.parse(str(key)) == key
    assert Key.parse(str(key).replace(" ", ":")) == key
    theirs = music21.key.Key(str(key).split()[0].replace("b", "-"), key.mode)
    assert theirs.sharps == key.fifths
    assert members(key.scale) == sorted(p.pitchClass for p in theirs.pitches[:7])


def test_names_have_the_usual_accidentals():
    assert [str(Key(tonic)) for tonic in (1, 3, 6, 8, 10)] == [
        f"{t} major" for t in ("Db", "Eb", "F#", "Ab", "Bb")
    ]
    assert [str(Key(t, "minor")) for t in (1, 3, 6, 8, 10)] == [
        f"{t} minor" for t in ("C#", "D#", "F#", "G#", "Bb")
    ]


def test_a_minor_key_has_both_sevenths_and_no_other_key_more_than_its_scale():
    assert members(Key(9, "minor").scale) == [0, 2, 4, 5, 7, 9, 11]
    assert members(Key(9, "minor").pitch_classes) == [0, 2, 4, 5, 7, 8, 9, 11]
    assert members(Key(2, "dorian").pitch_classes) == [0, 2, 4, 5, 7, 9, 11]
    assert all(key.pitch_classes.sum() == 7 + (key.mode == "minor") for key in EVERY)


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_the_key_of_a_seed_is_the_one_that_music21_finds(path):
    assert find_key(read(path)) == music21_finds(music21.converter.parse(path))


def test_the_key_of_chorales_is_the_one_that_music21_finds():
    chorales = list(Chorales(1, 20))
    assert len(SEEDS) >= 15 and len(chorales) == 20
    assert [find_key(read(stream)) for stream in chorales] == [
        music21_finds(stream) for stream in chorales
    ]


histograms = st.lists(st.integers(0, 1000), min_size=12, max_size=12).map(np.array)


@given(histograms, st.integers(0, 11))
def test_transposing_transposes(histogram, semitones):
    best, second = np.sort(musegen.score.keys._correlations(histogram))[[-1, -2]]
    assume(best - second > 1e-6)
    key, other = find_key(histogram), find_key(np.roll(histogram, semitones))
    assert other == Key((key.tonic + semitones) % 12, key.mode)


def test_transposing_a_piece_transposes_its_key():
    score = read(next(path for path in SEEDS if path.stem == "greensleeves"))
    assert [find_key(score.transpose(up)) for up in range(12)] == [
        Key((9 + up) % 12, "minor") for up in range(12)
    ]


@given(histograms.filter(np.ndarray.any), st.floats(1e-9, 1e9))
def test_only_proportions_count(histogram, scale):
    assert find_key(histogram) == find_key(histogram * scale)


def test_correlations_are_pearsons():
    rng = np.random.default_rng(1)
    histogram = rng.random(12)
    major, minor = musegen.score.keys.PROFILES
    expected = [
        np.corrcoef(histogram, np.roll(profile, t))[0, 1]
        for profile in (major, minor)
        for t in range(12)
    ]
    assert musegen.score.keys._correlations(histogram) == pytest.approx(expected)


@pytest.mark.parametrize(
    "histogram", [np.zeros(12), np.ones(12), np.full(12, 0.1), np.full(12, 1e300)]
)
def test_what_has_no_key_is_in_c_major(histogram):
    assert find_key(histogram) == Key(0, "major")


def test_of_keys_that_fit_equally_the_first_is_taken():
    tritones = np.array([1, 0, 0, 0, 0, 0] * 2)
    assert find_key(tritones).tonic < 6
    assert find_key(np.array([1, 0, 0] * 4)).tonic < 3


def test_durations_count_and_drums_do_not():
    tracks = [Track(), Track(is_drum=True)]
    notes = [
        (0, 960, 60, 80, 0),
        (960, 240, 64, 80, 0),
        (960, 240, 72, 80, 0),
        (0, 9999, 61, 80, 1),
    ]
    score = Score(notes=notes, tracks=tracks)
    assert pitch_class_histogram(melodic(score)).tolist() == [
        1200,
        0,
        0,
        0,
        240,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]
    assert find_key(score) == find_key(np.array([1200, 0, 0, 0, 240, 0, 0, 0, 0, 0, 0, 0]))
    assert find_key(score.select([1])) == Key(0) == find_key(Score())


@pytest.mark.parametrize(
    "histogram",
    [np.ones(11), np.ones((12, 1)), -np.ones(12), np.full(12, np.nan), np.full(12, np.inf)],
)
def test_invalid_histograms_are_refused(histogram):
    with pytest.raises(ConfigError, match=r"twelve numbers >= 0, from C to B. Received: shape"):
        find_key(histogram)


def test_importing_is_cheap():
    code = (
        "import sys, musegen.score.keys, musegen.score.measures; "
        "mine = {name.split('.')[1] for name in sys.modules if name.startswith('musegen.')}; "
        "assert mine <= {'_version', 'errors', 'score', 'utils'}, mine; "
        "assert not {'mido', 'symusic', 'music21', 'h5py', 'keras', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
