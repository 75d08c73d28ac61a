"""Measures of music, overlaps of histograms, and near-duplicates."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from musegen import ConfigError, Score, Track, read
from musegen.score.keys import Key, find_key
from musegen.score.measures import (
    MEASURES,
    OVERLAPS,
    THRESHOLD,
    fingerprint,
    likeness,
    measures,
    near_duplicates,
    overlaps,
    similarity,
)
from tests.helpers import SEEDS as PATHS
from tests.helpers import scores

SEEDS = [read(path) for path in PATHS]
DRUMS = Track(is_drum=True)


def music(rows, **fields):
    """A score at 12 ticks a quarter of (onset, duration, pitch, track) rows; track 1 is drums."""
    fields = {"ticks_per_quarter": 12, "tracks": [Track(), DRUMS], **fields}
    return Score(
        notes=[(onset, duration, pitch, 80, track) for onset, duration, pitch, track in rows],
        **fields,
    )


def line(pitches, steps=12, **fields):
    """A melody of notes of equal length."""
    return music([(i * steps, steps, pitch, 0) for i, pitch in enumerate(pitches)], **fields)


TUNE = music(
    [
        (0, 11, 60, 0),
        (12, 5, 62, 0),
        (18, 5, 64, 0),
        (24, 17, 65, 0),
        (48, 11, 67, 0),
        (48, 11, 64, 0),
        (60, 5, 66, 0),
        (84, 11, 71, 0),
        (96, 11, 60, 0),
        (108, 5, 62, 0),
        (114, 5, 64, 0),
        (120, 17, 65, 0),
    ]
)
CHORDS = music(
    [
        (0, 20, 60, 0),
        (0, 20, 64, 0),
        (0, 20, 67, 0),
        (24, 10, 61, 0),
        (30, 10, 61, 0),
        (26, 20, 69, 0),
        (96, 10, 60, 0),
        (100, 10, 72, 0),
        (150, 5, 59, 0),
    ]
)
BAND = music(
    [
        (0, 11, 57, 0),
        (12, 11, 60, 0),
        (24, 11, 64, 0),
        (36, 11, 68, 0),
        (0, 3, 36, 1),
        (6, 3, 42, 1),
        (12, 3, 38, 1),
        (15, 3, 42, 1),
        (20, 3, 42, 1),
        (28, 3, 42, 1),
        (48, 3, 36, 1),
        (54, 3, 42, 1),
        (49, 3, 42, 1),
        (76, 3, 38, 1),
    ]
)

# What muspy 0.5.0 says of the same notes at resolution 12, `polyphony_rate` with threshold=1. They
# end inside a beat and a bar, where its count of beats and bars is no different from ours.
MUSPY = {
    "pitch_range": (11, 13, 11),
    "n_pitches_used": (7, 7, 4),
    "n_pitch_classes_used": (7, 6, 4),
    "pitch_entropy": (2.688722, 2.725481, 2.0),
    "pitch_class_entropy": (2.688722, 2.419382, 2.0),
    "pitch_in_scale_rate": (0.916667, 0.777778, 0.75),
    "scale_consistency": (0.916667, 0.777778, 0.75),
    "polyphony": (1.106796, 1.983607, 1.0),
    "polyphony_rate": (0.080292, 0.258065, 0.0),
    "empty_beat_rate": (0.083333, 0.461538, 0.142857),
    "empty_measure_rate": (0.0, 0.25, 0.0),
    "groove_consistency": (0.9375, 0.9375, 0.875),
    "drum_in_pattern_rate": (None, None, 0.6),
    "drum_pattern_consistency": (None, None, 0.6),
}


@pytest.mark.parametrize("name", MUSPY)
def test_the_values_are_muspys(name):
    for score, expected in zip((TUNE, CHORDS, BAND), MUSPY[name], strict=True):
        assert measures(score).get(name) == (
            None if expected is None else pytest.approx(expected, abs=1e-6)
        )


def test_the_values_do_not_depend_on_the_resolution():
    for score in (TUNE, CHORDS, BAND):
        notes = score.notes.copy()
        notes["onset"] *= 40
        notes["duration"] *= 40
        finer = Score(notes=notes, tracks=score.tracks, ticks_per_quarter=480)
        assert measures(finer) == pytest.approx(measures(score))


def test_music_that_ends_on_a_barline_has_no_bar_and_no_beat_behind_it():
    # muspy counts one more of each, and a note as sounding in the beat and bar in which it ends.
    found = measures(music([(0, 12, 60, 0), (24, 24, 62, 0), (144, 48, 64, 0)]))
    assert found["empty_beat_rate"] == pytest.approx(9 / 16)
    assert found["empty_measure_rate"] == pytest.approx(2 / 4)
    assert found["notes_per_bar"] == pytest.approx(3 / 4)
    assert found["mean_duration"] == pytest.approx(84 / 12 / 3)


def test_rests_at_the_end_are_music():
    found = measures(music([(0, 12, 60, 0), (0, 12, 64, 0)], end=192))
    assert found["empty_measure_rate"] == 0.75 and found["empty_beat_rate"] == 15 / 16
    assert found["polyphony"] == 2 and found["polyphony_rate"] == 1 / 16


def test_two_notes_at_once_are_polyphony():
    found = measures(music([(0, 24, 60, 0), (12, 24, 64, 0), (12, 6, 64, 0), (20, 4, 40, 1)]))
    assert found["polyphony_rate"] == pytest.approx(12 / 36)
    assert found["polyphony"] == pytest.approx(48 / 36)


def test_drum_patterns_are_sixteenths_or_triplets():
    rate = [
        measures(music([(step, 1, 42, 1) for step in onsets]))
        for onsets in ([0, 4, 8, 12], [0, 3, 6, 9, 15], [1, 2, 5, 7])
    ]
    assert [found["drum_in_pattern_rate"] for found in rate] == [0.5, 1, 0]
    assert [found["drum_pattern_consistency"] for found in rate] == [1, 1, 0]


def test_played_notes_count_where_they_were_meant():
    notes = [
        (0, 400, 60, 80, 0),
        (474, 400, 62, 80, 0),
        (1915, 400, 60, 80, 0),
        (2409, 400, 62, 80, 0),
    ]
    found = measures(Score(notes=notes, tracks=[Track()]))
    assert found["groove_consistency"] == found["self_similarity"] == 1


def test_self_similarity_is_the_mean_jaccard_index_of_bars_up_to_eight_apart():
    bars = [[60, 62], [60, 64], [60, 62], []]
    rows = [
        (48 * bar + 12 * i, 12, pitch, 0)
        for bar, pitches in enumerate(bars)
        for i, pitch in enumerate(pitches)
    ]
    # lag 1: 1/3, 1/3, 0; lag 2: 1, 0; lag 3: 0
    assert measures(music(rows, end=192))["self_similarity"] == pytest.approx((2 / 3 + 1) / 6)
    once = line([60, 62, 64, 65] * 9 + [72] * 4)
    assert measures(once, end=432)["self_similarity"] == 1
    far = line([60, 60, 60, 60, *range(1, 33), 60, 60, 60, 60])  # nine bars apart
    assert measures(far)["self_similarity"] == 0


def test_bars_of_several_lengths_are_compared_step_by_step():
    score = music(
        [(0, 6, 60, 0), (24, 6, 60, 0), (48, 6, 60, 0)], meters=[(0, 4, 4), (48, 2, 4)], end=72
    )
    assert measures(score)["groove_consistency"] == pytest.approx(1 - 1 / 48)


def test_the_scale_is_that_of_the_key_found_or_given():
    score = line([57, 59, 60, 62, 64, 65, 68, 69, 64, 60, 57, 57])
    assert find_key(score) == Key(9, "minor")
    assert measures(score)["pitch_in_scale_rate"] == pytest.approx(
        11 / 12
    )  # G sharp is not in the scale
    assert measures(score, key=Key(2))["pitch_in_scale_rate"] == pytest.approx(8 / 12)


def test_what_is_not_defined_is_absent():
    nothing = {"n_pitches_used": 0, "n_pitch_classes_used": 0}
    assert measures(Score()) == nothing
    rest = {"polyphony_rate": 0, "notes_per_bar": 0, "empty_beat_rate": 1, "empty_measure_rate": 1}
    assert measures(Score(end=480)) == nothing | rest
    drums = measures(music([(0, 3, 42, 1), (60, 3, 42, 1)]))
    assert not {
        "pitch_range",
        "pitch_entropy",
        "polyphony",
        "mean_duration",
        "scale_consistency",
    } & set(drums)
    assert drums["drum_in_pattern_rate"] == 1 and drums["self_similarity"] == 0
    one_bar = measures(line([60, 62]))
    assert not {"groove_consistency", "self_similarity", "drum_in_pattern_rate"} & set(one_bar)
    assert measures(TUNE, 20, 20) == nothing


@pytest.mark.parametrize(("start", "end"), [(-1, None), (20, 10), (0, 9999), (9999, None)])
def test_a_stretch_outside_the_score_is_refused(start, end):
    with pytest.raises(ConfigError, match=r"0 <= start <= end <= 137.*Received: start "):
        measures(TUNE, start, end)
    with pytest.raises(ConfigError, match=r"0 <= start <= end <= 137"):
        fingerprint(TUNE, start, end)


RATES = [name for name in MEASURES if name.endswith(("_rate", "_consistency", "_similarity"))]


@given(scores())
@settings(deadline=None)
def test_nothing_is_nan_and_rates_are_shares(score):
    found = measures(score)
    assert list(found) == [name for name in MEASURES if name in found]
    assert all(
        type(value) is float and math.isfinite(value) and value >= 0 for value in found.values()
    )
    assert all(found[name] <= 1 for name in RATES if name in found)


@example(
    Score(notes=[(0, 1, 60, 1, 0)], tracks=[Track()], ticks_per_quarter=1, meters=[(0, 1, 8)])
)  # a bar of no tick
@given(scores())
@settings(deadline=None)
def test_what_sounds_agrees_with_a_piano_roll(score):
    found, quarter, end = measures(score), score.ticks_per_quarter, score.end
    roll, sounds = np.zeros((end, 128), bool), np.zeros(end, bool)
    for onset, duration, pitch, _, track in score.notes.tolist():
        sounds[onset : onset + duration] = True
        roll[onset : onset + duration, pitch] |= not score.tracks[track].is_drum
    count = roll.sum(1)
    if count.any():
        assert found["polyphony"] == pytest.approx(count.sum() / np.count_nonzero(count))
    if end:
        assert found["polyphony_rate"] == pytest.approx((count >= 2).mean())
        beats = [sounds[tick : tick + quarter].any() for tick in range(0, end, quarter)]
        assert found["empty_beat_rate"] == pytest.approx(1 - np.mean(beats))
        bars = [
            sounds[first:last].any()
            for first, last in pairwise(score.barlines().tolist())
            if first < min(last, end)
        ]
        assert found["empty_measure_rate"] == pytest.approx(1 - np.mean(bars))


@given(scores(), st.integers(0, 5), st.integers(0, 5))
@settings(deadline=None)
def test_a_stretch_measures_as_if_it_were_cut_out(score, first, count):
    # On a grid of whole steps: elsewhere a barline may be rounded otherwise.
    score = Score(notes=score.notes, tracks=score.tracks, ticks_per_quarter=480, end=score.end)
    lines = score.barlines()
    start, stop = (int(lines[min(bar, len(lines) - 1)]) for bar in (first, first + count))
    if stop <= score.end:
        cut = score[first : first + count]
        assert measures(score, start, stop) == pytest.approx(measures(cut))
        assert np.array_equal(fingerprint(score, start, stop), fingerprint(cut))


def test_overlaps_of_histograms():
    a, b = line([60, 62, 64, 60]), line([60, 62, 64, 67], steps=6)
    assert overlaps(a, b) == pytest.approx(
        {"pitch_class": 3 / 4, "interval": 2 / 3, "duration": 0, "inter_onset": 0}
    )
    assert similarity(a, b) == pytest.approx((3 / 4 + 2 / 3) / 4)
    assert overlaps(a, line([61, 63, 65, 61])) == {
        "pitch_class": 0,
        "interval": 1,
        "duration": 1,
        "inter_onset": 1,
    }


def test_intervals_are_between_the_highest_notes_of_a_track():
    chords = music(
        [
            (12 * i, 12, pitch - down, 0)
            for i, pitch in enumerate([72, 74, 76, 72])
            for down in (0, 4, 9)
        ]
    )
    found = overlaps(line([60, 62, 64, 60]), chords)
    assert found["interval"] == found["inter_onset"] == 1
    two = music(
        [(0, 12, 60, 0), (12, 12, 62, 0), (5, 12, 40, 1), (17, 12, 39, 1)],
        tracks=[Track(), Track()],
    )
    assert overlaps(line([60, 62]), two)["interval"] == 0.5


def test_what_is_long_or_wide_counts_in_the_last_bin():
    assert overlaps(line([20, 100], steps=200), line([20, 90], steps=300)) == pytest.approx(
        {"pitch_class": 0.5, "interval": 1, "duration": 1, "inter_onset": 1}
    )


def test_drums_are_compared_only_if_there_is_nothing_else():
    assert overlaps(BAND, BAND.select([0])) == dict.fromkeys(OVERLAPS, 1)
    drums = BAND.select([1])
    assert similarity(drums, drums) == 1 and similarity(drums, music([(0, 40, 37, 1)])) == 0
    assert similarity(Score(), Score(end=9)) == 1 and similarity(Score(), TUNE) == 0


@given(scores(), scores())
@settings(deadline=None)
def test_overlaps_are_symmetric_shares_and_one_of_the_same(a, b):
    found = overlaps(a, b)
    assert tuple(found) == OVERLAPS and all(0 <= value <= 1 for value in found.values())
    assert found == overlaps(b, a)
    assert overlaps(a, a) == dict.fromkeys(OVERLAPS, 1)


def noisy(score, share, seed=0):
    """The piece with some of its notes a semitone higher."""
    notes, rng = score.notes.copy(), np.random.default_rng(seed)
    notes["pitch"] += (rng.random(len(notes)) < share).astype(np.uint8)
    return Score(
        notes=notes, tracks=score.tracks, ticks_per_quarter=score.ticks_per_quarter, end=score.end
    )


def test_a_fingerprint_has_an_n_gram_a_place():
    assert len(fingerprint(line([60, 62, 64, 65, 67, 69, 71, 72]))) == 3
    assert len(fingerprint(line([60, 62] * 20))) == 2
    found = fingerprint(TUNE)
    assert found.dtype == np.uint64 and np.array_equal(found, np.unique(found))
    assert (
        likeness(
            fingerprint(line([60, 62, 64, 65, 67, 69])), fingerprint(line([60, 62, 64, 65, 67, 70]))
        )
        == 0
    )


@pytest.mark.parametrize("score", [TUNE, CHORDS, BAND, *SEEDS], ids=lambda score: repr(score))
def test_key_tempo_place_and_accompanying_drums_make_no_difference(score):
    mine = fingerprint(score)
    quarter = score.ticks_per_quarter
    assert len(mine) and likeness(mine, mine) == 1
    melodic = [i for i, track in enumerate(score.tracks) if not track.is_drum]
    for other in (
        score.transpose(5),
        score.transpose(-7),
        score.shift(7 * quarter),
        score.select(melodic),
    ):
        assert np.array_equal(fingerprint(other), mine)


def test_rhythm_makes_a_difference():
    a = line([60, 62, 64, 65, 67, 69, 71, 72])
    assert (
        likeness(fingerprint(a), fingerprint(line([60, 62, 64, 65, 67, 69, 71, 72], steps=6))) == 0
    )
    longer = Score(notes=a.notes, tracks=a.tracks, ticks_per_quarter=6)
    assert likeness(fingerprint(a), fingerprint(longer)) == 0


def test_lines_too_short_for_an_n_gram_still_have_one():
    short, other = fingerprint(line([60, 62, 64])), fingerprint(line([60, 62, 63]))
    assert len(short) == len(other) == 1 and short != other
    assert np.array_equal(short, fingerprint(line([70, 72, 74])))
    assert likeness(short, fingerprint(line([60, 62, 64, 64]))) == 0
    assert likeness(short, fingerprint(line([60, 62, 64, 65, 67, 69, 71]))) == 0
    assert len(fingerprint(line([60]))) == len(fingerprint(Score())) == 0
    assert likeness(fingerprint(Score()), fingerprint(Score())) == 0


def test_lines_of_several_tracks_do_not_run_into_each_other():
    low, high = line([40, 41, 43, 40, 45, 47, 40]), line([70, 69, 72, 76, 70, 71, 76])
    rows = np.concatenate([low.notes, high.notes])
    rows["track"][len(low.notes) :] = 1
    both = Score(notes=rows, tracks=[Track(), Track()], ticks_per_quarter=12)
    assert np.array_equal(fingerprint(both), np.union1d(fingerprint(low), fingerprint(high)))


def test_drums_alone_have_fingerprints():
    drums = BAND.select([1])
    assert (
        len(fingerprint(drums)) and likeness(fingerprint(drums), fingerprint(drums.shift(48))) == 1
    )


def test_likeness_is_the_jaccard_index():
    a, b = np.array([1, 2, 3], np.uint64), np.array([2, 3, 4, 5], np.uint64)
    assert likeness(a, b) == likeness(b, a) == 2 / 5


def test_copies_with_wrong_notes_are_found_and_other_pieces_are_not():
    pieces = [*SEEDS, *(noisy(seed.transpose(3), 0.02) for seed in SEEDS)]
    found = near_duplicates([fingerprint(piece) for piece in pieces])
    assert found == [-1] * len(SEEDS) + list(range(len(SEEDS)))


def greedy(fingerprints, threshold):
    out = []
    for i, mine in enumerate(fingerprints):
        like = [
            likeness(mine, other) if out[j] < 0 else 0 for j, other in enumerate(fingerprints[:i])
        ]
        best = int(np.argmax(like)) if like else 0
        out.append(best if like and like[best] >= threshold else -1)
    return out


sets = st.lists(
    st.sets(st.integers(0, 12), max_size=8).map(lambda s: np.array(sorted(s), np.uint64)),
    max_size=12,
)


@given(sets, st.floats(0.01, 1))
def test_near_duplicates_are_those_of_the_plain_algorithm(fingerprints, threshold):
    found = near_duplicates(fingerprints, threshold)
    assert found == greedy(fingerprints, threshold)
    assert near_duplicates(fingerprints[:5], threshold) == found[:5]


def test_a_repetition_names_the_most_alike_of_those_that_are_kept():
    a, b, c, d = (
        np.array(x, np.uint64) for x in ([1, 2, 3, 4], [3, 4, 5, 6], [1, 2, 3, 5], [3, 4, 5, 6])
    )
    assert near_duplicates([a, b, c, d], 0.5) == [-1, -1, 0, 1]
    assert near_duplicates([a, c, b], 0.5) == [-1, 0, -1]
    assert near_duplicates([]) == [] and near_duplicates([a[:0], a[:0]]) == [-1, -1]


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, float("nan")])
def test_a_threshold_outside_its_range_is_refused(threshold):
    with pytest.raises(ConfigError, match=rf"> 0 and <= 1. Received: .*The default is {THRESHOLD}"):
        near_duplicates([], threshold)
