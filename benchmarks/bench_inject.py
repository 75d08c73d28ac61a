"""How well voices are added to a tune: chords, parallels and registers, beside the composer's own three voices.

    musegen corpus bach -o bach
    python benchmarks/bench_inject.py bach --checkpoint chorales

The sopranos of the checkpoint's test pieces get three voices each, at several settings, with one
seed. What is measured is measured on a grid of sixteenths, at the moments where all four voices
sound and something begins.
Last: how often a voice that is given alone, or two of them, is taken for what it is.
"""

from __future__ import annotations

import argparse
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen import Composer, Request, Score, load
from musegen.generation.composer import whole
from musegen.model.likelihood import row_nats

VOICES = [0, 1, 2, 3]
CHORDS = (
    {0, 4, 7},
    {0, 3, 7},
    {0, 3, 6},
    {0, 4, 7, 10},
    {0, 3, 7, 10},
    {0, 3, 6, 10},
    {0, 4, 7, 11},
)
SETTINGS: dict[str, dict[str, Any]] = {
    "`--temperature 1`": {"temperature": 1.0},
    "`--temperature 0.7`": {"temperature": 0.7},
    "`--temperature 0.5`": {"temperature": 0.5},
    "`--temperature 1 --no-parallels`": {"temperature": 1.0, "parallels": False},
    "`--temperature 0.7 --no-parallels`": {"temperature": 0.7, "parallels": False},
    "`--temperature 0.5 --no-parallels`": {"temperature": 0.5, "parallels": False},
    "`--temperature 0.7 --key auto`": {"temperature": 0.7, "key": "auto"},
}
GIVEN = {"soprano": [0], "alto": [1], "tenor": [2], "bass": [3], "soprano and bass": [0, 3]}
BARS = 8  # that the model continues by itself
COLUMNS = (
    ("nats per added note", "{:.2f}"),
    ("chords on the beat", "{:.0%}"),
    ("parallel fifths and octaves per 100 moments", "{:.1f}"),
    ("voices crossed", "{:.1%}"),
    ("upper voices more than an octave apart", "{:.1%}"),
    ("last chord is one", "{:.0%}"),
)


def is_chord(pitches: NDArray[np.int64]) -> bool:
    """Return whether the pitches are a triad, a seventh chord, or a part of one."""
    return any(
        {int(pitch - root) % 12 for pitch in pitches} <= chord
        for root in range(12)
        for chord in CHORDS
    )


def heard(score: Score) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what the voices sing, `[4, M]`, and when, `[M]`, in sixteenths."""
    notes, step = score.notes, score.ticks_per_quarter // 4
    starts = np.round(notes["onset"] / step).astype(int)
    ends = np.maximum(starts + 1, np.round((notes["onset"] + notes["duration"]) / step).astype(int))
    pitches = np.full((len(VOICES), int(ends.max())), -1)
    begins = np.zeros(pitches.shape[1], bool)
    for track, pitch, start, end in zip(notes["track"], notes["pitch"], starts, ends, strict=True):
        pitches[track, start:end] = pitch
        begins[start] = True
    when = np.flatnonzero(begins & (pitches >= 0).all(0))
    return pitches[:, when], when


def parallels(a: NDArray[np.int64], b: NDArray[np.int64]) -> int:
    """Return how often two voices move from fifth to fifth, or from octave to octave, in one direction."""
    one, other = np.diff(a), np.diff(b)
    apart = (a - b) % 12
    return int(((apart[1:] == apart[:-1]) & np.isin(apart[1:], (0, 7)) & (one * other > 0)).sum())


def measured(score: Score) -> list[float]:
    """Return all columns of a piece but the first."""
    sung, when = heard(score)
    return [
        np.mean([is_chord(sung[:, at]) for at in np.flatnonzero(when % 4 == 0)]),
        100 * sum(parallels(a, b) for a, b in combinations(sung, 2)) / len(when),
        np.mean([(upper < lower).mean() for upper, lower in pairwise(sung)]),
        np.mean([(upper - lower > 12).mean() for upper, lower in pairwise(sung[:3])]),
        is_chord(sung[:, -1]),
    ]


def nats_of_lower_voices(composer: Composer, piece: Score) -> float:
    """Return nats per note of the voices below the soprano, of the tokens that say these notes."""
    vocabulary = composer.encoder.vocabulary
    tokens = composer.encoder.encode(piece)
    nats = row_nats(composer.engine, tokens[None], vocabulary)[0]
    said = np.maximum.accumulate(np.where(vocabulary.of("part")[tokens], np.arange(len(tokens)), 0))
    lower = vocabulary.values[tokens][said] > 0
    counts = lower & vocabulary.of("part", "pitch", "duration", "hold")[tokens]
    return float(nats[counts[1:]].sum() / (lower & vocabulary.notes[tokens]).sum())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bach", type=Path, help="the folder that the checkpoint was trained on")
    parser.add_argument("--checkpoint", default="chorales")
    options = parser.parse_args()
    composer = load(options.checkpoint)
    names = composer.checkpoint.provenance["data"]["held_out"]["test"]
    pieces = [whole(options.bach / Path(name).name) for name in names]
    pieces = [piece for piece in pieces if len(piece.tracks) == len(VOICES)]
    rows: dict[str, list[list[float]]] = {
        "the composer": [
            [nats_of_lower_voices(composer, piece), *measured(piece)] for piece in pieces
        ]
    }
    for name, constraint in SETTINGS.items():
        asked = [
            Request.of(piece.select([0]), {"inject": True, "seed": 1, **constraint})
            for piece in pieces
        ]
        rows[name] = [
            [made.nats_per_note, *measured(made.score)] for _, made in composer.compositions(asked)
        ]
    asked = [Request.of(piece, {"bars": BARS, "seed": 1, "temperature": 0.7}) for piece in pieces]
    rows[f"{BARS} bars by the model itself, temperature 0.7"] = [
        [made.nats_per_note, *measured(made.only_continuation())]
        for _, made in composer.compositions(asked)
    ]
    print(
        f"{len(pieces)} pieces\n\n| | {' | '.join(title for title, _ in COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}"
    )
    for name, figures in rows.items():
        cells = (
            form.format(mean) for (_, form), mean in zip(COLUMNS, np.mean(figures, 0), strict=True)
        )
        print(f"| {name} | {' | '.join(cells)} |")
    print("\n| what is given | its own part is found |\n|---|---|")
    for name, voices in GIVEN.items():
        found = sum(
            composer._assigned(piece.select(voices)).parts == tuple(voices) for piece in pieces
        )
        print(f"| {name} | {found} of {len(pieces)} |", flush=True)


if __name__ == "__main__":
    main()
