"""Runs the experiments of `docs/explanation/gradients.md` and draws its pictures: `make lesson`.

It takes some minutes on two cores, so `make docs` does not run it. Results go to
`docs/explanation/gradients/results.json`; the pictures are drawn from that file (only they, with
`--draw`). `quoted` lists the figures that the page must contain; missing ones are printed.

The networks, optimizers and the training loop are musegen's own. Only the data are synthetic, so
that what must be remembered, and for how long, is known.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import musegen
from musegen import EncoderConfig, ModelConfig, Store, TrainingConfig, TrainingError, ingest, train
from musegen.data import corpus, dataset
from musegen.encoding.encoder import Encoder
from musegen.model.network import build, parameters
from musegen.training.carrying import Carried
from musegen.training.feeding import Windows
from musegen.training.fitting import fit
from musegen.training.recording import StepReport
from musegen.training.watching import Diverged

PAGE = Path(__file__).parent / "explanation" / "gradients.md"
HERE = PAGE.with_suffix("")
RESULTS = HERE / "results.json"

# ---------------------------------------------------------------- tasks whose every delay is known

START, CUE = 0, 1
SYMBOLS = range(2, 10)  # what has to be remembered
NOISE = range(10, 18)  # what passes by meanwhile
VOCABULARY = 18
CHANCE = float(np.log(len(SYMBOLS)))


def recall(rng: np.random.Generator, rows: int, delay: int) -> tuple[Any, Any, Any]:
    """Return a recall task: a symbol, noise, and a cue that asks for the symbol.

    Inputs, targets and weights, each `[rows, delay + 1]`.

    From the symbol to the cue it is `delay` steps. Only the answer counts.
    """
    tokens = rng.integers(NOISE.start, NOISE.stop, (rows, delay + 2), dtype=np.int32)
    tokens[:, 0] = tokens[:, -1] = rng.integers(SYMBOLS.start, SYMBOLS.stop, rows)
    tokens[:, -2] = CUE
    weights = np.zeros((rows, delay + 1), np.float32)
    weights[:, -1] = 1
    return tokens[:, :-1], tokens[:, 1:], weights


class Fresh(keras.utils.PyDataset):
    """Batches of `recall` that never repeat, with the interface of the training windows."""

    def __init__(self, delay: int, rows: int, steps: int, seed: int) -> None:
        """Set the delay, the rows of a batch, and the batches of an epoch."""
        super().__init__()
        self.delay = delay
        self.rows = rows
        self.steps = steps
        self.seed = seed
        self.seconds = 0.0
        self.lay_out(0)

    def lay_out(self, epoch: int, step: int = 0) -> None:
        """Go to a step of an epoch."""
        self._epoch, self._offset = epoch, step

    def __len__(self) -> int:
        """Return the number of batches left in the epoch."""
        return self.steps - self._offset

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        """Make a batch."""
        rng = np.random.default_rng([self.seed, self._epoch, self._offset + index])
        return recall(rng, self.rows, self.delay)


def story(rng: np.random.Generator, gaps: list[int]) -> Any:
    """Return a symbol and cues that ask for it, each a gap after it last occurred, `int32[T]`."""
    symbol = int(rng.integers(SYMBOLS.start, SYMBOLS.stop))
    tokens = [START, symbol]
    for gap in gaps:
        tokens += [*rng.integers(NOISE.start, NOISE.stop, gap - 1).tolist(), CUE, symbol]
    return np.array(tokens, np.int32)


class Stories:
    """Stories as pieces for `Windows`: each has a few cues, with gaps drawn from given lengths."""

    def __init__(self, gaps: list[int], cues: int, count: int, seed: int) -> None:
        """Draw the stories."""
        rng = np.random.default_rng(seed)
        self.stories = [story(rng, rng.choice(gaps, cues).tolist()) for _ in range(count)]
        self.lengths = np.array([len(s) for s in self.stories])

    def __len__(self) -> int:
        """Return the number of stories."""
        return len(self.stories)

    def tokens(self, index: int) -> Any:
        """Return the tokens of a story."""
        return self.stories[index]


class Asked(Windows):
    """Training windows in which only the answers count."""

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        """Return inputs, targets and weights; a weight is 1 after a cue, else 0."""
        tokens, targets = super().__getitem__(index)[:2]
        return tokens, targets, (tokens == CUE).astype(np.float32)


# ---------------------------------------------------------------- one run of the project's training


def fitted(
    model: keras.Model, plain: keras.Model, windows: Any, validation: Any, config: TrainingConfig
) -> dict[str, Any]:
    """Fit a model; return the loss and norm of every step, validation figures, and any error."""
    steps: list[StepReport] = []
    message = None
    with tempfile.TemporaryDirectory() as run:
        try:
            epochs = fit(model, plain, windows, validation, config, Path(run), on_step=steps.append)
        except Diverged as error:
            epochs, message = list(error.reports), str(error)
    return {
        **curves(steps),
        "validation": [round(e.validation_nats, 4) for e in epochs],
        "message": message,
    }


def curves(steps: list[StepReport]) -> dict[str, list[float]]:
    """Return the loss and gradient norm of each step.

    Reports give the loss as a mean of the epoch so far; here each step has its own.
    """
    losses = []
    for before, now in zip([None, *steps], steps, strict=False):
        first = before is None or before.epoch != now.epoch
        losses.append(
            now.train_nats if first else now.step * now.train_nats - before.step * before.train_nats
        )
    return {
        "loss": [float(f"{x:.4g}") for x in losses],
        "norm": [float(f"{s.gradient_norm:.4g}") for s in steps],
    }


# ---------------------------------------------------------------- 2: how far gradients reach


def jacobians(model: keras.Model, tokens: Any) -> Any:
    """Return ∂state_t/∂state_(t-1) for every step of one sequence, `float64[T, S, S]`.

    The state of an LSTM is what it puts out and its cell, one after the other.
    """
    cell = model.get_layer("recurrent_0").cell
    inputs = model.get_layer("embedding")(np.asarray(tokens)[None])[0]
    sizes = [cell.state_size] if isinstance(cell.state_size, int) else list(cell.state_size)

    @tf.function
    def step(x: Any, state: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(state)
            _, new = cell(x[None], tf.split(state, sizes, axis=1))
            new = tf.concat(tf.nest.flatten(new), axis=1)
        return new, tape.batch_jacobian(new, state)

    state, out = tf.zeros((1, sum(sizes))), []
    for x in inputs:
        state, jacobian = step(x, state)
        out.append(jacobian[0].numpy().astype(np.float64))
    return np.stack(out)


def reach(found: Any) -> Any:
    """Return the mean share of a nudge of the state that is left k steps later, for k = 0 … T.

    A nudge of length 1 in a random direction comes out with a root mean square length of ‖product‖
    / √S, the norm being Frobenius's.
    """
    size = found.shape[1]
    product, out = np.eye(size), [1.0]
    for jacobian in found[::-1]:
        product = product @ jacobian
        out.append(float(np.linalg.norm(product)) / np.sqrt(size))
    return np.array(out)


def mean_reach(model: keras.Model, sequences: Any) -> list[float]:
    """Return the geometric mean of `reach` over sequences."""
    logs = [np.log(np.maximum(reach(jacobians(model, s)), 1e-300)) for s in sequences]
    return [float(f"{x:.4g}") for x in np.exp(np.mean(logs, axis=0))]


def gates(model: keras.Model, tokens: Any) -> float | None:
    """Return the mean share of its state that a cell keeps from step to step, as its gate says."""
    layer = model.get_layer("recurrent_0")
    x = model.get_layer("embedding")(tokens)
    units, outputs = layer.units, layer(x)
    before = np.pad(np.asarray(outputs)[:, :-1], ((0, 0), (1, 0), (0, 0)))
    kernel, recurrent, bias = (np.asarray(w) for w in layer.get_weights())
    if isinstance(layer, keras.layers.LSTM):
        part = slice(units, 2 * units)
    elif isinstance(layer, keras.layers.GRU):
        part, bias = slice(0, units), bias.sum(0)
    else:
        return None
    pre = np.asarray(x) @ kernel[:, part] + before @ recurrent[:, part] + bias[part]
    return float((1 / (1 + np.exp(-pre))).mean())


def scaled(gain: float, units: int = 64) -> keras.Model:
    """Return the simple RNN, its recurrent weights those of the start times a gain."""
    model = build(ModelConfig(VOCABULARY, cell="rnn", layers=1, units=units, embedding=32))
    weights = model.get_layer("recurrent_0").cell.recurrent_kernel
    weights.assign(weights * gain)
    return model


GAINS = (0.8, 1.0, 1.2, 2.0)


def at_the_start(length: int = 100) -> dict[str, Any]:
    """Measure the reach of gradients in untrained networks on random tokens."""
    keras.utils.set_random_seed(0)
    sequences = np.random.default_rng(0).integers(0, VOCABULARY, (4, length))
    out = {f"rnn {gain:g}": mean_reach(scaled(gain), sequences) for gain in GAINS}
    for cell in ("lstm", "gru"):
        model = build(ModelConfig(VOCABULARY, cell=cell, layers=1, units=64, embedding=32))
        out[cell] = mean_reach(model, sequences)
        out[f"{cell} gate"] = round(gates(model, sequences), 4)
        if cell == "lstm":
            bias = model.get_layer("recurrent_0").cell.bias
            bias.assign(keras.ops.zeros_like(bias))
            out["lstm, forget bias 0"] = mean_reach(model, sequences)
    return out


# ---------------------------------------------------------------- 4: recall over a delay

DELAYS = (5, 10, 20, 40, 80)
UNITS = {"rnn": 111, "gru": 60, "lstm": 50}  # about the same number of weights


def recalled(cell: str, delay: int, seed: int = 0) -> dict[str, Any]:
    """Train a cell on `recall`, and measure the reach of gradients before and after."""
    config = TrainingConfig(
        epochs=10,
        patience=10,
        batch_size=32,
        sequence_length=delay + 1,
        learning_rate=4e-3,
        seed=seed,
    )
    network = ModelConfig(VOCABULARY, cell=cell, layers=1, units=UNITS[cell], embedding=16)
    keras.utils.set_random_seed(seed)
    plain, model = build(network), build(network)
    probe = recall(np.random.default_rng(7), 4, delay)[0]
    before, gate = mean_reach(model, probe)[-1], gates(model, probe)
    began = time.perf_counter()
    found = fitted(
        model, plain, Fresh(delay, 32, STEPS // 10, seed), Fresh(delay, 256, 1, 10**6), config
    )
    return {
        "parameters": parameters(network),
        "validation": found["validation"],
        "message": found["message"],
        "largest norm": max(found["norm"]),
        "before": before,
        "after": mean_reach(model, probe)[-1],
        "gate before": gate,
        "gate after": gates(model, probe),
        "seconds": round(time.perf_counter() - began, 1),
    }


STEPS = 600

# ---------------------------------------------------------------- 5: windows shorter than the
# memory

GAPS = [4, 8, 16, 24, 32]
WINDOW = 16
CUES = 6  # in a story


class Padded(keras.utils.PyDataset):
    """Stories as one padded batch."""

    def __init__(self, stories: list[Any]) -> None:
        """Pad them."""
        super().__init__()
        self.tokens = np.zeros((len(stories), max(map(len, stories))), np.int32)
        for row, tokens in zip(self.tokens, stories, strict=True):
            row[: len(tokens)] = tokens

    def __len__(self) -> int:
        """Return 1."""
        return 1

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        """Return the batch."""
        return (
            self.tokens[:, :-1],
            self.tokens[:, 1:],
            (self.tokens[:, :-1] == CUE).astype(np.float32),
        )


def by_gap(model: keras.Model, stories: list[Any]) -> dict[str, float]:
    """Return the nats of the answers by how long ago the symbol was last heard."""
    tokens = Padded(stories).tokens
    logits = np.asarray(model(tokens[:, :-1]), np.float64)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    found: dict[int, list[float]] = {}
    for row, story_ in enumerate(stories):
        cues = np.flatnonzero(story_ == CUE)
        for cue, last in zip(cues, [1, *(cues[:-1] + 1)], strict=True):
            found.setdefault(int(cue - last), []).append(-logs[row, cue, story_[cue + 1]])
    return {str(gap): round(float(np.mean(nats)), 3) for gap, nats in sorted(found.items())}


def truncated(way: str, seed: int = 0) -> dict[str, Any]:
    """Train a GRU on stories in windows of 16, each `alone` or with the state `carried`."""
    config = TrainingConfig(
        epochs=8,
        patience=8,
        batch_size=32,
        sequence_length=WINDOW,
        tbptt=way == "carried",
        learning_rate=4e-3,
        seed=seed,
    )
    network = ModelConfig(VOCABULARY, cell="gru", layers=1, units=UNITS["gru"], embedding=16)
    windows: Any = Asked(
        Stories(GAPS, CUES, 400, seed),
        SimpleNamespace(config=EncoderConfig(), vocabulary=None),
        network,
        config,
    )
    keras.utils.set_random_seed(seed)
    plain = build(network)
    carry = (
        {"recur": lambda layer, x, tokens: Carried(layer, windows.rows, START)(x, tokens)}
        if config.tbptt
        else {}
    )
    model = build(network, **carry)
    for mine, theirs in zip(model.trainable_variables, plain.trainable_variables, strict=True):
        mine.assign(theirs)
    stories = Stories(GAPS, CUES, 100, 10**6).stories
    began = time.perf_counter()
    found = fitted(model, plain, windows, Padded(stories), config)
    return {
        "steps": len(found["loss"]),
        "validation": found["validation"],
        "message": found["message"],
        "by gap": by_gap(plain, stories),
        "seconds": round(time.perf_counter() - began, 1),
    }


# ---------------------------------------------------------------- 3 and 6: on music

ENCODING = EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0)
TUNES = 400
CLIPS: dict[str, dict[str, Any]] = {
    "sgd, not clipped": {"global_clipnorm": 0.0},
    "sgd, clipped to norm 1": {},
    "sgd, values clipped to 0.01": {"global_clipnorm": 0.0, "clipvalue": 0.01},
}
# Units with which the networks have about the same number of weights, embeddings included.
ON_MUSIC = {"rnn": 150, "gru": 106, "lstm": 95}


def of_tunes(folder: Path) -> Encoder:
    """Encode the first tunes of Aird's collection into a store in the folder, if it is missing."""
    encoder = Encoder(ENCODING)
    if not (folder / "store").exists():
        corpus.export("airdsAirs", folder / "midi")
        some = folder / "some"
        some.mkdir()
        for path in sorted((folder / "midi").glob("**/*.mid"))[:TUNES]:
            path.rename(some / path.name)
        ingest([some], folder / "store", encoder, seed=0)
    return encoder


def on_music(folder: str, cell: str, units: int, **settings: Any) -> dict[str, Any]:
    """Run `musegen.train` on the tunes; return its steps, its epochs, and any error."""
    encoder = of_tunes(Path(folder))
    network = ModelConfig(len(encoder.vocabulary), cell=cell, layers=1, units=units, embedding=32)
    config = TrainingConfig(**{"sequence_length": 64, "batch_size": 16, "epochs": 1, **settings})
    steps: list[StepReport] = []
    epochs, message, began = [], None, time.perf_counter()
    with tempfile.TemporaryDirectory() as output:
        try:
            train(
                [Path(folder) / "store"],
                Path(output) / "tunes",
                encoder,
                network,
                config,
                on_step=steps.append,
                on_epoch=epochs.append,
            )
        except TrainingError as error:
            message = str(error)
    return {
        **curves(steps),
        "validation": [round(e.validation_nats, 4) for e in epochs],
        "message": message,
        "clipped": [round(e.clipped, 3) for e in epochs],
        "parameters": parameters(network),
        "median": [round(e.gradient_norm_median, 3) for e in epochs],
        "95": [round(e.gradient_norm_95, 3) for e in epochs],
        "max": [round(e.gradient_norm_max, 3) for e in epochs],
        "seconds": round(time.perf_counter() - began, 1),
    }


def turned(gradient: Any, value: float) -> dict[str, float]:
    """Return the cosine of a gradient and its clipped form, and the share of clipped components."""
    cut = np.clip(gradient, -value, value)
    cosine = gradient @ cut / np.linalg.norm(gradient) / np.linalg.norm(cut)
    return {
        "cosine": round(float(cosine), 4),
        "cut": round(float((np.abs(gradient) > value).mean()), 5),
    }


def angle(folder: str) -> dict[str, Any]:
    """Measure how far clipping by value turns the gradient of an untrained network on tunes."""
    encoder = of_tunes(Path(folder))
    network = ModelConfig(len(encoder.vocabulary), cell="rnn", layers=1, units=128, embedding=32)
    data = dataset.load(Store(Path(folder) / "store"))
    keras.utils.set_random_seed(0)
    model = build(network)
    tokens, targets = Windows(
        data.train, encoder, network, TrainingConfig(sequence_length=64, batch_size=16)
    )[0]
    with tf.GradientTape() as tape:
        nats = keras.losses.sparse_categorical_crossentropy(
            targets, model(tokens), from_logits=True
        )
        loss = keras.ops.mean(nats)
    found = [
        tf.convert_to_tensor(g)
        for g in tape.gradient(loss, [v.value for v in model.trainable_variables])
    ]
    gradient = np.concatenate([g.numpy().ravel() for g in found]).astype(np.float64)
    norm = float(np.linalg.norm(gradient))
    return {
        "norm": round(norm, 4),
        "largest component": round(float(np.abs(gradient).max()), 4),
        "by value": {f"{v:g}": turned(gradient, v) for v in (0.1, 0.03, 0.01, 0.003, 0.001)},
        "by norm": round(float(gradient @ (gradient / norm) / norm), 4),
    }


# ---------------------------------------------------------------- all runs


def jobs(tunes: str) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]:
    """Return all runs by name: function, arguments, keyword arguments."""
    sgd = {"optimizer": "sgd", "learning_rate": 0.3}
    return {
        **{
            f"clip, {name}": (on_music, (tunes, "rnn", 128), {**sgd, **kw})
            for name, kw in CLIPS.items()
        },
        **{f"recall, {c}, {d}": (recalled, (c, d), {}) for d in DELAYS for c in UNITS},
        **{f"windows, {way}": (truncated, (way,), {}) for way in ("alone", "carried")},
        **{
            f"music, {cell}": (on_music, (tunes, cell, units), {"epochs": 2})
            for cell, units in ON_MUSIC.items()
        },
        "start": (at_the_start, (), {}),
        "angle": (angle, (tunes,), {}),
    }


def run(only: str, tunes: Path | None, workers: int) -> None:
    """Run the experiments whose names begin with `only`, and add them to the results."""
    # A core for every process: the networks are too small for more.
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"runs": {}}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = tunes or Path(temporary)
        of_tunes(folder)
        todo = {name: job for name, job in jobs(str(folder)).items() if name.startswith(only)}
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context) as pool:
            under_way = {name: pool.submit(f, *args, **kw) for name, (f, args, kw) in todo.items()}
            for name, future in under_way.items():
                results["runs"][name] = future.result()
                print(f"{time.perf_counter() - began:6.0f} s  {name}", flush=True)
                write(results)
    results["about"] = {
        "seed": 0,
        "musegen": musegen.__version__,
        **{name: version(name) for name in ("keras", "tensorflow", "numpy")},
        "python": platform.python_version(),
        "processes": workers,
        "seconds of the runs": round(sum(r.get("seconds", 0) for r in results["runs"].values())),
        **({"seconds": round(time.perf_counter() - began)} if not only else {}),
    }
    write(results)


def write(results: dict[str, Any]) -> None:
    """Write the results, one run per line."""
    HERE.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(
        f'"{name}": {json.dumps(found)}' for name, found in sorted(results["runs"].items())
    )
    RESULTS.write_text(
        f'{{"about": {json.dumps(results.get("about", {}))},\n"runs": {{\n{lines}\n}}}}\n'
    )


# ---------------------------------------------------------------- pictures

BLUE, ORANGE, GREEN, PINK, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#555555"
OF_CELL = {"rnn": BLUE, "lstm": ORANGE, "gru": GREEN}
NAMES = {"rnn": "simple RNN", "lstm": "LSTM", "gru": "GRU"}
MIDDLE = 20  # the delay over which learning is shown


def smooth(values: list[float], width: int = 9) -> Any:
    """Return the running mean of the last values."""
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def draw_reach(runs: dict[str, Any], axes: Any) -> None:
    """Draw how gradients fade or grow with distance, before training and after."""
    start, shades = runs["start"], ("#9ecae1", "#4292c6", "#2171b5", "#08306b")
    for gain, shade in zip(GAINS, shades, strict=True):
        axes[0].plot(start[f"rnn {gain:g}"], color=shade, label=f"simple RNN, weights × {gain:g}")
    axes[0].plot(start["lstm"], color=ORANGE, label="LSTM, forget bias 1")
    axes[0].plot(
        start["lstm, forget bias 0"], color=ORANGE, linestyle=":", label="LSTM, forget bias 0"
    )
    axes[0].plot(start["gru"], color=GREEN, label="GRU")
    axes[0].set(title="untrained, random tokens", ylim=(1e-22, 1e12))
    for (cell, colour), marker in zip(OF_CELL.items(), "osD", strict=True):
        found = [runs[f"recall, {cell}, {delay}"] for delay in DELAYS]
        axes[1].plot(
            DELAYS,
            [f["before"] for f in found],
            marker + "--",
            color=colour,
            markerfacecolor="white",
        )
        axes[1].plot(
            DELAYS, [f["after"] for f in found], marker + "-", color=colour, label=NAMES[cell]
        )
    axes[1].plot([], color=GREY, linestyle="--", label="before training")
    axes[1].set(title="over the whole delay, trained to recall over it")
    for ax in axes:
        ax.axhline(1, color=GREY, linewidth=0.6)
        ax.set(yscale="log")
        ax.legend(
            fontsize=8,
            loc="upper left" if ax is axes[0] else "lower left",
            ncols=2 if ax is axes[0] else 1,
        )
    axes[0].set_xlabel("distance back in time T − t (steps)")
    axes[1].set_xlabel("delay (steps)")
    axes[0].set_ylabel("‖∂h_T/∂h_t‖ (root mean square)")


def draw_clip(runs: dict[str, Any], axes: Any) -> None:
    """Draw the same network on the same tunes, clipped and not."""
    for name, colour in (
        ("not clipped", ORANGE),
        ("clipped to norm 1", BLUE),
        ("values clipped to 0.01", GREEN),
    ):
        found = runs[f"clip, sgd, {name}"]
        steps = np.arange(1, len(found["loss"]) + 1)
        axes[0].plot(steps, found["loss"], color=colour, label=name)
        axes[1].plot(steps, found["norm"], color=colour, label=name)
        if found["message"]:
            for ax, key in zip(axes, ("loss", "norm"), strict=True):
                ax.plot(
                    steps[-1], found[key][-1], "x", color=colour, markersize=9, markeredgewidth=2
                )
            axes[0].annotate(
                "stopped",
                (steps[-1], found["loss"][-1]),
                (7, -3),
                textcoords="offset points",
                color=colour,
            )
    axes[1].axhline(1, color=GREY, linewidth=0.8, linestyle="--")
    axes[0].set(xlabel="step", ylabel="loss (nats per token)", title="what is learned")
    axes[1].set(
        xlabel="step",
        ylabel="global gradient norm",
        yscale="log",
        title="gradient norm before clipping",
    )
    axes[0].legend(fontsize=9)


def draw_recall(runs: dict[str, Any], axes: Any) -> None:
    """Draw what each cell remembers over growing delays, and how they learn at one delay."""
    for (cell, colour), marker in zip(OF_CELL.items(), "osD", strict=True):
        last = [runs[f"recall, {cell}, {d}"]["validation"][-1] for d in DELAYS]
        axes[0].plot(DELAYS, last, marker + "-", color=colour, label=NAMES[cell])
        on_the_way = runs[f"recall, {cell}, {MIDDLE}"]["validation"]
        axes[1].plot(np.arange(1, 11) * STEPS // 10, on_the_way, marker + "-", color=colour)
    for ax in axes:
        ax.axhline(CHANCE, color=GREY, linestyle="--", linewidth=0.8)
        ax.set_ylim(0, 2.5)
    axes[0].text(5, CHANCE + 0.04, "chance, ln 8", color=GREY, fontsize=9)
    axes[0].set(xscale="log", xlabel="delay (steps)", title=f"after {STEPS} training steps")
    axes[0].set_xticks(DELAYS, [str(d) for d in DELAYS])
    axes[0].minorticks_off()
    axes[0].set_ylabel("nats per answer (0: always right)")
    axes[1].set(xlabel="training step", title=f"on the way, delay {MIDDLE}")
    axes[0].legend(fontsize=9, loc="center left")


def draw_windows(runs: dict[str, Any], axes: Any) -> None:
    """Draw what is remembered over gaps shorter and longer than a window."""
    names = {"alone": "each alone", "carried": "state carried"}
    for shift, way, colour in ((-0.2, "alone", ORANGE), (0.2, "carried", BLUE)):
        found = runs[f"windows, {way}"]
        heights = [found["by gap"][str(gap)] for gap in GAPS]
        axes[0].bar(
            np.arange(len(GAPS)) + shift,
            heights,
            0.4,
            color=colour,
            label=f"windows of {WINDOW}, {names[way]}",
        )
        for at, height in enumerate(heights):
            axes[0].text(
                at + shift, height + 0.03, f"{height:.2f}", ha="center", fontsize=8, color=colour
            )
        axes[1].plot(
            range(1, len(found["validation"]) + 1), found["validation"], "o-", color=colour
        )
    axes[0].set_xticks(range(len(GAPS)), [str(gap) for gap in GAPS])
    axes[0].set(
        xlabel="gap (steps)",
        ylabel="nats per answer (0: always right)",
        title="after training, by gap",
    )
    axes[1].set(xlabel="epoch", title="on the way, all gaps")
    for ax in axes:
        ax.axhline(CHANCE, color=GREY, linestyle="--", linewidth=0.8)
        ax.set_ylim(0, 2.8)
    axes[0].legend(fontsize=9, loc="upper left")


def draw_music(runs: dict[str, Any], axes: Any) -> None:
    """Draw three cells of the same size on tunes."""
    for cell, colour in OF_CELL.items():
        found = runs[f"music, {cell}"]
        axes[0].plot(
            smooth(found["loss"]),
            color=colour,
            label=f"{NAMES[cell]}, {found['parameters']:,} weights",
        )
        axes[1].plot(found["norm"], color=colour, linewidth=0.9, label=NAMES[cell])
    axes[0].set(
        xlabel="step",
        ylabel="loss (nats per token)",
        title="training loss (mean of the last 9 steps)",
    )
    axes[1].axhline(1, color=GREY, linewidth=0.8, linestyle="--")
    axes[1].set(
        xlabel="step",
        ylabel="global gradient norm",
        yscale="log",
        title="gradient norm before clipping at 1",
    )
    axes[0].legend(fontsize=9)


PICTURES = {
    "reach": draw_reach,
    "clipping": draw_clip,
    "recall": draw_recall,
    "windows": draw_windows,
    "music": draw_music,
}


def draw(folder: Path = HERE, suffix: str = "svg") -> None:
    """Draw every picture from the results."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "svg.hashsalt": "musegen",
            "svg.fonttype": "none",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 10,
            "legend.frameon": False,
            "axes.titlesize": 11,
        }
    )
    runs = json.loads(RESULTS.read_text())["runs"]
    for name, drawn in PICTURES.items():
        figure, axes = plt.subplots(1, 2, figsize=(10, 3.9), facecolor="white")
        drawn(runs, axes)
        figure.tight_layout()
        metadata = {"Date": None} if suffix == "svg" else None
        figure.savefig(folder / f"{name}.{suffix}", metadata=metadata, dpi=90)
        plt.close(figure)


# ---------------------------------------------------------------- the page


def exponent(value: float) -> str:
    """Return a number as a power of ten with one digit."""
    digit, power = f"{value:.0e}".split("e")
    return f"{digit} · 10^{int(power)}"


def quoted(runs: dict[str, Any]) -> list[str]:
    """Return the phrases that the page must contain, given the results."""
    start = runs["start"]
    free = runs["clip, sgd, not clipped"]
    held = runs["clip, sgd, clipped to norm 1"]
    by_value = runs["clip, sgd, values clipped to 0.01"]
    said = [
        f"multiplied by 1.2 keep {start['rnn 1.2'][100]:.0f} times",
        f"by 2, {exponent(start['rnn 2'][100])} times",
        f"by 0.8, {exponent(start['rnn 0.8'][100])}",
        f"left as they are, {start['rnn 1'][100]:.2f}",
        f"the LSTM {exponent(start['lstm'][100])}",
        f"the GRU {exponent(start['gru'][100])}",
        f"with forget bias 0 it is {exponent(start['lstm, forget bias 0'][100])}",
        f"{start['lstm gate']:.2f} of its cell",
        f"{start['gru gate']:.2f} of its state",
        f"stopped after step {len(free['loss'])}",
        f"its largest norm up to there was {max(free['norm']):.0f}",
        f"reached {held['validation'][-1]:.2f} nats",
        f"{100 * held['clipped'][-1]:.0f} % of its steps were clipped",
        f"the median norm was {held['median'][-1]:.2f}, the largest {held['max'][-1]:.1f}",
        free["message"],
        f"cut at 0.01, the same run reached {by_value['validation'][-1]:.2f} nats",
    ]
    for value, found in runs["angle"]["by value"].items():
        said.append(f"| {value} | {100 * found['cut']:.2f} % | {found['cosine']:.2f} |")
    for delay in DELAYS:
        cells = [runs[f"recall, {c}, {delay}"]["validation"][-1] for c in OF_CELL]
        said.append(f"| {delay} | " + " | ".join(f"{x:.2f}" for x in cells) + " |")
    rnn, gru = runs["recall, rnn, 80"], runs["recall, gru, 80"]
    said += [
        f"went from {rnn['before']:.2f} to {exponent(rnn['after'])}",
        f"from {exponent(gru['before'])} to {gru['after']:.2f}",
        f"one norm of {gru['largest norm']:.0f}",
        *(f"{NAMES[c]} {runs[f'music, {c}']['validation'][-1]:.2f}" for c in OF_CELL),
    ]
    for way in ("alone", "carried"):
        found = runs[f"windows, {way}"]["by gap"]
        said.append(f"| {way} | " + " | ".join(f"{found[str(gap)]:.2f}" for gap in GAPS) + " |")
    return said


def main(arguments: argparse.Namespace) -> None:
    """Run, draw, and print the phrases that are missing from the page."""
    if not arguments.draw:
        run(arguments.only, arguments.tunes, arguments.workers)
    draw()
    words = " ".join(PAGE.read_text().split())
    for quote in quoted(json.loads(RESULTS.read_text())["runs"]):
        if quote not in words:
            print(f"not on the page: {quote}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", action="store_true", help="only draw, from the saved results")
    parser.add_argument("--only", default="", help="only the runs whose names begin with this")
    parser.add_argument("--tunes", type=Path, help="folder that keeps the tunes between runs")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    main(parser.parse_args())
