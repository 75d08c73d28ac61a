"""A file is continued as its music was, whatever else is in it, and in Python as from the shell."""

import json

import mido
import numpy as np
import pytest
from click.testing import CliRunner

import musegen
from musegen import Composer, Score, Track
from musegen.cli import main
from musegen.generation.compose_file import compose_file, infill_file
from musegen.score.midi import from_mido, load_mido, overdub
from tests.helpers import absolute, assert_playable, assert_untouched
from tests.score.midi_files import (
    bend,
    control,
    end,
    file_of,
    line,
    meta,
    note,
    program,
)

START = 3840  # the end of eight quarters
OPENING = [meta(0, "set_tempo", tempo=500_000), meta(0, "time_signature")]


@pytest.fixture
def continue_file(checkpoints, tmp_path):
    """Return a function that writes chunks, continues them by two bars, and reads both files."""

    def run(*chunks, kind=1, name="line", **options):
        file_of(*chunks, kind=kind).save(tmp_path / "primer.mid")
        path, made, _ = compose_file(
            tmp_path / "primer.mid",
            None,
            checkpoints[name].path,
            **{"bars": 2, "seed": 1, "force": True, **options},
        )
        before, after = load_mido(tmp_path / "primer.mid"), load_mido(path)
        assert_untouched(before, after)
        return made, after

    return run


def bars(midi, start):
    return int((from_mido(midi).barlines() > start).sum())


def test_the_new_bars_are_in_the_file_and_in_memory(continue_file):
    behind = [meta(6720, "time_signature", numerator=3), meta(5760, "set_tempo", tempo=900_000)]
    behind = [meta(5760, "time_signature", numerator=3), behind[1], bend(5000, 9), program(4000, 7)]
    made, after = continue_file([*OPENING, *behind, end(50_000)], line(), bars=4)
    assert made.start == START and bars(after, START) == 4
    assert made.undone == (("tempo", 1), ("meter", 1))
    again = from_mido(after)
    assert again.notes.tolist() == made.score.notes.tolist()
    assert again.end == made.score.end == START + 4 * 1920
    for name in ("tempos", "meters"):
        assert getattr(again, name).tolist() == getattr(made.score, name).tolist()
    assert again.tracks == (Track("", 0),)


def test_performances_last_as_long_as_the_bars_in_the_tempo_of_the_end(continue_file):
    slow = meta(4000, "set_tempo", tempo=2_000_000)
    made, _ = continue_file([*OPENING, slow], line(), name="played", bars=4)
    seconds = made.score.seconds(np.array([made.start, made.score.end]))
    assert np.diff(seconds).tolist() == [8.0]


def test_rests_at_the_end_count_in_the_command_and_in_python(checkpoints, tmp_path):
    (tmp_path / "rests.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|z4|z4|]\n")
    loop = file_of(OPENING, [*line(), end(2 * START)])
    loop.save(tmp_path / "loop.mid")
    for name in ("rests.abc", "loop.mid"):
        path = tmp_path / name
        _, made, _ = compose_file(path, None, checkpoints["line"].path, bars=1, seed=1)
        alone = Composer(checkpoints["line"]).composition(path, bars=1, seed=1)
        assert made.start == alone.start == 2 * START
        assert made.added.tolist() == alone.added.tolist()
        assert musegen.read(path).end == 2 * START
        assert made.bars_of_rest == 2


@pytest.mark.parametrize(
    ("ticks", "rests"),
    [(0, 0), (1, 0), (960, 0), (1800, 0), (1900, 1), (1920, 1), (1921, 1), (3000, 1)],
)
def test_only_whole_bars_of_rest_count(continue_file, ticks, rests):
    made, after = continue_file(
        OPENING, [*line(), control(START + ticks, 7, 90), bend(START + 1, 9)]
    )
    start = START + rests * 1920
    assert made.start == start and bars(after, start) == 2
    assert made.bars_of_rest == rests
    assert from_mido(after).end == made.score.end == start + 2 * 1920


def test_a_stray_event_of_the_conductor_is_not_the_end(continue_file):
    made, _ = continue_file([*OPENING, end(600_000)], line())
    assert made.start == START


def test_nothing_is_held_down_when_the_new_music_begins(continue_file):
    left = [control(0, 64, 127), *line(pitch=40)]
    drone = [(0, mido.Message("note_on", note=36, channel=1)), bend(9, 99, 1), end(START)]
    made, after = continue_file(OPENING, line(), left, drone)
    assert len(made.left_out) == 2
    at = [event for chunk in absolute(after) for tick, event in chunk if tick == START]
    assert {(e.type, e.channel) for e in at if e.type in ("control_change", "pitchwheel")} == {
        ("control_change", 0),
        ("pitchwheel", 1),
    }
    assert ("note_off", 36) in [(e.type, getattr(e, "note", 0)) for e in at]
    assert_playable(after)


def test_a_fade_out_does_not_make_the_new_music_silent(continue_file):
    fade = [control(2880 + 96 * step, 7, 100 - 10 * step) for step in range(11)]
    for chunks in ([[*OPENING, *line(), *fade]], [[*OPENING, *fade], line()]):
        _, after = continue_file(*chunks, kind=len(chunks) - 1)
        levels = [
            (tick, event.value)
            for chunk in absolute(after)
            for tick, event in chunk
            if event.type == "control_change" and event.control == 7
        ]
        assert max(levels) == (START, 100)


def test_two_ports_are_two_channels(continue_file):
    """The notes of one do not cut those of the other."""

    def added(port, channel):
        parts = [
            [meta(0, "midi_port", port=port * number), *line(channel=channel * number)]
            for number in (0, 1)
        ]
        made, _ = continue_file(OPENING, *parts, name="parts", bars=8)
        return len(made.added)

    assert added(1, 0) == added(0, 1)


@pytest.mark.parametrize(("channels", "place"), [((0,), (0, 1)), (range(9), (0, 10))])
def test_new_parts_play_on_a_port_of_the_file(channels, place):
    first = [[meta(0, "midi_port", port=0), *line(channel=channel)] for channel in channels]
    second = [meta(0, "midi_port", port=1), *line(channel=9)]
    for full in (False, True):
        more = [[*line(channel=channel)] for channel in range(10, 16)] if full else []
        midi = file_of(OPENING, *first, *more, second)
        old = from_mido(midi)
        new = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()]).notes
        new["track"] = len(old.tracks)
        score = Score(notes=old.notes, tracks=[*old.tracks, Track("new", 40)], end=old.end)
        added = from_mido(overdub(midi, score, new, len(old.tracks))).tracks[-1]
        free = (1, 0) if full and len(channels) == 9 else place
        assert (added.port, added.channel, added.program) == (*free, 40)


def test_no_hand_ends_a_note_of_another_on_its_channel(tmp_path):
    """In a player the chunks of a tick follow one another."""
    hands = [line(pitch=64), line(pitch=60), line(pitch=62)]
    file_of(OPENING, *hands).save(tmp_path / "hands.mid")
    for seed in range(4):
        output = tmp_path / f"{seed}.mid"
        path, made, _ = compose_file(tmp_path / "hands.mid", output, "chorales", seed=seed)
        timed = [
            (tick, chunk, event)
            for chunk, rows in enumerate(absolute(load_mido(path)))
            for tick, event in rows
        ]
        began = {}
        for tick, _, event in sorted(timed, key=lambda row: row[:2]):
            if event.type == "note_on" and event.velocity:
                began[event.note] = tick
            elif event.type in ("note_on", "note_off") and tick >= made.start:
                assert began.pop(event.note, -1) < tick


def passed_around(channels, count=8):
    """Notes one after another, on one channel after another."""
    return [
        event
        for i in range(count)
        for event in note(480 * i, 480 * i + 480, 60 + i % 5, channels[i % len(channels)])
    ]


ZONE = [control(0, 101, 0), control(0, 100, 6), control(0, 6, 7)]
GUITAR = [meta(0, "track_name", name="Guitar"), *(program(0, 25, c) for c in range(6))]


@pytest.mark.parametrize(
    ("part", "channels", "kind"),
    [(ZONE, range(1, 8), 0), (ZONE, range(1, 8), 1), (GUITAR, range(6), 1), (GUITAR, (0, 1), 1)],
)
def test_a_part_on_several_channels_is_continued_as_one(continue_file, part, channels, kind):
    notes = passed_around(list(channels))
    bends = [bend(480 * i + 9, 500, channel) for i, channel in enumerate(list(channels)[:8])]
    chunks = (
        [[*OPENING, *part, *notes, *bends]] if kind == 0 else [OPENING, [*part, *notes, *bends]]
    )
    made, after = continue_file(*chunks, kind=kind)
    assert made.left_out == () and len(made.score.tracks) == 1
    assert_playable(after)
    state = {}
    for chunk in absolute(after):
        for tick, event in chunk:
            if event.type == "pitchwheel" and tick <= START:
                state[event.channel] = event.pitch
    assert set(state.values()) == {0}
    again = from_mido(after)
    assert len(again.tracks) == 1 and len(again) == 8 + len(made.added)


def test_a_fill_replaces_the_notes_of_all_channels_of_a_part(tmp_path):
    guitar = [*GUITAR, *passed_around(range(6), 16)]
    file_of(OPENING, guitar).save(tmp_path / "guitar.mid")
    path, made, _ = infill_file(tmp_path / "guitar.mid", (2, 3), None, "folk-infill", seed=1)
    score = from_mido(load_mido(path))
    inside = (score.notes["onset"] >= 1920) & (score.notes["onset"] < 5760)
    assert score.notes[inside].tolist() == made.added.tolist()
    assert int((~inside).sum()) == 8


def test_the_report_names_what_has_no_effect(checkpoints, tmp_path):
    behind = [meta(4000, "set_tempo", tempo=1000), meta(4100, "set_tempo", tempo=1000)]
    file_of([*OPENING, *behind], line()).save(tmp_path / "a.mid")
    args = ["compose", str(tmp_path / "a.mid"), "--checkpoint", str(checkpoints["line"].path)]
    out = CliRunner().invoke(main, [*args, "--bars", "2", "--seed", "1", "--json"])
    assert json.loads(out.stdout)["undone"] == {"tempo": 2}
    out = CliRunner().invoke(main, [*args, "--bars", "2", "--seed", "1", "--force"])
    assert "behind the primer, without effect on the new bars: 2 tempos" in out.stdout
    assert "of rest" not in out.stdout
    file_of(OPENING, [*line(), end(2 * START)]).save(tmp_path / "a.mid")
    out = CliRunner().invoke(main, [*args, "--bars", "2", "--seed", "1", "--force"])
    assert "the new music begins after 2 bars of rest at the primer's end" in out.stdout
