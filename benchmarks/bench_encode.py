"""Measure encoding and decoding, compared with MidiTok's REMI and symusic's parser.

    python benchmarks/bench_encode.py                          # on synthetic music
    python benchmarks/bench_encode.py tunes=DIR scores=DIR     # on your own files
    python benchmarks/bench_encode.py rounds=1 files=2         # quick; the results are not saved

One process and one thread, unless a row says otherwise; from the path of a file to token ids. All
operations are timed in turn on the same files, for several rounds; medians are printed. The results
for these folders are in `benchmarks/results/bench_encode.json`:

- tunes: `musegen corpus oneills1850 -o DIR` (Irish tunes, one voice, a hundred notes each)
- scores: OpenScore's Lieder as MIDI (voice and piano, a thousand notes each)
- performances: synthetic: one piano, 6,000 notes in free time, sustain pedal
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from saving import save

from musegen import Encoder, EncoderConfig, Score, Track, read

ROUNDS = 5
MAX_FILES = {"tunes": 500, "scores": 100, "performances": 30}
MANY_NOTES = 8_000_000  # so that starting worker processes, half a second, hardly matters
SLOW_SHARE = 5  # slow libraries process every fifth file
PACKAGES = ("numpy", "symusic", "miditok", "pretty_midi")

Operation = tuple[Callable[[], object], int]
"""What to call, and how many files it processes."""


def performance(rng: np.random.Generator) -> Score:
    """Return a synthetic piano performance of 6,000 notes."""
    onset = np.cumsum(rng.exponential(60, 6000)).astype(int)
    notes = zip(
        onset,
        rng.integers(20, 900, 6000),
        rng.integers(21, 109, 6000),
        rng.integers(20, 120, 6000),
        np.zeros(6000, int),
        strict=True,
    )
    pedals = [(int(tick), 500, 0) for tick in range(0, int(onset[-1]), 700)]
    return Score(
        notes=list(notes), tracks=[Track("Piano", 0)], tempos=[(0, 500_000)], pedals=pedals
    )


def tune(rng: np.random.Generator) -> Score:
    """Return a synthetic tune of a hundred notes."""
    duration = rng.choice([120, 240, 240, 480], 100)
    notes = zip(
        np.cumsum(duration) - duration,
        duration,
        60 + np.cumsum(rng.integers(-2, 3, 100)),
        np.full(100, 80),
        np.zeros(100, int),
        strict=True,
    )
    return Score(
        notes=list(notes), tracks=[Track("Fiddle", 40)], tempos=[(0, 500_000)], meters=[(0, 4, 4)]
    )


def groups(given: dict[str, str], folder: Path) -> dict[str, list[str]]:
    """Return the files of each group, given or synthetic."""
    rng = np.random.default_rng(0)
    out = {}
    for name, make in (("tunes", tune), ("scores", None), ("performances", performance)):
        most = int(given.get("files", MAX_FILES[name]))
        if name in given:
            files = sorted(map(str, Path(given[name]).rglob("*.mid")))
            out[name] = files[:: max(1, len(files) // most)][:most]
        elif make:
            out[name] = [str(folder / f"{name}{index}.mid") for index in range(most)]
            for path in out[name]:
                make(rng).save(path)
    return out


def operations(files: list[str], notes: float) -> dict[str, Operation]:
    """Return the operations to time, by name.

    Args:
        files: Paths.
        notes: Mean number of notes in a file.
    """
    import miditok  # here, because worker processes import this module, too
    import pretty_midi
    import symusic

    encoder = Encoder(EncoderConfig(parts=64))
    performance = Encoder(EncoderConfig(encoding="performance"))
    remi = miditok.REMI(miditok.TokenizerConfig())
    midi_like = miditok.MIDILike(miditok.TokenizerConfig())
    fewer = files[::SLOW_SHARE]
    tokens = [encoded.tokens for encoded in encoder.encode_files(files)]
    peer_tokens = [remi(path) for path in fewer]
    cores = os.cpu_count() or 1
    times = max(1, int(MANY_NOTES // (notes * len(files))))
    many = files * times
    return {
        "symusic, parse": each(symusic.Score, files),
        "pretty_midi, parse": each(pretty_midi.PrettyMIDI, fewer),
        "MidiTok REMI, encode": each(remi, fewer),
        "MidiTok MIDILike, encode": each(midi_like, fewer),
        "musegen, encode": each(encoder.encode, files),
        "musegen, encode_files": at_once(encoder.encode_files, files),
        "musegen, encode_files, performance": at_once(performance.encode_files, files),
        f"musegen, encode_files x {times}": at_once(encoder.encode_files, many),
        f"musegen, encode_files x {times}, {cores} workers": at_once(
            partial(encoder.encode_files, workers=cores), many
        ),
        "MidiTok REMI, decode": each(remi.decode, peer_tokens),
        "musegen, decode": each(encoder.decode, tokens),
        "musegen, decode_many": at_once(encoder.decode_many, tokens),
    }


def each(function: Callable[[Any], object], items: list[Any]) -> Operation:
    """Return an operation that calls a function for each item."""
    return lambda: [function(item) for item in items], len(items)


def at_once(function: Callable[[list[Any]], Iterable[object]], items: list[Any]) -> Operation:
    """Return an operation that calls a function for all items, and discards the results."""
    return lambda: deque(function(items), maxlen=0), len(items)


def measure(files: list[str], notes: float, rounds: int) -> dict[str, float]:
    """Return the median files per second of each operation."""
    work = operations(files, notes)
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, (call, count) in work.items():
            began = time.perf_counter()
            call()
            seconds[name].append((time.perf_counter() - began) / count)
    return {name: 1 / statistics.median(measured) for name, measured in seconds.items()}


def main() -> None:
    """Measure, print and save the results."""
    warnings.simplefilter("ignore")
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    rounds = int(given.get("rounds", ROUNDS))
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, files in groups(given, Path(folder)).items():
            notes = float(np.mean([len(read(path)) for path in files]))
            rates = measure(files, notes, rounds)
            peers = {
                "encode": rates["MidiTok REMI, encode"],
                "decode": rates["MidiTok REMI, decode"],
            }
            print(f"\n{name}: {len(files)} files, {notes:.0f} notes each")
            print(f"{'':42}{'files/s':>9}{'x MidiTok':>11}{'of parse':>10}")
            rows = {}
            for operation, rate in rates.items():
                ratio = rate / peers["decode" if "decode" in operation else "encode"]
                share = rate / rates["symusic, parse"]
                rows[operation] = {
                    "files_per_second": rate,
                    "times_miditok": ratio,
                    "share_of_parse": share,
                }
                print(f"{operation:42}{rate:9.0f}{ratio:11.1f}{share:10.2f}")
            results[name] = {"files": len(files), "notes_per_file": notes, "rows": rows}
    if not given.keys() & {"rounds", "files"}:
        save("bench_encode", PACKAGES, rounds=rounds, groups=results)


if __name__ == "__main__":
    main()
