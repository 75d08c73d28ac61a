"""Encoding round trips, on random scores and on worked examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import Encoder, EncoderConfig, EncodingError, Score, Track, read
from musegen.encoding.metric import supported_meter
from musegen.encoding.vocabulary import METERS
from tests.helpers import CONFIGS, scores


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_decoding_an_encoding_gives_the_quantised_score(config, data):
    encoder = Encoder(config)
    score = data.draw(scores(max_tracks=config.parts if config.parts < 4 else 4))
    kept = encoder.quantise(score)
    tokens = encoder.encode(score)
    assert tokens.dtype == np.int32
    assert tokens.max() < len(encoder.vocabulary)
    assert encoder.decode(tokens) == kept
    assert encoder.quantise(kept) == kept
    assert np.array_equal(encoder.encode(kept), tokens)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_every_prefix_of_an_encoding_decodes(config, data):
    encoder = Encoder(config)
    tokens = encoder.encode(data.draw(scores(max_tracks=1)))
    whole = encoder.decode(tokens)
    for length in range(1, len(tokens)):
        prefix = encoder.decode(tokens[:length])
        assert len(prefix) <= len(whole)


def test_notes_move_to_the_grid_and_no_further():
    score = Score(notes=[(21, 459, 60, 100, 0), (470, 100, 62, 100, 0)], tracks=[Track()])
    kept = Encoder(EncoderConfig(velocities=0)).quantise(score)
    assert kept.notes[["onset", "duration", "pitch"]].tolist() == [(1, 11, 60), (12, 2, 62)]
    assert kept.end == 48


def test_one_pitch_in_two_tracks_stays_two_notes_and_in_one_track_is_cut():
    score = Score(
        notes=[(0, 960, 60, 80, 0), (0, 480, 60, 80, 1), (480, 960, 60, 80, 0)],
        tracks=[Track(), Track()],
    )
    kept = Encoder(EncoderConfig(velocities=0)).quantise(score)
    assert kept.notes[["onset", "duration", "track"]].tolist() == [
        (0, 12, 0),
        (0, 12, 1),
        (12, 24, 0),
    ]


def test_a_note_longer_than_any_duration_token_is_held():
    encoder = Encoder(EncoderConfig(velocities=0, tempos=0, parts=1, programs=False))
    score = Score(notes=[(0, 480 * 17, 60, 80, 0)], tracks=[Track()])
    assert [str(e) for e in encoder.events(encoder.encode(score))][4:8] == [
        "pitch 60",
        "hold",
        "hold",
        "duration 12",
    ]
    assert encoder.decode(encoder.encode(score)).notes["duration"].tolist() == [17 * 12]


@pytest.mark.parametrize(
    ("meter", "expected"),
    [
        ((4, 4), (4, 4)),
        ((7, 8), (7, 8)),
        ((6, 2), (3, 2)),
        ((35, 16), (7, 16)),
        ((64, 128), (8, 16)),
        ((1, 16), (1, 16)),
        ((13, 4), (1, 4)),
        ((3, 32), (2, 16)),
    ],
)
def test_every_meter_has_a_token(meter, expected):
    assert METERS[supported_meter(*meter)] == expected


def test_a_bar_cut_short_gets_a_meter_of_its_own():
    score = Score(notes=[(0, 9600, 60, 80, 0)], tracks=[Track()], meters=[(0, 4, 4), (480, 3, 4)])
    kept = Encoder().quantise(score)
    assert kept.meters.tolist() == [(0, 4, 16), (12, 3, 4)]


def test_the_sustain_pedal_holds_notes():
    score = Score(notes=[(0, 96, 60, 80, 0)], tracks=[Track()], pedals=[(48, 960, 0)])
    assert Encoder(EncoderConfig(encoding="performance")).quantise(score).notes[
        "duration"
    ].tolist() == [105]
    dry = EncoderConfig(encoding="performance", sustain=False)
    assert Encoder(dry).quantise(score).notes["duration"].tolist() == [10]


def test_the_performance_table_is_the_published_one():
    vocabulary = Encoder(EncoderConfig(encoding="performance")).vocabulary
    assert vocabulary.first == {
        "note_on": 0,
        "note_off": 128,
        "time_shift": 256,
        "velocity": 356,
        "start": 388,
        "end": 389,
    }


def test_impossible_tokens_are_refused_with_their_place():
    encoder = Encoder(EncoderConfig(parts=1))
    tokens = encoder.encode(Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()]))
    with pytest.raises(EncodingError, match="tokens must be 0 to"):
        encoder.decode(np.array([99999]))
    with pytest.raises(EncodingError, match="first event must be start"):
        encoder.decode(tokens[1:])
    with pytest.raises(EncodingError, match=r"token 2: 'duration 12' cannot follow 'bar'"):
        encoder.decode(np.append(tokens[:2], encoder.vocabulary.token("duration", 11)))


def test_more_tracks_than_parts_is_an_error_that_says_what_to_do():
    score = Score(notes=[(0, 480, 60, 80, 1)], tracks=[Track(), Track()])
    with pytest.raises(EncodingError, match=r"Pick tracks with score.select"):
        Encoder(EncoderConfig(parts=1)).encode(score)


def test_music_too_long_for_the_grid_is_refused():
    endless = Score(notes=[(2**31 - 9, 1, 60, 80, 0)], tracks=[Track()], ticks_per_quarter=1)
    with pytest.raises(EncodingError, match="stray event"):
        Encoder().encode(endless)
    with pytest.raises(EncodingError, match="at most 1000000 bars"):
        Encoder().encode(
            Score(notes=[(2**31 - 9, 1, 60, 80, 0)], tracks=[Track()], ticks_per_quarter=24)
        )


def test_written_music_and_music21_streams_are_encoded(tmp_path):
    text = "X:1\nM:4/4\nL:1/4\nK:G\nGABc|\n"
    (tmp_path / "scale.abc").write_text(text)
    encoder = Encoder(EncoderConfig(velocities=0, tempos=0))
    tokens = encoder.encode(tmp_path / "scale.abc")
    assert encoder.decode(tokens).notes["pitch"].tolist() == [67, 69, 71, 72]
    assert np.array_equal(encoder.encode(read(tmp_path / "scale.abc").to_music21()), tokens)


def test_a_fingerprint_tells_vocabularies_apart():
    prints = {Encoder(config).vocabulary.fingerprint for config in CONFIGS}
    assert len(prints) == len(CONFIGS)
    assert Encoder(EncoderConfig()).vocabulary.fingerprint in prints


def test_a_meter_stated_again_a_moment_later_changes_nothing():
    notes, tracks = [(0, 4800, 60, 80, 0)], [Track()]
    once, twice, thrice = (
        Score(notes=notes, tracks=tracks, meters=meters)
        for meters in ([(0, 4, 4)], [(0, 4, 4), (10, 4, 4)], [(0, 3, 4), (10, 4, 4), (20, 4, 4)])
    )
    assert Encoder().quantise(twice) == Encoder().quantise(once) == Encoder().quantise(thrice)
