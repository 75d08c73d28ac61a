"""The primer comes back untouched, and what is added is sound, whatever the weights."""

import io
import json
from fractions import Fraction
from pathlib import Path

import mido
import music21
import numpy as np
import pretty_midi
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import musegen
import musegen.generation.composer as composer_module
from musegen import Composer, MidiError, Score, Track, compose, load
from musegen.cli import main
from musegen.errors import EncodingError, MusegenError
from musegen.generation.compose import UNREAD_NATS, choose
from musegen.generation.compose_file import compose_file
from musegen.generation.primer import (
    LONGEST_CONTEXT,
    OCTAVE_TOKENS,
    bar_ticks,
    continuation_start,
    read_primer,
)
from musegen.model import likelihood
from musegen.model.engine import Engine
from musegen.score.midi import from_mido
from musegen.score.reading import read_parts
from tests.helpers import absolute, assert_playable, assert_untouched, distinct_channels, files


@pytest.mark.parametrize("name", ["line", "parts", "band", "played"])
@given(
    midi=files(),
    seed=st.integers(0, 1000),
    bars=st.integers(1, 4),
    temperature=st.sampled_from([0.01, 1, 10]),
)
@settings(max_examples=20, deadline=None)
def test_the_primer_is_untouched_and_the_continuation_sound(
    checkpoints, tmp_path_factory, name, midi, seed, bars, temperature
):
    folder = tmp_path_factory.mktemp("compose")
    midi.save(folder / "primer.mid")
    before = mido.MidiFile(folder / "primer.mid")
    path, made, _ = compose_file(
        folder / "primer.mid",
        None,
        checkpoints[name].path,
        bars=bars,
        seed=seed,
        temperature=temperature,
    )
    after = mido.MidiFile(path)
    assert_untouched(before, after)
    if distinct_channels(midi):
        assert_playable(after)
    score = read_parts(folder / "primer.mid")
    assert made.start in score.barlines()
    assert len(made.added) > 0
    assert made.added["onset"].min() >= made.start
    end = made.start + round(bars * bar_ticks(score, made.start))
    assert (made.added["onset"] + made.added["duration"]).max() <= end
    assert made.score.end == end
    assert len(pretty_midi.PrettyMIDI(str(path)).instruments) > 0
    texts = [e.text for chunk in absolute(after) for _, e in chunk if e.type == "marker"]
    assert texts == ["primer: primer.mid", f"continuation: musegen {name}, seed {seed}"]
    # What is read again from the file is what the composer says it added.
    again = from_mido(after)
    assert sorted(again.notes["onset"][again.notes["onset"] >= made.start]) == sorted(
        [*made.added["onset"], *score.notes["onset"][score.notes["onset"] >= made.start]]
    )


def tune(**kwargs):
    """Four quarters on one track."""
    notes = [(480 * i, 480, 60 + i, 70 + 10 * (i % 2), 0) for i in range(8)]
    return Score(notes=notes, tracks=[Track("Flute", 73)], **kwargs)


@pytest.mark.parametrize("name", ["line", "parts", "band", "played"])
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(checkpoints, tmp_path, name):
    tune().save(tmp_path / "tune.mid")
    made = {}
    for run, seed in (("a", 5), ("b", 5), ("c", 6)):
        folder = tmp_path / run
        compose_file(
            tmp_path / "tune.mid", folder / "out.mid", checkpoints[name].path, bars=8, seed=seed
        )
        made[run] = (folder / "out.mid").read_bytes()
    assert made["a"] == made["b"] != made["c"]


@pytest.mark.parametrize("name", ["line", "parts", "band", "played"])
def test_from_nothing(checkpoints, name):
    made = Composer(checkpoints[name]).composition(None, bars=6, seed=3)
    assert made.start == 0 and len(made.added) > 0
    assert made.score.tracks[0].name == "Flute"
    if name != "played":
        assert len(made.score.barlines()) - 1 == 6
    else:
        assert made.score.duration == pytest.approx(12)


def test_the_continuation_keeps_track_meter_and_tempo(checkpoints):
    primer = tune(meters=[(0, 3, 4)], tempos=[(0, 400_000)])
    score = load(checkpoints["line"].path).compose(primer, bars=2, seed=1)
    assert np.array_equal(score.notes[:8], primer.notes)
    assert score.tracks == primer.tracks and score.tempos.tolist() == [(0, 400_000)]
    assert score.notes["onset"][8] >= 9 * 480  # 8 quarters fill three bars of 3/4
    assert score.end == 5 * 3 * 480
    assert set(score.notes["velocity"][8:].tolist()) <= {70, 75, 80}


@pytest.mark.parametrize("name", ["line", "parts", "band", "played"])
def test_of_a_long_primer_the_end_is_heard_and_silent_tracks_are_no_trouble(checkpoints, name):
    long = [(240 * i, 240, 60 + i % 12, 80, 0) for i in range(3000)]
    primer = Score(
        notes=[*long, *((480 * i, 480, 40, 50, 1) for i in range(4))],
        tracks=[Track("a"), Track("b")],
    )
    composer = Composer(checkpoints[name])
    reading = read_primer(primer, composer.encoder)
    assert len(reading.tokens) <= LONGEST_CONTEXT
    assert reading.music.notes["pitch"][-5:].tolist() == primer.notes["pitch"][-5:].tolist()
    for seed in range(3):
        made = composer.composition(primer, bars=8, seed=seed, temperature=3)
        assert made.start == 3000 * 240 and made.score.end == made.start + 8 * 1920
        if name == "parts":
            assert set(made.added["velocity"][made.added["track"] == 1].tolist()) <= {50}


def dense(notes: int, bars: int) -> Score:
    """Notes of all pitches, spread over a few bars of 4/4."""
    rows = [(1920 * bars * i // notes, 20, 20 + 7 * i % 90, 80, 0) for i in range(notes)]
    return Score(notes=rows, tracks=[Track("a")], end=1920 * bars)


@pytest.mark.parametrize("name", ["line", "parts", "band", "played"])
def test_of_a_bar_that_is_longer_than_the_context_the_end_is_read(checkpoints, name):
    composer = Composer(checkpoints[name])
    primer = dense(20_000, 2)
    reading = read_primer(primer, composer.encoder)
    assert LONGEST_CONTEXT // 2 < len(reading.tokens) <= LONGEST_CONTEXT
    assert reading.music.notes["pitch"][-100:].tolist() == primer.notes["pitch"][-100:].tolist()
    made = composer.composition(primer, bars=1, seed=1)
    assert made.start == 3840 and np.array_equal(made.score.notes[:20_000], primer.notes)


@pytest.mark.parametrize("primer", [dense(20_000, 1), dense(20_000, 400)], ids=["bar", "piece"])
def test_auto_scores_no_more_of_a_primer_than_the_longest_context(checkpoints, monkeypatch, primer):
    paths = {name: checkpoints[name].path for name in ("line", "parts", "band")}
    monkeypatch.setattr(composer_module.checkpoints, "available", lambda: paths)
    scored = []
    forward = Engine.forward

    def counted(self, tokens, *rest):
        scored.append(tokens.shape)
        return forward(self, tokens, *rest)

    monkeypatch.setattr(Engine, "forward", counted)
    choose(primer)
    of_octaves = sum(tokens for rows, tokens in scored if rows > 1)
    of_primer = sum(tokens for rows, tokens in scored if rows == 1)
    assert of_octaves < len(paths) * OCTAVE_TOKENS
    assert len(paths) * LONGEST_CONTEXT // 2 < of_primer < len(paths) * LONGEST_CONTEXT


def test_a_last_note_held_for_longer_than_the_context_is_continued(checkpoints):
    crowd = [(240 * i, 240, 60 + i % 12, 80, 0) for i in range(3000)]
    primer = Score(notes=[*crowd, (3000 * 240, 1920 * 400, 40, 80, 0)], tracks=[Track("a")])
    for name in ("line", "parts", "band", "played"):
        assert len(Composer(checkpoints[name]).composition(primer, bars=2, seed=1).added)


def test_articulation_is_carried_on(checkpoints):
    short = [(480 * i, 432, 60 + i, 80, 0) for i in range(8)]
    composer = load(checkpoints["line"].path)
    full = composer.composition(tune(), bars=4, seed=2)
    crisp = composer.composition(Score(notes=short, tracks=[Track("Flute", 73)]), bars=4, seed=2)
    assert crisp.added["onset"].tolist() == full.added["onset"].tolist()
    assert crisp.added["duration"].tolist() == [
        round(d * 0.9) for d in full.added["duration"].tolist()
    ]


def test_a_melody_is_heard_in_the_octave_that_the_model_knows(checkpoints):
    composer = Composer(checkpoints["line"])
    shifts = []
    for octave in (0, 2, 4):
        notes = [(480 * i, 480, 36 + 12 * octave + i, 80, 0) for i in range(8)]
        primer = Score(notes=notes, tracks=[Track()])
        encoded = composer.encoded(primer)
        reading, tokens, shift = encoded.reading, encoded.tokens, encoded.shift
        nats = composer.nats_per_note(primer)
        assert shift % 12 == 0
        assert nats == pytest.approx(likelihood.token_nats(composer.engine, tokens[None]).sum() / 8)
        shifts.append(shift)
        as_written = likelihood.token_nats(composer.engine, reading.tokens[None]).sum() / 8
        assert nats + 0.1 * abs(shift) / 12 <= as_written
        made = composer.composition(Score(notes=notes, tracks=[Track()]), bars=2, seed=3)
        back = (
            composer.encoder.vocabulary.values[tokens[composer.encoder.vocabulary.notes[tokens]]]
            - shift
        )
        assert back.tolist() == [n[2] for n in notes]
        assert made.score.notes["pitch"][:8].tolist() == [n[2] for n in notes]
    assert len(set(shifts)) > 1


def test_a_pickup_bar_moves_no_barline(checkpoints):
    notes = [(0, 480, 67, 80, 0)] + [(480 + 480 * i, 480, 60 + i, 80, 0) for i in range(8)]
    short_bar = Score(notes=notes, tracks=[Track()], meters=[(0, 1, 4), (480, 4, 4)])
    made = Composer(checkpoints["line"]).composition(short_bar, bars=2, seed=1)
    assert made.start == 480 * 9
    assert made.score.end == 480 * 17


def test_only_the_continuation_starts_at_zero(checkpoints, tmp_path):
    tune(tempos=[(0, 400_000)], meters=[(0, 3, 4)]).save(tmp_path / "tune.mid")
    out, made, _ = compose_file(
        tmp_path / "tune.mid",
        tmp_path / "o.mid",
        checkpoints["line"].path,
        only_continuation=True,
        bars=2,
        seed=1,
    )
    alone = from_mido(mido.MidiFile(out))
    assert alone.notes["onset"].tolist() == (made.added["onset"] - made.start).tolist()
    assert alone.tempos["microseconds"].tolist() == [400_000]
    assert alone.meters[["numerator", "denominator"]].tolist() == [(3, 4)]


def test_a_meter_that_changes_at_the_end_governs_the_continuation(checkpoints):
    primer = tune(meters=[(0, 4, 4), (8 * 480, 6, 8)])
    made = Composer(checkpoints["line"]).composition(primer, bars=3, seed=1)
    assert made.start == 8 * 480
    assert made.score.end == 8 * 480 + 3 * 6 * 240
    assert Fraction(bar_ticks(primer, made.start)) == 6 * 240


def test_tracks_that_cannot_be_carried_are_named(checkpoints):
    notes = [(0, 480, 60, 80, 0), (480, 480, 62, 80, 0), (0, 960, 40, 80, 1), (0, 480, 38, 80, 2)]
    primer = Score(notes=notes, tracks=[Track("Flute"), Track("Bass"), Track("Kit", is_drum=True)])
    made = Composer(checkpoints["line"]).composition(primer, bars=2, seed=1)
    assert made.read == ("Flute",)
    assert made.left_out == (
        ("Bass", "the model has 1 part(s)"),
        ("Kit", "the model knows no drums"),
    )
    both = Composer(checkpoints["band"]).composition(primer, bars=2, seed=1)
    assert both.read == ("Flute", "Bass", "Kit") and both.left_out == ()


def test_drums_alone_are_refused_by_a_model_without_drums(checkpoints):
    primer = Score(notes=[(0, 480, 38, 80, 0)], tracks=[Track("Kit", is_drum=True)])
    with pytest.raises(EncodingError, match=r"the model knows no drums.*Kit"):
        Composer(checkpoints["line"]).composition(primer)


def test_a_primer_without_notes_is_refused(checkpoints):
    with pytest.raises(MidiError, match="no notes to continue"):
        Composer(checkpoints["line"]).composition(Score())


def test_a_late_release_costs_no_bar_of_silence():
    primer = Score(notes=[(0, 1920 + 40, 60, 80, 0)], tracks=[Track()])
    assert continuation_start(primer) == 1920
    assert continuation_start(Score(notes=[(0, 1920 + 80, 60, 80, 0)], tracks=[Track()])) == 3840


def test_auto_takes_the_likeliest_and_charges_for_what_a_model_cannot_read(
    checkpoints, monkeypatch
):
    root = checkpoints["line"].path.parent
    monkeypatch.setattr("musegen.model.checkpoint.roots", lambda: iter([root]))
    notes = [(480 * i, 480, 60 + i % 5, 80, i % 2) for i in range(8)]
    primer = Score(notes=notes, tracks=[Track(), Track()])
    chosen, nats = choose(primer)
    assert set(nats) == {"line", "parts", "band", "played"}
    assert nats[chosen.checkpoint.name] == min(nats.values())
    first_track = primer.select([0])
    half = Composer(checkpoints["line"]).nats_per_note(first_track)
    assert nats["line"] == pytest.approx((half + UNREAD_NATS) / 2, rel=0.1)
    assert len(compose(primer, bars=1, seed=1)) > 8


def messages(*events):
    """A chunk of (ticks since the last, message)."""
    return mido.MidiTrack([message.copy(time=time) for time, message in events])


def test_a_file_of_one_chunk_and_several_channels(checkpoints, tmp_path):
    midi = mido.MidiFile(type=0)

    def event(kind, channel, note):
        return mido.Message(kind, channel=channel, note=note)

    midi.tracks.append(
        messages(
            (0, event("note_on", 0, 60)),
            (0, event("note_on", 3, 48)),
            (480, event("note_off", 0, 60)),
            (1440, event("note_off", 3, 48)),
        )
    )
    midi.save(tmp_path / "one.mid")
    out, made, _ = compose_file(
        tmp_path / "one.mid", None, checkpoints["parts"].path, bars=4, seed=2
    )
    after = mido.MidiFile(out)
    assert_untouched(mido.MidiFile(tmp_path / "one.mid"), after)
    assert_playable(after)
    assert after.type == 0 and made.start == 1920
    added = {e.channel for t, e in absolute(after)[0] if t >= 1920 and e.type == "note_on"}
    assert added and added <= {0, 3}


def test_what_the_primer_leaves_hanging_is_released_first(checkpoints, tmp_path):
    midi = mido.MidiFile(type=1)
    midi.tracks.append(
        messages(
            (0, mido.Message("control_change", control=64, value=127)),
            (0, mido.Message("pitchwheel", pitch=1000)),
            (0, mido.Message("note_on", note=64)),
            (0, mido.Message("note_on", note=60)),
            (480, mido.Message("note_off", note=60)),
            (480, mido.MetaMessage("end_of_track")),
        )
    )
    midi.save(tmp_path / "hanging.mid")
    out, made, _ = compose_file(
        tmp_path / "hanging.mid", None, checkpoints["line"].path, bars=2, seed=2
    )
    at_start = [e for t, e in absolute(mido.MidiFile(out))[0] if t == made.start and not e.is_meta]
    assert [
        (e.type, getattr(e, "note", getattr(e, "value", getattr(e, "pitch", None))))
        for e in at_start[:3]
    ] == [
        ("note_off", 64),
        ("control_change", 0),
        ("pitchwheel", 0),
    ]
    assert_playable(mido.MidiFile(out))


def test_names_in_any_script_are_kept(checkpoints, tmp_path):
    Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("Скрипка")]).save(tmp_path / "мелодия ♪.mid")
    out, made, _ = compose_file(
        tmp_path / "мелодия ♪.mid", None, checkpoints["line"].path, bars=2, seed=1
    )
    texts = [
        e.text
        for chunk in mido.MidiFile(out, charset="utf-8").tracks
        for e in chunk
        if e.type == "marker"
    ]
    assert texts[0] == "primer: мелодия ♪.mid"
    assert [t.name for t in from_mido(mido.MidiFile(out, charset="utf-8")).tracks] == ["Скрипка"]
    assert made.read == ("Скрипка",)


def test_written_music_is_a_primer_too(checkpoints, tmp_path):
    (tmp_path / "scale.abc").write_text("X:1\nT:Scale\nM:4/4\nL:1/4\nK:G\nGABc|defg|\n")
    out, made, _ = compose_file(
        tmp_path / "scale.abc", None, checkpoints["line"].path, bars=2, seed=1
    )
    assert out.name == "scale-continued.mid"
    assert read_parts(out).notes["pitch"][:8].tolist() == [67, 69, 71, 72, 74, 76, 78, 79]
    assert made.start == 8 * 480


def run(*args):
    """Run the command line."""
    return CliRunner().invoke(main, [str(a) for a in args])


def test_the_command_reports_in_json_and_never_overwrites(checkpoints, tmp_path):
    tune().save(tmp_path / "tune.mid")
    args = (
        "compose",
        tmp_path / "tune.mid",
        "--checkpoint",
        checkpoints["line"].path,
        "--bars",
        2,
        "--seed",
        4,
    )
    facts = json.loads(run(*args, "--json").stdout)
    assert (
        facts["seed"] == 4
        and facts["checkpoint"] == "line"
        and facts["tracks_continued"] == ["Flute"]
    )
    assert Path(facts["output"]) == tmp_path / "tune-continued.mid"
    before = (tmp_path / "tune-continued.mid").read_bytes()
    refused = run(*args)
    assert (
        refused.exit_code == 1
        and "not overwritten" in refused.stderr
        and "--force" in refused.stderr
    )
    assert (tmp_path / "tune-continued.mid").read_bytes() == before
    assert run(*args, "--force").exit_code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tune-continued.mid", "tune.mid"]


BAD_FILES = {
    "empty": b"",
    "text": b"not a midi file at all, just words",
    "cut": None,
    "type 2": b"MThd\0\0\0\6\0\2\0\1\1\xe0",
    "smpte": b"MThd\0\0\0\6\0\1\0\1\xe7\x28",
    "no ticks": b"MThd\0\0\0\6\0\1\0\1\0\0",
    "no notes": b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0",
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_give_a_message_and_exit_code_1(checkpoints, tmp_path, kind):
    data = BAD_FILES[kind]
    if data is None:
        buffer = io.BytesIO()
        tune().save(tmp_path / "whole.mid")
        data = (tmp_path / "whole.mid").read_bytes()[:-20] + buffer.getvalue()
    (tmp_path / "bad.mid").write_bytes(data)
    result = run("compose", tmp_path / "bad.mid", "--checkpoint", checkpoints["line"].path)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ") and "Traceback" not in result.stderr
    assert not (tmp_path / "bad-continued.mid").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--temperature", "-1"), "temperature must be 0.001 to 1000. Received: -1.0. Use 0.01"),
        (("--top-p", "2"), "top_p must be above 0 and at most 1"),
        (("--checkpoint", "nowhere"), "one of ["),
    ],
)
def test_bad_settings_say_what_was_expected(checkpoints, tmp_path, args, message):
    tune().save(tmp_path / "tune.mid")
    result = run("compose", tmp_path / "tune.mid", "--checkpoint", checkpoints["line"].path, *args)
    assert result.exit_code == 1 and message in result.stderr


def test_usage_errors_exit_with_2(tmp_path):
    assert run("compose").exit_code == 2
    assert run("compose", tmp_path / "missing.mid").exit_code == 2
    assert run("compose", "--new", "--bars", "0").exit_code == 2


def test_the_output_is_never_the_primer(checkpoints, tmp_path):
    tune().save(tmp_path / "tune.mid")
    with pytest.raises(MusegenError, match="must not be the primer"):
        compose_file(
            tmp_path / "tune.mid", tmp_path / "tune.mid", checkpoints["line"].path, force=True
        )


def test_old_names_of_a_composition_still_work_and_warn(checkpoints):
    made = load(checkpoints["line"].path).composition(None, bars=1, seed=1)
    for old, new in (("rewinds", "backtracks"), ("gave_way", "relaxed")):
        with pytest.warns(DeprecationWarning, match=f"Use {new}"):
            assert getattr(made, old) == getattr(made, new)


def test_auto_reads_no_primer_twice(tmp_path, monkeypatch, checkpoints):
    """Choosing encodes the primer and ranks octaves once for each model; composing adds nothing."""
    monkeypatch.setenv("MUSEGEN_CHECKPOINTS", str(checkpoints["line"].path.parent))
    monkeypatch.setattr(
        "musegen.model.checkpoint.roots", lambda: iter([checkpoints["line"].path.parent])
    )
    counts = {"read": 0, "octaves": 0}
    read, octaves = composer_module.read_primer, composer_module.in_best_octave

    def counted(name, function):
        def call(*arguments):
            counts[name] += 1
            return function(*arguments)

        return call

    monkeypatch.setattr(composer_module, "read_primer", counted("read", read))
    monkeypatch.setattr(composer_module, "in_best_octave", counted("octaves", octaves))
    compose(tune(), bars=1, seed=1)
    assert counts == {"read": len(checkpoints), "octaves": len(checkpoints)}


class OwnStream(music21.stream.Score):
    """A class of a user's, derived from one of music21's."""


def test_a_stream_of_a_class_derived_from_music21s_is_read_and_continued_alike(checkpoints):
    stream = OwnStream()
    part = music21.stream.Part()
    for name in ("C4", "D4", "E4", "F4"):
        part.append(music21.note.Note(name, quarterLength=1))
    stream.append(part)
    composer = Composer(checkpoints["line"])
    made = composer.compose(stream, bars=1, seed=1)
    assert made.notes["pitch"][:4].tolist() == musegen.read(stream).notes["pitch"].tolist()
    assert composer.nats_per_note(stream) > 0
