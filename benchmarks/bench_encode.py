"""How fast do files become tokens, and tokens music, beside MidiTok's REMI and symusic's bare parser?

    python benchmarks/bench_encode.py                          # on music made up for the purpose
    python benchmarks/bench_encode.py tunes=DIR scores=DIR     # on files of your own

All in one process and one thread but for the row that says otherwise; from path on disk to ids, the
same files for all, in turn, several rounds; medians. The results of the folders named below are in
`benchmarks/results/bench_encode.json`:

- tunes: `musegen corpus oneills1850 -o DIR` (Irish tunes, one voice, a hundred notes each)
- scores: OpenScore's Lieder as MIDI (voice and piano, a thousand notes each)
- performances: made up here: one piano, 6,000 notes in free time, sustain pedal
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from musegen import Encoder, EncoderConfig, Score, Track, read

ROOT = Path(__file__).parent.parent
ROUNDS = 5
MOST_FILES = {"tunes": 500, "scores": 100, "performances": 30}
MANY_NOTES = 8_000_000  # so that starting worker processes, half a second, counts for little
SLOW_SHARE = 5  # the slow ones do every fifth file


def performance(rng: np.random.Generator) -> Score:
    """Return a made-up piano performance of 6,000 notes."""
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
    """Return a made-up tune of a hundred notes."""
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


def groups(arguments: list[str], folder: Path) -> dict[str, list[str]]:
    """Return the files of each group: given, or made up."""
    rng = np.random.default_rng(0)
    given = dict(argument.split("=", 1) for argument in arguments)
    out = {}
    for name, make in (("tunes", tune), ("scores", None), ("performances", performance)):
        if name in given:
            files = sorted(map(str, Path(given[name]).rglob("*.mid")))
            out[name] = files[:: max(1, len(files) // MOST_FILES[name])][: MOST_FILES[name]]
        elif make:
            out[name] = [str(folder / f"{name}{index}.mid") for index in range(MOST_FILES[name])]
            for path in out[name]:
                make(rng).save(path)
    return out


def operations(files: list[str], notes: float) -> dict[str, tuple[Callable[[], object], int]]:
    """Return what is timed on some files, with so many notes each: name → (what to call, for how many files)."""
    import miditok  # here, because worker processes import this module, too
    import pretty_midi
    import symusic

    encoder, performance = (
        Encoder(EncoderConfig(parts=64)),
        Encoder(EncoderConfig(encoding="performance")),
    )
    remi, midi_like = (
        miditok.REMI(miditok.TokenizerConfig()),
        miditok.MIDILike(miditok.TokenizerConfig()),
    )
    some = files[::SLOW_SHARE]
    tokens = [encoded.tokens for encoded in encoder.encode_files(files)]
    peer_tokens = [remi(path) for path in some]
    cores, times = os.cpu_count() or 1, max(1, int(MANY_NOTES // (notes * len(files))))
    many = files * times
    return {
        "symusic, parse": (lambda: [symusic.Score(path) for path in files], len(files)),
        "pretty_midi, parse": (lambda: [pretty_midi.PrettyMIDI(path) for path in some], len(some)),
        "MidiTok REMI, encode": (lambda: [remi(path) for path in some], len(some)),
        "MidiTok MIDILike, encode": (lambda: [midi_like(path) for path in some], len(some)),
        "musegen, encode": (lambda: [encoder.encode(path) for path in files], len(files)),
        "musegen, encode_files": (lambda: _exhaust(encoder.encode_files(files)), len(files)),
        "musegen, encode_files, performance": (
            lambda: _exhaust(performance.encode_files(files)),
            len(files),
        ),
        f"musegen, encode_files x {times}": (
            lambda: _exhaust(encoder.encode_files(many)),
            len(many),
        ),
        f"musegen, encode_files x {times}, {cores} workers": (
            lambda: _exhaust(encoder.encode_files(many, workers=cores)),
            len(many),
        ),
        "MidiTok REMI, decode": (lambda: [remi.decode(piece) for piece in peer_tokens], len(some)),
        "musegen, decode": (lambda: [encoder.decode(piece) for piece in tokens], len(files)),
        "musegen, decode_many": (lambda: encoder.decode_many(tokens), len(files)),
    }


def _exhaust(results: Iterable[object]) -> None:
    for _ in results:
        pass


def measure(files: list[str], notes: float) -> dict[str, float]:
    """Return the median files per second of each operation."""
    work = operations(files, notes)
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, (call, count) in work.items():
            began = time.perf_counter()
            call()
            seconds[name].append((time.perf_counter() - began) / count)
    return {name: 1 / statistics.median(rounds) for name, rounds in seconds.items()}


def main() -> None:
    """Measure, print, and write the results."""
    warnings.simplefilter("ignore")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, files in groups(sys.argv[1:], Path(folder)).items():
            notes = float(np.mean([len(read(path)) for path in files]))
            rates = measure(files, notes)
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
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
    }
    versions = {name: version(name) for name in ("numpy", "symusic", "miditok", "pretty_midi")}
    out = ROOT / "benchmarks/results/bench_encode.json"
    out.write_text(
        json.dumps(
            {"machine": machine, "versions": versions, "rounds": ROUNDS, "groups": results},
            indent=2,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
