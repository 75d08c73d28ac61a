"""`musegen compose`: its options and its report."""

import json
import re
import shutil
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
from click.testing import CliRunner

import musegen
from musegen.cli import main
from musegen.cli.sampling import Temperatures
from musegen.generation.compose_file import compose_file, read_primer_file
from tests.helpers import ROOT

SEEDS = ROOT / "midi_data" / "seeds"


@pytest.fixture
def tune(tmp_path):
    return Path(shutil.copy(SEEDS / "amazing_grace.mid", tmp_path))


def run(*arguments, code=0):
    """Run `musegen compose`; a text may hold several arguments."""
    words = [
        word for each in arguments for word in (each.split() if isinstance(each, str) else [each])
    ]
    out = CliRunner().invoke(main, ["compose", *map(str, words)])
    assert out.exit_code == code, out.output
    assert "Traceback" not in out.output
    return out.output


def facts(*arguments):
    return [json.loads(line) for line in run(*arguments, "--json").splitlines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.9", [(0.9, {})]),
        ("1", [(1.0, {})]),
        ("0.9,pitch=1.1, duration=0.8", [(0.9, {"pitch": 1.1, "duration": 0.8})]),
        ("pitch=1.1", [(1.0, {"pitch": 1.1})]),
        ("0.7:1.2:0.1", [(t, {}) for t in (0.7, 0.8, 0.9, 1.0, 1.1, 1.2)]),
        ("1:2:0.7,pitch=3", [(1.0, {"pitch": 3.0}), (1.7, {"pitch": 3.0})]),
    ],
)
def test_temperatures_are_read(text, expected):
    found = Temperatures().convert(text, None, None)
    assert [(one["temperature"], one["temperatures"]) for one in found] == expected


@pytest.mark.parametrize(
    "text", ["", "warm", "1:2", "2:1:0.1", "1:2:0", "0:1:0.0001", "1,pitch", "1:nan:1", "1,pitch=x"]
)
def test_other_temperatures_are_usage_errors(tune, text):
    output = run(tune, f"--temperature={text}", code=2)
    assert "expected a temperature" in output and "0.7:1.2:0.1" in output
    assert sorted(path.name for path in tune.parent.iterdir()) == ["amazing_grace.mid"]


def test_a_sweep_and_variations_write_a_file_each(tune):
    made = facts(tune, "--checkpoint folk --bars 2 --seed 3 --temperature 0.8:1:0.2 --count 2")
    assert [(m["temperature"], m["seed"]) for m in made] == [(0.8, 3), (0.8, 4), (1.0, 3), (1.0, 4)]
    names = [Path(m["output"]).name for m in made]
    assert names == [f"amazing_grace-continued-{n}.mid" for n in (1, 2, 3, 4)]
    for m in made:
        alone = tune.with_name("alone.mid")
        compose_file(
            tune, alone, "folk", bars=2, seed=m["seed"], temperature=m["temperature"], force=True
        )
        assert alone.read_bytes() == Path(m["output"]).read_bytes()
    before = [Path(m["output"]).read_bytes() for m in made]
    output = run(tune, "--checkpoint folk --count 3", code=1)
    assert "exists already" in output
    assert [Path(m["output"]).read_bytes() for m in made] == before


def test_constraints_hold_in_the_file(tune):
    constraints = "--key auto --range C4:C5 --density 3:6 --max-polyphony 1 --min-note 1/8"
    (made,) = facts(tune, "--checkpoint folk --bars 8 --seed 1", constraints, "--end cadence")
    assert made["gave_way"] == 0 and made["key"] == "auto"
    source, whole = read_primer_file(tune).score, musegen.read(made["output"])
    notes = whole.notes[whole.notes["onset"] >= made["start_tick"]]
    assert notes["pitch"].min() >= 60 and notes["pitch"].max() <= 72
    key = musegen.score.keys.find_key(source)
    assert key.pitch_classes[notes["pitch"] % 12].all()
    assert notes["pitch"][-1] % 12 == key.tonic
    bars = np.bincount((notes["onset"] - made["start_tick"]) // (3 * whole.ticks_per_quarter))
    assert len(bars) == 8 and bars[:-1].min() >= 3 and bars.max() <= 6


def test_a_piece_fades(tune):
    args = (tune, "--checkpoint folk --bars 8 --seed 1")
    (cut,), (fade,) = facts(*args), facts(*args, "--end fade -o", tune.with_name("fade.mid"))
    loud, soft = (musegen.read(m["output"]).notes for m in (cut, fade))
    assert (loud["pitch"] == soft["pitch"]).all()
    assert (soft["velocity"] <= loud["velocity"]).all()
    assert soft["velocity"][-1] < 0.5 * loud["velocity"][-1]


def test_a_shorter_context_gives_another_continuation(tune):
    (all_,), (less,), (same,) = (
        facts(
            tune,
            f"--checkpoint folk --bars 4 --seed 1 --primer-bars {bars} -o",
            tune.with_name(f"{bars}.mid"),
        )
        for bars in (0, 2, 1000)
    )
    whole, short = (musegen.read(m["output"]) for m in (all_, less))
    assert whole.notes.tolist() != short.notes.tolist()
    assert Path(same["output"]).read_bytes() == Path(all_["output"]).read_bytes()
    of_primer = whole.notes["onset"] < all_["start_tick"]
    assert (whole.notes[of_primer] == short.notes[: of_primer.sum()]).all()


def test_copied_runs_are_reported_and_can_be_limited(tune):
    args = (tune, "--checkpoint folk --bars 32 --temperature 0.5 --seed 2")
    (free,) = facts(*args)
    copied = free["copied"]
    assert copied["notes"] >= 6 and copied["piece"].endswith(".mid")
    (bound,) = facts(*args, "--max-copied 5 -o", tune.with_name("bound.mid"))
    assert bound["copied"]["notes"] <= 5
    assert "copied" in {rewind["reason"] for rewind in bound["rewinds"]}
    line = f"longest copied run: {copied['notes']} notes, also in {copied['piece']}"
    assert line in run(*args, "--force")


def test_the_report_of_a_cold_piece_names_the_bars_that_were_rewritten(tmp_path):
    tune = shutil.copy(SEEDS / "greensleeves.mid", tmp_path)
    output = run(Path(tune), "--checkpoint folk --bars 64 --temperature 0.01 --seed 7")
    assert re.search(r"new bar \d+ rewritten \(\d+ attempts?\): repetition", output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--temperature -1", "temperature must be 0.001 to 1000. Received: -1.0. Use 0.01"),
        ("--temperature 1e39", "temperature must be 0.001 to 1000. Received: 1e+39"),
        ("--temperature 1,pitch=1e-40", "temperature must be 0.001 to 1000. Received: 1e-40"),
        (f"--top-k {10**20}", "top_k must be 0 to 2147483647"),
        ("--inject --primer-bars 4", "inject must come without primer_bars. Received: 4"),
        (
            "-o tune.musicxml",
            "must be a MIDI file, its name end in .mid or .midi. Received: 'tune.musicxml'",
        ),
        ("--key H:dur", "C:minor"),
        ("--range C6:C3", "must begin with its lower pitch"),
        ("--min-note 1/2 --max-note 1/8", "must not be longer"),
        ("--density x", "MIN:MAX"),
        ("--max-copied 2", "max_copied must be at least 3"),
        ("--temperature 1,colour=2", "colour"),
    ],
)
def test_settings_out_of_range_are_refused(tune, arguments, message):
    assert message in run(tune, "--checkpoint folk", arguments, code=1)
    assert sorted(path.name for path in tune.parent.iterdir()) == ["amazing_grace.mid"]


def test_a_range_of_one_pitch_is_kept_though_it_is_a_loop(tune):
    options = "--checkpoint folk --range C4:C4 --bars 16 --seed 1 --only-continuation"
    (made,) = facts(tune, options)
    (instrument,) = pretty_midi.PrettyMIDI(made["output"]).instruments
    assert {note.pitch for note in instrument.notes} == {60}
    assert made["gave_way"] == 0 and any(not rewind["solved"] for rewind in made["rewinds"])


def test_the_lowest_and_highest_temperatures_work(tune):
    for text in ("0.001", "1000", "1,pitch=0.001", "0.001,pitch=1000", "1000,pitch=0.001"):
        (made,) = facts(tune, f"--checkpoint folk --temperature {text} --bars 4 --seed 1 --force")
        assert made["notes"] > 0


def test_a_primer_and_new_exclude_each_other(tune):
    assert "Received: both" in run(tune, "--new", code=2)
    assert "Received: neither" in run(code=2)


@pytest.mark.parametrize(
    "other", ["--count 2", "--key C", "--bars 3", "--temperature 1:2:1", "--new"]
)
def test_options_that_contradict_fill_are_named(tune, other):
    path = () if other == "--new" else (tune,)
    name = other.split()[0]
    assert f"--fill cannot be combined with {name}." in run(*path, "--fill 5", other, code=2)


@pytest.mark.parametrize("other", ["--bars 3", "--only-continuation"])
def test_options_that_contradict_inject_are_named(tune, other):
    name = other.split()[0]
    assert f"--inject cannot be combined with {name}." in run(tune, "--inject", other, code=2)


def test_a_new_piece_has_no_key_of_the_primer(tmp_path):
    out = tmp_path / "new.mid"
    assert "must have a primer" in run("--new --key auto -o", out, code=1)
    (made,) = facts("--new --key D:dorian --bars 4 --seed 5 -o", out)
    assert mido.MidiFile(made["output"]).length > 1 and made["gave_way"] == 0
