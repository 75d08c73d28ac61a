"""Measure how much the music after a gap helps to fill it, in nats per note.

    python benchmarks/bench_infill.py STORE --continues folk --fills folk-infill

In each piece of a split of the store, a gap of each length is drawn at random, with a fixed seed. A
model that continues is conditioned on the music before the gap; a model that fills gaps also on the
number of bars and on the music after the gap, and is measured a second time without the latter. All
tokens of the gaps count, and the one that closes each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from musegen.data.store import Store
from musegen.encoding import gaps
from musegen.encoding.gaps import Gap
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.model import checkpoint, likelihood
from musegen.model.engine import Engine

SEED = 0


def drawn(pieces: list[Tokens], bars: int, vocabulary: Vocabulary) -> list[tuple[Tokens, Gap]]:
    """Return the pieces that are long enough, each with a gap at a random barline."""
    rng = np.random.default_rng([SEED, bars])
    out = []
    for tokens in pieces:
        lines = gaps.borders(tokens, vocabulary)
        if len(lines) > bars + 1:
            first = int(rng.integers(len(lines) - bars))
            out.append((tokens, Gap(int(lines[first]), int(lines[first + bars]))))
    return out


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--continues", default=["folk"], nargs="+", help="models that continue")
    parser.add_argument("--fills", required=True, help="a model that fills gaps")
    parser.add_argument("--split", default="test")
    parser.add_argument("--bars", default="1,2,4,8", help="lengths of gaps")
    options = parser.parse_args()
    store = Store(options.store)
    vocabulary = store.encoder.vocabulary
    pieces = [store.tokens(int(index)) for index in store.split(options.split)]
    engines = {}
    for name in (*options.continues, options.fills):
        made = checkpoint.load(name)
        if Vocabulary(made.encoder).fingerprint != vocabulary.fingerprint:
            parser.error(f"{name} must have the vocabulary of {options.store}")
        engines[name] = Engine(made.model, made.weights())
    rows = {
        **{f"{Path(name).name}: the past": (engines[name], True) for name in options.continues},
        f"{Path(options.fills).name}: the past, and how many bars": (engines[options.fills], False),
        f"{Path(options.fills).name}: the past, how many bars, the future": (
            engines[options.fills],
            True,
        ),
    }
    lengths = [int(bars) for bars in options.bars.split(",")]
    cases = {bars: drawn(pieces, bars, vocabulary) for bars in lengths}
    notes = {
        b: sum(int(vocabulary.notes[t[g.opens + 1 : g.closes]].sum()) for t, g in cases[b])
        for b in lengths
    }
    print(
        f"{'nats per note in gaps of':56}"
        + "".join(f"{bars:>5} bars" for bars in lengths)
        + "       all"
    )
    for name, (engine, told) in rows.items():
        nats = {
            bars: likelihood.gap_nats(engine, cases[bars], vocabulary, with_future=told)
            for bars in lengths
        }
        total = {bars: sum(float(n.sum()) for n in nats[bars]) for bars in lengths}
        figures = [total[bars] / notes[bars] for bars in lengths] + [
            sum(total.values()) / sum(notes.values())
        ]
        print(f"{name:56}" + "".join(f"{figure:10.3f}" for figure in figures), flush=True)
    counts = [*(notes[bars] for bars in lengths), sum(notes.values())]
    print(f"{'notes':56}" + "".join(f"{count:10,}" for count in counts))
    print(f"{'gaps':56}" + "".join(f"{len(cases[bars]):10,}" for bars in lengths))


if __name__ == "__main__":
    main()
