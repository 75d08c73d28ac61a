"""Measure accompaniments of a melody: chords, parallels and registers, compared with the original.

    musegen corpus bach -o bach
    python benchmarks/bench_inject.py bach --checkpoint chorales

The soprano of each test piece of the checkpoint is accompanied by three voices, at several
settings, with one seed. Voices are compared on a grid of sixteenths, at the steps where all four
sound and a note begins. The last table shows how often one or two given voices are assigned to
their own parts.
"""

from __future__ import annotations

import argparse
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from musegen import Composer, Request, Score, load
from musegen.model.likelihood import row_nats
from musegen.score.reading import read_parts
from musegen.utils.arrays import Ints

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
BARS = 8  # of the continuations
COLUMNS = (
    ("nats per added note", "{:.2f}"),
    ("chords on the beat", "{:.0%}"),
    ("parallel fifths and octaves per 100 moments", "{:.1f}"),
    ("voices crossed", "{:.1%}"),
    ("upper voices more than an octave apart", "{:.1%}"),
    ("last chord is one", "{:.0%}"),
)


def is_chord(pitches: Ints) -> bool:
    """Return whether pitches, `int64[P]`, all belong to one triad or seventh chord."""
    return any(
        {int(pitch - root) % 12 for pitch in pitches} <= chord
        for root in range(12)
        for chord in CHORDS
    )


def moments(score: Score) -> tuple[Ints, Ints]:
    """Return the pitches of the voices, `int64[4, M]`, and the sixteenths, `int64[M]`."""
    notes, step = score.notes, score.ticks_per_quarter // 4
    starts = np.round(notes["onset"] / step).astype(int)
    ends = np.maximum(starts + 1, np.round((notes["onset"] + notes["duration"]) / step).astype(int))
    pitches = np.full((len(VOICES), int(ends.max())), -1)
    begins = np.zeros(pitches.shape[1], bool)
    for track, pitch, start, end in zip(notes["track"], notes["pitch"], starts, ends, strict=True):
        pitches[track, start:end] = pitch
        begins[start] = True
    steps = np.flatnonzero(begins & (pitches >= 0).all(0))
    return pitches[:, steps], steps


def parallels(a: Ints, b: Ints) -> int:
    """Return the number of parallel fifths and octaves between two voices, `int64[M]` each."""
    together = np.diff(a) * np.diff(b) > 0
    interval = (a - b) % 12
    same = (interval[1:] == interval[:-1]) & np.isin(interval[1:], (0, 7))
    return int((same & together).sum())


def measured(score: Score) -> list[float]:
    """Return all columns of a piece except the first."""
    pitches, steps = moments(score)
    return [
        np.mean([is_chord(pitches[:, at]) for at in np.flatnonzero(steps % 4 == 0)]),
        100 * sum(parallels(a, b) for a, b in combinations(pitches, 2)) / len(steps),
        np.mean([(upper < lower).mean() for upper, lower in pairwise(pitches)]),
        np.mean([(upper - lower > 12).mean() for upper, lower in pairwise(pitches[:3])]),
        is_chord(pitches[:, -1]),
    ]


def nats_of_lower_voices(composer: Composer, piece: Score) -> float:
    """Return nats per note of the voices below the soprano."""
    vocabulary = composer.encoder.vocabulary
    tokens = composer.encoder.encode(piece)
    nats = row_nats(composer.engine, tokens[None], vocabulary)[0]
    # The part of a token is that of the last `part` token
    is_part = vocabulary.of("part")[tokens]
    last = np.maximum.accumulate(np.where(is_part, np.arange(len(tokens)), 0))
    lower = vocabulary.values[tokens][last] > 0
    counts = lower & vocabulary.of("part", "pitch", "duration", "hold")[tokens]
    return float(nats[counts[1:]].sum() / (lower & vocabulary.notes[tokens]).sum())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bach", type=Path, help="the folder that the checkpoint was trained on")
    parser.add_argument("--checkpoint", default="chorales")
    parser.add_argument("--pieces", type=int, help="number of test pieces; all by default")
    options = parser.parse_args()
    composer = load(options.checkpoint)
    names = composer.checkpoint.provenance["data"]["held_out"]["test"][: options.pieces]
    pieces = [read_parts(options.bach / Path(name).name) for name in names]
    pieces = [piece for piece in pieces if len(piece.tracks) == len(VOICES)]
    rows: dict[str, list[list[float]]] = {
        "the composer": [
            [nats_of_lower_voices(composer, piece), *measured(piece)] for piece in pieces
        ]
    }
    for name, constraint in SETTINGS.items():
        requests = [
            Request.of(piece.select([0]), {"inject": True, "seed": 1, **constraint})
            for piece in pieces
        ]
        rows[name] = [
            [made.nats_per_note, *measured(made.score)]
            for _, made in composer.compositions(requests)
        ]
    requests = [
        Request.of(piece, {"bars": BARS, "seed": 1, "temperature": 0.7}) for piece in pieces
    ]
    rows[f"{BARS} bars by the model itself, temperature 0.7"] = [
        [made.nats_per_note, *measured(made.only_continuation())]
        for _, made in composer.compositions(requests)
    ]
    titles = " | ".join(title for title, _ in COLUMNS)
    print(f"{len(pieces)} pieces\n\n| | {titles} |\n|{'---|' * (len(COLUMNS) + 1)}")
    for name, figures in rows.items():
        cells = (
            form.format(mean) for (_, form), mean in zip(COLUMNS, np.mean(figures, 0), strict=True)
        )
        print(f"| {name} | {' | '.join(cells)} |")
    print("\n| what is given | its own part is found |\n|---|---|")
    for name, voices in GIVEN.items():
        found = sum(
            composer.assign_parts(piece.select(voices)).parts == tuple(voices) for piece in pieces
        )
        print(f"| {name} | {found} of {len(pieces)} |", flush=True)


if __name__ == "__main__":
    main()
