"""Measure training speed, compared with a plain Keras model and with the machine's peak.

    python benchmarks/bench_train.py                                  # LSTM, GRU; 2x256, 3x512
    python benchmarks/bench_train.py cells=lstm sizes=2x256 rounds=2  # quick
    TF_NUM_INTRAOP_THREADS=1 python benchmarks/bench_train.py …       # one thread per product
    python benchmarks/bench_train.py memory                           # RAM for a store of 160 MB

One process fits both models in turn, for several rounds; medians are printed. The plain model has
Keras's own layers, and gets arrays from `keras.Model.fit`. Ours is `musegen.model.network.build`,
fitted by `musegen.training`: its time includes making batches (shuffling, transposing and laying
out pieces), the metric, the gradient norm and the reports, but not validation and saving.

GFLOP/s count only the arithmetic of the networks: two operations per multiplication of a matrix
product, three times for forward and backward. `share` is relative to TensorFlow's product of two
2048 x 2048 matrices in the same rounds; `feeding` is the time to make batches, relative to the
whole step. A run without arguments writes `benchmarks/results/bench_train.json`; figures are in
`docs/training.md`.
"""

from __future__ import annotations

import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import ops
from saving import save

from musegen import Encoder, EncoderConfig, ModelConfig, TrainingConfig, ingest
from musegen.data.dataset import load
from musegen.training.feeding import WholePieces, Windows
from musegen.training.fitting import fit
from musegen.training.networks import networks
from musegen.training.recording import EpochReport

STOCK = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
ENCODER = Encoder(EncoderConfig(parts=4, velocities=0, tempos=0))
VOCABULARY, EMBEDDING = len(ENCODER.vocabulary), 128
BATCH, LENGTH = 64, 256
STEPS = 2  # in each round
SIDE = 2048  # of the square matrices to compare with
FILES = 3000  # of 10,000 notes each, for the measurement of memory


class Random:
    """Random tokens for two steps, in pieces of several hundred."""

    def __init__(self) -> None:
        """Draw the tokens."""
        rng = np.random.default_rng(0)
        self._pieces = np.array_split(
            rng.integers(0, VOCABULARY, STEPS * BATCH * LENGTH).astype(np.int32), 80
        )
        self.lengths = np.array([len(piece) for piece in self._pieces])

    def __len__(self) -> int:
        """Return the number of pieces."""
        return len(self._pieces)

    def tokens(self, index: int) -> np.ndarray:
        """Return the tokens of a piece, `int32[T]`."""
        return self._pieces[index]


def plain(cell: str, layers: int, units: int) -> keras.Model:
    """Return a model as the Keras documentation would build it."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(VOCABULARY, EMBEDDING)(tokens)
    for _ in range(layers):
        x = STOCK[cell](units, return_sequences=True)(x)
    model = keras.Model(tokens, keras.layers.Dense(VOCABULARY)(x))
    optimizer = keras.optimizers.AdamW(2e-3, global_clipnorm=1.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # XLA halves the speed of recurrent layers on CPUs
    model.compile(optimizer, loss, jit_compile=False)
    return model


def operations(cell: str, layers: int, units: int) -> int:
    """Return the floating-point operations of training on one token."""
    inputs = EMBEDDING + (layers - 1) * units
    return 6 * (GATES[cell] * units * (inputs + layers * units) + units * VOCABULARY)


def sgemm(rng: np.random.Generator) -> Callable[[], float]:
    """Return a function that measures the operations per second of a large matrix product."""
    a, b = (ops.convert_to_tensor(rng.normal(size=(SIDE, SIDE)).astype(np.float32)) for _ in "ab")

    def measure() -> float:
        began = time.perf_counter()
        ops.convert_to_numpy(ops.matmul(a, b)[0, 0])
        return 2 * SIDE**3 / (time.perf_counter() - began)

    return measure


def measure(cell: str, layers: int, units: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of both models, by name."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, VOCABULARY, (STEPS * BATCH, LENGTH + 1)).astype(np.int32)
    product, stock = sgemm(rng), plain(cell, layers, units)
    rates: dict[str, list[float]] = {"keras": [], "musegen": []}
    products, feeding = [], []

    def stock_in_turn(report: EpochReport) -> None:
        """After each of our epochs, time large products and an epoch of the plain model."""
        products.extend(product() for _ in range(5))
        began = time.perf_counter()
        stock.fit(tokens[:, :-1], tokens[:, 1:], batch_size=BATCH, shuffle=False, verbose=0)
        if report.epoch > 1:  # the first compiles
            rates["keras"].append(STEPS * BATCH * LENGTH / (time.perf_counter() - began))
            rates["musegen"].append(report.tokens_per_second)
            feeding.append(report.feeding)

    config = ModelConfig(VOCABULARY, cell=cell, layers=layers, units=units, embedding=EMBEDDING)
    settings = TrainingConfig(
        sequence_length=LENGTH, batch_size=BATCH, epochs=1 + rounds, transpose=5, patience=99
    )
    windows = Windows(Random(), ENCODER, config, settings)
    validation = WholePieces(Random(), ENCODER, config, LENGTH)
    validation.batches = validation.batches[:1]
    with tempfile.TemporaryDirectory() as run:
        fit(
            *networks(ENCODER, config, settings, BATCH, None),
            windows,
            validation,
            settings,
            Path(run),
            save_seconds=1e9,
            on_epoch=stock_in_turn,
        )
    peak = statistics.median(products)
    return {
        name: {
            "tokens_per_second": statistics.median(measured),
            "times_keras": statistics.median(
                a / b for a, b in zip(measured, rates["keras"], strict=True)
            ),
            "gflops": statistics.median(measured) * operations(cell, layers, units) / 1e9,
            "share_of_sgemm": statistics.median(measured) * operations(cell, layers, units) / peak,
            "sgemm_gflops": peak / 1e9,
            "feeding": statistics.median(feeding) if name == "musegen" else 0.0,
        }
        for name, measured in rates.items()
    }


def memory() -> None:
    """Print the memory in use while random pieces of a large store are read."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            path = Path(folder) / "music" / f"{number // 100}" / f"{number}.mid"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(random_file(number))
        data = load(ingest([Path(folder) / "music"], Path(folder) / "store", ENCODER, workers=2))
        tokens = int(data.train.lengths.sum())
        windows = Windows(
            data.train, ENCODER, ModelConfig(VOCABULARY, context=4), TrainingConfig(transpose=5)
        )
        print(
            f"{len(data.train)} pieces, {tokens:,} tokens, {2 * tokens / 2**20:.0f} MiB on the disk"
        )
        for step in range(0, windows.steps, windows.steps // 8):
            windows[step]
            print(f"step {step:6} of {windows.steps}: {resident():5.0f} MiB resident", flush=True)


def random_file(seed: int) -> bytes:
    """Return a MIDI file of 10,000 random notes, in sequence."""
    # A note: delta, note-on, pitch, velocity, delta, note-off, pitch, velocity
    events = np.zeros((10_000, 8), np.uint8)
    events[:, (1, 5)] = 0x90, 0x80
    events[:, 2] = events[:, 6] = np.random.default_rng(seed).integers(40, 90, len(events))
    events[:, 3] = 80
    events[:, 4] = 120
    track = events.tobytes() + b"\x00\xff\x2f\x00"
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480)
    return header + b"MTrk" + struct.pack(">I", len(track)) + track


def resident() -> float:
    """Return the resident memory of this process in MiB, mapped files included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Measure, print and save the results."""
    if sys.argv[1:] == ["memory"]:
        memory()
        return
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    rounds = int(given.get("rounds", 5))
    results = {}
    print(
        f"{'':22}{'tokens/s':>10}{'x Keras':>9}{'GFLOP/s':>9}{'sgemm':>7}{'share':>7}{'feeding':>9}"
    )
    for size in given.get("sizes", "2x256,3x512").split(","):
        layers, units = map(int, size.split("x"))
        for cell in given.get("cells", "lstm,gru").split(","):
            rows = results[f"{cell} {size}"] = measure(cell, layers, units, rounds)
            for name, row in rows.items():
                tokens, times, gflops, share, peak, feeding = row.values()
                label = f"{cell} {size}, {name}"
                print(
                    f"{label:22}{tokens:10.0f}{times:9.2f}{gflops:9.1f}{peak:7.0f}{share:7.2f}{feeding:9.1%}",
                    flush=True,
                )
    if not given:
        workload = {"batch": BATCH, "length": LENGTH}
        workload |= {"vocabulary": VOCABULARY, "embedding": EMBEDDING}
        packages = ("numpy", "tensorflow", "keras")
        save("bench_train", packages, rounds=rounds, workload=workload, groups=results)


if __name__ == "__main__":
    main()
