"""Other parts accompany a primer, over its own bars, and nothing of the primer changes."""

import io
from collections import Counter
from dataclasses import replace

import mido
import music21
import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import Composer, EncodingError, MidiError, Score, Track
from musegen.config import EncoderConfig, SamplerConfig
from musegen.encoding.context import View
from musegen.encoding.grammar import MetricGrammar
from musegen.errors import CheckpointError
from musegen.generation.accompaniment.primer_constraint import PrimerConstraint
from musegen.generation.compose_file import PrimerFile, compose_file, read_primer_file, render
from musegen.generation.composer import load
from musegen.generation.loop import generate
from musegen.generation.primer import continuation_start
from musegen.generation.request import Request
from musegen.model.checkpoint import save
from musegen.score import midi
from musegen.score.reading import read_parts
from tests.helpers import absolute, assert_playable, distinct_channels, files, make_checkpoint

SEEDS = "midi_data/seeds"
CHOIR = tuple(Track(name, 52) for name in ("Soprano", "Alto", "Tenor", "Bass"))
BAND = (
    Track("Lead", 73),
    Track("Keys", 4),
    Track("Bass", 33),
    Track("Kit", is_drum=True),
    Track("Pad", 89),
)


@pytest.fixture(scope="module")
def ensembles(tmp_path_factory):
    """Composers with random weights: four bare voices, and a band with drums, loudness, tempos."""
    root = tmp_path_factory.mktemp("ensembles")
    choir = EncoderConfig(parts=4, programs=False, drums=False, velocities=0, tempos=0)
    out = {}
    for name, config, ensemble in (("choir", choir, CHOIR), ("band", EncoderConfig(), BAND)):
        made = replace(make_checkpoint(root / name, config), ensemble=ensemble)
        save(made, made.path / "model.weights.h5")
        out[name] = Composer(made)
    return out


def written(composer, primer, **options):
    """The assignment of parts, the tokens that were drawn after `start`, and the composition."""
    request = Request.of(primer, {"inject": True, "seed": 0, **options})
    plan = composer.plan(request)
    ((_, drawn),) = generate(composer.engine, [plan.task], View.of(composer.checkpoint.model))
    tokens = np.append(composer.encoder.vocabulary.first["start"], drawn.tokens)
    return composer.assign_parts(primer), tokens, drawn, plan.finish(drawn)


def tune(bars=4, **fields):
    notes = [(480 * i, 480, 60 + i % 5, 80, 0) for i in range(4 * bars)]
    return Score(notes=notes, tracks=[Track("Flute", 73)], **fields)


@st.composite
def scores(draw):
    """Primers with changes of meter and tempo, rests, chords, held notes, a pickup and drums."""
    meters, tempos, tick = [], [], 0
    if draw(st.booleans()):
        meters, tick = [(0, 1, 4)], 480
    for _ in range(draw(st.integers(1, 3))):
        numerator, denominator = draw(
            st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 4), (7, 8), (3, 8)])
        )
        meters.append((tick, numerator, denominator))
        tick += draw(st.integers(1, 3)) * 1920 * numerator // denominator
    for _ in range(draw(st.integers(0, 3))):
        tempos.append((draw(st.integers(0, tick)), draw(st.integers(300_000, 900_000))))
    tracks, notes = [], []
    for number in range(draw(st.integers(1, 3))):
        drum = number == 2 and draw(st.booleans())
        tracks.append(Track(f"Part {number}", draw(st.integers(0, 127)), drum))
        at = draw(st.sampled_from([0, 0, 240, 480, 2400])) % (tick if not number else 9999)
        while at < tick and len(notes) < 60:
            length = draw(st.sampled_from([120, 160, 240, 480, 470, 960, 4000]))
            pitches = draw(st.lists(st.integers(36, 90), min_size=1, max_size=3, unique=True))
            notes += [(at, length, pitch, draw(st.integers(1, 127)), number) for pitch in pitches]
            at += draw(st.sampled_from([length, length, length + 480, length + 6000, 120]))
    return Score(notes=notes, tracks=tracks, meters=meters, tempos=sorted(tempos))


@pytest.mark.parametrize("name", ["choir", "band"])
@given(primer=scores(), seed=st.integers(0, 99), temperature=st.sampled_from([0.05, 1, 10]))
@settings(max_examples=10, deadline=None)
def test_what_is_written_holds_the_primer_exactly_and_the_others_keep_their_rules(
    ensembles, name, primer, seed, temperature
):
    composer = ensembles[name]
    encoder, vocabulary = composer.encoder, composer.encoder.vocabulary
    assignment, tokens, drawn, made = written(composer, primer, seed=seed, temperature=temperature)
    assert drawn.relaxed == 0 and tokens[-1] == vocabulary.first["end"]
    MetricGrammar(vocabulary).read(tokens)
    vocabulary.check(tokens)
    got, wanted = encoder.decode(tokens), encoder.decode(assignment.tokens)
    own = np.isin(got.notes["track"], assignment.parts)
    assert got.notes[own].tolist() == wanted.notes.tolist()
    for part in assignment.parts:  # a track that has notes is the same instrument
        if part in wanted.notes["track"]:
            assert got.tracks[part] == wanted.tracks[part]
    assert (
        got.tempos.tolist() == wanted.tempos.tolist()
        and got.meters.tolist() == wanted.meters.tolist()
    )
    assert got.end == wanted.end
    # The others enter together with the primer's first note, and never rest for more than a bar.
    others = got.notes[~own]
    first = int(wanted.notes["onset"][0])
    assert others["onset"].min() == first
    assert set(others["track"][others["onset"] == first].tolist()) == set(assignment.free)
    lines = wanted.barlines()
    longest = np.diff(lines).max()
    ends = np.maximum.accumulate(others["onset"].astype(int) + others["duration"])
    last = (wanted.notes["onset"] + wanted.notes["duration"]).max()
    assert (np.append(others["onset"][1:], last) - ends <= longest).all() and ends[-1] <= last
    # On the way back nothing of the primer changes, and nothing is lost but what would last beyond
    # it.
    assert made.score.notes[
        np.isin(made.score.notes["track"], range(len(primer.tracks)))
    ].tolist() == (primer.notes.tolist())
    assert made.start == 0 and made.end == continuation_start(primer)
    assert (
        made.added["onset"].min() >= 0
        and (made.added["onset"] + made.added["duration"]).max() <= made.end
    )
    assert (
        len(made.score.tracks) - len(primer.tracks)
        == len(assignment.free)
        == len(set(made.added["track"].tolist()))
    )
    assert made.nats > 0 and made.nats < drawn.nats.sum()


@pytest.mark.parametrize("name", ["choir", "band"])
@given(
    file=files(),
    kind=st.sampled_from([0, 1]),
    seed=st.integers(0, 99),
    temperature=st.sampled_from([0.05, 1, 10]),
)
@settings(max_examples=10, deadline=None)
def test_the_file_keeps_every_event_and_what_is_added_is_sound(
    ensembles, name, file, kind, seed, temperature
):
    apart = distinct_channels(file)
    if kind == 0:
        file = mido.MidiFile(
            type=0, ticks_per_beat=file.ticks_per_beat, tracks=[mido.merge_tracks(file.tracks)]
        )
    data = io.BytesIO()
    file.save(file=data)
    before = mido.MidiFile(file=io.BytesIO(data.getvalue()))
    source = PrimerFile("primer.mid", before, read_parts(before))
    composer = ensembles[name]
    made = composer.composition(source.score, inject=True, seed=seed, temperature=temperature)
    marker = ("primer: primer.mid", "accompaniment")
    data = io.BytesIO()
    midi.overdub(before, made.score, made.added, len(source.score.tracks), marker).save(file=data)
    after = mido.MidiFile(file=io.BytesIO(data.getvalue()))
    assert after.type == before.type and after.ticks_per_beat == before.ticks_per_beat
    for old, new in zip(absolute(before), absolute(after), strict=False):
        rest = iter(new)
        assert all(event in rest for event in old)
    assert len(after.tracks) == len(before.tracks) + (
        kind and len(set(made.added["track"].tolist()))
    )
    old = Counter(read_back(before))
    new = Counter(read_back(after))
    assert not old - new  # each of the primer's notes is there …
    added = list(
        zip(
            *(made.added[c].tolist() for c in ("onset", "duration", "pitch", "velocity")),
            strict=True,
        )
    )
    if (
        sum(track.is_drum for track in made.score.tracks) <= 1
    ):  # else they share a channel, and some are cut
        assert new - old == Counter(added)  # … once, beside what was added
        if apart:
            assert_playable(after)
    pretty_midi.PrettyMIDI(io.BytesIO(data.getvalue()))
    texts = [event.text for _, event in absolute(after)[0] if event.type == "marker"]
    assert texts == ["primer: primer.mid", "accompaniment"]


def read_back(file):
    notes = midi.from_mido(file).notes
    return list(
        zip(*(notes[c].tolist() for c in ("onset", "duration", "pitch", "velocity")), strict=True)
    )


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(ensembles, tmp_path):
    tune().save(tmp_path / "tune.mid")
    source = read_primer_file(tmp_path / "tune.mid")
    made = []
    for seed in (5, 5, 6):
        data = io.BytesIO()
        render(source, ensembles["choir"].composition(source.score, inject=True, seed=seed)).save(
            file=data
        )
        made.append(data.getvalue())
    assert made[0] == made[1] != made[2]


def test_beside_others_in_a_batch_it_is_the_same(ensembles):
    composer, primer = ensembles["band"], tune(meters=[(0, 4, 4), (3840, 3, 4)])
    requests = [Request(primer, seed=seed, inject=bool(seed % 2)) for seed in range(4)]
    together = dict(composer.compositions(requests))
    for index, request in enumerate(requests):
        ((_, alone),) = composer.compositions([request])
        assert np.array_equal(together[index].added, alone.added)


def test_tracks_are_named_and_sound_like_the_ensemble(ensembles, tmp_path):
    tune().save(tmp_path / "tune.mid")
    source = read_primer_file(tmp_path / "tune.mid")
    made = ensembles["choir"].composition(source.score, inject=True, seed=1)
    part = ensembles["choir"].assign_parts(source.score).parts[0]
    assert made.score.tracks[1:] == CHOIR[:part] + CHOIR[part + 1 :]
    assert set(made.added["velocity"].tolist()) == {68}  # 0.85 · 80
    file = render(source, made)
    assert len(file.tracks) == 5
    channels = set()
    for chunk, track in zip(file.tracks[2:], made.score.tracks[1:], strict=True):
        assert chunk[0].name == track.name
        assert chunk[1].type == "program_change" and chunk[1].program == 52
        channels |= {event.channel for event in chunk if hasattr(event, "channel")}
    assert len(channels) == 3 and not channels & {0, 9}


def test_what_is_played_freely_is_met_where_it_is(ensembles):
    notes = [(480 * i + 13 * (i % 3), 430, 60 + i % 5, 80, 0) for i in range(16)]
    primer = Score(notes=notes, tracks=[Track("Flute", 73)])
    _, tokens, _, made = written(ensembles["choir"], primer)
    grid = ensembles["choir"].encoder.decode(tokens)
    steps = grid.notes["onset"][grid.notes["track"] == 0]
    assert len(steps)
    for onset in made.added["onset"].tolist():
        assert onset in primer.notes["onset"] or onset % 40 == 0
        assert not 0 < min(abs(onset - primer.notes["onset"].astype(int))) < 20


def test_a_pickup_is_where_it_was(ensembles):
    notes = [(0, 480, 67, 80, 0)] + [(480 + 480 * i, 480, 60 + i, 80, 0) for i in range(8)]
    primer = Score(notes=notes, tracks=[Track()], meters=[(0, 1, 4), (480, 4, 4)])
    assignment, _, _, made = written(ensembles["choir"], primer)
    assert assignment.moved == 3 * 480
    assert made.added["onset"].min() == 0 and made.score.end == 9 * 480 and made.end == 9 * 480


class OnlyEven:
    """Wants even pitches, and gives way where there are none."""

    relaxed = 0

    def __init__(self, vocabulary):
        self.other = vocabulary.of("pitch") & (vocabulary.values % 2 != 0)

    def mask(self, rules, legal):
        out = legal & ~self.other
        self.relaxed += not out.any()
        return out if out.any() else legal

    def merge_mass(self, rules, narrowed, logits):
        pass


def test_others_have_a_say_in_free_choices_alone(ensembles):
    composer, primer = ensembles["choir"], tune()
    assignment = composer.assign_parts(primer)
    plan = composer.plan(Request(primer, inject=True))
    vocabulary = composer.encoder.vocabulary
    plan.task.constraint = PrimerConstraint(
        assignment.tokens, assignment.parts, assignment.free, composer.encoder, OnlyEven(vocabulary)
    )
    ((_, drawn),) = generate(composer.engine, [plan.task])
    notes = composer.encoder.decode(np.append(vocabulary.first["start"], drawn.tokens)).notes
    own = np.isin(notes["track"], assignment.parts)
    assert (
        notes["pitch"][own].tolist()
        == composer.encoder.decode(assignment.tokens).notes["pitch"].tolist()
    )
    assert len(notes[~own]) > 8 and not (notes["pitch"][~own] % 2).any()
    assert drawn.relaxed == 0


@pytest.mark.parametrize(
    "options", [{"key": "C:major"}, {"range": "C3:C5"}, {"max_note": "1/4"}, {"end": "fade"}]
)
def test_constraints_bind_what_is_added(ensembles, options):
    primer = Score(
        notes=[(480 * i, 480, 61 + i % 5, 80, 0) for i in range(16)], tracks=[Track("Flute", 73)]
    )
    made = ensembles["choir"].composition(primer, inject=True, seed=2, **options)
    pitches = made.added["pitch"]
    if "key" in options:
        assert set((pitches % 12).tolist()) <= {0, 2, 4, 5, 7, 9, 11}
    if "range" in options:
        assert pitches.min() >= 48 and pitches.max() <= 72
    if "max_note" in options:
        assert made.added["duration"].max() <= 480
    if "end" in options:
        last = made.added[-1]
        assert last["velocity"] < 68 and made.added["velocity"][0] == 68
    assert made.relaxed == 0
    assert made.score.notes[made.score.notes["track"] == 0].tolist() == primer.notes.tolist()


@pytest.mark.parametrize(
    "options", [{"end": "cadence"}, {"max_polyphony": 2}, {"density": "6:8", "range": "C7:"}]
)
@pytest.mark.parametrize("name", ["choir", "band"])
def test_constraints_that_cannot_be_kept_give_way_and_the_primer_does_not(ensembles, name, options):
    composer, primer = ensembles[name], tune(bars=3)
    assignment, tokens, _, _ = written(composer, primer, **options)
    got = composer.encoder.decode(tokens).notes
    own = np.isin(got["track"], assignment.parts)
    assert got[own].tolist() == composer.encoder.decode(assignment.tokens).notes.tolist()
    assert (
        set(got["track"].tolist()) == set(range(assignment.size))
        and tokens[-1] == composer.encoder.vocabulary.first["end"]
    )


def test_a_drum_track_becomes_the_drums(ensembles):
    kit = [(480 * i, 240, 36 + 2 * (i % 2), 90, 0) for i in range(16)]
    primer = Score(notes=kit, tracks=[Track("Kit", is_drum=True)])
    assignment, _, _, made = written(ensembles["band"], primer)
    assert assignment.parts == (3,) and made.read == ("Kit",)
    with pytest.raises(EncodingError, match="knows no drums"):
        ensembles["choir"].composition(primer, inject=True)


def test_what_cannot_be_done_is_refused(ensembles, checkpoints):
    with pytest.raises(EncodingError, match=r"encoding metric, is needed.*played.*performance"):
        Composer(checkpoints["played"]).composition(tune(), inject=True)
    with pytest.raises(
        CheckpointError, match=r"more parts.*line with 1 part.*1 track.*Flute.*larger ensemble"
    ):
        Composer(checkpoints["line"]).composition(tune(), inject=True)
    four = Score(
        notes=[(0, 480, 60 + i, 80, i) for i in range(4)], tracks=[Track(f"t{i}") for i in range(4)]
    )
    with pytest.raises(CheckpointError, match=r"choir with 4 part\(s\), and 4 track"):
        ensembles["choir"].composition(four, inject=True)
    with pytest.raises(MidiError, match="no notes to accompany"):
        ensembles["choir"].composition(Score(), inject=True)
    notes = [(240 * i, 240, 60 + i % 12, 80, 0) for i in range(8000)]
    with pytest.raises(
        EncodingError, match=r"at most 12,000 tokens .* with 8,000 notes in 1,000 bars"
    ):
        ensembles["choir"].composition(Score(notes=notes, tracks=[Track()]), inject=True)


def crowded(programs):
    """A file with a channel for each program, each with one held note."""
    file = mido.MidiFile(type=1)
    channels = [channel for channel in range(16) if channel != 9]
    for channel, program in zip(channels, programs, strict=False):
        file.tracks.append(
            mido.MidiTrack(
                [
                    mido.Message("program_change", channel=channel, program=program),
                    mido.Message("note_on", channel=channel, note=60, time=480),
                    mido.Message("note_off", channel=channel, note=60, time=480),
                ]
            )
        )
    return file


def context_of(file, tracks, notes):
    score = read_parts(file)
    notes = Score(
        notes=[(*row[:4], row[4] + len(score.tracks)) for row in notes],
        tracks=[*score.tracks, *tracks],
        ticks_per_quarter=480,
    )
    both = replace(notes, notes=np.concatenate([score.notes, notes.notes]))
    return midi.overdub(file, both, notes.notes, len(score.tracks), ())


def test_new_tracks_of_one_program_share_a_channel_when_few_are_free():
    tracks = [Track("a", 52), Track("b", 7), Track("c", 52)]
    notes = [(0, 960, 64, 80, 0), (0, 480, 50, 80, 1), (480, 960, 64, 80, 2), (0, 480, 64, 80, 2)]
    after = context_of(crowded(range(13)), tracks, notes)
    assert_playable(after)
    chunks = after.tracks[-3:]
    used = [{e.channel for e in chunk if e.type == "note_on"} for chunk in chunks]
    assert used[0] == {14} and used[1] == {15}
    assert used[2] == set()  # its notes meet those of the first


def test_a_channel_of_the_file_is_shared_where_it_plays_the_program_alone():
    after = context_of(
        crowded(range(15)), [Track("more", 3)], [(0, 900, 60, 80, 0), (960, 480, 60, 80, 0)]
    )
    assert_playable(after)
    events = [
        (tick, e.type, e.channel) for tick, e in absolute(after)[-1] if e.type.startswith("note_")
    ]
    # It stops before the file's note, and a tick after its end would be too late: that one is left
    # out.
    assert events == [(0, "note_on", 3), (479, "note_off", 3)]
    assert not any(e.type == "program_change" for e in after.tracks[-1])


def test_without_any_channel_it_says_what_to_do():
    with pytest.raises(MidiError, match=r"uses all 15.*program 99 alone \(new\).*Merge or remove"):
        context_of(crowded(range(15)), [Track("new", 99)], [(0, 480, 60, 80, 0)])


@pytest.mark.parametrize(
    ("seed", "tracks", "parts"),
    [
        ("old_hundredth", [0], {0}),
        ("old_hundredth", [3], {2, 3}),
        ("auld_lang_syne", [0], {0}),
    ],  # a bass may be a tenor
)
def test_chorales_sing_three_more_voices(seed, tracks, parts):
    composer = load("chorales")
    primer = read_parts(f"{SEEDS}/{seed}.mid").select(tracks)
    made = composer.composition(primer, inject=True, seed=1, temperature=0.7)
    (part,) = composer.assign_parts(primer).parts
    assert part in parts
    names = [track.name for track in made.score.tracks[1:]]
    voices = ["Soprano", "Alto", "Tenor", "Bass"]
    assert names == voices[:part] + voices[part + 1 :]
    assert made.nats_per_note < 2.5
    # Voices are in their places: each of the added ones lies, by and large, below the one before.
    means = [made.added["pitch"][made.added["track"] == track].mean() for track in (1, 2, 3)]
    assert means == sorted(means, reverse=True)
    assert made.score.to_music21().parts[3].recurse().notes
    # Most of the tune's onsets are met by a chord.
    onsets = np.unique(primer.notes["onset"])
    assert np.isin(onsets, made.added["onset"]).mean() > 0.85


def test_from_file_to_file_programs_open_it(tmp_path):
    primer = read_parts(f"{SEEDS}/old_hundredth.mid").select([0])[:4]
    primer.save(tmp_path / "soprano.mid")
    out, made, _ = compose_file(
        tmp_path / "soprano.mid", tmp_path / "out.mid", "chorales", inject=True, seed=3
    )
    notes = len(primer) + len(made.added)
    assert sum(len(part.notes) for part in pretty_midi.PrettyMIDI(str(out)).instruments) == notes
    parts = music21.converter.parse(out).parts
    assert [part.partName for part in parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert_playable(mido.MidiFile(out))


def test_a_sampler_near_greedy_and_one_near_random_keep_the_tune():
    composer = load("chorales")
    primer = read_parts(f"{SEEDS}/ode_to_joy.mid")[:4]
    for temperature in (0.01, 20.0):
        assignment, tokens, _, _ = written(
            composer, primer, **SamplerConfig(temperature=temperature).to_dict()
        )
        got = composer.encoder.decode(tokens).notes
        own = got[np.isin(got["track"], assignment.parts)]
        assert own.tolist() == composer.encoder.decode(assignment.tokens).notes.tolist()
