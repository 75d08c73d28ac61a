"""Constrained music meets its constraints, ends where it must, and always has a next token."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import Encoder, MusegenError
from musegen.config import ConstraintConfig
from musegen.encoding.grammar import MetricGrammar, grammar
from musegen.encoding.vocabulary import METERS
from musegen.errors import ConfigError
from musegen.generation.constraints import (
    ConstraintContext,
    Constraints,
    check,
    faded,
    read_density,
    read_note_value,
    read_pitch,
    read_range,
)
from musegen.generation.constraints.metric import last_strong_beat
from musegen.score import NOTE, table
from musegen.score.keys import Key, find_key
from tests.helpers import CONFIGS, by_kind

SECOND = 100  # steps of a performance
USUAL = ((2, 2), (2, 4), (3, 4), (4, 4), (6, 8), (9, 8))


class Walk:
    """A primer drawn from the grammar alone, and what was drawn after it under constraints."""

    def __init__(
        self,
        config,
        wanted,
        seed,
        bars=3,
        primer=2,
        shift=0,
        key=None,
        rest=2,
        meters=METERS,
        brief=False,
    ):
        self.encoder = Encoder(config)
        self.wanted, self.bars = wanted, bars
        self.rng = np.random.default_rng(seed)
        self.rules = grammar(self.encoder.vocabulary)
        self.metric = isinstance(self.rules, MetricGrammar)
        self.bias = by_kind(self.encoder, self.rng)
        if self.metric:
            wrong = [index for index, meter in enumerate(METERS) if meter not in meters]
            self.bias[self.encoder.vocabulary.first["time_signature"] + np.array(wrong, int)] = 0
        self.tokens = []
        self.advance(self.encoder.vocabulary.first["start"])
        unit = 1 if self.metric else 2 * SECOND
        self.rules.length = (primer + bars) * unit
        self.rules.longest_rest = None if rest is None else rest * unit
        if primer:
            begun = (
                (lambda: self.rules.bar >= primer)
                if self.metric
                else (lambda: self.rules.now >= primer * unit)
            )
            while not begun():
                self.draw(self.rules.allowed() & ~(self.longer_than_a_quarter() & brief))
        if not self.metric:
            self.rules.length = (
                self.rules.now + bars * unit
            )  # the primer ends where a time_shift led to
        self.prime(shift, key)
        while not self.rules.finished:
            legal = self.rules.allowed()
            if self.constraints is None:
                self.draw(legal)
                continue
            narrowed = self.constraints.mask(self.rules, legal)
            assert narrowed.any()
            assert not (narrowed & ~legal).any()
            self.draw(narrowed)
        self.score = self.encoder.decode(np.array(self.tokens, np.int32))

    def prime(self, shift, key):
        rules = self.rules
        quarter = self.encoder.config.steps_per_quarter if self.metric else SECOND / 2
        stop = rules.length if not self.metric else 1 << 30
        self.place = ConstraintContext(key, shift, rules.now, stop, quarter, 4 * quarter)
        self.constraints = Constraints.of(self.wanted, self.encoder.vocabulary, self.place)

    def longer_than_a_quarter(self):
        vocabulary = self.encoder.vocabulary
        return vocabulary.of("duration") & (
            vocabulary.values >= self.encoder.config.steps_per_quarter
        ) | vocabulary.of("hold")

    def draw(self, allowed):
        p = self.bias * allowed
        self.advance(int(self.rng.choice(len(p), p=p / p.sum())))
        assert len(self.tokens) < 50_000

    def advance(self, token):
        self.tokens.append(token)
        self.rules.advance(token)

    @property
    def relaxed(self):
        return self.constraints.relaxed if self.constraints else 0

    def lines(self):
        """The barlines of the continuation, in steps."""
        if self.metric:
            lines = self.score.barlines()
            return lines[lines >= self.place.start].tolist()
        edges = np.linspace(
            self.place.start,
            self.rules.length,
            round((self.rules.length - self.place.start) / 200) + 1,
        )
        return np.round(edges).astype(int).tolist()

    def check(self):
        """Hold every constraint against the music."""
        wanted, place = self.wanted, self.place
        drums = np.array([t.is_drum for t in self.score.tracks], bool)
        notes = self.score.notes.astype([(name, np.int64) for name in NOTE.names])
        drum = drums[notes["track"]] if len(notes) else np.zeros(0, bool)
        new = notes["onset"] >= place.start
        lines = self.lines()
        cadence = self.strong(lines) if wanted.end == "cadence" else 1 << 30
        pitched = notes[new & ~drum]
        if wanted.range:
            low, high = read_range(wanted.range)
            assert (pitched["pitch"] - place.shift >= low).all()
            assert (pitched["pitch"] - place.shift <= high).all()
        if wanted.key != "none" and place.key is not None:
            assert place.key.pitch_classes[(pitched["pitch"] - place.shift) % 12].all()
        if wanted.max_polyphony:
            of_all = notes[~drum]
            for onset in np.unique(pitched["onset"]):
                sounds = (of_all["onset"] <= onset) & (of_all["onset"] + of_all["duration"] > onset)
                assert sounds.sum() <= wanted.max_polyphony
        ordinary = notes[new & (notes["onset"] < cadence)]
        for text, sign in ((wanted.min_note, 1), (wanted.max_note, -1)):
            if text:
                bound = max(1, round(float(read_note_value(text)) * place.quarter))
                assert (sign * ordinary["duration"] >= sign * bound).all()
        if wanted.density:
            self.check_density(ordinary["onset"], lines, cadence)
        if wanted.end == "cadence":
            self.check_cadence(notes, drum, cadence)
        if not wanted.parallels:
            self.check_parallels(notes[~drum], cadence)

    def check_parallels(self, notes, cadence):
        """Count them as a teacher would: among parts that go from one single note to the next."""
        moves = {}
        for track in np.unique(notes["track"]):
            voice = notes[notes["track"] == track]
            onsets, first, count = np.unique(voice["onset"], return_index=True, return_counts=True)
            for a, b in pairwise(range(len(onsets))):
                end = voice["onset"][first[a]] + voice["duration"][first[a]]
                if (
                    count[a] == count[b] == 1
                    and end == onsets[b]
                    and self.place.start <= onsets[b] < cadence
                ):
                    pair = voice["pitch"][first[a]], voice["pitch"][first[b]]
                    moves.setdefault(onsets[b], []).append(pair)
        for together in moves.values():
            for (a, b), (c, d) in combinations(together, 2):
                before, after = abs(a - c) % 12, abs(b - d) % 12
                assert a == b or c == d or before != after or before not in (0, 7)

    def check_density(self, onsets, lines, cadence):
        fewest, most = read_density(self.wanted.density)
        together = 3 * (self.encoder.config.parts > 1 or not self.metric)
        for begin, end in pairwise(lines):
            inside = np.sort(onsets[(onsets >= begin) & (onsets < end)]) - begin
            length = end - begin
            if cadence >= end:
                assert len(inside) >= fewest
                for i in range(fewest):
                    assert inside[i] < (i + 1) * length / fewest
            if most:
                assert len(inside) <= most
                for i, onset in enumerate(inside):
                    assert onset >= i * length / most - max(
                        self.place.quarter, together * length / most
                    )

    def strong(self, lines):
        begin, end = lines[-2:]
        if self.metric:
            meters = self.score.with_default_meter()
            row = meters[meters["tick"] <= begin][-1]
            beats, quarters = int(row["numerator"]), (end - begin) / self.place.quarter
        else:
            beats = quarters = 4
        return begin + last_strong_beat(end - begin, beats, quarters)

    def check_cadence(self, notes, drum, cadence):
        new = notes["onset"] >= self.place.start
        assert not (notes["onset"] > cadence).any()
        before = notes[notes["onset"] < cadence]
        ends = notes["onset"] + notes["duration"]
        assert not (ends[new & (notes["onset"] < cadence)] > cadence).any()
        final = notes[(notes["onset"] == cadence)]
        assert len(final)
        assert (final["onset"] + final["duration"] == self.score.end).all()
        melodic = notes[~drum & (notes["onset"] < cadence)]
        key = self.place.key
        if key is None:
            histogram = np.zeros(12)
            lengths = np.minimum(melodic["duration"], cadence - melodic["onset"])
            np.add.at(histogram, (melodic["pitch"] - self.place.shift) % 12, lengths)
            key = find_key(histogram)
        heard = (final["pitch"] - self.place.shift - key.tonic) % 12
        chords = {
            track: heard[final["track"] == track] for track in np.unique(final["track"]).tolist()
        }
        latest = {
            int(n["track"]): int(n["pitch"])
            for n in np.sort(melodic, order=["onset", "track", "pitch"])
        }
        if latest and not self.wanted.max_polyphony:
            assert set(chords) == set(latest)
        if latest:
            highest, lowest = max(latest.values()), min(latest.values())
            third = 4 if key.pitch_classes[(key.tonic + 4) % 12] else 3
            fifth = 7 if key.pitch_classes[(key.tonic + 7) % 12] else 6
            for track, chord in chords.items():
                assert set(chord.tolist()) <= {0, third, fifth}
                if len(latest) == 1:
                    assert chord[0] == 0
                elif sorted(latest.values()).count(latest[track]) == 1 and latest[track] in (
                    highest,
                    lowest,
                ):
                    assert chord[0] == 0
        assert len(before) + len(final) == len(notes)


ALONE = [
    ConstraintConfig(key="C:minor"),
    ConstraintConfig(range="C3:C5"),
    ConstraintConfig(range="C4:C#4"),
    ConstraintConfig(max_polyphony=1),
    ConstraintConfig(max_polyphony=3),
    ConstraintConfig(min_note="1/16"),
    ConstraintConfig(min_note="1/4"),
    ConstraintConfig(max_note="1/2"),
    ConstraintConfig(max_note="1/8"),
    ConstraintConfig(density="4:8"),
    ConstraintConfig(density="4:"),
    ConstraintConfig(density=":6"),
    ConstraintConfig(density="3"),
    ConstraintConfig(end="cadence"),
    ConstraintConfig(parallels=False),
    ConstraintConfig(
        key="D:dorian",
        range="G3:C6",
        max_polyphony=4,
        min_note="1/16",
        max_note="1/2",
        end="cadence",
    ),
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize(
    "wanted", ALONE, ids=lambda w: str({k: v for k, v in w.to_dict().items() if v})
)
def test_what_can_be_met_is_met(config, wanted):
    for seed in range(6):
        key = Key.parse(wanted.key) if wanted.key != "none" else None
        walk = Walk(
            config,
            wanted,
            seed,
            1 + seed % 4,
            seed % 3,
            12 * (seed % 2),
            key,
            meters=USUAL,
            brief=True,
        )
        walk.check()
        assert walk.relaxed == 0


values = st.sampled_from(["", "", "1/64", "1/16", "1/8.", "1/4", "1/2", "1/1", "4/1"])
keys = st.builds(Key, st.integers(0, 11), st.sampled_from(["major", "minor", "locrian"]))


@st.composite
def constraint(draw):
    """Any constraints, contradictory ones among them."""
    low, high = sorted(draw(st.tuples(st.integers(0, 127), st.integers(0, 127))))
    fewest, most = sorted(draw(st.tuples(st.integers(1, 60), st.integers(1, 60))))
    short, long = draw(values), draw(values)
    if short and long and read_note_value(short) > read_note_value(long):
        short, long = long, short
    return ConstraintConfig(
        key=draw(st.sampled_from(["none", "auto"])),
        range=draw(st.sampled_from(["", "C3:C6", f"{low}:{high}", f"{low}:{min(low + 2, 127)}"])),
        max_polyphony=draw(st.sampled_from([0, 0, 1, 2, 5])),
        min_note=short,
        max_note=long,
        density=draw(st.sampled_from(["", "2:6", f"{fewest}:", f":{most}", f"{fewest}:{most}"])),
        parallels=draw(st.booleans()),
        end=draw(st.sampled_from(["cut", "cadence", "fade"])),
    )


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(
    wanted=constraint(),
    seed=st.integers(0, 10**6),
    bars=st.integers(1, 3),
    primer=st.integers(0, 2),
    shift=st.integers(-36, 36),
    key=st.none() | keys,
    rest=st.sampled_from([None, 1, 2]),
)
@settings(max_examples=40, deadline=None)
def test_there_is_always_a_token_and_what_did_not_give_way_holds(
    config, wanted, seed, bars, primer, shift, key, rest
):
    walk = Walk(config, wanted, seed, bars, primer, shift, key, rest)
    rules = walk.rules
    assert walk.score.end == (rules.bar_start + rules.bar_length if walk.metric else rules.length)
    if walk.metric:
        assert rules.bar == primer + bars - 1
    assert np.array_equal(walk.encoder.encode(walk.score), walk.tokens)
    if walk.relaxed == 0:
        walk.check()


def test_the_same_place_gives_the_same_mask():
    wanted = ConstraintConfig(key="auto", max_polyphony=2, density="4:8", end="cadence")
    for config in CONFIGS:
        walk = Walk(config, wanted, 3, key=Key(0))
        rules = grammar(walk.encoder.vocabulary)
        rules.length = walk.rules.length
        for token in walk.tokens:
            before = (
                walk.constraints.mask(rules, rules.allowed())
                if rules.now >= walk.place.start
                else None
            )
            if before is not None:
                assert np.array_equal(walk.constraints.mask(rules.copy(), rules.allowed()), before)
            rules.advance(token)


def test_nothing_wanted_costs_nothing():
    vocabulary = Encoder(CONFIGS[1]).vocabulary
    for wanted in (ConstraintConfig(), ConstraintConfig(end="fade"), ConstraintConfig(key="auto")):
        assert Constraints.of(wanted, vocabulary, ConstraintContext()) is None
    assert (
        Constraints.of(ConstraintConfig(key="auto"), vocabulary, ConstraintContext(Key(0)))
        is not None
    )


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_what_crosses_gives_way_in_order(config):
    walk = Walk(config, ConstraintConfig(key="C:major", range="C#4:C#4"), 1, primer=0, key=Key(0))
    drums = np.array([track.is_drum for track in walk.score.tracks], bool)
    pitches = walk.score.notes["pitch"][~drums[walk.score.notes["track"]]]
    assert set(pitches.tolist()) <= {61}
    assert walk.relaxed >= len(pitches) > 0 or drums.any()


def told(config, wanted, *events, length, **place):
    """The rules after some events, and the constraints of a continuation from the beginning."""
    encoder = Encoder(config)
    rules = grammar(encoder.vocabulary)
    rules.length = length
    for kind, value in events:
        rules.advance(encoder.vocabulary.token(kind, value))
    return rules, Constraints(wanted, encoder.vocabulary, ConstraintContext(**place))


def left(rules, constraints, kind):
    """The values of a kind that may come next."""
    vocabulary = rules.vocabulary
    out = constraints.mask(rules, rules.allowed()) & vocabulary.of(kind)
    return vocabulary.values[out].tolist()


COMMON = (("start", 0), ("bar", 0), ("time_signature", METERS.index((4, 4))))


def test_before_a_cadence_there_is_room_for_the_shortest_note():
    wanted = ConstraintConfig(end="cadence", min_note="1/8")
    rules, constraints = told(CONFIGS[1], wanted, *COMMON, length=1, key=Key(0))
    assert left(rules, constraints, "position") == [*range(24 - 6 + 1), 24]
    for kind, value in (("position", 0), ("pitch", 60)):
        rules.advance(rules.vocabulary.token(kind, value))
    assert left(rules, constraints, "duration") == list(range(5, 24))
    for kind, value in (("duration", 11), ("position", 24)):
        rules.advance(rules.vocabulary.token(kind, value))
    assert [pitch % 12 for pitch in left(rules, constraints, "pitch")] == [0] * 11
    rules.advance(rules.vocabulary.token("pitch", 72))
    assert left(rules, constraints, "duration") == [23]
    assert constraints.relaxed == 0


def test_a_single_voice_is_silent_when_the_next_note_is_due():
    rules, constraints = told(
        CONFIGS[1],
        ConstraintConfig(max_polyphony=1),
        *COMMON,
        ("position", 6),
        ("pitch", 60),
        length=2,
    )
    rules.longest_rest = 1
    assert left(rules, constraints, "duration") == list(
        range(96 - 1 - 6)
    )  # until the last step of the next bar
    rules.advance(rules.vocabulary.token("duration", 11))
    assert left(rules, constraints, "position") == list(range(18, 48))
    assert left(rules, constraints, "pitch") == []


def test_voices_do_not_move_in_parallel_fifths_and_octaves():
    def struck(position, *pitches):
        """Quarter notes, one in each of the first parts."""
        events = [
            (("part", part), ("pitch", pitch), ("duration", 3))
            for part, pitch in enumerate(pitches)
        ]
        return (("position", position), *(event for three in events for event in three))

    wanted = ConstraintConfig(parallels=False)
    before = struck(0, 67, 60, 48)  # a fifth, and an octave below that
    cases = {
        (69,): {62, 50, 38, 26, 14, 2, 76, 88, 100, 112, 124},  # fifths to 69, either way; 60 stays
        (67,): set(),  # who does not move is parallel to nobody
        (72,): {65, 53, 41, 29, 17, 5, 79, 91, 103, 115, 127},
    }
    for after, forbidden in cases.items():
        rules, constraints = told(
            CONFIGS[2], wanted, *COMMON, *before, *struck(4, *after), ("part", 1), length=2
        )
        assert set(range(128)) - set(left(rules, constraints, "pitch")) == forbidden
    rules, constraints = told(
        CONFIGS[2], wanted, *COMMON, *before, *struck(4, 69, 64), ("part", 2), length=2
    )
    octaves, fifths = (
        set(range(4, 128, 12)),
        {pitch for pitch in range(128) if abs(pitch - 69) % 12 == 7},
    )
    assert set(range(128)) - set(left(rules, constraints, "pitch")) == octaves | fifths
    # After a rest nothing is parallel, nor is a chord a voice.
    rules, constraints = told(
        CONFIGS[2], wanted, *COMMON, *before, *struck(8, 69), ("part", 1), length=2
    )
    assert len(left(rules, constraints, "pitch")) == 128
    chord = (
        *struck(0, 60),
        ("pitch", 67),
        ("duration", 3),
        ("part", 1),
        ("pitch", 48),
        ("duration", 3),
    )
    rules, constraints = told(
        CONFIGS[2], wanted, *COMMON, *chord, *struck(4, 62), ("part", 1), length=2
    )
    assert len(left(rules, constraints, "pitch")) == 128


def test_the_only_pitch_is_free_when_the_next_note_is_due_and_taken_where_it_rings():
    wanted = ConstraintConfig(range="C4:C4")
    rules, constraints = told(CONFIGS[1], wanted, *COMMON, ("position", 6), ("pitch", 60), length=2)
    rules.longest_rest = 1
    assert left(rules, constraints, "duration") == list(range(96 - 1 - 6))
    long = (("position", 0), ("part", 0), ("pitch", 60), ("duration", 9))
    rules, constraints = told(
        CONFIGS[2],
        wanted,
        *COMMON,
        *long,
        ("part", 1),
        ("pitch", 60),
        ("duration", 0),
        ("position", 2),
        length=1,
    )
    assert left(rules, constraints, "pitch") == [60]  # in part 1
    assert left(rules, constraints, "part") == [2, 3]
    assert constraints.relaxed == 0


def test_density_asks_for_notes_in_time_and_not_too_soon():
    rules, constraints = told(CONFIGS[1], ConstraintConfig(density="4"), *COMMON, length=1)
    assert left(rules, constraints, "position") == list(range(12))
    assert left(rules, constraints, "bar") == left(rules, constraints, "end") == []
    for kind, value in (
        ("position", 0),
        ("pitch", 60),
        ("duration", 5),
        ("position", 6),
        ("pitch", 60),
    ):
        rules.advance(rules.vocabulary.token(kind, value))
    rules.advance(rules.vocabulary.token("duration", 5))
    assert left(rules, constraints, "position") == list(
        range(12, 36)
    )  # the third: a quarter ahead, at most


def test_a_note_of_a_performance_ends_in_time():
    wanted = ConstraintConfig(min_note="1/8", max_note="1/4")
    rules, constraints = told(
        CONFIGS[5], wanted, ("start", 0), ("note_on", 60), length=400, quarter=50, bar=200
    )
    assert left(rules, constraints, "note_off") == []
    assert left(rules, constraints, "time_shift") == list(
        range(50)
    )  # something can begin at any time
    rules.advance(rules.vocabulary.token("time_shift", 49))
    assert left(rules, constraints, "note_off") == [60]
    assert left(rules, constraints, "time_shift") == left(rules, constraints, "note_on") == []


def test_lengths_that_are_forbidden_count_for_the_nearest_that_is_left():
    rules, constraints = told(
        CONFIGS[1],
        ConstraintConfig(min_note="1/8", max_note="1/4"),
        *COMMON,
        ("position", 0),
        ("pitch", 60),
        length=4,
    )
    vocabulary = rules.vocabulary
    logits = np.zeros(len(vocabulary), np.float32)
    narrowed = constraints.mask(rules, rules.allowed())
    constraints.merge_mass(rules, narrowed, logits)
    p = np.exp(logits[narrowed])
    assert p == pytest.approx([6, 1, 1, 1, 1, 1, 96 - 12 + 2])  # the hold counts too
    assert logits[~narrowed] == pytest.approx(0)


def test_fading_falls_to_a_fifth():
    notes = table(NOTE, [(tick, 100, 60, 100, 0) for tick in (0, 4800, 7200, 8400, 9599)])
    assert faded(notes, 0, 9600)["velocity"].tolist() == [100, 100, 100, 60, 20]
    assert faded(notes, 0, 9600, bar=300)["velocity"].tolist() == [100, 100, 100, 100, 20]
    assert notes["velocity"].tolist() == [100] * 5
    assert faded(table(NOTE, [(0, 10, 60, 1, 0)]), 0, 1)["velocity"].tolist() == [1]


def test_strong_beats():
    beats = [
        last_strong_beat(48 * n // d, n, 4 * n / d) for n, d in ((4, 4), (2, 2), (6, 8), (12, 8))
    ]
    assert beats == [24, 24, 18, 36]
    assert {
        last_strong_beat(48 * n // d, n, 4 * n / d)
        for n, d in ((2, 4), (3, 4), (5, 4), (9, 8), (1, 1))
    } == {0}


def test_texts_are_read():
    names = {
        "C4": 60,
        "F#4": 66,
        "Bb2": 46,
        "B♭2": 46,
        "c-1": 0,
        "G9": 127,
        " 48 ": 48,
        "Cb4": 59,
        "B#3": 60,
    }
    assert {name: read_pitch(name) for name in names} == names
    assert read_range("C3:C6") == (48, 84)
    assert read_range(":84") == (0, 84)
    assert read_range("C3:") == (48, 127)
    values = {"1/16": 0.25, "1/4.": 1.5, "1/4..": 1.75, "3/8": 1.5, "1/1": 4, "1/12": 1 / 3}
    assert {text: float(read_note_value(text)) for text in values} == values
    assert [read_density(text) for text in ("4:8", "4:", ":8", "6", "0:3")] == [
        (4, 8),
        (4, 0),
        (0, 8),
        (6, 6),
        (0, 3),
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"range": "C3"}, "a range must be LOW:HIGH"),
        ({"range": ":"}, "a range must be LOW:HIGH"),
        ({"range": "C6:C3"}, "must begin with its lower pitch"),
        ({"range": "H3:C6"}, r"a pitch must be a name .* Received: 'H3'"),
        ({"range": "0:128"}, "a pitch must be a name"),
        ({"range": "A9:"}, "a pitch must be a name"),
        ({"min_note": "16"}, "a note value must be a part of a whole note"),
        ({"max_note": "1/0"}, "a note value must be"),
        ({"max_note": "17/1"}, "at most 16/1"),
        ({"min_note": "0/4"}, "a note value must be"),
        ({"min_note": "1/2", "max_note": "1/4."}, "must not be longer than max_note"),
        ({"density": "8:4"}, "MIN must not be above its MAX"),
        ({"density": "many"}, "a density must be MIN:MAX"),
        ({"density": ":"}, "a density must be MIN:MAX"),
        ({"density": ":0"}, "MAX at least 1"),
        ({"density": "-1:4"}, "a density must be MIN:MAX"),
        ({"key": "H:major"}, "Or use auto"),
        ({"end": "coda"}, "end must be 'cut', 'cadence' or 'fade'"),
        ({"max_polyphony": -1}, "max_polyphony must be 0 to 128"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_valid_forms(settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        check(ConstraintConfig(**settings))
    assert isinstance(caught.value, MusegenError)
    assert "Received: " in str(caught.value)
