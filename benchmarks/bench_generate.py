"""How long does music take to write?

    python benchmarks/bench_generate.py [cold] [one] [batch] [workers]

- cold: `musegen compose` from the shell, a fresh process each time, beside `import tensorflow`
  alone.
- one: tokens a second of one piece, beside the loop of TensorFlow's music generation tutorial
  (`model.predict` on a window of 25 tokens, for every token), with the same network; and whether a
  token costs the same late in a piece.
- batch: 64 pieces side by side on one core: the network's step, the token loop, and whole pieces of
  32 bars, beside the matrix products of such a step alone (`sgemm` by NumPy, of the same shapes, on
  one thread).
- workers: pieces a second of `musegen batch`, and its memory, by the number of processes and of
  pieces.

What is compared is measured in turn, several times; medians are printed and go to
benchmarks/results.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from musegen import Composer, ModelConfig, Request, load
from musegen.encoding.context import View, beside
from musegen.generation.composer import whole
from musegen.generation.loop import generate
from musegen.model.blas import one_thread
from musegen.model.engine import Engine

ROOT = Path(__file__).parent.parent
SEED = ROOT / "midi_data/seeds/amazing_grace.mid"
ROUNDS = 7
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
    """Return medians of what each measures."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            runs[name].append(measure())
    return {
        name: {key: statistics.median(run[key] for run in some) for key in some[0]}
        for name, some in runs.items()
    }


def timed(function: Callable[[], Any], times: int = 1) -> float:
    """Return seconds of one call, of `times` in a row."""
    began = time.perf_counter()
    for _ in range(times):
        function()
    return (time.perf_counter() - began) / times


def cold() -> Rows:
    """Measure fresh processes."""
    musegen = [sys.executable, "-m", "musegen"]
    with tempfile.TemporaryDirectory() as folder:
        compose = [
            *musegen,
            "compose",
            str(SEED),
            "--bars",
            "16",
            "--seed",
            "1",
            "--force",
            "-o",
            f"{folder}/out.mid",
        ]
        commands = {
            "musegen compose, 16 bars": compose,
            "musegen --help": [*musegen, "--help"],
            "import tensorflow": [sys.executable, "-c", "import tensorflow"],
        }
        rows = in_turn(
            {name: lambda a=arguments: process(a) for name, arguments in commands.items()}
        )  # type: ignore[misc]
    for row in rows.values():
        row["ratio"] = row["seconds"] / rows["import tensorflow"]["seconds"]
    return rows


def one() -> Rows:
    """Measure one piece, and a network that is asked anew for every token."""
    from musegen.model.network import build

    composer, primer = load("folk"), whole(SEED)
    network = build(composer.checkpoint.model)
    network.load_weights(composer.checkpoint.path / "model.weights.h5")
    tokens = composer.encoder.encode(primer)[:25][None]
    context = beside(tokens, composer.encoder.vocabulary, View.of(composer.checkpoint.model))
    window = tokens if context is None else {"tokens": tokens, "context": context.astype(np.int32)}
    network.predict(window, verbose=0)
    composer.composition(primer, bars=1, seed=0)
    rows: Rows = {}

    def piece(bars: int) -> float:
        """Return microseconds a token of a long piece."""
        seconds = timed(
            lambda: written.append(composer.composition(primer, bars=bars, seed=len(written)))
        )
        return (
            1e6
            * seconds
            / (
                len(composer.encoder.encode(written[-1].score))
                - len(composer.encoder.encode(primer))
            )
        )

    written: list[Any] = []
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
    tokens, state, view = (
        np.zeros(width, np.int32),
        engine.initial_state(width),
        View.of(engine.config),
    )
    context = np.zeros((width, len(view.sizes)), np.uint16) if view else None
    with one_thread():
        return timed(lambda: engine.step(tokens, state, context), 50)


def products(config: ModelConfig, width: int) -> float:
    """Return seconds of a step's matrix products alone."""
    rng, gates = np.random.default_rng(0), {"lstm": 4, "gru": 3, "rnn": 1}[config.cell]
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
    """Measure 64 pieces side by side."""
    rows: Rows = {}
    primer, width = whole(SEED), 64
    for config in (
        load("folk").checkpoint.model,
        ModelConfig(386, "lstm", 2, 256),
        ModelConfig(386, "lstm", 3, 512),
    ):
        composer = Composer(replace(load("folk").checkpoint, model=config))
        if config != load("folk").checkpoint.model:
            composer.engine = Engine(config, random_weights(config))
        requests = [Request(primer, bars=32, seed=seed) for seed in range(2 * width)]

        def loop(
            composer: Composer = composer, requests: list[Request] = requests
        ) -> dict[str, float]:
            """Return microseconds of the token loop (rules, sampling, guards) for as many tokens as it has rows."""
            tasks, view = (
                [composer._plan(request).task for request in requests],
                View.of(composer.checkpoint.model),
            )
            drawn: list[Any] = []
            with one_thread():
                seconds = timed(lambda: drawn.extend(generate(composer.engine, tasks, view)))
            return {
                "us_per_step": 1e6 * seconds / sum(len(piece.tokens) for _, piece in drawn) * width
            }

        def pieces(
            composer: Composer = composer, requests: list[Request] = requests
        ) -> dict[str, float]:
            """Return the same of all that a piece takes, up to a score."""
            made: list[Any] = []
            seconds = timed(lambda: made.extend(composer.compositions(requests)))
            prefix = len(composer.encoder.encode(primer))
            tokens = sum(len(composer.encoder.encode(piece.score)) - prefix for _, piece in made)
            return {"us_per_step": 1e6 * seconds / tokens * width}

        name = f"{config.cell} {config.layers}x{config.units}"
        some = in_turn(
            {
                f"{name}: products alone": lambda c=config: {
                    "us_per_step": 1e6 * products(c, width)
                },  # type: ignore[misc]
                f"{name}: step": lambda c=composer: {"us_per_step": 1e6 * step(c.engine, width)},  # type: ignore[misc]
                f"{name}: token loop": loop,
                f"{name}: whole pieces": pieces,
            }
        )
        for row in some.values():
            row["ratio"] = some[f"{name}: products alone"]["us_per_step"] / row["us_per_step"]
        rows |= some
    return rows


def random_weights(config: ModelConfig) -> dict[str, list[np.ndarray[Any, Any]]]:
    """Return weights of a network that nobody has trained."""
    rng, width = (
        np.random.default_rng(0),
        {"lstm": 4, "gru": 3, "rnn": 1}[config.cell] * config.units,
    )
    shapes = {"embedding": [(config.vocabulary_size, config.embedding)]}
    for index in range(config.layers):
        inputs = config.units if index else config.embedding
        shapes[f"recurrent_{index}"] = [(inputs, width), (config.units, width), (width,)]
    shapes["logits"] = [(config.units, config.vocabulary_size), (config.vocabulary_size,)]
    return {
        name: [rng.normal(0, 0.05, s).astype(np.float32) for s in some]
        for name, some in shapes.items()
    }


def workers() -> Rows:
    """Measure `musegen batch`."""
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for count, processes in ((256, 1), (256, 2), (1024, 2)):
            out = Path(folder) / f"{count}-{processes}"
            arguments = [
                sys.executable,
                "-m",
                "musegen",
                "batch",
                str(SEED),
                "--count",
                str(count),
                "--seed",
                "1",
                "--checkpoint",
                "folk",
                "--workers",
                str(processes),
                "--output-dir",
                str(out),
            ]
            row = process(arguments)
            row["pieces_per_hour"] = 3600 * count / row["seconds"]
            rows[f"{count} pieces, {processes} process(es)"] = row
    return rows


SECTIONS = {"cold": cold, "workers": workers, "one": one, "batch": batch}
"""In this order: a process's peak memory is at least that of the one that started it, and `one` imports TensorFlow."""


def main() -> None:
    """Measure, print, and write the results."""
    asked = sys.argv[1:] or list(SECTIONS)
    results = {name: measure() for name, measure in SECTIONS.items() if name in asked}
    for name, rows in results.items():
        keys = list(next(iter(rows.values())))
        print(f"\n{name:34}" + "".join(f"{key:>16}" for key in keys))
        for label, row in rows.items():
            print(f"{label:34}" + "".join(f"{row[key]:16,.2f}" for key in keys))
    out = ROOT / "benchmarks/results/bench_generate.json"
    known = json.loads(out.read_text())["rows"] if out.exists() else {}
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
    }
    versions = {name: version(name) for name in ("numpy", "tensorflow", "mido", "h5py")}
    document = {"machine": machine, "versions": versions, "rounds": ROUNDS, "rows": known | results}
    out.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
