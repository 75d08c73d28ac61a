"""Reports of what an encoding loses: worked out by hand, and compared with what it does lose."""

import io
import json
from dataclasses import replace

import mido
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from musegen import ConfigError, Encoder, EncoderConfig, EncodingError, MidiError, Score, Track
from musegen.cli import main
from musegen.cli.doctor import as_options, doctor, tables
from musegen.encoding.report import LOSSES, losses
from musegen.encoding.report.diagnosing import MOST_PARTS
from musegen.encoding.report.outcomes import Piece, outcomes
from musegen.encoding.report.rendering import text
from tests.helpers import SEEDS

from .test_encoder import CONFIGS, scores

SEEDS_BY_NAME = {path.stem: path for path in SEEDS}
PERFORMANCE = EncoderConfig(encoding="performance")
EXACT = EncoderConfig(velocities=127, tempos=0)  # 120 bpm is all that the scores below have
MS = 500 / 480  # a tick at 120 bpm

anything = st.sampled_from(
    [*CONFIGS, EncoderConfig(parts=1), EncoderConfig(drums=False, steps_per_quarter=96)]
)


def tune(*notes, tracks=None, **fields):
    """Notes of (onset, duration, pitch[, velocity[, track]]), 480 ticks a quarter."""
    return Score(
        notes=[(*note, *(100, 0)[len(note) - 3 :]) for note in notes],
        tracks=tracks or [Track()],
        **fields,
    )


def report(score, config=EXACT):
    return Encoder(config).report(score)


# By hand


def test_errors_in_time():
    """Steps of 40 ticks: 10 becomes 0, 980 (half-way) becomes 1000; all ends are on the grid."""
    result = report(tune((10, 470, 60), (480, 480, 62), (980, 460, 64)))
    assert (result.onset.ticks.mean, result.onset.ticks.median, result.onset.ticks.max) == (
        10,
        10,
        20,
    )
    assert (
        result.duration.ticks.mean,
        result.duration.ticks.median,
        result.duration.ticks.max,
    ) == (
        10,
        10,
        20,
    )
    assert result.onset.ms.max == result.duration.ms.max == pytest.approx(20 * MS, abs=1e-6)
    assert (result.on_grid.onsets, result.on_grid.ends) == (pytest.approx(1 / 3, abs=1e-6), 1)
    assert result.velocity.error.max == result.tempo.error.max == 0
    assert result.notes.kept == result.notes.in_file == 3


def test_errors_in_milliseconds_follow_the_tempo_map():
    """60 bpm up to tick 960, then 120: 20 … 470 becomes 40 … 480, 950 … 1420 becomes 960 … 1440.

    The second note gets 10 ticks shorter in front and 20 of half the length longer behind.
    """
    result = report(tune((20, 450, 60), (950, 470, 62), tempos=[(0, 10**6), (960, 500_000)]))
    assert (result.onset.ticks.mean, result.duration.ticks.mean) == (15, 10)
    assert result.onset.ms.mean == pytest.approx(15 * 2 * MS, abs=1e-6)
    assert result.duration.ms.max == pytest.approx(10 * 2 * MS, abs=1e-6)
    assert result.duration.ms.mean == pytest.approx(5 * 2 * MS, abs=1e-6)


def test_merged_doubled_clipped_and_lengthened_notes():
    merged = report(tune((0, 480, 60), (10, 100, 60)))
    assert (merged.notes.kept, merged.notes.merged, merged.notes.doubled, merged.notes.clipped) == (
        1,
        1,
        0,
        0,
    )
    doubled = report(tune((0, 480, 60), (0, 240, 60)))
    assert (doubled.notes.kept, doubled.notes.merged, doubled.notes.doubled) == (1, 1, 1)
    clipped = report(tune((0, 960, 60), (480, 240, 60)))
    assert (clipped.notes.kept, clipped.notes.clipped, clipped.duration.ticks.max) == (2, 1, 480)
    lengthened = report(
        tune((0, 10, 60), (480, 20, 60))
    )  # 20 ticks are half a step, which is rounded up
    assert (
        lengthened.notes.lengthened,
        lengthened.duration.ticks.max,
        lengthened.on_grid.ends,
    ) == (1, 30, 0)


def test_one_pitch_on_two_tracks_is_one_note_of_a_performance():
    score = tune((0, 480, 60, 100, 0), (0, 960, 60, 100, 1), tracks=[Track(), Track(program=40)])
    result = report(score, PERFORMANCE)
    assert (result.notes.kept, result.notes.merged, result.tracks.in_file, result.tracks.kept) == (
        1,
        1,
        2,
        1,
    )
    assert result.programs.lost == 1
    assert report(score).notes.merged == report(score).programs.lost == 0


def test_a_performance_has_steps_of_ten_milliseconds():
    """Tick 10 is at 10.42 ms, of which 10 are kept; 470 ticks last 489.58 ms and become 490."""
    result = report(tune((10, 470, 60)), PERFORMANCE)
    assert result.onset.ms.mean == pytest.approx(10 * MS - 10, abs=1e-6)
    assert result.onset.ticks.mean == pytest.approx(10 - 10 / MS, abs=1e-6)
    assert result.duration.ms.mean == pytest.approx(490 - 470 * MS, abs=1e-6)
    assert (result.on_grid.onsets, result.on_grid.ends, result.tempo.error) == (0, 1, None)


def test_the_sustain_pedal():
    """Down from tick 48 to 1008: the key is up at 96, the note lasts 1050 ms, or to the next."""
    score = tune((0, 96, 60), pedals=[(48, 960, 0)])
    result = report(score, PERFORMANCE)
    assert (result.pedal.presses, result.pedal.applied, result.pedal.notes_held) == (1, True, 1)
    assert result.duration.ms.max == result.notes.clipped == 0
    assert (report(score).pedal.applied, losses(report(score))["pedals"]) == (False, 1)
    assert losses(report(score, replace(PERFORMANCE, sustain=False)))["pedals"] == 1
    again = report(tune((0, 96, 60), (480, 96, 60), pedals=[(48, 960, 0)]), PERFORMANCE)
    assert (again.pedal.notes_held, again.notes.clipped, again.duration.ms.max) == (2, 0, 0)


def test_velocities():
    """Of 32 steps each has four velocities, 100 to 103, and keeps the third of them."""
    result = report(
        tune((0, 480, 60, 100), (480, 480, 60, 102), (960, 480, 60, 103)), EncoderConfig(tempos=0)
    )
    assert (result.velocity.carried, result.velocity.error.mean, result.velocity.error.max) == (
        True,
        1,
        2,
    )
    left_out = report(tune((0, 480, 60, 100)), EncoderConfig(velocities=0))
    assert (left_out.velocity.carried, left_out.velocity.error.mean) == (False, 20)


def test_tempos():
    """100 and 101 bpm have the same nearest step; without steps both become 120, 6 s become 5."""
    score = tune(
        (0, 4800, 60), tempos=[(0, 600_000), (480, 600_000), (960, 594_059), (9999, 300_000)]
    )
    result = report(score, EncoderConfig(tempos=2))
    assert (result.tempo.in_file, result.tempo.kept) == (
        2,
        1,
    )  # one is repeated, one is after the end
    assert result.tempo.error.max == pytest.approx(
        200, abs=0.01
    )  # 20 or 300 bpm: 100 is nearer to the upper
    left_out = report(score, EncoderConfig(tempos=0))
    assert (left_out.tempo.carried, left_out.tempo.kept) == (False, 0)
    assert left_out.tempo.error.mean == pytest.approx((20 + 19) / 2, abs=0.001)
    assert left_out.seconds.kept == 5
    assert left_out.seconds.in_file == pytest.approx(2 * 0.6 + 8 * 0.594059)


def test_meters():
    score = tune((0, 9600, 60), meters=[(0, 6, 2), (960, 3, 4), (960 + 1440, 4, 4), (20_000, 5, 4)])
    result = report(score)
    assert (result.meters.in_file, result.meters.cut_short) == (3, 1)
    assert result.meters.approximated == ({"from": "6/2", "to": "3/2"},)
    assert (losses(result)["meters"], losses(report(score, PERFORMANCE))["meters"]) == (1, 3)


def test_drums_and_their_kits():
    score = tune(
        (0, 480, 60), (0, 480, 36, 100, 1), tracks=[Track(), Track(program=8, is_drum=True)]
    )
    assert report(score).programs.drum_kits == 1
    for config in (PERFORMANCE, replace(EXACT, drums=False)):
        result = report(score, config)
        assert result.notes.dropped == {"drums": 1, "tracks": 0, "length": 0}
        assert result.programs.drum_kits == 0
        assert any("drums" in s.change or "encoding" in s.change for s in result.suggestions)


def test_a_file_of_too_many_tracks_has_a_report_and_a_remedy():
    score = tune(*[(0, 480, 60, 100, i) for i in range(20)], tracks=[Track()] * 20)
    result = report(score)
    assert "16 part(s)" in result.error and result.tokens is None
    assert (result.notes.kept, result.notes.dropped["tracks"]) == (16, 4)
    assert [dict(s.change) for s in result.suggestions] == [
        {"parts": 20},
        {"encoding": "performance"},
    ]
    assert result.verdict == "cannot be encoded with these settings"
    far_too_many = tune(*[(0, 480, 60, 100, i) for i in range(70)], tracks=[Track()] * 70)
    assert [dict(s.change) for s in report(far_too_many).suggestions] == [
        {"encoding": "performance"}
    ]
    with pytest.raises(ConfigError):
        EncoderConfig(parts=MOST_PARTS + 1)


def test_a_piece_too_long_has_a_report():
    endless = Score(notes=[(2**31 - 9, 1, 60, 80, 0)], tracks=[Track()], ticks_per_quarter=1)
    for config in (EXACT, PERFORMANCE):
        result = report(endless, config)
        assert "stray event" in result.error
        assert (result.notes.kept, result.notes.dropped["length"]) == (0, 1)
        assert result.verdict.endswith("nor with others")


def test_suggested_drums_include_the_parts_they_need():
    score = tune((0, 480, 60), (0, 480, 36, 100, 1), tracks=[Track(), Track(is_drum=True)])
    result = report(score, EncoderConfig(parts=1, drums=False, velocities=127, tempos=0))
    assert dict(result.suggestions[0].change) == {"drums": True, "parts": 2}
    assert result.suggestions[0].gains == {"notes_dropped": {"before": 1, "after": 0}}


def test_a_finer_grid_is_suggested_for_thirty_seconds():
    score = tune(*[(60 * i, 60, 60 + i % 2) for i in range(16)])
    result = report(score)
    assert [dict(s.change) for s in result.suggestions] == [
        {"steps_per_quarter": 24},
        {"encoding": "performance"},
    ]
    gain = result.suggestions[0].gains["onset_ms"]
    assert (gain["before"], gain["after"]) == (
        pytest.approx(10 * MS, abs=1e-6),
        0,
    )  # every other is 20 ticks off


def named(result, **change):
    """The suggestion of a change."""
    return next(s for s in result.suggestions if dict(s.change) == change)


def test_keeping_more_notes_does_not_hide_costs():
    """Two of three tracks are kept; a performance keeps all, merged, off the grid, without bars."""
    notes = [(80 * i, 80, 60 + track, 100, track) for i in range(6) for track in range(3)]
    notes.append((0, 80, 60, 100, 1))  # which the first track has, too
    score = tune(*notes, tracks=[Track(program=i) for i in range(3)], tempos=[(0, 612_345)])
    result = report(score, replace(EXACT, parts=2, tempos=128))
    costs = named(result, encoding="performance").costs
    assert set(costs) == {
        "notes_merged",
        "onset_ms",
        "duration_ms",
        "tempos",
        "meters",
        "tracks",
        "programs",
    }
    assert (costs["notes_merged"], costs["tempos"], costs["tracks"], costs["programs"]) == (
        {"before": 0, "after": 1},
        {"before": 0, "after": 1},
        {"before": 0, "after": 2},
        {"before": 0, "after": 2},
    )
    assert named(result, parts=3).costs == {}


def test_keeping_more_notes_does_not_hide_a_tempo_error():
    result = report(SEEDS_BY_NAME["old_hundredth"], PERFORMANCE)
    assert named(result, encoding="metric").costs == {
        "tempo_bpm": {"before": 0, "after": pytest.approx(3.1, abs=0.05)}
    }


def test_errors_of_newly_kept_notes_are_not_costs():
    """The second track is off the grid, cut short, merged and lengthened: better than dropped."""
    second = [
        (10, 470, 60),
        (490, 960, 62),
        (970, 480, 62),
        (1930, 5, 64),
        (1935, 480, 64),
        (3000, 5, 65),
    ]
    notes = [(0, 480, 60, 100, 0), *((*note, 101, 1) for note in second)]
    result = report(
        tune(*notes, tracks=[Track(), Track(program=40)]),
        EncoderConfig(parts=1, programs=False, tempos=0),
    )
    then = losses(
        report(tune(*notes, tracks=[Track(), Track(program=40)]), replace(result.config, parts=2))
    )
    assert all(
        then[name]
        for name in ("notes_merged", "notes_clipped", "notes_lengthened", "onset_ms", "programs")
    )
    assert named(result, parts=2).costs == {}


def test_cutting_a_kept_note_short_is_a_cost():
    """Two notes on one step become one; a finer grid has both, the first cut by the second."""
    result = report(tune((0, 480, 60), (10, 100, 60)))
    assert result.suggestions[0].gains["notes_merged"] == {"before": 1, "after": 0}
    assert result.suggestions[0].costs["notes_clipped"] == {"before": 0, "after": 1}


def test_drums_are_not_suggested_where_none_are_dropped():
    result = report(SEEDS_BY_NAME["old_hundredth"], EncoderConfig(parts=1, drums=False))
    assert result.notes.dropped["drums"] == 0 < result.notes.dropped["tracks"]
    assert dict(result.suggestions[0].change) == {"parts": 4}
    assert not any("drums" in suggestion.change for suggestion in result.suggestions)


def test_a_track_without_notes_left_is_lost():
    result = report(SEEDS_BY_NAME["old_hundredth"], EncoderConfig(parts=2))
    assert (
        result.tracks.in_file,
        result.tracks.dropped,
        result.tracks.kept,
        result.programs.dropped,
    ) == (
        4,
        2,
        2,
        2,
    )
    rows = dict(result.rows())
    assert rows["tracks"] == "2 of 4 dropped with all their notes"
    assert rows["programs"] == "2 dropped with their tracks"
    assert "nothing lost" not in rows and not {"tracks", "programs"} & set(
        rows["nothing else lost"].split(", ")
    )
    assert losses(result)["tracks"] == 0  # of those that have notes to keep, none is merged
    band = report(SEEDS_BY_NAME["drum_and_bass"], PERFORMANCE)
    assert band.verdict.startswith(
        "loses 61 of 86 notes and 1 of 2 tracks; keeps every onset and duration of the others;"
    )
    assert dict(band.rows())["tracks"] == "1 of 2 dropped with all their notes"


def test_without_kept_notes_nothing_is_intact():
    score = tune((0, 480, 36), tracks=[Track(is_drum=True)])
    result = report(score, PERFORMANCE)
    assert result.verdict == "loses 1 of 1 notes and 1 of 1 tracks; leaves out bars"
    assert not any(what.startswith("nothing") for what, _ in result.rows())


# Against what the encoder does


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_outcomes_agree_with_the_quantised_notes(config, data):
    encoder = Encoder(config)
    score = data.draw(scores(max_tracks=config.parts if config.parts < 4 else 4))
    computed, kept = outcomes(Piece.of(score), config), encoder.quantise(score)
    notes = score.notes[computed.kept]
    track = notes["track"] if config.encoding == "metric" else 0 * notes["track"]
    velocity = (
        encoder.vocabulary.kept_velocities[notes["velocity"]]
        if config.velocities
        else np.full(len(notes), 80)
    )
    rows = zip(computed.onset, track, notes["pitch"], computed.duration, velocity, strict=True)
    true = (kept.notes[name] for name in ("onset", "track", "pitch", "duration", "velocity"))
    assert sorted(rows) == sorted(zip(*true, strict=True))


@given(score=scores(), config=anything)
@settings(max_examples=150, deadline=None)
def test_every_note_is_accounted_for(score, config):
    encoder = Encoder(config)
    result = encoder.report(score)
    assert (
        result.notes.kept + result.notes.merged + sum(result.notes.dropped.values())
        == result.notes.in_file
        == len(score)
    )
    assert result.notes.doubled <= result.notes.merged
    try:
        assert result.notes.kept == len(encoder.quantise(score)) and result.tokens == len(
            encoder.encode(score)
        )
        assert result.error is None
    except EncodingError as error:
        assert result.error == str(error)
    assert (
        all(much >= 0 for much in losses(result).values())
        and losses(result).keys() == LOSSES.keys()
    )
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
    assert str(result) and result._repr_html_()


@given(score=scores())
@settings(max_examples=100, deadline=None)
def test_errors_are_those_of_the_quantised_score(score):
    encoder = Encoder()
    result, kept = encoder.report(score), encoder.quantise(score)
    if result.notes.merged:
        return
    ticks = score.ticks_per_quarter / 12
    before = score.notes[np.lexsort((score.notes["pitch"], score.notes["track"], to_steps(score)))]
    onset = kept.notes["onset"] * ticks
    ends, kept_ends = before["onset"].astype(int) + before["duration"], kept.offsets * ticks
    moved = onset - before["onset"]
    moved_s = score.seconds(onset) - score.seconds(before["onset"])
    lasts = kept_ends - ends - moved
    lasts_s = score.seconds(kept_ends) - score.seconds(ends) - moved_s
    for spread, errors in (
        (result.onset.ticks, moved),
        (result.onset.ms, 1000 * moved_s),
        (result.duration.ticks, lasts),
        (result.duration.ms, 1000 * lasts_s),
    ):
        expected = [f(np.abs(errors)) if len(errors) else 0 for f in (np.mean, np.median, np.max)]
        assert [spread.mean, spread.median, spread.max] == pytest.approx(expected, abs=2e-6)


def to_steps(score):
    return np.floor(score.notes["onset"] * 12 / score.ticks_per_quarter + 0.5)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_quantised_score_loses_nothing(config, data):
    encoder = Encoder(config)
    result = encoder.report(encoder.quantise(data.draw(scores(max_tracks=1))))
    assert result.notes.kept == result.notes.in_file
    assert not result.notes.clipped and not result.notes.lengthened
    lost = {name for name, much in losses(result).items() if much}
    assert lost <= (set() if config.encoding == "metric" else {"meters", "tempos"})
    assert result.onset.ms.max == result.duration.ms.max == result.velocity.error.max == 0
    assert (result.on_grid.onsets, result.on_grid.ends) == (1, 1)
    assert result.verdict == (
        "lossless" if config.encoding == "metric" else "lossless but for bars"
    )


@given(score=scores(), config=anything)
@settings(max_examples=60, deadline=None)
def test_a_suggestion_does_what_it_says(score, config):
    result = Encoder(config).report(score)
    for suggestion in result.suggestions:
        there = Encoder(replace(config, **suggestion.change))
        then = losses(there.report(score))
        assert suggestion.gains
        for name, values in suggestion.gains.items():
            assert values == {"before": losses(result)[name], "after": then[name]}
            assert then[name] < losses(result)[name]
        for name, values in suggestion.costs.items():
            assert values["after"] == then[name] > losses(result)[name]
        assert (suggestion.vocabulary, suggestion.tokens) == (
            len(there.vocabulary),
            len(there.encode(score)),
        )


# Events of files


@pytest.fixture
def crowded(tmp_path):
    """A file with an event of every kind that no encoding carries, and its path."""
    track = mido.MidiTrack(
        [
            mido.MetaMessage("track_name", name="Organ"),
            mido.MetaMessage("copyright", text="nobody"),
            mido.MetaMessage("key_signature", key="D"),
            mido.MetaMessage("lyrics", text="la"),
            mido.MetaMessage("marker", text="A"),
            mido.MetaMessage("text", text="one"),
            mido.Message("program_change", program=19),
            mido.Message("sysex", data=(1, 2, 3)),
            mido.Message("control_change", control=7, value=90),
            mido.Message("control_change", control=7, value=80),
            mido.Message("control_change", control=3, value=1),
            mido.Message("control_change", control=64, value=127),
            mido.Message("note_on", note=60, velocity=80),
            mido.Message("pitchwheel", pitch=100),
            mido.Message("aftertouch", value=3),
            mido.Message("polytouch", note=60, value=3),
            mido.Message("note_off", note=60, velocity=0, time=480),
            mido.Message("control_change", control=64, value=0),
            mido.Message("note_on", note=62, velocity=80),
            mido.Message("note_off", note=62, velocity=99, time=480),
            mido.Message("note_on", note=64, velocity=80),
            mido.Message("note_off", note=64, velocity=0, time=480),
            mido.Message("note_on", note=65, velocity=80),
            mido.Message("note_off", note=65, velocity=0),
        ]
    )
    path = tmp_path / "crowded.mid"
    mido.MidiFile(tracks=[track]).save(path)
    return path


def test_events_that_are_not_carried_are_counted_by_kind(crowded):
    result = Encoder().report(crowded)
    assert result.counted
    assert [(e.kind, e.number, e.name, e.count) for e in result.not_carried] == [
        ("controller", 7, "volume", 2),
        ("controller", 3, "", 1),
        ("message", None, "channel pressure", 1),
        ("message", None, "key pressure", 1),
        ("message", None, "note of no length", 1),
        ("message", None, "pitch bend", 1),
        ("message", None, "release velocity", 1),
        ("message", None, "system exclusive", 1),
        ("meta", None, "channel", 1),
        ("meta", None, "copyright", 1),
        ("meta", None, "key signature", 1),
        ("meta", None, "lyrics", 1),
        ("meta", None, "marker", 1),
        ("meta", None, "text", 1),
        ("meta", None, "track name", 1),
    ]
    assert Encoder().report(crowded.read_bytes()) == result
    row = dict(result.rows())["other events"]
    assert row.startswith("2 × volume (CC 7), 1 × controller (CC 3), 1 × channel pressure")
    assert row.endswith("2 of 2 other kinds")


def test_running_status_and_bytes_after_the_end_of_track():
    events = bytes.fromhex(
        "00 B0 07 64  00 07 65  00 FF 01 01 41  00 0A 40  00 90 3C 50  60 3C 00"
        "  00 FF 2F 00  00 00 00"
    )
    data = (
        b"MThd"
        + bytes.fromhex("00000006 0000 0001 0060")
        + b"MTrk"
        + len(events).to_bytes(4, "big")
        + events
    )
    result = Encoder().report(data)
    assert {(e.number, e.name): e.count for e in result.not_carried} == {
        (7, "volume"): 2,
        (10, "pan"): 1,
        (None, "text"): 1,
        (None, "channel"): 1,
    }


def test_names_and_keys_of_a_score_are_counted():
    score = tune((0, 480, 60), tracks=[Track("Flute")], keys=[(0, 2, False)])
    result = report(score)
    assert [(e.name, e.count) for e in result.not_carried] == [
        ("track name", 1),
        ("key signature", 1),
    ]
    assert not result.counted and "other events" not in str(result)
    assert result.verdict == "lossless but for 2 names and marks"


def test_an_unreadable_source_is_an_error():
    with pytest.raises(MidiError):
        Encoder().report("missing.mid")
    with pytest.raises(MidiError):
        Encoder().report(b"no music")


def test_written_music_and_other_objects_have_reports(tmp_path):
    abc = tmp_path / "tune.abc"
    abc.write_text("X:1\nT:Two notes\nM:4/4\nL:1/4\nK:C\nCD|\n")
    assert Encoder().report(abc).notes.kept == 2
    assert Encoder().report(mido.MidiFile(SEEDS[0])).notes == Encoder().report(SEEDS[0]).notes


# JSON, the command, tables

SPREAD = {"mean": 0, "median": 0, "max": 0}
EVENT = {"kind": "", "number": 0, "name": "", "count": 0}
KEYS = {
    "verdict": "",
    "config": {},
    "vocabulary": 0,
    "tokens": 0,
    "error": None,
    "notes": {
        "in_file": 0,
        "kept": 0,
        "dropped": {"drums": 0, "tracks": 0, "length": 0},
        "merged": 0,
        "doubled": 0,
        "clipped": 0,
        "lengthened": 0,
    },
    "on_grid": {"onsets": 0, "ends": 0},
    "onset": {"ticks": SPREAD, "ms": SPREAD},
    "duration": {"ticks": SPREAD, "ms": SPREAD},
    "velocity": {"carried": 0, "error": SPREAD},
    "tempo": {"carried": 0, "in_file": 0, "kept": 0, "error": SPREAD},
    "seconds": {"in_file": 0, "kept": 0},
    "meters": {"carried": 0, "in_file": 0, "approximated": [], "cut_short": 0},
    "tracks": {"in_file": 0, "dropped": 0, "kept": 0},
    "programs": {"lost": 0, "drum_kits": 0, "dropped": 0},
    "pedal": {"presses": 0, "applied": 0, "notes_held": 0},
    "not_carried": [EVENT],
    "counted": 0,
    "suggestions": [{"change": {}, "gains": {}, "costs": {}, "vocabulary": 0, "tokens": 0}],
}


def shape(value, like):
    """Return the keys of nested dictionaries, where `like` names them."""
    if isinstance(like, dict) and like:
        assert list(value) == list(like)
        return {key: shape(value[key], item) for key, item in like.items()}
    return [shape(item, like[0]) for item in value[:1]] if like and isinstance(like, list) else None


def test_the_json_has_the_documented_keys(crowded):
    facts = Encoder().report(crowded).to_dict()
    assert shape(facts, KEYS) == shape(KEYS, KEYS)
    assert facts["config"] == EncoderConfig().to_dict()


def test_the_command_prints_a_report_for_each_file():
    done = CliRunner().invoke(main, ["doctor", str(SEEDS[0]), str(SEEDS[1])])
    assert done.exit_code == 0 and not done.stderr
    first, second = done.stdout.strip().split("\n\n")
    assert first == f"{SEEDS[0]}: {text(Encoder().report(SEEDS[0]), as_options)}"
    assert second.startswith(
        f"{SEEDS[1]}: keeps every note, onset and duration; rounds loudness and tempo; leaves out"
    )


def test_the_command_takes_the_encoders_options():
    options = ["--encoding", "performance", "--velocities", "127"]
    done = CliRunner().invoke(main, ["doctor", *options, "--json", str(SEEDS[0])])
    expected = Encoder(EncoderConfig(encoding="performance", velocities=127)).report(SEEDS[0])
    assert json.loads(done.stdout) == {"file": str(SEEDS[0]), "report": expected.to_dict()}


def test_the_command_suggests_options_that_it_takes():
    assert as_options({"drums": True, "parts": 4, "programs": False, "steps_per_quarter": 24}) == (
        "--drums --parts 4 --no-programs --steps-per-quarter 24"
    )
    path = str(SEEDS_BY_NAME["drum_and_bass"])
    printed = (
        CliRunner()
        .invoke(main, ["doctor", "--no-drums", "--no-programs", path])
        .stdout.splitlines()
    )
    result = report(path, EncoderConfig(drums=False, programs=False))
    tried = [
        line.split(maxsplit=1)[1].split(": ")[0] for line in printed if line.split()[:1] == ["try"]
    ]
    assert tried[:2] == ["--drums", "--programs"] and len(tried) == len(result.suggestions)
    for options, suggestion in zip(tried, result.suggestions, strict=True):
        taken = doctor.make_context("doctor", [*options.split(), path]).params
        assert {setting: taken[setting] for setting in suggestion.change} == dict(suggestion.change)
    for shown in (str(result), result._repr_html_()):
        assert "drums=True: " in shown and "--" not in shown
    console = Console(width=200, file=io.StringIO(), force_terminal=False)
    console.print(*tables(path, result))
    assert "--drums: " in console.file.getvalue() and "drums=True" not in console.file.getvalue()


def test_a_checkpoint_takes_no_options_so_settings_are_named(checkpoints):
    path = str(checkpoints["line"].path)
    done = CliRunner().invoke(main, ["doctor", "--checkpoint", path, str(SEEDS[0])])
    assert done.stdout.strip() == f"{SEEDS[0]}: {report(SEEDS[0], checkpoints['line'].encoder)}"


def test_the_command_takes_the_encoding_of_a_checkpoint(checkpoints):
    path = str(checkpoints["line"].path)
    done = CliRunner().invoke(main, ["doctor", "--checkpoint", path, "--json", str(SEEDS[0])])
    assert json.loads(done.stdout)["report"]["config"] == checkpoints["line"].encoder.to_dict()
    both = CliRunner().invoke(
        main, ["doctor", "--checkpoint", path, "--steps-per-quarter", "12", str(SEEDS[0])]
    )
    assert both.exit_code == 2 and "cannot be combined with --steps-per-quarter" in both.stderr
    none = CliRunner().invoke(main, ["doctor", "--checkpoint", "nobody", str(SEEDS[0])])
    assert none.exit_code == 1 and "checkpoint must be" in none.stderr


def test_an_unreadable_file_does_not_stop_the_others(tmp_path):
    bad, missing = tmp_path / "bad.mid", tmp_path / "missing.mid"
    bad.write_bytes(b"no music")
    done = CliRunner().invoke(main, ["doctor", str(bad), str(missing), str(SEEDS[0])])
    assert done.exit_code == 1
    assert done.stdout.startswith(f"{SEEDS[0]}: ") and str(bad) not in done.stdout
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Error", "Error"]
    lines = (
        CliRunner().invoke(main, ["doctor", "--json", str(bad), str(SEEDS[0])]).stdout.splitlines()
    )
    assert [sorted(json.loads(line)) for line in lines] == [["error", "file"], ["file", "report"]]


def test_a_folder_is_examined_file_by_file(tmp_path):
    empty = CliRunner().invoke(main, ["doctor", str(tmp_path)])
    assert empty.exit_code == 1 and "no MIDI files" in empty.stderr
    (tmp_path / "inner").mkdir()
    for name in ("b.mid", "inner/a.MIDI", "notes.txt"):
        (tmp_path / name).write_bytes(SEEDS[0].read_bytes())
    done = CliRunner().invoke(main, ["doctor", "--json", str(tmp_path)])
    files = [json.loads(line)["file"] for line in done.stdout.splitlines()]
    assert files == [str(tmp_path / "b.mid"), str(tmp_path / "inner" / "a.MIDI")]


def test_an_unencodable_file_is_a_finding_not_a_failure(tmp_path):
    path = tmp_path / "many.mid"
    tune(
        *[(0, 480, 60, 100, i) for i in range(20)], tracks=[Track(program=i) for i in range(20)]
    ).save(path)
    done = CliRunner().invoke(main, ["doctor", str(path)])
    assert done.exit_code == 0 and "cannot be encoded with these settings" in done.stdout
    assert CliRunner().invoke(main, ["doctor"]).exit_code == 2


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_the_terminal(crowded, width):
    console = Console(width=width, file=io.StringIO(), force_terminal=False, highlight=False)
    result = Encoder().report(crowded)
    for part in tables("[bold]crowded.mid", result):
        console.print(part)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("[bold]crowded.mid: keeps every note, onset and duration")
    words = " ".join(" ".join(lines).split())
    assert " ".join(dict(result.rows())["nothing lost"].split()) in words


def test_a_notebook_shows_a_table_of_escaped_text():
    result = report(tune(*[(480 * i + (i == 0), 480, 60) for i in range(100)]))
    assert "<0.1 ms" in str(result)
    html = result._repr_html_()
    assert html.startswith("<table><caption") and html.endswith("</tbody></table>")
    assert "&lt;0.1 ms" in html and "<0.1" not in html
