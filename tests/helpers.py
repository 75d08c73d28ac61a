"""Shared by several rooms: places, strategies, untrained checkpoints, checks of MIDI files."""

from __future__ import annotations

import itertools
from pathlib import Path

import h5py
import mido
import numpy as np
from hypothesis import strategies as st

from musegen import Score, Track
from musegen.config import EncoderConfig, ModelConfig
from musegen.encoding.grammar import grammar
from musegen.encoding.vocabulary import Vocabulary
from musegen.model.checkpoint import Checkpoint, save

ROOT = Path(__file__).parent.parent
SEEDS = sorted((ROOT / "midi_data" / "seeds").glob("*.mid"))

CONFIGS = [
    EncoderConfig(),
    EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0),
    EncoderConfig(steps_per_quarter=4, parts=4, programs=False, velocities=0, tempos=0),
    EncoderConfig(velocities=127, tempos=5, steps_per_quarter=24),
    EncoderConfig(encoding="performance"),
    EncoderConfig(encoding="performance", velocities=0, sustain=False),
]


@st.composite
def scores(draw, max_tracks=4):
    """Any music: odd resolutions, meters cut short, drums, overlaps, long notes."""
    tracks = draw(
        st.lists(
            st.builds(Track, program=st.integers(0, 127), is_drum=st.booleans()),
            min_size=1,
            max_size=max_tracks,
        )
    )
    tick = st.integers(0, 6000)
    notes = draw(
        st.lists(
            st.tuples(
                tick,
                st.integers(1, 3000),
                st.integers(0, 127),
                st.integers(1, 127),
                st.integers(0, len(tracks) - 1),
            ),
            max_size=25,
        )
    )
    meter = st.tuples(tick, st.integers(1, 40), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
    tempo = st.tuples(tick, st.integers(150_000, 4_000_000))
    return Score(
        notes=notes,
        tracks=tracks,
        ticks_per_quarter=draw(st.sampled_from([1, 24, 89, 97, 480, 960])),
        meters=draw(st.lists(meter, max_size=3)),
        tempos=draw(st.lists(tempo, max_size=3)),
        pedals=draw(st.lists(st.tuples(tick, st.integers(1, 900), st.just(0)), max_size=2)),
        end=draw(tick),
    )


def walk(encoder, rng, length, rest=None, bias=None):
    """Draw tokens at random among those allowed until the end."""
    rules = grammar(encoder.vocabulary)
    rules.length, rules.longest_rest = length, rest
    weights = np.ones(len(encoder.vocabulary)) if bias is None else bias
    out = []
    while not rules.finished:
        p = weights * rules.allowed()
        assert p.any(), [str(e) for e in encoder.events(np.array(out))][-8:]
        out.append(int(rng.choice(len(p), p=p / p.sum())))
        rules.advance(out[-1])
        assert len(out) < 50_000
    return np.array(out, np.int32)


def by_kind(encoder, rng):
    """Weights that make some kinds common and others rare, so that odd corners are visited."""
    kinds = rng.gamma(0.3, 1, len(encoder.vocabulary.names)) + 1e-3
    return (kinds / np.array(list(encoder.vocabulary.blocks.values())))[encoder.vocabulary.kinds]


def absolute(midi):
    """(tick, event) of each chunk, the end of the track left out."""
    out = []
    for chunk in midi.tracks:
        tick, events = 0, []
        for event in chunk:
            tick += event.time
            if event.type != "end_of_track":
                events.append((tick, event.copy(time=0)))
        out.append(events)
    return out


def assert_untouched(before, after):
    """Every event of `before` is in `after`, in the same chunk, at its tick, in the same order."""
    assert after.ticks_per_beat == before.ticks_per_beat
    assert after.type == before.type
    for old, new in zip(absolute(before), absolute(after), strict=True):
        rest = iter(new)
        assert all(event in rest for event in old)


def assert_playable(midi):
    """No pitch of a channel is struck while it sounds, none lasts for no time, none is left on."""
    events = sorted(
        (
            (tick, event.type == "note_on" and event.velocity > 0, event)
            for chunk in absolute(midi)
            for tick, event in chunk
            if event.type in ("note_on", "note_off")
        ),
        key=lambda e: e[:2],
    )
    began = {}
    for tick, is_on, event in events:
        key = event.channel, event.note
        if is_on:
            assert key not in began, (tick, event)
            began[key] = tick
        elif key in began:
            assert tick > began.pop(key)
    assert not began


@st.composite
def files(draw):
    """MIDI files as programs and people make them: one note after another in each chunk."""
    midi = mido.MidiFile(type=1, ticks_per_beat=draw(st.sampled_from([24, 96, 97, 480])))
    quarter = midi.ticks_per_beat
    conductor = mido.MidiTrack()
    conductor.append(mido.MetaMessage("track_name", name="Conductor", time=0))
    meter = draw(st.sampled_from([(4, 4), (3, 4), (6, 8), (7, 8), (2, 2), (5, 4)]))
    conductor.append(
        mido.MetaMessage("time_signature", numerator=meter[0], denominator=meter[1], time=0)
    )
    conductor.append(
        mido.MetaMessage("key_signature", key=draw(st.sampled_from(["C", "F#m", "Bb"])), time=0)
    )
    for tempo in draw(st.lists(st.integers(300_000, 900_000), max_size=3)):
        conductor.append(
            mido.MetaMessage("set_tempo", tempo=tempo, time=draw(st.integers(0, 2 * quarter)))
        )
    midi.tracks.append(conductor)
    for number in range(draw(st.integers(1, 3))):
        chunk = mido.MidiTrack()
        channel = draw(st.sampled_from([0, 1, 2, 9])) if number else number
        chunk.append(mido.MetaMessage("track_name", name=f"Part {number}", time=0))
        chunk.append(
            mido.Message(
                "program_change", program=draw(st.integers(0, 127)), channel=channel, time=0
            )
        )
        for _ in range(draw(st.integers(1, 12))):
            pitch, velocity = draw(st.integers(30, 100)), draw(st.integers(1, 127))
            rest = draw(st.sampled_from([0, 0, 0, quarter // 2, quarter + 1]))
            extra = draw(
                st.sampled_from(["none", "none", "cc", "bend", "lyric", "program", "sysex"])
            )
            if extra == "cc":
                chunk.append(
                    mido.Message(
                        "control_change",
                        control=64,
                        value=draw(st.sampled_from([0, 127])),
                        channel=channel,
                        time=0,
                    )
                )
            elif extra == "bend":
                chunk.append(
                    mido.Message(
                        "pitchwheel", pitch=draw(st.integers(-8192, 8191)), channel=channel
                    )
                )
            elif extra == "lyric":
                chunk.append(mido.MetaMessage("lyrics", text="la", time=0))
            elif extra == "program":
                chunk.append(
                    mido.Message(
                        "program_change", program=draw(st.integers(0, 127)), channel=channel
                    )
                )
            elif extra == "sysex":
                chunk.append(mido.Message("sysex", data=(1, 2, 3), time=0))
            chunk.append(
                mido.Message("note_on", note=pitch, velocity=velocity, channel=channel, time=rest)
            )
            length = draw(
                st.sampled_from(
                    [quarter // 2, quarter, quarter * 9 // 10, 2 * quarter, 5 * quarter]
                )
            )
            chunk.append(
                mido.Message("note_on", note=pitch, velocity=0, channel=channel, time=length)
            )
        chunk.append(mido.MetaMessage("end_of_track", time=draw(st.integers(0, 3 * quarter))))
        midi.tracks.append(chunk)
    return midi


def distinct_channels(midi):
    """Whether no two chunks share a channel: else a file may overlap with itself from the start."""
    channels = [{e.channel for e in chunk if e.type == "note_on"} for chunk in midi.tracks]
    return sum(map(len, channels)) == len(set().union(*channels))


GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def random_weights(config: ModelConfig, rng: np.random.Generator, scale: float = 0.3):
    """Weights of a network, drawn at random, by layer name as a checkpoint has them."""
    width = GATES[config.cell] * config.units
    out = {"embedding": [rng.normal(0, scale, (config.vocabulary_size, config.embedding))]}
    for index in range(config.layers):
        inputs = config.units if index else config.embedding
        bias = (2, width) if config.cell == "gru" else (width,)
        out[f"recurrent_{index}"] = [
            rng.normal(0, scale, shape) for shape in ((inputs, width), (config.units, width), bias)
        ]
    shapes = ((config.units, config.vocabulary_size), (config.vocabulary_size,))
    out["logits"] = [rng.normal(0, scale * 4, shape) for shape in shapes]
    return {name: [a.astype(np.float32) for a in arrays] for name, arrays in out.items()}


def write_keras_weights(path, weights):
    """Write weights in the layout of Keras's `.weights.h5`."""
    with h5py.File(path, "w") as file:
        for name, arrays in weights.items():
            inner = (
                f"layers/{name}/cell/vars"
                if name.startswith("recurrent")
                else f"layers/{name}/vars"
            )
            group = file.create_group(inner)
            file.require_group(f"layers/{name}/vars").attrs["name"] = name
            for index, array in enumerate(arrays):
                group.create_dataset(str(index), data=array)


def make_checkpoint(
    path, encoder: EncoderConfig, seed: int = 0, cell: str = "gru", scale: float = 0.3
):
    """Write an untrained checkpoint to `path` and return it."""
    model = ModelConfig(len(Vocabulary(encoder)), cell=cell, layers=2, units=16, embedding=8)
    path.mkdir(parents=True, exist_ok=True)
    weights = path / "random.weights.h5"
    write_keras_weights(weights, random_weights(model, np.random.default_rng(seed), scale))
    made = Checkpoint(path, encoder, model, (Track("Flute", 73),))
    save(made, weights)
    weights.unlink()
    return made


def tune(seed, length=40):
    """Notes unlike any other tune's, with chords and a second part."""
    rng = np.random.default_rng(seed)
    pitches = rng.integers(50, 80, length)
    notes = [(240 * i, 240, int(p), int(rng.integers(1, 128)), 0) for i, p in enumerate(pitches)]
    notes += [(960 * i, 960, int(p) - 20, 70, 1) for i, p in enumerate(pitches[::4])]
    return Score(notes=notes, tracks=[Track("Flute", 73), Track("Bass\ndrone", 32)])


OPTIONS = [
    dict(zip(("residual", "layer_norm", "tied"), chosen, strict=True)) | seen
    for chosen in itertools.product((False, True), (False, True), (False, True))
    for seen in ({}, {"context": 2}, {"context": 2, "lookback": True})
]

ALL = {"residual": True, "layer_norm": True, "tied": True, "context": 2, "lookback": True}


def randomised(model, scale=0.25):
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, scale, w.shape) for w in model.get_weights()])
    return model


def stepped(engine, tokens, context):
    state = engine.initial_state(len(tokens))
    out = []
    for t in range(tokens.shape[1]):
        logits, state = engine.step(tokens[:, t], state, None if context is None else context[:, t])
        out.append(logits)
    return np.stack(out, axis=1), state
