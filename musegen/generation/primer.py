"""Prepare a primer for a model: which tracks it reads, in which form, and in which octave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from musegen.config import EncoderConfig
from musegen.encoding.encoder import Encoder
from musegen.encoding.normalise import close_gaps, pad_pickup
from musegen.encoding.vocabulary import Tokens, Vocabulary, transposed
from musegen.errors import EncodingError, MidiError
from musegen.model.interface import SequenceNetwork
from musegen.model.likelihood import row_nats
from musegen.score import Score

__all__ = [
    "EncodedPrimer",
    "Prepared",
    "Reading",
    "bar_ticks",
    "continuation_start",
    "in_best_octave",
    "meter_at",
    "pick_tracks",
    "prepare",
    "rank_octaves",
    "read_primer",
    "track_name",
]

LONGEST_CONTEXT = 4096  # tokens; a longer primer is cut to its last bars, a longer bar to its end
RECENT_BARS = 8  # a track silent for longer is the first to be left out
OCTAVES = (-3, -2, -1, 0, 1, 2, 3)
OCTAVE_TOKENS = 512  # tokens from the beginning of a primer by which the octave is chosen
OCTAVE_NATS = 0.1  # nats per note that each octave of transposition must save


@dataclass(frozen=True)
class Prepared:
    """Music in the form that models are trained on.

    Attributes:
        score: The chosen tracks: pickup filled up to a whole bar, gaps of articulation closed.
        moved: Ticks by which `score` is later than the original, because of the pickup.
    """

    score: Score
    moved: int


def prepare(primer: Score, tracks: Sequence[int], until: int | None = None) -> Prepared:
    """Bring tracks of a primer into the form that models are trained on.

    Args:
        primer: The music.
        tracks: Indices of the tracks to keep.
        until: Tick of the primer where the result ends; later notes are dropped, and notes that
            ring over it are cut. None keeps everything.
    """
    chosen = close_gaps(primer.select(list(tracks)))
    padded = pad_pickup(chosen)
    moved = padded.end - chosen.end
    if until is None:
        return Prepared(padded, moved)
    stop = until + moved
    notes = padded.notes[padded.notes["onset"] < stop].copy()
    notes["duration"] = np.minimum(notes["duration"], stop - notes["onset"])
    trimmed = replace(padded, notes=notes, end=0)
    return Prepared(replace(trimmed, end=stop), moved)


@dataclass(frozen=True)
class Reading:
    """The part of a primer that a model reads.

    Attributes:
        primer: The whole primer; of a continuation without tempos, meters and keys behind `start`.
        start: Tick of the primer where new notes begin: a barline.
        music: The tracks that are read, up to `start`, as `prepare` returns them.
        tokens: `int32[T]`: the encoding of `music`, from `start` to `end`.
        steps: Length of `music` on the encoding's grid.
        sources: For each track of `music`, the primer's track that its continuation belongs to.
        left_out: (name, reason) of the tracks that are not read.
    """

    primer: Score
    start: int
    music: Score
    tokens: Tokens
    steps: int
    sources: tuple[int, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tracks that are read."""
        return tuple(track_name(self.primer, index) for index in self.sources)


@dataclass(frozen=True)
class EncodedPrimer:
    """A primer's tokens, transposed to the octave that a model knows best.

    Attributes:
        reading: What is read of the primer.
        tokens: `int32[T]`, from `start` to `end`, transposed.
        shift: Semitones of the transposition, a multiple of 12.
    """

    reading: Reading
    tokens: Tokens
    shift: int


def read_primer(primer: Score, encoder: Encoder, bars: int = 0) -> Reading:
    """Encode what a model reads of a primer.

    Args:
        primer: The music, with one track per instrument.
        encoder: The model's.
        bars: How many of its last bars are read; 0 for as many as a model can use.

    Raises:
        MidiError: The primer has no notes.
        EncodingError: None of its tracks can be encoded.
    """
    if not len(primer):
        raise MidiError(
            "the primer has no notes to continue. Give a file with notes, or compose from nothing: "
            "--new."
        )
    start = continuation_start(primer)
    # What the primer changes behind its end takes no effect in the new music.
    marks = {name: getattr(primer, name) for name in ("tempos", "meters", "keys")}
    primer = replace(primer, **{name: rows[rows["tick"] <= start] for name, rows in marks.items()})
    picked, left_out = pick_tracks(primer, encoder.config)
    music = prepare(primer, picked, start).score
    if 0 < bars < len(music.barlines()) - 1:
        music = music[-bars:]
    tokens = encoder.encode(music)

    # Tokens per bar vary, so cutting to the longest context may take several rounds.
    while len(tokens) > LONGEST_CONTEXT and len(music.barlines()) > 2:
        count = len(music.barlines()) - 1
        kept = max(1, count * LONGEST_CONTEXT // (len(tokens) + LONGEST_CONTEXT // 8))
        music = music[count - kept :]
        tokens = encoder.encode(music)

    # So may one bar that has more by itself; its last notes are kept.
    while len(tokens) > LONGEST_CONTEXT and len(music) > 1:
        kept = max(1, len(music) * LONGEST_CONTEXT // (len(tokens) + LONGEST_CONTEXT // 8))
        music = replace(music, notes=music.notes[-kept:])
        tokens = encoder.encode(music)
    steps = encoder.decode(tokens).end
    return Reading(primer, start, music, tokens, steps, tuple(picked), left_out)


def in_best_octave(
    reading: Reading, engine: SequenceNetwork, vocabulary: Vocabulary
) -> EncodedPrimer:
    """Transpose a primer's tokens to the octave in which a model finds them likeliest.

    A model of fiddle tunes can continue a cello's melody if it reads it where fiddles play.
    """
    _, shift = rank_octaves(engine, reading.tokens, vocabulary)[0]
    return EncodedPrimer(reading, transposed(reading.tokens, shift, vocabulary), shift)


def rank_octaves(
    engine: SequenceNetwork, tokens: Tokens, vocabulary: Vocabulary
) -> list[tuple[float, int]]:
    """Rank transpositions by whole octaves: (cost in nats per note, semitones), the best first.

    Each octave of transposition costs `OCTAVE_NATS`, so music stays where it is unless moving it
    clearly helps.

    Args:
        engine: The network.
        tokens: The music, `int32[T]`.
        vocabulary: The meaning of the tokens.
    """
    pitches = vocabulary.values[tokens[vocabulary.transposable[tokens]]]
    low, high = (int(pitches.min()), int(pitches.max())) if len(pitches) else (0, 127)
    shifts = [12 * n for n in OCTAVES if low + 12 * n >= 0 and high + 12 * n <= 127]
    rows = np.stack([transposed(tokens[:OCTAVE_TOKENS], shift, vocabulary) for shift in shifts])
    notes = int(vocabulary.notes[rows[0]].sum())
    nats = row_nats(engine, rows, vocabulary).sum(axis=1) / max(notes, 1)
    costs = nats + OCTAVE_NATS * np.abs(shifts) / 12
    return sorted(zip(costs.tolist(), shifts, strict=True))


def continuation_start(primer: Score) -> int:
    """Return the barline where the primer ends: after its last note and the bars of rest behind it.

    A last note released less than a thirty-second too late does not cost a bar of silence, nor do
    the beats or ticks that many programs add after the music: only whole bars of rest count.
    """
    late = primer.ticks_per_quarter // 8
    lines = primer.barlines()
    last = max(int(primer.offsets.max()) - late, int(primer.notes["onset"].max()) + 1)
    after_notes = lines[np.searchsorted(lines, last)]
    after_rests = lines[np.searchsorted(lines, primer.end + late, side="right") - 1]
    return int(max(after_notes, after_rests))


def meter_at(score: Score, tick: int) -> tuple[int, int]:
    """Return numerator and denominator of the meter in force at a tick."""
    meters = score.with_default_meter()
    row = meters[meters["tick"] <= tick][-1]
    return int(row["numerator"]), int(row["denominator"])


def bar_ticks(score: Score, tick: int) -> float:
    """Return the length in ticks of a bar in the meter in force at a tick."""
    numerator, denominator = meter_at(score, tick)
    return 4 * score.ticks_per_quarter * numerator / denominator


def pick_tracks(
    score: Score, config: EncoderConfig
) -> tuple[list[int], tuple[tuple[str, str], ...]]:
    """Choose the tracks that an encoding can carry.

    Where there are more than its parts, those that play in the last bars come first, then those
    with the most notes.

    Returns:
        Indices of the tracks, ascending, and (name, reason) of the tracks left out.

    Raises:
        EncodingError: No track can be carried.
    """
    metric = config.encoding == "metric"
    drums = metric and config.drums
    parts = config.parts if metric else len(score.tracks)
    lines = score.barlines()
    recent = lines[max(-RECENT_BARS - 1, -len(lines))]

    # Rank the tracks that have notes.
    track, total = score.notes["track"], len(score.tracks)
    counts = np.bincount(track, minlength=total)
    playing = np.bincount(track[score.offsets > recent], minlength=total) > 0
    able = [i for i, t in enumerate(score.tracks) if counts[i] and (drums or not t.is_drum)]
    ranked = sorted(able, key=lambda i: (-int(playing[i]), -counts[i], i))
    picked = sorted(ranked[:parts])

    left_out = [
        (
            track_name(score, i),
            f"the model has {parts} part(s)" if i in able else "the model knows no drums",
        )
        for i in range(total)
        if counts[i] and i not in picked
    ]
    if not picked:
        raise EncodingError(
            "the model knows no drums, and the primer has nothing else: "
            f"{', '.join(name for name, _ in left_out)}. Add a pitched track, or use another "
            "checkpoint."
        )
    return picked, tuple(left_out)


def track_name(score: Score, index: int) -> str:
    """Return what to call a track in a message."""
    track = score.tracks[index]
    return track.name.strip() or ("drums" if track.is_drum else f"track {index + 1}")
