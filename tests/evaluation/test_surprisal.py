"""Surprisal of notes: compared with hand-computed numbers, and the likelihood of the whole."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from musegen import (
    CheckpointError,
    EncoderConfig,
    EncodingError,
    MidiError,
    MusegenError,
    Score,
    Track,
    load,
    read,
)
from musegen.cli.surprisal import surprisal as command
from musegen.cli.surprisal_table import graph, shown
from musegen.config import ModelConfig
from musegen.encoding.encoder import Encoder
from musegen.encoding.vocabulary import Vocabulary, transposed
from musegen.evaluation.attribution import owners
from musegen.evaluation.surprisal import _encoded_notes, surprisal
from musegen.generation.primer import LONGEST_CONTEXT, read_primer
from musegen.model.checkpoint import Checkpoint, save
from musegen.model.likelihood import row_nats
from musegen.score.reading import read_parts
from tests.helpers import CONFIGS, ROOT, random_weights, scores, write_keras_weights

SEEDS = ROOT / "midi_data" / "seeds"
BAND = EncoderConfig(parts=4, velocities=8, tempos=16)
LINE = EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0)
PLAYED = EncoderConfig(encoding="performance", velocities=8)


def known(path, config):
    """Write a checkpoint that gives all tokens of a kind the same probability, in any context.

    Returns:
        It, and a function from events, as they print, to their bits.
    """
    vocabulary = Vocabulary(config)
    model = ModelConfig(len(vocabulary), cell="gru", layers=1, units=4, embedding=4)
    weights = {
        name: [0 * array for array in arrays]
        for name, arrays in random_weights(model, np.random.default_rng(0)).items()
    }
    bias = (1.5 * np.arange(len(vocabulary.names)) % 5.3).astype(np.float32)[vocabulary.kinds]
    weights["logits"][1] = bias
    path.mkdir()
    write_keras_weights(path / "w.h5", weights)
    made = Checkpoint(path, config, model)
    save(made, path / "w.h5")
    bits = (np.log(np.exp(bias.astype(np.float64)).sum()) - bias) / np.log(2)
    cost = dict(
        zip(
            map(str, Encoder(config).events(np.arange(len(vocabulary)))), bits.tolist(), strict=True
        )
    )
    assert len({round(value, 9) for value in cost.values()}) > 3
    return path, lambda events: sum(cost[event] for event in events.split(", "))


def tune(*notes, tracks=None, **fields):
    """Notes of (onset, duration, pitch[, track]), 480 ticks a quarter."""
    rows = [(*note[:3], 80, note[3] if len(note) > 3 else 0) for note in notes]
    return Score(notes=rows, tracks=tracks or [Track("Flute", 73)], **fields)


def assert_adds_up(found):
    assert abs(found.notes["bits"].sum() + found.between - found.bits) < 1e-9
    for table in (found.bars, found.tracks):
        assert table["bits"].sum() + found.between == pytest.approx(found.bits, rel=1e-12, abs=1e-9)
    assert found.bars["notes"].sum() == found.tracks["notes"].sum() == len(found.notes)
    assert (
        len(found.notes) + found.doubled == np.isin(found.score.notes["track"], found.sources).sum()
    )


# By hand


def test_tokens_belong_to_the_notes_they_help_to_say(tmp_path):
    """Two instruments; a tempo where a note begins, and one where none does."""
    path, bits = known(tmp_path / "known", BAND)
    flute, drums = Track("Flute", 73), Track("Kit", is_drum=True)
    notes = [(0, 480, 60, 0), (480, 480, 62, 0), (480, 480, 38, 1), (1920, 480 * 9, 64, 0)]
    tempos = [(0, 500_000), (480, 250_000), (1440, 500_000)]
    score = tune(*notes, tracks=[flute, drums], tempos=tempos)
    encoder = Encoder(BAND)
    said = ", ".join(map(str, encoder.events(encoder.encode(score))))
    of_notes = [
        "position 0, tempo 10, part 0, program 73, pitch 60, velocity 5, duration 12",
        "position 12, tempo 14, pitch 62, velocity 5, duration 12",
        "part 1, drum 38, velocity 5, duration 12",
        "position 0, part 0, pitch 64, velocity 5, hold, duration 12",
    ]
    between = "bar, time_signature 4/4, position 36, tempo 10, bar, bar, bar, end"
    assert said == (
        f"start, bar, time_signature 4/4, {', '.join(of_notes[:3])}, position 36, tempo 10, bar, "
        f"{of_notes[3]}, bar, bar, end"
    )
    found = surprisal(score, path)
    assert found.notes["bits"].tolist() == pytest.approx(
        [bits(events) for events in of_notes], abs=1e-9
    )
    assert found.between == pytest.approx(bits(between), abs=1e-9)
    assert found.notes[["note", "track", "bar", "beat", "onset", "pitch"]].tolist() == [
        (0, 0, 1, 1, 0, 60),
        (1, 0, 1, 2, 480, 62),
        (2, 1, 1, 2, 480, 38),
        (3, 0, 2, 1, 1920, 64),
    ]
    assert found.notes["seconds"].tolist() == pytest.approx([0, 0.5, 0.5, 0.5 + 0.5 + 0.5])
    assert found.score.duration == pytest.approx(1.5 + 4.5)
    assert found.bits_per_second == pytest.approx(found.bits / 6)
    assert found.bits_per_note == pytest.approx(found.bits / 4)
    assert found.tokens == len(encoder.encode(score)) - 1
    assert found.nats_per_token == pytest.approx(found.bits * np.log(2) / found.tokens)
    assert (found.checkpoint, found.names, found.shift, found.doubled) == (
        "known",
        ("Flute", "Kit"),
        0,
        0,
    )
    assert_adds_up(found)


def test_tokens_of_a_performance_belong_to_the_notes_that_begin_or_end(tmp_path):
    """C and E at 0 s, E off at 0.5, G louder from 0.75 to 2.5, C until 1; 3 s in all."""
    path, bits = known(tmp_path / "known", PLAYED)
    score = Score(
        notes=[(0, 960, 60, 80, 0), (0, 480, 64, 80, 1), (720, 1680, 67, 120, 0)],
        tracks=[Track("Left"), Track("Right")],
        end=2880,
    )
    encoder = Encoder(PLAYED)
    assert ", ".join(map(str, encoder.events(encoder.encode(score)))) == (
        "start, velocity 5, note_on 60, note_on 64, time_shift 50, note_off 64, "
        "time_shift 25, velocity 7, note_on 67, time_shift 25, note_off 60, "
        "time_shift 100, time_shift 50, note_off 67, time_shift 50, end"
    )
    found = surprisal(score, path)
    assert found.notes["bits"].tolist() == pytest.approx(
        [
            bits("velocity 5, note_on 60, time_shift 25, note_off 60"),
            bits("note_on 64, time_shift 50, note_off 64"),
            bits(
                "time_shift 25, velocity 7, note_on 67, time_shift 100, time_shift 50, note_off 67"
            ),
        ],
        abs=1e-9,
    )
    assert found.between == pytest.approx(bits("time_shift 50, end"), abs=1e-9)
    assert found.notes[["track", "bar", "beat", "pitch"]].tolist() == [
        (0, 1, 1, 60),
        (1, 1, 1, 64),
        (0, 1, 2.5, 67),
    ]
    assert_adds_up(found)


def test_a_pickup_is_bar_0_and_beats_are_those_of_the_whole_bar(tmp_path):
    path, bits = known(tmp_path / "known", LINE)
    meters = [(0, 1, 4), (480, 3, 4), (480 + 1440, 6, 8)]
    score = tune(
        (0, 480, 60),
        (480, 720, 62),
        (1200, 720, 64),
        (1920, 240, 65),
        (2880, 240, 67),
        meters=meters,
    )
    found = surprisal(score, path)
    assert found.notes[["bar", "beat", "onset"]].tolist() == [
        (0, 3, 0),
        (1, 1, 480),
        (1, 2.5, 1200),
        (2, 1, 1920),
        (2, 5, 2880),
    ]
    assert found.notes["bits"][0] == pytest.approx(
        bits("position 24, pitch 60, duration 12"), abs=1e-9
    )
    assert found.between == pytest.approx(
        bits("bar, time_signature 3/4, bar, bar, time_signature 6/8, end"), abs=1e-9
    )
    assert found.bars[["bar", "track", "notes"]].tolist() == [(0, 0, 1), (1, 0, 2), (2, 0, 2)]


def test_notes_that_the_model_cannot_tell_apart_are_counted(tmp_path):
    path, _ = known(tmp_path / "known", LINE)
    found = surprisal(tune((0, 480, 60), (3, 900, 60), (480, 480, 64)), path)
    assert (found.doubled, found.notes["note"].tolist()) == (1, [1, 2])
    assert_adds_up(found)


def test_tracks_are_those_of_the_file_and_the_left_out_are_named(tmp_path):
    path, _ = known(tmp_path / "known", LINE)
    tracks = [Track("Kit", is_drum=True), Track("Bass", 32), Track("Flute", 73)]
    notes = [(0, 480, 38, 0), (0, 480, 40, 1), (0, 480, 72, 2), (480, 480, 74, 2)]
    found = surprisal(tune(*notes, tracks=tracks), path)
    assert (found.sources, found.names) == ((2,), ("Flute",))
    assert found.notes[["note", "track", "pitch"]].tolist() == [(2, 2, 72), (3, 2, 74)]
    assert found.left_out == (
        ("Kit", "the model knows no drums"),
        ("Bass", "the model has 1 part(s)"),
    )


# Against the likelihood of the whole


def test_the_sums_are_those_of_the_composer():
    composer = load("folk")
    for name in (
        "auld_lang_syne",
        "balkan_seven",
        "drum_and_bass",
        "ode_to_joy",
        "swing_blues",
        "tempo_and_pedal",
    ):
        assert_agrees(surprisal(SEEDS / f"{name}.mid", composer), composer, SEEDS / f"{name}.mid")


def test_the_sums_of_several_voices_are_those_of_the_composer():
    composer = load("chorales")
    for name in ("frere_jacques", "minuet_in_g"):
        assert_agrees(surprisal(SEEDS / f"{name}.mid", composer), composer, SEEDS / f"{name}.mid")


def assert_agrees(found, composer, seed):
    assert found.bits_per_note * np.log(2) == pytest.approx(composer.nats_per_note(seed), abs=1e-9)
    assert_adds_up(found)


def test_auto_takes_the_checkpoint_that_compose_takes():
    assert surprisal(SEEDS / "old_hundredth.mid").checkpoint == "chorales"
    assert surprisal(SEEDS / "greensleeves.mid").checkpoint == "folk"


@pytest.mark.parametrize("name", ["line", "parts", "band", "played"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_every_token_counts_once(checkpoints, name, data):
    score = data.draw(scores(max_tracks=4))
    score = replace(
        score, ticks_per_quarter=max(score.ticks_per_quarter, 24)
    )  # or it has thousands of bars
    composer = load(checkpoints[name].path)
    pitched = not all(score.tracks[track].is_drum for track in score.notes["track"])
    if not len(score) or not (pitched or name == "band"):
        with pytest.raises((MidiError, EncodingError)):
            surprisal(score, composer)
        return
    found = surprisal(score, composer)
    assert_adds_up(found)
    mine = found.score.notes[found.notes["note"]]
    for field in ("onset", "track", "pitch"):
        assert np.array_equal(found.notes[field], mine[field])
    assert len(np.unique(found.notes["note"])) == len(found.notes)
    assert (found.notes["bits"] > 0).all()
    assert (found.notes["beat"] >= 1).all() and found.notes["bar"].min() >= 0


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_notes_are_those_that_the_tokens_say(config, data):
    """The notes of the file, in the order of the tokens, against what the tokens decode to."""
    encoder = Encoder(config)
    score = data.draw(scores(max_tracks=min(config.parts, 4)))
    tokens = encoder.encode(score)
    kept, doubled = _encoded_notes(score, encoder)
    heads = encoder.vocabulary.notes[tokens]
    assert encoder.vocabulary.values[tokens[heads]].tolist() == score.notes["pitch"][kept].tolist()
    of = owners(tokens, encoder.vocabulary)
    assert of[heads].tolist() == list(range(len(kept)))
    unheard = len(score) - len(kept) - doubled
    drums = sum(score.tracks[track].is_drum for track in score.notes["track"].tolist())
    assert unheard == (0 if config.encoding == "metric" and config.drums else drums)
    ends = encoder.vocabulary.of("note_off", "duration")[tokens]
    assert sorted(of[ends].tolist()) == list(range(len(kept)))  # each note ends once


def test_a_piece_is_heard_whole_however_long(checkpoints):
    composer = load(checkpoints["line"].path)
    rng = np.random.default_rng(5)
    notes = [
        (240 * i, 240, int(pitch), 80, 0) for i, pitch in enumerate(rng.integers(50, 80, 2000))
    ]
    score = Score(notes=notes, tracks=[Track()])
    assert len(read_primer(score, composer.encoder).tokens) <= LONGEST_CONTEXT
    found = surprisal(score, composer)
    assert found.tokens > LONGEST_CONTEXT + 2000 and len(found.notes) == 2000
    tokens = transposed(composer.encoder.encode(score), found.shift, composer.encoder.vocabulary)
    logits, _ = composer.engine.forward(tokens[None, :-1], composer.engine.initial_state())
    logits = logits[0].astype(np.float64)
    nats = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(logits)), tokens[1:]]
    assert found.bits == pytest.approx(nats.sum() / np.log(2), rel=1e-6)


def test_a_piece_that_would_take_minutes_is_refused_before_it_is_scored(checkpoints, monkeypatch):
    composer = load(checkpoints["line"].path)
    notes = [(240 * i, 240, 60 + i % 12, 80, 0) for i in range(40_000)]
    monkeypatch.setattr(composer.engine, "forward", None)
    with pytest.raises(EncodingError, match=r"at most 100,000 tokens .*, with 40,000 notes"):
        surprisal(Score(notes=notes, tracks=[Track()]), composer)


def test_the_end_is_the_piece_s_own(tmp_path):
    path, bits = known(tmp_path / "known", LINE)
    short, long = (surprisal(tune((0, 480, 60), end=end), path) for end in (1920, 5 * 1920))
    assert long.between - short.between == pytest.approx(4 * bits("bar"), abs=1e-9)


def test_music_in_another_octave_is_heard_where_the_model_knows_it():
    tune_ = read_parts(SEEDS / "ode_to_joy.mid")
    low = replace(tune_, notes=tune_.notes.copy())
    low.notes["pitch"] -= 24
    here, there = surprisal(tune_, "folk"), surprisal(low, "folk")
    assert there.shift == here.shift + 24
    assert there.notes["bits"].tolist() == here.notes["bits"].tolist()
    assert (there.notes["pitch"] == here.notes["pitch"] - 24).all()


def test_a_wrong_note_is_more_surprising_than_the_right_one():
    composer = load("folk")
    right = surprisal(read_parts(SEEDS / "drowsy_maggie.mid")[:5], composer)
    more = []
    for index in range(8, 32):
        notes = right.score.notes.copy()
        notes["pitch"][index] += 1
        wrong = surprisal(replace(right.score, notes=notes), composer)
        assert np.array_equal(
            wrong.notes["bits"][:index], right.notes["bits"][:index]
        )  # it comes after them
        more.append(wrong.notes["bits"][index] - right.notes["bits"][index])
    assert np.mean(np.array(more) > 0) > 0.9
    assert np.mean(more) > 3


def test_sums_do_not_depend_on_what_the_source_is(checkpoints):
    path = SEEDS / "frere_jacques.mid"
    composer = load(checkpoints["parts"].path)
    expected = surprisal(path, composer)
    for source in (str(path), read_parts(path), read(path).to_mido()):
        found = surprisal(source, composer)
        assert found.notes.tolist() == expected.notes.tolist()
    of_notes = row_nats(
        composer.engine,
        composer.encoded(read_parts(path)).tokens[None],
        composer.encoder.vocabulary,
    )
    assert expected.bits == pytest.approx(of_notes.sum() / np.log(2), abs=1e-9)
    assert (
        repr(expected) == f"Surprisal(parts: 58 notes, {expected.bits_per_note:.2f} bits per note)"
    )


def test_written_music_is_heard(tmp_path, checkpoints):
    (tmp_path / "scale.abc").write_text("X:1\nT:Scale\nM:4/4\nL:1/4\nK:G\nGABc|defg|\n")
    found = surprisal(tmp_path / "scale.abc", checkpoints["line"].path)
    assert found.notes[["bar", "beat", "pitch"]].tolist() == [
        (1, 1, 67),
        (1, 2, 69),
        (1, 3, 71),
        (1, 4, 72),
        (2, 1, 74),
        (2, 2, 76),
        (2, 3, 78),
        (2, 4, 79),
    ]


def test_tensorflow_is_not_imported(checkpoints):
    code = (
        "import sys; from musegen.evaluation.surprisal import surprisal; "
        f"surprisal({str(SEEDS / 'ode_to_joy.mid')!r}, {str(checkpoints['line'].path)!r}); "
        "assert not {'tensorflow', 'keras', 'music21', 'jax', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    lazy = "import sys, musegen.cli.surprisal; assert not {'numpy', 'rich'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", lazy], check=True, capture_output=True)


# Errors


def test_errors_say_what_to_do(checkpoints, tmp_path):
    line = checkpoints["line"].path
    with pytest.raises(
        MidiError, match=r"with notes was expected\. Received: one without\. Give another file"
    ):
        surprisal(Score(), line)
    with pytest.raises(EncodingError, match=r"knows no drums.*Kit.*use another checkpoint"):
        surprisal(tune((0, 480, 38), tracks=[Track("Kit", is_drum=True)]), line)
    with pytest.raises(
        CheckpointError, match=r"continues music was expected.*folk-infill, which fills gaps\. Use"
    ):
        surprisal(SEEDS / "ode_to_joy.mid", "folk-infill")
    with pytest.raises(CheckpointError, match="Received: 'nothing'"):
        surprisal(SEEDS / "ode_to_joy.mid", "nothing")
    with pytest.raises(MidiError):
        surprisal(tmp_path / "missing.mid", line)


# The command


@pytest.fixture
def run(checkpoints):
    """Runs the command with an untrained checkpoint."""

    def invoke(*arguments, name="parts"):
        out = CliRunner().invoke(
            command, [*map(str, arguments), "--checkpoint", str(checkpoints[name].path)]
        )
        if isinstance(out.exception, MusegenError):
            raise out.exception
        assert out.exit_code == 0, out.output
        return out.stdout

    return invoke


@pytest.mark.parametrize("by", ["bar", "note", "track"])
def test_csv_adds_up(run, checkpoints, by):
    path = SEEDS / "frere_jacques.mid"
    found = surprisal(path, checkpoints["parts"].path)
    rows = list(csv.DictReader(io.StringIO(run(path, "--format", "csv", "--by", by))))
    assert sum(float(row["bits"]) for row in rows) == pytest.approx(found.bits, abs=1e-4)
    assert rows[-1]["track_name"] == "bars and end"
    assert float(rows[-1]["bits"]) == pytest.approx(found.between, abs=1e-6)
    assert {row["track_name"] for row in rows[:-1]} == {"Flute", "Clarinet"}
    table = {"bar": found.bars, "note": found.notes, "track": found.tracks}[by]
    assert len(rows) == len(table) + 1
    for field in table.dtype.names:
        assert [float(row[field]) for row in rows[:-1]] == pytest.approx(
            table[field].tolist(), abs=1e-6
        )


@pytest.mark.parametrize("by", ["bar", "note", "track"])
def test_json_is_one_object_that_adds_up(run, checkpoints, by):
    path = SEEDS / "frere_jacques.mid"
    found = surprisal(path, checkpoints["line"].path)
    said = json.loads(run(path, "--format", "json", "--by", by, name="line"))
    assert said["bits"] == pytest.approx(found.bits, abs=1e-6)
    assert sum(row["bits"] for row in said["rows"]) + said["bars_and_end"] == pytest.approx(
        said["bits"], abs=1e-4
    )
    assert (said["checkpoint"], said["by"], said["notes"], said["tokens"]) == (
        "line",
        by,
        32,
        found.tokens,
    )
    assert said["tracks_heard"] == [{"track": 0, "name": "Flute"}]
    assert said["tracks_left_out"] == [{"name": "Clarinet", "reason": "the model has 1 part(s)"}]
    assert said["bits_per_note"] == pytest.approx(said["bits"] / 32, abs=1e-6)


def test_the_table_says_bits_per_note_of_each_bar_and_track(run, checkpoints):
    path = SEEDS / "frere_jacques.mid"
    found = surprisal(path, checkpoints["parts"].path)
    lines = run(path).splitlines()
    assert lines[0] == "frere_jacques.mid: bits per note under checkpoint parts"
    assert lines[2].split() == ["bar", "Flute", "Clarinet", "notes", "bits", "bits/note"]
    of = {(bar, track): each for bar, track, _, _, each in found.bars.tolist()}
    for bar, line in enumerate(lines[3:11], 1):
        cells = line.split()
        expected = [f"{of[bar, track]:.1f}" for track in (0, 1) if (bar, track) in of]
        assert cells[0] == str(bar) and cells[1 : 1 + len(expected)] == expected
    assert lines[11].split() == ["bars", "and", "end", f"{found.between:.1f}"]
    assert lines[12].split()[3:] == ["58", f"{found.bits:.1f}", f"{found.bits_per_note:.1f}"]
    assert lines[14] == (
        f"checkpoint parts: {found.nats_per_token:.3f} nats per token, "
        f"{found.bits_per_note:.2f} bits per note, {found.bits_per_second:.1f} bits per second"
    )
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("by", ["bar", "note", "track"])
def test_the_table_fits_the_terminal(checkpoints, width, by, encoding):
    names = [
        "A very long name of a track\x1b[31m, longer than any column",
        "Flöte",
        *map(str, range(14)),
    ]
    notes = [
        (480 * i + 1920 * track, 480, 60 + i, 80, track) for i in range(4) for track in range(16)
    ]
    score = Score(notes=notes, tracks=[Track(name) for name in names])
    found = surprisal(score, checkpoints["band"].path)
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width, highlight=False, markup=False)
    stream.write(shown("a piece", found, by, console))
    stream.seek(0)
    lines = stream.read().splitlines()
    below = lines.index("", 3)
    assert all(len(line) <= width for line in lines[:below])
    assert "\x1b" not in "".join(lines)
    hidden = [line for line in lines if line.startswith("no room for")]
    columns = {80: 4, 120: 10}[width]
    assert hidden == (
        [f"no room for {16 - columns} more tracks: use --by track, --format csv, or a wider window"]
        * (by == "bar")
    )
    assert len(lines[3:below]) == {"bar": 16, "note": 64, "track": 16}[by] + 2
    assert ("#" if encoding == "ascii" else "█") in lines[3]


def test_a_graph_is_as_long_as_its_share():
    assert graph(1, 10) == "█" * 10 and graph(0, 10) == ""
    assert graph(0.5, 3) == "█▌" and graph(0.5, 4, ascii_only=True) == "##"


def test_a_file_is_written_once(run, tmp_path):
    path, out = SEEDS / "ode_to_joy.mid", tmp_path / "new" / "bits.csv"
    printed = run(path, "--format", "csv", name="line")
    assert run(path, "-o", out, name="line") == ""
    assert out.read_text() == printed
    with pytest.raises(MusegenError, match="exists already"):
        run(path, "-o", out, name="line")
    assert run(path, "-o", out, "--format", "json", "--force", name="line") == ""
    assert json.loads(out.read_text())["notes"] == 30
    assert run(path, "-o", tmp_path / "bits.txt", name="line") == ""
    assert (
        (tmp_path / "bits.txt")
        .read_text()
        .startswith("ode_to_joy.mid: bits per note under checkpoint line\n")
    )
    assert sorted(path.name for path in out.parent.iterdir()) == ["bits.csv"]


def test_the_piece_itself_is_never_written_over(run, tmp_path):
    piece = tmp_path / "tune.mid"
    piece.write_bytes((SEEDS / "ode_to_joy.mid").read_bytes())
    with pytest.raises(MusegenError, match="must not be the piece itself"):
        run(piece, "-o", piece, "--force")
    assert piece.read_bytes() == (SEEDS / "ode_to_joy.mid").read_bytes()
