"""The checkpoints and seeds that lie in the repository work together as the README says."""

import itertools
import json
import re

import mido
import music21
import pretty_midi
import pytest

from musegen import load
from musegen.generation.compose import choose
from musegen.generation.compose_file import compose_file, infill_file
from musegen.model import checkpoint
from musegen.score.reading import read_parts
from tests.helpers import ROOT, absolute, assert_playable, assert_untouched

SEEDS = sorted(
    p for p in (ROOT / "midi_data" / "seeds").glob("*.mid") if not p.stem.endswith("-continued")
)
NAMES = ["chorales", "folk", "songs"]
FILLS = ["folk-infill"]


@pytest.fixture(autouse=True)
def only_shipped(monkeypatch):
    """Look at the repository's checkpoints alone."""
    monkeypatch.delenv("MUSEGEN_CHECKPOINTS", raising=False)


def test_these_checkpoints_are_shipped():
    assert sorted(checkpoint.available()) == sorted(NAMES + FILLS)


@pytest.mark.parametrize("seed_file", SEEDS, ids=lambda path: path.stem)
def test_every_seed_is_continued_and_opens_everywhere(tmp_path, seed_file):
    before = mido.MidiFile(seed_file)
    out, made, nats = compose_file(seed_file, tmp_path / "out.mid", bars=4, seed=1)
    assert_untouched(before, mido.MidiFile(out))
    assert_playable(mido.MidiFile(out))
    assert set(nats) == set(NAMES) and len(made.added) >= 4
    midi = pretty_midi.PrettyMIDI(str(out))
    starts = [n.start for i in midi.instruments for n in i.notes]
    assert max(starts) >= midi.tick_to_time(made.start)
    assert len(music21.converter.parse(out).flatten().notes) > 0
    played = {
        e.channel
        for chunk in absolute(mido.MidiFile(out))
        for t, e in chunk
        if t >= made.start and e.type == "note_on"
    }
    assert played <= {e.channel for chunk in before.tracks for e in chunk if e.type == "note_on"}


def test_auto_knows_a_chorale_from_a_jig_and_a_minuet():
    for seed, name in (
        ("old_hundredth", "chorales"),
        ("irish_washerwoman", "folk"),
        ("minuet_in_g", "songs"),
    ):
        primer = read_parts(ROOT / f"midi_data/seeds/{seed}.mid")
        assert choose(primer)[0].checkpoint.name == name


def test_drums_are_named_as_left_out(tmp_path):
    _, made, _ = compose_file(
        ROOT / "midi_data/seeds/drum_and_bass.mid", tmp_path / "out.mid", bars=2, seed=1
    )
    assert [reason for _, reason in made.left_out] == ["the model knows no drums"]


@pytest.mark.parametrize("name", NAMES)
def test_the_card_gives_the_figures_that_the_run_recorded(name):
    folder = ROOT / "checkpoints" / name
    card = (folder / "README.md").read_text()
    recorded = json.loads((folder / "config.json").read_text())["training"]
    for part in ("validation", "test"):
        figures = recorded["nats_per_note"][part]
        cells = [part, *(f"{figures[key]:.3f}" for key in ("model", "bigram", "uniform"))]
        row = r"\| " + r" \| ".join(cells) + r" \|"
        assert re.search(row, card), row
    assert f"epoch {recorded['best_epoch']} of {recorded['epochs']}" in card
    assert recorded["data"]["sha256"] in card
    assert (folder / "model.weights.h5").stat().st_size < 30 * 2**20


@pytest.mark.parametrize("name", NAMES)
def test_new_pieces_fill_their_bars(name):
    for seed in range(3):
        made = load(name).composition(None, bars=8, seed=seed)
        assert len(made.score.barlines()) - 1 == 8
        assert len(made.added) >= 16


def test_four_voices_avoid_parallels_when_they_are_told_to():
    def parallels(score):
        """Moments in which two voices go from fifth to fifth, or octave to octave."""
        lines = [score.notes[score.notes["track"] == track] for track in range(4)]
        found = 0
        for a, b in itertools.combinations(lines, 2):
            moves = [
                {
                    (int(n["onset"])): (int(m["pitch"]), int(n["pitch"]))
                    for m, n in itertools.pairwise(line)
                    if m["onset"] + m["duration"] == n["onset"]
                }
                for line in (a, b)
            ]
            for at in moves[0].keys() & moves[1].keys():
                (a0, a1), (b0, b1) = moves[0][at], moves[1][at]
                found += (
                    a0 != a1
                    and b0 != b1
                    and abs(a0 - b0) % 12 == abs(a1 - b1) % 12
                    and abs(a1 - b1) % 12 in (0, 7)
                )
        return found

    composer, options = load("chorales"), {"bars": 12, "seed": 1, "temperature": 0.7}
    assert parallels(composer.composition(None, **options).score) > 3
    told = composer.composition(None, **options, parallels=False)
    assert parallels(told.score) <= told.relaxed


@pytest.mark.parametrize("seed_file", SEEDS[:3], ids=lambda path: path.stem)
def test_bars_of_a_seed_are_filled(tmp_path, seed_file):
    out, made, _ = infill_file(seed_file, (3, 4), tmp_path / "out.mid", seed=1)
    assert made.checkpoint == "folk-infill" and len(made.added) > 0
    assert_playable(mido.MidiFile(out))
    bars = made.score.barlines()
    assert len(made.score.barlines()) == len(read_parts(seed_file).barlines())
    assert made.start in bars


def test_the_card_of_the_model_that_fills_tells_of_its_run():
    folder = ROOT / "checkpoints" / "folk-infill"
    card, recorded = (
        (folder / "README.md").read_text(),
        json.loads((folder / "config.json").read_text())["training"],
    )
    assert f"epoch {recorded['best_epoch']} of {recorded['epochs']}" in card
    for part, counts in recorded["data"].items():
        if part in ("train", "validation", "test"):
            assert f"| {part} | {counts['pieces']:,} | {counts['tokens']:,} |" in card
    assert (folder / "model.weights.h5").stat().st_size < 30 * 2**20
