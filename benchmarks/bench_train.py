"""How fast does a network train beside the same network of Keras's own layers, and how near to what the machine can?

    python benchmarks/bench_train.py                                  # 2 x 256 and 3 x 512, LSTM and GRU; minutes
    python benchmarks/bench_train.py cells=lstm sizes=2x256 rounds=2  # quick

Both networks are fitted by `keras.Model.fit` in one process, in turn, several rounds, on the same tokens, from the
same seed, with the same optimizer; medians. Counted is the arithmetic of the networks alone: two operations per
multiplication of a product, three times for forward and backward; not the activations, the optimizer, or the copying
in between. The last column is the share of what TensorFlow's product of two 2048 x 2048 matrices reaches in the same
rounds. The results of a run without arguments are in `benchmarks/results/bench_train.json`.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import ops

from musegen import recurrent

ROOT = Path(__file__).parent.parent
STOCK = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
MUSEGEN = {"lstm": recurrent.LSTM, "gru": recurrent.GRU, "rnn": recurrent.SimpleRNN}
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
VOCABULARY, EMBEDDING = 500, 128
BATCH, LENGTH = 64, 256
STEPS = 2  # in each round
SIDE = 2048  # of the matrices to compare with


def network(layer: type[keras.layers.RNN], layers: int, units: int) -> keras.Model:
    """Return a compiled network."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(VOCABULARY, EMBEDDING)(tokens)
    for _ in range(layers):
        x = layer(units, return_sequences=True)(x)
    model = keras.Model(tokens, keras.layers.Dense(VOCABULARY)(x))
    optimizer = keras.optimizers.AdamW(2e-3, global_clipnorm=1.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False)  # XLA halves the speed of recurrent layers on CPUs
    return model


def operations(cell: str, layers: int, units: int) -> int:
    """Return the floating-point operations of training on one token."""
    inputs = EMBEDDING + (layers - 1) * units
    return 6 * (GATES[cell] * units * (inputs + layers * units) + units * VOCABULARY)


def sgemm(rng: np.random.Generator) -> Callable[[], float]:
    """Return what measures the operations per second of a large product."""
    a, b = (ops.convert_to_tensor(rng.normal(size=(SIDE, SIDE)).astype(np.float32)) for _ in "ab")

    def measure() -> float:
        began = time.perf_counter()
        ops.convert_to_numpy(ops.matmul(a, b)[0, 0])
        return 2 * SIDE**3 / (time.perf_counter() - began)

    return measure


def measure(cell: str, layers: int, units: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return medians of both networks, by name."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, VOCABULARY, (STEPS * BATCH, LENGTH + 1)).astype(np.int32)
    product = sgemm(rng)
    models = {"keras": network(STOCK[cell], layers, units), "musegen": network(MUSEGEN[cell], layers, units)}
    rates: dict[str, list[float]] = {name: [] for name in models}
    products = []
    for turn in range(1 + rounds):  # the first compiles
        for name, model in models.items():
            products += [product() for _ in range(3)]
            began = time.perf_counter()
            model.fit(tokens[:, :-1], tokens[:, 1:], batch_size=BATCH, shuffle=False, verbose=0)
            if turn:
                rates[name].append(STEPS * BATCH * LENGTH / (time.perf_counter() - began))
    peak = statistics.median(products)
    return {
        name: {
            "tokens_per_second": statistics.median(measured),
            "times_keras": statistics.median(a / b for a, b in zip(measured, rates["keras"], strict=True)),
            "gflops": statistics.median(measured) * operations(cell, layers, units) / 1e9,
            "share_of_sgemm": statistics.median(measured) * operations(cell, layers, units) / peak,
            "sgemm_gflops": peak / 1e9,
        }
        for name, measured in rates.items()
    }


def main() -> None:
    """Measure, print, and write the results."""
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    rounds = int(given.get("rounds", 5))
    results = {}
    print(f"{'':22}{'tokens/s':>10}{'x Keras':>9}{'GFLOP/s':>9}{'sgemm':>7}{'share':>7}")
    for size in given.get("sizes", "2x256,3x512").split(","):
        layers, units = map(int, size.split("x"))
        for cell in given.get("cells", "lstm,gru").split(","):
            rows = results[f"{cell} {size}"] = measure(cell, layers, units, rounds)
            for name, row in rows.items():
                tokens, times, gflops, share, peak = row.values()
                label = f"{cell} {size}, {name}"
                print(f"{label:22}{tokens:10.0f}{times:9.2f}{gflops:9.1f}{peak:7.0f}{share:7.2f}", flush=True)
    if given:
        return
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(),
               "python": sys.version.split()[0]}  # fmt: skip
    versions = {name: version(name) for name in ("numpy", "tensorflow", "keras")}
    workload = {"batch": BATCH, "length": LENGTH, "vocabulary": VOCABULARY, "embedding": EMBEDDING}
    out = ROOT / "benchmarks/results/bench_train.json"
    out.write_text(
        json.dumps(
            {"machine": machine, "versions": versions, "rounds": rounds, "workload": workload, "groups": results},
            indent=2,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
