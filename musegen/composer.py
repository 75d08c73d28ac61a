"""Checkpoint + encoder + generation = "continue this piece"."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen import checkpoint as checkpoints
from musegen import evaluation, midi, notation
from musegen.checkpoint import Checkpoint
from musegen.composition import Composition, Draw
from musegen.config import SamplerConfig, require
from musegen.context import Context, beside
from musegen.encoder import Encoder
from musegen.engine import Engine, State
from musegen.errors import CheckpointError
from musegen.gaps import ahead
from musegen.generation import generate
from musegen.grammar import MetricGrammar, PerformanceGrammar, grammar
from musegen.infilling import Bars, Filling, read_gap
from musegen.metric import supported_meter
from musegen.normalise import merge_programs
from musegen.primer import Reading, bar_ticks, meter_at, read_primer
from musegen.score import DEFAULT_TEMPO, TEMPO, Score, Track, table
from musegen.transposing import transposed
from musegen.vocabulary import Tokens

__all__ = ["Composer", "Composition", "load", "whole"]

OCTAVES = (-3, -2, -1, 0, 1, 2, 3)
OCTAVE_TOKENS = 512  # of the primer, from its beginning, that the octave is chosen by
OCTAVE_NATS = 0.1  # nats per note that hearing a primer an octave away must save
LONGEST_REST = 2  # bars: a note begins in every second
LONGEST_REST_STEPS = 400  # of 10 ms, in performances
STEPS_PER_NEW_BAR = 200  # of 10 ms: a bar of 4/4 at 120 bpm, for performances without a primer


@dataclass
class Composer:
    """A trained model that continues music.

    Args:
        checkpoint: Which model.
    """

    checkpoint: Checkpoint
    encoder: Encoder = field(init=False)

    def __post_init__(self) -> None:
        """Build the encoder that the model was trained with."""
        self.encoder = Encoder(self.checkpoint.encoder)

    @cached_property
    def engine(self) -> Engine:
        """The network, read from disk when first needed."""
        return Engine(self.checkpoint.model, self.checkpoint.weights())

    def nats_per_note(self, primer: midi.MidiSource) -> float:
        """Return how surprising the model finds music: −log p in nats, divided by its notes.

        It is heard in the octave that the model knows best, as when it is continued.

        Raises:
            MusegenError: The music cannot be read by this model.
        """
        return self.surprise(read_primer(whole(primer), self.encoder))

    def surprise(self, reading: Reading) -> float:
        """Return the nats per note of what is read of a primer."""
        tokens, _ = self.hear(reading)
        return evaluation.evaluate(evaluation.model(self.engine), [tokens], self.encoder.vocabulary).per_note

    def hear(self, reading: Reading) -> tuple[Tokens, int]:
        """Return the tokens in the octave that the model knows best, and by how many semitones they moved.

        A model of fiddle tunes can continue a cello's melody, if it may hear it where fiddles play.
        """
        vocabulary = self.encoder.vocabulary
        pitches = vocabulary.values[reading.tokens[vocabulary.transposable[reading.tokens]]]
        low, high = (int(pitches.min()), int(pitches.max())) if len(pitches) else (0, 127)
        shifts = [12 * octave for octave in OCTAVES if low + 12 * octave >= 0 and high + 12 * octave <= 127]
        variants = np.stack([transposed(reading.tokens, shift, vocabulary) for shift in shifts])
        beginning = variants[:, :OCTAVE_TOKENS]
        notes = int(vocabulary.notes[beginning[0]].sum())
        nats = evaluation.row_nats(self.engine, beginning, vocabulary).sum(axis=1) / max(notes, 1)
        best = int(np.argmin(nats + OCTAVE_NATS * np.abs(shifts) / 12))
        return variants[best], shifts[best]

    def compose(self, primer: midi.MidiSource | None = None, **options: Any) -> Score:
        """Return the primer with its continuation, or a new piece. See `composition` for the options."""
        return self.composition(primer, **options).score

    def composition(
        self,
        primer: midi.MidiSource | None = None,
        *,
        bars: int = 16,
        seed: int | None = None,
        temperature: float = SamplerConfig.temperature,
        top_k: int = SamplerConfig.top_k,
        top_p: float = SamplerConfig.top_p,
        min_p: float = SamplerConfig.min_p,
    ) -> Composition:
        """Continue a primer from the barline after its last note, or compose from nothing.

        Args:
            primer: A path, `Score`, `PrettyMIDI` or `mido.MidiFile`; None for a new piece.
            bars: Bars to add, in the meter in force at the primer's end.
            seed: Integer ≥ 0 for the random numbers; None draws one.
            temperature: See `SamplerConfig`, as for the three below.
            top_k: Keep the k likeliest tokens; 0 keeps all.
            top_p: Keep the likeliest tokens that together reach this probability.
            min_p: Keep tokens at least this fraction as likely as the likeliest.

        Raises:
            MusegenError: The primer cannot be read or has nothing to continue; an option is out of
                range.
        """
        require(1 <= bars <= 10_000, "bars must be 1 to 10000", bars, "Compose in several runs for more.")
        self._must_fill(False)
        draw = Draw.of(seed, temperature, top_k, top_p, min_p)
        return self._new(bars, draw) if primer is None else self._continued(whole(primer), bars, draw)

    def infilling(
        self,
        primer: midi.MidiSource,
        bars: Bars,
        *,
        seed: int | None = None,
        temperature: float = SamplerConfig.temperature,
        top_k: int = SamplerConfig.top_k,
        top_p: float = SamplerConfig.top_p,
        min_p: float = SamplerConfig.min_p,
    ) -> Composition:
        """Put new music into bars of a primer, made of what stands on both sides of them.

        Notes of the tracks that the model reads that begin in these bars are replaced; all else stays.

        Args:
            primer: A path, `Score`, `PrettyMIDI` or `mido.MidiFile`.
            bars: The first and the last to fill, counted from 1 as musicians do; a pickup is bar 0.
            seed: As for `composition`, and so are the four below.
            temperature: See `SamplerConfig`.
            top_k: See there.
            top_p: See there.
            min_p: See there.

        Raises:
            MusegenError: This model fills no gaps, the primer cannot be read, has no such bars or nothing
                outside of them, or an option is out of range.
        """
        self._must_fill(True)
        draw, vocabulary = Draw.of(seed, temperature, top_k, top_p, min_p), self.encoder.vocabulary
        piece = whole(primer)
        opening = read_gap(piece, bars, self.encoder)
        reading, gap = opening.reading, opening.gap
        heard, shift = self.hear(reading)
        rules = Filling(vocabulary, heard, gap)
        future = ahead(heard[gap.closes :], vocabulary)
        before = heard[: gap.opens + 1].tolist()
        tokens, nats = self._generate(before, rules, len(reading.sources), draw, shift, future)
        tokens = transposed(np.append(tokens[:-1], vocabulary.first["end"]), -shift, vocabulary)
        notes = opening.notes(self.encoder.decode(tokens), self.encoder)
        score = replace(piece, notes=np.concatenate([opening.kept, notes]))
        return Composition(
            score, reading.start, notes, nats, self.checkpoint.name, draw.seed, reading.names, reading.left_out,
            opening.end, reading.sources,
        )  # fmt: skip

    def _must_fill(self, gaps: bool) -> None:
        if gaps != self.checkpoint.fills:
            kinds = ("continues music", "fills gaps")
            raise CheckpointError(
                f"a model that {kinds[gaps]} was expected. Received: {self.checkpoint.name}, which {kinds[not gaps]}. "
                f"Use another checkpoint{', or make one with `musegen train --future 128`' if gaps else ''}."
            )

    def _continued(self, primer: Score, bars: int, draw: Draw) -> Composition:
        reading = read_primer(primer, self.encoder)
        end = reading.start + round(bars * bar_ticks(primer, reading.start))
        heard, shift = self.hear(reading)
        rules = grammar(self.encoder.vocabulary)
        opening = heard[:-1].tolist()
        for token in opening:
            rules.advance(token)
        if isinstance(rules, MetricGrammar):
            opening += self._open_bar(rules, primer, reading.start)
            steps = (end - reading.start) * self.encoder.config.steps_per_quarter / primer.ticks_per_quarter
            rules.length = rules.bar + max(1, round(steps / rules.bar_length))
        else:
            seconds = float(np.diff(primer.seconds(np.array([reading.start, end])))[0])
            rules.length = reading.steps + max(1, round(100 * seconds))
        tokens, nats = self._generate(opening, rules, len(reading.sources), draw, shift)
        tokens = transposed(tokens, -shift, self.encoder.vocabulary)
        notes = reading.add(self.encoder.decode(tokens), self.encoder, end)
        score = replace(primer, notes=np.concatenate([primer.notes, notes]), end=end)
        return Composition(
            score, reading.start, notes, nats, self.checkpoint.name, draw.seed, reading.names, reading.left_out
        )

    def _open_bar(self, rules: MetricGrammar, primer: Score, start: int) -> list[int]:
        """Begin the continuation's first bar, in the meter in force there; return the tokens."""
        first = self.encoder.vocabulary.first
        meter = first["time_signature"] + supported_meter(*meter_at(primer, start))
        out = [first["bar"]]
        rules.advance(first["bar"])
        if rules.allowed()[meter]:  # the meter changes on this very barline
            out.append(meter)
            rules.advance(meter)
        return out

    def _new(self, bars: int, draw: Draw) -> Composition:
        vocabulary = self.encoder.vocabulary
        rules = grammar(vocabulary)
        rules.advance(vocabulary.first["start"])
        rules.length = bars * (1 if isinstance(rules, MetricGrammar) else STEPS_PER_NEW_BAR)
        known = self.checkpoint.ensemble or (Track(),)
        tokens, nats = self._generate([vocabulary.first["start"]], rules, len(known), draw)
        score = self.encoder.decode(tokens)
        tracks = (
            replace(k, program=t.program if self.encoder.config.programs else k.program, is_drum=t.is_drum)
            for k, t in zip(known, score.tracks, strict=False)  # a piece may use fewer parts than are known
        )
        tempos = score.tempos if len(score.tempos) else table(TEMPO, [(0, DEFAULT_TEMPO)])
        score = replace(score, tracks=tuple(tracks), tempos=tempos)
        return Composition(score, 0, score.notes, nats, self.checkpoint.name, draw.seed)

    def _generate(
        self, tokens: list[int], rules: MetricGrammar | PerformanceGrammar, parts: int, draw: Draw, shift: int = 0,
        future: Tokens | None = None,
    ) -> tuple[Tokens, float]:  # fmt: skip
        """Return `tokens` and what follows them up to the end, and the nats of what follows.

        No pitch is used that `shift` semitones lower would not be a MIDI pitch. With a `future`, as `ahead`
        gives it, that is what is led to; the last of `tokens` opens the gap.
        """
        vocabulary = self.encoder.vocabulary
        here, rest = (rules.bar, LONGEST_REST) if isinstance(rules, MetricGrammar) else (rules.now, LONGEST_REST_STEPS)
        assert rules.length is not None
        rules.longest_rest = min(rest, rules.length - max(here, 0))
        engine, known = self.engine, self.engine.config.context
        opening = np.array([tokens], np.int32)
        step, left = engine.step, None
        if future is not None:
            assert isinstance(rules, Filling)
            engine = engine.towards(future[None])
            step = partial(_told, engine, rules)
            left = np.array([[0] * (len(tokens) - 1) + [rules.left]], np.int32)
        logits, state = engine.forward(opening, engine.initial_state(), beside(opening, vocabulary, known), left)
        # A continuation keeps the primer's tempo, meter and instruments.
        forbidden = vocabulary.of("tempo", "time_signature", "part")
        forbidden &= ~(vocabulary.of("part") & (vocabulary.values < parts))
        sounding = vocabulary.values - shift
        forbidden |= vocabulary.transposable & ((sounding < 0) | (sounding > 127))
        drawn = generate(step, logits[0, -1], state, rules, draw.sampler, draw.rng, forbidden, known)
        return np.append(opening, drawn.tokens), float(drawn.nats.sum())


def _told(
    engine: Engine, rules: Filling, tokens: Tokens, state: State, context: Context | None
) -> tuple[NDArray[np.float32], State]:
    """Step through a gap: the rules, which have taken the token already, know how many bars are left."""
    return engine.step(tokens, state, context, np.full(len(tokens), rules.left, np.int32))


def load(name_or_path: str | Path) -> Composer:
    """Return the composer of a checkpoint, by name (`folk`, `chorales`) or path.

    Raises:
        CheckpointError: There is none, or it is damaged.
    """
    return Composer(checkpoints.load(name_or_path))


def whole(primer: Any) -> Score:
    """Return the music of a primer, one track per instrument.

    A path may name a MIDI file or written music (MusicXML, ABC).

    Raises:
        MidiError: It cannot be read.
    """
    if isinstance(primer, str | Path):
        if Path(primer).suffix.lower() in notation.NOTATION_SUFFIXES:
            return merge_programs(notation.load_notation(primer))
        primer = midi.load_mido(primer)
    if type(primer).__module__.startswith("music21."):
        primer = notation.from_music21(primer)
    return merge_programs(midi.read(primer))
