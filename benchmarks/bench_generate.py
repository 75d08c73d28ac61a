"""Measure the speed of composing.

    python benchmarks/bench_generate.py [cold] [workers] [one] [batch]   # all, by default
    ROUNDS=1 python benchmarks/bench_generate.py batch                   # quick, not saved

- cold: `musegen compose` from the shell, in a new process each time, compared with
  `import tensorflow`.
- workers: speed and memory of `musegen batch`, by the number of processes and of pieces.
- one: time per token of one piece, early and late in it, compared with the loop of TensorFlow's
  music generation tutorial (`model.predict` on a window of 25 tokens, for every token), with the
  same network.
- batch: 64 pieces at once on one core: the network's step, the token loop, and whole pieces of 32
  bars, compared with the matrix products of a step alone (`sgemm` by NumPy, of the same shapes, on
  one thread).

Compared operations are measured in turn, for several rounds; the medians are printed and saved in
`benchmarks/results/bench_generate.json`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from saving import results_file, save

from musegen import Composer, ModelConfig, Request, load
from musegen.encoding.context import View, context_of
from musegen.generation.loop import generate
from musegen.model.blas import one_thread
from musegen.model.engine import Engine
from musegen.score.reading import read_parts

ROOT = Path(__file__).parent.parent
SEED = ROOT / "midi_data/seeds/amazing_grace.mid"
MUSEGEN = [sys.executable, "-m", "musegen"]
ROUNDS = int(os.environ.get("ROUNDS", 7))
WIDTH = 64  # pieces at once
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
Rows = dict[str, dict[str, float]]


def process(arguments: Sequence[str]) -> dict[str, float]:
    """Return seconds, CPU seconds and peak MiB of a command."""
    began = time.perf_counter()
    running = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    if status:
        raise SystemExit(f"{arguments} failed with status {status}")
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
    }


def in_turn(measures: dict[str, Callable[[], dict[str, float]]], rounds: int = ROUNDS) -> Rows:
    """Return the medians of several measurements."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            runs[name].append(measure())
    return {
        name: {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        for name, rows in runs.items()
    }


def timed(function: Callable[[], Any], times: int = 1) -> float:
    """Return the seconds per call, over `times` calls."""
    began = time.perf_counter()
    for _ in range(times):
        function()
    return (time.perf_counter() - began) / times


def cold() -> Rows:
    """Measure new processes."""
    with tempfile.TemporaryDirectory() as folder:
        options = f"--bars 16 --seed 1 --force -o {folder}/out.mid".split()
        commands = {
            "musegen compose, 16 bars": [*MUSEGEN, "compose", str(SEED), *options],
            "musegen --help": [*MUSEGEN, "--help"],
            "import tensorflow": [sys.executable, "-c", "import tensorflow"],
        }
        rows = in_turn({name: partial(process, command) for name, command in commands.items()})
    for row in rows.values():
        row["ratio"] = row["seconds"] / rows["import tensorflow"]["seconds"]
    return rows


def one() -> Rows:
    """Measure one piece, and `model.predict` for every token."""
    from musegen.model.network import build

    composer, primer = load("folk"), read_parts(SEED)
    network = build(composer.checkpoint.model)
    network.load_weights(composer.checkpoint.path / "model.weights.h5")
    tokens = composer.encoder.encode(primer)[:25][None]
    context = context_of(tokens, composer.encoder.vocabulary, View.of(composer.checkpoint.model))
    window = tokens if context is None else {"tokens": tokens, "context": context.astype(np.int32)}
    network.predict(window, verbose=0)
    composer.composition(primer, bars=1, seed=0)
    prefix = len(composer.encoder.encode(primer))
    pieces: list[Any] = []

    def piece(bars: int) -> float:
        """Return microseconds per token of a long piece."""
        seed = len(pieces)
        seconds = timed(lambda: pieces.append(composer.composition(primer, bars=bars, seed=seed)))
        return 1e6 * seconds / (len(composer.encoder.encode(pieces[-1].score)) - prefix)

    rows = in_turn(
        {
            "one piece, 200 bars": lambda: {"us_per_token": piece(200)},
            "one piece, 1000 bars": lambda: {"us_per_token": piece(1000)},
            "the network alone": lambda: {"us_per_token": 1e6 * step(composer.engine, 2)},
            "model.predict on 25 tokens": lambda: {
                "us_per_token": 1e6 * timed(lambda: network.predict(window, verbose=0), 10)
            },
        }
    )
    for row in rows.values():
        row["ratio"] = rows["model.predict on 25 tokens"]["us_per_token"] / row["us_per_token"]
    return rows


def step(engine: Engine, width: int) -> float:
    """Return seconds of a step."""
    tokens, state = np.zeros(width, np.int32), engine.initial_state(width)
    view = View.of(engine.config)
    context = np.zeros((width, len(view.sizes)), np.uint16) if view else None
    with one_thread():
        return timed(lambda: engine.step(tokens, state, context), 50)


def products(config: ModelConfig, width: int) -> float:
    """Return seconds of a step's matrix products alone."""
    rng, gates = np.random.default_rng(0), GATES[config.cell]
    shapes = [(config.units, gates * config.units)] * (2 * config.layers - 1)
    shapes.append((config.units, config.vocabulary_size))
    pairs = [
        (rng.random((width, k), np.float32), rng.random((k, n), np.float32)) for k, n in shapes
    ]
    outs = [np.empty((width, n), np.float32) for _, n in shapes]

    def run() -> None:
        for (x, kernel), out in zip(pairs, outs, strict=True):
            np.matmul(x, kernel, out=out)

    with one_thread():
        return timed(run, 50)


def batch() -> Rows:
    """Measure 64 pieces at once."""
    rows: Rows = {}
    primer = read_parts(SEED)
    for config in (
        load("folk").checkpoint.model,
        ModelConfig(386, "lstm", 2, 256),
        ModelConfig(386, "lstm", 3, 512),
    ):
        composer = Composer(replace(load("folk").checkpoint, model=config))
        if config != load("folk").checkpoint.model:
            composer.engine = Engine(config, random_weights(config))
        requests = [Request(primer, bars=32, seed=seed) for seed in range(2 * WIDTH)]

        name = f"{config.cell} {config.layers}x{config.units}"
        operations: dict[str, Callable[[], float]] = {
            "products alone": partial(products, config, WIDTH),
            "step": partial(step, composer.engine, WIDTH),
            "token loop": partial(loop, composer, requests),
            "whole pieces": partial(whole_pieces, composer, requests),
        }
        measured = in_turn(
            {f"{name}: {label}": partial(us_per_step, op) for label, op in operations.items()}
        )
        for row in measured.values():
            row["ratio"] = measured[f"{name}: products alone"]["us_per_step"] / row["us_per_step"]
        rows |= measured
    return rows


def us_per_step(operation: Callable[[], float]) -> dict[str, float]:
    """Measure an operation that returns its seconds per step."""
    return {"us_per_step": 1e6 * operation()}


def loop(composer: Composer, requests: list[Request]) -> float:
    """Return the seconds of a step of the token loop: network, rules, sampling and guards."""
    tasks = [composer.plan(request).task for request in requests]
    drawn: list[Any] = []
    with one_thread():
        view = View.of(composer.checkpoint.model)
        seconds = timed(lambda: drawn.extend(generate(composer.engine, tasks, view)))
    return seconds / sum(len(piece.tokens) for _, piece in drawn) * WIDTH


def whole_pieces(composer: Composer, requests: list[Request]) -> float:
    """Return the seconds of a step, with everything else that a piece takes, up to a score."""
    made: list[Any] = []
    seconds = timed(lambda: made.extend(composer.compositions(requests)))
    prefix = len(composer.encoder.encode(requests[0].primer))
    tokens = sum(len(composer.encoder.encode(piece.score)) - prefix for _, piece in made)
    return seconds / tokens * WIDTH


def random_weights(config: ModelConfig) -> dict[str, list[np.ndarray[Any, Any]]]:
    """Return untrained weights of a network."""
    rng = np.random.default_rng(0)
    width = GATES[config.cell] * config.units
    shapes = {"embedding": [(config.vocabulary_size, config.embedding)]}
    for index in range(config.layers):
        inputs = config.units if index else config.embedding
        shapes[f"recurrent_{index}"] = [(inputs, width), (config.units, width), (width,)]
    shapes["logits"] = [(config.units, config.vocabulary_size), (config.vocabulary_size,)]
    return {
        name: [rng.normal(0, 0.05, shape).astype(np.float32) for shape in arrays]
        for name, arrays in shapes.items()
    }


def workers() -> Rows:
    """Measure `musegen batch`."""
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for count, processes in ((256, 1), (256, 2), (1024, 2)):
            out = Path(folder) / f"{count}-{processes}"
            options = f"--count {count} --workers {processes} --seed 1 --checkpoint folk".split()
            command = [*MUSEGEN, "batch", str(SEED), "--output-dir", str(out), *options]
            row = process(command)
            row["pieces_per_hour"] = 3600 * count / row["seconds"]
            rows[f"{count} pieces, {processes} process(es)"] = row
    return rows


SECTIONS = {"cold": cold, "workers": workers, "one": one, "batch": batch}
"""`one` comes late: it imports TensorFlow, and a child's peak memory is at least its parent's."""


def main() -> None:
    """Measure, print and save the results."""
    chosen = sys.argv[1:] or list(SECTIONS)
    results = {name: measure() for name, measure in SECTIONS.items() if name in chosen}
    for name, rows in results.items():
        keys = list(next(iter(rows.values())))
        print(f"\n{name:34}" + "".join(f"{key:>16}" for key in keys))
        for label, row in rows.items():
            print(f"{label:34}" + "".join(f"{row[key]:16,.2f}" for key in keys))
    if ROUNDS > 1:
        out = results_file("bench_generate")
        known = json.loads(out.read_text())["rows"] if out.exists() else {}
        packages = ("numpy", "tensorflow", "mido", "h5py")
        save("bench_generate", packages, rounds=ROUNDS, rows=known | results)


if __name__ == "__main__":
    main()
